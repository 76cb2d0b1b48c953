"""When garbage is collected, how pauses are measured, and who gives back memory; on a simulated clock, real gc."""

import ctypes
import gc
import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

import pytest

from vigia.application.errors import ConfigurationError
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.i18n import catalogue, set_language, translate
from vigia.infrastructure.memory import GcPauses, MemoryManager, trim_heap
from vigia.infrastructure.memory.gc_pauses import RING_SIZE
from vigia.testing.sim_clock import SimClock

MB = 1024 * 1024


@pytest.fixture(autouse=True)
def _collector_restored() -> Iterator[None]:
    thresholds, callbacks, enabled = gc.get_threshold(), list(gc.callbacks), gc.isenabled()
    yield
    gc.set_threshold(*thresholds)
    gc.callbacks[:] = callbacks
    (gc.enable if enabled else gc.disable)()
    gc.unfreeze()


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Callable[[], list[tuple[str, str]]]:
    """What was logged, in Portuguese, as (level, message)."""
    caplog.set_level(logging.DEBUG, "vigia.memory")

    def lines() -> list[tuple[str, str]]:
        before = catalogue._Active.state
        set_language("pt_BR")
        try:
            return [
                (r.levelname, translate(str(r.msg)) % r.args if r.args else translate(str(r.msg)))
                for r in caplog.records
            ]
        finally:
            catalogue._Active.state = before

    return lines


Told = Callable[[], list[tuple[str, str]]]


def _cycles(count: int) -> None:
    for _ in range(count):
        knot: list[object] = []
        knot.append(knot)


class Memory:
    """The process's resident set, as a number that components can lower."""

    def __init__(self, rss_mb: float) -> None:
        self.rss_mb = rss_mb

    def read(self) -> int:
        return int(self.rss_mb * MB)


class Component:
    """Gives back a fixed amount each time."""

    def __init__(self, name: str, memory: Memory, gives_mb: float) -> None:
        self.shed_name = name
        self.memory = memory
        self.gives_mb = gives_mb
        self.asked = 0

    def shed(self) -> int:
        self.asked += 1
        self.memory.rss_mb -= self.gives_mb
        return int(self.gives_mb * MB)


class Stubborn(Component):
    def shed(self) -> int:
        self.asked += 1
        raise RuntimeError("not now")


def _manager(clock: SimClock, **settings: object) -> MemoryManager:
    settings.setdefault("is_idle", lambda: True)
    settings.setdefault("trim", lambda: False)
    settings.setdefault("read_rss_bytes", lambda: 100 * MB)
    return MemoryManager(clock, **settings)  # type: ignore[arg-type]  # each test names the few it is about


def _run(manager: MemoryManager, clock: SimClock, seconds: float) -> int:
    """Step as the thread would, for some simulated time; return the number of steps."""
    end_s, steps = clock.mono_s() + seconds, 0
    while clock.mono_s() < end_s:
        clock.advance(manager.step())
        steps += 1
    return steps


def test_collected_objects_are_told_as_the_operator_knows_it(told: Told) -> None:
    clock = SimClock()
    manager = _manager(clock)
    clock.advance(5.0)
    gc.collect()
    gc.disable()
    _cycles(245)
    manager.step()
    assert ("INFO", "GC #1: 245 objetos coletados") in told()
    assert manager.stats.collections == 1
    assert manager.stats.objects_collected == 245


def test_nothing_collected_is_told_at_debug_but_for_the_first_time(told: Told) -> None:
    clock = SimClock()
    manager = _manager(clock)
    gc.collect()
    gc.disable()
    for _ in range(2):
        clock.advance(5.0)
        manager.step()
    assert ("INFO", "GC #1: 0 objetos coletados") in told()
    assert ("DEBUG", "GC #2: 0 objetos coletados") in told()


def test_idle_shards_mean_a_collection_every_interval() -> None:
    clock = SimClock()
    manager = _manager(clock)
    _run(manager, clock, 20.1)
    assert manager.stats.collections == 4


