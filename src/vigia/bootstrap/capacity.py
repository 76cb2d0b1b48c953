"""How many cameras this machine can hold: some seconds of real packets, decoded and looked at as a run would do it.

All shards work at once, so that what they take from each other (memory, caches, the interpreter) is measured too. The
gate is open: a face in every frame is the worst that can come.
"""

import contextlib
import itertools
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from vigia.application.camera_cost import FPS_ASSUMED, FPS_CREDIBLE_MAX
from vigia.application.camera_pipeline import CameraPipeline
from vigia.application.errors import SourceEnded
from vigia.application.load_control import LoadLimits
from vigia.application.ports import Clock, FaceDetector
from vigia.application.service import LoopService
from vigia.application.use_cases.commit_captures import CaptureRequest
from vigia.bootstrap.hot_path import HotPath
from vigia.bootstrap.source_parts import source_options
from vigia.domain.camera import Camera
from vigia.domain.errors import VigiaError
from vigia.domain.frame import Packet
from vigia.infrastructure.config import Settings
from vigia.infrastructure.video.source import AvFrameSource
from vigia.infrastructure.video.source_options import Pace, SourceOptions

READ_S = 4.0
"""For all cameras together: packets are read as they come."""
WORK_S = 5.0
MEASURED_K = 2
"""Both kinds of frames come by, looked at and not."""
SAMPLES_MAX = 4
"""Different cameras that are measured; they stand for the others."""
PACKETS_MAX = 150
"""Of one camera."""
PACKETS_MIN = 30
"""Of one camera, a key frame first, even when its share of the time is over."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """What this machine can hold."""

    shards: int
    fps: float
    """Mean frame rate of the cameras that were measured, by their time stamps."""
    decode_s: float
    """All that a frame takes beside detection, most of it decoding, with all shards at work."""
    detect_s: float
    """One detection with matching and judging."""
    load_target: float
    """Share of a shard's time that is planned with."""

    def core_share(self, k: int) -> float:
        """Share of one core that such a camera takes with detection on every k-th frame; above 1 it is too much."""
        return self.fps * (self.decode_s + self.detect_s / k)

    def cameras(self, k: int) -> int:
        """How many such cameras, with detection on every k-th frame."""
        share = self.core_share(k)
        return int(self.shards * self.load_target / share) if share > 0.0 else 0


class _Nowhere:
    """Takes captures and keeps none."""

    def offer(self, request: CaptureRequest) -> None:
        """Let it go."""


class _Bench:
    """One shard at work on packets in memory. Owner: its thread."""

    def __init__(self, pipelines: Sequence[CameraPipeline], packets: Sequence[Sequence[Packet]]) -> None:
        self.pipelines = pipelines
        self.frames = 0
        each = ([(pipeline, packet) for packet in own] for pipeline, own in zip(pipelines, packets, strict=True))
        in_turn = (turn for turns in itertools.zip_longest(*each) for turn in turns if turn is not None)
        self._turns = itertools.cycle(list(in_turn))

    def step(self) -> float:
        """Process the next packet; the clip starts over at its end."""
        pipeline, packet = next(self._turns)
        pipeline.ledger.received += 1
        if self.frames >= len(self.pipelines):  # a stream begins once: what was measured of it shall not be forgotten
            packet = replace(packet, discontinuity=False)
        pipeline.process(packet)
        self.frames += 1
        return 0.0


def measure_capacity(
    settings: Settings, cameras: Sequence[Camera], make_detector: Callable[[], FaceDetector], *, clock: Clock
) -> Capacity | None:
    """Read a few seconds of some cameras and work through them with every shard; None when none delivers.

    Args:
        settings: as a run would have them; the cadence and the motion gate do not matter.
        cameras: all of them; the first SAMPLES_MAX that deliver stand for the rest.
        make_detector: one per shard.
        clock: about READ_S + WORK_S pass.
    """
    samples = _samples(settings, cameras, clock=clock)
    return measure_samples(settings, samples, make_detector, clock=clock) if samples else None


