"""The camera list: read until it can be, read again when a token is stale, never too often."""

import threading
from collections.abc import Sequence

import pytest

from vigia.application.errors import (
    ApplicationError,
    ConfigurationError,
    CredentialsRejected,
    NoCameras,
    RecognizerUnavailable,
)
from vigia.application.use_cases.sync_cameras import REFRESH_INTERVAL_S, KnownCameras, SyncCamerasUseCase
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

    def all(self) -> Sequence[Camera]:
        try:
            return self.list()
        except NoCameras:
            return []


class Kept:
    """A store in memory."""

    def __init__(self, known: KnownCameras | None = None) -> None:
        self.known = known
        self.full = False

    def load(self) -> KnownCameras | None:
        return self.known

    def save(self, known: KnownCameras) -> None:
        if self.full:
            raise ConfigurationError("no room")
        self.known = known


def camera(token: str = "old", *, number: int = 1, active: bool = True) -> Camera:  # noqa: S107 - no secret, a name for one
    return Camera(CameraId(str(number)), "Gate", "rtsp://x", number, token, active=active)


def started(
    *answers: list[Camera] | ApplicationError, store: Kept | None = None
) -> tuple[SimClock, SyncCamerasUseCase]:
    clock = SimClock()
    sync = SyncCamerasUseCase(Lists(*answers), clock=clock, interval_s=30.0, store=store)
    sync.read_first(stop=threading.Event())
    return clock, sync


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
    sync = SyncCamerasUseCase(lists, clock=clock, interval_s=1000.0)
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
    sync = SyncCamerasUseCase(lists, clock=clock, interval_s=1000.0)
    sync.read_first(stop=threading.Event())
    sync.request_refresh(CameraId("1"))
    for _ in range(2):
        clock.advance(REFRESH_INTERVAL_S)
        sync.step()
    assert lists.reads == 3
    assert sync.token(CameraId("1")) == "new"


def test_the_list_is_read_every_interval_and_what_differs_is_handed_on() -> None:
    clock, sync = started([camera()], [camera()], [camera(), camera(number=2)])
    seen: list[list[Camera]] = []
    sync.follow(lambda cameras: seen.append(list(cameras)))
    for _ in range(3):
        sync.step()
    assert seen == [], "it is not time yet"
    clock.advance(30.0)
    sync.step()
    assert seen == [], "nothing has changed"
    clock.advance(30.0)
    sync.step()
    assert seen == [[camera(), camera(number=2)]]


def test_cameras_that_are_switched_off_are_listed_and_not_watched() -> None:
    clock, sync = started([camera(), camera(number=2)], [camera(), camera(number=2, active=False)])
    seen: list[list[Camera]] = []
    sync.follow(lambda cameras: seen.append(list(cameras)))
    clock.advance(30.0)
    sync.step()
    assert seen == [[camera()]]
    assert [c.id for c in sync.disabled] == ["2"]


def test_a_removed_cameras_token_is_kept_for_what_still_waits() -> None:
    store = Kept()
    clock, sync = started([camera("t1"), camera("t2", number=2)], [camera("t1")], store=store)
    clock.advance(30.0)
    sync.step()
    assert sync.token(CameraId("2")) == "t2"
    assert store.known == KnownCameras((camera("t1"),), (camera("t2", number=2),))
    again = SyncCamerasUseCase(Lists([camera("t1")]), clock=clock, store=store)
    again.read_first(stop=threading.Event())
    assert again.token(CameraId("2")) == "t2", "a restart does not forget it"


def test_a_start_while_the_keeper_is_away_goes_on_with_the_list_known_last() -> None:
    store = Kept(KnownCameras((camera(),)))
    clock, sync = started(RecognizerUnavailable("away"), [camera(), camera(number=2)], store=store)
    assert sync.cameras == [camera()]
    seen: list[list[Camera]] = []
    sync.follow(lambda cameras: seen.append(list(cameras)))
    clock.advance(30.0)
    sync.step()
    assert [len(cameras) for cameras in seen] == [2]


