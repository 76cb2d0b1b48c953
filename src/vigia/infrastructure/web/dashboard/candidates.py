"""All looks at the face of a capture: a chart of their quality over time, and a table with every part."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from vigia.infrastructure.i18n import mark
from vigia.infrastructure.web.dashboard.best_shot import BEHIND, SENT_TOO, chart_places, why_chosen
from vigia.infrastructure.web.dashboard.capture_card import face_picture
from vigia.infrastructure.web.dashboard.context import PageContext
from vigia.infrastructure.web.dashboard.elements import icon, node
from vigia.infrastructure.web.dashboard.formats import number, seconds
from vigia.infrastructure.web.dashboard.quality_parts import PARTS, QUALITY, WEAK, bar, part_name

HEADING: Final = mark("Why this shot: all looks at this face")
CHART: Final = mark("Quality of each look over the time of the passage; the chosen one is at %(at)s with %(quality)s.")
POINT: Final = mark("%(at)s: quality %(quality)s")
CHOSEN: Final = mark("chosen")
SENT: Final = mark("sent")
TIME: Final = mark("Time")
SIZE: Final = mark("Size")
FACE: Final = mark("Face")
MEANINGS: Final = mark("What the parts mean")


def candidates_section(ctx: PageContext, row: Mapping[str, Any]) -> None:
    """The section of the capture's page."""
    found: Sequence[Mapping[str, Any]] = row["candidates"]
    with node("section", classes="vg-card vg-stack", testid="candidates"):
        node("h2", ctx.say(HEADING))
        _sentence(ctx, found)
        if found:
            _chart(ctx, found)
            _table(ctx, row, found)
            with node("details"):
                node("summary", ctx.say(MEANINGS))
                with node("dl", classes="vg-facts vg-small"):
                    for name, meaning in PARTS.values():
                        node("dt", ctx.say(name))
                        node("dd", ctx.say(meaning))


def _sentence(ctx: PageContext, found: Sequence[Mapping[str, Any]]) -> None:
    why, language = why_chosen(found), ctx.language
    digits = 3 if round(why.best, 2) == round(why.next, 2) else 2  # so that the difference is seen
    facts = {
        "count": why.count,
        "best": number(why.best, language, digits=digits),
        "next": number(why.next, language, digits=digits),
    }
    told = [ctx.say(why.text, **facts)]
    if why.parts:
        told.append(ctx.say(BEHIND, parts=", ".join(part_name(ctx, part) for part in why.parts)))
    if why.sent_too:
        told.append(ctx.say(SENT_TOO, count=why.sent_too))
    node("p", " ".join(told), testid="why-chosen")


def _chart(ctx: PageContext, found: Sequence[Mapping[str, Any]]) -> None:
    places = chart_places(found)
    chosen = next((one for one in found if one["chosen"]), found[0])
    label = ctx.say(CHART, at=seconds(chosen["at_s"], ctx.language), quality=_quality(ctx, chosen))
    with node("figure", classes="vg-chart", aria_label=label, testid="chart"):
        with node("div", classes="vg-chart__scale vg-num", aria_hidden="true"):
            for level in (1.0, 0.5, 0.0):
                node("span", number(level, ctx.language, digits=1))
        with node("div", classes="vg-chart__field"):
            with node("svg", viewBox="0 0 100 100", preserveAspectRatio="none", aria_hidden="true"):
                node("polyline", points=" ".join(f"{x},{y}" for x, y in places))
            for one, (x, y) in zip(found, places, strict=True):
                kind = " vg-dot--chosen" if one["chosen"] else " vg-dot--sent" if one["sent"] else ""
                told = ctx.say(POINT, at=seconds(one["at_s"], ctx.language), quality=_quality(ctx, one))
                node("a", classes=f"vg-dot{kind}", href=f"#look-{one['number']}", title=told, aria_label=told,
                     style=f"left:{x}%;top:{y}%")  # fmt: skip
        with node("figcaption", classes="vg-chart__times vg-num vg-small", aria_hidden="true"):
            node("span", seconds(found[0]["at_s"], ctx.language))
            node("span", seconds(found[-1]["at_s"], ctx.language))


def _quality(ctx: PageContext, one: Mapping[str, Any]) -> str:
    return number(one["quality"], ctx.language, digits=2)


def _table(ctx: PageContext, row: Mapping[str, Any], found: Sequence[Mapping[str, Any]]) -> None:
    say, language = ctx.say, ctx.language
    parts = [key for key in PARTS if any(key in one["parts"] for one in found)]
    with (
        node("div", classes="vg-scroll vg-looks", tabindex="0", role="region", aria_label=say(HEADING)),
        node("table", classes="vg-table", testid="candidates-table"),
    ):
        with node("thead"), node("tr"):
            node("th", say(FACE))
            for name in (TIME, QUALITY, SIZE):
                node("th", say(name), classes="vg-num")
            for key in parts:
                node("th", say(PARTS[key][0]), classes="vg-num", title=say(PARTS[key][1]))
        with node("tbody"):
            for one in found:
                with node("tr", id=f"look-{one['number']}", classes="vg-look--chosen" if one["chosen"] else ""):
                    with node("td"), node("div", classes="vg-row"):
                        address = f"/api/captures/{row['id']}/candidates/{one['number']}" if one["face_kept"] else None
                        face_picture(ctx, address, str(row["camera_name"]), classes="vg-face vg-face--small")
                        for shown, kind, sign, text in (
                            (one["chosen"], "ok", "star", CHOSEN),
                            (one["sent"] and not one["chosen"], "idle", "send", SENT),
                        ):
                            if shown:
                                with node("span", classes=f"vg-badge vg-badge--{kind}"):
                                    icon(sign)
                                    node("span", say(text))
                    node("td", seconds(one["at_s"], language), classes="vg-num")
                    with node("td", classes="vg-num"):
                        node("span", _quality(ctx, one))
                        bar(one["quality"], weak=one["quality"] < WEAK)
                    node("td", f"{number(one['size_px'], language)}\N{NO-BREAK SPACE}px", classes="vg-num")
                    for key in parts:
                        value = one["parts"].get(key)
                        behind = " vg-behind" if key == one["behind"] else ""
                        node("td", number(value, language, digits=2), classes=f"vg-num{behind}")
