"""Sending, one situation at a time: a scripted recogniser, an outbox in memory, a clock that is moved by hand."""

import logging
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from random import Random
from threading import Barrier, Event, Lock

import pytest

from vigia.application.errors import (
    CameraTokenRejected,
    CaptureRefused,
    CredentialsRejected,
    DeliveryAmbiguous,
    LicenseRejected,
    LookUpDeferred,
    OutboxUnavailable,
    RecognizerBusy,
    RecognizerMisaddressed,
    RecognizerUnavailable,
    RecognizerUnreachable,
    SessionRejected,
)
from vigia.application.ports import OutboxEntry
from vigia.application.retry import RetryPolicy
from vigia.application.service import LoopService, join_all
from vigia.application.use_cases.send_to_findface import SendOptions, SendToFindfaceUseCase
from vigia.domain.camera import CameraId
from vigia.domain.capture import Capture, CaptureId, CaptureState, LeasedCapture
from vigia.infrastructure.clock import SystemClock
from vigia.testing.memory_outbox import MemoryOutbox
from vigia.testing.sim_clock import SimClock

UNAVAILABLE = RecognizerUnavailable("no answer")
Step = Exception | Callable[[LeasedCapture], tuple[str, ...]] | None
"""What a delivery does: raise, call, or (None) take the capture."""


class ScriptedRecognizer:
    """Does as the script says, then takes everything. Any thread."""

    def __init__(self) -> None:
        self.script: deque[Step] = deque()
        self.look_ups: deque[Exception | tuple[str, ...]] = deque()
        self.log_ins: deque[Exception] = deque()
        self.calls: list[tuple[str, str]] = []
        self._lock = Lock()

    def log_in(self) -> None:
        self.calls.append(("log_in", ""))
        if self.log_ins:
            raise self.log_ins.popleft()

    def deliver(self, capture: LeasedCapture, *, camera_token: str) -> tuple[str, ...]:
        with self._lock:
            self.calls.append(("deliver", capture.id))
            step = self.script.popleft() if self.script else None
        if isinstance(step, Exception):
            raise step
        if step is not None:
            return step(capture)
        assert camera_token.startswith("token")
        return (str(int(capture.id, 16)),)

    def find_delivered(self, capture: LeasedCapture) -> tuple[str, ...]:
        self.calls.append(("find", capture.id))
        found = self.look_ups.popleft() if self.look_ups else ()
        if isinstance(found, Exception):
            raise found
        return found

    def log_out(self) -> None:
        self.calls.append(("log_out", ""))

    def close(self) -> None:
        self.calls.append(("close", ""))

    @property
    def verbs(self) -> list[str]:
        return [verb for verb, _ in self.calls]


class Desk:
    """One sender and everything around it."""

    def __init__(self, options: SendOptions | None = None, policy: RetryPolicy | None = None) -> None:
        self.clock = SimClock()
        self.outbox = MemoryOutbox(self.clock)
        self.recognizer = ScriptedRecognizer()
        self.tokens: dict[str, str | None] = {}
        self.refreshes: list[CameraId] = []
        self.sender = SendToFindfaceUseCase(
            self.outbox,
            self.recognizer,
            clock=self.clock,
            camera_token=lambda camera_id: self.tokens.get(camera_id, "token"),
            refresh_cameras=self.refreshes.append,
            options=options,
            policy=policy,
            rng=Random(5),
        )

    def commit(self, number: int = 1, *, camera: str = "gate", findface_id: int | None = 7) -> None:
        self.outbox.commit(capture_of(number, camera=camera, findface_id=findface_id))

    def step(self) -> float:
        delay_s = self.sender.step()
        assert delay_s is not None
        return delay_s

    def run(self, *, steps_max: int = 10_000) -> None:
        """Step and let time pass until nothing is left to send."""
        for _ in range(steps_max):
            if self.outbox.next_due_s() is None:
                return
            self.clock.advance(self.step())
        raise AssertionError(f"not finished after {steps_max} steps: {self.outbox.entries()}")

    def run_for(self, seconds: float) -> None:
        end_s = self.clock.mono_s() + seconds
        while self.clock.mono_s() < end_s:
            self.clock.advance(max(self.step(), 0.001))

    def entry(self, number: int = 1) -> OutboxEntry:
        return next(entry for entry in self.outbox.entries() if entry.id == capture_id_of(number))


