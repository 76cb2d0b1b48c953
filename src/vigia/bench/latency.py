"""From a face to its capture on disk and to the stand-in's answer, measured by the clips' own clock.

A file's frame has the time at which it was due, so that waiting in queues counts. The stand-in notes when it accepted a
picture: after it has checked it, found the face in it with a detector of its own, and written it to disk.
"""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import datetime
from math import ceil
from pathlib import Path
from typing import Any

from vigia.bench.context import BenchContext
from vigia.bench.result import BenchResult, Chart, ChartKind, Series, Table, Verdict, thousandths
from vigia.bench.site import PacedFigures, SiteRun, camera_id, open_site, site_model
from vigia.bench.site_clips import site_cameras
from vigia.domain.camera import CameraId
from vigia.domain.ground_truth import ClipTruth
from vigia.domain.motion import TrackEnd
from vigia.domain.passages import VISIBLE_MIN, DeliveredCapture, face_size_px, find_face

CAMERAS = 8
LIMIT_S = 0.25
PERCENTS = (50, 95, 99)
ENTERS = "face enters"
ABOUT = (
    "8 x 720p30, default settings. A face enters with the first frame in which it is as large as `detector.min_face_px`"
    " and half visible, by the ground truth; its capture is chosen when its passage is over, so that the first two rows"
    " hold the passage itself. The silence is `tracks.track_miss_interval_s` after the last frame in which the face was"
    " found; tracks that a loop's end or the stop cut short are left out. The stand-in works on the same cores."
)


@dataclass(frozen=True, slots=True)
class TimedCapture:
    """When a delivered capture went through its stations; wall time in seconds."""

    camera_id: CameraId
    loop: int
    media_index: int
    """Number of the chosen frame within its file."""
    box_xyxy: tuple[float, float, float, float]
    taken_s: float
    """When the chosen frame was due."""
    last_seen_s: float
    """When the last frame was due in which its track had a face."""
    committed_s: float
    accepted_s: float
    silent: bool
    """Its track ended because the face was not seen any more."""


@dataclass(frozen=True, slots=True)
class Latencies:
    """What lies between the stations, seconds; one value a passage (the first two) or a track."""

    entered_committed_s: tuple[float, ...]
    entered_accepted_s: tuple[float, ...]
    silence_committed_s: tuple[float, ...]
    silence_accepted_s: tuple[float, ...]
    committed_accepted_s: tuple[float, ...]


def latencies(
    captures: Sequence[TimedCapture],
    truths: Mapping[CameraId, ClipTruth],
    *,
    min_face_px: float,
    miss_interval_s: float,
) -> Latencies:
    """Measure every capture; of a passage with several the first counts, and one that was there at the start does not.

    Args:
        captures: in any order.
        truths: of every camera.
        min_face_px: a face that is smaller has not entered yet.
        miss_interval_s: the silence after which a track is over.
    """
    committed_s: dict[tuple[CameraId, int, int], float] = {}
    accepted_s: dict[tuple[CameraId, int, int], float] = {}
    for capture in captures:
        entered = _entered(capture, truths[capture.camera_id], min_face_px=min_face_px)
        if entered is None:
            continue
        key, entered_s = entered
        committed_s[key] = min(committed_s.get(key, float("inf")), capture.committed_s - entered_s)
        accepted_s[key] = min(accepted_s.get(key, float("inf")), capture.accepted_s - entered_s)
    silent = [capture for capture in captures if capture.silent]
    return Latencies(
        entered_committed_s=tuple(committed_s.values()),
        entered_accepted_s=tuple(accepted_s.values()),
        silence_committed_s=tuple(one.committed_s - one.last_seen_s - miss_interval_s for one in silent),
        silence_accepted_s=tuple(one.accepted_s - one.last_seen_s - miss_interval_s for one in silent),
        committed_accepted_s=tuple(one.accepted_s - one.committed_s for one in captures),
    )


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that ``percent`` of them do not exceed. Raises ValueError without values."""
    if not values:
        raise ValueError("a percentile needs a value")
    return sorted(values)[max(1, ceil(len(values) * percent / 100.0)) - 1]


def run(context: BenchContext) -> BenchResult:
    """Run eight cameras, then read both sides' books."""
    model = site_model(context)
    cameras = site_cameras(context.clips(720), count=CAMERAS, folder=context.out / "clips")
    truths = {camera_id(number): camera.truth for number, camera in enumerate(cameras)}
    chosen = context.settings()
    with open_site(context) as site:
        done = site.run(cameras, duration_s=context.pick(25.0, 8.0), detector__model=model)
        captures = read_captures(done, stand_in_data=site.stand_in_data)
    found = latencies(
        captures,
        truths,
        min_face_px=chosen.detector.min_face_px,
        miss_interval_s=chosen.tracks.track_miss_interval_s,
    )
    rows = _rows(found)
    verdicts: tuple[Verdict, ...] = ()
    notes = [ABOUT]
    if context.model("yunet-s") is None:
        notes.append(f"Measured with {model}; no verdict, it is promised for yunet-s, whose weights are not here.")
    elif found.silence_accepted_s:
        p50_s, p95_s, p99_s = (percentile(found.silence_accepted_s, percent) for percent in PERCENTS)
        text = f"p50 {thousandths(p50_s)}, p95 {thousandths(p95_s)}, p99 {thousandths(p99_s)}"
        verdicts = (Verdict("latency", text, held=p95_s <= LIMIT_S),)
    return BenchResult(
        name="latency",
        title="From a face to FindFace",
        tables=(
            Table(
                "On the way",
                ("from, to", "samples", *(f"p{percent}" for percent in PERCENTS), "longest"),
                tuple((name, str(len(values)), *map(_shown, _summary(values))) for name, values in rows),
            ),
        ),
        chart=Chart(
            title="From a passage's end to FindFace, 8 x 720p30",
            kind=ChartKind.BARS,
            y_label="ms",
            categories=tuple(f"p{percent}" for percent in PERCENTS),
            series=tuple(
                Series(name, tuple(1e3 * one for one in _summary(values)[:3]))
                for name, values in rows
                if not name.startswith(ENTERS)  # seconds long, for the passage is in it
            ),
            marks={"promised": LIMIT_S * 1e3},
        ),
        verdicts=verdicts,
        data={"samples": asdict(found), "figures": asdict(PacedFigures.of(done)), "model": Path(model).name},
        notes=tuple(notes),
    )


