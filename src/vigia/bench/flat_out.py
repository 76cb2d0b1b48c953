"""Flat out: the product's shards fed from memory as fast as they take it, and decoding alone beside them.

Each worker owns its streams and takes one packet of each in turn. Disk and network are measured elsewhere: packets lie
in memory before the clock runs, captures are noted and let go. A worker is a thread, or a spawned process that runs the
same function; decode-only runs on the same workers in the same turn, so that the two can be compared.
"""

import gc
import itertools
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import lru_cache
from pathlib import Path

from vigia.application.camera_line import CameraLine
from vigia.application.camera_shard import RUN_MAX, CameraShard
from vigia.application.errors import ApplicationError, SourceEnded
from vigia.application.ports import Clock, FaceDetector
from vigia.application.track_poster import CaptureSink
from vigia.application.use_cases.commit_captures import CaptureRequest
from vigia.bootstrap.hot_path import HotPath
from vigia.bootstrap.parts import WEAK_SHARE, detector_factory
from vigia.domain.camera import Camera, CameraId
from vigia.domain.frame import Packet
from vigia.domain.ground_truth import ClipTruth
from vigia.domain.passages import DeliveredCapture, PassageReport, ProcessedWindow, judge_passages
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.config import Settings
from vigia.infrastructure.demo import DemoClip, load_truth
from vigia.infrastructure.video.decoder import AvVideoDecoder
from vigia.infrastructure.video.source import AvFrameSource, Pace, SourceOptions

STREAMS = 8
JUDGED_FACE_PX = 60.0
"""Passages are counted from this face size on."""
DRAIN_S = 60.0
"""More than any shard needs for what is left in it."""


@dataclass(frozen=True, slots=True)
class FlatStream:
    """A stretch of one clip, as one camera's stream. Small: travels to a worker process, which reads it there."""

    number: int
    path: Path
    truth_path: Path
    first: int
    """Frame of the clip to begin with; a key frame."""
    frames: int

    @property
    def camera(self) -> Camera:
        """As the shard knows it."""
        name = f"flat-{self.number}"
        return Camera(CameraId(name), name, str(self.path), self.number + 1, token="flat")  # noqa: S106 - opens nothing

    @property
    def window(self) -> ProcessedWindow:
        """The part of the clip that is processed."""
        return ProcessedWindow(self.first, self.first + self.frames - 1)


def flat_streams(
    clips: Sequence[DemoClip], *, frames: int, first: int = 0, count: int = STREAMS
) -> tuple[FlatStream, ...]:
    """``count`` streams of ``frames`` frames each; with fewer clips than streams they are shown again."""
    chosen = itertools.islice(itertools.cycle(clips), count)
    return tuple(FlatStream(n, clip.path, clip.truth_path, first, frames) for n, clip in enumerate(chosen))


@lru_cache(maxsize=256)
def packets_of(stream: FlatStream) -> tuple[Packet, ...]:
    """The stream's packets, read once. Packets are not shared between streams: a decoder marks those it works on.

    Raises:
        ApplicationError: the clip is too short, or its stretch does not begin with a key frame.
    """
    source = AvFrameSource(stream.camera, clock=SystemClock(), options=SourceOptions(pace=Pace.FLAT_OUT))
    source.open()
    packets: list[Packet] = []
    try:
        packets.extend(itertools.islice(source.packets(), stream.first, stream.first + stream.frames))
    except SourceEnded:
        pass  # told below
    finally:
        source.close()
    if len(packets) < stream.frames or not packets[0].is_key:
        raise ApplicationError(
            "%(path)s has no %(frames)d frames from a key frame on", path=stream.path, frames=stream.frames
        )
    return tuple(packets)


@lru_cache(maxsize=64)
def _truth_of(path: Path) -> ClipTruth:
    return load_truth(path)


def found_passages(
    streams: Iterable[FlatStream], captures: Iterable[DeliveredCapture], *, min_face_px: float = JUDGED_FACE_PX
) -> PassageReport:
    """Which passages of ``min_face_px`` pixels and more were found, by the clips' ground truth."""
    cameras = {stream.camera.id: stream for stream in streams}
    return judge_passages(
        {camera_id: _truth_of(stream.truth_path) for camera_id, stream in cameras.items()},
        windows={(camera_id, 0): stream.window for camera_id, stream in cameras.items()},
        captures=captures,
        min_face_px=min_face_px,
    )


