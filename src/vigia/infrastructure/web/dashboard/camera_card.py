"""One camera on the wall: its picture, what it does, and whatever is wrong with it."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from vigia.application.camera_health import Alarm
from vigia.infrastructure.i18n import mark
from vigia.infrastructure.web.dashboard.context import PageContext
from vigia.infrastructure.web.dashboard.elements import Node, icon, node
from vigia.infrastructure.web.dashboard.formats import DASH, TIMES, number, percent, seconds
from vigia.infrastructure.web.dashboard.live import live_picture
from vigia.infrastructure.web.dashboard.states import state_badge, told

FPS: Final = mark("fps")
FPS_HINT: Final = mark("Frames a second that come from the camera")
K_HINT: Final = mark("Faces are looked for on every k-th frame")
LOAD: Final = mark("load")
LOAD_HINT: Final = mark("Share of its worker's time that this camera takes")
AGE: Final = mark("last picture")
AGE_HINT: Final = mark("How long ago the last picture came")
LOOKED: Final = mark("Looked at")
ALARMS: Final = {
    Alarm.NO_FACE.value: mark("no face for long"),
    Alarm.CLOCK_OFF.value: mark("its clock is off"),
}


class CameraCard:
    """Owner: the page's tasks. ``tell`` changes only what is no longer so."""

    def __init__(self, ctx: PageContext, camera: Mapping[str, Any]) -> None:
        self._ctx = ctx
        camera_id = str(camera["id"])
        where = f"/cameras/{quote(camera_id, safe='')}"
        with node("article", classes="vg-card vg-cam", testid=f"camera-{camera_id}") as self.element:
            with node("div", classes="vg-cam__head"):
                self._name = node("a", str(camera["name"]), classes="vg-cam__name", href=where)
                self._state = state_badge(ctx, camera["state"])
            with node("a", classes="vg-cam__picture", href=where, testid="camera-open"):
                live_picture(camera_id, label=str(camera["name"]))
            self._why = node("p", classes="vg-cam__why", testid="camera-reason")
            with node("dl", classes="vg-cam__facts"):
                self._fps = self._fact(ctx.say(FPS), ctx.say(FPS_HINT), "fps")
                self._k = self._fact("k", ctx.say(K_HINT), "k")
                self._load = self._fact(ctx.say(LOAD), ctx.say(LOAD_HINT), "load")
                self._age = self._fact(ctx.say(AGE), ctx.say(AGE_HINT), "age")
            with node("div", classes="vg-row vg-cam__foot"):
                self._stream = node("span", classes="vg-muted vg-small vg-num", testid="camera-stream")
                self._look = state_badge(ctx, "full")
                self._alarms = {alarm: self._alarm(ctx.say(text)) for alarm, text in ALARMS.items()}
        self.tell(camera)

    def _fact(self, name: str, hint: str, key: str) -> Node:
        with node("div", title=hint):
            node("dt", name)
            return node("dd", classes="vg-num", testid=f"camera-{key}")

    def _alarm(self, text: str) -> Node:
        with node("span", classes="vg-badge vg-badge--warn") as badge:
            icon("notification_important")
            node("span", text)
        return badge

    def tell(self, camera: Mapping[str, Any]) -> None:
        """Show what is now."""
        language, why = self._ctx.language, told(self._ctx, camera.get("reason"))
        load = camera.get("load", "full")
        self.element.set("data-state", camera["state"])
        self.element.set("data-load", load)
        self._name.text = str(camera["name"])
        self._state.tell(camera["state"])
        self._why.text = why
        self._why.show(bool(why))
        self._fps.text = number(camera.get("fps"), language, digits=1)
        self._k.text = number(camera.get("k"), language)
        self._load.text = percent(camera.get("cost_share"), language)
        self._age.text = seconds(camera.get("last_packet_age_s"), language)
        self._stream.text = stream_told(camera)
        self._look.tell(load)
        self._look.show(load != "full")
        for alarm, badge in self._alarms.items():
            badge.show(alarm in camera["alarms"])


def stream_told(camera: Mapping[str, Any]) -> str:
    """Size and codec of the stream; a dash before the first picture."""
    if not camera.get("width"):
        return DASH
    return f"{camera['width']}{TIMES}{camera['height']}, {str(camera.get('codec', '')).upper()}"
