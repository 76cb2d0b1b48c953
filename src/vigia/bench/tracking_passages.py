"""The generator's people through the product's own pipeline and detector: is each passage one track, sent once?

Clips are read by two shards, flat out but on a clock of their own, at a fixed cadence. Every face event is
compared with the truth of its frame, so that a track that went over from one passage to another is seen even where what
was sent of it was right.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from vigia.application.service import LoopService
from vigia.application.use_cases.manage_tracks_use_case import Association, ManageTracksUseCase
from vigia.bench.context import BenchContext
from vigia.bench.flat_out import (
    CaptureNotes,
    FlatStream,
    FlatTask,
    flat_streams,
    found_passages,
    make_shard,
    packets_of,
    run_shard,
    share_out,
)
from vigia.bench.flat_workers import WORKERS, run_to_end
from vigia.bench.part import BenchPart
from vigia.bench.result import Table, Verdict, percent
from vigia.bootstrap.hot_path import HotPath
from vigia.bootstrap.parts import WEAK_SHARE, detector_factory
from vigia.bootstrap.track_boxes import track_manager
from vigia.domain.camera import CameraId
from vigia.domain.event import FaceEvent
from vigia.domain.geometry import as_boxes_xyxy, clip_boxes, iou_matrix
from vigia.domain.ground_truth import ClipTruth
from vigia.domain.passages import IOU_MIN, PassageReport
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.config import Settings
from vigia.infrastructure.demo import DemoClip, load_truth
from vigia.infrastructure.detection.registry import AUTO_ORDER
from vigia.testing.sim_clock import SimClock

CADENCES = (1, 3, 5)
HEIGHT = 720
DELIVERED_MIN, CAPTURES_MAX = 0.98, 1.1
CLEAR_IOU = 0.2
"""A box says whose it is when it overlaps one face by so much more than the next: where two meet it may fit both."""


@dataclass(frozen=True, slots=True)
class PassagesAtCadence:
    """What came out at one cadence."""

    k: int
    report: PassageReport
    mixed: int
    """Tracks whose events show two passages, be it a single one."""
    tracks: int
    events: int

    @property
    def held(self) -> bool:
        """As promised."""
        found = self.report
        return found.recall >= DELIVERED_MIN and found.captures_per_passage <= CAPTURES_MAX and not self.mixed

    def as_json(self) -> dict[str, object]:
        """The figures."""
        return {
            "k": self.k,
            "mixed_identities": self.mixed,
            "tracks": self.tracks,
            "events": self.events,
            **self.report.summary(),
        }


class WatchedTracks:
    """Notes which event went to which track. Owner: ``list.append`` is atomic; read it when the shards are done."""

    def __init__(self, tracks: ManageTracksUseCase) -> None:
        self.tracks = tracks
        self.associations: list[Association] = []
        self._execute = tracks.execute
        tracks.execute = self._noted  # type: ignore[method-assign]  # the pipeline asks the use case, whoever that is

    def _noted(self, camera_id: CameraId, events: Sequence[FaceEvent]) -> list[Association]:
        found = self._execute(camera_id, events)
        self.associations += [
            Association(one.event.without_picture(), one.track_id, one.match) for one in found
        ]  # pictures are the decoder's
        return found


def measure_passages(settings: Settings, streams: Sequence[FlatStream], *, k: int) -> PassagesAtCadence:
    """All streams once, by two shards.

    Args:
        settings: with ``detector.cadence_k`` of ``k``.
        streams: at least as many as shards.
        k: told in the result.
    """
    clock = SimClock()  # stands still: a busy machine ends no track
    watched = WatchedTracks(track_manager(settings))
    hot_path = HotPath(settings, clock=clock, tracks=watched.tracks)
    notes = CaptureNotes()

    def step(task: FlatTask) -> None:
        cameras = [stream.camera for stream in task.streams]
        shard, lines = make_shard(
            hot_path, detector_factory(settings, weak_share=WEAK_SHARE)(), cameras, name=task.name, captures=notes
        )
        rounds = zip(*(packets_of(stream) for stream in task.streams), strict=True)
        run_shard(shard, lines, rounds, clock=clock)

    tasks = share_out(streams, settings, workers=WORKERS)
    run_to_end([LoopService(task.name, lambda task=task: step(task), clock=SystemClock()) for task in tasks])  # type: ignore[misc]
    truths = {stream.camera.id: load_truth(stream.truth_path) for stream in streams}
    passages = passages_of_tracks(watched.associations, truths)
    return PassagesAtCadence(
        k=k,
        report=found_passages(streams, notes.captures),
        mixed=sum(len(counts) > 1 for counts in passages.values()),
        tracks=len({one.track_id for one in watched.associations}),
        events=len(watched.associations),
    )


def passages_of_tracks(
    associations: Sequence[Association], truths: Mapping[CameraId, ClipTruth]
) -> dict[int, Counter[int]]:
    """Of every track, how many of its events show which passage; those that show none, or maybe two, do not count."""
    found: dict[int, Counter[int]] = {}
    for one in associations:
        passage = shown_passage(one.event, truths[one.event.camera_id])
        if passage is not None:
            found.setdefault(int(one.track_id), Counter())[passage] += 1
    return found


def shown_passage(event: FaceEvent, truth: ClipTruth) -> int | None:
    """Whose face a box shows: an overlap of IOU_MIN or more, and of CLEAR_IOU more than with any other; or None."""
    index = event.media_index
    faces = [face for face in truth.frames[index] if face.visible > 0.0] if index is not None else []
    if not faces:
        return None
    box = clip_boxes(as_boxes_xyxy(event.box_xyxy), width=truth.width, height=truth.height)
    overlaps = iou_matrix(box, as_boxes_xyxy([face.box_xyxy for face in faces]))[0].tolist()
    first, *others = sorted(range(len(faces)), key=lambda n: -overlaps[n])
    clear = not others or overlaps[first] - overlaps[others[0]] >= CLEAR_IOU
    return faces[first].passage_id if clear and overlaps[first] >= IOU_MIN else None


def run_part(context: BenchContext) -> BenchPart:
    """Every cadence, with the best model that is here."""
    here = context.models()
    model = next(name for name in AUTO_ORDER if name in here)
    clips = context.clips(HEIGHT)
    found = list(_every_cadence(context, here[model], clips))
    rows = tuple(_row(one) for one in found)
    columns = ("k", "passages", "delivered", "share", "captures", "a passage", "mixed", "tracks", "false")
    title = f"Passages of 60 px and more, {len(clips)} clips of {HEIGHT}p, {model}, through the product's pipeline"
    verdicts = tuple(Verdict(f"passages-k{one.k}", _measured(one), one.held) for one in found)
    notes = (
        "a passage is delivered when a capture shows it; mixed: tracks whose boxes show two passages, be it by one box",
        "a box that overlaps two faces about equally shows neither",
    )
    return BenchPart((Table(title, columns, rows),), verdicts, notes, {"passages": [one.as_json() for one in found]})


def _every_cadence(context: BenchContext, model_setting: str, clips: Sequence[DemoClip]) -> Iterator[PassagesAtCadence]:
    frames = min(len(load_truth(clip.truth_path).frames) for clip in clips)
    streams = flat_streams(clips, frames=frames, count=len(clips))
    for k in CADENCES:
        settings = context.settings(detector__model=model_setting, detector__cadence_k=k)
        yield measure_passages(settings, streams, k=k)


def _measured(one: PassagesAtCadence) -> str:
    found = one.report
    return (
        f"{found.delivered} of {found.truth} ({percent(found.recall)}), "
        f"{found.captures_per_passage:.2f} captures a passage, {one.mixed} mixed"
    )


def _row(one: PassagesAtCadence) -> tuple[str, ...]:
    found = one.report
    return (
        str(one.k),
        str(found.truth),
        str(found.delivered),
        percent(found.recall),
        str(found.captures),
        f"{found.captures_per_passage:.2f}",
        str(one.mixed),
        str(one.tracks),
        str(found.false_captures),
    )
