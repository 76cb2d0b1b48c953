"""An open page: it acts only while its session goes on, rests while nobody sees it, and shows what changed."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any, cast

import pytest
from nicegui import Client, ui

from vigia.application.use_cases.operate import Act
from vigia.bootstrap.reasons import TOLD_MAX, reason_in
from vigia.infrastructure.web.dashboard import acts, camera, capture_card, delivery_table
from vigia.infrastructure.web.dashboard.capture_card import CaptureCard
from vigia.infrastructure.web.dashboard.context import DashboardParts, PageContext
from vigia.infrastructure.web.dashboard.drawing import Drawing
from vigia.infrastructure.web.dashboard.shell import LEAVE_S, OpenPage, Rounds
from vigia.infrastructure.web.dashboard.states import told
from vigia.infrastructure.web.sessions import Session
from vigia.infrastructure.web.texts import say
from vigia.infrastructure.web.users import Role
from vigia.testing.sim_clock import SimClock

ID = "0" * 31 + "1"
ROW: Mapping[str, Any] = {
    "id": ID, "seq": 1, "camera": "gate", "camera_name": "Portão", "at_utc": "2026-01-05T08:00:00+00:00",
    "state": "pending", "code": None, "reason": "", "attempts": 0, "quality": 0.7, "event_ids": [],
    "maybe_sent": False, "due_in_s": 9.0, "face_kept": True, "details": {},
}  # fmt: skip


class Door:
    """Says whether the session goes on, as long as a test wants it to."""

    def __init__(self) -> None:
        self.open = True
        self.asked: list[Session] = []

    def still_in(self, session: Session) -> bool:
        self.asked.append(session)
        return self.open


class FakeClient:
    """A page as the library knows it, as far as rounds need it."""

    has_socket_connection = True

    def __init__(self) -> None:
        self.scripts: list[str] = []
        self.gone: list[str] = []

    def run_javascript(self, code: str) -> None:
        self.scripts.append(code)

    def delete(self) -> None:
        self.gone.append("gone")


@pytest.fixture
def door() -> Door:
    return Door()


def context(door: Door, clock: SimClock, *, role: Role = Role.OPERATOR) -> PageContext:
    parts = SimpleNamespace(still_in=door.still_in, clock=clock, told_reason=reason_in)
    return PageContext(cast("DashboardParts", parts), Session("olga", role, "a", "csrf", 0.0), "en")


def rounds_of(page: OpenPage, client: FakeClient, callback: Callable[[], Any]) -> Rounds:
    rounds = Rounds(cast("Client", client), page, callback, place=nullcontext())
    page.rounds.append(rounds)
    return rounds


@pytest.fixture
def slot() -> Iterator[Client]:
    """A place for elements, in no browser."""
    client = Client(ui.page("/nowhere"))
    with client:
        yield client
    client.delete()


def test_only_an_operator_whose_session_goes_on_may_act(door: Door, clock: SimClock) -> None:
    operator, viewer = context(door, clock), context(door, clock, role=Role.VIEWER)
    assert operator.may_act
    assert door.asked == [operator.session]
    assert not viewer.may_act
    door.open = False
    assert not operator.may_act


def test_what_was_confirmed_after_the_end_of_the_session_is_not_done(
    door: Door, clock: SimClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    ctx, said = context(door, clock), list[str]()
    done: list[str] = []

    def do(ids: list[str], **_: object) -> list[Act]:
        done.extend(ids)
        return []

    async def after() -> None:
        """Nothing is shown."""

    def tell(_ctx: PageContext, text: str, **_: object) -> None:
        said.append(text)

    monkeypatch.setattr(acts, "tell", tell)
    asyncio.run(acts._do(ctx, [ID], done="%(count)d", do=do, after=after))
    assert done == [ID]
    door.open = False
    asyncio.run(acts._do(ctx, [ID], done="%(count)d", do=do, after=after))
    table = SimpleNamespace(_ctx=ctx)
    asyncio.run(delivery_table.WaitingTable._do(cast("Any", table), [ID], {}, do=do, done="%(count)d"))
    assert done == [ID]
    assert said == [acts.NOT_ALLOWED, acts.NOT_ALLOWED]


def test_a_hidden_page_rests_and_shows_at_once_what_is_now(door: Door, clock: SimClock) -> None:
    async def scene() -> None:
        page, count = OpenPage(context(door, clock)), 0

        def step() -> None:
            nonlocal count
            count += 1

        rounds = rounds_of(page, FakeClient(), step)
        await rounds.run()
        await page.seen(False)
        await rounds.run()
        assert count == 1
        await page.seen(True)
        assert count == 2, "without waiting for the next round"
        await rounds.run()
        assert count == 3

    asyncio.run(scene())


def test_rounds_never_overlap(door: Door, clock: SimClock) -> None:
    async def scene() -> None:
        page, begun, go = OpenPage(context(door, clock)), 0, asyncio.Event()

        async def step() -> None:
            nonlocal begun
            begun += 1
            await go.wait()

        rounds = rounds_of(page, FakeClient(), step)
        first = asyncio.ensure_future(rounds.run())
        await asyncio.sleep(0)
        await page.seen(True)
        assert begun == 1
        go.set()
        await first
        await rounds.run()
        assert begun == 2

    asyncio.run(scene())


@pytest.mark.parametrize("hidden", [True, False])
def test_a_page_whose_session_is_over_leads_away_and_is_taken_away(door: Door, clock: SimClock, hidden: bool) -> None:
    async def scene() -> None:
        page, client, count = OpenPage(context(door, clock), hidden=hidden), FakeClient(), 0

        def step() -> None:
            nonlocal count
            count += 1

        rounds = rounds_of(page, client, step)
        door.open = False
        await rounds.run()
        await rounds.run()
        assert client.scripts == ["window.location.reload()"]
        assert client.gone == [], "it is given time to go"
        clock.advance(LEAVE_S)
        await rounds.run()
        assert client.gone == ["gone"]
        assert count == 0

    asyncio.run(scene())


def test_nothing_said_is_nothing_in_any_language() -> None:
    assert say("", "pt_BR") == say("", "en") == ""


def test_a_fact_that_reads_like_a_text_of_ours_stays_as_it_is(door: Door, clock: SimClock) -> None:
    parts = context(door, clock).parts
    ctx = PageContext(parts, Session("olga", Role.VIEWER, "a", "csrf", 0.0), "pt_BR")
    assert ctx.say("Cameras") == "Câmeras"
    template = "%(url)s: the name %(host)s is not known to this network"
    reason = {"template": template, "facts": {"url": "rtsp://Cameras/", "host": "Cameras"}}
    assert told(ctx, reason) == "rtsp://Cameras/: o nome Cameras não é conhecido nesta rede"


def test_reasons_are_told_once_for_all_pages_and_within_bounds() -> None:
    reason_in.cache_clear()
    for _ in range(3):
        assert reason_in("the client is odd", "pt_BR") == "the client is odd"
    told_before = reason_in.cache_info()
    assert (told_before.hits, told_before.misses, told_before.maxsize) == (2, 1, TOLD_MAX)
    portuguese = reason_in("camera gate is not in the camera list", "pt_BR")
    assert portuguese != reason_in("camera gate is not in the camera list", "en")


def test_a_card_is_drawn_anew_only_when_something_it_shows_has_changed(
    door: Door, clock: SimClock, slot: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    del slot
    drawn = 0
    original = capture_card.drawn_face

    def counted(*args: Any, **kwargs: Any) -> Drawing:
        nonlocal drawn
        drawn += 1
        return original(*args, **kwargs)

    monkeypatch.setattr(capture_card, "drawn_face", counted)
    card = CaptureCard(context(door, clock), ROW)
    card.tell({**ROW, "due_in_s": 8.5})
    assert drawn == 1
    card.tell({**ROW, "due_in_s": 8.0, "attempts": 1, "reason": "odd"})
    assert drawn == 2
    assert "odd" in repr(card.element.props["tree"])


def images(client: Client) -> list[str]:
    return [str(one.props["src"]) for one in client.elements.values() if one.tag == "img"]


def test_a_face_that_goes_goes_from_the_table_too(door: Door, clock: SimClock, slot: Client) -> None:
    row = delivery_table._Row(context(door, clock), ROW, on_select=None)
    assert images(slot) == [f"/api/captures/{ID}/face"]
    row.tell(ROW)
    assert len(images(slot)) == 1
    row.tell({**ROW, "face_kept": False})
    assert images(slot) == []


def test_a_face_that_goes_goes_from_its_cameras_page_too(door: Door, clock: SimClock, slot: Client) -> None:
    none = SimpleNamespace(text="", show=lambda _shown: None)
    screen = SimpleNamespace(_ctx=context(door, clock), _shown=None, _none=none, _latest=ui.element())
    for kept in (True, True, False):
        camera.Screen._tell_captures(cast("Any", screen), [{**ROW, "face_kept": kept}])
        assert images(slot) == ([f"/api/captures/{ID}/face"] if kept else [])
