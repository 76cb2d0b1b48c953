"""Building stones of the pages: native elements, a time in the viewer's own zone, what tells that it is seen."""

from collections.abc import Callable
from typing import Any

from nicegui.element import Element
from nicegui.elements.mixins.text_element import TextElement
from nicegui.events import GenericEventArguments


class Node(TextElement):
    """A native HTML element. What did not change is not sent again."""

    def set(self, name: str, value: object) -> None:
        """Give an attribute another value; None takes it away."""
        if self.props.get(name) == value:
            return
        if value is None:
            self.props.pop(name, None)
        else:
            self.props[name] = value

    def look(self, classes: str) -> None:
        """Replace all classes."""
        if " ".join(self.classes) != classes:
            self.classes(replace=classes)

    def show(self, shown: bool) -> None:
        """Whether it is there at all, to the eye and to a screen reader."""
        self.set("hidden", None if shown else True)


def node(tag: str = "div", text: str = "", *, classes: str = "", testid: str = "", **attributes: object) -> Node:
    """A native element with plain text; never read as HTML.

    Args:
        tag: of HTML or SVG.
        text: what it says.
        classes: of the style sheet.
        testid: a name that tests find it by.
        attributes: ``aria_label="..."`` becomes ``aria-label``, ``for_`` becomes ``for``.
    """
    made = Node(tag=tag, text=text)
    if classes:
        made.classes(classes)
    with made.props.suspend_updates():
        if testid:
            made.props["data-testid"] = testid
        for name, value in attributes.items():
            if value is not None:
                made.props[name.rstrip("_").replace("_", "-")] = value
    return made


def icon(name: str, *, classes: str = "") -> Node:
    """A sign of the icon font, for the eye only: the word stands beside it."""
    return node("i", name, classes=f"vg-icon q-icon material-icons {classes}".strip(), aria_hidden="true")


class LocalTime(Element, component="assets/local_time.js"):
    """A moment, in the zone and the words of whoever looks.

    Args:
        at: ISO 8601 with its zone, or None: a dash.
        form: ``clock`` (with the date when it is not today), ``full`` (date, time, zone) or ``ago``.
    """

    def __init__(self, at: str | None, *, form: str = "clock") -> None:
        super().__init__()
        with self.props.suspend_updates():
            self.props["at"] = at or ""
            self.props["form"] = form

    def tell(self, at: str | None) -> None:
        """Another moment."""
        if self.props["at"] != (at or ""):
            self.props["at"] = at or ""


class InView(Element, component="assets/in_view.js"):
    """A line without height that says when it comes into sight and when it goes.

    Args:
        on_change: called with True or False.
    """

    def __init__(self, on_change: Callable[[bool], Any]) -> None:
        super().__init__()

        def heard(event: GenericEventArguments) -> None:
            on_change(event.args is True)

        self.on("seen", heard)
