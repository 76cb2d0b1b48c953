"""Both lists of cameras mixed: which is the same camera, who wins, what is told once, and what is known offline."""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigia.application.errors import NoCameras, RecognizerUnreachable
from vigia.domain.camera import Camera, CameraId, CameraOverride, OverrideOrigin
from vigia.infrastructure.config import OwnSettings, Settings, load_settings
from vigia.infrastructure.config.camera_overrides import own_values, playback_of, settings_for
from vigia.infrastructure.config.combined_cameras import CombinedCameraRepository, recombined
from vigia.infrastructure.config.delivery_sections import CameraSettings

Load = Callable[[str], Settings]


class FindFace:
    """FindFace's list as a test has it."""

    def __init__(self, *cameras: Camera) -> None:
        self.cameras = list(cameras)
        self.away = False

    def list(self) -> list[Camera]:
        if not any(camera.active for camera in self.all()):
            raise NoCameras("FindFace lists none")
        return self.cameras

    def all(self) -> Sequence[Camera]:
        if self.away:
            raise RecognizerUnreachable("no answer")
        return self.cameras


def theirs(number: int, **changes: Any) -> Camera:
    camera = Camera(
        CameraId(str(number)),
        f"FindFace {number}",
        f"rtsp://ff/{number}",
        findface_id=number,
        token=f"t{number}",
        group="gate",
    )
    return replace(camera, **changes)


def from_findface(name: str, value: float | str) -> CameraOverride:
    return CameraOverride(name, value, OverrideOrigin.FINDFACE)


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def load_text(text: str) -> Settings:
        path = tmp_path / "c.yaml"
        path.write_text(text, encoding="utf-8")
        return load_settings(path, env_file=None, environ={})

    return load_text


@pytest.fixture
def told() -> Iterator[list[str]]:
    logger, lines = logging.getLogger("vigia.cameras"), list[str]()

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    handler = Handler(logging.WARNING)
    logger.addHandler(handler)
    yield lines
    logger.removeHandler(handler)


def test_a_camera_of_both_lists_is_one(load: Load) -> None:
    settings = load(
        "camera_list: both\n"
        "cameras:\n"
        "- {id: door, url: 'rtsp://own/1', findface_id: 1, settings: {jpeg_quality: 80}}\n"
        "- {id: hall, name: Hall, url: 'rtsp://own/2', findface_id: 2, token: mine, group: inside, active: false}\n"
        "- {id: yard, url: 'rtsp://own/3'}\n"
    )
    findface = FindFace(
        theirs(1, active=False, overrides=(from_findface("filter_min_size", 90.0),)), theirs(2), theirs(3)
    )
    door, hall, yard, third = CombinedCameraRepository(settings, findface).list()
    assert door == Camera(
        CameraId("door"), "FindFace 1", "rtsp://own/1", findface_id=1, token="t1", group="gate", active=False,
        overrides=(
            from_findface("filter_min_size", 90.0), CameraOverride("jpeg_quality", 80, OverrideOrigin.CAMERA)
        ),
    )  # fmt: skip
    assert hall == Camera(
        CameraId("hall"), "Hall", "rtsp://own/2", findface_id=2, token="mine", group="inside", active=False
    )
    assert yard == Camera(CameraId("yard"), "yard", "rtsp://own/3")
    assert third == theirs(3)


def test_what_the_configuration_says_of_being_active_wins(load: Load) -> None:
    settings = load("camera_list: both\ncameras: [{id: door, url: x, findface_id: 1, active: true}]\n")
    assert CombinedCameraRepository(settings, FindFace(theirs(1, active=False))).list()[0].active


def test_groups_count_for_cameras_of_both_lists_before_what_they_have_of_their_own(load: Load) -> None:
    settings = load(
        "camera_list: both\n"
        "groups: {gate: {filter_min_size: 70, jpeg_quality: 60, events_min: 4}}\n"
        "cameras: [{id: door, url: x, findface_id: 1, settings: {jpeg_quality: 80}}, {id: yard, url: x}]\n"
    )
    findface = FindFace(theirs(1, overrides=(from_findface("filter_min_size", 90.0),)), theirs(2), theirs(3, group="-"))
    door, yard, second, third = CombinedCameraRepository(settings, findface).list()
    assert own_values(door) == {"filter_min_size": 90.0, "jpeg_quality": 80, "events_min": 4}
    assert own_values(second) == {"filter_min_size": 70.0, "jpeg_quality": 60, "events_min": 4}
    assert own_values(yard) == own_values(third) == {}


