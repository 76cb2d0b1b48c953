"""One capture: the whole picture, the face, every fact, what became of it, and why this shot was the one."""

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from nicegui import ui

from vigia.domain.capture import CaptureId
from vigia.infrastructure.i18n import mark
from vigia.infrastructure.web.dashboard.acts import DROP, RETRIED_FROM, RETRY, ask_drop, ask_retry
from vigia.infrastructure.web.dashboard.candidates import drawn_candidates
from vigia.infrastructure.web.dashboard.capture_card import drawn_event, face_picture, parts_of, why_told
from vigia.infrastructure.web.dashboard.captures import captures_address
from vigia.infrastructure.web.dashboard.context import PageContext
from vigia.infrastructure.web.dashboard.drawing import Sketch
from vigia.infrastructure.web.dashboard.elements import LocalTime, icon, node
from vigia.infrastructure.web.dashboard.formats import TIMES, number, size
from vigia.infrastructure.web.dashboard.history import fate_history
from vigia.infrastructure.web.dashboard.quality_parts import QUALITY, WEAK, drawn_bar, drawn_parts
from vigia.infrastructure.web.dashboard.shell import NoSuchPage, every, off_loop, page_shell
from vigia.infrastructure.web.dashboard.states import state_badge

TITLE: Final = mark("Capture")
FRAME: Final = mark("The camera's picture with the face and the region that FindFace looks at")
FRAME_GONE: Final = mark("The whole picture is no longer kept.")
FACE_BOX: Final = mark("face")
ROI_BOX: Final = mark("region for FindFace")
FACTS: Final = mark("Facts")
TRACK: Final = mark("Track")
FACE_SIZE: Final = mark("Face")
FACE_SIZE_TOLD: Final = mark("%(face)s px in a picture of %(frame)s")
PICTURE: Final = mark("Picture")
KEPT: Final = mark("%(size)s on disk")
NOT_KEPT: Final = mark("%(size)s, no longer on disk")
EVENTS: Final = mark("FindFace's events")
NONE: Final = mark("none")
NUMBER: Final = mark("Number")
ALL_CAPTURES: Final = mark("All captures")
OF_CAMERA: Final = mark("More of this camera")
FATE: Final = mark("What became of it")
STEP_S: Final = 2.0
_ID: Final = re.compile(r"[0-9a-f]{32}")


async def build(ctx: PageContext, asked: Mapping[str, str]) -> None:
    """The page at ``/captures/{capture_id}``."""
    capture_id = CaptureId(asked["capture_id"])
    if not _ID.fullmatch(capture_id):
        raise NoSuchPage
    row = await off_loop(ctx.parts.gallery.capture, capture_id)
    if row is None:
        raise NoSuchPage
    with page_shell(ctx, title=ctx.say(TITLE), current="captures"):
        with node("nav", classes="vg-row"):
            node("a", ctx.say(ALL_CAPTURES), classes="vg-button", href="/captures")
            node("a", ctx.say(OF_CAMERA), classes="vg-button", href=captures_address(camera=str(row["camera"])))
        Screen(ctx, row)


class Screen:
    """The page's content; fate and candidates follow what happens. Owner: the page's tasks."""

    def __init__(self, ctx: PageContext, row: Mapping[str, Any]) -> None:
        self._ctx, self._row = ctx, row
        with node("div", classes="vg-capture"):
            with node("div", classes="vg-stack"):
                _frame(ctx, row)
                with node("div", classes="vg-grid vg-grid--two"):
                    self._fate = node("section", classes="vg-card vg-stack", testid="fate")
                    with node("section", classes="vg-card vg-stack", testid="facts"):
                        _facts(ctx, row)
            with node("section", classes="vg-card vg-stack"):
                _head(ctx, row)
        self._looks = Sketch(drawn_candidates(ctx, row))
        self._draw_fate()
        every(STEP_S, self.step)

    async def step(self) -> None:
        """Show what changed."""
        row = await off_loop(self._ctx.parts.gallery.capture, CaptureId(str(self._row["id"])))
        if row is None:
            ui.navigate.to("/captures")  # removed, or no longer kept
            return
        before, self._row = self._row, row
        if any(before[name] != row[name] for name in ("state", "attempts", "reason", "event_ids", "ended_at_utc")):
            self._draw_fate()
        self._looks.tell(drawn_candidates(self._ctx, row))

    def _draw_fate(self) -> None:
        ctx, row = self._ctx, self._row
        self._fate.clear()
        with self._fate:
            with node("div", classes="vg-row vg-row--apart"):
                node("h2", ctx.say(FATE))
                state_badge(ctx, row["state"]).set("data-testid", "capture-state")
            why = why_told(ctx, row)
            if why and row["state"] != "delivered":
                node("p", why, classes="vg-muted", testid="capture-reason")
            fate_history(ctx, row)
            with node("div", classes="vg-row"):
                if not ctx.may_act:
                    return
                if row["state"] in RETRIED_FROM:
                    node(
                        "button", ctx.say(RETRY), type="button", classes="vg-button vg-button--act", testid="retry"
                    ).on("click", lambda: ask_retry(ctx, [str(row["id"])], after=self.step))
                if row["state"] != "leased":
                    node("button", ctx.say(DROP), type="button", classes="vg-button vg-button--bad", testid="drop").on(
                        "click", lambda: ask_drop(ctx, [str(row["id"])], after=self.step)
                    )


