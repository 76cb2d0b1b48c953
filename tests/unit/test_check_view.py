"""Findings as they are shown, and the page that has them all."""

import importlib.util
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from rich.console import Console

from vigia.application.diagnosis import Area, Finding, FindingKind, Status, Verdict
from vigia.application.errors import SourceAuthFailed
from vigia.bootstrap.doctor import kinds_machine, kinds_place, kinds_sites
from vigia.bootstrap.doctor.kinds import KINDS
from vigia.cli import check_view, tables
from vigia.infrastructure.i18n import catalogue, set_language

ROOT = Path(__file__).parents[2]
REFUSED = SourceAuthFailed("%(url)s refused the user or password", url="rtsp://***@10.0.0.7/live")
FINDINGS = [
    kinds_place.CONFIGURATION_VALID.of(places="config.yaml"),
    kinds_machine.CLOCK_UNSYNCED.of(),
    kinds_sites.CAMERA_REFUSED.of("[red]Portão[/red] \x1b[2J" + "x" * 40, why=REFUSED),
]


@pytest.fixture(autouse=True)
def _language() -> Iterator[None]:
    before = catalogue._Active.state
    yield
    catalogue._Active.state = before


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("vigia_scripts_check_table", ROOT / "scripts/check_table.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_has_every_finding_and_its_remedy(script: ModuleType) -> None:
    text = script.DOC.read_text(encoding="utf-8")
    assert script.with_tables(text) == text, "run scripts/check_table.py update"
    assert len(re.findall(r"^\| `[a-z]+\.[a-z-]+` \|", text, re.MULTILINE)) == len(KINDS)


def test_ids_begin_with_an_area() -> None:
    areas = {area.value for area in Area} | {"any"}
    assert {name.partition(".")[0] for name in KINDS} == areas


def test_commands_that_remedies_name_are_there() -> None:
    """``vigia cameras probe`` and so on: typed as they are told, they must not be usage errors."""
    from typer.main import get_command  # noqa: PLC0415 - needed here only

    from vigia.cli.app import app  # noqa: PLC0415 - as above

    root = get_command(app)
    told = {
        match
        for kind in KINDS.values()
        for match in re.findall(r"vigia ((?:cameras|outbox|models|web) [a-z]+)", kind.remedy)
    }
    assert len(told) > 5
    for words in told:
        group, command = words.split()
        assert command in root.commands[group].commands, words  # type: ignore[attr-defined]


@pytest.mark.parametrize("language", ["pt_BR", "en"])
@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.id)
def test_every_finding_can_be_told(kind: FindingKind, language: str) -> None:
    set_language(language)
    finding = _filled(kind, "point")
    for text in (check_view.text_of(finding), check_view.remedy_of(finding)):
        assert "%(" not in text
        assert "{'" not in text, "a place without its fact"
    assert bool(check_view.remedy_of(finding)) is (finding.status is not Status.OK)


def test_the_document_is_for_programs() -> None:
    set_language("en")
    document = json.loads(check_view.as_document(FINDINGS, Verdict.of(FINDINGS), strict=False))
    assert (document["ok"], document["errors"], document["warnings"]) == (False, 1, 1)
    assert [finding["ok"] for finding in document["findings"]] == [True, True, False]
    last = document["findings"][-1]
    assert (last["id"], last["area"], last["status"]) == ("cameras.refused", "cameras", "error")
    assert last["text"] == "rtsp://***@10.0.0.7/live refused the user or password"
    assert "%40" in last["remedy"]
    assert "%%" not in last["remedy"]


def _shown(findings: list[Finding], monkeypatch: pytest.MonkeyPatch, columns: int) -> list[str]:
    file = io.StringIO()

    def terminal(**options: object) -> Console:
        return Console(file=file, force_terminal=True, width=columns, color_system=None, markup=False, highlight=False)

    monkeypatch.setattr(tables, "Console", terminal)
    check_view.show(findings, Verdict.of(findings))
    return re.sub(r"\x1b\[[0-9;]*m", "", file.getvalue()).splitlines()


@pytest.mark.parametrize("language", ["pt_BR", "en"])
def test_eighty_columns_are_enough(language: str, monkeypatch: pytest.MonkeyPatch) -> None:
    set_language(language)
    everything = [_filled(kind, "a camera with a long name") for kind in KINDS.values()]
    lines = _shown(everything, monkeypatch, 80)
    assert max(map(len, lines)) <= 80
    assert sum(line.lstrip().startswith("→") for line in lines) == sum(bool(kind.remedy) for kind in KINDS.values())


def _filled(kind: FindingKind, point: str) -> Finding:
    """A finding with every place filled: a number where one is asked for."""
    facts: dict[str, object] = {
        name: 7 if form in "dfg" else "word"
        for name, form in re.findall(r"%\((\w+)\)[^a-z%]*([a-z])", kind.text + kind.remedy)
    }
    return Finding(kind, Area.DISK, point, facts, is_named=True)


def test_a_name_is_no_markup_and_moves_no_cursor(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "\n".join(_shown(FINDINGS, monkeypatch, 80))
    assert "[red]" in text
    assert "\x1b" not in text
    assert text.splitlines()[-1].strip() in {"errors: 1, warnings: 1", "erros: 1, avisos: 1"}


def test_in_a_pipe_a_finding_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    set_language("en")
    check_view.show(FINDINGS, Verdict.of(FINDINGS))
    out = capsys.readouterr().out
    assert "\x1b" not in out
    lines = out.splitlines()
    assert [line.strip()[0] for line in lines if line.startswith(" ")] == ["✓", "!", "→", "✗", "→"]
    assert lines[0] == "Configuration"


def test_all_is_well(capsys: pytest.CaptureFixture[str]) -> None:
    set_language("en")
    check_view.show(FINDINGS[:1], Verdict.of(FINDINGS[:1]))
    assert capsys.readouterr().out.splitlines()[-1] == "everything is as it should be"
