"""The web server of a real run: first password, log-in, metrics that move, what the API tells, an outage, the stop."""

import json
import re
import signal
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import yaml
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as prometheus_text

from running import SECRET, Site, base_settings, wait_for
from vigia.infrastructure.demo import DemoClip
from vigia.infrastructure.metrics.catalogue import METRICS
from web_site import csrf_of, log_in

TOKEN = "scraper-token-of-24-chars"
MOVING = {
    "vigia_packets_received_total", "vigia_frames_total", "vigia_faces_total", "vigia_tracks_started_total",
    "vigia_tracks_total", "vigia_captures_total", "vigia_captures_committed_total", "vigia_delivery_attempts_total",
    "vigia_delivery_results_total", "vigia_delivery_seconds", "vigia_frame_age_seconds", "vigia_cpu_seconds_total",
    "vigia_gc_pause_seconds", "vigia_outbox_captures",
}  # fmt: skip
ONLY_WHERE_TOLD = {"vigia_camera_clock_offset_seconds"}
"""A file has no clock to be off."""


def first_password(site: Site) -> str:
    """What stands in the file: a program in a pipe has no screen to show it."""
    return (site.root / "data" / "first-password.txt").read_text(encoding="utf-8").strip()


def scrape(url: str, accept: str = "") -> dict[str, float]:
    """Every metric by its catalogue name, its samples added up."""
    answer = httpx.get(
        f"{url}/metrics", headers={"Authorization": f"Bearer {TOKEN}", "Accept": accept}, timeout=10, trust_env=False
    )
    assert answer.status_code == 200
    is_open = "openmetrics" in answer.headers["content-type"]
    found: dict[str, float] = {}
    for family in (open_metrics if is_open else prometheus_text)(answer.text):
        name = family.name
        if family.type == "counter" and not name.endswith("_total"):
            name = f"{name}_total"
        values = [s.value for s in family.samples if s.name.endswith(("_count", "_total")) or s.name == name]
        found[name] = sum(values)
    return found


@pytest.fixture
def web_site(site: Site) -> Iterator[Site]:
    settings: dict[str, Any] = yaml.safe_load((site.root / "config.yaml").read_text(encoding="utf-8"))
    site.configure(**settings, language="en", web={"metrics_token": TOKEN, "port": 0})
    yield site
    for program in site.programs:
        if program.process.poll() is None:
            program.process.kill()
            program.process.wait()


def test_a_run_serves_its_pages_and_every_documented_metric(web_site: Site) -> None:
    program = web_site.start("run")
    url = program.web_address()
    users = web_site.root / "data" / "web-users.json"
    assert users.stat().st_mode & 0o777 == 0o600
    password = first_password(web_site)
    assert password not in program.stderr()
    assert "first-password.txt" in program.stderr()
    first = wait_for(lambda: scrape(url), timeout_s=10.0, what="a scrape")
    with httpx.Client(base_url=url, timeout=10.0, trust_env=False) as client:
        assert log_in(client, "operator", "not-the-password").status_code == 403
        assert log_in(client, "operator", password).status_code == 303
        assert not (web_site.root / "data" / "first-password.txt").exists()
        program.wait_committed(2)
        wait_for(lambda: scrape(url)["vigia_delivery_results_total"] >= 2, timeout_s=30, what="two deliveries")
        wait_for(lambda: scrape(url)["vigia_frame_age_seconds"] > 0, timeout_s=30, what="steady figures")
        then = scrape(url)
        assert set(METRICS) - set(then) <= ONLY_WHERE_TOLD
        assert {name for name in MOVING if not then[name] > first.get(name, 0.0)} == set()
        assert then["vigia_web_login_failures_total"] == 1
        assert then["vigia_web_sessions"] == 1
        assert set(scrape(url, "application/openmetrics-text; version=1.0.0")) == set(then)
        assert client.get("/healthz").json() == {"status": "ok"}
        assert client.get("/readyz").json() == {"status": "ready", "reasons": []}
        status = client.get("/api/status").json()
        assert status["cameras_live"] == 2
        assert status["delivery"]["state"] == "ok"
        cameras = client.get("/api/cameras").json()["cameras"]
        assert [camera["state"] for camera in cameras] == ["live", "live"]
        captures = client.get("/api/captures", params={"limit": 5}).json()["captures"]
        assert {capture["camera"] for capture in captures} <= {"cam1", "cam2"}
        history = wait_for(
            lambda: len((told := client.get("/api/history", params={"span_s": 600}).json())["at_unix_s"]) >= 2 and told,
            timeout_s=20,
            what="two moments",
        )
        assert history["rss_mb"][-1] > 20
        assert history["cpu_cores"][-1] > 0
        # The cadence is set: on a machine that is too busy, skipping is all that is left.
        assert {one["kind"] for one in client.get("/api/decisions").json()["decisions"]} <= {"skipping"}
        own = client.get("/api/cameras/cam1/settings")
        assert "filter_min_size" in {one["name"] for one in own.json()["settings"]}
        assert SECRET not in own.text
        assert client.post("/api/cameras/reload", headers=csrf_of(client)).status_code == 202
        for text in (client.get("/api/cameras").text, client.get("/api/status").text, client.get("/metrics").text):
            assert SECRET not in text
            assert TOKEN not in text
            assert f"{1:032x}" not in text
    program.process.send_signal(signal.SIGTERM)
    assert program.end() == 0, program.stderr()
    logged = (web_site.root / "data" / "logs" / "vigia.jsonl").read_text(encoding="utf-8")
    assert password not in logged
    assert password not in users.read_text(encoding="utf-8")
    audit = [json.loads(line) for line in (web_site.root / "data" / "logs" / "audit.jsonl").read_text().splitlines()]
    told = [(line["user"], line["action"], line["result"]) for line in audit]
    assert told == [("operator", "login", "ok"), ("operator", "cameras.reload", "ok")]
    failed = json.loads((web_site.root / "data" / "logs" / "audit-logins.jsonl").read_text())
    assert (failed["user"], failed["action"], failed["result"]) == ("operator", "login", "wrong")
    assert "log in as operator" not in web_site.run("run", "--duration", "1")[2]  # told once


