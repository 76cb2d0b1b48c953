"""``/metrics``: figures turned into Prometheus' or OpenMetrics' text when somebody scrapes, and never before.

Nothing here counts: the books, the senders and the outbox do, and each scrape reads them. So no metric can differ from
what the status line, the report or the dashboard say.
"""

import platform
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from vigia import __version__
from vigia.application.camera_health import Alarm
from vigia.application.camera_pipeline import NO_KEY_FRAME, OVERLOAD
from vigia.application.camera_status import CameraStatus, LoadState
from vigia.application.packet_queue import QUEUE_FULL
from vigia.application.use_cases.stream_camera import CameraState
from vigia.domain.capture import CaptureState
from vigia.domain.histogram import DurationHistogram
from vigia.domain.ledger import FilterReason, FrameFate, TrackFate
from vigia.domain.outbox_policy import GivenUp
from vigia.infrastructure.metrics.catalogue import METRICS, Kind
from vigia.infrastructure.metrics.figures import Figures, FigureSource

AGE_BOUNDS_S: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
LATENCY_BOUNDS_S: Final = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
SKIP_REASONS: Final = (NO_KEY_FRAME, OVERLOAD, QUEUE_FULL)
"""There from the start, with 0: an alert on something that is not there yet never fires. Others appear when they do."""


class _Families:
    """Collects the samples of one scrape by the catalogue. Owner: the thread that scrapes."""

    def __init__(self) -> None:
        self._metrics: dict[str, Metric] = {}

    def add(self, name: str, value: float, **labels: str) -> None:
        """One sample of a counter or gauge."""
        self._family(name).add_sample(name, labels, float(value))

    def one_of(self, name: str, chosen: str | None, choices: Sequence[str], **labels: str) -> None:
        """A state: 1 for the one that is, 0 for each that is not."""
        for choice in choices:
            self.add(name, float(choice == chosen), **labels, state=choice)

    def histogram(self, name: str, counted: DurationHistogram, bounds_s: Sequence[float]) -> None:
        """All buckets of a histogram."""
        family, total = self._family(name), counted.count
        for bound_s, count in zip(bounds_s, counted.cumulative(bounds_s), strict=True):
            family.add_sample(f"{name}_bucket", {"le": repr(bound_s)}, float(min(count, total)))
        family.add_sample(f"{name}_bucket", {"le": "+Inf"}, float(total))
        family.add_sample(f"{name}_count", {}, float(total))
        family.add_sample(f"{name}_sum", {}, counted.sum_s)

    def summary(self, name: str, *, count: int, total: float, quantiles: Mapping[str, float]) -> None:
        """A summary with its quantiles."""
        family = self._family(name)
        for quantile, value in quantiles.items():
            family.add_sample(name, {"quantile": quantile}, value)
        family.add_sample(f"{name}_count", {}, float(count))
        family.add_sample(f"{name}_sum", {}, total)

    def all(self) -> Iterator[Metric]:
        """In the catalogue's order."""
        for name in METRICS:
            if name in self._metrics:
                yield self._metrics[name]

    def _family(self, name: str) -> Metric:
        found = self._metrics.get(name)
        if found is None:
            facts = METRICS[name]
            # The library adds _total to a counter's samples by itself, and wants the bare name here.
            family = name.removesuffix("_total") if facts.kind is Kind.COUNTER else name
            found = self._metrics[name] = Metric(family, facts.help, facts.kind.value)
        return found


class FiguresCollector(Collector):
    """Behind prometheus-client's ``Collector``. Owner: none; each scrape gathers for itself."""

    def __init__(self, source: FigureSource) -> None:
        self._source = source

    def collect(self) -> Iterator[Metric]:
        """Gather now."""
        figures, families = self._source(), _Families()
        _run(families, figures)
        for camera in figures.status.details:
            _camera(families, camera)
        _books(families, figures)
        _delivery(families, figures)
        _outbox(families, figures)
        _process(families, figures)
        return families.all()

    def describe(self) -> Iterator[Metric]:
        """Nothing: registering gathers no figures."""
        return iter(())


class Exposition:
    """The text for a scraper. Any thread."""

    def __init__(self, source: FigureSource) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(FiguresCollector(source))

    def __call__(self, accept: str) -> tuple[bytes, str]:
        """The text in the form that the ``Accept`` header asks for, and its media type."""
        try:
            encode, media_type = choose_encoder(accept[:500])
        except (TypeError, ValueError):  # a version that is no number
            encode, media_type = choose_encoder("")
        return encode(self._registry), media_type


def _run(families: _Families, figures: Figures) -> None:
    status = figures.status
    facts = {"version": __version__, "python": platform.python_version(), "mode": figures.mode}
    families.add("vigia_build_info", 1.0, **facts)
    families.add("vigia_start_time_seconds", figures.started_unix_s)
    families.add("vigia_worker_restarts_total", status.restarts)
    families.add("vigia_cameras", len(figures.states))
    for camera_id, state in figures.states.items():
        families.one_of("vigia_camera_state", state, list(CameraState), camera=camera_id)
        raised = figures.alarms.get(camera_id, frozenset())
        for alarm in Alarm:
            families.add("vigia_camera_alarm", float(alarm in raised), camera=camera_id, alarm=alarm)
    for shard in status.shards:
        families.add("vigia_shard_load_ratio", shard.load, shard=shard.name)
        families.add("vigia_shard_queue_packets", shard.waiting, shard=shard.name)


