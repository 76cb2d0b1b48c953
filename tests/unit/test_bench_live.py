"""The benchmark of live pictures: what is compared with what, who comes and goes, and one short run of it all."""

from datetime import UTC, datetime

import pytest

from vigia.application.errors import ApplicationError
from vigia.bench import live
from vigia.bench.context import BenchContext
from vigia.bench.live import falls, noise, raw_falls, result_of, verdicts
from vigia.bench.live_browser import Order, Tally
from vigia.bench.live_site import GONE_S, Director, LiveSample, Moment, Watching, measure, turns
from vigia.bench.machine import machine_facts
from vigia.bench.promises import PROMISES
from vigia.bench.registry import BENCHES
from vigia.bench.report import NOT_MEASURED, Outcome, promise_rows
from vigia.bench.site import in_child
from vigia.infrastructure.demo import DemoClip

PROMISED = {promise.id for promise in PROMISES if promise.benchmark == "live"}
GOT = {"answers": 3.0, "pictures": 24.0, "bytes_read": 1000.0, "age_ms": 100.0, "messages": 9.0, "seconds": 4.0}


def sample(watching: Watching, fps: float, *, cpu_s: float = 0.0, kept: int = 0) -> LiveSample:
    told = [] if watching is Watching.NOBODY else [dict(GOT)]
    return LiveSample(watching, fps, 4.0, 3.5, told, browsers_cpu_s=cpu_s if told else 0.0, kept=kept)


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
        ((100.0, 97.0, 103.0, 103.1, 106.0), 0, [True, True]),  # noise of 1.5 %: as much may be missing
        ((100.0, 99.0, 106.0, 106.0, 100.0), 1, [True, False]),  # a picture is kept or not, whatever the noise
    ],
)
def test_verdicts(fps: tuple[float, ...], kept: int, held: list[bool]) -> None:
    found = verdicts(series(*fps, kept=kept))
    assert {verdict.promise for verdict in found} == PROMISED
    assert [verdict.held for verdict in found] == held


def test_a_restless_machine_measures_nothing_of_a_stalled_browser() -> None:
    result = result_of(series(100.0, 99.0, 106.0, 99.0, 100.0), model="yunet-s")  # noise of 3 %, and 4 % missing
    assert [verdict.promise for verdict in result.verdicts] == ["live-watched"]
    assert "was not measured" in result.notes[-1]
    entry = next(entry for entry in BENCHES if entry.name == result.name)
    at_utc = datetime(2026, 1, 2, tzinfo=UTC)
    outcome = Outcome(entry, machine_facts(), at_utc, quick=False, elapsed_s=1.0, result=result)
    rows = {row["id"]: row["state"] for row in promise_rows([outcome])}
    assert rows["live-stalled"] == NOT_MEASURED


@pytest.mark.parametrize("nothing", ["pictures", "messages"])
def test_a_watch_that_showed_nothing_proves_nothing(nothing: str) -> None:
    samples = series(100.0, 100.0, 100.0, 100.0, 100.0)
    samples[1].browsers = [{**GOT, nothing: 0.0}]
    assert [verdict.held for verdict in verdicts(samples)] == [False, True]


class Puppet:
    """A browser that answers at once and notes what was asked of it."""

    def __init__(self, *, dumb: bool = False) -> None:
        self.asked: list[str] = ["begin"]
        self.dumb = dumb
        self.used_s = 0.0
        self._owed = 1

    def ask(self, word: str) -> None:
        self.asked.append(word)
        self._owed += 1

    def answer(self) -> dict[str, float] | None:
        if self.dumb or not self._owed:
            return None
        self._owed -= 1
        return {**GOT, "answers": float(len(self.asked))}

    def cpu_s(self) -> float:
        self.used_s += 0.25  # from one look to the next
        return self.used_s

    def stall(self) -> None:
        self.asked.append("stall")

    def go_on(self) -> None:
        self.asked.append("go on")


def play(director: Director, *, fps: float, step_s: float = 0.5) -> float:
    """Time goes on until it is over; how long that was, seconds."""
    at_s = 0.0
    while director.see(Moment(at_s, int(fps * at_s), 2.0 * at_s)):
        at_s += step_s
        assert at_s < 1000.0
    return at_s


