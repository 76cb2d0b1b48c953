"""Progress of long jobs: lines where there is no terminal, a bar where there is one."""

from collections.abc import Iterator

import pytest

from vigia.cli.progress import LABELS, RichProgress
from vigia.infrastructure.i18n import catalogue, set_language, translate

JOB = LABELS[0]


@pytest.fixture(autouse=True)
def _no_terminal_and_the_language_restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for variable in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(variable, raising=False)
    before = catalogue._Active.state
    set_language("en")
    yield
    catalogue._Active.state = before


def shown(capsys: pytest.CaptureFixture[str], steps: list[int], *, total: int) -> list[str]:
    with RichProgress().task(JOB, total) as task:
        for step in steps:
            task.advance(step)
    out, err = capsys.readouterr()
    assert out == ""
    return [line.removeprefix(f"{JOB}: ") for line in err.splitlines()]


def test_a_line_every_tenth_and_none_in_between(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, [1] * 200, total=200) == [f"{percent} %" for percent in range(0, 101, 10)]


def test_a_long_stride_tells_only_where_it_came_to(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, [1, 1, 1], total=3) == ["30 %", "60 %", "100 %"]


def test_more_than_all_is_told_once_as_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, [4, 4, 4, 400], total=8) == ["50 %", "100 %"]


def test_a_job_of_nothing_is_done_with_its_first_step(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, [1, 1], total=0) == ["100 %"]


def test_a_job_that_does_nothing_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, [], total=5) == []


def test_the_label_is_told_in_portuguese(capsys: pytest.CaptureFixture[str]) -> None:
    set_language("pt_BR")
    with RichProgress().task(JOB, 2) as task:
        task.advance()
    assert capsys.readouterr().err == "câmeras de demonstração: 50 %\n"
    assert all(translate(label) != label for label in LABELS)


def test_on_a_terminal_it_is_a_bar(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    set_language("pt_BR")
    with RichProgress().task(JOB, 20) as task:
        task.advance(20)
    out, err = capsys.readouterr()
    assert out == ""
    assert "câmeras de demonstração" in err
    assert "20/20" in err
    assert " %" not in err