def test_busy_shards_are_left_alone_until_it_is_overdue() -> None:
    clock = SimClock()
    manager = _manager(clock, is_idle=lambda: False, overdue_s=30.0)
    _run(manager, clock, 29.9)
    assert manager.stats.collections == 0
    _run(manager, clock, 0.5)
    assert manager.stats.collections == 1
    _run(manager, clock, 24.0)
    assert manager.stats.collections == 1


def test_a_short_idle_moment_is_found_between_two_intervals() -> None:
    clock = SimClock()
    idle_from_s = clock.mono_s() + 7.25
    manager = _manager(clock, is_idle=lambda: idle_from_s <= clock.mono_s() < idle_from_s + 0.15)
    _run(manager, clock, 12.0)
    assert manager.stats.collections == 1


def test_the_idle_thread_steps_once_an_interval() -> None:
    clock = SimClock()
    assert _run(_manager(clock), clock, 50.0) <= 11


def test_the_thread_takes_the_oldest_generation_off_the_hot_path_and_gives_it_back(told: Told) -> None:
    gc.set_threshold(700, 10, 10)
    started = threading.Event()

    def read() -> int:
        started.set()
        return 0

    manager = MemoryManager(
        SystemClock(),
        is_idle=lambda: False,
        interval_s=5.0,
        read_rss_bytes=read,
        trim=lambda: False,
    )
    callbacks = len(gc.callbacks)
    manager.start()
    assert started.wait(timeout=20)
    assert manager.is_alive
    assert gc.get_threshold()[:2] == (700, 10)
    assert gc.get_threshold()[2] > 10**9
    assert len(gc.callbacks) == callbacks + 1
    assert manager.stop()
    assert gc.get_threshold() == (700, 10, 10)
    assert len(gc.callbacks) == callbacks
    assert manager.failure is None
    assert [line for line in told() if line[1].startswith("✓")] == [
        ("INFO", "✓ MemoryManager iniciado (intervalo: 5.0s)"),
        ("INFO", "✓ MemoryManager parado"),
    ]


def test_a_thread_that_fails_gives_the_collector_back_too() -> None:
    gc.set_threshold(700, 10, 10)

    def fail() -> int:
        raise OSError("no /proc")

    manager = MemoryManager(SystemClock(), is_idle=lambda: False, read_rss_bytes=fail)
    manager.start()
    assert manager.join(20.0)
    assert isinstance(manager.failure, OSError)
    assert gc.get_threshold() == (700, 10, 10)


def test_a_stop_before_the_start_is_not_lost() -> None:
    before = gc.get_threshold()
    manager = _manager(SimClock())
    manager.request_stop()
    manager.start()
    assert manager.stop()
    assert not manager.is_alive
    assert gc.get_threshold() == before


def test_freezing_keeps_startup_out_of_collections_and_is_undone(told: Told) -> None:
    manager = _manager(SimClock())
    keep = [[n] for n in range(1000)]
    manager.freeze_startup()
    frozen = manager.stats.frozen_objects
    assert frozen > len(keep)
    assert manager.stats.collections == 1
    assert [line for line in told() if "congelada" in line[1]]
    manager.stop()
    assert gc.get_freeze_count() == 0


def test_what_was_garbage_before_the_freeze_is_collected_not_frozen() -> None:
    manager = _manager(SimClock())
    gc.collect()
    gc.disable()
    _cycles(100)
    manager.freeze_startup()
    assert manager.stats.objects_collected >= 100


def test_every_pause_is_measured_automatic_ones_too() -> None:
    pauses = GcPauses()
    pauses.install()
    pauses.install()
    try:
        gc.collect(0)
        gc.collect(2)
        before = pauses.stats
        gc.enable()
        gc.set_threshold(10, 10, 10)
        _cycles(100)
        after = pauses.stats
    finally:
        pauses.remove()
        pauses.remove()
    assert before.count == 2
    assert before.full_count == 1
    assert after.count > 2
    assert 0.0 < after.p50_s <= after.p99_s <= after.max_s
    assert 0.0 < after.full_max_s <= after.max_s
    gc.collect()
    assert pauses.stats.count == after.count


