"""Looking doubtful captures up without a storm: few questions, each answer used for all that it tells.

A question is for one camera and a window of the wall clock, so its answer serves every doubtful capture of that camera
and window. What an answer tells depends on when it was asked:

- An event that is there stays there: *present* holds for as long as the answer is kept.
- *Absent* holds for a capture only if FindFace had certainly finished with it when the question was asked. That is
  ``settle_s`` after its last attempt ended here and ``finish_s`` after it began: FindFace works on a request for up to
  35 s, whether or not the connection still stands.

Questions are paid from a token bucket. Whoever comes while it is empty, or before *absent* can be told, is deferred.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from vigia.application.errors import LookUpDeferred
from vigia.application.ports import Clock
from vigia.domain.capture import CaptureId
from vigia.infrastructure.clients.findface_wire import FindfaceEvent

Window = tuple[int, int]
"""FindFace's camera id, and which window since 1970."""
Ask = Callable[[int, datetime, datetime], Sequence[FindfaceEvent]]
"""The events of a camera created from one moment to another."""


@dataclass(frozen=True, slots=True)
class LookUpRules:
    """Bounds of the look-ups."""

    window_s: float = 60.0
    """Length of a window, seconds."""
    margin_s: float = 1.0
    """What is asked for goes beyond the window by this, seconds, should the server round what it compares."""
    rate_per_s: float = 2.0
    """Questions a second, in the long run."""
    burst: int = 10
    """Questions that may come at once after a quiet time."""
    kept_s: float = 60.0
    """How long an answer is used, seconds."""
    answers_max: int = 64
    """Answers kept."""
    events_max: int = 20_000
    """Events in all answers kept, though the last answer is always kept: about 8 MB."""
    attempts_max: int = 20_000
    """Doubtful attempts whose times are remembered. Of a capture that is not, *absent* is asked for anew."""
    settle_s: float = 5.0
    """After the end of an attempt, seconds."""
    finish_s: float = 36.0
    """After the beginning of an attempt, seconds: FindFace gives up on its own recognition after 35."""
    busy_s: float = 0.5
    """How long somebody waits whose question is being asked by somebody else, seconds."""
    deferred_max_s: float = 30.0
    """The longest that the empty bucket defers somebody, seconds."""

    def __post_init__(self) -> None:
        positive = (self.window_s, self.rate_per_s, self.burst, self.answers_max, self.attempts_max)
        if min(positive) <= 0 or min(self.margin_s, self.kept_s, self.settle_s, self.finish_s) < 0.0:
            raise ValueError(f"bounds of look-ups are above 0, their times 0 or more: {self}")


@dataclass(frozen=True, slots=True)
class _Answer:
    """What FindFace told of one window."""

    asked_mono_s: float
    """When it was asked: an event that came later may be missing."""
    events: tuple[FindfaceEvent, ...]


