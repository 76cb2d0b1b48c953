"""What operations copy from ``deploy/``: it parses, and every metric, label and value that it names is one of ours."""

import configparser
import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from vigia.application.camera_health import Alarm
from vigia.application.use_cases.stream_camera import CameraState
from vigia.cli.app import app
from vigia.domain.capture import CaptureState
from vigia.infrastructure.metrics.catalogue import METRICS, Kind

DEPLOY = Path(__file__).parents[2] / "deploy"
SELECTOR = re.compile(r"(vigia_\w+)(?:\{([^}]*)\})?")
MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')
FROM_SCRAPE = {"instance", "job", "le", "quantile"}
VALUES: dict[tuple[str, str], set[str]] = {
    ("vigia_camera_state", "state"): {state.value for state in CameraState},
    ("vigia_outbox_captures", "state"): {state.value for state in CaptureState},
    ("vigia_camera_alarm", "alarm"): {alarm.value for alarm in Alarm},
    ("vigia_delivery_results_total", "result"): {"delivered", "refused", "dead"},
    ("vigia_frames_skipped_total", "reason"): {"overload", "queue_full"},
}


def alerts() -> list[dict[str, Any]]:
    document = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text(encoding="utf-8"))
    found: list[dict[str, Any]] = [rule for group in document["groups"] for rule in group["rules"]]
    return found


def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((DEPLOY / "grafana" / "vigia.json").read_text(encoding="utf-8"))
    return found


def expressions() -> list[str]:
    found = [rule["expr"] for rule in alerts()]
    board = dashboard()
    found += [target["expr"] for panel in board["panels"] for target in panel.get("targets", [])]
    return found + [one["definition"] for one in board["templating"]["list"] if "definition" in one]


@pytest.mark.parametrize("expression", sorted(set(expressions())))
def test_every_metric_and_label_that_is_named_exists(expression: str) -> None:
    selectors = SELECTOR.findall(expression)
    assert selectors or expression.startswith("up{")
    for name, matchers in selectors:
        base = re.sub(r"_(bucket|sum|count)$", "", name)
        known = METRICS.get(name) or METRICS.get(base)
        assert known is not None, name
        if name.endswith("_bucket"):
            assert known.kind is Kind.HISTOGRAM
        for label, _, value in MATCHER.findall(matchers):
            assert label in {*known.labels, *FROM_SCRAPE}, (name, label)
            allowed = VALUES.get((name, label))
            if allowed is not None and "$" not in value:
                assert set(value.split("|")) <= allowed, (name, label, value)
    for grouping in re.findall(r"\b(?:by|on) \(([^)]*)\)", expression):
        named = {label.strip() for label in grouping.split(",")}
        labels = {label for name, _ in selectors if name in METRICS for label in METRICS[name].labels}
        assert named <= labels | FROM_SCRAPE, expression
    assert expression.count("(") == expression.count(")")


def test_both_sides_of_an_and_have_the_same_labels_or_say_which_count() -> None:
    for expression in expressions():
        sides = re.split(r"\band\b(?! on)", expression)
        for left, right in pairwise(sides):
            labels = [{METRICS[n].labels for n, _ in SELECTOR.findall(side) if n in METRICS} for side in (left, right)]
            assert labels[0] == labels[1], expression


def test_counters_are_only_used_as_rates() -> None:
    for expression in expressions():
        for name, _ in SELECTOR.findall(expression):
            if name in METRICS and METRICS[name].kind is Kind.COUNTER:
                assert re.search(rf"(rate|increase)\(\s*{name}\b", expression), expression


def test_the_alerts_say_what_is_wrong_and_how_bad_it_is() -> None:
    rules = alerts()
    names = [rule["alert"] for rule in rules]
    assert len(set(names)) == len(names)
    assert {
        "VigiaCameraDown", "VigiaCameraDegraded", "VigiaNoFaces", "VigiaOutboxGrowing", "VigiaDeliveryFailing",
        "VigiaClockOff", "VigiaDiskFull", "VigiaCameraSlow", "VigiaWorkerRestarts",
    } <= set(names)  # fmt: skip
    for rule in rules:
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert rule["annotations"]["summary"]
        assert re.fullmatch(r"\d+[smh]", rule.get("for", "0s"))
        kept = {label for by in re.findall(r"by \(([^)]*)\)", rule["expr"]) for label in by.split(", ")}
        for label in re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]):
            carried = {la for name, _ in SELECTOR.findall(rule["expr"]) for la in METRICS[name].labels}
            assert label in kept | carried | FROM_SCRAPE, rule["alert"]


HOURS = re.compile(r"increase\((\w+)\[(\d+)h\]\)\) == 0")


def test_whoever_alarms_because_nothing_came_knows_that_it_watched_all_the_time() -> None:
    """After a first start, a new camera or an outage nothing came either, and nothing is wrong."""
    quiet = [(rule, found) for rule in alerts() for found in HOURS.finditer(rule["expr"])]
    assert [rule["alert"] for rule, _ in quiet] == ["VigiaNoFaces"]
    for rule, found in quiet:
        hours, rest = int(found[2]), rule["expr"][found.end() :]
        assert f'and on (instance, camera) vigia_camera_state{{state="live"}} offset {hours}h' in rest
        assert f'and on (instance, camera) avg_over_time(vigia_camera_state{{state="live"}}[{hours}h]) > 0.9' in rest
        assert f"and on (instance) time() - vigia_start_time_seconds > {3600 * hours})" in rest


def test_the_panels_lie_beside_each_other() -> None:
    board = dashboard()
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells


def test_the_scrape_job_asks_with_the_token() -> None:
    (job,) = yaml.safe_load((DEPLOY / "prometheus" / "scrape.yml").read_text(encoding="utf-8"))["scrape_configs"]
    assert (job["metrics_path"], job["authorization"]["type"]) == ("/metrics", "Bearer")
    assert job["static_configs"][0]["targets"] == ["127.0.0.1:8321"]


def test_the_unit_starts_what_there_is_and_is_hardened() -> None:
    unit = configparser.RawConfigParser(strict=False, comment_prefixes=("#",))
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(DEPLOY / "systemd" / "vigia.service", encoding="utf-8")
    service = unit["Service"]
    program, command, *options = service["ExecStart"].split()
    assert program == "/opt/vigia/bin/vigia"
    assert command in {entry.name for entry in app.registered_commands}
    assert options[::2] == ["--config", "--env-file"]
    assert service["RestartPreventExitStatus"] == "2"
    assert int(service["TimeoutStopSec"]) > 10
    for key in ("NoNewPrivileges", "PrivateTmp", "ProtectHome", "RestrictSUIDSGID", "LockPersonality"):
        assert service[key] == "yes"
    assert service["ProtectSystem"] == "strict"
