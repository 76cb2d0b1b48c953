"""The exposition: valid in both formats, equal to its documentation; every metric moves, every label is bounded."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as prometheus_text
from prometheus_client.samples import Sample

from vigia.application.camera_shard import ShardStatus
from vigia.application.camera_status import CameraLoad, CameraStatus, LoadState, StreamStatus
from vigia.application.orchestrator import RunStatus
from vigia.application.ports import OutboxStats, OutboxTally
from vigia.application.recent_durations import DurationStats
from vigia.application.use_cases.send_to_findface import DeliveryStats
from vigia.application.use_cases.stream_camera import CameraState
from vigia.domain.camera import CameraId
from vigia.domain.capture import CaptureState
from vigia.domain.histogram import DurationHistogram
from vigia.domain.ledger import CameraLedger, FilterReason, FrameFate, LedgerPage, TrackFate
from vigia.domain.outbox_policy import GivenUp
from vigia.infrastructure.metrics.catalogue import METRICS, Kind
from vigia.infrastructure.metrics.exposition import Exposition
from vigia.infrastructure.metrics.figures import Figures, PauseFigures, PoolFigures, ProcessFigures

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
OPEN_METRICS = "application/openmetrics-text; version=1.0.0"
CAMERA = CameraId("cam1")


def books(factor: int) -> LedgerPage:
    ledger = CameraLedger(CAMERA, received=20 * factor, tracks_started=9 * factor, faces=5 * factor)
    for fate in FrameFate:
        ledger.book(fate, factor, reason="overload" if fate is FrameFate.SKIPPED else "")
    for reason in FilterReason:
        for _ in range(factor):
            ledger.book_track(TrackFate.FILTERED, reason=reason)
    for _ in range(factor):
        ledger.book_track(TrackFate.CAPTURED)
        ledger.book_track(TrackFate.LOST)
    return ledger.snapshot()


def durations(*seconds: float) -> DurationHistogram:
    histogram = DurationHistogram()
    for one in seconds:
        histogram.record(one)
    return histogram


def figures(factor: int = 1) -> Figures:
    """All figures; with another factor every one of them is another."""
    page = books(factor)
    live = CameraState.LIVE if factor == 1 else CameraState.STALLED
    load = CameraLoad(LoadState.FULL if factor == 1 else LoadState.REDUCED, k=factor, cost_share=0.1 * factor)
    stream = StreamStatus("h264", 1280, 720, 25.0 * factor, 8e6 * factor, 0.1 * factor, factor, factor, 0.5 * factor)
    camera = CameraStatus(CAMERA, "Entrada", live, "shard-0", load, page, None, stream)
    status = RunStatus(
        elapsed_s=10.0 * factor, cameras=1, cameras_live=1, fps=25.0, ledger=page, committed=factor,
        commit_waiting=factor,
        delivery=DeliveryStats(
            delivered=factor, looked_up=factor, refused=factor, dead=factor, attempts=factor, failures=factor,
            look_ups_deferred=factor, leases_lost=factor, in_flight=factor, senders_allowed=factor, senders_max=factor,
            down_since_utc=None if factor == 1 else NOW - timedelta(seconds=90),
        ),
        unsent=factor, shards=[ShardStatus("shard-0", 1, 1, waiting=factor, load=0.5 * factor)], details=[camera],
        restarts=factor,
        tally=OutboxTally(dict.fromkeys(GivenUp, factor), put_back=factor, dropped=factor),
    )  # fmt: skip
    states = {CAMERA: live.value, CameraId("off"): "disabled"} | ({CameraId("new"): "live"} if factor > 1 else {})
    return Figures(
        status=status, started_unix_s=1e9 * factor, now_unix_s=NOW.timestamp(), lost=factor,
        mode="threads" if factor == 1 else "processes", states=states,
        alarms={CAMERA: frozenset({"no_face"} if factor == 1 else {"clock_off"})},
        outbox=OutboxStats({}, 7.0 * factor, 1000 * factor, dict.fromkeys(CaptureState, factor)),
        ages=durations(*[0.02] * factor), latencies=durations(*[0.2] * factor),
        pool=PoolFigures(factor, factor, factor, factor),
        process=ProcessFigures(
            factor, factor, factor, factor, PauseFigures(factor, factor, factor, factor, factor), factor, factor,
            factor, factor,
        ),
        lock_holds=DurationStats(factor, 1e-5 * factor, 1e-5 * factor, 0.0, 2e-5 * factor, 2e-5 * factor),
        sessions=factor, login_failures=factor,
    )  # fmt: skip


def scraped(of: Figures, accept: str = "") -> dict[str, list[Sample]]:
    """Samples by the catalogue's names, after a parser has found nothing wrong."""
    content, media_type = Exposition(lambda: of)(accept)
    parse: Callable[[str], Any] = open_metrics if "openmetrics" in media_type else prometheus_text
    found: dict[str, list[Sample]] = {}
    for family in parse(content.decode()):
        name = f"{family.name}_total" if family.type == "counter" and "_total" not in family.name else family.name
        assert family.documentation == METRICS[name].help
        assert family.type == METRICS[name].kind.value
        found[name] = list(family.samples)
    return found


