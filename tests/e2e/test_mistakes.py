"""An operator's mistakes: one clear line, in both languages, the right exit code, no traceback, no password."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from running import SECRET, Site, environment

LANGUAGES = ("pt_BR", "en")
LABEL = {"pt_BR": "Erro: ", "en": "Error: "}


def error_lines(text: str, language: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith(LABEL[language])]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_wrong_password(site: Site, language: str) -> None:
    settings = yaml.safe_load((site.root / "config.yaml").read_text(encoding="utf-8"))
    site.configure(**settings, language=language)
    code, out, err = site.run("run", FINDFACE_PASSWORD="another-s3cret")
    assert code == 2
    (line,) = error_lines(err, language)
    assert "FindFace" in line
    assert "Traceback" not in out + err
    assert "another-s3cret" not in out + err


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_unknown_key(site: Site, language: str) -> None:
    (site.root / "config.yaml").write_text("detector:\n  cadense_k: 3\n", encoding="utf-8")
    code, out, err = site.run("run", VIGIA_LANGUAGE=language)
    assert code == 2
    (line,) = error_lines(err, language)
    assert "config.yaml" in line
    assert "2" in line
    assert "detector.cadence_k" in line
    assert "Traceback" not in out + err


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_missing_variable(site: Site, language: str) -> None:
    code, _, err = site.run("run", VIGIA_LANGUAGE=language, FINDFACE_PASSWORD="")
    assert code == 2
    (line,) = error_lines(err, language)
    assert "FINDFACE_PASSWORD" in line


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("place", ["a file in the way", "no such system"])
def test_a_directory_that_cannot_be_written(site: Site, language: str, place: str) -> None:
    (site.root / "in-the-way").touch()
    directory = str(site.root / "in-the-way" / "data") if place == "a file in the way" else "/proc/vigia"
    code, out, err = site.run("run", VIGIA_LANGUAGE=language, VIGIA_DATA_DIR=directory)
    assert code == 2
    (line,) = error_lines(err, language)
    assert directory in line
    assert "Traceback" not in out + err


def test_a_camera_that_does_not_exist_is_told_and_costs_the_others_nothing(site: Site) -> None:
    settings = yaml.safe_load((site.root / "config.yaml").read_text(encoding="utf-8"))
    settings["cameras"][0]["url"] = f"rtsp://admin:{SECRET}@127.0.0.1:9/live"
    settings["cameras"].append({"id": "gone", "url": str(site.root / "no-such.mp4"), "findface_id": 9, "token": "x"})
    site.configure(**settings)
    code, out, err = site.run("run", "--duration", "6")
    assert code == 0
    assert "rtsp://***@127.0.0.1:9/live" in err
    assert "no-such.mp4" in err
    assert SECRET not in out + err
    assert "Traceback" not in out + err
    code, out, err = site.run("check", "--no-capacity", timeout_s=90.0)
    assert code == 1
    assert out.count("✗") == 3  # both, and FindFace does not know the second one
    assert SECRET not in out + err


def test_a_second_vigia_in_the_same_directory_is_refused(site: Site) -> None:
    first = site.start("run")
    first.wait_committed()
    code, _, err = site.run("run", VIGIA_LANGUAGE="en", VIGIA_LOG__FILE=str(site.root / "other.jsonl"))
    assert code == 2
    assert "outbox" in err


def test_usage_errors_end_with_2(site: Site) -> None:
    assert site.run("run", "--no-such-option")[0] == 2
    assert site.run("run", "--set", "novalue")[0] == 2
    assert site.run("nonsense")[0] == 2


def test_the_small_commands_answer(site: Site) -> None:
    code, out, _ = site.run("--version")
    assert (code, out.split()[0]) == (0, "vigia")
    code, out, _ = site.run("models", "list", "--json")
    assert code == 0
    assert "centerface" in out
    code, out, _ = site.run("cameras", "list")
    assert code == 0
    assert "cam1" in out
    code, out, err = site.run("check", "--json", "--no-capacity", timeout_s=90.0)
    assert code == 0, out + err


def test_run_py_is_the_same_as_vigia_run() -> None:
    script = Path(__file__).resolve().parents[2] / "run.py"
    done = subprocess.run(
        [sys.executable, str(script), "--help"],
        capture_output=True,
        text=True,
        env=environment(),
        timeout=60,
        check=False,
    )
    assert done.returncode == 0
    assert "--duration" in done.stdout
