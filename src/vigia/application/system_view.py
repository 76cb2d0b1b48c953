"""What the dashboard reads of the run's health over time, and of a camera's settings. Plain values without secrets."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from vigia.domain.camera import CameraId


class SystemView(Protocol):
    """Any thread."""

    def history(self, *, span_s: float) -> Mapping[str, Sequence[float | None]]:
        """Series over the last ``span_s`` seconds, all of the same length, oldest first; None where nothing is known.

        ``at_unix_s`` and, of each moment: ``fps``, ``age_p99_ms``, ``cpu_cores``, ``rss_mb``, ``gc_pause_max_ms``,
        ``log_queued``, ``log_dropped``, ``lock_hold_p99_us``, ``http_in_use``, ``http_idle``, ``http_waiting``,
        ``unsent``, ``delivered_per_s``, ``delivery_p95_ms``.
        """
        ...

    def decisions(self) -> Sequence[Mapping[str, Any]]:
        """What load control decided, the newest first.

        Each with ``at_utc``, ``shard``, ``k``, ``scale``, ``reason``, ``waited_s`` and ``load``.
        """
        ...

    def settings_of(self, camera_id: CameraId) -> Sequence[Mapping[str, Any]] | None:
        """Every setting of one camera; None when there is no such camera.

        Each with ``name``, ``value``, ``key`` and ``origin`` (``default``, ``configuration``, ``group``, ``findface``,
        ``camera``), ``detail`` and ``place`` (file and line, or variable), as text or None.
        """
        ...
