"""What a benchmark gives: tables for people, numbers for programs, one chart, and verdicts on what was promised."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


@dataclass(frozen=True, slots=True)
class Spread:
    """One thing measured several times: the median, and how far the samples lie apart.

    Raises:
        ValueError: without a sample.
    """

    samples: tuple[float, ...]

    def __post_init__(self) -> None:
        """A median of nothing is nothing."""
        if not self.samples:
            raise ValueError("a measurement needs at least one sample")

    @classmethod
    def of(cls, samples: Sequence[float]) -> "Spread":
        """From any sequence of numbers."""
        return cls(tuple(float(sample) for sample in samples))

    @property
    def median(self) -> float:
        """The middle one, or the mean of the two in the middle."""
        return statistics.median(self.samples)

    @property
    def low(self) -> float:
        """The least."""
        return min(self.samples)

    @property
    def high(self) -> float:
        """The greatest."""
        return max(self.samples)

    @property
    def relative(self) -> float:
        """(greatest - least) / median: 0.1 means that the samples lie within 10 %; 0 where the median is 0."""
        return (self.high - self.low) / self.median if self.median else 0.0

    def as_json(self) -> dict[str, Any]:
        """Median, range and every sample."""
        return {"median": self.median, "low": self.low, "high": self.high, "samples": list(self.samples)}


@dataclass(frozen=True, slots=True)
class Table:
    """Rows as they are printed."""

    title: str
    columns: tuple[str, ...]
    """The first is aligned left, the others right."""
    rows: tuple[tuple[str, ...], ...]


class ChartKind(StrEnum):
    """How a chart is drawn."""

    BARS = "bars"
    """One group of bars a category, one colour a series."""
    LINES = "lines"
    """Series over numbers."""


@dataclass(frozen=True, slots=True)
class Series:
    """One colour of a chart."""

    label: str
    values: tuple[float, ...]
    """One for each of the chart's ``categories`` (bars) or ``positions`` (lines)."""
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    """Range of each value, for error bars; both or neither."""

    @classmethod
    def of(cls, label: str, spreads: "Sequence[Spread]") -> "Series":
        """Medians, with the range of the samples as error bars."""
        return cls(
            label,
            tuple(spread.median for spread in spreads),
            tuple(spread.low for spread in spreads),
            tuple(spread.high for spread in spreads),
        )


@dataclass(frozen=True, slots=True)
class Chart:
    """What the PNG shows."""

    title: str
    kind: ChartKind
    y_label: str
    series: tuple[Series, ...]
    categories: tuple[str, ...] = ()
    """Names along the x axis (bars)."""
    positions: tuple[float, ...] = ()
    """Numbers along the x axis (lines)."""
    x_label: str = ""
    logarithmic: bool = False
    """The y axis in powers of ten: for latencies that differ by more than a hundred times."""
    marks: Mapping[str, float] = field(default_factory=dict)
    """Horizontal lines: what was promised, by label."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one promise."""

    promise: str
    """Its id in ``promises.py``."""
    measured: str
    """For people, with its unit."""
    held: bool


@dataclass(frozen=True, slots=True)
class BenchResult:
    """Everything that one benchmark found."""

    name: str
    title: str
    tables: tuple[Table, ...]
    chart: Chart
    verdicts: tuple[Verdict, ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict)
    """The numbers, as JSON can hold them."""
    notes: tuple[str, ...] = ()
    """What a reader must know: the load, what was left out and why."""


def thousandths(value_s: float) -> str:
    """Seconds as milliseconds with three significant digits, such as ``12.3 ms`` or ``0.045 ms``."""
    return f"{value_s * 1e3:.3g} ms"


def percent(share: float) -> str:
    """0.523 as ``52.3 %``."""
    return f"{share * 100.0:.1f} %"
