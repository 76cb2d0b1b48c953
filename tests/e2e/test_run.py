"""A run from start to end: its report, its lines, a stop by hand, what a restart finds."""

import json
import re
import signal
from pathlib import Path
from typing import Any

import pytest
import yaml

from running import SECRET, Site, base_settings, wait_for
from vigia.domain.capture import CaptureState
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.demo import DemoClip
from vigia.infrastructure.outbox import SqliteOutbox

SEVEN = (
    r"✓ MemoryManager iniciado \(intervalo: 5\.0s\)",
    r"✓ AsyncLogger iniciado \(queue size: 10000\)",
    r"✓ Pool de conexões httpx configurado \(max_connections=20\)",
    r"GC #1: \d+ objetos coletados",
    r"Evento \d+ associado ao track \d+ por IoU \(0\.\d{3}\)",
    r"✓ AsyncLogger parado",
    r"✓ MemoryManager parado",
)


def base_settings_of(site: Site) -> dict[str, Any]:
    settings: dict[str, Any] = yaml.safe_load((site.root / "config.yaml").read_text(encoding="utf-8"))
    return settings


def outbox_counts(site: Site) -> dict[str, int]:
    outbox = SqliteOutbox(site.outbox, SystemClock())
    try:
        return {state.value: len(outbox.entries(state=state)) for state in CaptureState}
    finally:
        outbox.close()


def keys(site: Site) -> list[tuple[int, str, str]]:
    return [(event["camera"], event["timestamp"], str(event["roi"])) for event in site.stand_in.events()]


def test_the_report_has_every_figure_and_balances(site: Site) -> None:
    code, out, err = site.run("run", "--duration", "9", "--json")
    assert code == 0, err
    report: dict[str, Any] = json.loads(out.splitlines()[-1])
    assert report["cameras"] == 2
    assert report["model"]
    assert report["k"] == 2
    assert set(report["frames"]) == {"received", "detected", "tracked", "quiet", "skipped", "corrupt"}
    assert {"committed", "delivered", "pending", "refused", "dead"} <= set(report["captures"])
    assert {"ended", "filtered"} <= set(report["tracks"])
    assert set(report["frame_age_ms"]) == {"p50", "p95", "p99"}
    assert {"duration_s", "fps_processed", "passages", "cpu_cores", "rss_mb", "balanced"} <= set(report)
    assert report["balanced"] is True
    assert report["frames"]["skipped"] == 0
    assert report["captures"]["committed"] >= 2
    assert report["captures"]["delivered"] == report["captures"]["committed"]
    assert len(keys(site)) == report["captures"]["delivered"]


def test_ctrl_c_stops_cleanly_with_the_seven_lines_and_a_restart_delivers_the_rest(site: Site) -> None:
    program = site.start("run")
    program.wait_committed()
    program.process.send_signal(signal.SIGINT)
    assert program.end(12) == 0, program.stderr()
    text = program.stderr() + (site.root / "data" / "logs" / "vigia.jsonl").read_text(encoding="utf-8")
    for line in SEVEN:
        assert re.search(line, text), line
    assert "✓ AsyncLogger parado" in program.stderr().strip().splitlines()[-1]
    before = outbox_counts(site)
    assert before["leased"] == 0
    site.stand_in.stop()  # the second run starts without FindFace, the third finds it again
    site.configure(**base_settings_of(site), findface={"start_without": True})
    second = site.start("run")
    second.wait_committed()
    second.process.send_signal(signal.SIGTERM)
    assert second.end(15) == 0, second.stderr()
    waiting = outbox_counts(site)["pending"]
    assert waiting >= 1
    site.stand_in.start()
    code, _, err = site.run("run", "--duration", "6")
    assert code == 0, err
    after = outbox_counts(site)
    assert after["pending"] == after["leased"] == after["dead"] == 0
    assert len(keys(site)) == len(set(keys(site))) == after["delivered"]


def test_a_second_ctrl_c_ends_at_once(site: Site) -> None:
    site.configure(**base_settings_of(site), delivery={"drain_timeout_s": 60.0})
    program = site.start("run")
    program.wait_committed()
    assert site.stand_in.process is not None
    site.stand_in.process.send_signal(signal.SIGSTOP)  # delivery hangs, so the stop has to wait for it
    program.wait_committed(4)
    program.process.send_signal(signal.SIGINT)
    program.wait_line("Ctrl+C")
    program.process.send_signal(signal.SIGINT)
    try:
        assert program.end(5) == 130
    finally:
        site.stand_in.process.send_signal(signal.SIGCONT)


def test_while_findface_is_away_nothing_is_skipped_and_everything_arrives_later(site: Site) -> None:
    program = site.start("run", "--json")
    program.wait_committed(2)
    site.stand_in.stop()
    program.wait_committed(6)
    site.stand_in.start()
    wait_for(lambda: len(site.stand_in.events()) >= 6, timeout_s=60, what="what waited to arrive")
    program.process.send_signal(signal.SIGINT)
    assert program.end(20) == 0, program.stderr()
    report = json.loads(program.stdout().splitlines()[-1])
    assert report["frames"]["skipped"] == 0
    assert report["balanced"] is True
    assert report["captures"]["dead"] == 0
    assert len(set(keys(site))) == len(keys(site)) == report["captures"]["delivered"]


def test_the_camera_list_comes_from_findface_when_the_configuration_has_none(site: Site) -> None:
    site.configure(findface={"group_prefix": "nobody"})
    code, _, err = site.run("run", "--duration", "3", VIGIA_LANGUAGE="en")
    assert code == 2
    assert "site" in err, "it must say which groups there are"


def test_files_played_once_end_the_run(site: Site, clips: list[DemoClip]) -> None:
    site.configure(**base_settings(clips, loop=False))
    code, out, err = site.run("run", "--json")
    assert code == 0, err
    report = json.loads(out.splitlines()[-1])
    assert report["frames"]["received"] == 2 * 60
    assert report["balanced"] is True


def test_without_httpx_the_job_is_done_over_requests(site: Site, tmp_path: Path) -> None:
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "httpx.py").write_text("raise ImportError('hidden for this test')\n")
    code, out, err = site.run("run", "--duration", "8", "--json", PYTHONPATH=str(hidden))
    assert code == 0, err
    assert "requests" in err
    report = json.loads(out.splitlines()[-1])
    assert report["captures"]["delivered"] == report["captures"]["committed"] >= 1


@pytest.mark.parametrize("language", ["pt_BR", "en"])
def test_secrets_are_in_no_output(site: Site, language: str) -> None:
    settings = base_settings_of(site)
    settings["cameras"][0]["url"] = f"rtsp://admin:{SECRET}@127.0.0.1:9/x?token={SECRET}"
    site.configure(**settings, language=language)
    code, out, err = site.run("run", "--duration", "4", "--json")
    assert code == 0, err
    everything = (
        out
        + err
        + "".join(
            path.read_text(encoding="utf-8", errors="replace")
            for path in (site.root / "data").rglob("*")
            if path.is_file()
        )
    )
    assert SECRET not in everything
    assert "Traceback" not in out + err
