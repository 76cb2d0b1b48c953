"""One camera: its picture, what it delivers, the settings that count for it, its health, its books, its captures."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from vigia.application.errors import OutboxUnavailable
from vigia.application.gallery_view import FeedQuery
from vigia.domain.camera import CameraId
from vigia.infrastructure.i18n import mark
from vigia.infrastructure.web.dashboard.camera_books import Books
from vigia.infrastructure.web.dashboard.camera_card import ALARMS
from vigia.infrastructure.web.dashboard.camera_health import HealthHistory
from vigia.infrastructure.web.dashboard.camera_reload import reload_button
from vigia.infrastructure.web.dashboard.camera_settings import SettingsTable
from vigia.infrastructure.web.dashboard.cameras import age_told
from vigia.infrastructure.web.dashboard.capture_card import face_picture
from vigia.infrastructure.web.dashboard.captures import captures_address
from vigia.infrastructure.web.dashboard.context import PageContext
from vigia.infrastructure.web.dashboard.elements import LocalTime, icon, node
from vigia.infrastructure.web.dashboard.formats import DASH, TIMES, number, percent, seconds
from vigia.infrastructure.web.dashboard.live import live_picture
from vigia.infrastructure.web.dashboard.parts import Facts, add_looks, section
from vigia.infrastructure.web.dashboard.shell import OUTBOX_AWAY, NoSuchPage, every, off_loop, page_shell, state_badge
from vigia.infrastructure.web.dashboard.system_words import look_told

FACTS: Final = {
    "address": mark("Address"),
    "id": mark("Id"),
    "group": mark("Group"),
    "findface": mark("FindFace's number"),
    "stream": mark("Stream"),
    "fps": mark("Frames a second"),
    "rate": mark("Bit rate"),
    "age": mark("Last picture"),
    "reconnects": mark("Opened again"),
    "clock": mark("Its clock is ahead by"),
    "shard": mark("Shard"),
    "look": mark("Looked at"),
    "load": mark("Share of its shard's time"),
}
ABOUT: Final = mark("Facts")
LATEST: Final = mark("Latest captures")
NO_CAPTURES: Final = mark("No capture of this camera is kept.")
ALL_OF_IT: Final = mark("All captures of this camera")
ALL_CAMERAS: Final = mark("All cameras")
AGO: Final = mark("%(time)s ago")
TIMES_TOLD: Final = mark("%(count)s times")
CAPTURES_SHOWN: Final = 8
STEP_S: Final = 2.0
STEPS_OF_SETTINGS: Final = 5
"""Settings change seldom: they are read with every so many steps."""
LIVE_WIDTH_PX: Final = 960


async def build(ctx: PageContext, asked: Mapping[str, str]) -> None:
    """The page at ``/cameras/{camera_id}``."""
    camera_id = CameraId(asked["camera_id"])
    camera = await off_loop(_camera, ctx, camera_id)
    if camera is None:
        raise NoSuchPage
    add_looks()
    with page_shell(ctx, title=str(camera["name"]), current="cameras"):
        screen = Screen(ctx, camera)
        await screen.step()
        every(STEP_S, screen.step)


def _camera(ctx: PageContext, camera_id: CameraId) -> Mapping[str, Any] | None:
    return next((camera for camera in ctx.parts.view.cameras() if camera["id"] == camera_id), None)


class Screen:
    """The page's content. Owner: the page's tasks."""

    def __init__(self, ctx: PageContext, camera: Mapping[str, Any]) -> None:
        self._ctx, self._id = ctx, CameraId(str(camera["id"]))
        self._steps = 0
        self._shown: list[tuple[str, bool]] | None = None
        say = ctx.say
        with node("nav", classes="vg-row"):
            node("a", say(ALL_CAMERAS), classes="vg-button", href="/cameras", testid="all-cameras")
            if ctx.may_act:
                reload_button(ctx)
        with node("div", classes="vg-row", testid="camera-state"):
            self._state = state_badge(ctx, camera["state"])
            self._alarms = {alarm: self._alarm(say(text)) for alarm, text in ALARMS.items()}
        with node("div", classes="vg-columns vg-columns--picture"):
            with node("div", classes="vg-card vg-picture"):
                live_picture(self._id, label=str(camera["name"]), width_px=LIVE_WIDTH_PX)
            with section(say(ABOUT), testid="camera-facts"):
                self._facts = Facts([(key, say(name)) for key, name in FACTS.items()])
        with section(say(LATEST), testid="camera-captures"):
            self._none = node("p", classes="vg-muted", testid="captures-none")
            self._latest = node("div", classes="vg-thumbs")
            with node("p"):
                node("a", say(ALL_OF_IT), href=captures_address(camera=self._id), testid="all-captures")
        with node("div", classes="vg-columns"):
            self._books = Books(ctx)
            self._health = HealthHistory(ctx)
        self._settings = SettingsTable(ctx)

    def _alarm(self, text: str) -> Any:
        with node("span", classes="vg-badge vg-badge--warn") as badge:
            icon("notification_important")
            node("span", text)
        return badge

    async def step(self) -> None:
        """Show what is now. A camera that has left the list keeps its last state on the page."""
        camera = await off_loop(_camera, self._ctx, self._id)
        if camera is not None:
            self._tell(camera)
        query = FeedQuery(camera_id=self._id, limit=CAPTURES_SHOWN)
        try:
            self._tell_captures(await off_loop(self._ctx.parts.gallery.feed, query))
        except OutboxUnavailable:  # the camera is there all the same
            self._none.text = self._ctx.say(OUTBOX_AWAY)
            self._none.show(True)
            self._shown = None
        if self._steps % STEPS_OF_SETTINGS == 0:
            found = await off_loop(self._ctx.parts.system.settings_of, self._id)
            if found is not None:
                self._settings.tell(found)
        self._steps += 1

    def _tell(self, camera: Mapping[str, Any]) -> None:
        self._state.tell(camera["state"], camera.get("reason"))
        for alarm, badge in self._alarms.items():
            badge.show(alarm in camera["alarms"])
        self._facts.tell(**facts_of(self._ctx, camera))
        self._books.tell(camera)
        self._health.tell(camera)

    def _tell_captures(self, feed: Sequence[Mapping[str, Any]]) -> None:
        shown = [(str(row["id"]), bool(row["face_kept"])) for row in feed]
        if shown == self._shown:
            return
        self._shown = shown
        self._none.text = self._ctx.say(NO_CAPTURES)
        self._none.show(not shown)
        self._latest.clear()
        with self._latest:
            for row in feed:
                with node("a", href=f"/captures/{row['id']}", testid="latest-capture"):
                    address = f"/api/captures/{row['id']}/face" if row["face_kept"] else None
                    face_picture(self._ctx, address, str(row["camera_name"]), classes="vg-thumb")
                    LocalTime(row["at_utc"])


def facts_of(ctx: PageContext, camera: Mapping[str, Any]) -> dict[str, str]:
    """What is told of a camera, by the keys of ``FACTS``. Pure."""
    say, language = ctx.say, ctx.language
    width, rate, age_s = camera.get("width"), camera.get("bit_rate_bps"), camera.get("last_packet_age_s")
    codec, number_of = str(camera.get("codec") or "").upper(), camera["findface_id"]
    return {
        "address": camera["url"] or DASH,
        "id": str(camera["id"]),
        "group": camera["group"] or DASH,
        "findface": DASH if number_of is None else str(number_of),
        "stream": f"{codec}, {width}{TIMES}{camera['height']}" if width else DASH,
        "fps": number(camera.get("fps"), language, digits=1),
        "rate": DASH if not rate else f"{number(rate / 1e6, language, digits=2)} Mbit/s",
        "age": DASH if age_s is None else say(AGO, time=age_told(age_s, language)),
        "reconnects": DASH if "reconnects" not in camera
        else say(TIMES_TOLD, count=number(camera["reconnects"], language)),
        "clock": seconds_signed(camera.get("clock_off_s"), language),
        "shard": str(camera.get("shard") or DASH),
        "look": DASH if "k" not in camera else look_told(ctx, camera["k"], 1.0),
        "load": percent(camera.get("cost_share"), language),
    }  # fmt: skip


def seconds_signed(value_s: float | None, language: str) -> str:
    """A length of time that may be negative."""
    if value_s is None:
        return DASH
    told = seconds(abs(value_s), language)
    return f"\N{MINUS SIGN}{told}" if value_s < 0.0 else told
