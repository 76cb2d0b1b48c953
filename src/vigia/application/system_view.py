"""What the dashboard reads of the run's health over time, and of a camera's settings. Plain values without secrets."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from vigia.domain.camera import CameraId

SPAN_MAX_S = 6 * 3600.0
POINTS = 720


class SystemView(Protocol):
    """Any thread."""

    def history(self, *, span_s: float, points_max: int = POINTS) -> Mapping[str, Sequence[float | None]]:
        """Series over the last ``span_s`` seconds, all of the same length, oldest first; None where nothing is known.

        ``at_unix_s`` and, of each moment: ``fps``, ``age_p99_ms``, ``cpu_cores``, ``rss_mb``, ``gc_pause_max_ms``,
        ``log_queued``, ``log_dropped`` (since the moment before), ``lock_hold_p99_us``, ``http_in_use``, ``http_idle``,
        ``http_waiting``, ``unsent``, ``delivered_per_s``, ``delivery_p95_ms``.
        """
        ...

    def decisions(self) -> Sequence[Mapping[str, Any]]:
        """What load control decided, the newest first.

        Each with ``at_utc``, ``shard``, ``kind``, ``k``, ``k_before``, ``scale``, ``scale_before``, ``reason``,
        ``waited_s``, ``load`` (as predicted for the new rung) and ``load_before``.
        """
        ...

    def settings_of(self, camera_id: CameraId) -> Sequence[Mapping[str, Any]] | None:
        """Every setting of one camera; None when there is no such camera.

        Each with ``name``, ``value``, ``key``, ``origin`` (``default``, ``configuration``, ``group``, ``findface``,
        ``camera``), ``detail`` (the group's name) and ``place`` (file and line, or variable), as text or None.
        """
        ...

    def latency(self) -> Mapping[str, float | int | None]:
        """How long delivery takes.

        ``posts`` counted, ``post_p50_ms`` and ``post_p95_ms`` of one answer; ``arrivals`` counted, ``arrival_p50_s``
        and ``arrival_p95_s`` from the moment that a capture shows until FindFace has it. None where there is none yet.
        """
        ...

    def outbox(self) -> Mapping[str, Any] | None:
        """What lies on disk; None while the outbox does not answer. Reads the disk.

        ``kept`` (state → captures), ``picture_bytes``, ``oldest_waiting_s`` (None when none waits) and
        ``disk_free_bytes`` (None when that cannot be read).
        """
        ...

    def facts(self) -> Mapping[str, Any]:
        """The process.

        ``version``, ``python``, ``mode`` (``threads`` or ``processes``), ``model``, ``started_utc``, ``cores`` that it
        may use, ``rss_limit_mb`` and ``rss_soft_limit_mb`` (None without one), and the ``history_interval_s``.
        """
        ...