def test_the_longest_pause_since_a_moment_is_known() -> None:
    pauses = GcPauses()
    pauses.install()
    try:
        gc.collect(2)
        before, longest_s = pauses.longest_since(0)
        assert (before, longest_s) == (1, pauses.stats.max_s)
        assert pauses.longest_since(before) == (before, 0.0)
        gc.collect(0)
        after, later_s = pauses.longest_since(before)
    finally:
        pauses.remove()
    assert after == before + 1
    assert 0.0 < later_s <= pauses.stats.max_s


def test_pauses_are_kept_in_a_ring_and_the_longest_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses = GcPauses()
    moments = iter([0.0, 9.0] + [n for _ in range(RING_SIZE) for n in (0.0, 1.0)])
    monkeypatch.setattr("vigia.infrastructure.memory.gc_pauses.time.perf_counter", lambda: next(moments))
    for _ in range(RING_SIZE + 1):
        pauses._on_collection("start", {"generation": 0})
        pauses._on_collection("stop", {"generation": 0})
    stats = pauses.stats
    assert (stats.count, stats.p50_s, stats.p99_s, stats.max_s) == (RING_SIZE + 1, 1.0, 1.0, 9.0)


def test_without_pauses_the_numbers_are_nought() -> None:
    stats = GcPauses().stats
    assert (stats.count, stats.p50_s, stats.p99_s, stats.max_s) == (0, 0.0, 0.0, 0.0)


def test_above_the_soft_limit_components_give_back_in_order_until_it_is_enough(told: Told) -> None:
    clock, memory = SimClock(), Memory(120)
    first, second, third = (Component(name, memory, 20) for name in ("pictures", "queues", "caches"))
    manager = _manager(clock, sheddables=(first, second, third), soft_limit_bytes=100 * MB, read_rss_bytes=memory.read)
    manager.step()
    assert (first.asked, second.asked, third.asked) == (1, 1, 0)  # 120 → 100 → 80, below 90
    assert manager.stats.shed_bytes == 40 * MB
    assert manager.stats.rss_bytes == 80 * MB
    assert not manager.stats.under_pressure
    assert told() == [
        ("WARNING", "memória: 120 MB residentes passam do limite de 100 MB; pede-se aos componentes que devolvam"),
        ("INFO", "memória: pictures devolveu cerca de 20.0 MB (residentes 120.0 → 100.0 MB)"),
        ("INFO", "memória: queues devolveu cerca de 20.0 MB (residentes 100.0 → 80.0 MB)"),
        ("INFO", "memória: 80 MB residentes, a pressão acabou"),
    ]


def test_pressure_ends_only_well_below_the_limit(told: Told) -> None:
    clock, memory = SimClock(), Memory(105)
    component = Component("pictures", memory, 4)
    manager = _manager(
        clock, sheddables=(component,), soft_limit_bytes=100 * MB, read_rss_bytes=memory.read, interval_s=5.0
    )
    manager.step()
    assert manager.stats.under_pressure
    asked = []
    for _ in range(4):
        clock.advance(5.0)
        manager.step()
        asked.append(component.asked)
    assert asked == [2, 3, 4, 4]  # 101, 97, 93, 89: enough; below the limit alone was not
    assert len([line for line in told() if line[0] == "WARNING"]) == 1
    memory.rss_mb = 95
    clock.advance(5.0)
    manager.step()
    assert component.asked == 4  # between the two marks nothing begins