class LookUps:
    """The answers that are known, and the leave to ask for more.

    Args:
        ask: FindFace; called without the lock.
        clock: times everything.
        rules: bounds.
        sole_sender: nobody else sends this outbox's captures. Then a doubtful capture that was not sent from here was
            sent before this object was made, by a process that is gone. Else it is taken as settled when it is asked
            for: the outbox has let its lease run out.

    Owner: its lock, never held across a question. Any thread. Bounds: see the rules.
    """

    def __init__(self, ask: Ask, *, clock: Clock, rules: LookUpRules | None = None, sole_sender: bool = False) -> None:
        self._ask = ask
        self._clock = clock
        self._rules = rules if rules is not None else LookUpRules()
        self._lock = threading.Lock()  # guards everything below
        now_mono_s = clock.mono_s()
        self._strangers_known_mono_s = now_mono_s + self._rules.finish_s if sole_sender else None
        self._answers: OrderedDict[Window, _Answer] = OrderedDict()  # the one asked longest ago first
        self._asking: set[Window] = set()
        self._known_from_mono_s: OrderedDict[CaptureId, float] = OrderedDict()
        self._bucket = float(self._rules.burst)
        self._bucket_mono_s = now_mono_s
        self._next_slot_mono_s = now_mono_s
        self._questions = 0

    @property
    def questions(self) -> int:
        """How often FindFace was asked."""
        with self._lock:
            return self._questions

    @property
    def answers(self) -> int:
        """How many answers are kept."""
        with self._lock:
            return len(self._answers)

    @property
    def attempts(self) -> int:
        """Of how many doubtful captures the times are remembered."""
        with self._lock:
            return len(self._known_from_mono_s)

    def doubt(self, capture_id: CaptureId, *, began_mono_s: float) -> None:
        """An attempt ends now, and may have arrived."""
        rules = self._rules
        known_from_mono_s = max(self._clock.mono_s() + rules.settle_s, began_mono_s + rules.finish_s)
        with self._lock:
            self._known_from_mono_s[capture_id] = known_from_mono_s
            self._known_from_mono_s.move_to_end(capture_id)
            while len(self._known_from_mono_s) > rules.attempts_max:
                self._known_from_mono_s.popitem(last=False)

    def resolve(self, capture_id: CaptureId) -> None:
        """Its doubt is over."""
        with self._lock:
            self._known_from_mono_s.pop(capture_id, None)

    def find(
        self, capture_id: CaptureId, camera: int, at_utc: datetime, belongs: Callable[[FindfaceEvent], bool]
    ) -> tuple[str, ...]:
        """The ids of its events; empty when it surely did not arrive.

        Args:
            capture_id: which capture is in doubt.
            camera: FindFace's id.
            at_utc: the capture's time.
            belongs: whether an event is this capture's.

        Raises:
            LookUpDeferred: not known before ``retry_after_s``.
            Whatever ``ask`` raises.
        """
        window = (camera, int(at_utc.timestamp() // self._rules.window_s))
        with self._lock:
            now_mono_s = self._clock.mono_s()
            known_from_mono_s = self._known_from(capture_id, now_mono_s)
            answer = self._kept(window, now_mono_s)
        if answer is None or not (present := _ids(answer, belongs)):
            if answer is None or known_from_mono_s > answer.asked_mono_s:
                # Asking again before absence can be told only helps the first time: presence is told by any answer.
                if answer is not None and known_from_mono_s > now_mono_s:
                    raise _deferred(known_from_mono_s - now_mono_s)
                answer = self._answer(window)
            present = _ids(answer, belongs)
            if not present and known_from_mono_s > answer.asked_mono_s:
                raise _deferred(known_from_mono_s - answer.asked_mono_s)
        self.resolve(capture_id)
        return present

    def _known_from(self, capture_id: CaptureId, now_mono_s: float) -> float:
        """From when on a question tells for sure whether it arrived. The lock is held."""
        stranger = now_mono_s if self._strangers_known_mono_s is None else self._strangers_known_mono_s
        return self._known_from_mono_s.get(capture_id, stranger)

    def _kept(self, window: Window, now_mono_s: float) -> _Answer | None:
        """The answer about a window, if it is young enough. The lock is held."""
        while self._answers and now_mono_s - next(iter(self._answers.values())).asked_mono_s > self._rules.kept_s:
            self._answers.popitem(last=False)
        answer = self._answers.get(window)
        return answer if answer is not None and now_mono_s - answer.asked_mono_s <= self._rules.kept_s else None

    def _answer(self, window: Window) -> _Answer:
        with self._lock:
            now_mono_s = self._clock.mono_s()
            if window in self._asking:
                raise _deferred(self._rules.busy_s)
            self._pay(now_mono_s)
            self._asking.add(window)
            self._questions += 1
        camera, number = window
        margin = timedelta(seconds=self._rules.margin_s)
        begin_utc = datetime.fromtimestamp(number * self._rules.window_s, UTC)
        end_utc = begin_utc + timedelta(seconds=self._rules.window_s)
        answer: _Answer | None = None
        try:
            answer = _Answer(now_mono_s, tuple(self._ask(camera, begin_utc - margin, end_utc + margin)))
        finally:
            with self._lock:
                self._asking.discard(window)
                if answer is not None:
                    self._keep(window, answer)
        return answer

    def _pay(self, now_mono_s: float) -> None:
        """Take one token, or raise LookUpDeferred. The lock is held."""
        rules = self._rules
        refilled = self._bucket + max(0.0, now_mono_s - self._bucket_mono_s) * rules.rate_per_s
        self._bucket, self._bucket_mono_s = min(float(rules.burst), refilled), now_mono_s
        if self._bucket >= 1.0:
            self._bucket -= 1.0
            return
        # Those who are deferred come back one after the other, as tokens do.
        slot_mono_s = max(self._next_slot_mono_s, now_mono_s) + 1.0 / rules.rate_per_s
        self._next_slot_mono_s = min(slot_mono_s, now_mono_s + rules.deferred_max_s)
        raise _deferred(self._next_slot_mono_s - now_mono_s)

    def _keep(self, window: Window, answer: _Answer) -> None:
        """Keep an answer within the bounds. The lock is held."""
        self._answers[window] = answer
        self._answers.move_to_end(window)
        events = sum(len(one.events) for one in self._answers.values())
        while len(self._answers) > 1 and (
            len(self._answers) > self._rules.answers_max or events > self._rules.events_max
        ):
            events -= len(self._answers.popitem(last=False)[1].events)


def _ids(answer: _Answer, belongs: Callable[[FindfaceEvent], bool]) -> tuple[str, ...]:
    return tuple(event.id for event in answer.events if belongs(event))


def _deferred(delay_s: float) -> LookUpDeferred:
    return LookUpDeferred("it is looked up in %(delay).1f s", retry_after_s=delay_s, delay=delay_s)
