"""One passage of which nothing was sent: its best face, why not, and what settings would have let it through."""

from collections.abc import Mapping
from typing import Any, Final

from vigia.infrastructure.i18n import mark
from vigia.infrastructure.web.dashboard.capture_card import face_picture
from vigia.infrastructure.web.dashboard.context import PageContext
from vigia.infrastructure.web.dashboard.elements import LocalTime, icon, node
from vigia.infrastructure.web.dashboard.formats import number, seconds
from vigia.infrastructure.web.dashboard.quality_parts import quality_mark
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


def unsent_card(ctx: PageContext, row: Mapping[str, Any], settings: Mapping[str, str]) -> None:
    """The card.

    Args:
        ctx: who looks.
        row: as the gallery tells it.
        settings: the camera's, name or key → value.
    """
    say, language = ctx.say, ctx.language
    reason = column_of(str(row["reason"] or row["fate"]))
    camera = str(row["camera_name"])
    with node("article", classes="vg-card vg-unsent", testid=f"unsent-{row['number']}"):
        face_picture(ctx, f"/api/unsent/{row['number']}/face" if row["face_kept"] else None, camera)
        with node("div", classes="vg-stack vg-stack--close"):
            with node("span", classes="vg-badge vg-badge--warn"):
                icon("filter_alt")
                node(
                    "span", say(reason.name) if reason else str(row["reason"] or row["fate"]), classes="vg-badge__word"
                )
            with node("div", classes="vg-row"):
                node("span", camera, classes="vg-strong")
                LocalTime(row["at_utc"])
            facts = {
                "count": number(row["events"], language),
                "time": seconds(row["duration_s"], language),
                "size": number(row["size_px"], language),
                "moved": number(row["moved_px"], language),
            }
            node("p", say(FOUND, **facts), classes="vg-muted vg-small")
            quality_mark(ctx, float(row["quality"]), row["parts"])
        if row["obstacles"]:
            with node("div", classes="vg-unsent__would"):
                node("h3", say(WOULD if len(row["obstacles"]) == 1 else ALL_NEEDED))
                with node("ul", testid="obstacles"):
                    for obstacle in row["obstacles"]:
                        _obstacle(ctx, obstacle, present_value(settings, str(obstacle["setting"])))
                node("p", say(WRITTEN, place=DOCUMENT), classes="vg-muted vg-small")


def _obstacle(ctx: PageContext, obstacle: Mapping[str, Any], now: str | None) -> None:
    with node("li"):
        node("code", f"{obstacle['setting']}: {setting_value(obstacle['value'])}")
        if now is not None:
            node("span", f" ({ctx.say(NOW, value=now)})", classes="vg-muted")
