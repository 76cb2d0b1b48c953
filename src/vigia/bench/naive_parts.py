"""Four parts of a naive design and what vigia has in their place: tracking, logging, garbage, posting.

The naive ones are written as they usually are, not worse: one lock around the tracker and the line it logs, a file
handler, a collection every second of video, a ``requests.post`` for each picture. Each can be exchanged alone.
"""

import contextlib
import gc
import logging
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol, TextIO

import requests

from vigia.application.ports import Clock
from vigia.application.use_cases.manage_tracks_use_case import ManageTracksUseCase
from vigia.domain.camera import Camera, CameraId
from vigia.domain.event import FaceEvent
from vigia.domain.track_matching_service import TrackMatchingService
from vigia.infrastructure.clients.findface_access import FindfaceAccess
from vigia.infrastructure.clients.findface_async import FindfaceMultiAsync
from vigia.infrastructure.clients.findface_multi import FindfaceMulti
from vigia.infrastructure.clients.findface_wire import ADD_EVENT_PATH
from vigia.infrastructure.clients.http_transport import TlsPolicy
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.logging import AsyncLogger, get_logger
from vigia.infrastructure.logging.lines import Line
from vigia.infrastructure.memory import MemoryManager

MATCH_IOU_MIN = 0.25
SILENCE_S = 1.0
COLLECT_EVERY_FRAMES = 30
"""Of each camera: once a second of video."""
POST_TIMEOUT_S = 60.0
MATCHED = "Event %d associated with track %d by IoU (%.3f)"
STARTED = "Event %d started track %d"

LogCall = Callable[..., None]
"""``info(message, *args)`` of some logger."""
Tidy = Callable[[], None]
"""Called by each camera after each frame."""


class Tracker(Protocol):
    """Says whose face it is. Any thread."""

    def follow(self, event: FaceEvent) -> int:
        """The number of the track that the event joins or starts; says so in the log."""
        ...


class Poster(Protocol):
    """Sends one picture and waits for the answer. Any thread."""

    def __call__(self, camera: Camera, jpeg: bytes, *, roi: tuple[int, int, int, int]) -> None:
        """Raises when it was not taken."""
        ...


@dataclass(slots=True)
class _NaiveTrack:
    """Owner: the tracker's lock."""

    id: int
    camera_id: CameraId
    box: Sequence[float]
    seen_s: float


class OneLockTracker:
    """The naive one: a list of tracks, overlap in plain Python, one lock for all cameras, the log line inside it.

    Owner: its lock. Bounds: tracks silent for SILENCE_S are dropped when their camera is looked at.
    """

    def __init__(self, info: LogCall) -> None:
        self._info = info
        self._lock = threading.Lock()  # guards the list, and everything else that happens here: that is the point
        self._tracks: list[_NaiveTrack] = []
        self._next_id = 1

    def follow(self, event: FaceEvent) -> int:
        """See Tracker."""
        box: list[float] = event.box_xyxy.tolist()
        with self._lock:
            self._tracks = [
                track
                for track in self._tracks
                if track.camera_id != event.camera_id or event.at_mono_s - track.seen_s <= SILENCE_S
            ]
            best, best_iou = None, MATCH_IOU_MIN
            for track in self._tracks:
                if track.camera_id != event.camera_id:
                    continue
                iou = overlap(box, track.box)
                if iou >= best_iou:
                    best, best_iou = track, iou
            if best is None:
                best = _NaiveTrack(self._next_id, event.camera_id, box, event.at_mono_s)
                self._next_id += 1
                self._tracks.append(best)
                self._info(STARTED, event.id, best.id)
            else:
                best.box, best.seen_s = box, event.at_mono_s
                self._info(MATCHED, event.id, best.id, best_iou)
            return best.id


def overlap(first: Sequence[float], second: Sequence[float]) -> float:
    """Intersection over union of two boxes (left, top, right, bottom), in [0, 1]."""
    left, top = max(first[0], second[0]), max(first[1], second[1])
    right, bottom = min(first[2], second[2]), min(first[3], second[3])
    if right <= left or bottom <= top:
        return 0.0
    common = (right - left) * (bottom - top)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (first, second)]
    return common / (sum(areas) - common)


class OptimisticTracker:
    """vigia's: ``ManageTracksUseCase``, which matches outside its lock; the line is logged outside it too."""

    def __init__(self, info: LogCall) -> None:
        self._info = info
        self._tracks = ManageTracksUseCase(TrackMatchingService(), miss_interval_s=SILENCE_S)

    def follow(self, event: FaceEvent) -> int:
        """See Tracker."""
        self._tracks.expire(event.camera_id, event.at_mono_s)
        association = self._tracks.process_event(event)
        if association.match is None:
            self._info(STARTED, event.id, association.track_id)
        else:
            self._info(MATCHED, event.id, association.track_id, association.match.iou)
        return association.track_id


def collect_in_loop() -> Tidy:
    """The naive one, for one camera: a whole collection in the frame's thread, every COLLECT_EVERY_FRAMES."""
    frames = 0

    def tidy() -> None:
        nonlocal frames
        frames += 1
        if frames % COLLECT_EVERY_FRAMES == 0:
            gc.collect()

    return tidy