def test_browsers_come_and_go_between_the_samples() -> None:
    two, stalled = [Puppet(), Puppet()], Puppet()
    guests = {Watching.TWO: two, Watching.STALLED: [stalled]}
    director = Director(guests, turns(1), frames=1000)  # type: ignore[arg-type]
    play(director, fps=640.0)
    assert [one.watching for one in director.samples] == turns(1)
    assert [one.asked for one in two] == [["begin", "watch", "leave"]] * 2
    assert stalled.asked == ["begin", "watch", "stall", "go on", "leave"]
    for one in director.samples:
        assert one.fps == pytest.approx(640.0)  # between two looks the frames go on evenly
        assert one.wall_s == pytest.approx(1000 / 640.0)
        assert one.cpu_ms == pytest.approx(2000.0 / 640.0)
        browsers = {Watching.NOBODY: 0, Watching.TWO: 2, Watching.STALLED: 1}[one.watching]
        assert one.browsers_cpu_s == pytest.approx(0.25 * browsers * one.wall_s / 2.0)  # the fourth look is at 2 s
    # Of those who watch counts what they got to the end; of the stalled one, before it stalled.
    assert [[told["answers"] for told in one.browsers] for one in director.samples] == [[], [3.0, 3.0], [], [2.0], []]


def test_pictures_are_counted_when_none_may_be_left(monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[float] = []
    guests = {Watching.TWO: [Puppet()], Watching.STALLED: [Puppet()]}
    director = Director(guests, turns(1), frames=100)  # type: ignore[arg-type]

    def count() -> int:
        counted.append(director._now.at_s - director._left_s)
        return 7

    monkeypatch.setattr("vigia.bench.live_site.kept_pictures", count)
    play(director, fps=1000.0)
    assert [one.kept for one in director.samples] == [7, 0, 7, 7, 7]
    assert min(counted) >= GONE_S


def test_a_browser_that_does_not_answer_ends_the_run() -> None:
    director = Director({Watching.TWO: [Puppet(dumb=True)]}, turns(1), frames=100)  # type: ignore[list-item]
    with pytest.raises(ApplicationError, match="does not answer"):
        play(director, fps=1000.0)


def test_frames_that_do_not_come_end_the_run() -> None:
    with pytest.raises(ApplicationError, match="too long"):
        play(Director({}, turns(1), frames=100), fps=0.5)


def test_an_order_travels_and_hides_its_password() -> None:
    order = Order("http://127.0.0.1:1", "operator", "secret-of-this-run", ("c0", "c1"), 480, stall=True)
    assert Order.of(order.line()) == order
    assert "secret" not in repr(order)


def test_an_answer_is_taken_apart_as_the_script_does_it() -> None:
    head = b'{"seq":7,"interval_ms":250,"cameras":[{"age_ms":40},{"age_ms":60}]}'
    tally = Tally()
    assert tally.add(len(head).to_bytes(4, "big") + head + b"picture") == (7, 0.25)
    assert (tally.answers, tally.pictures, tally.age_ms) == (1, 2, 100.0)


@pytest.fixture(scope="module")
def measured(clips: list[DemoClip], tmp_path_factory: pytest.TempPathFactory) -> list[LiveSample]:
    """In a process of its own: there is one dashboard in each."""
    context = BenchContext(tmp_path_factory.mktemp("live"), quick=True)
    return in_child(measure, context, clips, frames=24, rounds=1, detector__model="centerface", detector__cadence_k=6)


def test_two_browsers_hold_the_real_page_open(measured: list[LiveSample]) -> None:
    assert [one.watching for one in measured] == turns(1)
    assert len(measured[1].browsers) == 2
    for told in measured[1].browsers:
        assert told["pictures"] > 0
        assert told["messages"] > 0  # the page's totals and cards


def test_a_stalled_browser_keeps_no_picture(measured: list[LiveSample]) -> None:
    (told,) = measured[3].browsers
    assert told["pictures"] > 0
    assert measured[3].browsers_cpu_s == 0.0  # it was stopped
    assert [one.kept for one in measured] == [0] * 5


def test_a_short_run_has_all_its_tables(measured: list[LiveSample]) -> None:
    result = result_of(measured, model="centerface")
    assert result.name in {entry.name for entry in BENCHES}
    assert [len(table.rows) for table in result.tables] == [3, 2]
    assert {verdict.promise for verdict in result.verdicts} <= PROMISED
    assert [one["watching"] for one in result.data["samples"]] == [one.value for one in turns(1)]
    assert live.FRAMES % live.K == 0
