"""The settings that count for one camera, and who says so: those that are no default first."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from nicegui.events import GenericEventArguments

from vigia.infrastructure.i18n import mark
from vigia.infrastructure.web.dashboard.context import PageContext
from vigia.infrastructure.web.dashboard.elements import Node, icon, node
from vigia.infrastructure.web.dashboard.formats import DASH
from vigia.infrastructure.web.dashboard.parts import table_head

SETTINGS: Final = mark("Settings that count for this camera")
HINT: Final = mark("Those that are no default come first and have a mark. The names are FindFace's where it has one.")
SEARCH: Final = mark("Search a setting")
NONE: Final = mark("No setting is called so.")
TITLES: Final = (mark("setting"), mark("value"), mark("from"), mark("where"))
ORIGINS: Final = {
    "default": mark("default"),
    "configuration": mark("all cameras"),
    "group": mark("group %(group)s"),
    "findface": "FindFace",
    "camera": mark("this camera"),
}
GROUPS: Final = {
    "tracks": mark("Which passages are sent, and when"),
    "detector": mark("Finding faces"),
    "capture": mark("The picture that is sent"),
    "source": mark("The stream"),
    "health": mark("Alarms"),
}
YES: Final = mark("yes")
NO: Final = mark("no")


class SettingsTable:
    """Owner: the page's tasks. Drawn anew only when a setting has changed."""

    def __init__(self, ctx: PageContext) -> None:
        self._ctx = ctx
        self._told: Sequence[Mapping[str, Any]] = ()
        self._rows: list[tuple[str, Node]] = []
        self._heads: list[tuple[Node, list[Node]]] = []
        self._words = ""
        say = ctx.say
        with node("section", classes="vg-card vg-stack", testid="settings", aria_label=say(SETTINGS)):
            with node("div", classes="vg-head"):
                node("h2", say(SETTINGS))
                with node("label", classes="vg-field"):
                    node("span", say(SEARCH), classes="vg-unseen")
                    search = node("input", type="search", maxlength="64", placeholder=say(SEARCH),
                                  testid="settings-search")  # fmt: skip
            node("p", say(HINT), classes="vg-muted vg-small")
            self._none = node("p", say(NONE), classes="vg-muted", testid="settings-none")
            with node("div", classes="vg-scroll"), node("table", classes="vg-table vg-table--cells vg-stacked"):
                table_head([(say(title), False) for title in TITLES])
                self._body = node("tbody")
        search.on("input", self._search, js_handler="(event) => emit(event.target.value)", throttle=0.2)

    def tell(self, settings: Sequence[Mapping[str, Any]]) -> None:
        """Show these."""
        if settings == self._told:
            return
        self._told = settings
        self._body.clear()
        self._rows, self._heads = [], []
        own = [one for one in settings if one["origin"] != "default"]
        with self._body:
            for one in own:
                self._row(one)
            for group, title in GROUPS.items():
                rest = [one for one in settings if one["origin"] == "default" and one["key"].split(".")[0] == group]
                if rest:
                    with node("tr", classes="vg-group") as head:
                        node("th", self._ctx.say(title), colspan=str(len(TITLES)), scope="colgroup")
                    self._heads.append((head, [self._row(one) for one in rest]))
        self._filter()

    def _row(self, one: Mapping[str, Any]) -> Node:
        say, own = self._ctx.say, one["origin"] != "default"
        origin = say(ORIGINS.get(one["origin"], one["origin"]))
        if one["origin"] == "group":
            origin = say(ORIGINS["group"], group=one["detail"])
        with node("tr", classes="vg-own" if own else "", testid=f"setting-{one['name']}",
                  data_origin=one["origin"]) as row:  # fmt: skip
            with node("td", classes="vg-wide"):
                if own:
                    icon("edit", classes="vg-own__sign")
                node("code", one["name"], title=one["key"])
            node("td", self._value(one["value"]), classes="vg-strong" if own else "", testid="setting-value")
            node("td", origin)
            node("td", one["place"] or "", classes="vg-muted vg-small vg-place vg-wide")
        self._rows.append((f"{one['name']} {one['key']} {origin}".casefold(), row))
        return row

    def _value(self, value: object) -> str:
        if isinstance(value, bool):
            return self._ctx.say(YES if value else NO)
        if isinstance(value, float):
            return f"{value:.10g}"
        return str(value) or DASH

    def _search(self, event: GenericEventArguments) -> None:
        self._words = str(event.args)[:64].strip().casefold()
        self._filter()

    def _filter(self) -> None:
        for text, row in self._rows:
            row.show(self._words in text)
        for head, rows in self._heads:
            head.show(any(not row.props.get("hidden") for row in rows))
        self._none.show(all(row.props.get("hidden") for _, row in self._rows))
