"""``--set``, and tables of what cameras and servers say of themselves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table

from vigia.application.errors import ConfigurationError
from vigia.cli.options import parse_overrides
from vigia.cli.tables import add_row, print_table

KEYS = st.from_regex(r"[a-z_]+(\.[a-z_]+)?", fullmatch=True)


@pytest.fixture(autouse=True)
def _no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "COLUMNS"):
        monkeypatch.delenv(variable, raising=False)


def printed(*rows: tuple[str, ...], style: str | None = None) -> None:
    table = Table(box=None, padding=(0, 2), show_header=False)
    for row in rows:
        add_row(table, row, style=style)
    print_table(table)


def test_nothing_overrides_nothing() -> None:
    assert parse_overrides(None) == {}
    assert parse_overrides([]) == {}


@given(st.lists(st.tuples(KEYS, st.text()), max_size=5))
def test_the_value_is_all_that_follows_the_first_sign_and_the_last_one_counts(pairs: list[tuple[str, str]]) -> None:
    assert parse_overrides([f"{key}={value}" for key, value in pairs]) == dict(pairs)


def test_blanks_around_a_key_do_not_matter_those_of_a_value_do() -> None:
    assert parse_overrides([" detector.cadence_k = 3 ", "language="]) == {"detector.cadence_k": " 3 ", "language": ""}


@pytest.mark.parametrize(
    ("item", "named"), [("detector.cadence_k", "detector.cadence_k"), ("=3", "…"), (" =3", "…"), ("", "…")]
)
def test_what_is_no_override_is_refused_by_name(item: str, named: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_overrides(["language=en", item])
    assert caught.value.facts == {"key": named}
    assert str(caught.value).startswith(f"--set {named}: ")


def test_a_value_behind_the_wrong_sign_is_not_repeated() -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_overrides(["findface.password:hunter2"])
    assert "findface.password" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_row_is_one_line_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    words = "word " * 60
    printed(("1", words.strip()), ("200", "short"), style="red")
    assert capsys.readouterr().out == f"  1      {words.strip()}\n  200    short\n"


def test_names_are_neither_markup_nor_pictograms_nor_commands(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ("[bold]Gate[/bold]", "[/]", ":smile:", "\x1b[2Jgone")
    printed(names)
    plain = capsys.readouterr().out
    monkeypatch.setenv("FORCE_COLOR", "1")
    printed(names, style="red")
    on_terminal = capsys.readouterr().out
    for shown in (plain, on_terminal):
        assert "[bold]Gate[/bold]" in shown
        assert "[/]" in shown
        assert ":smile:" in shown
        assert r"\x1b[2Jgone" in shown
        assert "\x1b[2J" not in shown
    assert "\x1b" not in plain
    assert "\x1b[31m" in on_terminal
