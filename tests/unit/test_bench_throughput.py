"""What is concluded from flat-out measurements, and that deliveries of such a run are complete."""

from dataclasses import replace
from pathlib import Path

import pytest

from vigia.bench import throughput
from vigia.bench.context import BenchContext
from vigia.bench.flat_delivery import delivery
from vigia.bench.flat_out import FlatResult, flat_streams
from vigia.bench.flat_workers import FlatWorkers
from vigia.bench.https_receiver import HttpsReceiver
from vigia.bench.naive_comparison import NaiveComparison
from vigia.bench.promises import PROMISES
from vigia.bench.result import BenchResult
from vigia.bench.throughput_cases import CaseSamples, FlatCase, cases_table, found_text, measure_cases
from vigia.domain.passages import PassageReport
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.demo import DemoClip

PROMISED = {promise.id for promise in PROMISES if promise.benchmark == "throughput"}
NOTHING_MISSED = PassageReport(
    truth=3, delivered=3, captures=3, small_captures=0, false_captures=0, unjudged=0, missed=()
)


def _result(fps: float) -> FlatResult:
    return FlatResult(frames=100, wall_s=100.0 / fps, cpu_s=2.0, passages=NOTHING_MISSED)


def _measured(case: FlatCase, shares: tuple[float, ...]) -> CaseSamples:
    samples = CaseSamples(case)
    for share in shares:
        samples.add(_result(share * 800.0), decode_fps=800.0)
    return samples


class Bench:
    """Everything but the measuring: shares by what is measured, the naive design at 20 fps."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, shares: tuple[float, ...], vigia_fps: float = 400.0) -> None:
        self._shares = shares
        self._vigia_fps = vigia_fps
        monkeypatch.setattr(throughput, "measure_cases", self.measure)
        monkeypatch.setattr(throughput, "compare_with_naive", self.compare)

    def measure(
        self,
        _workers: FlatWorkers,
        _context: BenchContext,
        cases: list[FlatCase],
        *,
        repeats: int,
        promised: bool = False,
    ) -> list[CaseSamples]:
        assert repeats
        assert not promised or {case.model for case in cases} <= {"yunet-s"}
        return [_measured(case, self._shares) for case in cases]

    def compare(self, _context: BenchContext, *, model: str, model_setting: str, frames: int) -> NaiveComparison:
        assert model_setting
        assert frames
        vigia = {k: _result(self._vigia_fps) for k in (1, 2, 3)}
        return NaiveComparison(model, {"onnxruntime": 20.0}, "onnxruntime", _result(20.0), vigia, {1: 3, 2: 3, 3: 3})


def _run(context: BenchContext, monkeypatch: pytest.MonkeyPatch, models: dict[str, str]) -> BenchResult:
    monkeypatch.setattr(BenchContext, "models", lambda _self: models)
    return throughput.run(context)


def test_every_promise_is_judged_by_the_median_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Bench(monkeypatch, shares=(0.90, 0.69, 0.10))
    result = _run(BenchContext(tmp_path), monkeypatch, {"yunet-s": "yunet-s", "centerface": "centerface"})
    held = {verdict.promise: verdict.held for verdict in result.verdicts}
    assert held == {
        "flat-720p-k1": True,
        "flat-720p-k2": True,
        "flat-720p-k3": False,
        "flat-1080p-k2": False,
        "flat-1080p-k3": False,
        "naive": True,
    }
    assert set(held) == PROMISED
    assert [series.label for series in result.chart.series] == [
        "720p yunet-s", "720p centerface", "1080p yunet-s", "1080p centerface",
    ]  # fmt: skip
    assert all(len(series.values) == len(result.chart.categories) for series in result.chart.series)


def test_fifteen_times_are_wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Bench(monkeypatch, shares=(0.9,), vigia_fps=299.0)
    result = _run(BenchContext(tmp_path), monkeypatch, {"yunet-s": "yunet-s"})
    assert [verdict.held for verdict in result.verdicts if verdict.promise == "naive"] == [False]


def test_without_the_promised_model_nothing_is_said_of_the_promises(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Bench(monkeypatch, shares=(0.9,))
    result = _run(BenchContext(tmp_path), monkeypatch, {"centerface": "centerface"})
    assert result.verdicts == ()
    assert any("yunet-s is not here" in note for note in result.notes)
    assert len(result.tables) == 3


def test_a_share_is_of_the_decoding_before_and_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clips: list[DemoClip]
) -> None:
    rates = iter([1.0, 600.0, 350.0, 800.0, 450.0, 1000.0])  # to warm up; then decoding and each k, in turn
    monkeypatch.setattr(BenchContext, "clips", lambda _self, _height: clips)
    monkeypatch.setattr(FlatWorkers, "measure", lambda _self, _streams, _settings: _result(next(rates)))
    cases = [FlatCase(720, "centerface", k, 80.0) for k in (1, 2)]
    first, second = measure_cases(FlatWorkers(), BenchContext(tmp_path), cases, repeats=1)
    assert (first.decode_fps, second.decode_fps) == ([700.0], [900.0])
    assert first.shares + second.shares == pytest.approx([0.5, 0.5])
    assert cases_table("t", [first, second]).rows[0][-1] == "3/3"


def test_what_a_short_stretch_cannot_hold_was_not_missed() -> None:
    assert found_text(_result(1.0)) == "3/3"
    assert found_text(replace(_result(1.0), passages=replace(NOTHING_MISSED, truth=0, delivered=0))) == "-"


def test_a_run_ends_when_its_last_capture_is_delivered(tmp_path: Path, clips: list[DemoClip]) -> None:
    settings = BenchContext(tmp_path).settings(
        detector__model="centerface", detector__cadence_k=2, detector__input_width=320, detector__motion_gate="false"
    )
    streams = flat_streams(clips, frames=30, count=2)
    with HttpsReceiver() as receiver:
        made = delivery(tmp_path / "outbox", url=receiver.url, ca_file=receiver.ca_file, clock=SystemClock())
        with made as way:
            result = FlatWorkers().measure(streams, settings, taker=way, finish=way.finish)
            assert way.delivered == result.captures == receiver.counts()["events"] > 0
