"""The report of a run: the ledger, balanced or not, and what was measured. Pure: from figures to a dictionary."""

from dataclasses import dataclass
from typing import Any

from vigia.application.orchestrator import RunStatus, SteadyFigures
from vigia.domain.histogram import DurationHistogram
from vigia.domain.ledger import FrameFate, LedgerPage, TrackFate
from vigia.domain.passages import PassageReport


@dataclass(frozen=True, slots=True)
class RunFacts:
    """Everything the report is made of."""

    status: RunStatus
    ledger: LedgerPage
    steady: SteadyFigures
    ages: DurationHistogram
    model: str
    carried_over: int
    lost: int
    """Captures that never reached the disk; each was an error line."""
    pending: int
    """Unsent captures in the outbox at the end."""
    cpu_s: float
    rss_bytes: int
    gc_pause_p99_s: float = 0.0
    """Of the garbage collector's pauses since start-up was frozen."""
    gc_pause_max_s: float = 0.0
    passages: PassageReport | None = None
    survivors: tuple[str, ...] = ()
    shared_outbox: bool = False
    """Other vigias commit to the outbox and send from it too: what is in it is not what this run alone did to it."""

    @property
    def balanced(self) -> bool:
        """True when every packet, track and capture has exactly one end."""
        delivery, status = self.status.delivery, self.status
        ended = delivery.delivered + delivery.refused + delivery.dead + status.tally.lost_to_senders + self.pending
        return (
            self.ledger.balanced
            and self.ledger.captures == status.committed + self.lost + status.commit_waiting
            and (self.shared_outbox or self.carried_over + status.committed == ended)
        )


def run_report(facts: RunFacts) -> dict[str, Any]:
    """The report as JSON holds it; the keys are a contract (see the README)."""
    status, ledger = facts.status, facts.ledger
    frames = {fate.value: ledger.frames[fate] for fate in FrameFate}
    cadences = [shard.k for shard in status.shards]
    return {
        "cameras": status.cameras,
        "duration_s": round(status.elapsed_s, 2),
        "fps_processed": round(facts.steady.fps, 2),
        "model": facts.model,
        "k": max(cadences, default=0),
        "frames": {"received": ledger.received, **frames},
        "skip_reasons": dict(ledger.skip_reasons),
        "faces": ledger.faces,
        "captures": {
            "carried_over": facts.carried_over,
            "committed": status.committed,
            "delivered": status.delivery.delivered,
            "pending": facts.pending,
            "refused": status.delivery.refused,
            "dead": status.delivery.dead,
            "given_up": {code.value: count for code, count in status.tally.given_up.items()},
            "put_back": status.tally.put_back,
            "dropped": status.tally.dropped,
            "pictures_given_up": status.tally.pictures_given_up,
            "lost": facts.lost,
        },
        "tracks": {
            "started": ledger.tracks_started,
            "ended": ledger.tracks_ended,
            "captured": ledger.tracks[TrackFate.CAPTURED],
            "further_captures": ledger.further_captures,
            "filtered": ledger.tracks[TrackFate.FILTERED],
            "filter_reasons": dict(ledger.filter_reasons),
            "lost": ledger.tracks[TrackFate.LOST],
        },
        "passages": None if facts.passages is None else facts.passages.summary(),
        "frame_age_ms": {
            f"p{percent}": round(facts.ages.percentile_s(percent) * 1000.0, 2) for percent in (50, 95, 99)
        },
        "cpu_cores": round(facts.cpu_s / status.elapsed_s, 3) if status.elapsed_s > 0.0 else 0.0,
        "rss_mb": round(facts.rss_bytes / 1e6, 1),
        "gc_pause_ms": {
            "p99": round(facts.gc_pause_p99_s * 1000.0, 3),
            "max": round(facts.gc_pause_max_s * 1000.0, 3),
        },
        "loads": [
            {
                "camera": camera.name,
                "state": camera.load.state.value,
                "reason": camera.load.reason.value,
                "k": camera.load.k,
                "input_width": camera.load.input_width,
                "cost_share": round(camera.load.cost_share, 4),
                "skipped": camera.page.frames[FrameFate.SKIPPED],
            }
            for camera in status.details
        ],
        "worker_restarts": status.restarts,
        "survivors": list(facts.survivors),
        "shared_outbox": facts.shared_outbox,
        "balanced": facts.balanced,
    }