def test_an_empty_list_must_stay_so_before_every_camera_is_taken_out(caplog: pytest.LogCaptureFixture) -> None:
    nothing = NoCameras("nothing there")
    store = Kept()
    clock, sync = started([camera()], nothing, [camera()], nothing, nothing, store=store)
    seen: list[list[Camera]] = []
    sync.follow(lambda cameras: seen.append(list(cameras)))
    for _ in range(3):  # empty, there again, empty
        clock.advance(30.0)
        sync.step()
    assert seen == [], "it was a mistake of a moment"
    assert caplog.text.count("The camera list is empty") == 2
    clock.advance(30.0)
    sync.step()
    assert seen == [[]]
    assert store.known == KnownCameras((camera(),)), "an empty list is nothing to start from"


def test_who_cannot_be_read_does_not_confirm_an_empty_list_and_is_not_asked_more_often() -> None:
    away = RecognizerUnavailable("away")
    lists = Lists([camera()], NoCameras("nothing"), away)
    clock = SimClock()
    sync = SyncCamerasUseCase(lists, clock=clock, interval_s=30.0)
    sync.read_first(stop=threading.Event())
    for _ in range(300):
        clock.advance(1.0)
        sync.step()
    assert lists.reads <= 12
    assert sync.cameras == [camera()]
    lists.answers = [NoCameras("nothing")]
    clock.advance(30.0)
    sync.step()
    assert sync.cameras == [camera()], "one empty answer after an outage is none"


def test_cameras_that_are_all_switched_off_are_disabled_at_once(caplog: pytest.LogCaptureFixture) -> None:
    clock, sync = started([camera()], [camera(active=False)])
    seen: list[list[Camera]] = []
    sync.follow(lambda cameras: seen.append(list(cameras)))
    for _ in range(3):
        clock.advance(30.0)
        sync.step()
    assert seen == [[]]
    assert [c.id for c in sync.disabled] == ["1"]
    assert caplog.text.count("No camera is watched any more") == 1


def test_the_same_list_is_handed_on_when_what_cameras_go_by_has_changed() -> None:
    clock = SimClock()
    touched = [False]
    sync = SyncCamerasUseCase(Lists([camera()]), clock=clock, interval_s=30.0, touched=lambda: touched[0])
    sync.read_first(stop=threading.Event())
    seen: list[list[Camera]] = []
    sync.follow(lambda cameras: seen.append(list(cameras)))
    clock.advance(30.0)
    sync.step()
    assert seen == []
    touched[0] = True
    clock.advance(30.0)
    sync.step()
    assert seen == [[camera()]]


def test_while_the_list_cannot_be_read_that_is_told_once_and_its_return_too(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    away = RecognizerUnavailable("away")
    clock, sync = started([camera()], away, away, away, [camera()])
    for _ in range(4):
        clock.advance(30.0)
        sync.step()
    assert caplog.text.count("cannot be read: away; going on with the 1 cameras known last") == 1
    assert "can be read again, after 90 s" in caplog.text


def test_a_file_that_was_written_is_read_at_once_and_so_is_what_a_person_asks_for() -> None:
    clock = SimClock()
    written: list[bool] = [False, True, False, False]
    lists = Lists([camera()])
    sync = SyncCamerasUseCase(lists, clock=clock, interval_s=1000.0, changed=lambda: written.pop(0))
    sync.read_first(stop=threading.Event())
    sync.step()
    assert lists.reads == 1
    sync.step()
    assert lists.reads == 2
    sync.request_reload()
    sync.step()
    assert lists.reads == 3
    sync.step()
    assert lists.reads == 3


def test_a_store_that_fails_is_told_and_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    store = Kept()
    store.full = True
    _, sync = started([camera()], store=store)
    assert sync.cameras == [camera()]
    assert "no room" in caplog.text
