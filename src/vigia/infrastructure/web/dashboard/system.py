"""System: how the process fares over time, what load control decided, the shards, and what runs here."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import nicegui.elements.echart  # noqa: F401 - so that the page knows the library that the charts are drawn with
from nicegui.element import Element

from vigia.application.system_view import SystemView
from vigia.infrastructure.i18n import mark
from vigia.infrastructure.web.access import METRICS_PATH
from vigia.infrastructure.web.dashboard.context import PageContext
from vigia.infrastructure.web.dashboard.elements import LocalTime, icon, node
from vigia.infrastructure.web.dashboard.formats import DASH, number, percent, seconds
from vigia.infrastructure.web.dashboard.parts import Facts, add_looks, locale, section, table_head
from vigia.infrastructure.web.dashboard.shell import every, off_loop, page_shell
from vigia.infrastructure.web.dashboard.system_words import decision_told, look_told

TITLE: Final = mark("System")
OVER_TIME: Final = mark("Over time")
SPAN: Final = mark("Time shown")
SPANS: Final = ((900, mark("15 min")), (3600, mark("1 h")), (21600, mark("6 h")))
FAILED: Final = mark("The figures cannot be read now; trying again")
COLLECTING: Final = mark("The charts begin a few seconds after the start")
LIMIT: Final = mark("limit")
SOFT_LIMIT: Final = mark("soft limit")
CORES: Final = mark("cores here")
PROCESS: Final = mark("What runs here")
DECISIONS: Final = mark("What load control decided")
NO_DECISIONS: Final = mark("Nothing yet: all cameras are looked at as configured.")
SHARDS: Final = mark("Shards")
SHARDS_HINT: Final = mark("Each works through its cameras' frames on a core of its own.")
METRICS: Final = mark("All metrics, as Prometheus reads them")
MODES: Final = {"threads": mark("threads of one process"), "processes": mark("worker processes")}
FACTS: Final = {
    "version": mark("Version"),
    "started": mark("Started"),
    "uptime": mark("Running for"),
    "mode": mark("Shards run as"),
    "model": mark("Detector's model"),
    "cores": mark("Cores it may use"),
    "cameras": mark("Cameras live"),
    "restarts": mark("Workers begun again"),
}
SHARD_TITLES: Final = (
    (mark("Shard"), False),
    (mark("Cameras"), True),
    (mark("Load"), True),
    (mark("Looks"), False),
    (mark("Packets waiting"), True),
)
DECISION_TITLES: Final = (
    (mark("When"), False),
    (mark("Shard"), False),
    (mark("Decision"), False),
    (mark("Load before"), True),
    (mark("Load after"), True),
)
CHARTS: Final[Sequence[Mapping[str, Any]]] = (
    {"key": "fps", "title": mark("Frames a second, all cameras"), "digits": 1, "series": {"fps": mark("frames")}},
    {"key": "age", "title": mark("Age of frames when done, p99"), "unit": "ms", "digits": 0, "sparse": True,
     "series": {"age_p99_ms": "p99"}},
    {"key": "cpu", "title": mark("CPU"), "unit": mark("cores"), "digits": 2, "series": {"cpu_cores": "CPU"}},
    {"key": "memory", "title": mark("Memory (RSS)"), "unit": "MB", "digits": 0, "series": {"rss_mb": "RSS"}},
    {"key": "gc", "title": mark("Longest garbage collection"), "unit": "ms", "digits": 1,
     "hint": mark("Of the main process."), "series": {"gc_pause_max_ms": "GC"}},
    {"key": "log", "title": mark("Log records"), "digits": 0,
     "series": {"log_queued": mark("waiting"), "log_dropped": mark("dropped")}},
    {"key": "lock", "title": mark("Lock of a camera's tracks held, p99"), "unit": "\N{MICRO SIGN}s", "digits": 0,
     "hint": mark("One hold in 64 is timed."), "series": {"lock_hold_p99_us": "p99"}},
    {"key": "http", "title": mark("Connections to FindFace"), "digits": 0,
     "series": {"http_in_use": mark("in use"), "http_idle": mark("idle"), "http_waiting": mark("waiting for one")}},
    {"key": "unsent", "title": mark("Captures not sent yet"), "digits": 0, "series": {"unsent": mark("captures")}},
    {"key": "delivered", "title": mark("Delivered a second"), "digits": 2,
     "series": {"delivered_per_s": mark("captures")}},
    {"key": "answer", "title": mark("FindFace's answer, p95"), "unit": "ms", "digits": 0, "sparse": True,
     "series": {"delivery_p95_ms": "p95"}},
)  # fmt: skip
"""Every chart: its series by the history's names, and what they are called."""
STEP_S: Final = 2.0
DECISIONS_SHOWN: Final = 50


class RunCharts(Element, component="assets/run_charts.js"):
    """The charts. Their data come by themselves, from ``/api/history``."""

    def __init__(self, ctx: PageContext, facts: Mapping[str, Any]) -> None:
        super().__init__()
        with self.props.suspend_updates():
            self.props["language"] = locale(ctx)
            self.props["spans"] = [{"seconds": span_s, "label": ctx.say(word)} for span_s, word in SPANS]
            self.props["texts"] = {
                "span": ctx.say(SPAN), "failed": ctx.say(FAILED), "empty": ctx.say(COLLECTING),
            }  # fmt: skip
            self.props["charts"] = [_chart(ctx, chart, facts) for chart in CHARTS]