def test_of_two_with_one_id_the_configurations_counts_and_that_is_told_once(load: Load, told: list[str]) -> None:
    settings = load("camera_list: both\ncameras: [{id: '7', url: 'rtsp://own/7'}]\n")
    findface = FindFace(theirs(7), theirs(8))
    repository = CombinedCameraRepository(settings, findface)
    for _ in range(3):
        assert [camera.url for camera in repository.list()] == ["rtsp://own/7", "rtsp://ff/8"]
    assert len(told) == 1
    assert "Camera 7 " in told[0]
    findface.cameras = [theirs(8)]
    repository.list()
    findface.cameras = [theirs(7), theirs(8)]
    repository.list()
    assert len(told) == 2, "it had been good in between"


def test_what_contradicts_is_left_out_and_told_until_it_changes(load: Load, told: list[str]) -> None:
    settings = load("camera_list: findface\ngroups: {gate: {filter_max_size: 100}}\n")
    findface = FindFace(theirs(1, overrides=(from_findface("filter_min_size", 120.0),)), theirs(2))
    repository = CombinedCameraRepository(settings, findface)
    for _ in range(3):
        first, second = repository.list()
        assert own_values(first) == own_values(second) == {"filter_max_size": 100.0}
    (line,) = told
    assert line.startswith(
        "Camera FindFace 1: its filter_min_size in FindFace (120.0) is left out: tracks.filter_max_size"
    )
    findface.cameras[0] = theirs(1, overrides=(from_findface("filter_min_size", 130.0),))
    repository.list()
    assert len(told) == 2
    findface.cameras[0] = theirs(1, overrides=(from_findface("filter_min_size", 90.0),))
    assert own_values(repository.list()[0]) == {"filter_max_size": 100.0, "filter_min_size": 90.0}
    assert len(told) == 2


def test_a_groups_setting_gives_way_to_the_cameras_own(load: Load, told: list[str]) -> None:
    """The group is FindFace's, so the configuration could not be checked for it when it was read."""
    settings = load(
        "camera_list: both\ngroups: {gate: {filter_max_size: 100}}\n"
        "cameras: [{id: door, url: x, findface_id: 1, settings: {filter_min_size: 200}}]\n"
    )
    (door,) = CombinedCameraRepository(settings, FindFace(theirs(1))).list()
    assert own_values(door) == {"filter_min_size": 200.0}
    assert told[0].startswith("Camera FindFace 1: its group's filter_max_size (100.0) is left out for it: tracks.")


@pytest.mark.parametrize(
    ("text", "findface", "told"),
    [
        ("camera_list: config", FindFace(theirs(1)), "cameras: none is listed"),
        ("cameras: [{id: a, url: x, active: false}]", FindFace(theirs(1)), "cameras: none of them is active"),
        ("", FindFace(theirs(1, active=False)), "FindFace lists none"),
        (
            "camera_list: both\ncameras: [{id: a, url: x, active: false}]",
            FindFace(theirs(1, active=False)),
            "no camera to watch: neither cameras: nor FindFace lists an active one",
        ),
    ],
)
def test_no_camera_to_watch_is_told(load: Load, text: str, findface: FindFace, told: str) -> None:
    repository = CombinedCameraRepository(load(text), findface)
    with pytest.raises(NoCameras, match=f"^{told}$"):
        repository.list()
    assert not any(camera.active for camera in repository.all())


def test_findface_is_not_asked_where_nobody_reads_it_and_its_failure_passes_on_elsewhere(load: Load) -> None:
    away = FindFace(theirs(1))
    away.away = True
    assert len(CombinedCameraRepository(load("cameras: [{id: a, url: x}]"), away).list()) == 1
    for text in ("", "camera_list: both\ncameras: [{id: a, url: x}]"):
        with pytest.raises(RecognizerUnreachable):
            CombinedCameraRepository(load(text), away).list()


