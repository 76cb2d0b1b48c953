"""The thread contract: start, request_stop, join, failure."""

import threading

import pytest

from vigia.application.service import LoopService, join_all, request_stop_all
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
