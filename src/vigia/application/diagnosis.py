"""What the doctor says of an installation: findings, each with what to do about it. Values only.

A finding's words are templates with facts, so that each reader has them in its own language.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from vigia.domain.errors import VigiaError


class Area(StrEnum):
    """What is looked at, in the order in which it is told."""

    CONFIGURATION = "configuration"
    DISK = "disk"
    OUTBOX = "outbox"
    MACHINE = "machine"
    CLOCK = "clock"
    MODEL = "model"
    DECODER = "decoder"
    WEB = "web"
    FINDFACE = "findface"
    CAMERAS = "cameras"
    CAPACITY = "capacity"


class Status(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    """A run works, and something may cost faces, or privacy, one day."""
    ERROR = "error"
    """A run does not work, or loses something now."""


@dataclass(frozen=True, slots=True)
class FindingKind:
    """One thing that the doctor may say. Words are English templates with ``%(name)s`` places.

    Raises:
        ValueError: it is not ok and says nothing of what to do, or it is ok and does.
    """

    id: str
    """For machines: the area, a dot, a word."""
    status: Status
    text: str
    remedy: str = ""
    """What to do: a command, a setting, a file. Empty only where all is well."""
    point: str = ""
    """What was looked at; empty where each finding says so itself."""

    def __post_init__(self) -> None:
        """Refuse a complaint without advice."""
        if (self.status is Status.OK) is bool(self.remedy):
            raise ValueError(f"{self.id}: what is not ok has a remedy, and nothing else")

    def of(self, point: str = "", /, *, area: Area | None = None, **facts: object) -> "Finding":
        """A finding of this kind.

        Args:
            point: what was looked at, where the kind does not say: a camera's name, a file.
            area: where the kind is of several.
            **facts: for the places of text and remedy.
        """
        own = area if area is not None else Area(self.id.partition(".")[0])
        return Finding(self, own, point or self.point, facts, is_named=bool(point))


@dataclass(frozen=True, slots=True)
class Finding:
    """One point that was looked at."""

    kind: FindingKind
    area: Area
    point: str
    facts: Mapping[str, object] = field(default_factory=dict)
    is_named: bool = False
    """The point is a name, in no language; else a message id."""

    @property
    def status(self) -> Status:
        """How bad it is."""
        return self.kind.status


class Word(VigiaError):
    """A fact that is told in the reader's language, as an error inside another one is. Never raised."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """All findings together."""

    errors: int
    warnings: int

    @classmethod
    def of(cls, findings: Iterable[Finding]) -> "Verdict":
        """Count them."""
        statuses = [finding.status for finding in findings]
        return cls(errors=statuses.count(Status.ERROR), warnings=statuses.count(Status.WARNING))

    def passes(self, *, strict: bool) -> bool:
        """Whether there is nothing to be done; ``strict``: warnings count."""
        return self.errors == 0 and not (strict and self.warnings)
