"""The report of a run: its keys are a contract, and it balances only when everything has exactly one end."""

import json
from dataclasses import replace
from types import MappingProxyType

import pytest

from vigia.application.camera_shard import ShardStatus
from vigia.application.orchestrator import RunStatus, SteadyFigures
from vigia.application.ports import OutboxTally
from vigia.application.run_report import RunFacts, run_report
from vigia.application.use_cases.send_to_findface import DeliveryStats
from vigia.domain.histogram import DurationHistogram
from vigia.domain.ledger import FrameFate, LedgerPage, TrackFate
from vigia.domain.outbox_policy import GivenUp
from vigia.domain.passages import PassageReport


def page(**frames: int) -> LedgerPage:
    booked = {fate: frames.get(fate.value, 0) for fate in FrameFate}
    tracks = {TrackFate.CAPTURED: 5, TrackFate.FILTERED: 3, TrackFate.LOST: 0}
    return LedgerPage(
        received=sum(booked.values()),
        frames=MappingProxyType(booked),
        skip_reasons=MappingProxyType({"overload": booked[FrameFate.SKIPPED]}),
        tracks_started=sum(tracks.values()),
        tracks=MappingProxyType(tracks),
        filter_reasons=MappingProxyType({"too_small": 3}),
        faces=40,
    )


def facts() -> RunFacts:
    """Five captures: three delivered, one refused, one lost before the disk; one of an earlier run is pending."""
    ledger = page(detected=20, tracked=30, quiet=40, skipped=2, corrupt=1)
    ages = DurationHistogram()
    for milliseconds in range(1, 101):
        ages.record(milliseconds / 1000.0)
    status = RunStatus(
        elapsed_s=10.004,
        cameras=2,
        cameras_live=2,
        fps=9.0,
        ledger=ledger,
        committed=4,
        commit_waiting=0,
        delivery=DeliveryStats(delivered=3, refused=1, dead=0),
        unsent=1,
        shards=[ShardStatus("shard-0", 1, 3, 0), ShardStatus("shard-1", 1, 5, 0)],
    )
    return RunFacts(
        status=status,
        ledger=ledger,
        steady=SteadyFigures(duration_s=8.0, frames=72),
        ages=ages,
        model="centerface",
        carried_over=1,
        lost=1,
        pending=1,
        cpu_s=15.0,
        rss_bytes=123_456_789,
    )


def test_the_keys_are_a_contract() -> None:
    report = run_report(facts())
    assert {
        "cameras", "duration_s", "fps_processed", "model", "k", "frames", "captures", "tracks", "passages",
        "frame_age_ms", "cpu_cores", "rss_mb", "balanced",
    } <= set(report)  # fmt: skip
    assert {"received", "detected", "tracked", "quiet", "skipped", "corrupt"} <= set(report["frames"])
    assert {"committed", "delivered", "pending", "refused", "dead"} <= set(report["captures"])
    assert {"ended", "filtered"} <= set(report["tracks"])
    assert set(report["frame_age_ms"]) == {"p50", "p95", "p99"}


def test_every_figure_comes_from_its_fact() -> None:
    report = run_report(facts())
    assert report["cameras"] == 2
    assert report["duration_s"] == 10.0
    assert report["fps_processed"] == 9.0
    assert (report["model"], report["k"]) == ("centerface", 5)
    assert report["frames"] == {
        "received": 93, "detected": 20, "tracked": 30, "quiet": 40, "skipped": 2, "corrupt": 1,
    }  # fmt: skip
    assert report["skip_reasons"] == {"overload": 2}
    assert report["captures"] == {
        "carried_over": 1, "committed": 4, "delivered": 3, "pending": 1, "refused": 1, "dead": 0, "lost": 1,
        "given_up": {}, "put_back": 0, "dropped": 0, "pictures_given_up": 0,
    }  # fmt: skip
    assert report["tracks"] == {
        "started": 8, "ended": 8, "captured": 5, "further_captures": 0, "filtered": 3,
        "filter_reasons": {"too_small": 3}, "lost": 0,
    }  # fmt: skip
    assert report["frame_age_ms"] == {
        "p50": pytest.approx(50, rel=0.06), "p95": pytest.approx(95, rel=0.06), "p99": pytest.approx(99, rel=0.06),
    }  # fmt: skip
    assert report["cpu_cores"] == pytest.approx(1.499, abs=0.001)
    assert report["rss_mb"] == 123.5
    assert report["survivors"] == []
    assert report["passages"] is None