def capture_id_of(number: int) -> CaptureId:
    return CaptureId(f"{number:032x}")


def capture_of(number: int, *, camera: str = "gate", findface_id: int | None = 7) -> Capture:
    return Capture(
        id=capture_id_of(number),
        camera_id=CameraId(camera),
        findface_camera_id=findface_id,
        track_id=number,
        at_utc=datetime(2026, 1, 5, tzinfo=UTC),
        box_xyxy=(0.0, 0.0, 10.0, 10.0),
        roi_ltrb=(0, 0, 10, 10),
        size_wh=(64, 48),
        quality=0.5,
        jpeg=b"jpeg",
    )


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_a_capture_is_delivered_and_booked(desk: Desk) -> None:
    desk.commit(5)

    assert desk.step() == 0.0

    assert (desk.entry(5).state, desk.entry(5).event_ids) == (CaptureState.DELIVERED, ("5",))
    assert desk.recognizer.verbs == ["deliver"]
    stats = desk.sender.stats
    assert (stats.delivered, stats.looked_up, stats.failures, stats.in_flight, stats.state) == (1, 0, 0, 0, "ok")


def test_nothing_due_means_waiting_not_longer_than_needed(desk: Desk) -> None:
    assert desk.step() == 1.0
    desk.commit()
    desk.outbox.retry_later(desk.outbox.lease(limit=1, duration_s=1.0)[0], delay_s=0.25, reason="")
    assert desk.step() == pytest.approx(0.25)
    assert desk.recognizer.calls == []


def test_a_refusal_is_final_and_does_not_pause(desk: Desk) -> None:
    desk.recognizer.script.append(CaptureRefused("no_face", "zero objects on rtsp://admin:s3cret@10.0.0.1/"))
    desk.commit(1)
    desk.commit(2)
    desk.run()

    assert desk.entry(1).state is CaptureState.REFUSED
    assert desk.entry(1).reason == "no_face: zero objects on rtsp://***@10.0.0.1/"
    assert desk.entry(2).state is CaptureState.DELIVERED
    assert (desk.sender.stats.refused, desk.sender.stats.failures) == (1, 0)
    assert desk.recognizer.verbs == ["deliver", "deliver"]


def test_an_unanswered_capture_is_looked_up_before_it_is_sent_again(desk: Desk) -> None:
    desk.recognizer.script.append(DeliveryAmbiguous("time-out"))
    desk.commit()
    desk.run()

    assert desk.recognizer.verbs == ["deliver", "find", "deliver"]
    assert desk.entry().state is CaptureState.DELIVERED


def test_an_unanswered_capture_that_is_found_is_not_sent_again(desk: Desk) -> None:
    desk.recognizer.script.append(DeliveryAmbiguous("time-out"))
    desk.recognizer.look_ups.append(("4737770269510631760",))
    desk.commit()
    desk.run()

    assert desk.recognizer.verbs == ["deliver", "find"]
    assert desk.entry().event_ids == ("4737770269510631760",)
    assert (desk.sender.stats.delivered, desk.sender.stats.looked_up) == (1, 1)


def test_the_receiver_gets_time_to_finish_before_it_is_asked(desk: Desk) -> None:
    desk.recognizer.script.append(DeliveryAmbiguous("reset"))
    desk.commit()
    desk.step()

    due_s = desk.outbox.next_due_s()
    assert due_s is not None
    assert due_s >= 5.0


def test_a_surely_unsent_capture_is_sent_again_without_looking(desk: Desk) -> None:
    desk.recognizer.script.append(UNAVAILABLE)
    desk.commit()
    desk.run()

    assert desk.recognizer.verbs == ["deliver", "deliver"]


def test_the_doubt_survives_a_look_up_that_fails(desk: Desk) -> None:
    desk.recognizer.script.append(DeliveryAmbiguous("time-out"))
    desk.recognizer.look_ups += [UNAVAILABLE, SessionRejected("401"), CaptureRefused("bad_param", "what?")]
    desk.commit()
    desk.run()

    assert desk.recognizer.verbs == ["deliver", "find", "find", "log_in", "find", "find", "deliver"]
    assert desk.entry().state is CaptureState.DELIVERED