def _frame(ctx: PageContext, row: Mapping[str, Any]) -> None:
    with node("section", classes="vg-card vg-stack"):
        if not row["frame_kept"]:
            with node("div", classes="vg-frame vg-frame--none", testid="frame-gone"):
                icon("no_photography", classes="vg-empty__sign")
                node("p", ctx.say(FRAME_GONE))
            return
        with node("figure", classes="vg-frame", testid="frame"):
            node("img", src=f"/api/captures/{row['id']}/frame", alt=ctx.say(FRAME))
            for key, kind, text in (("roi_box", "roi", ROI_BOX), ("face_box", "face", FACE_BOX)):
                if row[key] is not None:
                    with node("div", classes=f"vg-box vg-box--{kind}", style=box_style(row[key]), testid=f"box-{kind}"):
                        node("span", ctx.say(text), classes="vg-box__name")


def box_style(box: tuple[float, float, float, float]) -> str:
    """A box given in shares of the picture, as a place above it; cut off at the edges."""
    left, top, right, bottom = (min(max(float(edge), 0.0), 1.0) for edge in box)
    return (
        f"left:{100 * left:.2f}%;top:{100 * top:.2f}%;"
        f"width:{100 * max(right - left, 0.0):.2f}%;height:{100 * max(bottom - top, 0.0):.2f}%"
    )


def _head(ctx: PageContext, row: Mapping[str, Any]) -> None:
    camera = str(row["camera_name"])
    with node("div", classes="vg-row vg-capture__head"):
        face_picture(ctx, f"/api/captures/{row['id']}/face" if row["face_kept"] else None, camera)
        with node("div", classes="vg-stack vg-stack--close"):
            node("a", camera, href=f"/cameras/{quote(str(row['camera']), safe='')}", classes="vg-strong")
            LocalTime(row["at_utc"], form="full")
    quality = float(row["quality"])
    with node("div", classes="vg-row vg-quality"):
        node("h2", ctx.say(QUALITY))
        node("span", number(quality, ctx.language, digits=2), classes="vg-figure__value", testid="capture-quality")
        Sketch(drawn_bar(quality, weak=quality < WEAK))
    Sketch(drawn_parts(ctx, parts_of(row)))


def _facts(ctx: PageContext, row: Mapping[str, Any]) -> None:
    say, language = ctx.say, ctx.language
    node("h2", say(FACTS))
    with node("dl", classes="vg-facts"):
        node("dt", say(EVENTS))
        with node("dd"):
            for event_id in row["event_ids"]:
                Sketch(drawn_event(ctx, str(event_id)))
            if not row["event_ids"]:
                node("span", say(NONE), classes="vg-muted")
        node("dt", say(TRACK))
        node("dd", str(row["track"]))
        node("dt", say(FACE_SIZE))
        node("dd", _face_size(ctx, row))
        node("dt", say(PICTURE))
        node("dd", say(KEPT if row["picture_kept"] else NOT_KEPT, size=size(row["size_bytes"], language)))
        node("dt", say(NUMBER))
        node("dd", str(row["id"]), classes="vg-small")


def _face_size(ctx: PageContext, row: Mapping[str, Any]) -> str:
    details, frame = row.get("details", {}), row["frame_size"]
    left, top, right, bottom = details.get("box") or row["box"]
    told = TIMES.join(str(round(side)) for side in frame) if frame else "?"
    return ctx.say(FACE_SIZE_TOLD, face=f"{round(right - left)}{TIMES}{round(bottom - top)}", frame=told)
