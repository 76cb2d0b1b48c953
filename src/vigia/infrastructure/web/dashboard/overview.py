"""Overview: does everything work, and if not, what does that mean; then every camera with its picture."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from vigia.application.site_view import Readiness, SiteView
from vigia.infrastructure.i18n import mark
from vigia.infrastructure.web.dashboard.camera_card import CameraCard
from vigia.infrastructure.web.dashboard.context import PageContext
from vigia.infrastructure.web.dashboard.elements import LocalTime, Node, icon, node
from vigia.infrastructure.web.dashboard.formats import number
from vigia.infrastructure.web.dashboard.live import load_live_script
from vigia.infrastructure.web.dashboard.shell import every, off_loop, page_shell, state_badge
from vigia.infrastructure.web.dashboard.states import told
from vigia.infrastructure.web.dashboard.troubles import DOWN_STATES, Trouble, in_trouble, troubles

TITLE: Final = mark("Overview")
CAMERAS_LIVE: Final = mark("Cameras live")
FPS: Final = mark("Frames a second")
FACES: Final = mark("Faces found")
CAPTURES: Final = mark("Captures")
DELIVERED: Final = mark("Delivered to FindFace")
WAITING: Final = mark("Waiting to be sent")
GIVEN_UP: Final = mark("Refused or given up")
SINCE_START: Final = mark("since the start")
SINCE: Final = mark("Since")
ALL: Final = mark("All cameras (%(count)d)")
ONLY_TROUBLE: Final = mark("Only with trouble (%(count)d)")
SHOWN: Final = mark("%(first)d to %(last)d of %(all)d")
BEFORE: Final = mark("Before")
NEXT: Final = mark("Next")
NAME: Final = mark("Name of a camera")
SEARCH: Final = mark("Search")
NONE_IN_TROUBLE: Final = mark("No camera has trouble.")
NONE_FOUND: Final = mark("No camera is called so.")
NO_CAMERAS: Final = mark("There is no camera in the list yet.")
CAMERAS: Final = mark("Cameras")
PER_PAGE: Final = 16
"""Live pictures at once: more than a person watches, and than a machine should draw."""
PAGE_MAX: Final = 10_000
STEP_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Wish:
    """What the address asks for."""

    only_trouble: bool = False
    name: str = ""
    page: int = 1

    @classmethod
    def of(cls, asked: Mapping[str, str]) -> "Wish":
        """Whatever makes no sense counts as not asked."""
        page = asked.get("page", "")
        return cls(
            asked.get("only", "") == "trouble",
            asked.get("name", "")[:64].strip(),
            min(max(int(page), 1), PAGE_MAX) if page.isascii() and page.isdigit() and len(page) < 6 else 1,
        )

    def address(self, **changed: object) -> str:
        """The same with something changed."""
        values = {"only": "trouble" if self.only_trouble else "", "name": self.name, "page": self.page} | changed
        kept = {name: value for name, value in values.items() if value not in ("", 1)}
        return f"/?{urlencode(kept)}" if kept else "/"


def chosen(cameras: Sequence[Mapping[str, Any]], wish: Wish) -> list[Mapping[str, Any]]:
    """Those asked for: first those that deliver nothing, then others with trouble, else in their order."""
    needle = wish.name.casefold()
    found = [camera for camera in cameras if needle in str(camera["name"]).casefold()]
    if wish.only_trouble:
        found = [camera for camera in found if in_trouble(camera)]
    return sorted(found, key=lambda camera: 0 if camera["state"] in DOWN_STATES else 1 if in_trouble(camera) else 2)


async def build(ctx: PageContext, asked: Mapping[str, str]) -> None:
    """The page at ``/``."""
    load_live_script()
    with page_shell(ctx, title=ctx.say(TITLE), current="overview"):
        screen = Overview(ctx, Wish.of(asked))
    await screen.step()
    with screen.wall.element:
        every(STEP_S, screen.step)


class Overview:
    """Owner: the page's tasks in the server's loop."""

    def __init__(self, ctx: PageContext, wish: Wish) -> None:
        self._ctx = ctx
        self._banner = Banner(ctx)
        self._totals = Totals(ctx)
        self.wall = Wall(ctx, wish)

    async def step(self) -> None:
        """Show what is now."""
        status, cameras, readiness = await off_loop(_read, self._ctx.parts.view)
        self._banner.tell(troubles(status, cameras, readiness))
        self._totals.tell(status)
        self.wall.tell(cameras)


def _read(view: SiteView) -> tuple[Mapping[str, Any], Sequence[Mapping[str, Any]], Readiness]:
    return view.status(), view.cameras(), view.readiness()


class Banner:
    """What is wrong, in words. Owner: the page's tasks."""

    def __init__(self, ctx: PageContext) -> None:
        self._ctx = ctx
        self._told: list[Trouble] = []
        self._place = node("div", classes="vg-stack", role="status", aria_live="polite", testid="troubles")
        self._place.show(False)

    def tell(self, found: list[Trouble]) -> None:
        """Show these and no others."""
        if found == self._told:
            return
        self._told = found
        self._place.clear()
        self._place.show(bool(found))
        with self._place:
            for trouble in found:
                self._one(trouble)

    def _one(self, trouble: Trouble) -> None:
        say, facts = self._ctx.say, dict(trouble.facts)
        if trouble.cause:
            facts["cause"] = told(self._ctx, trouble.cause)
        kind = "" if trouble.bad else " vg-banner--warn"
        with node("div", classes=f"vg-banner{kind}", testid=f"trouble-{trouble.code}"):
            icon("error" if trouble.bad else "warning")
            with node("strong", say(trouble.title, **facts)):
                if trouble.since_utc is not None:
                    node("span", f" · {say(SINCE)} ")
                    LocalTime(trouble.since_utc)
            node("p", say(trouble.meaning, **facts))


