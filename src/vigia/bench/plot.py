"""Charts as PNG files, 1350 x 750 pixels, readable at two thirds of that. None of matplotlib's global state is used."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from vigia.bench.result import Chart, ChartKind, Series

WIDTH_IN, HEIGHT_IN, DPI = 9.0, 5.0, 150
COLOURS = ("#1f6f8b", "#e07a3f", "#5b8c5a", "#8c5b9c", "#c2a83e", "#7a7a7a", "#b3424a", "#3d4f7c")
MARK_COLOURS = ("#b3001b", "#7a0b5e", "#5a5a00")
BARS_WIDTH = 0.8
"""Of a category's place; the rest is the gap to the next."""
LABELS_STRAIGHT_CHARS_MAX = 60
"""All category names together: longer ones are turned so that they do not run into each other."""
LEGEND_COLUMNS = 4
VALUES_SHOWN_MAX = 24
"""Bars that bear their number; more would cover each other."""


def draw(chart: Chart, path: Path) -> None:
    """Write ``chart`` to ``path`` as PNG.

    Raises:
        ValueError: a series has another length than the chart's categories or positions.
    """
    places = chart.categories if chart.kind is ChartKind.BARS else chart.positions
    for series in chart.series:
        if any(len(values) not in {0, len(places)} for values in (series.low, series.high)):
            raise ValueError(f"range of {series.label!r}: not one for each of {len(places)} places")
        if len(series.values) != len(places):
            raise ValueError(f"{series.label!r} has {len(series.values)} values for {len(places)} places")
    figure = Figure(figsize=(WIDTH_IN, HEIGHT_IN), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_title(chart.title, fontsize=12, loc="left")
    axes.set_ylabel(chart.y_label)
    axes.set_xlabel(chart.x_label)
    axes.grid(axis="y", color="#dddddd", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    if chart.logarithmic:
        axes.set_yscale("log")
    if chart.kind is ChartKind.BARS:
        _bars(axes, chart)
    else:
        _lines(axes, chart)
    for number, (label, value) in enumerate(chart.marks.items()):
        colour = MARK_COLOURS[number % len(MARK_COLOURS)]
        axes.axhline(value, color=colour, linestyle="--", linewidth=1.4, label=label)
    if not chart.logarithmic:
        axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
    if len(chart.series) > 1 or chart.marks:
        figure.legend(fontsize=9, frameon=False, ncols=LEGEND_COLUMNS, loc="outside lower center")
    figure.savefig(path, format="png")


def _bars(axes: Axes, chart: Chart) -> None:
    places = np.arange(len(chart.categories), dtype=np.float64)
    width = BARS_WIDTH / max(1, len(chart.series))
    numbered = len(chart.series) * len(chart.categories) <= VALUES_SHOWN_MAX
    for number, series in enumerate(chart.series):
        at = places + (number - (len(chart.series) - 1) / 2.0) * width
        bars = axes.bar(
            at, series.values, width * 0.92, yerr=_errors(series), capsize=3, label=series.label, color=_colour(number),
            error_kw={"elinewidth": 1.0, "ecolor": "#333333"},
        )  # fmt: skip
        if numbered:
            axes.bar_label(bars, fmt=_number, fontsize=8, padding=2)
    turned = sum(len(name) for name in chart.categories) > LABELS_STRAIGHT_CHARS_MAX
    axes.set_xticks(places, chart.categories, rotation=20 if turned else 0, ha="right" if turned else "center")


def _lines(axes: Axes, chart: Chart) -> None:
    for number, series in enumerate(chart.series):
        axes.errorbar(
            chart.positions, series.values, yerr=_errors(series), label=series.label, color=_colour(number),
            marker="o", markersize=4, linewidth=1.8, capsize=3, elinewidth=1.0,
        )  # fmt: skip


def _errors(series: Series) -> NDArray[np.float64] | None:
    """How far the range reaches below and above each value: (2, N), or None without a range."""
    if not series.low or not series.high:
        return None
    values, low, high = (np.asarray(row, dtype=np.float64) for row in (series.values, series.low, series.high))
    reach: NDArray[np.float64] = np.maximum(np.stack([values - low, high - values]), 0.0)
    return reach


def _number(value: float) -> str:
    """Three digits, thousands as k and millions as M: bars are narrow."""
    for unit, scale in (("M", 1e6), ("k", 1e3)):
        if abs(value) >= scale:
            return f"{value / scale:.3g}{unit}"
    return f"{value:.3g}"


def _colour(number: int) -> str:
    return COLOURS[number % len(COLOURS)]