@dataclass(slots=True)
class CaptureNotes:
    """Takes captures, notes where each was, and keeps no picture; hands them on where there is somebody to take them.

    Owner: ``list.append`` is atomic; read it when the shards are done.
    """

    taker: CaptureSink | None = None
    captures: list[DeliveredCapture] = field(default_factory=list)

    def offer(self, request: CaptureRequest) -> None:
        """Note it, pass it on."""
        event = request.event
        left, top, right, bottom = (float(edge) for edge in event.box_xyxy)
        index = event.media_index if event.media_index is not None else -1
        self.captures.append(DeliveredCapture(event.camera_id, index, event.loop, (left, top, right, bottom)))
        if self.taker is not None:
            self.taker.offer(request)


@dataclass(frozen=True, slots=True)
class WorkerReport:
    """What one worker did. Times are of ``time.perf_counter``, which all processes of a machine share."""

    started_s: float
    ended_s: float
    cpu_s: float
    """Of the worker's thread."""
    frames: int
    faces: int = 0
    tracks: int = 0
    captures: tuple[DeliveredCapture, ...] = ()


@dataclass(frozen=True, slots=True)
class FlatResult:
    """One measurement."""

    frames: int
    wall_s: float
    cpu_s: float
    faces: int = 0
    tracks: int = 0
    captures: int = 0
    passages: PassageReport | None = None
    """Faces of JUDGED_FACE_PX and more; None where nothing was looked for."""

    @property
    def fps(self) -> float:
        """Frames a second, all streams together."""
        return self.frames / self.wall_s

    @property
    def cores(self) -> float:
        """How many cores were busy, on average."""
        return self.cpu_s / self.wall_s

    def as_json(self) -> dict[str, object]:
        """The figures."""
        found = {} if self.passages is None else {"found": self.passages.delivered, "to_find": self.passages.truth}
        return {
            "fps": round(self.fps, 1),
            "frames": self.frames,
            "wall_s": round(self.wall_s, 3),
            "cpu_s": round(self.cpu_s, 3),
            "faces": self.faces,
            "tracks": self.tracks,
            "captures": self.captures,
            **found,
        }


def result_of(reports: Sequence[WorkerReport], streams: Sequence[FlatStream], *, judged: bool) -> FlatResult:
    """Several workers' reports as one measurement: from the first one's start to the last one's end."""
    captures = [capture for report in reports for capture in report.captures]
    return FlatResult(
        frames=sum(report.frames for report in reports),
        wall_s=max(report.ended_s for report in reports) - min(report.started_s for report in reports),
        cpu_s=sum(report.cpu_s for report in reports),
        faces=sum(report.faces for report in reports),
        tracks=sum(report.tracks for report in reports),
        captures=len(captures),
        passages=found_passages(streams, captures) if judged else None,
    )


@dataclass(frozen=True, slots=True)
class FlatTask:
    """One worker's share."""

    name: str
    streams: tuple[FlatStream, ...]
    settings: Settings | None
    """None: decode only."""


def share_out(streams: Sequence[FlatStream], settings: Settings | None, *, workers: int) -> tuple[FlatTask, ...]:
    """Streams to workers in turn, as the product does it; no worker without a stream."""
    count = min(workers, len(streams))
    return tuple(FlatTask(f"flat-worker-{n}", tuple(streams[n::count]), settings) for n in range(count))


def work(
    task: FlatTask, ready: Callable[[], object], *, hot_path: HotPath | None = None, taker: CaptureSink | None = None
) -> WorkerReport:
    """Prepare, wait for the others, process everything.

    Args:
        task: what to do.
        ready: called when prepared; returns when all are.
        hot_path: shared by the shards of a process; a process of its own makes its own.
        taker: gets the captures, after they were noted.
    """
    if task.settings is None:
        return _decode_only(task.streams, ready)
    clock = SystemClock()
    notes = CaptureNotes(taker)
    hot_path = hot_path if hot_path is not None else HotPath(task.settings, clock=clock)
    detector = detector_factory(task.settings, weak_share=WEAK_SHARE)()
    rounds = list(zip(*(packets_of(stream) for stream in task.streams), strict=True))
    cameras = [stream.camera for stream in task.streams]
    shard, lines = make_shard(hot_path, detector, cameras, name=task.name, captures=notes)
    _warm_up(detector, task)
    ready()
    started_s, cpu_s = time.perf_counter(), time.thread_time()
    feed_shard(shard, lines, rounds, clock=clock)
    # All tracks end with a sample, of all cameras at once, every few seconds: that belongs to no camera's day.
    ended_s, cpu_s = time.perf_counter(), time.thread_time() - cpu_s
    frames = sum(line.ledger.snapshot().frames_decoded for line in lines)
    shard.drain(deadline_mono_s=clock.mono_s() + DRAIN_S)
    pages = [line.ledger.snapshot() for line in lines]
    if not all(page.balanced for page in pages):
        raise ApplicationError("the ledger of %(worker)s does not balance", worker=task.name)
    return WorkerReport(
        started_s=started_s,
        ended_s=ended_s,
        cpu_s=cpu_s,
        frames=frames,
        faces=sum(page.faces for page in pages),
        tracks=sum(page.tracks_started for page in pages),
        captures=tuple(notes.captures),
    )