def _chart(ctx: PageContext, chart: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, Any]:
    limits: dict[str, list[tuple[str, float | None]]] = {
        "cpu": [(CORES, facts["cores"])],
        "memory": [(SOFT_LIMIT, facts["rss_soft_limit_mb"]), (LIMIT, facts["rss_limit_mb"])],
    }
    return {
        "key": chart["key"],
        "title": ctx.say(chart["title"]),
        "unit": ctx.say(chart["unit"]) if chart.get("unit") else "",
        "hint": ctx.say(chart["hint"]) if chart.get("hint") else "",
        "digits": chart["digits"],
        "sparse": chart.get("sparse", False),
        "series": [{"name": name, "label": ctx.say(word)} for name, word in chart["series"].items()],
        "limits": [{"label": ctx.say(word), "value": value} for word, value in limits.get(chart["key"], ())],
    }


async def build(ctx: PageContext, asked: Mapping[str, str]) -> None:
    """The page at ``/system``."""
    del asked
    facts = await off_loop(ctx.parts.system.facts)
    add_looks()
    with page_shell(ctx, title=ctx.say(TITLE), current="system"):
        with node("section", classes="vg-stack", aria_label=ctx.say(OVER_TIME)):
            RunCharts(ctx, facts)
        with node("div", classes="vg-columns"):
            process = Process(ctx, facts)
            shards = Shards(ctx)
        decisions = Decisions(ctx)

        async def step() -> None:
            status, cameras, decided = await off_loop(_read, ctx)
            process.tell(status, cameras)
            shards.tell(status["shards"])
            decisions.tell(decided)

        await step()
        every(STEP_S, step)


def _read(ctx: PageContext) -> tuple[Mapping[str, Any], str, Sequence[Mapping[str, Any]]]:
    system: SystemView = ctx.parts.system
    status = ctx.parts.view.status()
    cameras = f"{number(status['cameras_live'], ctx.language)} / {number(status['cameras'], ctx.language)}"
    return status, cameras, system.decisions()[:DECISIONS_SHOWN]


class Process:
    """What runs here. Owner: the page's tasks."""

    def __init__(self, ctx: PageContext, facts: Mapping[str, Any]) -> None:
        self._ctx = ctx
        with section(ctx.say(PROCESS), testid="process"):
            self._facts = Facts([(key, ctx.say(name)) for key, name in FACTS.items()])
            with node("p"), node("a", href=METRICS_PATH, classes="vg-link", testid="metrics-link"):
                icon("query_stats")
                node("span", ctx.say(METRICS))
        with self._facts.place("started"):
            LocalTime(str(facts["started_utc"]), form="full")
        self._facts.tell(
            version=f"{facts['version']} (Python {facts['python']})",
            mode=ctx.say(MODES.get(facts["mode"], facts["mode"])),
            model=facts["model"] or DASH,
            cores=number(facts["cores"], ctx.language),
        )

    def tell(self, status: Mapping[str, Any], cameras: str) -> None:
        """Show what is now."""
        language = self._ctx.language
        self._facts.tell(
            uptime=seconds(status["elapsed_s"], language),
            cameras=cameras,
            restarts=number(status["worker_restarts"], language),
        )


class Shards:
    """A row for each shard. Owner: the page's tasks."""

    def __init__(self, ctx: PageContext) -> None:
        self._ctx = ctx
        self._told: Sequence[Mapping[str, Any]] = ()
        with section(ctx.say(SHARDS), testid="shards"):
            node("p", ctx.say(SHARDS_HINT), classes="vg-muted vg-small")
            with node("div", classes="vg-scroll"), node("table", classes="vg-table vg-table--wide"):
                table_head([(ctx.say(title), numeric) for title, numeric in SHARD_TITLES])
                self._body = node("tbody")

    def tell(self, shards: Sequence[Mapping[str, Any]]) -> None:
        """Show these."""
        if shards == self._told:
            return
        self._told = shards
        language = self._ctx.language
        self._body.clear()
        with self._body:
            for shard in shards:
                with node("tr", testid=f"shard-{shard['name']}"):
                    node("td", str(shard["name"]))
                    node("td", number(shard["cameras"], language), classes="vg-num")
                    node("td", percent(shard["load"], language), classes="vg-num")
                    node("td", look_told(self._ctx, shard["k"], shard["scale"]) if shard["k"] else DASH)
                    node("td", number(shard["waiting"], language), classes="vg-num")


class Decisions:
    """Load control's decisions, the newest first. Owner: the page's tasks. Bounds: DECISIONS_SHOWN rows."""

    def __init__(self, ctx: PageContext) -> None:
        self._ctx = ctx
        self._told: Sequence[tuple[Any, ...]] | None = None
        with section(ctx.say(DECISIONS), testid="decisions"):
            self._none = node("p", ctx.say(NO_DECISIONS), classes="vg-muted", testid="decisions-none")
            with node("div", classes="vg-scroll") as self._frame, node("table", classes="vg-table vg-stacked"):
                table_head([(ctx.say(title), numeric) for title, numeric in DECISION_TITLES])
                self._body = node("tbody")

    def tell(self, decisions: Sequence[Mapping[str, Any]]) -> None:
        """Show these."""
        # The times are reckoned anew with every look, and differ by microseconds.
        told = [(one["at_utc"][:19], one["shard"], one["kind"], one["k"], one["scale"]) for one in decisions]
        if told == self._told:
            return
        self._told = told
        say, language = self._ctx.say, self._ctx.language
        titles = [say(title) for title, _ in DECISION_TITLES]
        self._none.show(not decisions)
        self._frame.show(bool(decisions))
        self._body.clear()
        with self._body:
            for one in decisions:
                with node("tr", testid="decision", data_kind=one["kind"]):
                    with node("td"):
                        LocalTime(one["at_utc"])
                    node("td", one["shard"])
                    node("td", decision_told(self._ctx, one), classes="vg-wide")
                    node("td", percent(one["load_before"], language), classes="vg-num", data_label=titles[3])
                    node("td", percent(one["load"], language), classes="vg-num", data_label=titles[4])
