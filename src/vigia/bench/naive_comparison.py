"""vigia against the naive design: the same stretch of the same clips, the same weights, everything delivered.

Both post to the same HTTPS receiver, which answers at once. vigia runs as it would: shards, outbox on disk, pooled
client; its time ends when the last capture is delivered. What counts is how fast each is and which passages it found.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from vigia.bench.context import BenchContext
from vigia.bench.flat_delivery import delivery
from vigia.bench.flat_out import FlatResult, FlatStream, flat_streams
from vigia.bench.flat_workers import FlatWorkers
from vigia.bench.https_receiver import HttpsReceiver
from vigia.bench.naive import NaiveDetector, naive_detectors, run_naive
from vigia.bench.naive_parts import OneLockTracker, RequestsPoster, Stall, collect_in_loop, file_log
from vigia.bench.result import Table
from vigia.bench.throughput_cases import FIRST_FRAME, SMALL_FACE_PX, case_settings, found_text
from vigia.domain.passages import PassageKey
from vigia.infrastructure.clock import SystemClock

HEIGHT = 720
CADENCES = (1, 2, 3)
PROBE_FRAMES = 4
"""Of each camera, to learn which of the usual ways to run the model is the quicker one."""
RATIO_MIN = 15.0


@dataclass(frozen=True, slots=True)
class NaiveComparison:
    """What both did."""

    model: str
    probes: dict[str, float]
    """Frames a second of the naive design with each detector, in a short run."""
    naive_detector: str
    naive: FlatResult
    vigia: dict[int, FlatResult]
    """By cadence k."""
    delivered: dict[int, int]
    """Captures that the receiver took, by k."""

    @property
    def chosen_k(self) -> int:
        """The quickest that finds all that the naive design finds; when none does, the one that finds most."""
        finds_all = [k for k, result in self.vigia.items() if self.finds_all(result)]
        if finds_all:
            return max(finds_all, key=lambda k: self.vigia[k].fps)
        return min(self.vigia, key=lambda k: len(_missed(self.vigia[k]) - _missed(self.naive)))

    @property
    def ratio(self) -> float:
        """How many times the naive design's frames a second."""
        return self.vigia[self.chosen_k].fps / self.naive.fps

    def finds_all(self, result: FlatResult) -> bool:
        """Whether it missed no passage that the naive design found."""
        return not (_missed(result) - _missed(self.naive))

    @property
    def held(self) -> bool:
        """Fast enough, and nothing missed that the other found; and there was something to find."""
        found = self.naive.passages is not None and self.naive.passages.delivered > 0
        return found and self.ratio >= RATIO_MIN and self.finds_all(self.vigia[self.chosen_k])

    def verdict_text(self) -> str:
        """For the last table."""
        ours = self.vigia[self.chosen_k]
        return (
            f"{self.ratio:.1f} times ({ours.fps:.0f} against {self.naive.fps:.1f} fps, k={self.chosen_k}; "
            f"found {found_text(ours)} and {found_text(self.naive)})"
        )

    def table(self) -> Table:
        """A row for the naive design and one for each k."""
        naive = self.naive
        rows = [("naive", "every", *_figures(naive, naive), str(naive.captures))]
        for k, result in self.vigia.items():
            rows.append(
                (f"vigia{' *' if k == self.chosen_k else ''}", str(k), *_figures(result, naive), str(self.delivered[k]))
            )
        columns = ("design", "k", "fps", "times naive", "cores", "faces", "found >= 60 px", "posted")
        return Table(f"Against the naive design, {HEIGHT}p, {self.model}, * = compared", columns, tuple(rows))

    def as_json(self) -> dict[str, object]:
        """The figures."""
        return {
            "model": self.model,
            "probes_fps": self.probes,
            "naive_detector": self.naive_detector,
            "naive": self.naive.as_json(),
            "vigia": {str(k): result.as_json() for k, result in self.vigia.items()},
            "chosen_k": self.chosen_k,
            "ratio": self.ratio,
        }


def compare_with_naive(context: BenchContext, *, model: str, model_setting: str, frames: int) -> NaiveComparison:
    """Run both, one after the other.

    Args:
        context: where from.
        model: its name; both use its weights.
        model_setting: as ``detector.model``.
        frames: of each stream.
    """
    streams = flat_streams(context.clips(HEIGHT), frames=frames, first=FIRST_FRAME)
    short = flat_streams(context.clips(HEIGHT), frames=PROBE_FRAMES, first=FIRST_FRAME)
    settings = case_settings(context, model_setting=model_setting, k=1, min_face_px=SMALL_FACE_PX)
    with HttpsReceiver() as receiver, _folder(context) as folder:
        makers = naive_detectors(settings)
        probes = {name: _naive(short, maker, receiver, folder).fps for name, maker in makers.items()}
        quicker = max(probes, key=lambda name: probes[name])
        naive = _naive(streams, makers[quicker], receiver, folder)
        vigia: dict[int, FlatResult] = {}
        delivered: dict[int, int] = {}
        for k in CADENCES:
            vigia[k], delivered[k] = _vigia(context, streams, receiver, folder / f"outbox-{k}", model_setting, k)
    return NaiveComparison(model, probes, quicker, naive, vigia, delivered)


def _naive(
    streams: Sequence[FlatStream], maker: Callable[[], NaiveDetector], receiver: HttpsReceiver, folder: Path
) -> FlatResult:
    with file_log(folder / "naive.log", Stall()) as info:
        return run_naive(
            streams,
            make_detector=maker,
            tracker=OneLockTracker(info),
            info=info,
            post=RequestsPoster(receiver.url, receiver.ca_file),
            make_tidy=collect_in_loop,
            clock=SystemClock(),
        )


def _vigia(
    context: BenchContext,
    streams: Sequence[FlatStream],
    receiver: HttpsReceiver,
    outbox: Path,
    model_setting: str,
    k: int,
) -> tuple[FlatResult, int]:
    settings = case_settings(context, model_setting=model_setting, k=k, min_face_px=SMALL_FACE_PX)
    made = delivery(outbox, url=receiver.url, ca_file=receiver.ca_file, clock=SystemClock())
    with made as way, FlatWorkers() as workers:
        result = workers.measure(streams, settings, taker=way, finish=way.finish)
        return result, way.delivered


@contextlib.contextmanager
def _folder(context: BenchContext) -> Iterator[Path]:
    with TemporaryDirectory(prefix="naive-", dir=context.out) as name:
        yield Path(name)


def _missed(result: FlatResult) -> frozenset[PassageKey]:
    return frozenset() if result.passages is None else frozenset(result.passages.missed)


def _figures(result: FlatResult, naive: FlatResult) -> tuple[str, ...]:
    return (
        f"{result.fps:.1f}",
        f"{result.fps / naive.fps:.1f}",
        f"{result.cores:.2f}",
        str(result.faces),
        found_text(result),
    )
