"""A shot's quality on a page: what its parts are called and mean, and all of them with their bars."""

import json
from collections.abc import Mapping
from typing import Final

from nicegui import ui

from vigia.infrastructure.i18n import mark
from vigia.infrastructure.web.dashboard.context import PageContext
from vigia.infrastructure.web.dashboard.drawing import Drawing, draw
from vigia.infrastructure.web.dashboard.formats import number

PARTS: Final[Mapping[str, tuple[str, str]]] = {
    "inter_eye": (mark("Distance of the eyes"), mark("In pixels; 1 from 60 px on.")),
    "size": (mark("Size"), mark("The smaller side of the face; 1 from 140 px on.")),
    "sharpness": (mark("Sharpness"), mark("Tells a clear face from a soft or smeared one.")),
    "detail": (mark("Detail"), mark("Fine detail beyond plain sharpness.")),
    "motion": (mark("Stillness"), mark("Low where a movement smeared the face in one direction.")),
    "contrast": (mark("Contrast"), mark("Difference between the light and the dark of the face.")),
    "under_exposure": (mark("Not too dark"), mark("Low where much of the face is near black.")),
    "over_exposure": (mark("Not too bright"), mark("Low where much of the face is near white.")),
    "evenness": (mark("Even light"), mark("Low where one half of the face is much darker than the other.")),
    "yaw": (mark("Not turned aside"), mark("1 for a face seen from the front; low when turned to the left or right.")),
    "pitch": (mark("Not tilted"), mark("Low when looking up or down.")),
    "roll": (mark("Upright"), mark("Low when the head leans to one shoulder.")),
    "truncation": (mark("Whole face"), mark("Low where the face is cut off by the picture's edge or close to it.")),
    "confidence": (mark("Detector's certainty"), mark("How sure the detector is that this is a face.")),
}
"""Name and meaning of each part, in the order of docs/quality.md."""
QUALITY: Final = mark("Quality")
PARTS_OF: Final = mark("Quality %(quality)s: show its parts")
WEAK: Final = 0.5
"""A part below this is what a person would see at once."""


def part_name(ctx: PageContext, key: str) -> str:
    """A part in words; its own name where it is not known."""
    return ctx.say(PARTS[key][0]) if key in PARTS else key


def in_order(parts: Mapping[str, float]) -> list[tuple[str, float]]:
    """The parts as documented, unknown ones last."""
    known = [(key, parts[key]) for key in PARTS if key in parts]
    return known + [(key, value) for key, value in parts.items() if key not in PARTS]


def load_part_words(ctx: PageContext) -> None:
    """Have the page know what ``drawn_quality`` needs. Once, while the page is being made."""
    say = ctx.say
    words = {
        "words": [[key, say(name), say(meaning)] for key, (name, meaning) in PARTS.items()],
        "label": say(QUALITY),
        "show": say(PARTS_OF, quality="{quality}"),
        "weak": WEAK,
    }
    ui.add_head_html(f"<script>window.vgParts = {json.dumps(words).replace('<', chr(92) + 'u003c')}</script>")


def drawn_bar(share: float | None, *, weak: bool = False) -> Drawing:
    """A bar as long as ``share`` of 1; the number stands beside it."""
    width = f"width:{100.0 * min(max(share or 0.0, 0.0), 1.0):.0f}%"
    return draw("span", draw("i", style=width), classes="vg-bar vg-bar--weak" if weak else "vg-bar", aria_hidden="true")


def drawn_parts(ctx: PageContext, parts: Mapping[str, float]) -> Drawing:
    """Every part with its bar and with what it stands for."""
    return draw("dl", *(_part(ctx, key, value) for key, value in in_order(parts)), classes="vg-parts__list")


def _part(ctx: PageContext, key: str, value: float) -> Drawing:
    meaning = ctx.say(PARTS[key][1]) if key in PARTS else ""
    shown = draw("span", number(value, ctx.language, digits=2))
    return draw(
        "div",
        draw("dt", part_name(ctx, key)),
        draw("dd", drawn_bar(value, weak=value < WEAK), shown, classes="vg-num"),
        draw("dd", meaning, classes="vg-part__meaning vg-muted vg-small") if meaning else None,
        classes="vg-part",
    )