def _camera(families: _Families, camera: CameraStatus) -> None:
    camera_id, stream, load, page = str(camera.id), camera.stream, camera.load, camera.page
    families.one_of("vigia_camera_load_state", load.state, list(LoadState), camera=camera_id)
    families.add("vigia_camera_frames_per_second", stream.fps, camera=camera_id)
    families.add("vigia_camera_bytes_per_second", stream.bit_rate_bps / 8.0, camera=camera_id)
    if stream.last_packet_age_s is not None:
        families.add("vigia_camera_last_packet_age_seconds", stream.last_packet_age_s, camera=camera_id)
    if stream.clock_off_s is not None:
        families.add("vigia_camera_clock_offset_seconds", stream.clock_off_s, camera=camera_id)
    families.add("vigia_camera_reconnects_total", stream.reconnects, camera=camera_id)
    families.add("vigia_camera_abandoned_threads_total", stream.abandoned, camera=camera_id)
    families.add("vigia_camera_detection_interval_frames", load.k, camera=camera_id)
    families.add("vigia_camera_load_ratio", load.cost_share, camera=camera_id)
    families.add("vigia_packets_received_total", page.received, camera=camera_id)
    for fate in FrameFate:
        families.add("vigia_frames_total", page.frames.get(fate, 0), camera=camera_id, fate=fate)
    families.add("vigia_faces_total", page.faces, camera=camera_id)
    families.add("vigia_tracks_started_total", page.tracks_started, camera=camera_id)
    for end in TrackFate:
        families.add("vigia_tracks_total", page.tracks.get(end, 0), camera=camera_id, fate=end)
    families.add("vigia_captures_total", page.captures, camera=camera_id)


def _books(families: _Families, figures: Figures) -> None:
    status = figures.status
    for reason, count in sorted((dict.fromkeys(SKIP_REASONS, 0) | dict(status.ledger.skip_reasons)).items()):
        families.add("vigia_frames_skipped_total", count, reason=reason)
    for why in FilterReason:
        families.add("vigia_tracks_filtered_total", status.ledger.filter_reasons.get(why, 0), reason=why)
    families.histogram("vigia_frame_age_seconds", figures.ages, AGE_BOUNDS_S)
    holds = figures.lock_holds
    families.summary(
        "vigia_tracks_lock_hold_seconds",
        count=holds.count,
        total=holds.total_s,
        quantiles={"0.5": holds.p50_s, "0.99": holds.p99_s},
    )
    families.add("vigia_captures_committed_total", status.committed)
    families.add("vigia_captures_lost_total", figures.lost)
    families.add("vigia_commit_queue_captures", status.commit_waiting)


def _delivery(families: _Families, figures: Figures) -> None:
    stats, pool = figures.status.delivery, figures.pool
    for result in ("delivered", "refused", "dead"):
        families.add("vigia_delivery_results_total", getattr(stats, result), result=result)
    families.add("vigia_delivery_attempts_total", stats.attempts)
    families.add("vigia_delivery_failures_total", stats.failures)
    families.add("vigia_delivery_found_total", stats.looked_up)
    families.add("vigia_delivery_lookups_deferred_total", stats.look_ups_deferred)
    families.add("vigia_delivery_leases_lost_total", stats.leases_lost)
    families.histogram("vigia_delivery_seconds", figures.latencies, LATENCY_BOUNDS_S)
    families.add("vigia_delivery_in_flight", stats.in_flight)
    families.add("vigia_delivery_senders_allowed", stats.senders_allowed)
    families.add("vigia_delivery_senders_max", stats.senders_max)
    down = stats.down_since_utc
    families.add("vigia_findface_up", float(down is None))
    families.add("vigia_findface_down_seconds", 0.0 if down is None else figures.now_unix_s - down.timestamp())
    for state, count in (("in_use", pool.in_use), ("idle", pool.idle)):
        families.add("vigia_http_connections", count, state=state)
    families.add("vigia_http_connections_max", pool.connections_max)
    families.add("vigia_http_waiting_requests", pool.waiting)


def _outbox(families: _Families, figures: Figures) -> None:
    stats, tally = figures.outbox, figures.status.tally
    families.add("vigia_outbox_up", float(stats is not None))
    if stats is not None:
        for state in CaptureState:
            families.add("vigia_outbox_captures", stats.kept.get(state, 0), state=state)
        families.add("vigia_outbox_picture_bytes", stats.bytes_on_disk)
        families.add("vigia_outbox_oldest_age_seconds", stats.oldest_pending_age_s or 0.0)
    for code in GivenUp:
        families.add("vigia_outbox_given_up_total", tally.given_up.get(code, 0), reason=code)
    families.add("vigia_outbox_put_back_total", tally.put_back)
    families.add("vigia_outbox_dropped_total", tally.dropped)


def _process(families: _Families, figures: Figures) -> None:
    process, pauses = figures.process, figures.process.pauses
    families.add("vigia_resident_memory_bytes", process.rss_bytes, process="main")
    families.add("vigia_resident_memory_bytes", process.workers_rss_bytes, process="workers")
    families.add("vigia_cpu_seconds_total", process.cpu_s, process="main")
    families.add("vigia_cpu_seconds_total", process.workers_cpu_s, process="workers")
    quantiles = {"0.5": pauses.p50_s, "0.99": pauses.p99_s}
    families.summary("vigia_gc_pause_seconds", count=pauses.count, total=pauses.total_s, quantiles=quantiles)
    families.add("vigia_gc_pause_max_seconds", pauses.max_s)
    families.add("vigia_log_queue_records", process.log_queued)
    families.add("vigia_log_queue_records_max", process.log_queue_max)
    families.add("vigia_log_dropped_records_total", process.log_dropped)
    if process.disk_free_bytes is not None:
        families.add("vigia_disk_free_bytes", process.disk_free_bytes)
    families.add("vigia_web_sessions", figures.sessions)
    families.add("vigia_web_login_failures_total", figures.login_failures)
