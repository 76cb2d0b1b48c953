"""The table of where everything ended: exact counts however many there are, and nothing left out of the total."""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

import pytest

from outbox_rigs import capture_of
from vigia.application.site_view import CaptureQuery
from vigia.domain.camera import CameraId
from vigia.domain.capture import CaptureState
from vigia.infrastructure.web.dashboard.context import DashboardParts, PageContext
from vigia.infrastructure.web.dashboard.drawing import Drawing
from vigia.infrastructure.web.dashboard.ledger_table import drawn_rows, on_disk
from vigia.infrastructure.web.dashboard.why import Wish, _read
from vigia.infrastructure.web.sessions import Session
from vigia.infrastructure.web.users import Role
from vigia.testing.memory_outbox import MemoryOutbox
from vigia.testing.sim_clock import SimClock
from web_site import MemoryView

NOTHING: Mapping[str, Any] = {"ledger": None, "delivered": 0}


@pytest.fixture(params=["en", "pt_BR"])
def ctx(request: pytest.FixtureRequest) -> PageContext:
    session = Session("vera", Role.VIEWER, "127.0.0.1", "token", 0.0)
    return PageContext(cast("DashboardParts", SimpleNamespace()), session, request.param)


def camera(name: str, *, detected: int = 0, delivered: int = 0) -> dict[str, Any]:
    books = {"frames": {"detected": detected}, "tracks": {}, "filter_reasons": {}}
    return {"id": name, "name": name.title(), "ledger": books, "delivered": delivered}


def cells(row: Drawing) -> dict[str, tuple[str, Any]]:
    """What a row says by test id: the text, and where it leads."""
    assert isinstance(row, tuple)
    links = [cell[2] for cell in row[2:] if cell[0] == "td"]
    return {link[1]["data-testid"]: (link[2], link[1].get("href")) for link in links}


def shown(rows: Mapping[str, Drawing], column: str) -> dict[str, int]:
    """The counts of one column by row."""
    found = {}
    for row in rows.values():
        for testid, (text, _) in cells(row).items():
            name, _, key = testid.removeprefix("cell-").rpartition("-")
            if key == column:
                found[name] = int(text.replace(".", "").replace(",", ""))
    return found


def test_a_long_outage_is_counted_to_the_last_one(ctx: PageContext) -> None:
    """Other cameras' captures, however many and however old, hide none."""
    disk = on_disk(
        {
            CameraId("first"): {CaptureState.PENDING: 40_000, CaptureState.DELIVERED: 9},
            CameraId("second"): {CaptureState.PENDING: 1, CaptureState.LEASED: 2, CaptureState.REFUSED: 700},
        }
    )
    rows = drawn_rows(ctx, [camera("first", delivered=3), camera("second")], NOTHING, disk)
    assert list(rows)[1:] == ["first", "second"]
    assert shown(rows, "waiting") == {"all": 40_003, "first": 40_000, "second": 3}
    assert shown(rows, "refused") == {"all": 700, "first": 0, "second": 700}
    assert shown(rows, "delivered") == {"all": 3, "first": 3, "second": 0}


def test_the_page_counts_without_reading_the_captures() -> None:
    clock = SimClock()
    outbox = MemoryOutbox(clock)
    for number in range(1, 603):
        outbox.commit(capture_of(number, "cam1" if number > 600 else "other"))

    class Counting(MemoryView):
        def captures(self, query: CaptureQuery) -> Any:
            raise AssertionError(f"rows are read: {query}")

    gallery = SimpleNamespace(feed=lambda _query: [], unsent=lambda _query: [])
    now = _read(cast("DashboardParts", SimpleNamespace(view=Counting(outbox), gallery=gallery)), Wish())
    assert {name: counts["captures.waiting"] for name, counts in now.disk.items()} == {"other": 600, "cam1": 2}
    assert now.others["delivered"] == 0


def test_cameras_that_were_taken_out_stay_in_the_total(ctx: PageContext) -> None:
    others = {key: value for key, value in camera("x", detected=30, delivered=4).items() if key in NOTHING}
    disk = on_disk({CameraId("gone"): {CaptureState.DEAD: 5}, CameraId("a"): {CaptureState.DEAD: 1}})
    rows = drawn_rows(ctx, [camera("a", detected=12, delivered=1)], others, disk)
    assert shown(rows, "detected") == {"all": 42, "a": 12, "others": 30}
    assert shown(rows, "delivered") == {"all": 5, "a": 1, "others": 4}
    assert shown(rows, "dead") == {"all": 6, "a": 1, "others": 5}
    last = list(rows.values())[-1]
    assert isinstance(last, tuple)
    (head,) = (cell for cell in last[2:] if cell[0] == "th")
    assert head[2] == ("câmeras fora da lista" if ctx.language == "pt_BR" else "cameras no longer listed")
    assert head[1]["title"]
    assert not any(href for _, href in cells(last).values())  # no page is theirs alone


def test_without_any_there_is_no_row_for_them(ctx: PageContext) -> None:
    for others in (NOTHING, {key: value for key, value in camera("x").items() if key in NOTHING}):
        rows = drawn_rows(ctx, [camera("a", detected=1)], others, on_disk({CameraId("a"): {}, CameraId("gone"): {}}))
        assert len(rows) == 2