def test_an_outage_shows_and_an_operator_sends_again(web_site: Site) -> None:
    program = web_site.start("run")
    url = program.web_address()
    program.wait_committed(1)
    web_site.stand_in.stop()
    wait_for(lambda: scrape(url)["vigia_findface_up"] == 0, timeout_s=40, what="the outage")
    wait_for(lambda: scrape(url)["vigia_outbox_oldest_age_seconds"] > 0, timeout_s=40, what="captures that wait")
    before = scrape(url)
    assert before["vigia_delivery_failures_total"] > 0
    assert before["vigia_findface_down_seconds"] > 0
    with httpx.Client(base_url=url, timeout=10.0, trust_env=False) as client:
        log_in(client, "operator", first_password(web_site))
        assert client.get("/readyz").status_code == 200  # for less than a minute
        pending = wait_for(
            lambda: client.get("/api/captures", params={"state": "pending"}).json()["captures"],
            timeout_s=20,
            what="a pending capture",
        )
        ids, token = [pending[0]["id"]], csrf_of(client)
        assert client.get(f"/api/captures/{ids[0]}/picture").content[:2] == b"\xff\xd8"
        retried = client.post("/api/outbox/retry", json={"ids": ids}, headers=token).json()["results"]
        assert retried == [{"id": ids[0], "result": "wrong_state"}]
        dropped = client.post("/api/outbox/drop", json={"ids": ids, "confirm": True}, headers=token).json()["results"]
        assert dropped[0]["result"] in {"ok", "wrong_state"}  # a probe may have it at this moment
        if dropped[0]["result"] == "ok":
            wait_for(lambda: scrape(url)["vigia_outbox_dropped_total"] == 1, timeout_s=10, what="the tally")
    web_site.stand_in.start()
    wait_for(lambda: scrape(url)["vigia_findface_up"] == 1, timeout_s=60, what="the end of the outage")
    program.process.send_signal(signal.SIGTERM)
    assert program.end() == 0, program.stderr()


def test_while_findface_is_away_at_the_first_start_health_is_told(web_site: Site) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    web_site.stand_in.stop()
    program = web_site.start("run", VIGIA_WEB__PORT=str(port))
    program.wait_line("FindFace cannot be reached")

    def probe(path: str) -> httpx.Response | None:
        try:
            return httpx.get(f"http://127.0.0.1:{port}{path}", timeout=10, trust_env=False)
        except httpx.TransportError:
            return None

    ready = wait_for(lambda: probe("/readyz"), timeout_s=30, what="the waiting room")
    assert ready.status_code == 503
    assert [reason["code"] for reason in ready.json()["reasons"]] == ["findface_down", "cameras_unknown"]
    assert probe("/healthz").status_code == 200  # type: ignore[union-attr]
    assert probe("/api/status").status_code == 503  # type: ignore[union-attr]
    web_site.stand_in.start()
    assert program.web_address() == f"http://127.0.0.1:{port}"
    wait_for(lambda: (found := probe("/readyz")) and found.status_code == 200, timeout_s=40, what="readiness")
    program.process.send_signal(signal.SIGTERM)
    assert program.end() == 0, program.stderr()


def test_with_worker_processes_everything_comes_from_the_parents_view(web_site: Site, clips: list[DemoClip]) -> None:
    settings = base_settings(clips)
    web_site.configure(
        **settings,
        language="en",
        web={"metrics_token": TOKEN, "port": 0},
        shards={"mode": "processes", "count": 2},
    )
    program = web_site.start("run")
    url = program.web_address()
    program.wait_committed(1)
    wait_for(lambda: scrape(url)["vigia_captures_committed_total"] > 0, timeout_s=20, what="a commit in the metrics")
    found = scrape(url)
    assert set(METRICS) - set(found) <= ONLY_WHERE_TOLD
    text = httpx.get(f"{url}/metrics", headers={"Authorization": f"Bearer {TOKEN}"}, trust_env=False).text
    workers = re.search(r'vigia_resident_memory_bytes\{process="workers"\} (\S+)', text)
    assert workers is not None
    assert float(workers[1]) > 0
    assert 'mode="processes"' in text
    program.process.send_signal(signal.SIGTERM)
    assert program.end() == 0, program.stderr()
