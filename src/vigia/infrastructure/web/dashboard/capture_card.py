"""One capture in a list: its face, where and when, how good, and what became of it."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from vigia.infrastructure.i18n import mark
from vigia.infrastructure.web.dashboard.acts import RETRIED_FROM
from vigia.infrastructure.web.dashboard.context import PageContext
from vigia.infrastructure.web.dashboard.drawing import (
    Drawing,
    Sketch,
    draw,
    drawn_badge,
    drawn_icon,
    drawn_quality,
    drawn_time,
)
from vigia.infrastructure.web.dashboard.elements import icon, node

FACE_ALT: Final = mark("Face seen by camera %(camera)s")
NO_FACE: Final = mark("The picture is no longer kept")
COPY: Final = mark("Copy FindFace's number of this event")
SELECT: Final = mark("Select this capture")
CODES: Final = {
    "delivery": mark("sending was given up"),
    "expired": mark("too old to be sent any more"),
    "outbox_full": mark("had to make room"),
    "picture_missing": mark("its picture is missing"),
    "picture_damaged": mark("its picture is damaged"),
}


def face_picture(ctx: PageContext, address: str | None, camera: str, *, classes: str = "vg-face") -> None:
    """A face, or what stands for one that is no longer kept."""
    if address is None:
        with node("span", classes=f"{classes} vg-face--none", role="img", aria_label=ctx.say(NO_FACE)):
            icon("no_photography")
        return
    node("img", classes=classes, src=address, alt=ctx.say(FACE_ALT, camera=camera), loading="lazy", decoding="async")


def drawn_face(ctx: PageContext, address: str | None, camera: str, *, classes: str = "vg-face") -> Drawing:
    """The same as a drawing."""
    if address is None:
        gone = drawn_icon("no_photography")
        return draw("span", gone, classes=f"{classes} vg-face--none", role="img", aria_label=ctx.say(NO_FACE))
    alt = ctx.say(FACE_ALT, camera=camera)
    return draw("img", classes=classes, src=address, alt=alt, loading="lazy", decoding="async")


def drawn_event(ctx: PageContext, event_id: str) -> Drawing:
    """FindFace's number, to be copied."""
    return draw(
        "button", draw("span", event_id), drawn_icon("content_copy"), type="button", classes="vg-copy vg-num",
        data_copy=event_id, title=ctx.say(COPY), aria_label=f"{ctx.say(COPY)}: {event_id}", testid="event-id",
    )  # fmt: skip


def why_told(ctx: PageContext, row: Mapping[str, Any]) -> str:
    """Why a capture is where it is: the code in words, then what FindFace or the sender said."""
    code = CODES.get(row.get("code") or "")
    return ": ".join(part for part in (ctx.say(code) if code else "", ctx.reason(str(row.get("reason") or ""))) if part)


def parts_of(row: Mapping[str, Any]) -> dict[str, float]:
    """The parts of a capture's quality, as far as it has any."""
    found = row.get("details", {}).get("quality_parts")
    if not isinstance(found, Mapping):
        return {}
    return {str(name): float(value) for name, value in found.items() if isinstance(value, int | float)}


class CaptureCard:
    """Owner: the page's tasks. ``tell`` sends only what is no longer so.

    Args:
        ctx: who looks.
        row: as the feed tells it.
        on_select: told when somebody selects it or no longer does; None: it cannot be selected.
    """

    def __init__(
        self, ctx: PageContext, row: Mapping[str, Any], *, on_select: Callable[[str, bool], None] | None = None
    ) -> None:
        self._ctx, self._row, self._on_select = ctx, row, on_select
        self.id, self.seq = str(row["id"]), int(row["seq"])
        self._chosen = False
        self.element = Sketch(self._drawing(), on_act=None if on_select is None else self._acted)

    def tell(self, row: Mapping[str, Any]) -> None:
        """Show what is now. Pages ask twice a second: what did not change is not drawn anew."""
        before, self._row = self._row, row
        if _drawn_of(before) != _drawn_of(row):
            self.element.tell(self._drawing())

    def select(self, chosen: bool) -> None:
        """Set or take away the tick."""
        self._chosen = chosen
        self.element.tell(self._drawing())

    def _acted(self, _act: str, checked: bool) -> None:
        self.select(checked)  # so that taking it away later is a change
        if self._on_select is not None:
            self._on_select(self.id, checked)

    def _drawing(self) -> Drawing:
        ctx, row = self._ctx, self._row
        camera, state = str(row["camera_name"]), str(row["state"])
        face = drawn_face(ctx, f"/api/captures/{self.id}/face" if row["face_kept"] else None, camera)
        head = draw("div", drawn_badge(ctx, state), self._box(state), classes="vg-row vg-row--apart")
        why = why_told(ctx, row) if state != "delivered" else ""
        facts = draw(
            "div",
            head,
            draw("span", camera, classes="vg-shot__camera", title=camera),
            drawn_time(row["at_utc"]),
            drawn_quality(float(row["quality"]), parts_of(row)),
            draw("p", why, classes="vg-shot__why vg-small", testid="capture-reason", title=why) if why else None,
            draw("div", *(drawn_event(ctx, str(one)) for one in row["event_ids"]), classes="vg-shot__events vg-small"),
            classes="vg-shot__facts",
        )
        link = draw("a", face, classes="vg-shot__link", href=f"/captures/{self.id}", testid="capture-link")
        return draw(
            "article", link, facts, classes="vg-card vg-shot", testid=f"capture-{self.id}", data_seq=self.seq,
            data_state=state,
        )  # fmt: skip

    def _box(self, state: str) -> Drawing | None:
        if self._on_select is None or state not in RETRIED_FROM:
            return None
        return draw(
            "input", type="checkbox", classes="vg-check", aria_label=self._ctx.say(SELECT), testid="select",
            checked=self._chosen, act="select",
        )  # fmt: skip


def _drawn_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row without what a card does not show and what changes by itself."""
    return {name: value for name, value in row.items() if name != "due_in_s"}
