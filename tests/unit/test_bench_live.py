"""The benchmark of live pictures: what is compared with what, and one short run of it all on tiny clips."""

from pathlib import Path

import pytest

from vigia.bench import live
from vigia.bench.context import BenchContext
from vigia.bench.live import LiveSample, Watching, falls, noise, raw_falls, turns
from vigia.bench.promises import PROMISES
from vigia.bench.registry import BENCHES
from vigia.infrastructure.demo import DemoClip

PROMISED = {promise.id for promise in PROMISES if promise.benchmark == "live"}


def sample(watching: Watching, fps: float, *, cpu_s: float = 0.0, kept: int = 0) -> LiveSample:
    told = [{"answers": 3.0, "pictures": 24.0, "bytes": 1000.0, "age_ms": 100.0, "cpu_s": cpu_s}]
    return LiveSample(watching, fps, 4.0, 3.5, [] if watching is Watching.NOBODY else told, kept=kept)


def series(*fps: float, cpu_s: float = 0.0, kept: int = 0) -> list[LiveSample]:
    order = turns((len(fps) - 1) // 4)
    return [sample(watching, one, cpu_s=cpu_s, kept=kept) for watching, one in zip(order, fps, strict=True)]


def test_nobody_stands_between_all_others() -> None:
    order = turns(2)
    assert order[::2] == [Watching.NOBODY] * 5
    assert order[1::2] == [Watching.TWO, Watching.STALLED] * 2


def test_each_is_held_against_its_neighbours() -> None:
    samples = series(100.0, 94.0, 100.0, 120.0, 140.0)
    assert falls(samples, Watching.TWO) == pytest.approx([0.06])
    assert falls(samples, Watching.STALLED) == pytest.approx([0.0])
    assert noise(samples) == pytest.approx(0.1)


def test_the_browsers_own_time_is_taken_out() -> None:
    samples = series(100.0, 95.0, 100.0, 100.0, 100.0, cpu_s=0.4)  # of 8 s that two cores have in 4 s
    assert raw_falls(samples, Watching.TWO) == pytest.approx([0.05])
    assert falls(samples, Watching.TWO) == pytest.approx([0.0])


@pytest.mark.parametrize(
    ("fps", "kept", "held"),
    [
        ((100.0, 97.0, 100.0, 100.0, 100.0), 0, [True, True]),
        ((100.0, 94.0, 100.0, 97.0, 100.0), 0, [False, False]),
        ((100.0, 97.0, 100.0, 100.0, 100.0), 1, [True, False]),
    ],
)
def test_verdicts(fps: tuple[float, ...], kept: int, held: list[bool]) -> None:
    verdicts = live._verdicts(series(*fps, kept=kept))
    assert {verdict.promise for verdict in verdicts} == PROMISED
    assert [verdict.held for verdict in verdicts] == held


def test_a_watch_that_showed_nothing_proves_nothing() -> None:
    samples = series(100.0, 100.0, 100.0, 100.0, 100.0)
    samples[1].browsers = [{**samples[1].browsers[0], "pictures": 0.0}]
    assert [verdict.held for verdict in live._verdicts(samples)] == [False, True]


class TinyContext(BenchContext):
    """With the suite's small clips."""

    tiny: list[DemoClip] = []  # noqa: RUF012 - set once by the test

    def clips(self, height: int) -> list[DemoClip]:  # noqa: ARG002 - there is one size
        return self.tiny


def test_a_short_run_measures_and_keeps_nothing(
    clips: list[DemoClip], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TinyContext, "tiny", clips)
    monkeypatch.setattr(live, "FRAMES_QUICK", 24)
    monkeypatch.setattr(live, "K", 6)
    result = live.run(TinyContext(tmp_path, quick=True))
    assert {verdict.promise for verdict in result.verdicts} == PROMISED
    assert result.name in {entry.name for entry in BENCHES}
    samples = result.data["samples"]
    assert [one["watching"] for one in samples] == ["nobody", "two browsers", "nobody", "a stalled browser", "nobody"]
    watched = samples[1]
    assert watched["made"] > 0
    assert sum(one["pictures"] for one in watched["browsers"]) > 0
    assert [one["kept"] for one in samples] == [0] * 5
    assert [samples[number]["made"] for number in (0, 2, 4)] == [0, 0, 0], "nobody watched"