def test_how_a_file_is_played_goes_with_its_camera(load: Load) -> None:
    settings = load("cameras: [{id: a, url: a.mp4, loop: true, pace: none}, {id: b, url: b.mp4}]")
    looped, plain = CombinedCameraRepository(settings).list()
    assert (playback_of(looped).loop, playback_of(looped).pace) == (True, "none")
    assert (playback_of(plain).loop, playback_of(plain).pace) == (None, "timestamps")
    assert settings_for(settings, looped) is settings


cameras_of_findface = st.lists(
    st.builds(
        lambda number, active, size: theirs(
            number, active=active, overrides=() if size is None else (from_findface("filter_min_size", size),)
        ),
        st.integers(1, 6),
        st.booleans(),
        st.none() | st.sampled_from([0.5, 90.0, 9000.0]),
    ),
    max_size=6,
    unique_by=lambda camera: camera.id,
)
configured = st.lists(
    st.builds(
        lambda name, number, token, group, size: CameraSettings.model_validate(
            {
                "id": name,
                "url": "x",
                "findface_id": number,
                "token": token,
                "group": group,
                "settings": {"events_min": size},
            }
        ),
        st.sampled_from(["1", "2", "a", "b", "c"]),
        st.none() | st.integers(1, 6),
        st.none() | st.just("own"),
        st.sampled_from(["", "gate"]),
        st.none() | st.integers(1, 9),
    ),
    max_size=4,
    unique_by=lambda camera: camera.id,
)


@given(
    findface=cameras_of_findface,
    own=configured,
    choice=st.sampled_from(["auto", "config", "findface", "both"]),
    least=st.none() | st.sampled_from([10.0, 500.0]),
)
def test_mixing_is_idempotent_and_loses_no_camera(
    findface: list[Camera], own: list[CameraSettings], choice: str, least: float | None
) -> None:
    groups = {"gate": OwnSettings(filter_max_size=least) if least != 10.0 else OwnSettings(filter_min_size=least)}
    settings = Settings(camera_list=choice, cameras=tuple(own), groups=groups)  # type: ignore[arg-type]
    mixed = CombinedCameraRepository(settings, FindFace(*findface)).all()
    ids = [camera.id for camera in mixed]
    assert len(set(ids)) == len(ids)
    listed = {camera.id for camera in own} if settings.reads_configured_cameras else set()
    taken = {camera.findface_id for camera in own} if settings.reads_configured_cameras else set()
    beside = {camera.id for camera in findface if camera.findface_id not in taken and camera.id not in listed}
    assert set(ids) == listed | (beside if settings.reads_findface_cameras else set())
    assert recombined(settings, mixed) == list(mixed), "what was read last is what is known while FindFace is away"
    assert recombined(settings, recombined(settings, mixed)) == list(mixed)
    for camera in mixed:
        settings_for(settings, camera)


def test_while_findface_is_away_changes_of_the_configuration_count(load: Load) -> None:
    before = load(
        "camera_list: both\ncameras: [{id: door, url: a, findface_id: 1}, {id: yard, url: b, findface_id: 9}]\n"
    )
    findface = FindFace(theirs(1, overrides=(from_findface("filter_min_size", 90.0),)), theirs(2))
    known = CombinedCameraRepository(before, findface).list()
    after = load(
        "camera_list: both\ngroups: {gate: {events_min: 7}}\n"
        "cameras: [{id: door, url: new, findface_id: 1, settings: {jpeg_quality: 50}}, {id: fresh, url: c}]\n"
    )
    door, fresh, second = recombined(after, known)
    assert (door.id, door.url, door.token, door.name) == ("door", "new", "t1", "FindFace 1")
    assert own_values(door) == {"events_min": 7, "filter_min_size": 90.0, "jpeg_quality": 50}
    assert fresh.id == "fresh"
    assert (second.id, own_values(second)) == ("2", {"events_min": 7})
    assert [camera.id for camera in recombined(load("cameras: [{id: x, url: y}]"), known)] == ["x"]
