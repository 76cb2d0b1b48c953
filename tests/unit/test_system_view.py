"""What the dashboard reads of a run's health: samples, decisions in order, a camera's settings, delivery's times."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from vigia.application.camera_status import LoadReason
from vigia.application.delivery_counts import DeliveryCounts, DeliveryStats
from vigia.application.errors import OutboxUnavailable
from vigia.application.load_control import DecisionKind, LoadDecision, Rung
from vigia.application.ports import OutboxStats
from vigia.application.recent_durations import DurationStats
from vigia.application.run_history import INTERVAL_S, SERIES
from vigia.bootstrap.camera_watch import ListedCameras
from vigia.bootstrap.system_view import DECISIONS_SHOWN, RunSystemView
from vigia.bootstrap.web_view import RunParts
from vigia.domain.camera import Camera, CameraId, CameraOverride, OverrideOrigin
from vigia.domain.histogram import DurationHistogram
from vigia.infrastructure.config import load_settings
from vigia.infrastructure.config.reloading import SettingsFiles
from vigia.testing.memory_outbox import MemoryOutbox
from vigia.testing.sim_clock import SimClock

GATE = Camera(
    CameraId("gate"), "Portão", "rtsp://root:hunter2@10.0.0.9/live", token="t0ken",
    overrides=(CameraOverride("filter_min_size", 90.0, OverrideOrigin.CAMERA),),
)  # fmt: skip


class Away(MemoryOutbox):
    def stats(self) -> OutboxStats:
        raise OutboxUnavailable("the server of the outbox does not answer")


class Run:
    """The few things of a run that are sampled: a whole one is in tests/e2e/test_web.py."""

    def __init__(self, directory: Path, *, outbox: MemoryOutbox | None = None) -> None:
        self.clock = SimClock()
        config = directory / "config.yaml"
        config.write_text(f"data_dir: {directory}\ntracks:\n  track_miss_interval_s: 2.5\n", encoding="utf-8")
        self.files = SettingsFiles(config, env_file=None, environ={})
        self.config = config
        settings = load_settings(config, env_file=None, environ={})
        self.cpu_s, self.pauses = 10.0, [0.001]
        self.ages, self.counts, self.decided = DurationHistogram(), DeliveryCounts(), list[LoadDecision]()
        self.stats = DeliveryStats()
        crew = SimpleNamespace(
            lock_holds=lambda: DurationStats(64, 1e-3, 1e-5, 1e-5, 2e-5, 2e-5),
            outside=lambda: SimpleNamespace(rss_bytes=1_000_000, cpu_s=0.0),
            decisions=lambda: self.decided,
        )
        send = SimpleNamespace(counts=self.counts, stats=self.stats)
        listed = ListedCameras(settings, lambda _: cast("Any", None), files=self.files)
        self.parts = SimpleNamespace(
            orchestrator=SimpleNamespace(
                wiring=SimpleNamespace(crew=crew, send=send),
                recent_status=lambda: SimpleNamespace(fps=25.0, unsent=3),
                ages=self._ages,
            ),
            outbox=outbox if outbox is not None else MemoryOutbox(self.clock),
            watch=SimpleNamespace(sync=SimpleNamespace(listed=(GATE,)), listed=listed),
            client=SimpleNamespace(pool_stats=SimpleNamespace(in_use=1, idle=2, waiting=0)),
            memory=SimpleNamespace(longest_pause=lambda since: (len(self.pauses), max(self.pauses[since:], default=0))),
            facts=SimpleNamespace(rss_bytes=lambda: 200_000_000, cpu_s=lambda: self.cpu_s),
            settings=settings,
            model="yunet",
        )
        self.view = RunSystemView(cast("RunParts", self.parts), clock=self.clock)

    def _ages(self) -> DurationHistogram:
        copied = DurationHistogram()
        copied.merge(self.ages)
        return copied

    def sample(self) -> dict[str, float | None]:
        assert self.view.step() == INTERVAL_S
        found = self.view.history(span_s=3600.0)
        latest = {name: series[-1] for name, series in found.items()}
        self.clock.advance(INTERVAL_S)
        return latest


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def test_a_sample_holds_what_is_and_what_came_since(run: Run) -> None:
    first = run.sample()
    assert (first["fps"], first["unsent"], first["rss_mb"], first["http_idle"]) == (25.0, 3.0, 201.0, 2.0)
    assert first["lock_hold_p99_us"] == pytest.approx(20.0)
    assert first["cpu_cores"] is None, "there is nothing yet that it could be held against"
    run.cpu_s += 1.5 * INTERVAL_S
    run.pauses += [0.003, 0.002]
    run.ages.record(0.040)
    with run.counts.posting(run.clock):
        run.clock.advance(0.2)
    run.parts.orchestrator.wiring.send.stats = DeliveryStats(delivered=10)
    second = run.sample()
    assert second["cpu_cores"] == pytest.approx(1.5 * INTERVAL_S / (INTERVAL_S + 0.2), abs=1e-3)
    assert second["gc_pause_max_ms"] == pytest.approx(3.0)
    assert second["age_p99_ms"] == pytest.approx(40.0, rel=0.06)
    assert second["delivery_p95_ms"] == pytest.approx(200.0, rel=0.06)
    assert second["delivered_per_s"] == pytest.approx(10.0 / (INTERVAL_S + 0.2), abs=1e-3)
    third = run.sample()
    assert (third["age_p99_ms"], third["delivery_p95_ms"], third["gc_pause_max_ms"]) == (None, None, 0.0)
    assert {len(series) for series in run.view.history(span_s=3600.0).values()} == {3}
    assert set(SERIES) < set(run.view.history(span_s=1.0))


def test_decisions_come_newest_first_with_the_wall_clocks_time(run: Run) -> None:
    for n in range(DECISIONS_SHOWN + 1):
        run.decided.append(
            LoadDecision(
                run.clock.mono_s() + n, f"shard-{n % 2}", DecisionKind.REDUCED, Rung(1), Rung(2, 0.84),
                LoadReason.FRAMES_WAIT, 0.21, 1.3, 0.7,
            )
        )  # fmt: skip
    began = run.clock.utc()
    run.clock.advance(500.0)
    found = run.view.decisions()
    assert len(found) == DECISIONS_SHOWN
    assert found[0]["at_utc"] > found[1]["at_utc"] > began.isoformat()
    assert {key: found[0][key] for key in ("kind", "k", "k_before", "scale", "reason", "load", "load_before")} == {
        "kind": "reduced", "k": 2, "k_before": 1, "scale": 0.84, "reason": "frames_wait", "load": 0.7,
        "load_before": 1.3,
    }  # fmt: skip


def test_a_cameras_settings_say_where_they_come_from_and_no_secret(run: Run) -> None:
    found = run.view.settings_of(GATE.id)
    assert found is not None
    by_name = {one["name"]: one for one in found}
    own, all_cameras = by_name["filter_min_size"], by_name["track_miss_interval"]
    assert (own["value"], own["origin"]) == (90.0, "camera")
    assert (all_cameras["value"], all_cameras["origin"]) == (2.5, "configuration")
    assert all_cameras["place"] == f"{run.config}:3"
    assert {one["origin"] for one in found} == {"default", "configuration", "camera"}
    assert "hunter2" not in str(found)
    assert "t0ken" not in str(found)
    run.config.unlink()
    unread = run.view.settings_of(GATE.id)
    assert unread is not None
    assert {one["place"] for one in unread} == {None}
    assert [one["value"] for one in unread] == [one["value"] for one in found]
    assert run.view.settings_of(CameraId("nowhere")) is None


def test_delivery_times_are_none_before_there_are_any(run: Run) -> None:
    assert set(run.view.latency().values()) == {0, None}
    with run.counts.posting(run.clock):
        run.clock.advance(0.1)
    run.counts.delivered(CameraId("gate"), looked_up=False, taken_s=2.0)
    run.counts.delivered(CameraId("gate"), looked_up=True, taken_s=9000.0)
    found = run.view.latency()
    assert (found["posts"], found["arrivals"], found["arrival_p95_s"]) == (1, 1, 2.0)
    assert found["post_p95_ms"] == pytest.approx(100.0, rel=0.06)


def test_the_outbox_is_told_or_away(run: Run, tmp_path: Path) -> None:
    found = run.view.outbox()
    assert found is not None
    assert (found["kept"]["pending"], found["oldest_waiting_s"]) == (0, None)
    assert found["disk_free_bytes"] > 0
    assert Run(tmp_path, outbox=Away(SimClock())).view.outbox() is None
