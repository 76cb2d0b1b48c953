"""The queue: its bound, its reserve, what it counts, and that nothing falls between its two sides."""

import gc
import logging
import sys
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from vigia.infrastructure.logging import AsyncHandler
from vigia.infrastructure.logging.snapshot import Entry


def _handler(queue_size: int = 100, emergency: Callable[[Entry], None] | None = None) -> AsyncHandler:
    return AsyncHandler(queue_size=queue_size, emergency=emergency if emergency is not None else _unexpected)


def _unexpected(entry: Entry) -> None:
    raise AssertionError(f"not expected on this path: {entry}")


def _messages(entries: list[Entry]) -> list[object]:
    return [entry[3] for entry in entries]


def test_entries_come_out_in_order_with_what_was_logged() -> None:
    handler = _handler()
    handler.put("vigia.x", logging.INFO, "first %d", (1,))
    handler.handle(logging.LogRecord("vigia.y", logging.ERROR, "", 0, "second", None, None))
    first, second = handler.take(10)
    assert first[1:6] == ("vigia.x", logging.INFO, "first %d", (1,), threading.current_thread().name)
    assert second[1:6] == ("vigia.y", logging.ERROR, "second", (), threading.current_thread().name)
    assert 0 <= second[0] - first[0] < 60


def test_the_last_tenth_is_for_warnings_and_above() -> None:
    handler = _handler(100)
    for number in range(95):
        handler.put("vigia.x", logging.INFO, "info %d", (number,))
    assert (handler.queued, handler.dropped) == (90, 5)
    for number in range(12):
        handler.put("vigia.x", logging.WARNING, "warning %d", (number,))
    assert (handler.queued, handler.dropped) == (100, 7)
    assert _messages(handler.take(200))[90:] == ["warning %d"] * 10


def test_room_that_was_taken_comes_back_to_where_it_belongs() -> None:
    handler = _handler(10)
    for _ in range(3):
        for _ in range(20):
            handler.put("vigia.x", logging.WARNING, "w", ())
        assert handler.queued == 10
        assert len(handler.take(100)) == 10
        for _ in range(20):
            handler.emit(logging.LogRecord("vigia.x", logging.INFO, "", 0, "i", None, None))
        assert handler.queued == 9  # the reserve is not for these
        assert len(handler.take(4)) == 4
        assert len(handler.take(100)) == 5
    assert handler.dropped == 3 * (10 + 11)


def test_eight_threads_never_pass_the_bound_and_every_record_is_accounted_for() -> None:
    handler = _handler(1000)
    barrier = threading.Barrier(8)

    def log(thread: int) -> None:
        barrier.wait(timeout=20)
        for number in range(500):
            handler.put("vigia.x", logging.INFO, "%d %d", (thread, number))
            assert handler.queued <= 900

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(log, range(8)))
    assert handler.queued == 900
    assert handler.dropped == 8 * 500 - 900


def test_nothing_falls_between_the_closing_gate_and_a_caller() -> None:
    late: list[Entry] = []
    handler = _handler(5_000_000, emergency=late.append)
    barrier, closed = threading.Barrier(5), threading.Event()

    def log(_: int) -> int:
        """Log until some while after the gate was closed; return how often."""
        barrier.wait(timeout=20)
        number = after = 0
        while after < 100 and number < 1_000_000:
            is_late = closed.is_set()  # asked before the record, or one that was in time counts as late
            handler.put("vigia.x", logging.INFO, "%d", (number,))
            number, after = number + 1, after + is_late
        return number

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(4) as pool:
            jobs = [pool.submit(log, n) for n in range(4)]
            barrier.wait(timeout=20)
            while handler.queued < 500:
                pass
            taken = handler.close_gate()
            closed.set()
            logged = sum(job.result(timeout=20) for job in jobs)
    finally:
        sys.setswitchinterval(before)
    assert handler.queued == 0
    assert len(taken) + len(late) == logged
    assert len(late) >= 4 * 100


def test_after_the_gate_a_record_goes_the_emergency_way() -> None:
    late: list[Entry] = []
    handler = _handler(emergency=late.append)
    handler.put("vigia.x", logging.INFO, "in time", ())
    assert _messages(handler.close_gate()) == ["in time"]
    handler.put("vigia.x", logging.INFO, "late", ())
    handler.emit(logging.LogRecord("vigia.x", logging.INFO, "", 0, "later", None, None))
    assert _messages(late) == ["late", "later"]
    assert handler.close_gate() == []


def test_at_exit_what_nobody_took_goes_the_emergency_way() -> None:
    late: list[Entry] = []
    closed: list[int] = []
    handler = AsyncHandler(queue_size=10, emergency=late.append, on_close=lambda: closed.append(handler.queued))
    handler.put("vigia.x", logging.ERROR, "left over", ())
    handler.close()
    assert closed == [1]
    assert _messages(late) == ["left over"]


def test_the_worker_is_woken_when_a_quarter_is_full_and_not_before() -> None:
    woken: list[int] = []
    handler = AsyncHandler(queue_size=100, emergency=_unexpected, wake=lambda: woken.append(handler.queued))
    for _ in range(60):
        handler.put("vigia.x", logging.INFO, "m", ())
    assert woken == [25]


def test_filters_are_asked() -> None:
    handler = _handler()
    handler.addFilter(lambda record: "secret" not in record.getMessage())
    assert not handler.handle(logging.LogRecord("x", logging.INFO, "", 0, "a secret", None, None))
    assert handler.handle(logging.LogRecord("x", logging.INFO, "", 0, "no such thing", None, None))
    assert _messages(handler.take(10)) == ["no such thing"]


class _Frame:
    """Stands for something big: whoever holds it, holds a picture."""


def test_the_queue_keeps_no_argument_alive() -> None:
    handler = _handler()
    frame = _Frame()
    alive = weakref.ref(frame)
    handler.put("vigia.x", logging.INFO, "frame %s", (frame,))
    handler.put("vigia.x", logging.INFO, "frames %(one)s", ({"one": frame},))
    record = logging.LogRecord("x", logging.INFO, "", 0, "frame", None, None)
    record.frame = frame
    handler.emit(record)
    del record, frame
    assert handler.queued == 3
    assert alive() is None


def test_the_queue_keeps_no_frame_of_a_traceback_alive() -> None:
    handler = _handler()
    references: list[weakref.ref[_Frame]] = []

    def fail() -> None:
        frame = _Frame()
        references.append(weakref.ref(frame))
        raise ValueError("no")

    gc.disable()  # or a collection could hide a reference that is only cyclic
    try:
        try:
            fail()
        except ValueError as error:
            handler.put("vigia.x", logging.INFO, "failed: %s", (error,))
            handler.emit(logging.LogRecord("x", logging.ERROR, "", 0, "failed", None, sys.exc_info()))
        assert handler.queued == 2
        assert references[0]() is None
    finally:
        gc.enable()


def test_logging_from_within_a_told_argument_is_possible() -> None:
    handler = _handler()

    class Chatty:
        def __str__(self) -> str:
            handler.put("vigia.x", logging.INFO, "asked", ())
            return "chatty"

    handler.put("vigia.x", logging.INFO, "%s", (Chatty(),))
    assert _messages(handler.take(10)) == ["asked", "%s"]


@pytest.mark.parametrize("size", [10, 10_000])
def test_repr_tells_how_full_it_is(size: int) -> None:
    handler = _handler(size)
    handler.put("vigia.x", logging.INFO, "m", ())
    assert repr(handler) == f"<AsyncHandler 1/{size}>"
