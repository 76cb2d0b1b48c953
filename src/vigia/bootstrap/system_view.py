"""What the dashboard reads of a run's health over time: sampled every few seconds by a thread of its own."""

import logging
import os
import platform
import shutil
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from vigia import __version__
from vigia.application.crew import ThreadCrew
from vigia.application.errors import ConfigurationError, OutboxUnavailable
from vigia.application.load_control import LoadDecision
from vigia.application.ports import Clock
from vigia.application.run_history import INTERVAL_S, RunHistory
from vigia.application.system_view import POINTS
from vigia.bootstrap.web_view import RunParts, log_handler
from vigia.domain.camera import CameraId
from vigia.domain.capture import CaptureState
from vigia.domain.histogram import DurationHistogram
from vigia.infrastructure.config.camera_overrides import EffectiveSetting, effective_settings
from vigia.infrastructure.config.layer import Place, SettingPlaces

logger = logging.getLogger("vigia.web")

DECISIONS_SHOWN = 200
MEGABYTE = 1e6


class RunSystemView:
    """Behind ``SystemView``. Owner: who calls ``step`` owns what was sampled last; all else is any thread's.

    Bounds: what ``RunHistory`` keeps.
    """

    def __init__(self, parts: RunParts, *, clock: Clock) -> None:
        self._parts = parts
        self._clock = clock
        self._started_utc = clock.utc()
        self._history = RunHistory()
        self._at_s: float | None = None
        self._cpu_s = 0.0
        self._delivered = self._dropped = self._pauses = 0
        self._ages, self._latencies = DurationHistogram(), DurationHistogram()

    def step(self) -> float:
        """Take one sample; return seconds until the next."""
        now_s = self._clock.mono_s()
        passed_s = None if self._at_s is None else now_s - self._at_s
        self._at_s = now_s
        moment = self._now()
        moment |= self._since_last(passed_s)
        self._history.add(self._clock.utc().timestamp(), moment)
        return INTERVAL_S

    def _now(self) -> dict[str, float | None]:
        """What is so at this moment."""
        parts = self._parts
        orchestrator = parts.orchestrator
        status, crew = orchestrator.recent_status(), orchestrator.wiring.crew
        pool, log, holds = parts.client.pool_stats, log_handler(), crew.lock_holds()
        return {
            "fps": status.fps,
            "rss_mb": (parts.facts.rss_bytes() + crew.outside().rss_bytes) / MEGABYTE,
            "log_queued": None if log is None else log.queued,
            "lock_hold_p99_us": holds.p99_s * 1e6 if holds.count else None,
            "http_in_use": None if pool is None else pool.in_use,
            "http_idle": None if pool is None else pool.idle,
            "http_waiting": None if pool is None else pool.waiting,
            "unsent": status.unsent,
        }

    def _since_last(self, passed_s: float | None) -> dict[str, float | None]:
        """What happened since the last sample; the first one has nothing to be held against."""
        parts = self._parts
        orchestrator, log = parts.orchestrator, log_handler()
        cpu_s = parts.facts.cpu_s() + orchestrator.wiring.crew.outside().cpu_s
        delivered = orchestrator.wiring.send.stats.delivered
        dropped = 0 if log is None else log.dropped
        ages, latencies = orchestrator.ages(), orchestrator.wiring.send.counts.latencies()
        pauses, pause_s = parts.memory.longest_pause(since=self._pauses)
        new_ages, new_latencies = ages.since(self._ages), latencies.since(self._latencies)
        cpu_before_s, self._cpu_s = self._cpu_s, cpu_s
        delivered_before, self._delivered = self._delivered, delivered
        dropped_before, self._dropped = self._dropped, dropped
        self._ages, self._latencies, self._pauses = ages, latencies, pauses
        if not passed_s:
            return {}
        return {
            "age_p99_ms": 1e3 * new_ages.percentile_s(99.0) if new_ages.count else None,
            "cpu_cores": max(0.0, cpu_s - cpu_before_s) / passed_s,
            "gc_pause_max_ms": 1e3 * pause_s,
            "log_dropped": None if log is None else max(0, dropped - dropped_before),
            "delivered_per_s": (delivered - delivered_before) / passed_s,
            "delivery_p95_ms": 1e3 * new_latencies.percentile_s(95.0) if new_latencies.count else None,
        }

    def history(self, *, span_s: float, points_max: int = POINTS) -> Mapping[str, Sequence[float | None]]:
        """Series over the last ``span_s`` seconds. See ``SystemView``."""
        since_unix_s = self._clock.utc().timestamp() - span_s
        return self._history.read(since_unix_s=since_unix_s, points_max=points_max)

    def decisions(self) -> list[dict[str, Any]]:
        """What load control decided, the newest first."""
        decided = sorted(self._parts.orchestrator.wiring.crew.decisions(), key=lambda one: one.at_mono_s, reverse=True)
        now_s, now_utc = self._clock.mono_s(), self._clock.utc()
        return [
            {"at_utc": (now_utc - timedelta(seconds=now_s - one.at_mono_s)).isoformat(), **decision_page(one)}
            for one in decided[:DECISIONS_SHOWN]
        ]

    def settings_of(self, camera_id: CameraId) -> list[dict[str, Any]] | None:
        """Every setting of one camera. See ``SystemView``."""
        watch = self._parts.watch
        camera = next((one for one in watch.sync.listed if one.id == camera_id), None)
        if camera is None:
            return None
        try:
            places = watch.listed.places()
        except ConfigurationError as error:  # somebody is writing it: the values stand all the same
            logger.debug("where the settings stand cannot be read now: %s", error)
            places = SettingPlaces(())
        return [setting_page(one) for one in effective_settings(watch.listed.settings, camera, places=places)]

    def latency(self) -> dict[str, float | int | None]:
        """How long delivery takes. See ``SystemView``."""
        counts = self._parts.orchestrator.wiring.send.counts
        posts, arrivals = counts.latencies(), counts.arrivals()
        return {
            "posts": posts.count,
            "post_p50_ms": 1e3 * posts.percentile_s(50.0) if posts.count else None,
            "post_p95_ms": 1e3 * posts.percentile_s(95.0) if posts.count else None,
            "arrivals": arrivals.count,
            "arrival_p50_s": arrivals.p50_s if arrivals.count else None,
            "arrival_p95_s": arrivals.p95_s if arrivals.count else None,
        }

    def outbox(self) -> dict[str, Any] | None:
        """What lies on disk. See ``SystemView``."""
        try:
            stats = self._parts.outbox.stats()
        except OutboxUnavailable:
            return None
        try:
            free_bytes: int | None = shutil.disk_usage(self._parts.settings.data_dir).free
        except OSError:
            free_bytes = None
        return {
            "kept": {state.value: stats.kept.get(state, 0) for state in CaptureState},
            "picture_bytes": stats.bytes_on_disk,
            "oldest_waiting_s": stats.oldest_pending_age_s,
            "disk_free_bytes": free_bytes,
        }

    def facts(self) -> dict[str, Any]:
        """The process. See ``SystemView``."""
        parts = self._parts
        memory = parts.settings.memory
        return {
            "version": __version__,
            "python": platform.python_version(),
            "mode": "threads" if isinstance(parts.orchestrator.wiring.crew, ThreadCrew) else "processes",
            "model": parts.model,
            "started_utc": self._started_utc.isoformat(),
            "cores": len(os.sched_getaffinity(0)),
            "rss_limit_mb": memory.hard_limit_mb,
            "rss_soft_limit_mb": memory.soft_limit_mb,
            "history_interval_s": INTERVAL_S,
        }


def decision_page(decision: LoadDecision) -> dict[str, Any]:
    """One decision of load control, without its time."""
    return {
        "shard": decision.shard,
        "kind": decision.kind.value,
        "k": decision.rung.k,
        "k_before": decision.before.k,
        "scale": round(decision.rung.scale, 3),
        "scale_before": round(decision.before.scale, 3),
        "reason": decision.reason.value,
        "waited_s": round(decision.waited_s, 3),
        "load": round(decision.load, 3),
        "load_before": round(decision.load_before, 3),
    }


def setting_page(setting: EffectiveSetting) -> dict[str, Any]:
    """One setting of a camera, and who says what it is."""
    return {
        "name": setting.name,
        "value": setting.value,
        "key": setting.key,
        "origin": setting.origin.value,
        "detail": setting.detail or None,
        "place": _place_text(setting.place),
    }


def _place_text(place: Place | None) -> str | None:
    if place is None:
        return None
    return f"{place.file}:{place.line}" if place.file else place.variable or None
