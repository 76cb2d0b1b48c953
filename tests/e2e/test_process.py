"""``vigia process`` as a person uses it: killed and started again, without room, with FindFace, in a browser."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from browser import chromium_running, needs_chromium
from long_clip import repeated
from running import Program, Site, wait_for
from vigia.infrastructure.demo import DemoClip

FASTER = ("--set", "detector.min_face_px=60", "--set", "tracks.filter_min_size=50")
START = "2026-01-31T08:00:00-03:00"


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def wait_half_done(site: Site, program: Program, out: Path, name: str) -> None:
    wait_for(
        lambda: list((out / f".{name}.part" / "faces").glob("capture-*")) or program.process.poll() is not None,
        timeout_s=40,
        what="a half-done report with a capture in it",
    )
    assert program.process.poll() is None, program.stderr()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_interrupted_it_goes_on_where_it_was(site: Site, clips: list[DemoClip], tmp_path: Path, how: int) -> None:
    videos, out = tmp_path / "videos", tmp_path / "out"
    videos.mkdir()
    shutil.copy(clips[0].path, videos / "1-first.mp4")
    assert site.run("process", str(videos), "--out", str(out), *FASTER)[0] == 0
    first = (out / "1-first" / "report.json").stat().st_mtime_ns
    repeated(clips[1].path, videos / "2-long.mp4", times=12)

    program = site.start("process", str(videos), "--out", str(out), *FASTER)
    wait_half_done(site, program, out, "2-long")
    program.process.send_signal(how)
    assert program.end(30) == (-signal.SIGKILL if how == signal.SIGKILL else 130), program.stderr()
    assert not (out / "2-long").exists()
    assert (out / ".2-long.part").exists() == (how == signal.SIGKILL)

    code, told, _ = site.run("process", str(videos), "--out", str(out), "--json", *FASTER)
    assert code == 0
    fates = {Path(one["video"]).stem: one["fate"] for one in json.loads(told)["videos"]}
    assert fates == {"1-first": "known", "2-long": "done"}
    assert (out / "1-first" / "report.json").stat().st_mtime_ns == first
    assert sorted(path.name for path in out.iterdir()) == [".vigia-process.lock", "1-first", "2-long"]
    captures = lines_of(out / "2-long" / "captures.jsonl")
    assert [one["capture"] for one in captures] == list(range(1, len(captures) + 1))
    pictures = {path.name for path in (out / "2-long" / "faces").glob("capture-*")}
    assert pictures == {Path(one["picture"]).name for one in captures}


def test_a_full_disk_is_told_and_leaves_nothing_half(site: Site, clips: list[DemoClip], tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copy(clips[0].path, tmp_path / "clip.mp4")
    # The kernel refuses files above a size, as a full disk would.
    command = [sys.executable, "-m", "vigia", "process", "clip.mp4", "--out", str(out), "--annotate", *FASTER]
    done = subprocess.run(
        ["/bin/sh", "-c", 'ulimit -f 20; exec "$@"', "sh", *command],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | {"VIGIA_LANGUAGE": "en"},
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert "the report cannot be written: File too large" in done.stderr
    assert "Traceback" not in done.stderr
    assert not [path for path in out.iterdir() if path.is_dir()]


def test_it_asks_which_camera_the_captures_are_of(site: Site, clips: list[DemoClip], tmp_path: Path) -> None:
    for arguments, text in (((), "Entrada, Recepção"), (("--camera", "cam9"), "cam9")):
        code, _, told = site.run("process", str(clips[0].path), "--send", *arguments, "--out", str(tmp_path / "out"))
        assert code == 2, told
        assert text in told
        assert "Traceback" not in told
    assert site.stand_in.events() == []


def test_captures_are_delivered_once_whatever_kills_it(site: Site, clips: list[DemoClip], tmp_path: Path) -> None:
    video, out = repeated(clips[0].path, tmp_path / "gate.mp4", times=8), tmp_path / "out"
    command = ("process", str(video), "--out", str(out), "--send", "--camera", "cam1", "--start", START, *FASTER)
    program = site.start(*command)
    wait_for(
        lambda: site.stand_in.events() or program.process.poll() is not None, timeout_s=40, what="a capture at FindFace"
    )
    program.process.kill()
    program.end(10)

    code, _, told = site.run(*command)
    assert code == 0, told
    captures = lines_of(out / "gate" / "captures.jsonl")
    events = site.stand_in.events()
    assert len(captures) >= 10
    assert len(events) == len(captures), "each at FindFace, and none twice"
    assert all(event["camera"] == 1 for event in events)
    moments = {_milliseconds(event["timestamp"]) for event in events}
    assert moments == {_milliseconds(capture["at_utc"]) for capture in captures}
    assert min(moments).startswith("2026-01-31T11:00:0")

    code, told, _ = site.run(*command)
    assert (code, len(site.stand_in.events())) == (0, len(events)), "done before: nothing is sent again"
    code, _, told = site.run(*command, "--force")
    assert (code, len(site.stand_in.events())) == (0, len(events)), told


def _milliseconds(text: str) -> str:
    return text.replace("Z", "").split("+", maxsplit=1)[0][:23]


@needs_chromium
@pytest.mark.parametrize("language", ["pt_BR", "en"])
def test_the_page_opens_from_disk(site: Site, clips: list[DemoClip], tmp_path: Path, language: str) -> None:
    video = tmp_path / "<img src=x onerror=alert(1)>.mp4"
    shutil.copy(clips[0].path, video)
    code, told, _ = site.run("process", str(video), "--json", "--set", f"language={language}", *FASTER)
    assert code == 0
    page_file = site.root / json.loads(told)["videos"][0]["report"] / "report.html"
    with chromium_running() as browser:
        for scheme, width in (("light", 1280), ("dark", 360)):
            context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 800})
            page = context.new_page()
            said: list[str] = []
            asked: list[str] = []
            page.on("console", lambda message, said=said: said.append(message.text))
            page.on("pageerror", lambda error, said=said: said.append(str(error)))
            page.on("dialog", lambda dialog, said=said: said.append(dialog.message))
            page.on("request", lambda request, asked=asked: asked.append(request.url))
            page.goto(page_file.as_uri())
            page.wait_for_function("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
            assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
            assert len([url for url in asked if url.startswith("file:")]) == 1, "the page itself and nothing beside it"
            assert said == []
            assert page.locator("h1").inner_text() == video.name
            assert page.locator("article img").count() >= 2
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing to scroll sideways"
            assert page.get_by_text("Melhores imagens" if language == "pt_BR" else "Best shots").is_visible()
            ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
            assert (ground == "rgb(18, 22, 28)") == (scheme == "dark")
            context.close()
