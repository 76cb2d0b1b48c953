"""What a running vigia says of its readiness: reasons by code, judged again after a second."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from outbox_rigs import capture_of
from vigia.application.camera_status import CameraStatus
from vigia.application.crew import CrewView
from vigia.application.errors import OutboxUnavailable
from vigia.application.orchestrator import RunStatus
from vigia.application.ports import OutboxStats
from vigia.application.site_view import CaptureQuery
from vigia.application.use_cases.send_to_findface import DeliveryStats
from vigia.application.use_cases.stream_camera import CameraState
from vigia.bootstrap.web_pages import status_page
from vigia.bootstrap.web_view import FINDFACE_DOWN_S, JUDGE_MAX_S, READINESS_KEPT_S, RunParts, RunView
from vigia.domain.camera import Camera, CameraId
from vigia.domain.capture import CaptureState
from vigia.domain.ledger import CameraLedger, FrameFate, LedgerPage
from vigia.infrastructure.config import Settings
from vigia.testing.memory_outbox import MemoryOutbox
from vigia.testing.sim_clock import SimClock


class Away(MemoryOutbox):
    def stats(self) -> OutboxStats:
        raise OutboxUnavailable("the server of the outbox does not answer")


def view(
    clock: SimClock,
    directory: Path,
    *,
    outbox: MemoryOutbox | None = None,
    delivery: DeliveryStats | None = None,
    listed: tuple[str, ...] = ("cam1",),
    failure: Exception | None = None,
    min_free_mb: int = 0,
) -> RunView:
    """A view over the few things that readiness asks: a whole run is in tests/e2e/test_web.py."""
    crew = SimpleNamespace(main_services=[SimpleNamespace(failure=failure)])
    wiring = SimpleNamespace(
        crew=crew, sender_services=[], send=SimpleNamespace(stats=delivery if delivery is not None else DeliveryStats())
    )
    parts = SimpleNamespace(
        orchestrator=SimpleNamespace(wiring=wiring, failure=None),
        outbox=outbox if outbox is not None else MemoryOutbox(clock),
        watch=SimpleNamespace(sync=SimpleNamespace(listed=listed), board=None),
        settings=Settings.model_validate({"data_dir": directory, "outbox": {"min_free_mb": min_free_mb}}),
    )
    return RunView(cast("RunParts", parts), clock=clock, web_figures=lambda: (0, 0))


def codes(of: RunView) -> list[str]:
    return [reason["code"] for reason in of.readiness().reasons]


def test_a_run_that_works_is_ready(clock: SimClock, tmp_path: Path) -> None:
    assert view(clock, tmp_path).readiness().ready


def test_what_keeps_it_from_working_is_named(clock: SimClock, tmp_path: Path) -> None:
    assert codes(view(clock, tmp_path, listed=())) == ["cameras_unknown"]
    assert codes(view(clock, tmp_path, outbox=Away(clock))) == ["outbox_unavailable"]
    assert codes(view(clock, tmp_path, min_free_mb=100_000_000)) == ["disk_full"]
    assert codes(view(clock, tmp_path / "gone")) == ["disk_full"]
    failed = view(clock, tmp_path, failure=RuntimeError("shard")).readiness()
    assert (failed.alive, failed.ready) == (False, False)


@pytest.mark.parametrize("beyond_s", [-1.0, 1.0])
def test_findface_may_be_away_for_a_minute(clock: SimClock, tmp_path: Path, beyond_s: float) -> None:
    since = clock.utc() - timedelta(seconds=FINDFACE_DOWN_S + beyond_s)
    found = view(clock, tmp_path, delivery=DeliveryStats(down_since_utc=since, cause="10.0.0.9 refused")).readiness()
    assert found.ready is (beyond_s < 0.0)
    assert list(found.reasons) == ([] if found.ready else [{"code": "findface_down", "seconds": 61}])


def test_a_judgement_is_kept_for_a_moment(clock: SimClock, tmp_path: Path) -> None:
    listed: list[str] = []
    looked = view(clock, tmp_path, listed=cast("tuple[str, ...]", listed))
    assert codes(looked) == ["cameras_unknown"]
    listed.append("cam1")
    assert codes(looked) == ["cameras_unknown"]
    clock.advance(READINESS_KEPT_S)
    assert looked.readiness().ready


class Hanging(MemoryOutbox):
    """An outbox whose server takes a question and never answers."""

    def __init__(self, clock: SimClock) -> None:
        super().__init__(clock)
        self.asked, self.release, self.count = threading.Event(), threading.Event(), 0

    def stats(self) -> OutboxStats:
        self.count += 1
        self.asked.set()
        assert self.release.wait(30.0)
        return super().stats()


def test_one_at_a_time_waits_for_an_outbox_that_hangs(clock: SimClock, tmp_path: Path) -> None:
    outbox = Hanging(clock)
    looked = view(clock, tmp_path, outbox=outbox)
    with ThreadPoolExecutor(1) as pool:
        try:
            first = pool.submit(looked.readiness)
            assert outbox.asked.wait(10.0)
            assert codes(looked) == ["starting"]  # nothing is known yet
            clock.advance(JUDGE_MAX_S)
            assert codes(looked) == ["outbox_unavailable"]
            assert looked.alive()
        finally:
            outbox.release.set()
        assert first.result(10.0).ready
    assert outbox.count == 1
    assert looked.readiness().ready
    outbox.asked.clear()
    outbox.release.clear()
    clock.advance(60.0)
    with ThreadPoolExecutor(1) as pool:
        try:
            pool.submit(looked.readiness)
            assert outbox.asked.wait(10.0)
            assert looked.readiness().ready  # what was known last
        finally:
            outbox.release.set()


def test_whether_it_lives_does_not_hang_on_the_outbox(clock: SimClock, tmp_path: Path) -> None:
    assert view(clock, tmp_path / "gone", outbox=Away(clock), listed=()).alive()
    assert not view(clock, tmp_path, failure=RuntimeError("shard")).alive()


def test_captures_are_told_without_where_they_lie(clock: SimClock, tmp_path: Path) -> None:
    outbox = MemoryOutbox(clock)
    outbox.commit(capture_of(1))
    outbox.commit(capture_of(2))
    found = view(clock, tmp_path, outbox=outbox).captures(CaptureQuery(limit=1, after=1))
    assert [capture["seq"] for capture in found] == [2]
    assert found[0]["camera"] == "gate"
    assert not {"location", "jpeg", "token"} & set(found[0])


def status_of(name: str, detected: int) -> CameraStatus:
    return CameraStatus(CameraId(name), name, CameraState.LIVE, "shard-0", page=page_of(detected))


def page_of(detected: int) -> LedgerPage:
    ledger = CameraLedger(CameraId("any"), received=detected)
    ledger.frames[FrameFate.DETECTED] = detected
    return ledger.snapshot()


def test_what_is_no_listed_cameras_is_counted_too(clock: SimClock, tmp_path: Path) -> None:
    outbox = MemoryOutbox(clock)
    for number, name in enumerate(["a", "gone", "gone"]):
        outbox.commit(capture_of(number, name))
    looked = view(clock, tmp_path, outbox=outbox)
    crew = CrewView(
        [status_of("a", 5), status_of("leaving", 7)], [], committed=0, lost=0, commit_waiting=0, ended=False,
        retired=page_of(11),
    )  # fmt: skip
    parts: Any = looked._parts
    parts.orchestrator.view = lambda: crew
    delivered = {CameraId("a"): 1, CameraId("gone"): 4, CameraId("other"): 2}
    parts.orchestrator.wiring.send.counts = SimpleNamespace(delivered_of=lambda: delivered)
    parts.watch.sync.listed = [Camera(CameraId("a"), "A", "rtsp://a")]

    (listed,), others = looked.cameras(), looked.others()

    assert (listed["delivered"], others["delivered"]) == (1, 6)
    detected = [one["ledger"]["frames"]["detected"] for one in (listed, others)]
    assert detected == [5, 18]
    assert sum(detected) == crew.ledger.frames[FrameFate.DETECTED]
    assert looked.captures_by_camera() == {"a": {CaptureState.PENDING: 1}, "gone": {CaptureState.PENDING: 2}}


def test_the_status_page_is_plain() -> None:
    down = datetime(2026, 1, 5, tzinfo=UTC)
    status = RunStatus(1.0, 2, 1, 25.0, LedgerPage(), 3, 0, DeliveryStats(down_since_utc=down), 4, [])
    page = status_page(status, lost=5)
    assert (page["cameras"], page["lost"], page["unsent"]) == (2, 5, 4)
    assert page["delivery"]["down_since_utc"] == down.isoformat()
