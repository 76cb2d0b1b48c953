"""One passage of which nothing was sent: its best face, why not, and what settings would have let it through."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from vigia.infrastructure.i18n import mark
from vigia.infrastructure.web.dashboard.capture_card import drawn_face
from vigia.infrastructure.web.dashboard.context import PageContext
from vigia.infrastructure.web.dashboard.drawing import Drawing, draw, drawn_icon, drawn_quality, drawn_time
from vigia.infrastructure.web.dashboard.formats import number, seconds
from vigia.infrastructure.web.dashboard.why_words import column_of

FOUND: Final = mark("times found: %(count)s, over %(time)s; face of %(size)s px, moved by %(moved)s px")
WOULD: Final = mark("What would have let it through")
ALL_NEEDED: Final = mark("What would have let it through, all of it together")
NOW: Final = mark("now: %(value)s")
WRITTEN: Final = mark("described in %(place)s")
DOCUMENT: Final = "docs/settings.md"


def setting_value(value: object) -> str:
    """A setting's value as one writes it into the configuration; numbers with a point, as the file wants them."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:g}"
    return "''" if value == "" else str(value)


def present_value(settings: Mapping[str, str], setting: str) -> str | None:
    """What a setting of the configuration is for this camera; None where that is not known."""
    return settings.get(setting, settings.get(setting.rpartition(".")[2]))


def drawn_unsent(ctx: PageContext, row: Mapping[str, Any], settings: Mapping[str, str]) -> Drawing:
    """The card.

    Args:
        ctx: who looks.
        row: as the gallery tells it.
        settings: the camera's, name or key → value.
    """
    say, camera = ctx.say, str(row["camera_name"])
    reason = column_of(str(row["reason"] or row["fate"]))
    word = say(reason.name) if reason else str(row["reason"] or row["fate"])
    facts = {
        "count": number(row["events"], ctx.language),
        "time": seconds(row["duration_s"], ctx.language),
        "size": number(row["size_px"], ctx.language),
        "moved": number(row["moved_px"], ctx.language),
    }
    told = draw(
        "div",
        draw("span", drawn_icon("filter_alt"), draw("span", word, classes="vg-badge__word"),
             classes="vg-badge vg-badge--warn"),
        draw("div", draw("span", camera, classes="vg-strong"), drawn_time(row["at_utc"]), classes="vg-row"),
        draw("p", say(FOUND, **facts), classes="vg-muted vg-small"),
        drawn_quality(float(row["quality"]), row["parts"]),
        classes="vg-stack vg-stack--close",
    )  # fmt: skip
    face = drawn_face(ctx, f"/api/unsent/{row['number']}/face" if row["face_kept"] else None, camera)
    would = _would(ctx, row["obstacles"], settings) if row["obstacles"] else None
    return draw("article", face, told, would, classes="vg-card vg-unsent", testid=f"unsent-{row['number']}")


def _would(ctx: PageContext, obstacles: Sequence[Mapping[str, Any]], settings: Mapping[str, str]) -> Drawing:
    lines = [_obstacle(ctx, one, present_value(settings, str(one["setting"]))) for one in obstacles]
    return draw(
        "div",
        draw("h3", ctx.say(WOULD if len(lines) == 1 else ALL_NEEDED)),
        draw("ul", *lines, testid="obstacles"),
        draw("p", ctx.say(WRITTEN, place=DOCUMENT), classes="vg-muted vg-small"),
        classes="vg-unsent__would",
    )


def _obstacle(ctx: PageContext, obstacle: Mapping[str, Any], now: str | None) -> Drawing:
    return draw(
        "li",
        draw("code", f"{obstacle['setting']}: {setting_value(obstacle['value'])}"),
        None if now is None else draw("span", f" ({ctx.say(NOW, value=now)})", classes="vg-muted"),
    )