def test_a_component_that_fails_does_not_keep_the_others_from_giving(told: Told) -> None:
    clock, memory = SimClock(), Memory(120)
    stubborn, willing = Stubborn("stubborn", memory, 0), Component("willing", memory, 1)
    manager = _manager(clock, sheddables=(stubborn, willing), soft_limit_bytes=100 * MB, read_rss_bytes=memory.read)
    for _ in range(3):
        manager.step()
        clock.advance(5.0)
    assert (stubborn.asked, willing.asked) == (3, 3)
    assert [line for line in told() if line[0] == "ERROR"] == [("ERROR", "memória: stubborn não conseguiu devolver")]


def test_the_hard_limit_is_told_loudly_once_a_minute(told: Told) -> None:
    clock, memory = SimClock(), Memory(300)
    manager = _manager(clock, hard_limit_bytes=200 * MB, read_rss_bytes=memory.read)
    _run(manager, clock, 59.0)
    text = "memória: 300 MB residentes passam do limite rígido de 200 MB, e nada mais pode ser devolvido"
    assert [line for line in told() if line[0] == "ERROR"] == [("ERROR", text)]
    _run(manager, clock, 10.0)
    assert len([line for line in told() if line[0] == "ERROR"]) == 2


def test_below_every_limit_nobody_is_asked() -> None:
    clock, memory = SimClock(), Memory(99)
    component = Component("pictures", memory, 1)
    manager = _manager(
        clock,
        sheddables=(component,),
        soft_limit_bytes=100 * MB,
        hard_limit_bytes=200 * MB,
        read_rss_bytes=memory.read,
    )
    _run(manager, clock, 60.0)
    assert component.asked == 0


def test_pages_are_given_back_after_something_was_freed() -> None:
    clock, memory = SimClock(), Memory(120)
    trims: list[int] = []

    def trim() -> bool:
        trims.append(1)
        return True

    manager = _manager(
        clock,
        sheddables=(Component("pictures", memory, 50),),
        soft_limit_bytes=100 * MB,
        read_rss_bytes=memory.read,
        trim=trim,
    )
    manager.step()
    assert manager.stats.trims == len(trims) == 1
    gc.collect()
    gc.disable()
    clock.advance(5.0)
    _cycles(3)
    manager.step()
    assert manager.stats.trims == 2
    clock.advance(5.0)
    manager.step()  # nothing collected this time
    assert manager.stats.trims == 2


def test_the_real_resident_set_is_read_and_the_real_heap_trimmed() -> None:
    clock = SimClock()
    manager = MemoryManager(clock, is_idle=lambda: True)
    manager.step()
    assert 1 * MB < manager.stats.rss_bytes < 100_000 * MB
    assert trim_heap() in {True, False}


HELD_PICTURES = """
import psutil
from vigia.infrastructure.memory import steady_heap
{call}
del_me = bytearray(30_000_000)  # from here on glibc would take pictures from the heap
del del_me
process = psutil.Process()
before = process.memory_info().rss
pictures, kept = [], []
for _ in range(20):
    pictures.append(bytearray(b"x") * 3_000_000)
    kept.append(bytearray(b"x") * 100_000)
pictures.clear()
print((process.memory_info().rss - before) // 1_000_000)
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="no glibc here")
def test_freed_pictures_leave_the_process_whatever_lies_between_them() -> None:
    left_mb = {
        call: int(
            subprocess.run(
                [sys.executable, "-c", HELD_PICTURES.format(call=call)], capture_output=True, check=True
            ).stdout
        )
        for call in ("steady_heap()", "")
    }
    assert left_mb["steady_heap()"] < 10
    assert left_mb[""] > 40, "the case that it is for"


@pytest.mark.parametrize(
    "settings",
    [
        {"interval_s": 0.0},
        {"interval_s": 5.0, "overdue_s": 4.0},
        {"soft_limit_bytes": 0},
        {"soft_limit_bytes": 2, "hard_limit_bytes": 1},
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError):
        _manager(SimClock(), **settings)


def test_repr() -> None:
    assert repr(_manager(SimClock())) == "<MemoryManager every 5.0 s, 0 collections>"
