"""Other libraries' logs: taken in, held down, and given back."""

import logging
import warnings
from collections.abc import Iterator

import pytest

from vigia.infrastructure.logging import AsyncHandler, capture_library_logs
from vigia.infrastructure.logging.library_logs import LibraryHandler
from vigia.infrastructure.logging.lines import LineFormatter
from vigia.infrastructure.logging.redaction import Redactor
from vigia.testing.sim_clock import SimClock


class Captured:
    """What came through, as lines."""

    def __init__(self) -> None:
        self.clock = SimClock()
        self.handler = AsyncHandler(queue_size=100, emergency=lambda _: None)
        self.restore = capture_library_logs(self.handler, clock=self.clock)

    def lines(self) -> list[tuple[str, str, str]]:
        formatter = LineFormatter(Redactor())
        told = [formatter.line(entry) for entry in self.handler.take(100)]
        return [(line.logger, line.level, line.message) for line in told]


@pytest.fixture
def captured() -> Iterator[Captured]:
    root = logging.getLogger("vigia")
    level = root.level
    root.setLevel(logging.DEBUG)
    captured = Captured()
    yield captured
    captured.restore()
    root.setLevel(level)


def test_ffmpegs_messages_come_at_debug_and_without_passwords(captured: Captured) -> None:
    logging.getLogger("libav.rtsp").error("method DESCRIBE failed: rtsp://admin:pa55@cam/1")
    assert captured.lines() == [("libav.rtsp", "DEBUG", "method DESCRIBE failed: rtsp://***@cam/1")]


def test_they_are_not_even_queued_when_nobody_wants_debug(captured: Captured) -> None:
    logging.getLogger("vigia").setLevel(logging.INFO)
    logging.getLogger("libav.h264").error("no frame!")
    assert captured.handler.queued == 0


def test_one_line_a_second_of_each_kind_with_a_count(captured: Captured) -> None:
    h264 = logging.getLogger("libav.h264")
    for number in range(5):
        h264.error("error while decoding MB %d %d, bytestream %d", number, number, -number)
    h264.error("no frame!")
    assert [message for *_, message in captured.lines()] == [
        "error while decoding MB 0 0, bytestream 0",
        "no frame!",
    ]
    captured.clock.advance(1.0)
    h264.error("error while decoding MB %d %d, bytestream %d", 9, 9, 9)
    h264.error("no frame!")
    told = [message for *_, message in captured.lines()]
    assert "error while decoding MB 9 9, bytestream 9" in told[0]
    assert "4" in told[0]
    assert told[1] == "no frame!"


def test_the_level_is_held_down_never_raised(captured: Captured) -> None:
    logging.getLogger("asyncio").error("held down")
    with_debug = logging.getLogger("asyncio")
    level = with_debug.level
    with_debug.setLevel(logging.DEBUG)
    try:
        with_debug.debug("stays")
    finally:
        with_debug.setLevel(level)
    assert captured.lines() == [("asyncio", "WARNING", "held down"), ("asyncio", "DEBUG", "stays")]


def test_warnings_are_told_once_a_second(captured: Captured) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        # catch_warnings put back what showed warnings before; what captures them is put in again
        logging.captureWarnings(capture=False)
        logging.captureWarnings(capture=True)
        for _ in range(3):
            warnings.warn("old and rusty", UserWarning, stacklevel=1)
        logging.captureWarnings(capture=False)
    [(logger, level, message)] = captured.lines()
    assert (logger, level) == ("py.warnings", "WARNING")
    assert "UserWarning: old and rusty" in message


def test_a_bad_call_of_a_library_fails_nobody(captured: Captured) -> None:
    record = logging.LogRecord("urllib3", logging.WARNING, "", 0, "%d retries", ("many",), None)
    for handler in logging.getLogger("urllib3").handlers:
        if isinstance(handler, LibraryHandler):  # pytest has handlers there too, and those do fail
            handler.handle(record)
    assert captured.lines() == [("urllib3", "DEBUG", "%d retries")]


def test_an_exception_comes_along(captured: Captured) -> None:
    logging.getLogger("asyncio").error("task failed", exc_info=ValueError("why"))
    formatter = LineFormatter(Redactor())
    [line] = [formatter.line(entry) for entry in captured.handler.take(10)]
    assert line.exc == "ValueError: why"


def test_everything_is_given_back() -> None:
    library = logging.getLogger("libav")
    before = (list(library.handlers), library.propagate, warnings.showwarning)
    restore = Captured().restore
    assert not library.propagate
    restore()
    assert (list(library.handlers), library.propagate, warnings.showwarning) == before
