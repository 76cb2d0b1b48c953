"""What became of posts: refused, the face that was sent, another one, and more than was wanted."""

from dataclasses import dataclass, field

from vigia.bench.refusal_shots import Shot, ShotKind
from vigia.bench.result import percent
from vigia.domain.geometry import as_boxes_xyxy, iou_matrix
from vigia.domain.passages import IOU_MIN
from vigia.domain.posted_picture import Box, PictureMode, PicturePlan
from vigia.infrastructure.clients.findface_wire import MfSelector

WHOLE = None
"""In place of a margin: the region is the whole posted picture."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One way of posting."""

    mode: PictureMode
    margin: float | None
    """Of the region; WHOLE: all of the posted picture."""
    selector: MfSelector

    @property
    def margin_text(self) -> str:
        """For the table."""
        return "whole picture" if self.margin is None else percent(self.margin)


@dataclass(frozen=True, slots=True)
class Finder:
    """What a stand-in looks with."""

    name: str
    """Of the model, for tables."""
    setting: str = field(repr=False)
    """What ``detector.model`` must say."""
    confidence_min: float | None = None
    """In [0, 1]; None: what suits the model."""

    @property
    def is_strict(self) -> bool:
        """Whether its answers are counted apart."""
        return self.confidence_min is not None


@dataclass(frozen=True, slots=True, eq=False)
class Post:
    """One picture, one region, one question, and the events that it made."""

    cell: Cell
    finder: Finder
    shot: Shot
    plan: PicturePlan
    event_ids: tuple[str, ...]
    """Empty: it was refused."""


@dataclass(slots=True)
class Tally:
    """What became of the posts of one kind."""

    posts: int = 0
    refused: int = 0
    wrong: int = 0
    """``biggest`` takes another face."""
    neighbours: int = 0
    """Events of ``all`` beyond the one wanted."""

    def add(self, post: Post, boxes: dict[str, Box]) -> None:
        """Count one."""
        self.posts += 1
        if not post.event_ids:
            self.refused += 1
            return
        found = [post.plan.to_camera(boxes[event_id]) for event_id in post.event_ids]
        largest = max(found, key=lambda box: (box[2] - box[0]) * (box[3] - box[1]))
        own = iou_matrix(as_boxes_xyxy(post.shot.box_xyxy), as_boxes_xyxy(found))[0]
        self.wrong += bool(iou_matrix(as_boxes_xyxy(post.shot.box_xyxy), as_boxes_xyxy(largest))[0, 0] < IOU_MIN)
        self.neighbours += len(found) - bool(own.max() >= IOU_MIN)

    @property
    def refused_share(self) -> float:
        """In [0, 1]."""
        return self.refused / self.posts if self.posts else 0.0

    @property
    def wrong_share(self) -> float:
        """Of all posts, in [0, 1]."""
        return self.wrong / self.posts if self.posts else 0.0

    def cells(self) -> tuple[str, ...]:
        """As a table shows it."""
        return str(self.posts), percent(self.refused_share), percent(self.wrong_share), str(self.neighbours)


@dataclass(slots=True)
class Findings:
    """All answers, counted. Owner: who counts."""

    default_cell: Cell
    grid: dict[Cell, Tally] = field(default_factory=dict)
    """All other ways."""
    strict: dict[Cell, Tally] = field(default_factory=dict)
    """The strict finder's answers."""
    by_kind: dict[ShotKind, Tally] = field(default_factory=dict)
    """Default settings."""
    by_models: dict[tuple[str, str], Tally] = field(default_factory=dict)
    """Default settings, by who found the face and who looks again."""
    default: Tally = field(default_factory=Tally)

    def add(self, post: Post, boxes: dict[str, Box]) -> None:
        """Count one post where it belongs."""
        if post.finder.is_strict or post.cell != self.default_cell:
            grid = self.strict if post.finder.is_strict else self.grid
            grid.setdefault(post.cell, Tally()).add(post, boxes)
            return
        for tally in (
            self.default,
            self.by_kind.setdefault(post.shot.kind, Tally()),
            self.by_models.setdefault((post.shot.model, post.finder.name), Tally()),
        ):
            tally.add(post, boxes)
