"""What is only shown is drawn: described as plain values and painted by the browser, one element for a whole card.

An element of the library costs the server a tenth of a millisecond and a place in memory for each open page. A list of
cards made of them took seconds on a busy machine.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from nicegui.element import Element
from nicegui.events import GenericEventArguments

from vigia.infrastructure.web.dashboard.context import PageContext
from vigia.infrastructure.web.dashboard.states import look_of, told

Drawing: TypeAlias = str | tuple[Any, ...]
"""Text, or ``(tag, attributes, *inner)``. Tuples, as the library would watch every list within for changes."""


def draw(tag: str, *inner: Drawing | None, classes: str = "", testid: str = "", **attributes: object) -> Drawing:
    """Describe a native element. Text is never read as HTML.

    Args:
        tag: of HTML or SVG.
        inner: what is in it; None is left out.
        classes: of the style sheet.
        testid: a name that tests find it by.
        attributes: ``aria_label="..."`` becomes ``aria-label``; None is left out.
    """
    given = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items() if value is not None}
    if classes:
        given["class"] = classes
    if testid:
        given["data-testid"] = testid
    return (tag, given, *(part for part in inner if part is not None))


def drawn_icon(name: str, *, classes: str = "") -> Drawing:
    """A sign of the icon font, for the eye only."""
    return draw("i", name, classes=f"vg-icon q-icon material-icons {classes}".strip(), aria_hidden="true")


def drawn_time(at: str | None, *, form: str = "clock") -> Drawing:
    """A moment in the viewer's zone: see ``LocalTime``."""
    return ("vg-time", {"at": at or "", "form": form})


def drawn_quality(value: float, parts: Mapping[str, float]) -> Drawing:
    """A shot's quality with its parts; the page has to know their words: ``load_part_words``."""
    return ("vg-quality", {"value": value, "parts": dict(parts)})


def drawn_badge(ctx: PageContext, state: str, *, reason: Mapping[str, Any] | None = None, testid: str = "") -> Drawing:
    """A state: see ``state_badge``."""
    look, why = look_of(state), told(ctx, reason)
    return draw(
        "span",
        drawn_icon(look.sign),
        draw("span", ctx.say(look.name), classes="vg-badge__word"),
        draw("span", why, classes="vg-badge__why") if why else None,
        classes=f"vg-badge vg-badge--{look.kind}",
        testid=testid,
        data_state=state,
    )


class Sketch(Element, component="assets/sketch.js"):
    """A drawing on the page. Only another drawing is sent.

    Args:
        drawing: what is to be seen.
        on_act: told the name that an input has in ``act``, and whether it is checked now.
    """

    def __init__(self, drawing: Drawing, *, on_act: Callable[[str, bool], None] | None = None) -> None:
        super().__init__()
        with self.props.suspend_updates():
            self.props["tree"] = drawing
        if on_act is not None:

            def heard(event: GenericEventArguments) -> None:
                name, checked = event.args
                on_act(str(name), checked is True)

            self.on("act", heard)

    def tell(self, drawing: Drawing) -> None:
        """Show another one."""
        if self.props["tree"] != drawing:
            self.props["tree"] = drawing
