"""Committing across processes: the worker's end asks and waits, the parent's end has the outbox.

A capture is committed when the parent's outbox has it on disk and has said so: the same as without processes. An answer
that does not come in time is no answer: the capture is kept and asked for again under the same id, and the outbox
stores an id only once. At most one capture is under way on a channel, so that its size is the channel's bound.
"""

import logging
from collections.abc import Callable

from vigia.application.errors import OutboxUnavailable, PermanentError
from vigia.application.messages import Channel, ChannelClosed, ChannelFull, CommitAnswer, CommitCapture, Outcome
from vigia.application.ports import CaptureStore, Clock
from vigia.domain.capture import Capture, CaptureId
from vigia.domain.errors import TransitionError, VigiaError

logger = logging.getLogger("vigia.captures")

ANSWER_TIMEOUT_S = 10.0
"""How long a worker waits for the answer to one capture. SQLite gives up sooner than that."""
POLL_S = 0.2


class RemoteStore:
    """The worker's end: a ``CaptureStore`` whose disk is in another process.

    Owner: the commit thread; ``in_doubt`` is for that thread's callbacks.
    """

    def __init__(self, channel: Channel, *, clock: Clock, timeout_s: float = ANSWER_TIMEOUT_S) -> None:
        self._channel = channel
        self._clock = clock
        self._timeout_s = timeout_s
        self._under_way: CaptureId | None = None

    @property
    def in_doubt(self) -> CaptureId | None:
        """The capture that was handed over and not answered, if there is one."""
        return self._under_way

    def commit(self, capture: Capture) -> None:
        """Store a capture for good. See the port.

        Raises:
            OutboxUnavailable: the parent's outbox does not take it now, or no answer came in time.
            TransitionError: it is there already.
            PermanentError: the outbox will never take it.
        """
        deadline_s = self._clock.mono_s() + self._timeout_s
        try:
            if self._under_way != capture.id:
                self._channel.send(CommitCapture(capture), timeout_s=self._timeout_s)
                self._under_way = capture.id
            answer = self._answer(capture.id, deadline_s)
        except (ChannelClosed, ChannelFull) as error:
            raise OutboxUnavailable("the process that has the outbox does not answer") from error
        if answer is None:
            raise OutboxUnavailable("the process that has the outbox does not answer")
        self._under_way = None
        _raise_unless_committed(answer)

    def _answer(self, capture_id: CaptureId, deadline_s: float) -> CommitAnswer | None:
        """The answer to this capture; one to an earlier capture, given up meanwhile, is passed over."""
        while (left_s := deadline_s - self._clock.mono_s()) > 0.0:
            if not self._channel.flush(left_s):
                return None
            answer = self._channel.receive(max(0.0, deadline_s - self._clock.mono_s()))
            if isinstance(answer, CommitAnswer) and answer.id == capture_id:
                return answer
        return None


def _raise_unless_committed(answer: CommitAnswer) -> None:
    if answer.outcome is Outcome.KNOWN:
        raise TransitionError("capture %(id)s is in the outbox already", id=answer.id)
    if answer.outcome is Outcome.UNAVAILABLE:
        raise OutboxUnavailable(answer.template, **answer.facts)
    if answer.outcome is Outcome.FAILED:
        raise PermanentError(answer.template, **answer.facts)


class CaptureDesk:
    """The parent's end: commits what one worker sends.

    Owner: the thread that calls ``step``.

    Args:
        channel: to one life of one worker.
        store: the outbox.
        on_committed: called after a capture is on disk, before the worker is told; must be quick.
    """

    def __init__(self, channel: Channel, store: CaptureStore, *, on_committed: Callable[[Capture], None]) -> None:
        self._channel = channel
        self._store = store
        self._on_committed = on_committed

    def step(self) -> float | None:
        """Serve one capture; None when the worker is gone and all that it sent is served."""
        try:
            message = self._channel.receive(POLL_S)
        except ChannelClosed:
            return None
        if not isinstance(message, CommitCapture):
            return 0.0
        answer = self._commit(message.capture)
        try:
            self._channel.send(answer, timeout_s=POLL_S)
        except (ChannelClosed, ChannelFull):
            logger.debug("the answer to capture %s found nobody", message.capture.id)
        return 0.0

    def _commit(self, capture: Capture) -> CommitAnswer:
        try:
            self._store.commit(capture)
        except OutboxUnavailable as error:
            return _refusal(capture.id, Outcome.UNAVAILABLE, error)
        except TransitionError as error:
            return _refusal(capture.id, Outcome.KNOWN, error)
        except VigiaError as error:
            return _refusal(capture.id, Outcome.FAILED, error)
        except Exception as error:  # one capture that cannot be stored must not end the way of all others
            logger.exception("capture %s of camera %s cannot be stored", capture.id, capture.camera_id)
            unforeseen = PermanentError("unexpected failure: %(what)s", what=type(error).__name__)
            return _refusal(capture.id, Outcome.FAILED, unforeseen)
        self._on_committed(capture)
        return CommitAnswer(capture.id, Outcome.COMMITTED)


def _refusal(capture_id: CaptureId, outcome: Outcome, error: VigiaError) -> CommitAnswer:
    facts = {name: fact if isinstance(fact, int | float | str) else str(fact) for name, fact in error.facts.items()}
    return CommitAnswer(capture_id, outcome, error.template, facts)
