"""The console for people and the rotating file for machines."""

import io
import json
import logging
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigia.application.errors import ConfigurationError
from vigia.infrastructure.i18n import catalogue, set_language
from vigia.infrastructure.logging import ConsoleSink, JsonFileSink, Line

CREATED_S = datetime(2026, 1, 5, 8, 0, 0, 250_000, tzinfo=UTC).timestamp()
LOCAL = datetime.fromtimestamp(CREATED_S, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _line(message: str = "told", level: int = logging.INFO, **fields: Any) -> Line:
    return Line(
        created_s=CREATED_S,
        levelno=level,
        level=logging.getLevelName(level),
        logger="vigia.x",
        message=message,
        msgid=fields.pop("msgid", "told"),
        thread="main",
        **fields,
    )


@pytest.fixture(autouse=True)
def _portuguese() -> Iterator[None]:
    before = catalogue._Active.state
    set_language("pt_BR")
    yield
    catalogue._Active.state = before


class Terminal(io.StringIO):
    """A stream that calls itself a terminal."""

    def isatty(self) -> bool:
        return True


def test_the_console_shows_time_level_and_message() -> None:
    stream = io.StringIO()
    ConsoleSink(stream=stream).write([_line("um"), _line("dois", logging.ERROR), _line("três", logging.WARNING)])
    assert stream.getvalue() == f"{LOCAL} INFO     um\n{LOCAL} ERRO     dois\n{LOCAL} AVISO    três\n"


@pytest.mark.parametrize(
    ("level", "label"),
    [(logging.DEBUG, "DEBUG"), (logging.INFO + 1, "INFO"), (logging.CRITICAL, "CRÍTICO")],
)
def test_levels_are_told_in_the_language_in_use(level: int, label: str) -> None:
    stream = io.StringIO()
    ConsoleSink(stream=stream).write([_line(level=level)])
    assert f" {label} " in stream.getvalue()


def test_colour_only_on_a_terminal_that_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    coloured, plain, unwanted = Terminal(), io.StringIO(), Terminal()
    for stream in (coloured, plain):
        ConsoleSink(stream=stream).write([_line(level=logging.ERROR)])
    monkeypatch.setenv("NO_COLOR", "1")
    ConsoleSink(stream=unwanted).write([_line(level=logging.ERROR)])
    assert "\x1b[31m" in coloured.getvalue()
    assert "\x1b" not in plain.getvalue() + unwanted.getvalue()


def test_a_traceback_is_shown_below_and_can_be_left_out() -> None:
    shown, hidden = io.StringIO(), io.StringIO()
    line = _line("failed", exc="Traceback:\n  ValueError")
    ConsoleSink(stream=shown).write([line])
    ConsoleSink(stream=hidden, tracebacks=False).write([line])
    assert shown.getvalue() == f"{LOCAL} INFO     failed\n    Traceback:\n      ValueError\n"
    assert hidden.getvalue() == f"{LOCAL} INFO     failed\n"


def test_a_message_cannot_move_the_cursor_or_forge_a_line() -> None:
    stream = io.StringIO()
    ConsoleSink(stream=stream).write([_line("a\x1b[2Jb\rc\n2026-01-05 08:00:00 INFO     forged")])
    first, second = stream.getvalue().splitlines()
    assert first.endswith(r"a\x1b[2Jb\x0dc")
    assert second.startswith("    2026")


def test_the_console_is_whatever_standard_error_is_at_the_time(capsys: pytest.CaptureFixture[str]) -> None:
    sink = ConsoleSink()
    sink.write([_line("captured")])
    assert "captured" in capsys.readouterr().err


def test_a_process_without_a_console_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    ConsoleSink().write([_line()])


def _objects(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_the_file_holds_one_json_object_a_line(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "vigia.jsonl"
    sink = JsonFileSink(path)
    sink.write([_line("três\nlinhas", msgid="three"), _line(exc="Traceback", extra={"camera": "gate", "n": 2})])
    sink.close()
    assert _objects(path) == [
        {
            "ts": "2026-01-05T08:00:00.250+00:00",
            "level": "INFO",
            "logger": "vigia.x",
            "message": "três\nlinhas",
            "msgid": "three",
            "thread": "main",
        },
        {
            "ts": "2026-01-05T08:00:00.250+00:00",
            "level": "INFO",
            "logger": "vigia.x",
            "message": "told",
            "msgid": "told",
            "thread": "main",
            "exc": "Traceback",
            "extra": {"camera": "gate", "n": 2},
        },
    ]


def test_the_file_is_appended_to(tmp_path: Path) -> None:
    path = tmp_path / "vigia.jsonl"
    for message in ("first run", "second run"):
        sink = JsonFileSink(path)
        sink.write([_line(message)])
        sink.close()
        sink.close()
    assert [entry["message"] for entry in _objects(path)] == ["first run", "second run"]


def test_a_name_that_is_no_utf8_costs_nothing(tmp_path: Path) -> None:
    path = tmp_path / "vigia.jsonl"
    sink = JsonFileSink(path)
    sink.write([_line("file \udcff"), _line("next")])
    assert "next" in path.read_text(encoding="utf-8")


@given(
    batches=st.lists(st.lists(st.integers(0, 400), max_size=6), max_size=8),
    backups=st.integers(0, 3),
)
def test_rotation_keeps_the_newest_lines_whole_and_within_bounds(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[int]], backups: int
) -> None:
    path = tmp_path_factory.mktemp("rotation") / "vigia.jsonl"
    sink = JsonFileSink(path, bytes_max=1000, backups=backups)
    number = 0
    for batch in batches:
        lines = []
        for padding in batch:
            lines.append(_line(f"{number} {'x' * padding}"))
            number += 1
        sink.write(lines)
    sink.close()
    files = sorted(path.parent.iterdir(), key=lambda file: file.suffix, reverse=True)
    names = [path.with_name(f"{path.name}.{n}") for n in range(len(files) - 1, 0, -1)]
    assert set(files) == {*names, path}
    assert len(files) <= backups + 1
    assert all(file.stat().st_size <= 1000 for file in files)
    kept = [int(entry["message"].split()[0]) for file in (*names, path) for entry in _objects(file)]
    assert kept == list(range(number - len(kept), number))
    if number:
        assert kept


def test_a_line_larger_than_a_file_gets_a_file_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "vigia.jsonl"
    sink = JsonFileSink(path, bytes_max=300, backups=3)
    sink.write([_line("a"), _line("x" * 1000), _line("b")])
    sink.close()
    sizes = {name: len(_objects(tmp_path / name)) for name in ("vigia.jsonl", "vigia.jsonl.1", "vigia.jsonl.2")}
    assert sizes == {"vigia.jsonl": 1, "vigia.jsonl.1": 1, "vigia.jsonl.2": 1}


def test_a_path_that_cannot_be_written_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ConfigurationError, match="cannot be written") as raised:
        JsonFileSink(tmp_path / "file" / "vigia.jsonl")
    assert isinstance(raised.value.__cause__, OSError)


@pytest.mark.parametrize(("bytes_max", "backups"), [(0, 1), (100, -1)])
def test_a_file_without_room_is_refused(tmp_path: Path, bytes_max: int, backups: int) -> None:
    with pytest.raises(ConfigurationError, match="room"):
        JsonFileSink(tmp_path / "vigia.jsonl", bytes_max=bytes_max, backups=backups)


def test_after_a_failure_the_file_is_opened_anew() -> None:
    sink = JsonFileSink(Path("/dev/full"), bytes_max=10**9)  # every write fails: no space left
    with pytest.raises(OSError, match="No space"):
        sink.write([_line()])
    assert sink._fd is None
    with pytest.raises(OSError, match="No space"):
        sink.write([_line()])