def test_it_is_plain_json() -> None:
    judged = PassageReport(truth=4, delivered=3, captures=4, small_captures=0, false_captures=0, unjudged=0, missed=())
    report = run_report(replace(facts(), passages=judged, survivors=("camera-1",)))
    assert json.loads(json.dumps(report)) == report
    assert {"truth", "delivered", "recall", "captures_per_passage"} <= set(report["passages"])
    assert report["survivors"] == ["camera-1"]


def test_books_in_order_balance() -> None:
    assert facts().balanced
    assert run_report(facts())["balanced"] is True


@pytest.mark.parametrize(
    ("what", "gap"),
    [
        ("a frame that ended nowhere", replace(facts(), ledger=replace(facts().ledger, received=94))),
        ("a frame that ended twice", replace(facts(), ledger=replace(facts().ledger, received=92))),
        ("a track that is still open", replace(facts(), ledger=replace(facts().ledger, tracks_started=9))),
        ("a captured track without a capture", replace(facts(), lost=0)),
        (
            "a capture still in the queue, counted as lost too",
            replace(facts(), status=replace(facts().status, commit_waiting=1)),
        ),
        ("a capture too many on the disk", replace(facts(), pending=2)),
        ("a capture that is gone from the disk", replace(facts(), pending=0)),
        (
            "a delivery of nothing",
            replace(facts(), status=replace(facts().status, delivery=DeliveryStats(delivered=4, refused=1))),
        ),
        ("an earlier run's capture that is nowhere", replace(facts(), carried_over=2)),
    ],
)
def test_any_gap_is_told(what: str, gap: RunFacts) -> None:
    assert not gap.balanced, what
    assert run_report(gap)["balanced"] is False


@pytest.mark.parametrize(
    ("tally", "pending"),
    [
        (OutboxTally(given_up={GivenUp.OUTBOX_FULL: 1}), 0),
        (OutboxTally(given_up={GivenUp.EXPIRED: 1}, put_back=1), 1),
        (OutboxTally(dropped=1), 0),
        (OutboxTally(put_back=2), 3),
    ],
)
def test_what_happens_without_a_sender_is_a_part_of_the_balance(tally: OutboxTally, pending: int) -> None:
    changed = replace(facts(), pending=pending, status=replace(facts().status, tally=tally))
    assert changed.balanced
    assert not replace(changed, pending=pending + 1).balanced
    assert not replace(changed, status=replace(facts().status, tally=replace(tally, dropped=5))).balanced


def test_the_report_tells_how_many_were_given_up_and_why() -> None:
    tally = OutboxTally({GivenUp.OUTBOX_FULL: 2, GivenUp.EXPIRED: 1}, put_back=4, dropped=5, pictures_given_up=6)
    captures = run_report(replace(facts(), status=replace(facts().status, tally=tally)))["captures"]
    assert captures["given_up"] == {"outbox_full": 2, "expired": 1}
    assert (captures["put_back"], captures["dropped"], captures["pictures_given_up"]) == (4, 5, 6)


def test_a_capture_waiting_to_be_committed_is_not_lost() -> None:
    waiting = replace(facts(), lost=0, status=replace(facts().status, commit_waiting=1))
    assert waiting.balanced


def test_a_run_that_never_ran_has_no_rates() -> None:
    empty = LedgerPage()
    status = replace(
        facts().status, elapsed_s=0.0, ledger=empty, committed=0, delivery=DeliveryStats(), shards=[], unsent=0
    )
    report = run_report(
        RunFacts(
            status=status, ledger=empty, steady=SteadyFigures(), ages=DurationHistogram(), model="", carried_over=0,
            lost=0, pending=0, cpu_s=1.0, rss_bytes=0,
        )
    )  # fmt: skip
    assert (report["fps_processed"], report["cpu_cores"], report["k"]) == (0.0, 0.0, 0)
    assert report["frame_age_ms"] == {"p50": 0.0, "p95": 0.0, "p99": 0.0}
    assert report["balanced"] is True
