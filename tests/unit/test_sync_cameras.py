"""The camera list: read until it can be, read again when a token is stale, never too often."""

import threading

import pytest

from vigia.application.errors import ApplicationError, ConfigurationError, CredentialsRejected, RecognizerUnavailable
from vigia.application.use_cases.sync_cameras import REFRESH_INTERVAL_S, SyncCamerasUseCase
from vigia.domain.camera import Camera, CameraId
from vigia.testing.sim_clock import SimClock


class Lists:
    """Gives one list (or error) after the other; the last one for ever."""

    def __init__(self, *answers: list[Camera] | ApplicationError) -> None:
        self.answers = list(answers)
        self.reads = 0

    def list(self) -> list[Camera]:
        self.reads += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, ApplicationError):
            raise answer
        return answer


def camera(token: str = "old") -> Camera:  # noqa: S107 - no secret, a name for one
    return Camera(CameraId("1"), "Gate", "rtsp://x", 1, token)


def test_an_unreachable_keeper_is_asked_again_with_growing_pauses() -> None:
    clock = SimClock()
    waits: list[str] = []
    away = RecognizerUnavailable("away")
    sync = SyncCamerasUseCase(Lists(away, away, away, [camera()]), clock=clock)
    before_s = clock.mono_s()
    assert sync.read_first(stop=threading.Event(), on_wait=waits.append) == [camera()]
    assert clock.mono_s() - before_s == 1 + 2 + 4
    assert waits == ["away"] * 3
    assert sync.token(CameraId("1")) == "old"
    assert sync.token(CameraId("2")) is None


def test_a_refused_log_in_is_for_a_person_to_mend() -> None:
    sync = SyncCamerasUseCase(Lists(CredentialsRejected("no %(what)s", what="way")), clock=SimClock())
    with pytest.raises(ConfigurationError, match="no way"):
        sync.read_first(stop=threading.Event())


def test_a_stop_ends_the_waiting() -> None:
    stop = threading.Event()
    lists = Lists(RecognizerUnavailable("away"))
    sync = SyncCamerasUseCase(lists, clock=SimClock())
    assert sync.read_first(stop=stop, on_wait=lambda _: stop.set()) == []
    assert lists.reads == 1


def test_a_stale_token_has_the_list_read_again_but_not_too_often() -> None:
    clock = SimClock()
    lists = Lists([camera()], [camera("new")])
    sync = SyncCamerasUseCase(lists, clock=clock)
    sync.read_first(stop=threading.Event())
    sync.step()
    assert lists.reads == 1, "nobody asked"
    for _ in range(20):
        sync.request_refresh(CameraId("1"))
        sync.step()
    assert lists.reads == 1, "it has just been read"
    clock.advance(REFRESH_INTERVAL_S)
    sync.step()
    assert lists.reads == 2
    assert sync.token(CameraId("1")) == "new"
    assert [c.token for c in sync.cameras] == ["new"]


def test_a_failed_refresh_keeps_the_old_list_and_is_tried_again() -> None:
    clock = SimClock()
    lists = Lists([camera()], RecognizerUnavailable("away"), [camera("new")])
    sync = SyncCamerasUseCase(lists, clock=clock)
    sync.read_first(stop=threading.Event())
    sync.request_refresh(CameraId("1"))
    for _ in range(2):
        clock.advance(REFRESH_INTERVAL_S)
        sync.step()
    assert lists.reads == 3
    assert sync.token(CameraId("1")) == "new"