@pytest.mark.parametrize("accept", ["", OPEN_METRICS, "text/plain; version=0.0.4", "*/*", "x" * 10_000])
def test_both_formats_are_valid_and_hold_every_metric(accept: str) -> None:
    assert set(scraped(figures(), accept)) == set(METRICS)


@pytest.mark.parametrize("name", [name for name in METRICS if name != "vigia_outbox_up"])  # moves in a test of its own
def test_every_metric_moves_with_what_it_measures(name: str) -> None:
    before, after = (
        {(sample.name, *sorted(sample.labels.items())): sample.value for sample in scraped(figures(factor))[name]}
        for factor in (1, 2)
    )
    assert before != after
    if METRICS[name].kind is Kind.COUNTER:
        assert all(after[key] >= value for key, value in before.items())


def test_labels_are_the_documented_ones_and_bounded() -> None:
    many = figures()
    ledger = CameraLedger(CAMERA)
    page = replace(ledger.snapshot(), skip_reasons=MappingProxyType({"overload": 3}))
    samples = scraped(replace(many, status=replace(many.status, ledger=page)))
    for name, found in samples.items():
        for sample in found:
            assert set(sample.labels) - {"le", "quantile"} == set(METRICS[name].labels), name
    assert sum(len(found) for found in samples.values()) < 160
    assert {sample.labels["camera"] for sample in samples["vigia_camera_state"]} == {"cam1", "off"}
    assert {sample.labels["camera"] for sample in samples["vigia_faces_total"]} == {"cam1"}


def test_a_state_is_one_of_its_values() -> None:
    samples = scraped(figures())["vigia_camera_state"]
    ones = {sample.labels["camera"]: sample.labels["state"] for sample in samples if sample.value == 1.0}
    assert ones == {"cam1": "live", "off": "disabled"}
    assert len(samples) == 2 * len(CameraState)


def test_histograms_count_up_to_all() -> None:
    seconds = (0.005, 0.02, 0.3, 4.0, 100.0)
    samples = scraped(replace(figures(), ages=durations(*seconds)))["vigia_frame_age_seconds"]
    buckets = {sample.labels["le"]: sample.value for sample in samples if "le" in sample.labels}
    assert (buckets["0.01"], buckets["0.025"], buckets["0.5"], buckets["5.0"], buckets["+Inf"]) == (1, 2, 3, 4, 5)
    assert list(buckets.values()) == sorted(buckets.values())
    plain = {sample.name: sample.value for sample in samples if not sample.labels}
    assert plain["vigia_frame_age_seconds_count"] == 5
    assert plain["vigia_frame_age_seconds_sum"] == pytest.approx(sum(seconds))


def test_an_outbox_that_does_not_answer_is_said_and_its_figures_are_missing() -> None:
    samples = scraped(replace(figures(), outbox=None))
    assert samples["vigia_outbox_up"][0].value == 0.0
    assert set(METRICS) - set(samples) == {
        "vigia_outbox_captures", "vigia_outbox_picture_bytes", "vigia_outbox_oldest_age_seconds",
    }  # fmt: skip


def test_names_and_units_follow_the_conventions() -> None:
    for name, facts in METRICS.items():
        assert re.fullmatch(r"vigia_[a-z][a-z0-9_]*", name)
        assert name.endswith("_total") == (facts.kind is Kind.COUNTER), name
        assert not re.search(r"_(ms|milliseconds|mb|kb|percent|minutes|bits)(_|$)", name), name
        assert not name.endswith(("_count", "_sum", "_bucket")), name
        assert facts.help.endswith("."), name


def test_the_page_documents_exactly_what_is_exposed() -> None:
    text = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(vigia_\w+)` \| (\w+) \| ([^|]*) \| ([^|]*) \|$", text, re.MULTILINE)
    written = {
        name: (kind, tuple(re.findall(r"`(\w+)`", labels)), meaning.strip()) for name, kind, labels, meaning in rows
    }
    assert written == {name: (facts.kind.value, facts.labels, facts.help) for name, facts in METRICS.items()}
    assert len(rows) == len(written)
