"""How long a shard holds the interpreter's lock, and what that leaves of threads on more cores than this machine has.

Measured: one shard in one thread; what its native calls (decoder, scaler, network) take is taken off the whole.
Simulated: a closed queueing network of shards that each compute by themselves for a while and then need the one
interpreter, solved by mean value analysis (Reiser and Lavenberg, "Mean-value analysis of closed multichain queuing
networks", 1980). It leaves out what shards take from each other in caches and memory, which threads and processes have
in common.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vigia.application.ports import Decoded, FaceDetector, VideoDecoder
from vigia.bench.flat_out import CaptureNotes, FlatStream, make_shard, packets_of, run_shard
from vigia.bootstrap.hot_path import HotPath
from vigia.bootstrap.parts import detector_factory
from vigia.domain.frame import Packet, StreamInfo
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.config import Settings
from vigia.infrastructure.video.decoder import AvVideoDecoder

SHARDS = (1, 2, 4, 8, 16, 32)


@dataclass(frozen=True, slots=True)
class Held:
    """What a frame takes, seconds."""

    native_s: float
    """In calls that let the interpreter go; other shards may use it meanwhile."""
    interpreter_s: float

    def threads_share(self, shards: int) -> float:
        """What so many shards get done as threads, of what they would without the common lock; in (0, 1]."""
        alone = 1.0 / (self.native_s + self.interpreter_s)
        throughput, waiting = alone, 0.0
        for count in range(1, shards + 1):
            response_s = self.interpreter_s * (1.0 + waiting)
            throughput = count / (self.native_s + response_s)
            waiting = throughput * response_s
        return throughput / (shards * alone)


class _Stopwatch:
    """Adds up native time. Owner: the shard's thread."""

    def __init__(self) -> None:
        self.native_s = 0.0

    def timed(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """The same call, its time added."""

        def timed(*args: Any, **kwargs: Any) -> Any:
            started_s = time.perf_counter()
            try:
                return call(*args, **kwargs)
            finally:
                self.native_s += time.perf_counter() - started_s

        return timed


class _TimedDecoder:
    """A decoder whose time counts as native."""

    def __init__(self, stream: StreamInfo, watch: _Stopwatch) -> None:
        self._decoder = AvVideoDecoder(stream)
        self._decode = watch.timed(self._decoder.decode)

    def decode(self, packet: Packet) -> Decoded:
        """See VideoDecoder."""
        decoded: Decoded = self._decode(packet)
        return decoded

    def flush(self) -> Decoded:
        """See VideoDecoder."""
        return self._decoder.flush()

    def close(self) -> None:
        """See VideoDecoder."""
        self._decoder.close()


class _TimedSession:
    """A network whose time counts as native."""

    def __init__(self, session: Any, watch: _Stopwatch) -> None:
        self._run = watch.timed(session.run)

    def run(self, names: None, inputs: Mapping[str, Any]) -> Any:
        """As ONNX Runtime's."""
        return self._run(names, inputs)


def measure_held(streams: Sequence[FlatStream], settings: Settings) -> Held:
    """Run one shard over the streams, in this thread."""
    clock, watch = SystemClock(), _Stopwatch()

    def decoder(stream: StreamInfo) -> VideoDecoder:
        return _TimedDecoder(stream, watch)

    detector: FaceDetector = detector_factory(settings)()
    inside: Any = detector
    inside._session = _TimedSession(inside._session, watch)  # noqa: SLF001 - a measurement looks inside
    inside._scaler.scale_planar = watch.timed(inside._scaler.scale_planar)  # noqa: SLF001 - likewise
    hot_path = HotPath(settings, clock=clock, decoders=decoder)
    shard, lines = make_shard(
        hot_path, detector, [stream.camera for stream in streams], name="held", captures=CaptureNotes()
    )
    rounds = list(zip(*(packets_of(stream) for stream in streams), strict=True))
    watch.native_s = 0.0
    started_s = time.perf_counter()
    run_shard(shard, lines, rounds, clock=clock)
    whole_s = time.perf_counter() - started_s
    frames = len(rounds) * len(lines)
    return Held(native_s=watch.native_s / frames, interpreter_s=(whole_s - watch.native_s) / frames)
