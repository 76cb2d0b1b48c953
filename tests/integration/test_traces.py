"""Traces of the real program, at a real collector: whole, joined over processes and lives, without secrets; or away."""

import json
import signal
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from running import SECRET, Program, Site, wait_for
from trace_receiver import Collector, Told, collecting
from vigia.application.capture_trace import EVERY_SPAN, SPANS, SpanName, root_span_id_of
from vigia.domain.capture import CaptureId, CaptureState
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.demo import DemoClip
from vigia.infrastructure.outbox import SqliteOutbox

HEADER = "pl4nted-h3ader"
WHOLE = ["capture", "choose", "commit", "commit wait", "deliver", "encode", "outbox wait", "track"]
STOP_MAX_S = 9.0
"""Less than the time to drain: a stop without much to deliver takes a second or two, and the flush 2 s at most."""


def configure(site: Site, endpoint: str, **tracing: Any) -> None:
    settings: dict[str, Any] = yaml.safe_load((site.root / "config.yaml").read_text(encoding="utf-8"))
    tracing = {"enabled": True, "endpoint": endpoint, "service_name": "gate", **tracing}
    site.configure(**settings | {"language": "en", "tracing": tracing})


def delivered(site: Site) -> set[str]:
    outbox = SqliteOutbox(site.outbox, SystemClock())
    try:
        return {entry.id for entry in outbox.entries(state=CaptureState.DELIVERED)}
    finally:
        outbox.close()


def stop(program: Program) -> float:
    """Ask for the end and wait for it; how long it took, seconds."""
    began_s = time.monotonic()
    program.process.send_signal(signal.SIGTERM)
    assert program.end() == 0, program.stderr()
    return time.monotonic() - began_s


def check(trace_id: str, spans: Sequence[Told]) -> None:
    root_id = f"{root_span_id_of(CaptureId(trace_id)):016x}"
    (root,) = (span for span in spans if span.name == "capture")
    assert (root.span_id, root.parent_id) == (root_id, "")
    for span in spans:
        assert span is root or span.parent_id == root_id
        assert root.began_ns <= span.began_ns <= span.ended_ns <= root.ended_ns, (span, root)
        assert set(span.attributes) <= {*EVERY_SPAN, *SPANS[SpanName(span.name)][1]}
        assert span.attributes["vigia.capture.id"] == trace_id
    begins = {span.name: span.began_ns for span in spans}
    ordered = ["track", "choose", "commit wait", "encode", "commit", "outbox wait", "deliver"]
    assert [begins[name] for name in ordered] == sorted(begins[name] for name in ordered)


def check_secrets(collector: Collector, site: Site, clips: Sequence[DemoClip]) -> None:
    texts = [SECRET, HEADER, site.stand_in.url, str(site.root), *(f"{n:032x}" for n in (1, 2))]
    texts += [name for clip in clips for name in (clip.camera_name, str(clip.path), clip.path.name)]
    found = [text for body in collector.bodies for text in texts if text.encode() in body]
    assert found == []


@pytest.mark.parametrize("mode", ["threads", "processes"])
def test_every_delivered_capture_has_one_whole_trace(site: Site, clips: list[DemoClip], mode: str) -> None:
    with collecting() as collector:
        configure(site, collector.endpoint)
        program = site.start(
            "run",
            *("--json", "--set", f"shards.mode={mode}", "--set", "shards.count=2"),
            VIGIA_TRACING__HEADERS=f"Authorization=Bearer {HEADER}",
            OTEL_EXPORTER_OTLP_HEADERS="x-foreign=1",
            OTEL_SERVICE_NAME="foreign",
        )
        program.wait_committed(3)
        wait_for(lambda: len(site.stand_in.events()) >= 3, timeout_s=30, what="three deliveries")
        stop(program)

        ids, traces = delivered(site), collector.traces()
        assert len(ids) >= 3
        ended = {trace_id for trace_id, spans in traces.items() if any(span.name == "capture" for span in spans)}
        assert ended == ids, program.stderr()
        for trace_id in ids:
            assert sorted(span.name for span in traces[trace_id]) == WHOLE
            check(trace_id, traces[trace_id])
        assert {resource["service.name"] for resource in collector.resources} == {"gate"}
        assert {headers["authorization"] for headers in collector.headers} == {f"Bearer {HEADER}"}
        assert not any("x-foreign" in headers for headers in collector.headers)
        check_secrets(collector, site, clips)
        for text in (program.stdout(), program.stderr(), *logs(site)):
            assert HEADER not in text
            assert "opentelemetry" not in text


def test_lives_that_know_nothing_of_each_other_tell_one_trace(site: Site, clips: list[DemoClip]) -> None:
    with collecting() as collector:
        configure(site, collector.endpoint)
        quick = ("--set", "findface.processing_max_s=1")  # so that what was under way is looked up soon
        first = site.start("run", *quick)
        first.wait_line("vigia started")
        site.stand_in.stop()
        first.wait_committed(2)
        told = wait_for(
            lambda: [t for t, spans in collector.traces().items() if any(s.name == "commit" for s in spans)],
            timeout_s=30,
            what="spans of a commit",
        )
        first.process.kill()
        first.end()
        site.stand_in.start()
        second = site.start("run", *quick)
        wait_for(
            lambda: any(s.name == "capture" for t in told for s in collector.traces()[t]),
            timeout_s=60,
            what="the end of a capture of the first life",
        )
        stop(second)

        traces, ids = collector.traces(), delivered(site)
        joined = [trace_id for trace_id in told if trace_id in ids and len({s.life for s in traces[trace_id]}) == 2]
        assert joined, (told, ids)
        for trace_id in ids:
            names = Counter(span.name for span in traces[trace_id])
            assert names["capture"] == 1
            assert names["track"] <= 1
        for trace_id in joined:
            spans = traces[trace_id]
            (root,), (commit,) = ([s for s in spans if s.name == name] for name in ("capture", "commit"))
            assert root.life != commit.life
            assert root.attributes["vigia.capture.fate"] == "delivered"
            assert {span.parent_id for span in spans if span is not root} == {root.span_id}
        check_secrets(collector, site, clips)


def test_a_collector_that_hangs_costs_nothing(site: Site) -> None:
    with collecting(holds=True) as collector:
        configure(site, collector.endpoint)
        program = site.start("run", "--json")
        program.wait_committed(2)
        wait_for(lambda: len(site.stand_in.events()) >= 2, timeout_s=30, what="two deliveries")
        program.wait_line("takes no traces")
        assert stop(program) < STOP_MAX_S

        report = json.loads(program.stdout().splitlines()[-1])
        assert report["balanced"] is True
        assert report["captures"]["delivered"] == len(delivered(site)) == len(site.stand_in.events()) >= 2
        assert program.stderr().count("takes no traces") == 1
        assert "traces were lost" in program.stderr()
        assert "Traceback" not in program.stderr()
        assert "Still running" not in program.stderr()


def test_without_the_extra_it_ends_with_2_and_says_what_to_install(site: Site) -> None:
    configure(site, "http://127.0.0.1:4318")
    shadow = site.root / "shadow" / "opentelemetry"
    shadow.mkdir(parents=True)
    (shadow / "__init__.py").write_text("raise ModuleNotFoundError('not here', name='opentelemetry')\n")
    code, out, err = site.run("run", PYTHONPATH=str(shadow.parent))
    assert code == 2, out + err
    assert "install vigia[otel]" in err
    assert "Traceback" not in err


def logs(site: Site) -> list[str]:
    return [path.read_text(encoding="utf-8") for path in Path(site.root / "data").rglob("*.jsonl")]