class Totals:
    """The run in eight figures. Owner: the page's tasks."""

    def __init__(self, ctx: PageContext) -> None:
        self._ctx = ctx
        self._values: dict[str, Node] = {}
        with node("div", classes="vg-card vg-figures", testid="totals"):
            self._figure("cameras", CAMERAS_LIVE)
            self._figure("fps", FPS)
            self._figure("faces", FACES, since=True)
            self._figure("captures", CAPTURES, since=True)
            self._figure("delivered", DELIVERED, since=True)
            self._figure("waiting", WAITING)
            self._figure("given-up", GIVEN_UP, since=True)
            with node("div", classes="vg-figure"):
                node("div", "FindFace", classes="vg-figure__name")
                self._findface = state_badge(ctx, "ok")
                self._findface.set("data-testid", "total-findface")

    def _figure(self, key: str, name: str, *, since: bool = False) -> None:
        with node("div", classes="vg-figure"):
            node("div", self._ctx.say(name), classes="vg-figure__name")
            self._values[key] = node("div", classes="vg-figure__value", testid=f"total-{key}")
            if since:
                node("div", self._ctx.say(SINCE_START), classes="vg-figure__note")

    def tell(self, status: Mapping[str, Any]) -> None:
        """Show what is now."""
        language, delivery = self._ctx.language, status["delivery"]
        told = {
            "cameras": f"{number(status['cameras_live'], language)} / {number(status['cameras'], language)}",
            "fps": number(status["fps"], language, digits=1),
            "faces": number(status["ledger"]["faces"], language),
            "captures": number(status["committed"], language),
            "delivered": number(delivery["delivered"], language),
            "waiting": number(status["unsent"], language),
            "given-up": number(
                delivery["refused"] + delivery["dead"] + sum(status["outbox"]["given_up"].values()), language
            ),
        }
        for key, text in told.items():
            self._values[key].text = text
        self._findface.tell(delivery["state"])


