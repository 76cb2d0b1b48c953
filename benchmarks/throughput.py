"""Flat out on the demo clips: the share of decode-only speed that the whole chain reaches, per cadence.

Usage: python benchmarks/throughput.py [--model centerface] [--clips 4] [--seconds 8] [--json FILE]

The named baseline is decode-only in the same run: absolute figures do not repeat on another day, ratios nearly do.
"""

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from vigia.application.errors import SourceEnded
from vigia.application.use_cases.commit_captures import CaptureRequest
from vigia.bootstrap.hot_path import HotPath
from vigia.bootstrap.parts import detector_factory
from vigia.domain.camera import Camera, CameraId
from vigia.domain.frame import Packet, StreamInfo
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.config import Settings, load_settings
from vigia.infrastructure.demo import DemoSpec, generate_clips
from vigia.infrastructure.video.decoder import AvVideoDecoder
from vigia.infrastructure.video.source import AvFrameSource, Pace, SourceOptions

CADENCES = (1, 2, 3, 5, 8)
REPEATS = 3


class Nowhere:
    """Takes captures and keeps none: disk and network are measured elsewhere."""

    def offer(self, request: CaptureRequest) -> None:
        """Let it go."""


def read(path: Path, frames: int) -> tuple[StreamInfo, list[Packet]]:
    """The clip's packets in memory, so that only processing is timed."""
    options = SourceOptions(pace=Pace.FLAT_OUT)
    source = AvFrameSource(Camera(CameraId(path.name), path.name, str(path), 1), clock=SystemClock(), options=options)
    stream, packets = source.open(), []
    try:
        for packet in source.packets():
            packets.append(packet)
            if len(packets) == frames:
                break
    except SourceEnded:
        pass
    source.close()
    return stream, packets


def timed_fps(work: Callable[[], int]) -> float:
    """Frames a second of the median of some repeats, after one to warm up."""
    work()
    rates = []
    for _ in range(REPEATS):
        started_s = time.perf_counter()
        frames = work()
        rates.append(frames / (time.perf_counter() - started_s))
    return statistics.median(rates)


def decode_only(clips: list[tuple[StreamInfo, list[Packet]]]) -> int:
    """The baseline."""
    frames = 0
    for stream, packets in clips:
        decoder = AvVideoDecoder(stream)
        frames += sum(len(decoder.decode(packet).frames) for packet in packets) + len(decoder.flush().frames)
    return frames


def whole_chain(clips: list[tuple[StreamInfo, list[Packet]]], settings: Settings) -> Callable[[], int]:
    """Decode, gate, detect, match, choose: one shard in this thread."""
    detector = detector_factory(settings)()

    def work() -> int:
        hot_path = HotPath(settings, clock=SystemClock())
        frames = 0
        for _, packets in clips:
            shard, detect = hot_path.shard("bench", detector, cameras=1)
            camera = Camera(packets[0].camera_id, "bench", "memory", 1)
            line = hot_path.line(camera, shard, detect=detect, captures=Nowhere())
            for packet in packets:
                line.ledger.received += 1
                line.pipeline.process(packet)
            line.pipeline.stop()
            assert line.ledger.snapshot().balanced
            frames += line.ledger.snapshot().frames_decoded
        return frames

    return work


def main() -> None:
    """Measure and print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="auto")
    parser.add_argument("--clips", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    base = {"detector.model": chosen.model, "detector.motion_gate": "false"}
    empty = Path(tempfile.mkdtemp()) / "empty.yaml"
    empty.write_text("{}\n", encoding="utf-8")

    def settings(k: int) -> Settings:
        return load_settings(empty, env_file=None, environ={}, overrides={**base, "detector.cadence_k": str(k)})

    directory = settings(1).models_directory().parent / "demo"
    spec = DemoSpec(count=chosen.clips)
    clips = [read(clip.path, round(chosen.seconds * spec.fps)) for clip in generate_clips(spec, directory)]
    baseline = timed_fps(lambda: decode_only(clips))
    rows: list[dict[str, object]] = [{"what": "decode only", "fps": round(baseline, 1), "share": 1.0}]
    for k in CADENCES:
        fps = timed_fps(whole_chain(clips, settings(k)))
        rows.append({"what": f"whole chain, k={k}", "fps": round(fps, 1), "share": round(fps / baseline, 3)})
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}; one thread, 720p, gate open"
    )
    for row in rows:
        print(f"{row['what']:<20} {row['fps']:>8} fps  {row['share']:>6.1%} of decode-only")
    if chosen.json:
        chosen.json.write_text(json.dumps(rows, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
