"""``vigia bench`` as it is typed: what it prints where, and the exit code."""

import importlib.util
import json
from pathlib import Path

import pytest

from vigia.bench import machine, runner
from vigia.bench.registry import BENCHES, BenchEntry
from vigia.bench.report import Outcome
from vigia.bench.runner import BenchRunner
from vigia.cli import bench_command, main
from vigia.infrastructure.i18n import catalogue

Captured = pytest.CaptureFixture[str]

GOOD = """
from vigia.bench.result import BenchResult, Chart, ChartKind, Series, Table, Verdict

def run(context):
    chart = Chart("c", ChartKind.BARS, "ms", (Series("a", (1.0,)),), categories=("one",))
    tables = (Table("the table", ("a", "b"), (("x", "1"),)),)
    return BenchResult("good", "a title", tables, chart, (Verdict("lock", "too long", held=False),))
"""


@pytest.fixture(autouse=True)
def _staged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two benchmarks, one of which fails; an empty working directory; English."""
    (tmp_path / "staged_good.py").write_text(GOOD, encoding="utf-8")
    (tmp_path / "staged_bad.py").write_text("def run(context): raise OSError('no luck')\n", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VIGIA_LANGUAGE", "en")
    monkeypatch.setattr(catalogue._Active, "state", catalogue._Active.state)
    monkeypatch.setattr(machine, "BUSY_PROBE_S", 0.001)
    staged = (BenchEntry("good", "staged_good", "works"), BenchEntry("bad", "staged_bad", "does not"))
    monkeypatch.setattr(runner, "BENCHES", staged)
    monkeypatch.setattr(runner, "WITHOUT_CLIPS", frozenset({"good", "bad"}))


def test_tables_go_to_standard_output_and_progress_to_standard_error(capsys: Captured) -> None:
    assert main(["bench", "good", "--quick"]) == 0  # a missed promise is no failure
    out, err = capsys.readouterr()
    assert "the table" in out
    assert "What was promised" in out
    assert "too long" in out
    assert "[1/1] good: works" in err
    assert "[1/1] good: done in" in err
    assert "the table" not in err
    written = {path.name for path in Path("bench-results").iterdir()}
    assert written == {"good.txt", "good.json", "good.png", "summary.txt", "summary.json"}


def test_a_benchmark_that_fails_does_not_stop_the_others(capsys: Captured) -> None:
    assert main(["bench", "bad", "good", "--out", "here", "--json"]) == 1
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert [(one["name"], one["failure"] is None) for one in document["benchmarks"]] == [("good", True), ("bad", False)]
    assert "[2/2] bad: failed after" in err
    assert Path("here/good.txt").is_file()
    assert "no luck" in Path("here/bad.txt").read_text(encoding="utf-8")


def test_ctrl_c_ends_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> Outcome:
        raise KeyboardInterrupt

    monkeypatch.setattr(BenchRunner, "run", interrupted)
    assert main(["bench", "good"]) == 130


@pytest.mark.parametrize(
    ("language", "told"),
    [
        ("en", "Error: there is no benchmark god; did you mean good?\n"),
        ("pt_BR", "Erro: não existe o benchmark god; quis dizer good?\n"),
    ],
)
def test_an_unknown_name_is_a_usage_error(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch, language: str, told: str
) -> None:
    monkeypatch.setenv("VIGIA_LANGUAGE", language)
    assert main(["bench", "god"]) == 2
    assert capsys.readouterr() == ("", told)


def test_a_missing_extra_is_told_before_anything_runs(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "cv2" else found(name))
    assert main(["bench"]) == 2
    assert capsys.readouterr() == ("", "Error: the benchmarks need cv2: run pip install 'vigia[bench]'\n")
    assert not Path("bench-results").exists()


def test_weights_that_are_not_there_are_told(capsys: Captured) -> None:
    assert main(["bench", "--weights", "nowhere"]) == 2
    assert "nowhere is not a directory" in capsys.readouterr().err


def test_the_list_needs_nothing(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_command, "NEEDED", ("not_installed_at_all",))
    monkeypatch.setattr(runner, "BENCHES", BENCHES)
    assert main(["bench", "--list"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [entry.name for entry in BENCHES]


def test_the_gallery_belongs_to_quality(capsys: Captured) -> None:
    assert main(["bench", "good", "--gallery"]) == 2
    assert "vigia bench quality --gallery" in capsys.readouterr().err
