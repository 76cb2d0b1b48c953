"""The thread contract: start, request_stop, join, failure."""

import threading

import pytest

from vigia.application.service import LoopService, join_all, request_stop_all, wake_one
from vigia.infrastructure.clock import SystemClock

CLOCK = SystemClock()


def test_steps_run_until_asked_to_stop_and_the_last_word_is_on_stop() -> None:
    ran = threading.Event()
    told: list[str] = []

    def step() -> float:
        ran.set()
        return 60.0

    service = LoopService(
        "worker",
        step,
        clock=CLOCK,
        on_stop=lambda: told.append(threading.current_thread().name),
        on_request_stop=lambda: told.append("asked"),
        on_exit=lambda s: told.append(s.name + " exited"),
    )
    service.start()
    assert ran.wait(5)
    assert service.is_alive
    service.request_stop()
    service.request_stop()
    assert service.join(5), "a stop cuts a long wait short"
    assert told == ["asked", "worker", "worker exited"]
    assert service.failure is None
    assert "stopped" in repr(service)


def test_a_stop_before_the_start_is_not_lost() -> None:
    service = LoopService("worker", lambda: 0.0, clock=CLOCK)
    service.request_stop()
    service.start()
    assert not service.is_alive
    assert service.join(0.0)
    assert service.stopping


def test_none_ends_it() -> None:
    service = LoopService("worker", lambda: None, clock=CLOCK)
    service.start()
    assert service.join(5)


def test_what_a_step_raises_is_kept() -> None:
    def step() -> float:
        raise ValueError("broken")

    service = LoopService("worker", step, clock=CLOCK)
    service.start()
    assert service.join(5)
    assert isinstance(service.failure, ValueError)


def test_waking_cuts_a_wait_short() -> None:
    steps = threading.Semaphore(0)

    def step() -> float:
        steps.release()
        return 60.0

    service = LoopService("worker", step, clock=CLOCK)
    service.start()
    assert steps.acquire(timeout=5)
    service.wake()
    assert steps.acquire(timeout=5)
    service.request_stop()
    assert service.join(5)


def test_one_that_waits_is_woken_and_the_next_time_another() -> None:
    steps: dict[str, threading.Semaphore] = {name: threading.Semaphore(0) for name in "ab"}
    go = threading.Event()

    def step_of(name: str) -> float:
        steps[name].release()
        if name == "a" and go.is_set():
            busy.wait(20)
        return 1000.0

    busy = threading.Event()
    services = [LoopService(name, lambda name=name: step_of(name), clock=SystemClock()) for name in "ab"]  # type: ignore[misc]
    for service in services:
        service.start()
        assert steps[service.name].acquire(timeout=20)
    while not all(service.waiting for service in services):
        threading.Event().wait(0.001)
    go.set()
    wake_one(services)
    assert steps["a"].acquire(timeout=20), "the first that waits"
    wake_one(services)
    assert steps["b"].acquire(timeout=20), "a is at work"
    while not services[1].waiting:
        threading.Event().wait(0.001)
    services[1].wake()
    busy.set()
    request_stop_all(services)
    assert all(service.join(20) for service in services)


def test_when_all_are_busy_the_first_looks_once_more() -> None:
    entered, go, looked = threading.Semaphore(0), threading.Event(), threading.Semaphore(0)

    def step() -> float:
        entered.release()
        assert go.wait(20)
        looked.release()
        return 1000.0

    service = LoopService("busy", step, clock=SystemClock())
    service.start()
    assert entered.acquire(timeout=20)
    wake_one([service])
    go.set()
    assert looked.acquire(timeout=20)
    assert looked.acquire(timeout=20), "what came while it was at work is not missed"
    service.request_stop()
    assert service.join(20)
    wake_one([])


def test_twice_started_is_a_defect() -> None:
    service = LoopService("worker", lambda: 60.0, clock=CLOCK)
    service.start()
    with pytest.raises(RuntimeError, match="started twice"):
        service.start()
    service.request_stop()
    assert service.join(5)


def test_joining_all_names_the_survivors_within_one_deadline() -> None:
    release = threading.Event()

    def stuck() -> None:
        release.wait(20)

    services = [LoopService("stuck", stuck, clock=CLOCK), LoopService("fine", lambda: 60.0, clock=CLOCK)]
    for service in services:
        service.start()
    request_stop_all(services)
    assert join_all(services, deadline_mono_s=CLOCK.mono_s() + 0.2, clock=CLOCK) == ["stuck"]
    release.set()
    assert join_all(services, deadline_mono_s=CLOCK.mono_s() + 5, clock=CLOCK) == []
