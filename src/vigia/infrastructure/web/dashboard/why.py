"""Why not sent?: where every frame, track and capture ended, and passages that were not sent, with pictures."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from vigia.application.gallery_view import FeedQuery, UnsentQuery
from vigia.domain.camera import CameraId
from vigia.domain.capture import CaptureState
from vigia.infrastructure.i18n import mark
from vigia.infrastructure.web.dashboard.capture_card import CaptureCard
from vigia.infrastructure.web.dashboard.captures import captures_address
from vigia.infrastructure.web.dashboard.context import DashboardParts, PageContext
from vigia.infrastructure.web.dashboard.drawing import Drawing, Sketch, draw
from vigia.infrastructure.web.dashboard.elements import node
from vigia.infrastructure.web.dashboard.formats import camera_asked, number
from vigia.infrastructure.web.dashboard.ledger_table import Counts, LedgerTable, on_disk
from vigia.infrastructure.web.dashboard.quality_parts import load_part_words
from vigia.infrastructure.web.dashboard.shell import every, off_loop, page_shell
from vigia.infrastructure.web.dashboard.unsent_card import drawn_unsent, setting_value
from vigia.infrastructure.web.dashboard.why_words import REASONS, SKIPS, column_of

TITLE: Final = mark("Why not sent?")
INTRO: Final = mark(
    "Every frame, every passage and every capture since the start has one end, and all of them are counted here. "
    "A count leads to what it stands for."
)
EXAMPLES: Final = mark("Passages that were not sent")
EXAMPLES_OF: Final = mark("Passages that were not sent: %(reason)s")
SKIPPED: Final = mark("Frames that were not looked at, and why")
NO_SKIPS: Final = mark("No frame was skipped.")
NO_EXAMPLE: Final = mark("None is kept. Pictures of passages that were not sent are held in memory, the newest only.")
REFUSED: Final = mark("Refused by FindFace, the newest")
ALL_REFUSED: Final = mark("All refused ones")
CAMERA: Final = mark("Camera")
REASON: Final = mark("Reason")
ANY: Final = mark("all")
NEW_ONES: Final = mark("New: %(count)d. Show")
MORE: Final = mark("Show older ones")
PER_PAGE: Final = 24
SHOWN_MAX: Final = 240
REFUSED_SHOWN: Final = 6
STEP_S: Final = 3.0
SKIPPED_KEY: Final = "skipped"


@dataclass(frozen=True, slots=True)
class Wish:
    """What the address asks for."""

    camera: str = ""
    reason: str = ""

    @classmethod
    def of(cls, asked: Mapping[str, str]) -> "Wish":
        """Whatever makes no sense counts as not asked."""
        reason = asked.get("reason", "")
        known = reason == SKIPPED_KEY or column_of(reason) is not None
        return cls(camera_asked(asked.get("camera")), reason if known else "")

    def query(self, *, before: int | None = None) -> UnsentQuery:
        """For the gallery."""
        camera = CameraId(self.camera) if self.camera else None
        return UnsentQuery(camera, self.reason or None, before=before, limit=PER_PAGE + 1)


@dataclass(frozen=True, slots=True)
class _Now:
    """What the page reads at once."""

    cameras: Sequence[Mapping[str, Any]]
    others: Mapping[str, Any]
    """What was counted that is no listed camera's."""
    disk: Mapping[str, Counts]
    unsent: Sequence[Mapping[str, Any]]
    refused: Sequence[Mapping[str, Any]]


def _read(parts: DashboardParts, wish: Wish) -> _Now:
    view = parts.view
    camera = CameraId(wish.camera) if wish.camera else None
    refused = parts.gallery.feed(FeedQuery(CaptureState.REFUSED, camera, limit=REFUSED_SHOWN))
    unsent = [] if wish.reason == SKIPPED_KEY else parts.gallery.unsent(wish.query())
    return _Now(view.cameras(), view.others(), on_disk(view.captures_by_camera()), unsent, refused)


async def build(ctx: PageContext, asked: Mapping[str, str]) -> None:
    """The page at ``/why``."""
    wish = Wish.of(asked)
    now = await off_loop(_read, ctx.parts, wish)
    load_part_words(ctx)
    with page_shell(ctx, title=ctx.say(TITLE), current="why"):
        node("p", ctx.say(INTRO), classes="vg-muted")
        with node("section", classes="vg-card vg-card--wide"):
            table = LedgerTable(ctx)
        table.tell(now.cameras, now.others, now.disk)
        with node("section", classes="vg-stack", id="examples"):
            skips = (
                Sketch(drawn_skips(ctx, now.cameras, now.others, wish.camera)) if wish.reason == SKIPPED_KEY else None
            )
            examples = Examples(ctx, wish)
            if skips is None:
                await examples.begin(now)
        if now.refused:
            _refused(ctx, now.refused, wish.camera)

        async def step() -> None:
            fresh = await off_loop(_read, ctx.parts, wish)
            table.tell(fresh.cameras, fresh.others, fresh.disk)
            if skips is None:
                examples.count_new(fresh.unsent)
            else:
                skips.tell(drawn_skips(ctx, fresh.cameras, fresh.others, wish.camera))

        every(STEP_S, step)