class Wall:
    """The cameras. Owner: the page's tasks. Bounds: PER_PAGE cards."""

    def __init__(self, ctx: PageContext, wish: Wish) -> None:
        self._ctx, self._wish = ctx, wish
        self._cards: dict[str, CameraCard] = {}
        with node("section", classes="vg-stack", aria_label=ctx.say(CAMERAS)) as self.element:
            with node("div", classes="vg-row vg-row--apart"):
                with node("div", classes="vg-row"):
                    self._all = self._link(
                        wish.address(only="", page=1), pressed=not wish.only_trouble, testid="show-all"
                    )
                    self._some = self._link(
                        wish.address(only="trouble", page=1), pressed=wish.only_trouble, testid="show-trouble"
                    )
                with node("form", action="/", method="get", classes="vg-row", role="search"):
                    if wish.only_trouble:
                        node("input", type="hidden", name="only", value="trouble")
                    with node("label", classes="vg-field"):
                        node("span", ctx.say(NAME), classes="vg-unseen")
                        node("input", type="search", name="name", value=wish.name, maxlength="64",
                             placeholder=ctx.say(NAME), testid="camera-name")  # fmt: skip
                    with node("button", type="submit", classes="vg-button", aria_label=ctx.say(SEARCH)):
                        icon("search")
            self._empty = node("p", classes="vg-card vg-muted", testid="wall-empty")
            self._grid = node("div", classes="vg-wall", testid="wall")
            with node("nav", classes="vg-row vg-row--end", aria_label=ctx.say(CAMERAS)) as self._pager:
                self._back = node("a", ctx.say(BEFORE), classes="vg-button", testid="wall-before")
                self._where = node("span", classes="vg-muted vg-num")
                self._on = node("a", ctx.say(NEXT), classes="vg-button", testid="wall-next")

    def _link(self, address: str, *, pressed: bool, testid: str) -> Node:
        return node("a", classes="vg-button", href=address, testid=testid, aria_current="true" if pressed else None)

    def tell(self, cameras: Sequence[Mapping[str, Any]]) -> None:
        """Show what is now: cards are kept, and only what changed in them is sent."""
        found = chosen(cameras, self._wish)
        pages = max(1, -(-len(found) // PER_PAGE))
        page = min(self._wish.page, pages)
        shown = found[PER_PAGE * (page - 1) : PER_PAGE * page]
        self._arrange(shown)
        for camera in shown:
            self._cards[camera["id"]].tell(camera)
        self._all.text = self._ctx.say(ALL, count=len(cameras))
        self._some.text = self._ctx.say(ONLY_TROUBLE, count=sum(map(in_trouble, cameras)))
        self._empty.text = self._ctx.say(
            NONE_IN_TROUBLE if self._wish.only_trouble else NONE_FOUND if cameras else NO_CAMERAS
        )
        self._empty.show(not shown)
        self._pager.show(pages > 1)
        first = PER_PAGE * (page - 1) + 1
        self._where.text = self._ctx.say(SHOWN, first=first, last=first + len(shown) - 1, all=len(found))
        self._back.set("href", self._wish.address(page=page - 1) if page > 1 else None)
        self._on.set("href", self._wish.address(page=page + 1) if page < pages else None)

    def _arrange(self, shown: Sequence[Mapping[str, Any]]) -> None:
        wanted = [str(camera["id"]) for camera in shown]
        if wanted == list(self._cards):
            return
        for gone in [name for name in self._cards if name not in wanted]:
            self._cards.pop(gone).element.delete()
        with self._grid:
            for camera in shown:
                if camera["id"] not in self._cards:
                    self._cards[camera["id"]] = CameraCard(self._ctx, camera)
        for index, name in enumerate(wanted):
            self._cards[name].element.move(self._grid, target_index=index)
        self._cards = {name: self._cards[name] for name in wanted}