def _rows(found: Latencies) -> list[tuple[str, tuple[float, ...]]]:
    named = [
        (f"{ENTERS}, capture on disk", found.entered_committed_s),
        (f"{ENTERS}, accepted", found.entered_accepted_s),
        ("silence over, capture on disk", found.silence_committed_s),
        ("silence over, accepted", found.silence_accepted_s),
        ("capture on disk, accepted", found.committed_accepted_s),
    ]
    return [(name, values) for name, values in named if values]


def _shown(duration_s: float) -> str:
    return f"{duration_s:.2f} s" if duration_s >= 1.0 else thousandths(duration_s)


def _summary(values: Sequence[float]) -> tuple[float, ...]:
    return (*(percentile(values, percent) for percent in PERCENTS), max(values))


def _entered(
    capture: TimedCapture, truth: ClipTruth, *, min_face_px: float
) -> tuple[tuple[CameraId, int, int], float] | None:
    """Which passage a capture belongs to and when its face entered; None for a false one or one that did not enter."""
    face = find_face(
        truth, DeliveredCapture(capture.camera_id, capture.media_index, capture.loop, box_xyxy=capture.box_xyxy)
    )
    if face is None:
        return None
    first = next(
        (
            number
            for number, faces in enumerate(truth.frames[: capture.media_index + 1])
            for one in faces
            if one.passage_id == face.passage_id and one.visible >= VISIBLE_MIN and face_size_px(one) >= min_face_px
        ),
        0,
    )
    if first == 0:  # too small all the time, or in the picture when the file began
        return None
    entered_s = capture.taken_s - (capture.media_index - first) / truth.fps
    return (capture.camera_id, capture.loop, face.passage_id), entered_s


def read_captures(run: SiteRun, *, stand_in_data: Path) -> list[TimedCapture]:
    """What a run delivered, from its outbox, with the times of the stand-in's books. After the run."""
    accepted_s = {
        str(event): received_us / 1e6
        for event, received_us in _query(
            stand_in_data / "stub.sqlite3",
            "SELECT events.id, posts.received_us FROM events JOIN posts ON posts.id = events.post",
        )
    }
    captures = []
    for row in _query(
        run.data_dir / "outbox" / "outbox.sqlite3",
        "SELECT camera_id, at_utc, details, event_ids, committed_at FROM capture WHERE state = 'delivered'",
    ):
        details, event_ids = json.loads(row[2]), json.loads(row[3])
        times_s = [accepted_s[event] for event in event_ids if event in accepted_s]
        if not times_s:
            continue
        taken_s = datetime.fromisoformat(row[1]).timestamp()
        left, top, right, bottom = details["box"]
        captures.append(
            TimedCapture(
                camera_id=CameraId(row[0]),
                loop=details["loop"],
                media_index=details["media_index"],
                box_xyxy=(left, top, right, bottom),
                taken_s=taken_s,
                last_seen_s=taken_s + details["best_to_last_s"],
                committed_s=row[4],
                accepted_s=min(times_s),
                silent=details["reason"] == TrackEnd.SILENCE.value,
            )
        )
    return captures


def _query(path: Path, statement: str) -> list[Any]:
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        return connection.execute(statement).fetchall()
