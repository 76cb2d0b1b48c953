"""Which benchmarks there are, in the order in which they run. Modules are imported only when theirs is asked for."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from vigia.bench.context import BenchContext
from vigia.bench.result import BenchResult


@dataclass(frozen=True, slots=True)
class BenchEntry:
    """One benchmark: ``module`` has a function ``run(context) -> BenchResult``."""

    name: str
    module: str
    what: str
    apart: bool = False
    """Runs when it is named, and not among all."""

    def load(self) -> Callable[[BenchContext], BenchResult]:
        """Import it."""
        function: Callable[[BenchContext], BenchResult] = import_module(self.module).run
        return function


BENCHES: tuple[BenchEntry, ...] = (
    BenchEntry("throughput", "vigia.bench.throughput", "flat out, beside decode-only and the naive design"),
    BenchEntry("paced", "vigia.bench.paced", "the most cameras in real time with nothing skipped"),
    BenchEntry("overload", "vigia.bench.overload", "twice too many cameras: what is shed, how fairly, and recovery"),
    BenchEntry("ablation", "vigia.bench.ablation", "the four optimisations, each alone and added up"),
    BenchEntry("logger", "vigia.bench.logger", "one log call beside logging, loguru, picologging, structlog"),
    BenchEntry("lock", "vigia.bench.lock", "how long tracking holds its lock, beside one coarse lock"),
    BenchEntry("http", "vigia.bench.http", "CPU per POST over TLS beside requests"),
    BenchEntry("delivery", "vigia.bench.delivery", "captures through the disk beside persist-queue and plain files"),
    BenchEntry("gc", "vigia.bench.gc_pauses", "collection pauses beside collecting in the loop"),
    BenchEntry("scaling", "vigia.bench.scaling", "1 to 32 cameras: cost and memory of each"),
    BenchEntry("latency", "vigia.bench.latency", "from a face to its capture and to FindFace"),
    BenchEntry("tracking", "vigia.bench.tracking", "tracks kept, and the CPU of it, beside the open trackers"),
    BenchEntry("quality", "vigia.bench.quality", "the chosen shot beside the rendered truth, refusals, small faces"),
    BenchEntry("live", "vigia.bench.live", "what it costs the cameras that somebody watches them", apart=True),
    BenchEntry("soak", "vigia.bench.soak", "ten minutes of 8 x 1080p30: memory and pauses"),
)