def leave_alone() -> Tidy:
    """vigia's, for one camera: nothing to do; a ``MemoryManager`` runs beside."""
    return lambda: None


@contextlib.contextmanager
def background_collection(clock: Clock) -> Iterator[None]:
    """The ``MemoryManager`` as the product runs it, its cameras always busy."""
    manager = MemoryManager(clock, is_idle=lambda: False)
    manager.freeze_startup()
    manager.start()
    try:
        yield
    finally:
        manager.stop()


@dataclass(slots=True)
class Stall:
    """A slow disk: each write takes a while, evenly distributed between two times; with ``high_s`` 0 it is a quick one.

    Owner: whoever writes, one at a time.
    """

    low_s: float = 0.0
    high_s: float = 0.0
    lines: int = 0
    writes: int = 0
    _random: random.Random = field(default_factory=lambda: random.Random(11))  # noqa: S311 - the same stalls every time
    _never: threading.Event = field(default_factory=threading.Event)
    _clock: Clock = field(default_factory=SystemClock)

    def write(self, stream: TextIO, text: str, *, lines: int) -> None:
        """Write and flush, slowly."""
        if self.high_s > 0.0:
            self._clock.wait(self._never, self._random.uniform(self.low_s, self.high_s))
        stream.write(text)
        stream.flush()
        self.lines += lines
        self.writes += 1


class StallingFileHandler(logging.FileHandler):
    """The standard file handler on a slow disk: every line is a write, in its caller's thread, under one lock."""

    def __init__(self, path: Path, stall: Stall) -> None:
        super().__init__(path, encoding="utf-8")
        self._stall = stall
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """One line."""
        if self.stream is not None:  # closed
            self._stall.write(self.stream, f"{self.format(record)}\n", lines=1)


class StallingSink:
    """A file on the same slow disk for vigia's logger: a batch is one write, in the logger's thread."""

    name = "slow file"
    level_min = logging.INFO

    def __init__(self, path: Path, stall: Stall) -> None:
        self._stream = path.open("a", encoding="utf-8")
        self._stall = stall

    def write(self, lines: Sequence[Line]) -> None:
        """One batch."""
        stamps = [datetime.fromtimestamp(line.created_s, UTC).isoformat(sep=" ") for line in lines]
        text = "".join(f"{at} {line.level} {line.message}\n" for at, line in zip(stamps, lines, strict=True))
        self._stall.write(self._stream, text, lines=len(lines))

    def close(self) -> None:
        """Idempotent."""
        self._stream.close()


@contextlib.contextmanager
def file_log(path: Path, stall: Stall) -> Iterator[LogCall]:
    """The naive one: ``logging`` with a file handler."""
    log = logging.getLogger("naive")
    handler = StallingFileHandler(path, stall)
    log.addHandler(handler)
    log.propagate = False
    log.setLevel(logging.INFO)
    try:
        yield log.info
    finally:
        log.removeHandler(handler)
        handler.close()


@contextlib.contextmanager
def async_log(path: Path, stall: Stall, clock: Clock) -> Iterator[LogCall]:
    """The ``AsyncLogger``, alone in this process."""
    logger = AsyncLogger([StallingSink(path, stall)], clock=clock)
    logger.start()
    try:
        yield get_logger("bench.naive").info
    finally:
        logger.detach()


class RequestsPoster:
    """The naive one: a new connection for each picture."""

    def __init__(self, url: str, ca_file: Path) -> None:
        self._url = f"{url}{ADD_EVENT_PATH}"
        self._ca_file = str(ca_file)

    def __call__(self, camera: Camera, jpeg: bytes, *, roi: tuple[int, int, int, int]) -> None:
        """See Poster."""
        fields = {"camera": str(camera.findface_id), "token": camera.token, "mf_selector": "biggest"}
        answer = requests.post(
            self._url,
            data={**fields, "roi": [str(side) for side in roi]},
            files={"fullframe": ("fullframe.jpg", jpeg, "image/jpeg")},
            headers={"Authorization": "Token bench"},
            verify=self._ca_file,
            timeout=POST_TIMEOUT_S,
        )
        answer.raise_for_status()


class PooledPoster:
    """vigia's: ``FindfaceMultiAsync`` over its pool."""

    def __init__(self, client: FindfaceMultiAsync, clock: Clock) -> None:
        self._client = client
        self._clock = clock

    def __call__(self, camera: Camera, jpeg: bytes, *, roi: tuple[int, int, int, int]) -> None:
        """See Poster."""
        self._client.add_face_event(
            camera.findface_id or 0, camera.token, fullframe_jpeg=jpeg, roi=roi, timestamp=self._clock.utc()
        )


def pooled_client(url: str, ca_file: Path, clock: Clock) -> FindfaceMultiAsync:
    """The product's client of a receiver that lets everybody in; to be closed."""
    access = FindfaceAccess(url=url, user="bench", password="bench", uuid="bench", tls=TlsPolicy(ca_file=ca_file))  # noqa: S106 - of no account
    return FindfaceMultiAsync(FindfaceMulti(access, clock=clock))
