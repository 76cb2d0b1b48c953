"""One capture in a list: its face, where and when, how good, and what became of it."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from nicegui.events import GenericEventArguments

from vigia.infrastructure.i18n import mark
from vigia.infrastructure.web.dashboard.acts import RETRIED_FROM
from vigia.infrastructure.web.dashboard.context import PageContext
from vigia.infrastructure.web.dashboard.elements import LocalTime, Node, icon, node
from vigia.infrastructure.web.dashboard.quality_parts import quality_mark
from vigia.infrastructure.web.dashboard.states import state_badge

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


def event_number(ctx: PageContext, event_id: str) -> None:
    """FindFace's number, to be copied."""
    with node("button", type="button", classes="vg-copy vg-num", data_copy=event_id, title=ctx.say(COPY),
              aria_label=f"{ctx.say(COPY)}: {event_id}", testid="event-id"):  # fmt: skip
        node("span", event_id)
        icon("content_copy")


def why_told(ctx: PageContext, row: Mapping[str, Any]) -> str:
    """Why a capture is where it is: the code in words, then what FindFace or the sender said."""
    code = CODES.get(row.get("code") or "")
    return ": ".join(part for part in (ctx.say(code) if code else "", str(row.get("reason") or "")) if part)


def parts_of(row: Mapping[str, Any]) -> dict[str, float]:
    """The parts of a capture's quality, as far as it has any."""
    found = row.get("details", {}).get("quality_parts")
    if not isinstance(found, Mapping):
        return {}
    return {str(name): float(value) for name, value in found.items() if isinstance(value, int | float)}


class CaptureCard:
    """Owner: the page's tasks. ``tell`` changes only what is no longer so.

    Args:
        ctx: who looks.
        row: as the feed tells it.
        on_select: told when somebody selects it or no longer does; None: it cannot be selected.
    """

    def __init__(
        self, ctx: PageContext, row: Mapping[str, Any], *, on_select: Callable[[str, bool], None] | None = None
    ) -> None:
        self._ctx = ctx
        self.id, self.seq = str(row["id"]), int(row["seq"])
        self._select: Node | None = None
        self._events: tuple[str, ...] = ()
        camera = str(row["camera_name"])
        with node("article", classes="vg-card vg-shot", testid=f"capture-{self.id}", data_seq=self.seq) as self.element:
            with node("a", classes="vg-shot__link", href=f"/captures/{self.id}", testid="capture-link"):
                face_picture(ctx, f"/api/captures/{self.id}/face" if row["face_kept"] else None, camera)
            with node("div", classes="vg-shot__facts"):
                with node("div", classes="vg-row vg-row--apart"):
                    self._state = state_badge(ctx, row["state"])
                    if on_select is not None:
                        self._select = self._box(on_select)
                node("span", camera, classes="vg-shot__camera", title=camera)
                LocalTime(row["at_utc"])
                quality_mark(ctx, float(row["quality"]), parts_of(row))
                self._why = node("p", classes="vg-shot__why vg-small", testid="capture-reason")
                self._numbers = node("div", classes="vg-shot__events vg-small")
        self.tell(row)

    def _box(self, on_select: Callable[[str, bool], None]) -> Node:
        box = node("input", type="checkbox", classes="vg-check", aria_label=self._ctx.say(SELECT), testid="select")

        def changed(event: GenericEventArguments) -> None:
            box.set("checked", event.args is True)  # so that taking it away later is a change
            on_select(self.id, event.args is True)

        box.on("change", changed, js_handler="(event) => emit(event.target.checked)")
        return box

    def tell(self, row: Mapping[str, Any]) -> None:
        """Show what is now."""
        why, events = why_told(self._ctx, row), tuple(row["event_ids"])
        self.element.set("data-state", row["state"])
        self._state.tell(row["state"])
        self._why.text = why
        self._why.set("title", why or None)
        self._why.show(bool(why) and row["state"] != "delivered")
        if self._select is not None:
            self._select.show(row["state"] in RETRIED_FROM)
        if events != self._events:
            self._events = events
            self._numbers.clear()
            with self._numbers:
                for event_id in events:
                    event_number(self._ctx, event_id)

    def select(self, chosen: bool) -> None:
        """Set or take away the tick."""
        if self._select is not None:
            self._select.set("checked", chosen)
