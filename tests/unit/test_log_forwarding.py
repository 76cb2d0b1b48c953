"""A worker's log, told by its parent: what travels, what is dropped, and that it can still be translated."""

import logging
import pickle
from collections.abc import Iterator
from enum import IntEnum, StrEnum
from pathlib import Path

import pytest

from vigia.application.errors import OutboxUnavailable
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.i18n import DEFAULT_LANGUAGE, set_language
from vigia.infrastructure.logging import AsyncLogger, ConsoleSink, get_logger
from vigia.infrastructure.logging.forwarding import LogForwarder, tell
from vigia.infrastructure.logging.snapshot import Entry


class Local(IntEnum):
    ONE = 1


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    """The ``vigia`` logger, given back as it was."""
    found = get_logger()
    level, propagate, handlers = found.level, found.propagate, list(found.handlers)
    yield found
    found.handlers[:] = handlers
    found.setLevel(level)
    found.propagate = propagate


def travelled(forwarder: LogForwarder) -> list[Entry]:
    """As the parent gets them."""
    entries: list[Entry] = pickle.loads(pickle.dumps(forwarder.take(1000)))  # noqa: S301 - our own
    return entries


@pytest.fixture
def forwarder(root: logging.Logger) -> Iterator[LogForwarder]:
    made = LogForwarder("shard-3", level=logging.INFO, queue_size=20)
    yield made
    made.close()


def test_records_of_any_content_travel_and_are_told_in_the_parents_language(
    forwarder: LogForwarder, tmp_path: Path
) -> None:
    class Word(StrEnum):
        HERE = "here"

    logger = get_logger("test")
    logger.info("Camera %s: played to its end", Word.HERE)
    logger.debug("not wanted")
    logger.error(
        "Camera %s: %s", tmp_path, OutboxUnavailable("the outbox is full: %(waiting)d captures wait", waiting=Local.ONE)
    )
    try:
        raise ZeroDivisionError("by nothing")  # noqa: TRY301 - the traceback is what is tested
    except ZeroDivisionError:
        logger.exception("%d of %d", Local.ONE, 2)
    entries = travelled(forwarder)
    forwarder.close()
    path = tmp_path / "told.txt"
    with path.open("w") as stream:
        parent = AsyncLogger([ConsoleSink(stream=stream)], clock=SystemClock())
        parent.start()
        set_language("pt_BR")
        tell(entries)
        parent.stop()
        set_language(DEFAULT_LANGUAGE)
        parent.detach()
    text = path.read_text()
    assert "Câmera here: reproduzida até o fim" in text
    assert f"Câmera {tmp_path}: " in text
    assert "1 of 2" in text
    assert "ZeroDivisionError: by nothing" in text
    assert "not wanted" not in text
    assert all(entry[5].startswith("shard-3/") for entry in entries)


def test_the_parent_blanks_its_secrets_in_a_workers_lines(forwarder: LogForwarder, tmp_path: Path) -> None:
    get_logger("test").warning("cannot open %s with %s", "rtsp://admin:hunter2@gate/1", "s3cret-word")
    entries = travelled(forwarder)
    forwarder.close()
    path = tmp_path / "told.txt"
    with path.open("w") as stream:
        parent = AsyncLogger([ConsoleSink(stream=stream)], clock=SystemClock(), secrets=["s3cret-word"])
        parent.start()
        tell(entries)
        parent.stop()
        parent.detach()
    text = path.read_text()
    assert "cannot open" in text
    assert "hunter2" not in text
    assert "s3cret" not in text


def test_what_finds_no_room_is_dropped_and_counted_but_not_warnings_at_once(forwarder: LogForwarder) -> None:
    logger = get_logger("test")
    for number in range(30):
        logger.info("%d", number)
    logger.warning("matters")
    assert forwarder.dropped == 12
    assert [entry[3] for entry in travelled(forwarder)][-1] == "matters"


class Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


def test_without_an_asynchronous_logger_lines_go_the_ordinary_way(root: logging.Logger) -> None:
    kept, ordinary = Kept(), logging.getLogger("vigia.forwarded")
    ordinary.addHandler(kept)
    entry: Entry = (0.0, ordinary.name, logging.WARNING, "%d of %s", (1, "two"), "shard-0/commit", None, {})
    try:
        tell([entry, (0.0, ordinary.name, logging.DEBUG, "unheard", (), "", None, {})])
    finally:
        ordinary.removeHandler(kept)
    assert root.name == "vigia"
    assert [record.getMessage() for record in kept.records] == ["1 of two"]
    assert kept.records[0].threadName == "shard-0/commit"