def make_shard(
    hot_path: HotPath, detector: FaceDetector, cameras: Sequence[Camera], *, name: str, captures: CaptureSink
) -> tuple[CameraShard, list[CameraLine]]:
    """A shard with its cameras' lines, as the product wires them. The one place here that knows how."""
    shard, detect = hot_path.shard(name, detector, cameras=len(cameras))
    lines = [hot_path.line(camera, shard, detect=detect, captures=captures) for camera in cameras]
    for line in lines:
        shard.add(line.pipeline)
    return shard, lines


def run_shard(
    shard: CameraShard, lines: Sequence[CameraLine], rounds: Iterable[Sequence[Packet]], *, clock: Clock
) -> None:
    """Feed the shard to the end; then drain."""
    feed_shard(shard, lines, rounds, clock=clock)
    shard.drain(deadline_mono_s=clock.mono_s() + DRAIN_S)


def feed_shard(
    shard: CameraShard, lines: Sequence[CameraLine], rounds: Iterable[Sequence[Packet]], *, clock: Clock
) -> None:
    """Feed RUN_MAX packets of each camera, let the shard process them, and so on to the end."""
    rounds = iter(rounds)
    while turn := list(itertools.islice(rounds, RUN_MAX)):
        for packets in turn:
            for line, packet in zip(lines, packets, strict=True):
                line.pipeline.queue.put(replace(packet, received_mono_s=clock.mono_s()))
        for _ in range(len(turn) * len(lines)):
            shard.step()


def endless(packets: Sequence[Packet]) -> Iterable[Packet]:
    """The packets over and over, their numbers and times going on; the first must be a key frame."""
    stream = packets[0].stream
    length_s = len(packets) / stream.fps
    for lap in itertools.count():
        for packet in packets:
            pts_s = None if packet.pts_s is None else packet.pts_s + lap * length_s
            yield replace(
                packet,
                index=packet.index + lap * len(packets),
                pts_s=pts_s,
                at_mono_s=packet.at_mono_s + lap * length_s,
                at_utc=packet.at_utc + timedelta(seconds=lap * length_s),
                discontinuity=False,
            )


def collect_garbage() -> None:
    """What earlier measurements left is not this one's."""
    gc.collect()


def _decode_only(streams: Sequence[FlatStream], ready: Callable[[], object]) -> WorkerReport:
    """The baseline: pictures are let go as soon as they are there. In the order in which a shard takes them."""
    own = [packets_of(stream) for stream in streams]
    decoders = [AvVideoDecoder(packets[0].stream) for packets in own]
    frames = 0
    ready()
    started_s, cpu_s = time.perf_counter(), time.thread_time()
    for begin in range(0, len(own[0]), RUN_MAX):
        for decoder, packets in zip(decoders, own, strict=True):
            for packet in packets[begin : begin + RUN_MAX]:
                frames += len(decoder.decode(packet).frames)
    for decoder in decoders:
        frames += len(decoder.flush().frames)
    ended_s, cpu_s = time.perf_counter(), time.thread_time() - cpu_s
    for decoder in decoders:
        decoder.close()
    return WorkerReport(started_s=started_s, ended_s=ended_s, cpu_s=cpu_s, frames=frames)


def _warm_up(detector: FaceDetector, task: FlatTask) -> None:
    """Let the model allocate what it needs at the size it will be used with."""
    settings = task.settings
    if settings is None:
        return
    stream = task.streams[0]
    decoder = AvVideoDecoder(packets_of(stream)[0].stream)
    frames = [item.frame for packet in packets_of(stream)[:2] for item in decoder.decode(packet).frames]
    frames += [item.frame for item in decoder.flush().frames]
    decoder.close()
    width = frames[0].picture.width
    chosen = settings.detector
    input_width = chosen.input_width or detector.input_width_for(frame_width=width, min_face_px=chosen.min_face_px)
    detector.detect(frames[0].picture, input_width=input_width)