def measure_samples(
    settings: Settings,
    samples: Sequence[tuple[Camera, Sequence[Packet]]],
    make_detector: Callable[[], FaceDetector],
    *,
    clock: Clock,
) -> Capacity:
    """Work through packets that were read, with every shard, for WORK_S.

    Args:
        settings: as a run would have them.
        samples: cameras and their packets, each from a key frame on; at least one of each.
        make_detector: one per shard.
        clock: times it.
    """
    shards = settings.shard_count(cores=len(os.sched_getaffinity(0)))
    open_gate = settings.detector.model_copy(update={"motion_gate": False, "cadence_k": MEASURED_K, "cadence_k_max": 8})
    hot_path = HotPath(settings.model_copy(update={"detector": open_gate}), clock=clock)
    benches = [_bench(hot_path, f"check-{n}", make_detector(), samples) for n in range(shards)]
    services = [LoopService(f"check-{n}", bench.step, clock=clock) for n, bench in enumerate(benches)]
    started_s = clock.mono_s()
    for service in services:
        service.start()
    clock.wait(threading.Event(), WORK_S)
    worked_s = clock.mono_s() - started_s
    for service in services:
        service.request_stop()
    for service in services:
        service.join(WORK_S)
        if service.failure is not None:
            raise service.failure
    costs = [pipeline.cost for bench in benches for pipeline in bench.pipelines]
    detect_s = sum(cost.detect.value_s for cost in costs) / len(costs)
    frame_s = shards * worked_s / max(1, sum(bench.frames for bench in benches))
    return Capacity(
        shards=shards,
        fps=sum(_fps(packets) for _, packets in samples) / len(samples),
        decode_s=max(0.0, frame_s - detect_s / MEASURED_K),
        detect_s=detect_s,
        load_target=LoadLimits().load_target,
    )


def _bench(
    hot_path: HotPath, name: str, detector: FaceDetector, samples: Sequence[tuple[Camera, Sequence[Packet]]]
) -> _Bench:
    shard, detect = hot_path.shard(name, detector, cameras=len(samples))
    lines = [hot_path.line(_gate_open(camera), shard, detect=detect, captures=_Nowhere()) for camera, _ in samples]
    return _Bench([line.pipeline for line in lines], [packets for _, packets in samples])


def _samples(settings: Settings, cameras: Sequence[Camera], *, clock: Clock) -> list[tuple[Camera, list[Packet]]]:
    """Packets of some cameras, each from a key frame on."""
    until_s = clock.mono_s() + READ_S
    wanted = cameras[:SAMPLES_MAX]
    found = []
    for number, camera in enumerate(wanted):
        source = AvFrameSource(camera, clock=clock, options=_options(settings, camera))
        packets: list[Packet] = []
        with contextlib.closing(source), contextlib.suppress(SourceEnded, VigiaError):
            source.open()
            now_s = clock.mono_s()
            enough_s = now_s + max(0.2, (until_s - now_s) / (len(wanted) - number))
            for packet in source.packets():
                now_s = clock.mono_s()
                if packets or packet.is_key:
                    packets.append(packet)
                enough = len(packets) >= PACKETS_MIN and now_s >= enough_s
                if enough or len(packets) >= PACKETS_MAX or now_s >= enough_s + READ_S:
                    break
        if packets:
            found.append((camera, packets))
    return found


def _options(settings: Settings, camera: Camera) -> SourceOptions:
    chosen = source_options(settings, camera)
    return replace(
        chosen,
        open_timeout_s=min(chosen.open_timeout_s, READ_S),
        first_frame_timeout_s=min(chosen.first_frame_timeout_s, READ_S),
        read_timeout_s=min(chosen.read_timeout_s, READ_S),
        pace=Pace.FLAT_OUT,
    )


def _gate_open(camera: Camera) -> Camera:
    """The camera without a gate of its own."""
    return replace(camera, overrides=tuple(o for o in camera.overrides if o.name != "imotion_threshold"))


def _fps(packets: Sequence[Packet]) -> float:
    """Frames a second by the packets' times; what the stream says of itself where they do not tell."""
    times_s = [packet.at_mono_s for packet in packets]
    span_s = max(times_s) - min(times_s)
    told = packets[0].stream.fps
    if len(packets) >= PACKETS_MIN and span_s > 0.0:
        return (len(packets) - 1) / span_s
    return told if 0.0 < told <= FPS_CREDIBLE_MAX else FPS_ASSUMED
