"""What vigia promises of its speed: one row each in the last table of ``vigia bench``; benchmarks name their ids."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Promise:
    """One row."""

    id: str
    benchmark: str
    """The one that measures it."""
    what: str
    wanted: str


PROMISES: tuple[Promise, ...] = (
    Promise("flat-720p-k1", "throughput", "flat out 720p, 8 streams, k=1, of decode-only", "≥ 50 %"),
    Promise("flat-720p-k2", "throughput", "flat out 720p, 8 streams, k=2, of decode-only", "≥ 68 %"),
    Promise("flat-720p-k3", "throughput", "flat out 720p, 8 streams, k=3, of decode-only", "≥ 78 %"),
    Promise("flat-1080p-k2", "throughput", "flat out 1080p, 8 streams, k=2, of decode-only", "≥ 70 %"),
    Promise("flat-1080p-k3", "throughput", "flat out 1080p, 8 streams, k=3, of decode-only", "≥ 80 %"),
    Promise("naive", "throughput", "against the naive design, 720p, faces of 60 px found by both", "≥ 15 times"),
    Promise("paced-720p", "paced", "8 x 720p30, detection on every frame", "240 fps, 0 skipped, p99 age ≤ 100 ms"),
    Promise("paced-1080p", "paced", "8 x 1080p30, k ≤ 3, faces of 60 px found", "240 fps, 0 skipped"),
    Promise("paced-centerface", "paced", "8 x 720p30, CenterFace, k ≤ 5", "240 fps, 0 skipped"),
    Promise("paced-most", "paced", "cameras of 720p30, k ≤ 5, 0 skipped, p99 age ≤ 100 ms", "≥ 12"),
    Promise("overload", "overload", "24 x 720p30: visible, fair, balanced, memory flat", "recovers in 10 s"),
    Promise(
        "logger",
        "logger",
        "logger.info, 4 threads, 1000 calls/s, sink stalls 50 ms",
        "p50 ≤ 5 µs, p99.9 ≤ 1 ms, lowest",
    ),
    Promise("lock", "lock", "lock held by ManageTracks, 8 threads, 50 tracks a camera", "p99 ≤ 50 µs"),
    Promise("http", "http", "CPU per pooled TLS POST of 200 KB, of requests.post", "≤ 1/3, 1 handshake a connection"),
    Promise("delivery-rate", "delivery", "committed and delivered, 200 KB, TLS on loopback, sustained", "≥ 300/s"),
    Promise("delivery-enqueue", "delivery", "commit of a capture of 200 KB meanwhile", "p99 ≤ 20 ms"),
    Promise("gc", "gc", "garbage collection pauses in steady state", "max ≤ 5 ms, p99 ≤ 2 ms"),
    Promise("rss", "soak", "RSS, 8 x 1080p30, 10 minutes", "≤ 700 MB, ≤ 1 % growth after minute 2"),
    Promise("latency", "latency", "face leaves to event accepted, after the track's silence", "p95 ≤ 250 ms"),
    Promise("live-watched", "live", "flat out 720p, two browsers watch all 8: frames processed", "fall by < 5 %"),
    Promise("live-stalled", "live", "the same with a browser that stalled", "fall by nothing, no picture kept"),
    Promise("best_shot", "quality", "chosen shot within the best 10 % of its track's frames", "≥ 95 % of tracks"),
    Promise("refusals", "quality", "refusals by the stand-in", "≤ 2 %"),
    Promise("small_faces", "quality", "faces of 60 px at 1080p, each model, default settings", "recall ≥ 95 %"),
    Promise("track-hota", "tracking", "HOTA, each sequence, k=1 and 3, beside the best rival's best setting", "≥ its"),
    Promise("track-idf1", "tracking", "IDF1, each sequence, k=1 and 3, beside the best rival's best setting", "≥ its"),
    Promise(
        "track-mean-hota",
        "tracking",
        "HOTA, mean over the sequences, k=1 and 3, beside the best rival",
        "≥ 2 points above",
    ),
    Promise(
        "track-mean-idf1",
        "tracking",
        "IDF1, mean over the sequences, k=1 and 3, beside the best rival",
        "≥ 2 points above",
    ),
    Promise(
        "track-switches", "tracking", "identity switches, each sequence, beside the best rival at equal IDF1", "no more"
    ),
    Promise("track-cpu-7", "tracking", "association of 7 objects, CPU a frame, of the cheapest rival", "≤ 1/3"),
    Promise("track-cpu-50", "tracking", "association of 50 objects, CPU a frame, of the cheapest rival", "≤ 1/3"),
    Promise(
        "passages-k1", "tracking", "generator, 8 cameras, k=1: delivered, captures a passage, mixed", "≥ 98 %, ≤ 1.1, 0"
    ),
    Promise(
        "passages-k3", "tracking", "generator, 8 cameras, k=3: delivered, captures a passage, mixed", "≥ 98 %, ≤ 1.1, 0"
    ),
    Promise(
        "passages-k5", "tracking", "generator, 8 cameras, k=5: delivered, captures a passage, mixed", "≥ 98 %, ≤ 1.1, 0"
    ),
)
"""In the order of the table."""