def drawn_skips(
    ctx: PageContext, cameras: Sequence[Mapping[str, Any]], others: Mapping[str, Any], camera_id: str
) -> Drawing:
    """Why frames of one camera, or of all, those that are no longer listed too, were not looked at."""
    asked = [camera for camera in cameras if camera["id"] == camera_id] if camera_id else [*cameras, others]
    counts: Counter[str] = Counter()
    for camera in asked:
        counts.update((camera.get("ledger") or {}).get("skip_reasons", {}))
    rows = []
    for reason, count in counts.most_common():
        name, meaning = SKIPS.get(reason, (reason, ""))
        rows += [
            draw("dt", f"{number(count, ctx.language)} · {ctx.say(name)}"),
            draw("dd", ctx.say(meaning) if meaning else ""),
        ]
    return draw(
        "div",
        draw("h2", ctx.say(SKIPPED)),
        draw("dl", *rows, classes="vg-facts") if rows else draw("p", ctx.say(NO_SKIPS), classes="vg-muted"),
        classes="vg-card vg-stack",
        testid="skips",
    )


def _refused(ctx: PageContext, rows: Sequence[Mapping[str, Any]], camera: str) -> None:
    with node("section", classes="vg-stack", testid="refused"):
        with node("div", classes="vg-row vg-row--apart"):
            node("h2", ctx.say(REFUSED))
            node("a", ctx.say(ALL_REFUSED), classes="vg-button", href=captures_address(camera=camera, state="refused"))
        with node("div", classes="vg-shots"):
            for row in rows:
                CaptureCard(ctx, row)


class Examples:
    """Passages that were not sent. Owner: the page's tasks. Bounds: SHOWN_MAX."""

    def __init__(self, ctx: PageContext, wish: Wish) -> None:
        self._ctx, self._wish = ctx, wish
        self._numbers: list[int] = []
        self._settings: dict[str, dict[str, str]] = {}

    async def begin(self, now: _Now) -> None:
        """Draw the first page of them."""
        ctx, reason = self._ctx, column_of(self._wish.reason)
        node("h2", ctx.say(EXAMPLES) if reason is None else ctx.say(EXAMPLES_OF, reason=ctx.say(reason.name)))
        if reason is not None:
            node("p", ctx.say(reason.meaning), classes="vg-muted", testid="reason-meaning")
        self._filters(now.cameras)
        self._news = node("button", type="button", classes="vg-button vg-button--act vg-news", testid="new-unsent")
        self._news.on("click", js_handler="() => window.location.reload()")
        self._news.show(False)
        self._empty = node("p", ctx.say(NO_EXAMPLE), classes="vg-card vg-muted", testid="no-unsent")
        self._list = node("div", classes="vg-unsents", testid="unsent")
        self._more = node("button", ctx.say(MORE), type="button", classes="vg-button", testid="more")
        self._more.on("click", self._show_more)
        await self._add(now.unsent)

    def _filters(self, cameras: Sequence[Mapping[str, Any]]) -> None:
        say, wish = self._ctx.say, self._wish
        with node("form", action="/why#examples", method="get", classes="vg-card vg-filters", testid="why-filters"):
            names = {str(camera["id"]): str(camera["name"]) for camera in cameras}
            if wish.camera:
                names.setdefault(wish.camera, wish.camera)
            reasons = [(column.key, say(column.name)) for column in REASONS]
            for label, name, options, chosen in (
                (CAMERA, "camera", [("", say(ANY)), *names.items()], wish.camera),
                (REASON, "reason", [("", say(ANY)), *reasons], wish.reason),
            ):
                with node("label", classes="vg-field"):
                    node("span", say(label))
                    with node("select", name=name, testid=f"why-{name}") as select:
                        for value, text in options:
                            node("option", text, value=value, selected=True if value == chosen else None)
                    select.on("change", js_handler="(event) => event.target.form.requestSubmit()")

    async def _add(self, rows: Sequence[Mapping[str, Any]]) -> None:
        shown = rows[:PER_PAGE]
        for camera in {str(row["camera"]) for row in shown} - self._settings.keys():
            self._settings[camera] = await off_loop(_settings_of, self._ctx, camera)
        with self._list:
            for row in shown:
                self._numbers.append(int(row["number"]))
                Sketch(drawn_unsent(self._ctx, row, self._settings[str(row["camera"])]))
        self._empty.show(not self._numbers)
        self._more.show(len(rows) > PER_PAGE and len(self._numbers) < SHOWN_MAX)

    async def _show_more(self) -> None:
        query = self._wish.query(before=min(self._numbers))
        await self._add(await off_loop(self._ctx.parts.gallery.unsent, query))

    def count_new(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Say how many came meanwhile; what somebody reads stays where it is."""
        newest = max(self._numbers, default=-1)
        count = sum(int(row["number"]) > newest for row in rows)
        self._news.text = self._ctx.say(NEW_ONES, count=count)
        self._news.show(count > 0)


def _settings_of(ctx: PageContext, camera: str) -> dict[str, str]:
    """The camera's settings by name and by key, as they are written."""
    found: dict[str, str] = {}
    for setting in ctx.parts.system.settings_of(CameraId(camera)) or ():
        told = setting_value(setting["value"])
        for name in (setting["name"], setting["key"]):
            if name:
                found[str(name)] = told
    return found
