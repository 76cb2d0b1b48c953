"""A part of a benchmark that a module of its own measures: what it adds to the whole's result."""

from dataclasses import dataclass, field

from vigia.bench.result import Table, Verdict


@dataclass(frozen=True, slots=True)
class BenchPart:
    """What one part found; the benchmark that asked for it puts it beside its own."""

    tables: tuple[Table, ...]
    verdicts: tuple[Verdict, ...]
    notes: tuple[str, ...] = ()
    """Each a sentence for whoever reads the tables."""
    data: dict[str, object] = field(default_factory=dict)
    """For programs; what JSON can hold."""
