"""A camera's books: where every frame and every track of it ended."""

from collections.abc import Mapping
from typing import Any, Final

from vigia.infrastructure.i18n import mark
from vigia.infrastructure.web.dashboard.context import PageContext
from vigia.infrastructure.web.dashboard.elements import Node, node
from vigia.infrastructure.web.dashboard.formats import number, percent
from vigia.infrastructure.web.dashboard.parts import section

BOOKS: Final = mark("Its books")
HINT: Final = mark("Every frame and every passage since the start, and where it ended.")
FRAMES: Final = mark("Frames received")
FRAME_FATES: Final = {
    "detected": mark("searched for faces"),
    "tracked": mark("between two searches"),
    "quiet": mark("nothing moved"),
    "skipped": mark("skipped"),
    "corrupt": mark("damaged"),
}
FACES: Final = mark("Faces found")
TRACKS: Final = mark("Passages")
TRACK_FATES: Final = {
    "captured": mark("sent at least one shot"),
    "filtered": mark("not worth sending"),
    "lost": mark("lost"),
}
CAPTURES: Final = mark("Captures")
WHY: Final = mark("Why not sent?")


class Books:
    """Owner: the page's tasks."""

    def __init__(self, ctx: PageContext) -> None:
        self._ctx = ctx
        self._told: object = None
        with section(ctx.say(BOOKS), testid="books"):
            node("p", ctx.say(HINT), classes="vg-muted vg-small")
            with node("table", classes="vg-table"):
                self._body = node("tbody")
            with node("p"):
                self._why: Node = node("a", ctx.say(WHY), testid="books-why")

    def tell(self, camera: Mapping[str, Any]) -> None:
        """Show them."""
        books = camera.get("ledger")
        self._why.set("href", f"/why?camera={camera['id']}")
        if books is None or books == self._told:
            return
        self._told = books
        self._body.clear()
        received, started = books["received"], books["tracks_started"]
        with self._body:
            self._row(FRAMES, received, None, key="received")
            for fate, word in FRAME_FATES.items():
                count = books["frames"].get(fate, 0)
                if count or fate == "detected":
                    self._row(word, count, received, key=fate)
            self._row(FACES, books["faces"], None, key="faces")
            self._row(TRACKS, started, None, key="tracks")
            for fate, word in TRACK_FATES.items():
                self._row(word, books["tracks"].get(fate, 0), started, key=fate)
            self._row(CAPTURES, books["captures"], None, key="captures")

    def _row(self, word: str, count: int, whole: int | None, *, key: str) -> None:
        language = self._ctx.language
        with node("tr"):
            node("td", self._ctx.say(word), classes="vg-share" if whole is not None else "vg-strong")
            node("td", number(count, language), classes="vg-num", testid=f"books-{key}")
            node("td", percent(count / whole, language, digits=1) if whole else "", classes="vg-num vg-muted")