def test_a_look_up_that_has_to_wait_is_no_failure_and_holds_up_nobody(desk: Desk) -> None:
    desk.recognizer.script.append(DeliveryAmbiguous("time-out"))
    desk.recognizer.look_ups += [LookUpDeferred("later", retry_after_s=30.0)] * 3
    desk.commit(1)
    desk.step()
    for number in range(2, 6):
        desk.commit(number)
    desk.run()

    assert desk.recognizer.verbs.count("find") == 4
    assert desk.entry(1).attempts == 2
    assert desk.recognizer.calls[-1] == ("deliver", capture_id_of(1))  # it was absent at last; the others went first
    stats = desk.sender.stats
    assert (stats.delivered, stats.failures, stats.look_ups_deferred, stats.state) == (5, 1, 3, "ok")


def test_deferred_look_ups_never_make_a_capture_dead() -> None:
    desk = Desk(policy=RetryPolicy(failures_max=2))
    desk.recognizer.script.append(DeliveryAmbiguous("time-out"))
    desk.recognizer.look_ups += [LookUpDeferred("later", retry_after_s=1.0)] * 50 + [("9",)]
    desk.commit()
    desk.run()

    assert desk.entry().event_ids == ("9",)


def test_whoever_takes_over_from_a_sender_that_vanished_looks_first(desk: Desk) -> None:
    desk.commit()
    desk.outbox.lease(limit=1, duration_s=10.0)  # by somebody who was killed
    desk.clock.advance(10.001)
    desk.recognizer.look_ups.append(("9",))
    desk.run()

    assert desk.recognizer.verbs == ["find"]
    assert desk.entry().event_ids == ("9",)


def test_a_lease_lost_meanwhile_is_counted_and_harms_nothing(desk: Desk) -> None:
    def lose_lease(capture: LeasedCapture) -> tuple[str, ...]:
        desk.clock.advance(1000.0)
        desk.outbox.lease(limit=1, duration_s=60.0)
        return (capture.id,)

    desk.recognizer.script.append(lose_lease)
    desk.recognizer.look_ups.append(("1",))
    desk.commit()
    desk.step()
    assert desk.sender.stats.leases_lost == 1
    desk.run()

    assert desk.recognizer.verbs == ["deliver", "find"]
    assert desk.entry().state is CaptureState.DELIVERED


