"""How programs end: the stand-in with the demo that started it, what a stop leaves, what mistakes show."""

import json
import re
import shutil
import signal
from typing import Any

import psutil
import pytest
import yaml

from running import SECRET, Site, wait_for
from vigia.infrastructure.demo import DemoClip, DemoSpec

SEVEN = (
    r"✓ MemoryManager iniciado \(intervalo: 5\.0s\)",
    r"✓ AsyncLogger iniciado \(queue size: 10000\)",
    r"✓ Pool de conexões httpx configurado \(max_connections=20\)",
    r"GC #1: \d+ objetos coletados",
    r"Evento \d+ associado ao track \d+ por IoU \([01]\.\d{3}\)",
    r"✓ AsyncLogger parado",
    r"✓ MemoryManager parado",
)


def settings_of(site: Site) -> dict[str, Any]:
    settings: dict[str, Any] = yaml.safe_load((site.root / "config.yaml").read_text(encoding="utf-8"))
    return settings


def ended(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def test_ctrl_c_leaves_nothing_in_memory_and_the_logger_speaks_last(site: Site) -> None:
    program = site.start("run", "--json")
    program.wait_committed(2)
    program.process.send_signal(signal.SIGINT)
    assert program.end(12) == 0, program.stderr()
    records = (site.root / "data" / "logs" / "vigia.jsonl").read_text(encoding="utf-8").splitlines()
    messages = [json.loads(record)["message"] for record in records]
    missing = [line for line in SEVEN if not any(re.fullmatch(line, message) for message in messages)]
    assert not missing, "not there as a whole line"
    assert messages[-1] == "✓ AsyncLogger parado"
    report = json.loads(program.stdout().splitlines()[-1])
    assert report["balanced"] is True
    assert report["tracks"]["captured"] == report["captures"]["committed"] >= 2
    assert report["captures"]["lost"] == 0
    assert report["captures"]["pending"] == 0


def test_a_killed_demo_leaves_no_stand_in_behind(site: Site, clips: list[DemoClip]) -> None:
    models = site.root / "cache" / "models"
    spec = DemoSpec(count=1)
    stored = site.root / "cache" / "demo" / spec.key
    stored.mkdir(parents=True)  # a short clip in the place of the demo's, which takes long to draw
    shutil.copyfile(clips[0].path, stored / "clip-0.mp4")
    shutil.copyfile(clips[0].truth_path, stored / "clip-0.truth.json")
    demo = site.start("demo", "--cameras", "1", "--set", f"models_dir={models}", VIGIA_LANGUAGE="en")
    demo.wait_line("FindFace stand-in: http://")
    (child,) = psutil.Process(demo.process.pid).children()
    assert "findface-stub" in child.cmdline()
    demo.process.kill()
    assert demo.end(10) == -signal.SIGKILL
    wait_for(lambda: ended(child), timeout_s=20, what="the stand-in to end with the demo")


def test_a_mistake_is_told_in_the_language_of_the_file_that_holds_it(site: Site) -> None:
    site.configure(language="en", detector={"cadense_k": 3})
    code, _, error = site.run("run")
    assert code == 2
    assert error.startswith("Error: "), error
    assert "unknown key" in error


def test_the_password_of_a_camera_is_not_listed(site: Site) -> None:
    settings = settings_of(site)
    settings["cameras"][0]["url"] = f"rtsp://admin:{SECRET}@127.0.0.1:9/live"
    site.configure(**settings)
    check = ("check", "--only", "cameras")
    for arguments in (("cameras", "list"), ("cameras", "list", "--json"), check, (*check, "--json")):
        _, out, error = site.run(*arguments)
        assert "127.0.0.1:9/live" in out
        assert SECRET not in out + error


@pytest.mark.parametrize("language", ["pt_BR", "en"])
def test_check_tells_of_a_directory_that_cannot_be_written(site: Site, language: str) -> None:
    code, out, error = site.run("check", "--no-capacity", VIGIA_LANGUAGE=language, VIGIA_DATA_DIR="/proc/vigia")
    assert code == 1
    assert [line for line in out.splitlines() if "✗" in line and "/proc/vigia" in line]
    assert "Traceback" not in out + error
