"""Looking doubtful captures up: what an answer tells, for how long, and how often FindFace is asked at most."""

from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vigia.application.errors import LookUpDeferred, RecognizerUnreachable
from vigia.domain.capture import CaptureId
from vigia.infrastructure.clients.findface_wire import FindfaceEvent
from vigia.infrastructure.clients.look_ups import LookUpRules, LookUps
from vigia.testing.sim_clock import SimClock

AT = datetime(2026, 1, 5, 8, 0, 30, tzinfo=UTC)
CAMERA = 7


class Desk:
    """FindFace's events and the look-ups."""

    def __init__(self, rules: LookUpRules | None = None, *, sole_sender: bool = False) -> None:
        self.clock = SimClock()
        self.events: list[FindfaceEvent] = []
        self.asked: list[tuple[int, datetime, datetime]] = []
        self.failure: Exception | None = None
        self.look_ups = LookUps(self.ask, clock=self.clock, rules=rules, sole_sender=sole_sender)

    def ask(self, camera: int, from_utc: datetime, to_utc: datetime) -> list[FindfaceEvent]:
        self.asked.append((camera, from_utc, to_utc))
        if self.failure is not None:
            raise self.failure
        return [e for e in self.events if e.camera_id == camera and from_utc <= e.created_at_utc <= to_utc]

    def arrive(self, name: str, at_utc: datetime = AT, camera: int = CAMERA) -> None:
        self.events.append(FindfaceEvent(name, camera, at_utc, None))

    def send_in_vain(self, name: str, *, takes_s: float = 0.0) -> None:
        began_mono_s = self.clock.mono_s()
        self.clock.advance(takes_s)
        self.look_ups.doubt(CaptureId(name), began_mono_s=began_mono_s)

    def find(self, name: str, at_utc: datetime = AT, camera: int = CAMERA) -> tuple[str, ...]:
        return self.look_ups.find(CaptureId(name), camera, at_utc, lambda event: event.id == name)

    def deferred_s(self, name: str, at_utc: datetime = AT, camera: int = CAMERA) -> float:
        with pytest.raises(LookUpDeferred) as caught:
            self.find(name, at_utc, camera)
        assert caught.value.retry_after_s is not None
        return caught.value.retry_after_s


def test_present_is_believed_at_once() -> None:
    desk = Desk()
    desk.send_in_vain("a")
    desk.arrive("a")
    assert desk.find("a") == ("a",)


def test_absent_is_believed_when_findface_has_certainly_finished() -> None:
    desk = Desk(LookUpRules(settle_s=5.0, finish_s=36.0))
    desk.send_in_vain("a", takes_s=1.0)
    desk.clock.advance(5.0)
    assert desk.deferred_s("a") == pytest.approx(30.0)
    desk.clock.advance(30.0)
    assert desk.find("a") == ()
    assert len(desk.asked) == 2


def test_what_took_longer_than_findface_does_has_only_to_settle() -> None:
    desk = Desk(LookUpRules(settle_s=5.0, finish_s=36.0))
    desk.send_in_vain("a", takes_s=45.0)
    assert desk.deferred_s("a") == pytest.approx(5.0)
    desk.clock.advance(5.0)
    assert desk.find("a") == ()


def test_what_arrives_late_is_found_before_it_is_sent_again() -> None:
    desk = Desk()
    desk.send_in_vain("a")
    desk.clock.advance(5.0)
    delay_s = desk.deferred_s("a")
    desk.clock.advance(delay_s - 0.1)
    desk.arrive("a")
    desk.clock.advance(0.1)
    assert desk.find("a") == ("a",)


def test_one_answer_serves_all_captures_of_a_camera_and_minute() -> None:
    desk = Desk(LookUpRules(settle_s=0.0, finish_s=0.0))
    times = {f"{n}": AT.replace(second=0) + timedelta(seconds=59.9 * n / 499) for n in range(500)}
    for name, at_utc in times.items():
        desk.send_in_vain(name)
        if int(name) % 2:
            desk.arrive(name, at_utc)
    found = {name: desk.find(name, at_utc) for name, at_utc in times.items()}
    assert found == {name: (name,) if int(name) % 2 else () for name in times}
    assert len(desk.asked) == 1
    assert desk.asked[0][1:] == (
        AT.replace(second=0) - timedelta(seconds=1),
        AT.replace(second=0) + timedelta(seconds=61),
    )


def test_other_cameras_and_other_minutes_are_other_questions() -> None:
    desk = Desk(LookUpRules(settle_s=0.0, finish_s=0.0))
    for camera, minute in ((1, 0), (2, 0), (1, 1), (1, 0)):
        assert desk.find("x", AT + timedelta(minutes=minute), camera) == ()
        desk.clock.advance(1.0)
    assert len(desk.asked) == 4  # the last one, too: of a stranger absence is asked for anew


def test_absence_from_an_answer_older_than_the_attempt_is_not_believed() -> None:
    desk = Desk(LookUpRules(settle_s=5.0, finish_s=5.0, kept_s=60.0))
    desk.send_in_vain("a")
    desk.clock.advance(5.0)
    assert desk.find("a") == ()
    desk.send_in_vain("b")
    desk.arrive("b")
    desk.clock.advance(5.0)
    assert desk.find("b") == ("b",)
    assert len(desk.asked) == 2