def test_an_outage_makes_nothing_dead_however_long_and_is_told_in_two_lines(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(6):
        desk.commit(number)
    desk.recognizer.script += [UNAVAILABLE] * 300
    with caplog.at_level(logging.INFO, "vigia.delivery"):
        desk.run(steps_max=20_000)

    assert desk.outbox.stats().counts == {CaptureState.DELIVERED: 6}
    assert max(entry.attempts for entry in desk.outbox.entries()) <= 2
    assert [record.getMessage().split(" after ")[0] for record in caplog.records] == [
        "delivery paused, captures are kept on disk: no answer",
        "delivery resumed",
    ]
    assert desk.sender.stats.failures == 300


def test_an_outage_is_visible_and_not_hammered(desk: Desk) -> None:
    for number in range(50):
        desk.commit(number)
    since = desk.clock.utc()
    desk.recognizer.script += [UNAVAILABLE] * 10_000
    desk.run_for(600.0)

    stats = desk.sender.stats
    assert (stats.state, stats.down_since_utc, stats.cause) == ("down", since, "no answer")
    assert len(desk.recognizer.calls) < 60  # full jitter up to 60 s: about one in half a minute once it is long
    desk.recognizer.script.clear()
    desk.run_for(200.0)
    assert desk.sender.stats.state == "ok"
    assert desk.outbox.stats().counts == {CaptureState.DELIVERED: 50}


def test_the_rest_of_a_batch_is_given_back_when_the_recognizer_fails(desk: Desk) -> None:
    for number in range(4):
        desk.commit(number)
    desk.recognizer.script.append(UNAVAILABLE)
    desk.step()

    assert desk.recognizer.verbs == ["deliver"]
    assert desk.outbox.stats().counts == {CaptureState.PENDING: 4}
    desk.run()
    assert "find" not in desk.recognizer.verbs  # what was never sent is not in doubt
    assert desk.entry(3).attempts == 1


@pytest.mark.parametrize(
    "error",
    [RecognizerUnreachable("refused"), SessionRejected("401"), CredentialsRejected("no"), LicenseRejected("no")],
)
def test_an_outage_that_no_capture_can_be_the_reason_of_changes_no_order(desk: Desk, error: Exception) -> None:
    for number in range(8):
        desk.commit(number)
    desk.recognizer.script += [error] * 20
    desk.run()

    delivered = [number for verb, number in desk.recognizer.calls if verb == "deliver"][20:]
    assert delivered == [capture_id_of(number) for number in range(8)]


def test_a_capture_that_is_not_to_blame_is_due_at_once_and_the_gate_keeps_the_pause(desk: Desk) -> None:
    desk.recognizer.script.append(LicenseRejected("no licence"))
    desk.commit()
    desk.step()

    assert desk.outbox.next_due_s() == 0.0
    assert desk.step() >= 10.0


@pytest.mark.parametrize("error", [UNAVAILABLE, RecognizerBusy("503"), RecognizerMisaddressed("404")])
def test_a_capture_that_may_be_the_trouble_itself_does_not_block_the_others(desk: Desk, error: Exception) -> None:
    def refuse_first(capture: LeasedCapture) -> tuple[str, ...]:
        if capture.id == capture_id_of(0):
            raise error
        return (capture.id,)

    desk.recognizer.script += [refuse_first] * 1000
    for number in range(8):
        desk.commit(number)
    desk.run_for(300.0)

    assert desk.outbox.stats().counts == {CaptureState.DELIVERED: 7, CaptureState.PENDING: 1}


def test_a_slow_or_failing_receiver_gets_fewer_senders_and_it_shows(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    assert (desk.sender.stats.senders_allowed, desk.sender.stats.senders_max) == (4, 4)
    desk.recognizer.script += [RecognizerBusy("429"), None, DeliveryAmbiguous("time-out")]
    for number in range(3):
        desk.commit(number)
    with caplog.at_level(logging.INFO, "vigia.delivery"):
        desk.run()

    told = [record.getMessage() for record in caplog.records if "senders" in record.getMessage()]
    assert told == [
        "FindFace sets the pace: 2 of 4 senders may send at once",
        "FindFace sets the pace: 1 of 4 senders may send at once",
        "FindFace sets the pace: 2 of 4 senders may send at once",  # one answer is a round of one
    ]
    assert desk.sender.stats.senders_allowed == 2


def test_no_more_senders_ask_at_once_than_the_receiver_bears() -> None:
    desk = Desk(options=SendOptions(senders=2, batch=1))
    nested: list[float | None] = []

    def others_try(capture: LeasedCapture) -> tuple[str, ...]:
        desk.recognizer.script.clear()
        desk.recognizer.script.append(others_try_too)
        nested.append(desk.sender.step())
        return (capture.id,)

    def others_try_too(capture: LeasedCapture) -> tuple[str, ...]:
        before = len(desk.recognizer.calls)
        nested.append(desk.sender.step())
        assert len(desk.recognizer.calls) == before
        return (capture.id,)

    desk.recognizer.script.append(others_try)
    for number in range(3):
        desk.commit(number)
    desk.step()

    assert nested == [0.25, 0.0]  # the third one waits, the second one sent
    assert desk.sender.stats.delivered == 2


def test_a_probe_takes_one_capture_only(desk: Desk) -> None:
    def count_leased(capture: LeasedCapture) -> tuple[str, ...]:
        assert desk.outbox.stats().counts[CaptureState.LEASED] == 1
        return (capture.id,)

    for number in range(4):
        desk.commit(number)
    desk.recognizer.script += [UNAVAILABLE, count_leased]
    desk.step()
    desk.clock.advance(1.0)
    desk.step()

    assert desk.sender.stats.delivered == 1


def test_a_pause_that_the_receiver_asks_for_is_kept(desk: Desk) -> None:
    desk.recognizer.script.append(RecognizerUnavailable("429", retry_after_s=90.0))
    desk.commit(1)
    desk.commit(2)
    desk.step()
    desk.clock.advance(89.0)
    assert desk.step() == pytest.approx(1.0)
    assert len(desk.recognizer.calls) == 1
    desk.run()
    assert desk.outbox.stats().counts == {CaptureState.DELIVERED: 2}


def test_a_capture_that_fails_while_others_arrive_is_given_up(desk: Desk) -> None:
    poison = capture_id_of(0)

    def take_unless_poison(capture: LeasedCapture) -> tuple[str, ...]:
        if capture.id == poison:
            raise RecognizerUnavailable("500 on this picture")
        return (capture.id,)

    desk.recognizer.script += [take_unless_poison] * 100_000
    desk.commit(0)
    for number in range(1, 2000):
        if desk.entry(0).state is CaptureState.DEAD:
            break
        desk.commit(number)
        desk.run_for(5.0)

    assert desk.entry(0).state is CaptureState.DEAD
    assert desk.entry(0).reason == "given up after 20 failures; the last: 500 on this picture"
    assert desk.outbox.stats().counts[CaptureState.DEAD] == 1
    assert desk.sender.stats.dead == 1
    assert ("find", poison) not in desk.recognizer.calls


@pytest.mark.parametrize("arrived", [True, False])
def test_before_a_doubtful_capture_is_given_up_it_is_looked_up_once_more(*, arrived: bool) -> None:
    desk = Desk(policy=RetryPolicy(failures_max=1))
    desk.recognizer.script.append(DeliveryAmbiguous("time-out"))
    desk.recognizer.look_ups.append(("8",) if arrived else ())
    desk.commit()
    desk.run()

    assert desk.recognizer.verbs == ["deliver", "find"]
    assert desk.entry().state is (CaptureState.DELIVERED if arrived else CaptureState.DEAD)
    if not arrived:
        assert desk.entry().reason == "given up after 1 failures; it did not arrive"


def test_a_look_up_that_is_always_refused_ends_with_the_doubt_told() -> None:
    desk = Desk(policy=RetryPolicy(failures_max=3))
    desk.recognizer.script.append(DeliveryAmbiguous("time-out"))
    desk.recognizer.look_ups += [CaptureRefused("bad_param", "what?")] * 10
    desk.commit()
    desk.run()

    assert desk.recognizer.verbs == ["deliver", "find", "find", "find"]
    assert desk.entry().state is CaptureState.DEAD
    assert desk.entry().reason.endswith("the last: what?; it may have arrived")


@pytest.mark.parametrize(
    "error", [LicenseRejected("no licence"), CredentialsRejected("wrong password"), SessionRejected("401")]
)
def test_a_rejected_vigia_waits_for_a_person_and_gives_nothing_up(desk: Desk, error: Exception) -> None:
    desk.recognizer.script += [error] * 200
    desk.commit()
    desk.run(steps_max=20_000)

    assert desk.entry().state is CaptureState.DELIVERED
    assert desk.entry().attempts <= 2
    assert "find" not in desk.recognizer.verbs
    if isinstance(error, LicenseRejected):
        assert "log_in" not in desk.recognizer.verbs  # no log-in will help


def test_a_rejected_session_is_opened_again_before_anything_is_leased(desk: Desk) -> None:
    desk.recognizer.script.append(SessionRejected("401"))
    desk.recognizer.log_ins += [CredentialsRejected("wrong password"), ZeroDivisionError()]
    desk.commit()
    desk.run()

    assert desk.recognizer.verbs == ["deliver", "log_in", "log_in", "log_in", "deliver"]
    assert desk.entry().attempts == 2


def test_a_stale_camera_token_asks_for_the_list_once_and_stops_nobody_else(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    rejections = deque([CameraTokenRejected("403"), CameraTokenRejected("403")])

    def reject_stale(capture: LeasedCapture) -> tuple[str, ...]:
        if capture.camera_id == "stale" and rejections:
            raise rejections.popleft()
        return (capture.id,)

    desk.recognizer.script += [reject_stale] * 5
    desk.commit(1, camera="stale")
    desk.commit(2, camera="stale")
    desk.commit(3, camera="fine")
    with caplog.at_level(logging.WARNING, "vigia.delivery"):
        desk.step()
        assert desk.entry(3).state is CaptureState.DELIVERED
        desk.run()

    assert desk.refreshes == ["stale"]
    assert len(caplog.records) == 1
    assert desk.outbox.stats().counts == {CaptureState.DELIVERED: 3}
    assert desk.sender.stats.state == "ok"


def test_a_token_that_was_renewed_meanwhile_is_used_at_once(desk: Desk) -> None:
    def renewed(_capture: LeasedCapture) -> tuple[str, ...]:
        desk.tokens["gate"] = "token-2"
        raise CameraTokenRejected("403")

    desk.recognizer.script.append(renewed)
    desk.commit()
    desk.step()

    assert desk.outbox.next_due_s() == 0.0
    assert desk.refreshes == []


def test_the_list_is_asked_for_again_after_a_while(desk: Desk) -> None:
    desk.recognizer.script += [CameraTokenRejected("403")] * 6
    desk.commit()
    desk.run()

    assert 1 < len(desk.refreshes) <= 6
    assert desk.entry().state is CaptureState.DELIVERED


def test_a_token_that_stays_wrong_gives_the_capture_up(desk: Desk) -> None:
    desk.recognizer.script += [CameraTokenRejected("camera token refused")] * 100
    desk.commit()
    desk.run()

    assert desk.entry().state is CaptureState.DEAD
    assert desk.entry().reason == "given up after 20 failures; the last: camera token refused"


def test_a_camera_that_left_the_list_is_waited_for_and_then_given_up(desk: Desk) -> None:
    desk.tokens["gone"] = desk.tokens["back"] = None
    desk.commit(1, camera="gone")
    desk.commit(2, camera="back")
    desk.run_for(10.0)
    desk.tokens["back"] = "token"
    desk.run()

    assert desk.entry(1).state is CaptureState.DEAD
    assert "camera gone is not in the camera list" in desk.entry(1).reason
    assert desk.entry(2).state is CaptureState.DELIVERED
    assert {"gone", "back"} <= set(desk.refreshes)
    assert desk.recognizer.verbs == ["deliver"]


def test_a_camera_without_a_findface_id_can_never_be_sent(desk: Desk) -> None:
    desk.commit(findface_id=None)
    desk.run()

    assert desk.entry().state is CaptureState.DEAD
    assert desk.entry().reason == "camera gate has no FindFace id: its captures cannot be sent"
    assert desk.recognizer.calls == []


def test_a_defect_in_the_recognizer_is_told_with_its_traceback_and_costs_no_sender(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.recognizer.script.append(ZeroDivisionError())
    desk.commit()
    with caplog.at_level(logging.WARNING, "vigia.delivery"):
        desk.run()

    assert desk.recognizer.verbs == ["deliver", "find", "deliver"]
    assert [record.getMessage() for record in caplog.records] == [
        "delivery paused, captures are kept on disk: ZeroDivisionError"
    ]
    assert caplog.records[0].exc_info is not None


def test_a_full_disk_pauses_delivery_and_doubles_nothing(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    def fill_disk(_capture: LeasedCapture) -> tuple[str, ...]:
        desk.outbox.fault = OutboxUnavailable("disk full")
        return ("1",)

    desk.recognizer.script.append(fill_disk)
    desk.recognizer.look_ups.append(("1",))
    desk.commit()
    with caplog.at_level(logging.WARNING, "vigia.delivery"):
        assert desk.step() > 0.0
        desk.run_for(400.0)
        desk.outbox.fault = None
        desk.run()

    assert desk.recognizer.verbs == ["deliver", "find"]
    assert desk.entry().event_ids == ("1",)
    told = [record.getMessage() for record in caplog.records]
    assert told == ["the outbox cannot be used, delivery waits: disk full", "the outbox works again"] * (len(told) // 2)
    assert 2 <= len(told) <= 4
    assert desk.sender.stats.in_flight == 0


def test_no_capture_is_sent_whose_lease_might_end_meanwhile() -> None:
    desk = Desk(options=SendOptions(batch=4, lease_s=100.0, send_max_s=50.0))

    def slowly(capture: LeasedCapture) -> tuple[str, ...]:
        desk.clock.advance(30.0)
        return (capture.id,)

    desk.recognizer.script += [slowly] * 4
    for number in range(4):
        desk.commit(number)
    desk.step()

    assert desk.outbox.stats().counts == {CaptureState.DELIVERED: 2, CaptureState.PENDING: 2}
    desk.run()
    assert "find" not in desk.recognizer.verbs


@pytest.mark.parametrize(
    ("senders", "batch", "lease_s", "send_max_s"),
    [(0, 1, 10.0, 1.0), (1, 0, 10.0, 1.0), (1, 1, 1.0, 1.0), (1, 1, 10.0, 0.0)],
)
def test_options_that_make_no_sense_are_refused(senders: int, batch: int, lease_s: float, send_max_s: float) -> None:
    with pytest.raises(ValueError, match="lease"):
        SendOptions(senders=senders, batch=batch, lease_s=lease_s, send_max_s=send_max_s)


def test_draining_sends_what_is_due_and_leaves_what_waits(desk: Desk) -> None:
    for number in range(10):
        desk.commit(number)
    desk.recognizer.script.append(CameraTokenRejected("403"))

    assert desk.sender.drain(desk.clock.mono_s() + 10.0) == 1
    assert desk.outbox.stats().counts == {CaptureState.DELIVERED: 9, CaptureState.PENDING: 1}
    assert desk.sender.step() is None


def test_draining_ends_at_its_deadline_and_gives_back_what_was_not_sent(desk: Desk) -> None:
    def slowly(capture: LeasedCapture) -> tuple[str, ...]:
        desk.clock.advance(4.0)
        return (capture.id,)

    desk.recognizer.script += [slowly] * 10
    for number in range(10):
        desk.commit(number)

    assert desk.sender.drain(desk.clock.mono_s() + 10.0) == 7
    assert desk.outbox.stats().counts == {CaptureState.DELIVERED: 3, CaptureState.PENDING: 7}
    assert not any(capture.maybe_sent for capture in desk.outbox.lease(limit=10, duration_s=60.0))


def test_draining_into_an_outage_tries_again_and_does_not_wait_beyond_the_deadline(desk: Desk) -> None:
    start_s = desk.clock.mono_s()
    desk.commit()
    desk.recognizer.script += [RecognizerUnavailable("busy", retry_after_s=30.0)] * 10

    assert desk.sender.drain(start_s + 10.0) == 1
    assert desk.clock.mono_s() <= start_s + 10.0
    assert len(desk.recognizer.calls) == 1


def test_the_earliest_deadline_holds(desk: Desk) -> None:
    desk.commit()
    desk.sender.begin_drain(desk.clock.mono_s())
    desk.sender.begin_drain(desk.clock.mono_s() + 100.0)

    assert desk.sender.step() is None
    assert desk.recognizer.calls == []


def test_draining_with_a_full_disk_ends(desk: Desk) -> None:
    desk.commit()
    desk.outbox.fault = OutboxUnavailable("disk full")

    assert desk.sender.drain(desk.clock.mono_s() + 10.0) == 1


def test_several_senders_share_the_work_and_drain_together() -> None:
    clock, outbox, recognizer = SystemClock(), MemoryOutbox(SystemClock()), ScriptedRecognizer()
    senders, together, gone = 3, Barrier(3), Event()

    def meet(capture: LeasedCapture) -> tuple[str, ...]:
        together.wait(timeout=20)  # three deliveries at the same time, or the test fails
        assert gone.wait(timeout=20)
        return (capture.id,)

    recognizer.script += [meet] * senders
    for number in range(30):
        outbox.commit(capture_of(number, camera=f"camera-{number % 4}"))
    sender = SendToFindfaceUseCase(
        outbox,
        recognizer,
        clock=clock,
        camera_token=lambda _camera: "token",
        refresh_cameras=lambda _camera: None,
        rng=Random(1),
    )
    services = [LoopService(f"sender-{n}", sender.step, clock=clock) for n in range(senders)]
    for service in services:
        service.start()
    try:
        sender.begin_drain(clock.mono_s() + 60.0)
        gone.set()
        assert join_all(services, deadline_mono_s=clock.mono_s() + 60.0, clock=clock) == []
    finally:
        gone.set()
        for service in services:
            service.request_stop()
    assert [service.failure for service in services] == [None] * senders
    assert outbox.stats().counts == {CaptureState.DELIVERED: 30}
    assert sorted(recognizer.calls) == sorted(("deliver", capture_id_of(number)) for number in range(30))
    assert sender.stats.in_flight == 0
