"""All looks at the face of a capture: a chart of their quality over time, and a table with every part."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from vigia.infrastructure.i18n import mark
from vigia.infrastructure.web.dashboard.best_shot import BEHIND, SENT_TOO, chart_places, why_chosen
from vigia.infrastructure.web.dashboard.capture_card import drawn_face
from vigia.infrastructure.web.dashboard.context import PageContext
from vigia.infrastructure.web.dashboard.drawing import Drawing, draw, drawn_icon
from vigia.infrastructure.web.dashboard.formats import number, seconds
from vigia.infrastructure.web.dashboard.quality_parts import PARTS, QUALITY, WEAK, drawn_bar, part_name

HEADING: Final = mark("Why this shot: all looks at this face")
CHART: Final = mark("Quality of each look over the time of the passage; the chosen one is at %(at)s with %(quality)s.")
POINT: Final = mark("%(at)s: quality %(quality)s")
CHOSEN: Final = mark("chosen")
SENT: Final = mark("sent")
TIME: Final = mark("Time")
SIZE: Final = mark("Size")
FACE: Final = mark("Face")
MEANINGS: Final = mark("What the parts mean")


def drawn_candidates(ctx: PageContext, row: Mapping[str, Any]) -> Drawing:
    """The section of the capture's page."""
    found: Sequence[Mapping[str, Any]] = row["candidates"]
    meanings = [
        part for name, meaning in PARTS.values() for part in (draw("dt", ctx.say(name)), draw("dd", ctx.say(meaning)))
    ]
    return draw(
        "section",
        draw("h2", ctx.say(HEADING)),
        draw("p", _sentence(ctx, found), testid="why-chosen"),
        _chart(ctx, found) if found else None,
        _table(ctx, row, found) if found else None,
        draw("details", draw("summary", ctx.say(MEANINGS)), draw("dl", *meanings, classes="vg-facts vg-small"))
        if found
        else None,
        classes="vg-card vg-stack",
        testid="candidates",
    )


def _sentence(ctx: PageContext, found: Sequence[Mapping[str, Any]]) -> str:
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
    return " ".join(told)


def _chart(ctx: PageContext, found: Sequence[Mapping[str, Any]]) -> Drawing:
    places = chart_places(found)
    chosen = next((one for one in found if one["chosen"]), found[0])
    label = ctx.say(CHART, at=seconds(chosen["at_s"], ctx.language), quality=_quality(ctx, chosen))
    levels = [draw("span", number(level, ctx.language, digits=1)) for level in (1.0, 0.5, 0.0)]
    line = draw("polyline", points=" ".join(f"{x},{y}" for x, y in places))
    dots = [_dot(ctx, one, place) for one, place in zip(found, places, strict=True)]
    ends = [draw("span", seconds(one["at_s"], ctx.language)) for one in (found[0], found[-1])]
    return draw(
        "figure",
        draw("div", *levels, classes="vg-chart__scale vg-num", aria_hidden="true"),
        draw(
            "div",
            draw("svg", line, viewBox="0 0 100 100", preserveAspectRatio="none", aria_hidden="true"),
            *dots,
            classes="vg-chart__field",
        ),
        draw("figcaption", *ends, classes="vg-chart__times vg-num vg-small", aria_hidden="true"),
        classes="vg-chart",
        aria_label=label,
        testid="chart",
    )


def _dot(ctx: PageContext, one: Mapping[str, Any], place: tuple[float, float]) -> Drawing:
    kind = " vg-dot--chosen" if one["chosen"] else " vg-dot--sent" if one["sent"] else ""
    told = ctx.say(POINT, at=seconds(one["at_s"], ctx.language), quality=_quality(ctx, one))
    where = f"left:{place[0]}%;top:{place[1]}%"
    return draw("a", classes=f"vg-dot{kind}", href=f"#look-{one['number']}", title=told, aria_label=told, style=where)


def _quality(ctx: PageContext, one: Mapping[str, Any]) -> str:
    return number(one["quality"], ctx.language, digits=2)


def _table(ctx: PageContext, row: Mapping[str, Any], found: Sequence[Mapping[str, Any]]) -> Drawing:
    parts = [key for key in PARTS if any(key in one["parts"] for one in found)]
    heads = [draw("th", ctx.say(FACE))]
    heads += [draw("th", ctx.say(name), classes="vg-num") for name in (TIME, QUALITY, SIZE)]
    heads += [draw("th", ctx.say(PARTS[key][0]), classes="vg-num", title=ctx.say(PARTS[key][1])) for key in parts]
    return draw(
        "div",
        draw(
            "table",
            draw("thead", draw("tr", *heads)),
            draw("tbody", *(_look(ctx, row, one, parts) for one in found)),
            classes="vg-table",
            testid="candidates-table",
        ),
        classes="vg-scroll vg-looks",
        tabindex="0",
        role="region",
        aria_label=ctx.say(HEADING),
    )


def _look(ctx: PageContext, row: Mapping[str, Any], one: Mapping[str, Any], parts: Sequence[str]) -> Drawing:
    language = ctx.language
    address = f"/api/captures/{row['id']}/candidates/{one['number']}" if one["face_kept"] else None
    face = drawn_face(ctx, address, str(row["camera_name"]), classes="vg-face vg-face--small")
    sent = one["sent"] and not one["chosen"]
    cells = [
        draw("td", draw("div", face, _mark(ctx, "ok", "star", CHOSEN) if one["chosen"] else None,
             _mark(ctx, "idle", "send", SENT) if sent else None, classes="vg-row")),
        draw("td", seconds(one["at_s"], language), classes="vg-num"),
        draw("td", draw("span", _quality(ctx, one)), drawn_bar(one["quality"], weak=one["quality"] < WEAK),
             classes="vg-num"),
        draw("td", f"{number(one['size_px'], language)}\N{NO-BREAK SPACE}px", classes="vg-num"),
    ]  # fmt: skip
    for key in parts:
        behind = " vg-behind" if key == one["behind"] else ""
        cells.append(draw("td", number(one["parts"].get(key), language, digits=2), classes=f"vg-num{behind}"))
    chosen = "vg-look--chosen" if one["chosen"] else ""
    return draw("tr", *cells, id=f"look-{one['number']}", classes=chosen)


def _mark(ctx: PageContext, kind: str, sign: str, text: str) -> Drawing:
    return draw("span", drawn_icon(sign), draw("span", ctx.say(text)), classes=f"vg-badge vg-badge--{kind}")
