"""Every metric that vigia exposes: its name, kind, labels and meaning, in one place. ``docs/metrics.md`` is held to it.

Names follow Prometheus: base units, ``_total`` for counters, no label whose values are not bounded. A ``camera`` label
is the camera's id; there are as many values as cameras in the list.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """Of a metric, in Prometheus' words."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"
    SUMMARY = "summary"


@dataclass(frozen=True, slots=True)
class MetricFacts:
    """One metric."""

    name: str
    """As a query names it; a counter's with ``_total``."""
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()


_C, _G, _H, _S = Kind.COUNTER, Kind.GAUGE, Kind.HISTOGRAM, Kind.SUMMARY
_FACTS = (
    # The run
    MetricFacts("vigia_build_info", _G, "Always 1; which vigia runs, and on what.", ("version", "python", "mode")),
    MetricFacts("vigia_start_time_seconds", _G, "When this run began, in Unix time."),
    MetricFacts("vigia_worker_restarts_total", _C, "Worker processes that died and were started again."),
    # Cameras
    MetricFacts("vigia_cameras", _G, "Cameras in the list."),
    MetricFacts("vigia_camera_state", _G, "1 for a camera's state, 0 for the others.", ("camera", "state")),
    MetricFacts(
        "vigia_camera_load_state", _G, "1 for how thoroughly a camera is looked at, 0 for the others.",
        ("camera", "state"),
    ),
    MetricFacts("vigia_camera_alarm", _G, "1 while an alarm is raised.", ("camera", "alarm")),
    MetricFacts("vigia_camera_frames_per_second", _G, "Packets a second over the last seconds.", ("camera",)),
    MetricFacts("vigia_camera_bytes_per_second", _G, "What the stream takes on the network.", ("camera",)),
    MetricFacts("vigia_camera_last_packet_age_seconds", _G, "How long ago the last packet came.", ("camera",)),
    MetricFacts(
        "vigia_camera_clock_offset_seconds", _G, "How far the camera's clock is ahead of this machine's.", ("camera",)
    ),
    MetricFacts("vigia_camera_reconnects_total", _C, "Times that a camera was opened again.", ("camera",)),
    MetricFacts(
        "vigia_camera_abandoned_threads_total", _C, "Threads left behind inside the video library.", ("camera",)
    ),
    MetricFacts(
        "vigia_camera_detection_interval_frames", _G, "k: the detector looks at every k-th frame.", ("camera",)
    ),
    MetricFacts("vigia_camera_load_ratio", _G, "Share of its shard's time that a camera takes.", ("camera",)),
    # Frames and tracks
    MetricFacts("vigia_packets_received_total", _C, "Packets that the cameras delivered.", ("camera",)),
    MetricFacts("vigia_frames_total", _C, "Packets by where they ended.", ("camera", "fate")),
    MetricFacts("vigia_frames_skipped_total", _C, "Skipped packets by reason, all cameras.", ("reason",)),
    MetricFacts("vigia_frame_age_seconds", _H, "How old frames were when they were done, after start-up."),
    MetricFacts("vigia_faces_total", _C, "Faces found, one in one frame.", ("camera",)),
    MetricFacts("vigia_tracks_started_total", _C, "Tracks that began.", ("camera",)),
    MetricFacts("vigia_tracks_total", _C, "Tracks by where they ended.", ("camera", "fate")),
    MetricFacts("vigia_tracks_filtered_total", _C, "Tracks not worth sending, by reason, all cameras.", ("reason",)),
    MetricFacts("vigia_captures_total", _C, "Shots handed on to be committed.", ("camera",)),
    MetricFacts("vigia_captures_committed_total", _C, "Captures that are safe on disk."),
    MetricFacts("vigia_captures_lost_total", _C, "Captures that never reached the disk."),
    MetricFacts("vigia_commit_queue_captures", _G, "Captures on their way to the disk."),
    MetricFacts("vigia_tracks_lock_hold_seconds", _S, "How long the lock of a camera's tracks was held; a sample."),
    MetricFacts("vigia_shard_load_ratio", _G, "Share of its time that a shard's cameras take.", ("shard",)),
    MetricFacts("vigia_shard_queue_packets", _G, "Packets that wait for a shard.", ("shard",)),
    # Delivery
    MetricFacts("vigia_delivery_results_total", _C, "Captures that found their end at FindFace.", ("result",)),
    MetricFacts("vigia_delivery_attempts_total", _C, "Times that a capture was posted, whatever came of it."),
    MetricFacts("vigia_delivery_failures_total", _C, "Attempts that failed and were not refused."),
    MetricFacts("vigia_delivery_found_total", _C, "Delivered captures that an earlier attempt had brought."),
    MetricFacts("vigia_delivery_lookups_deferred_total", _C, "Doubtful captures that had to wait for a look-up."),
    MetricFacts("vigia_delivery_leases_lost_total", _C, "Leases that ended before the answer was booked."),
    MetricFacts("vigia_delivery_seconds", _H, "How long a post took, from the request to its answer or failure."),
    MetricFacts("vigia_delivery_in_flight", _G, "Captures being looked up or posted now."),
    MetricFacts("vigia_delivery_senders_allowed", _G, "Posts allowed at the same time now."),
    MetricFacts("vigia_delivery_senders_max", _G, "Posts that may ever be allowed at the same time."),
    MetricFacts("vigia_findface_up", _G, "1 while FindFace answers, 0 while the circuit is open."),
    MetricFacts("vigia_findface_down_seconds", _G, "How long FindFace has not answered; 0 while it does."),
    MetricFacts("vigia_http_connections", _G, "Connections to FindFace.", ("state",)),
    MetricFacts("vigia_http_connections_max", _G, "Connections to FindFace that may be open."),
    MetricFacts("vigia_http_waiting_requests", _G, "Requests that wait for a connection."),
    # Outbox
    MetricFacts("vigia_outbox_up", _G, "1 while the outbox answers. Without an answer the next three are missing."),
    MetricFacts("vigia_outbox_captures", _G, "Captures that are in the outbox now.", ("state",)),
    MetricFacts("vigia_outbox_picture_bytes", _G, "What its pictures take."),
    MetricFacts("vigia_outbox_oldest_age_seconds", _G, "Age of the oldest capture that waits; 0 when none does."),
    MetricFacts("vigia_outbox_given_up_total", _C, "Captures that the outbox itself gave up.", ("reason",)),
    MetricFacts("vigia_outbox_put_back_total", _C, "Captures that a person sent again."),
    MetricFacts("vigia_outbox_dropped_total", _C, "Waiting captures that a person removed."),
    MetricFacts("vigia_disk_free_bytes", _G, "Free on the disk of data_dir."),
    # The process
    MetricFacts("vigia_resident_memory_bytes", _G, "Resident memory.", ("process",)),
    MetricFacts("vigia_cpu_seconds_total", _C, "CPU time used.", ("process",)),
    MetricFacts("vigia_gc_pause_seconds", _S, "Pauses for garbage collection, main process."),
    MetricFacts("vigia_gc_pause_max_seconds", _G, "The longest such pause, all processes."),
    MetricFacts("vigia_log_queue_records", _G, "Log records that wait to be written."),
    MetricFacts("vigia_log_queue_records_max", _G, "Log records that may wait."),
    MetricFacts("vigia_log_dropped_records_total", _C, "Log records that found no room."),
    # The web server
    MetricFacts("vigia_web_sessions", _G, "Sessions that are open."),
    MetricFacts("vigia_web_login_failures_total", _C, "Log-ins that failed or were locked out."),
)  # fmt: skip
METRICS: Mapping[str, MetricFacts] = {facts.name: facts for facts in _FACTS}
"""By name, in the order of the exposition."""
