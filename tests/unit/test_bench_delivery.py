"""The delivery benchmark: every way delivers all it took, and figures become the right verdicts."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from vigia.bench import delivery
from vigia.bench.delivery import COMMITTERS, JUDGED, OURS, WAYS, QueueFigures
from vigia.bench.https_receiver import HttpsReceiver
from vigia.bench.promises import PROMISES
from vigia.bench.registry import BENCHES

RUN_S = 0.05


@pytest.fixture(scope="module")
def receiver() -> Iterator[HttpsReceiver]:
    with HttpsReceiver() as receiver:
        yield receiver


@pytest.mark.parametrize("committing", COMMITTERS)
@pytest.mark.parametrize("name", WAYS)
def test_every_way_delivers_what_it_took_and_leaves_nothing(
    receiver: HttpsReceiver, tmp_path: Path, name: str, committing: int
) -> None:
    figures = delivery.measure((name, committing), receiver, b"x" * 1000, duration_s=RUN_S, out=tmp_path)
    assert figures.captures > 0
    assert 0.0 < figures.p50_s <= figures.p99_s <= figures.max_s
    assert figures.rate > 0.0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("rate", "p99_s", "held"),
    [(300.0, 0.020, [True, True]), (299.0, 0.001, [False, True]), (400.0, 0.021, [True, False])],
)
def test_verdicts(rate: float, p99_s: float, held: list[bool]) -> None:
    def figures(rate: float, p99_s: float) -> list[QueueFigures]:
        return [QueueFigures(captures=9, rate=rate, p50_s=0.001, p99_s=p99_s, max_s=1.0, cpu_s=0.001)]

    found = {
        (name, committing): figures(rate, p99_s) if (name, committing) == (OURS, JUDGED) else figures(1.0, 9.0)
        for name in WAYS
        for committing in COMMITTERS
    }
    result = delivery._result(found, duration_s=1.0, disk="ext4")
    assert [verdict.held for verdict in result.verdicts] == held
    assert [row[:2] for row in result.tables[0].rows] == [(name, str(committing)) for name, committing in found]
    promised = {promise.id for promise in PROMISES if promise.benchmark == result.name}
    assert {verdict.promise for verdict in result.verdicts} == promised
    assert result.name in {entry.name for entry in BENCHES}
