"""One camera on the wall: its picture, what it does, and whatever is wrong with it."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from vigia.application.camera_health import DELIVERING, Alarm
from vigia.infrastructure.i18n import mark
from vigia.infrastructure.web.dashboard.context import PageContext
from vigia.infrastructure.web.dashboard.drawing import Drawing, Sketch, draw, drawn_badge, drawn_icon
from vigia.infrastructure.web.dashboard.elements import node
from vigia.infrastructure.web.dashboard.formats import DASH, TIMES, number, percent, seconds
from vigia.infrastructure.web.dashboard.live import live_picture
from vigia.infrastructure.web.dashboard.states import told

FPS: Final = mark("fps")
FPS_HINT: Final = mark("Frames a second that come from the camera")
K_HINT: Final = mark("Faces are looked for on every k-th frame")
LOAD: Final = mark("load")
LOAD_HINT: Final = mark("Share of its worker's time that this camera takes")
AGE: Final = mark("last picture")
AGE_HINT: Final = mark("How long ago the last picture came")
CALM_FPS: Final = 10.0
"""From here on a tenth of a frame is only unrest on the page."""
FRESH: Final = "< 1\N{NO-BREAK SPACE}s"
ALARMS: Final = {
    Alarm.NO_FACE.value: mark("no face for long"),
    Alarm.CLOCK_OFF.value: mark("its clock is off"),
}


class CameraCard:
    """Owner: the page's tasks. ``tell`` sends only what is no longer so."""

    def __init__(self, ctx: PageContext, camera: Mapping[str, Any]) -> None:
        self._ctx = ctx
        camera_id = str(camera["id"])
        self._where = f"/cameras/{quote(camera_id, safe='')}"
        with node("article", classes="vg-card vg-cam", testid=f"camera-{camera_id}") as self.element:
            self._head = Sketch(self._drawn_head(camera))
            with node("a", classes="vg-cam__picture", href=self._where, testid="camera-open"):
                live_picture(camera_id, label=str(camera["name"]))
            self._facts = Sketch(self._drawn_facts(camera))
        self.tell(camera)

    def tell(self, camera: Mapping[str, Any]) -> None:
        """Show what is now."""
        self.element.set("data-state", camera["state"])
        self.element.set("data-load", camera.get("load", "full"))
        self._head.tell(self._drawn_head(camera))
        self._facts.tell(self._drawn_facts(camera))

    def _drawn_head(self, camera: Mapping[str, Any]) -> Drawing:
        name = draw("a", str(camera["name"]), classes="vg-cam__name", href=self._where)
        return draw("div", name, drawn_badge(self._ctx, str(camera["state"])), classes="vg-cam__head")

    def _drawn_facts(self, camera: Mapping[str, Any]) -> Drawing:
        ctx, language, say = self._ctx, self._ctx.language, self._ctx.say
        why, fps = told(ctx, camera.get("reason")), camera.get("fps")
        load = str(camera.get("load", "full")) if camera["state"] in DELIVERING else "full"
        facts = (
            (
                "fps",
                say(FPS),
                say(FPS_HINT),
                number(fps, language, digits=1 if fps is not None and fps < CALM_FPS else 0),
            ),
            ("k", "k", say(K_HINT), number(camera.get("k"), language)),
            ("load", say(LOAD), say(LOAD_HINT), percent(camera.get("cost_share"), language)),
            ("age", say(AGE), say(AGE_HINT), age_told(camera.get("last_packet_age_s"), language)),
        )
        alarms = [
            draw("span", drawn_icon("notification_important"), draw("span", say(text)),
                 classes="vg-badge vg-badge--warn", testid=f"alarm-{alarm}")
            for alarm, text in ALARMS.items()
            if alarm in camera["alarms"]
        ]  # fmt: skip
        return draw(
            "div",
            draw("p", why, classes="vg-cam__why", testid="camera-reason") if why else None,
            draw("dl", *(_fact(*fact) for fact in facts), classes="vg-cam__facts"),
            draw(
                "div",
                draw("span", stream_told(camera), classes="vg-muted vg-small vg-num", testid="camera-stream"),
                drawn_badge(ctx, load, testid="camera-load-state") if load != "full" else None,
                *alarms,
                classes="vg-row vg-cam__foot",
            ),
            classes="vg-cam__body",
        )


def _fact(key: str, name: str, hint: str, value: str) -> Drawing:
    shown = draw("dd", value, classes="vg-num", testid=f"camera-{key}")
    return draw("div", draw("dt", name), shown, title=hint)


def age_told(age_s: float | None, language: str) -> str:
    """How old the last picture is; below a second that is of no interest and would only flicker."""
    return FRESH if age_s is not None and age_s < 1.0 else seconds(age_s, language)


def stream_told(camera: Mapping[str, Any]) -> str:
    """Size and codec of the stream; a dash before the first picture."""
    if not camera.get("width"):
        return DASH
    return f"{camera['width']}{TIMES}{camera['height']}, {str(camera.get('codec', '')).upper()}"
