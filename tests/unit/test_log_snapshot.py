"""What waits in the queue, and how it is told afterwards."""

import json
import logging
import sys
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vigia.application.errors import ConfigurationError, SourceUnreachable
from vigia.infrastructure.i18n import catalogue, set_language
from vigia.infrastructure.logging.lines import MESSAGE_MAX, Line, LineFormatter
from vigia.infrastructure.logging.redaction import Redactor
from vigia.infrastructure.logging.snapshot import TEXT_MAX, entry_of, held, held_arguments


def _record(msg: object, *args: object, **attributes: Any) -> logging.LogRecord:
    record = logging.LogRecord("vigia.x", logging.INFO, "", 0, "", args, None)
    record.msg = msg
    record.__dict__.update(attributes)
    return record


def _line(msg: object, *args: object, **attributes: Any) -> Line:
    return LineFormatter(Redactor()).line(entry_of(_record(msg, *args, **attributes)))


class Colour(Enum):
    RED = 1


class Celsius(float):
    """A number that carries more than itself."""


@pytest.mark.parametrize(
    ("template", "value", "told"),
    [
        ("%d", 3, "3"),
        ("%.3f", 0.85, "0.850"),
        ("%.1f", np.float32(0.5), "0.5"),
        ("%d", np.int64(7), "7"),
        ("%.1f", Celsius(20.5), "20.5"),
        ("%s", True, "True"),
        ("%s", None, "None"),
        ("%s", Path("/a/b"), "/a/b"),
        ("%.2f", Decimal("1.50"), "1.50"),
        ("%s", datetime(2026, 1, 5, tzinfo=UTC), "2026-01-05 00:00:00+00:00"),
        ("%s", Colour.RED, "Colour.RED"),
        ("%r", "text", "'text'"),
        ("%r", ["text"], "['text']"),
        ("%s", ["text"], "['text']"),
        ("%s", np.zeros(2), "[0. 0.]"),
        ("%s", np.zeros((720, 1280), np.uint8), "<uint8 array (720, 1280)>"),
        ("%s", b"x" * 300_000, "<300000 bytes>"),
        ("%s", b"short", "b'short'"),
        ("%s", OSError("no route"), "no route"),
        ("%s", TimeoutError(), "TimeoutError"),
    ],
)
def test_a_value_is_told_as_it_would_have_been(template: str, value: object, told: str) -> None:
    assert _line(template, value).message == told


def test_what_changes_after_the_call_does_not_change_the_line() -> None:
    boxes, names = np.array([1.0, 2.0]), ["gate"]
    entry = entry_of(_record("%s %s", boxes, names))
    boxes[0] = 99.0
    names.append("door")
    assert LineFormatter(Redactor()).line(entry).message == "[1. 2.] ['gate']"


def test_named_places() -> None:
    assert _line("%(a)s %(b).1f", {"a": "x", "b": np.float64(2)}).message == "x 2.0"
    assert held_arguments("%(a)s", ({"a": 1},)) == {"a": 1}
    assert held_arguments("%s", ({},)) != {}


def _missing(name: str) -> None:
    raise KeyError(name)


class Broken:
    def __str__(self) -> str:
        raise RuntimeError("cannot")

    def __repr__(self) -> str:
        raise RuntimeError("cannot")


def test_an_object_that_cannot_tell_itself_costs_nobody_anything() -> None:
    assert _line("%s and %s", Broken(), 1).message == "<Broken: RuntimeError> and 1"
    assert _line("%r", Broken()).message == "<Broken: RuntimeError>"
    assert _line(Broken()).message == "<Broken: RuntimeError>"


def test_a_message_may_be_any_object() -> None:
    assert _line(ValueError("told")).message == "told"
    assert _line(["a", 1]).message == "['a', 1]"


def test_an_error_is_told_in_the_language_of_the_moment_when_it_is_written() -> None:
    error = SourceUnreachable(
        "camera: %(why)s", why=ConfigurationError("the catalogue of language %(language)s is missing", language="fr")
    )
    entry = entry_of(_record("%s / %r", error, error))
    before = catalogue._Active.state
    try:
        set_language("pt_BR")
        told = LineFormatter(Redactor()).line(entry).message
    finally:
        catalogue._Active.state = before
    assert "falta o catálogo do idioma fr" in told
    assert "SourceUnreachable(" in told


def test_arguments_that_do_not_fit_are_shown_and_counted() -> None:
    formatter = LineFormatter(Redactor())
    assert formatter.line(entry_of(_record("%d faces", "three"))).message == "%d faces ('three',)"
    assert formatter.line(entry_of(_record("%d of %d", 1))).message == "%d of %d (1,)"
    assert formatter.misfits == 2


def test_a_message_without_arguments_is_not_filled_in() -> None:
    assert _line("100% of it").message == "100% of it"


def test_texts_are_cut() -> None:
    assert len(str(held(["x" * 10_000]))) == TEXT_MAX + 1
    assert len(_line("%s", "x" * 100_000).message) == MESSAGE_MAX + 1


def test_a_traceback_is_told_whole_with_its_cause() -> None:
    try:
        try:
            _missing("inner")
        except KeyError as error:
            raise ConfigurationError("outer token=s3cr3t") from error
    except ConfigurationError:
        line = _line("failed", exc_info=sys.exc_info())
    assert "KeyError: 'inner'" in line.exc
    assert "ConfigurationError: outer token=***" in line.exc
    assert '_missing("inner")' in line.exc  # the source line, looked up only now
    assert not line.exc.endswith("\n")


def test_no_exception_no_traceback() -> None:
    assert _line("fine", exc_info=(None, None, None)).exc == ""
    assert _line("fine", exc_text="told before").exc == "told before"


def test_extra_values_are_kept_redacted_and_fit_json() -> None:
    line = _line("m", camera="gate", score=np.float32(0.5), url="rtsp://a:b@c/", flag=True, nothing=None)
    assert line.extra == {"camera": "gate", "score": 0.5, "url": "rtsp://***@c/", "flag": True, "nothing": None}
    assert json.loads(json.dumps(dict(line.extra)))["score"] == 0.5


def test_the_id_stays_english_and_unfilled() -> None:
    line = _line("GC #%d: %d objects collected", 1, 245)
    assert line.msgid == "GC #%d: %d objects collected"
    assert line.level == "INFO"