def test_an_answer_is_forgotten_after_a_while() -> None:
    desk = Desk(LookUpRules(settle_s=0.0, finish_s=0.0, kept_s=60.0))
    desk.send_in_vain("a")
    desk.send_in_vain("b")
    desk.find("a")
    desk.clock.advance(61.0)
    desk.find("b")
    assert len(desk.asked) == 2
    assert desk.look_ups.answers == 1


def test_a_failed_question_is_no_answer_and_leaves_the_way_free() -> None:
    desk = Desk(LookUpRules(settle_s=0.0, finish_s=0.0))
    desk.failure = RecognizerUnreachable("down")
    desk.send_in_vain("a")
    with pytest.raises(RecognizerUnreachable):
        desk.find("a")
    desk.failure = None
    desk.arrive("a")
    assert desk.find("a") == ("a",)


def test_a_question_that_is_being_asked_is_not_asked_twice() -> None:
    desk = Desk(LookUpRules(settle_s=0.0, finish_s=0.0, busy_s=0.5))
    deferred: list[float] = []

    class Nosy(list[FindfaceEvent]):
        """While one sender waits for the answer, another one asks."""

        def __iter__(self):  # type: ignore[no-untyped-def] # noqa: ANN204
            deferred.append(desk.deferred_s("b"))
            return super().__iter__()

    desk.look_ups = LookUps(lambda *_: Nosy(), clock=desk.clock, rules=LookUpRules(settle_s=0.0, finish_s=0.0))
    desk.send_in_vain("a")
    assert desk.find("a") == ()
    assert deferred == [0.5]


def test_without_tokens_captures_are_put_back_one_behind_the_other() -> None:
    desk = Desk(LookUpRules(settle_s=0.0, finish_s=0.0, rate_per_s=2.0, burst=3, deferred_max_s=4.0))
    for camera in range(3):
        assert desk.find("x", camera=camera) == ()
    delays_s = [desk.deferred_s("x", camera=camera) for camera in range(3, 15)]
    assert delays_s == pytest.approx([0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5] + [4.0] * 5)
    desk.clock.advance(0.5)
    assert desk.find("x", camera=3) == ()


def test_a_stranger_of_a_dead_process_is_not_absent_before_findface_has_finished() -> None:
    desk = Desk(LookUpRules(finish_s=36.0), sole_sender=True)
    desk.clock.advance(6.0)
    assert desk.deferred_s("a") == pytest.approx(30.0)
    desk.clock.advance(30.0)
    assert desk.find("a") == ()
    assert desk.find("b") == ()
    assert len(desk.asked) == 2  # the second answer tells of all strangers of this camera and minute


def test_bounds_hold_however_many_are_in_doubt() -> None:
    desk = Desk(
        LookUpRules(settle_s=0.0, finish_s=0.0, burst=1000, answers_max=4, events_max=30, attempts_max=50, kept_s=1e9)
    )
    for n in range(300):
        desk.arrive(f"event-{n}", AT, camera=n % 40)
        desk.send_in_vain(f"{n}")
    for n in range(300):
        desk.find(f"{n}", camera=n % 40)
        assert desk.look_ups.answers <= 4
        assert desk.look_ups.attempts <= 50


@pytest.mark.parametrize(
    "rules", [{"window_s": 0.0}, {"rate_per_s": 0.0}, {"burst": 0}, {"answers_max": 0}, {"settle_s": -1.0}]
)
def test_rules_that_make_no_sense_are_refused(rules: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="bounds"):
        LookUpRules(**rules)  # type: ignore[arg-type]


@settings(max_examples=60)
@given(seed=st.integers(0, 10_000), cameras=st.integers(1, 8), count=st.integers(1, 120))
def test_whatever_comes_it_is_never_wrong_and_never_a_storm(seed: int, cameras: int, count: int) -> None:
    rules = LookUpRules(settle_s=5.0, finish_s=36.0, rate_per_s=2.0, burst=10)
    desk, rng, start_s = Desk(rules), Random(seed), SimClock().mono_s()
    fates: dict[str, tuple[int, datetime, float | None]] = {}
    due: list[tuple[float, str]] = []
    for n in range(count):
        name, at_utc = f"{n}", AT + timedelta(seconds=rng.uniform(0.0, 300.0))
        arrives_s = desk.clock.mono_s() + rng.uniform(0.0, 35.0) if rng.random() < 0.5 else None
        fates[name] = (rng.randrange(cameras), at_utc, arrives_s)
        desk.send_in_vain(name, takes_s=rng.choice([0.0, 0.0, 1.0]))
        due.append((desk.clock.mono_s() + rules.settle_s, name))
    landed: set[str] = set()
    while due:
        due.sort()
        at_s, name = due.pop(0)
        desk.clock.advance(max(0.0, at_s - desk.clock.mono_s()))
        for other, (camera, at_utc, arrives_s) in fates.items():
            if arrives_s is not None and other not in landed and arrives_s <= desk.clock.mono_s():
                landed.add(other)
                desk.arrive(other, at_utc, camera)
        camera, at_utc, arrives_s = fates[name]
        try:
            found = desk.find(name, at_utc, camera)
        except LookUpDeferred as deferred:
            due.append((desk.clock.mono_s() + (deferred.retry_after_s or 0.0), name))
        else:
            assert found == ((name,) if arrives_s is not None else ())
    elapsed_s = desk.clock.mono_s() - start_s
    assert len(desk.asked) <= rules.burst + rules.rate_per_s * elapsed_s + 1
