"""What the pages about delivery, the system and the cameras have in common: their looks, lists of facts, tables."""

from collections.abc import Sequence
from typing import Final

from nicegui import ui

from vigia.infrastructure.web.dashboard.assets import asset_url
from vigia.infrastructure.web.dashboard.context import PageContext
from vigia.infrastructure.web.dashboard.elements import Node, node

LOCALES: Final = {"pt_BR": "pt-BR", "en": "en-US"}
"""Our names of languages as browsers know them."""


def add_looks() -> None:
    """Have the page load these pages' style sheet. Once a page."""
    ui.add_head_html(f'<link rel="stylesheet" href="{asset_url("operations.css")}">')


def locale(ctx: PageContext) -> str:
    """The reader's language, as a browser knows it."""
    return LOCALES.get(ctx.language, "en-US")


class Facts:
    """A list of names and values, the values replaced in place. Owner: the page's tasks.

    Args:
        rows: key and name of each, already in the reader's language. Tests find the value by the key.
    """

    def __init__(self, rows: Sequence[tuple[str, str]]) -> None:
        self._values: dict[str, Node] = {}
        with node("dl", classes="vg-facts vg-facts--firm") as self.element:
            for key, name in rows:
                node("dt", name)
                self._values[key] = node("dd", testid=f"fact-{key}")

    def place(self, key: str) -> Node:
        """Where the value stands: for what is more than text."""
        return self._values[key]

    def tell(self, **texts: str) -> None:
        """Show these values."""
        for key, text in texts.items():
            self._values[key].text = text


class Figures:
    """A row of large figures with their names. Owner: the page's tasks.

    Args:
        rows: key, name and what it means, already in the reader's language.
    """

    def __init__(self, rows: Sequence[tuple[str, str, str]], *, testid: str) -> None:
        self._values: dict[str, Node] = {}
        self._notes: dict[str, Node] = {}
        with node("div", classes="vg-card vg-figures", testid=testid):
            for key, name, hint in rows:
                with node("div", classes="vg-figure", title=hint or None):
                    node("div", name, classes="vg-figure__name")
                    self._values[key] = node("div", classes="vg-figure__value", testid=f"figure-{key}")
                    self._notes[key] = node("div", classes="vg-figure__note")

    def tell(self, key: str, text: str, note: str = "") -> None:
        """Show a value, and what is said below it."""
        self._values[key].text = text
        self._notes[key].text = note
        self._notes[key].show(bool(note))


def table_head(titles: Sequence[tuple[str, bool]]) -> None:
    """A table's first row: titles, and whether numbers stand below."""
    with node("thead"), node("tr"):
        for title, numeric in titles:
            node("th", title, classes="vg-num" if numeric else "", scope="col")


def section(title: str, *, testid: str = "") -> Node:
    """A part of a page with its heading, to be filled with ``with``."""
    made = node("section", classes="vg-card vg-stack", testid=testid, aria_label=title)
    with made:
        node("h2", title)
    return made
