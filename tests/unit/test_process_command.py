"""``vigia process``: its mistakes, its exit codes and what it prints, with the real hot path on tiny clips."""

import json
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from vigia.cli import main
from vigia.infrastructure.demo import DemoClip
from vigia.infrastructure.i18n import language, set_language

START = "2026-01-31T08:00:00-03:00"
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("VIGIA_", "FINDFACE_"))]:
        monkeypatch.delenv(name)
    before = language()

    def once(*arguments: str) -> tuple[int, str, str]:
        try:
            code = main(["process", *arguments])
        finally:
            set_language(before)
        told = capfd.readouterr()
        return code, told.out, told.err

    return once


def test_mistakes_are_told_with_exit_code_2(run: Run, clips: list[DemoClip], tmp_path: Path) -> None:
    clip = str(clips[0].path)
    (tmp_path / "empty").mkdir()
    for arguments, text in (
        ((str(tmp_path / "empty"),), "não há vídeo na pasta"),
        ((str(tmp_path / "nothing.mp4"),), "não existe"),
        (("rtsp://camera/1",), "é um endereço"),
        ((clip, str(clips[1].path), "--start", START), "--start"),
        ((clip, "--start", "yesterday"), "--start"),
        ((clip, "--camera", "cam1"), "--send"),
        ((clip, "--set", "detector.cadence_k=99"), "detector.cadence_k"),
        ((clip, "--out", "/proc/vigia"), "/proc/vigia"),
        ((), "VIDEO"),
    ):
        code, _, told = run(*arguments)
        assert code == 2, told
        assert text in told
        assert "Traceback" not in told
    assert not (tmp_path / "vigia-report").exists()


def test_one_bad_video_is_exit_code_1_and_the_others_go_on(run: Run, clips: list[DemoClip], tmp_path: Path) -> None:
    (tmp_path / "text\x1b[31m.mp4").write_text("hello")
    arguments = (str(tmp_path / "text\x1b[31m.mp4"), str(clips[0].path))
    code, out, told = run(*arguments, "--json")
    assert code == 1
    assert Counter(one["fate"] for one in json.loads(out)["videos"]) == {"failed": 1, "done": 1}
    assert "isto não é um vídeo" in told
    assert "\x1b" not in told
    code, out, _ = run(*arguments[1:], "--set", "language=pt_BR")
    assert code == 0
    assert "já estava pronto" in out
    assert (tmp_path / "vigia-report" / clips[0].path.stem / "report.html").is_file()


def test_progress_is_told_in_lines_where_there_is_no_terminal(run: Run, clips: list[DemoClip]) -> None:
    code, out, told = run(str(clips[0].path), "--set", "language=en")
    assert code == 0
    assert "seconds of video: 100 %" in told
    assert "captures of" in out
    assert "times real time" in out
