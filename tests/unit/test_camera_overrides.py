"""The settings of one camera: which origin wins, that what is checked never contradicts itself, and who said what."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from vigia.application.errors import ConfigurationError
from vigia.bootstrap.posting_parts import camera_parts
from vigia.domain.camera import Camera, CameraId, CameraOverride, OverrideOrigin
from vigia.infrastructure.config import OwnSettings, Settings, load_settings, setting_places
from vigia.infrastructure.config.camera_overrides import (
    EffectiveSetting,
    SettingOrigin,
    effective_settings,
    own_values,
    settings_for,
    sound,
)
from vigia.infrastructure.config.own_settings import OWN_KEYS, disagreement

DEFAULTS = Settings()
GATE = Camera(CameraId("gate"), "Gate", "rtsp://h/1", group="door")
VALUES: dict[str, st.SearchStrategy[bool | int | float | str]] = {
    "filter_min_size": st.sampled_from([0.0, 40.0, 90.0, 9000.0]),
    "filter_max_size": st.sampled_from([1.0, 50.0, 300.0, 8192]),
    "filter_min_quality": st.sampled_from([0.0, 0.5, 1.0, 1.5]),
    "roi": st.sampled_from(["", "100x100+0+0", "100x100+50+50", "100x100+500+500", "rubbish"]),
    "rot": st.sampled_from(["", "100x100+0+0", "100x100+550+550"]),
    "overall_only": st.booleans(),
    "post_best_track_frame": st.booleans(),
    "post_first_track_frame": st.booleans(),
    "number_of_best_shots": st.integers(0, 3),
    "realtime_post_interval": st.sampled_from([0.1, 2, 5000.0]),
    "track_miss_interval": st.sampled_from([0.5, 3.0]),
    "min_face_px": st.sampled_from([20.0, 200.0]),
    "imotion_threshold": st.sampled_from([0.0, 0.01]),
    "picture": st.sampled_from(["full", "crop", "cut"]),
    "crop_margin": st.sampled_from([0.0, 2.0]),
    "roi_margin": st.sampled_from([0.0, 1.5]),
    "jpeg_quality": st.sampled_from([1, 60, 101]),
    "no_such_setting": st.just(1),
}
overrides = st.lists(
    st.sampled_from(sorted(VALUES)).flatmap(
        lambda name: st.builds(CameraOverride, st.just(name), VALUES[name], st.sampled_from(OverrideOrigin))
    ),
    max_size=12,
).map(tuple)


def at(settings: Settings, name: str) -> Any:
    section, key = OWN_KEYS[name]
    return getattr(getattr(settings, section), key)


def camera_with(*said: CameraOverride) -> Camera:
    return replace(GATE, overrides=said)


@given(
    origins=st.lists(st.sampled_from(OverrideOrigin), unique=True),
    name=st.sampled_from(["filter_min_size", "realtime_post_interval", "min_face_px", "open_timeout"]),
)
def test_the_strongest_origin_that_says_something_wins(origins: list[OverrideOrigin], name: str) -> None:
    value = {OverrideOrigin.GROUP: 11.0, OverrideOrigin.FINDFACE: 12.0, OverrideOrigin.CAMERA: 13.0}
    camera = camera_with(*(CameraOverride(name, value[origin], origin) for origin in origins))
    strongest = next((origin for origin in reversed(OverrideOrigin) if origin in origins), None)
    expected = at(DEFAULTS, name) if strongest is None else value[strongest]
    assert at(settings_for(DEFAULTS, camera), name) == expected
    (told,) = (setting for setting in effective_settings(DEFAULTS, camera) if setting.name == name)
    assert told.value == expected
    assert told.origin.value == ("default" if strongest is None else strongest.value)


def test_of_one_origin_the_last_counts() -> None:
    camera = camera_with(
        CameraOverride("jpeg_quality", 50, OverrideOrigin.GROUP),
        CameraOverride("jpeg_quality", 60, OverrideOrigin.GROUP),
    )
    assert settings_for(DEFAULTS, camera).capture.jpeg_quality == 60


def test_without_own_settings_nothing_is_copied() -> None:
    assert settings_for(DEFAULTS, GATE) is DEFAULTS


@given(said=overrides)
def test_what_is_sound_makes_settings_and_parts_and_stays_as_it_is(said: tuple[CameraOverride, ...]) -> None:
    camera, left_out = sound(DEFAULTS, camera_with(*said))
    kept = own_values(camera)
    assert disagreement(DEFAULTS, kept) is None
    effective = settings_for(DEFAULTS, camera)
    Settings.model_validate(effective.model_dump())  # every section, and all together
    camera_parts(effective)
    for name, value in kept.items():
        assert at(effective, name) == value
    assert len(camera.overrides) + len(left_out) == len(said)
    assert sound(DEFAULTS, camera) == (camera, ())
    assert all(str(left.problem) for left in left_out)


@given(said=overrides)
def test_what_is_in_range_is_left_out_only_where_settings_contradict_each_other(
    said: tuple[CameraOverride, ...],
) -> None:
    camera = camera_with(*(override for override in said if is_in_range(override)))
    left_out = sound(DEFAULTS, camera)[1]
    assert bool(left_out) == (disagreement(DEFAULTS, own_values(camera)) is not None)


def is_in_range(override: CameraOverride) -> bool:
    try:
        OwnSettings.model_validate({override.name: override.value})
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize(
    ("said", "kept", "told"),
    [
        (
            [("filter_max_size", 100.0, OverrideOrigin.GROUP), ("filter_min_size", 120.0, OverrideOrigin.FINDFACE)],
            {"filter_max_size": 100.0},
            "tracks.filter_max_size (100) must not be less than the smallest face sent (120)",
        ),
        (
            [("filter_max_size", 100.0, OverrideOrigin.GROUP), ("filter_min_size", 120.0, OverrideOrigin.CAMERA)],
            {"filter_min_size": 120.0},
            "tracks.filter_max_size (100) must not be less than the smallest face sent (120)",
        ),
        (
            [("filter_min_size", 9000, OverrideOrigin.FINDFACE), ("filter_max_size", 500, OverrideOrigin.FINDFACE)],
            {"filter_max_size": 500.0},
            'filter_min_size must be a number from 0 to 8192, not "9000"',
        ),
        (
            [("roi", "10x10+0+0", OverrideOrigin.CAMERA), ("rot", "10x10+90+90", OverrideOrigin.GROUP)],
            {"roi": "10x10+0+0"},
            "tracks.roi (10x10+0+0) and tracks.rot (10x10+90+90) have no pixel in common: no face would ever be sent",
        ),
        (
            [("picture", "crop", OverrideOrigin.GROUP), ("crop_margin", 0.5, OverrideOrigin.GROUP)],
            {"picture": "crop"},
            "capture.crop_margin (0.5) must not be less than capture.roi_margin (1)",
        ),
        ([("jpg", 1, OverrideOrigin.FINDFACE)], {}, "unknown key jpg"),
    ],
)
def test_who_knows_least_gives_way(
    said: list[tuple[str, Any, OverrideOrigin]], kept: dict[str, Any], told: str
) -> None:
    camera, left_out = sound(DEFAULTS, camera_with(*(CameraOverride(*one) for one in said)))
    assert own_values(camera) == kept
    assert [str(left.problem) for left in left_out] == [told]
    assert all(isinstance(left.problem, ConfigurationError) for left in left_out)


def test_a_threshold_of_the_gate_switches_it_on_or_off() -> None:
    off = DEFAULTS.model_copy(update={"detector": DEFAULTS.detector.model_copy(update={"motion_gate": False})})
    own = CameraOverride("imotion_threshold", 0.01, OverrideOrigin.CAMERA)
    assert camera_parts(settings_for(off, GATE)).gate_threshold == 0.0
    assert camera_parts(settings_for(off, camera_with(own))).gate_threshold == 0.01
    assert camera_parts(settings_for(DEFAULTS, camera_with(replace(own, value=0.0)))).gate_threshold == 0.0


def test_faces_that_need_not_be_found_need_not_be_found_under_overload() -> None:
    detector = DEFAULTS.detector.model_copy(update={"min_face_px_overload": 100.0})
    settings = DEFAULTS.model_copy(update={"detector": detector})
    larger = camera_with(CameraOverride("min_face_px", 150.0, OverrideOrigin.CAMERA))
    smaller = camera_with(CameraOverride("min_face_px", 50.0, OverrideOrigin.CAMERA))
    assert settings_for(settings, larger).detector.min_face_px_overload == 150.0
    assert settings_for(settings, smaller).detector.min_face_px_overload == 100.0
    assert sound(settings, larger)[1] == ()


def test_every_setting_is_told_with_who_says_so_and_where(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(
        "tracks:\n  events_min: 3\n"
        "detector: {motion_gate: false}\n"
        "groups:\n  door:\n    jpeg_quality: 70\n    picture: crop\n"
        "cameras:\n- id: hall\n  url: x\n- id: gate\n  url: x\n  settings:\n    jpeg_quality: 60\n",
        encoding="utf-8",
    )
    environ = {"VIGIA_SOURCE__OPEN_TIMEOUT_S": "20"}
    settings = load_settings(path, env_file=None, environ=environ)
    camera = camera_with(
        CameraOverride("jpeg_quality", 70, OverrideOrigin.GROUP),
        CameraOverride("picture", "crop", OverrideOrigin.GROUP),
        CameraOverride("filter_min_size", 90.0, OverrideOrigin.FINDFACE),
        CameraOverride("jpeg_quality", 60, OverrideOrigin.CAMERA),
    )
    shown = effective_settings(settings, camera, places=setting_places(path, env_file=None, environ=environ))
    assert [setting.name for setting in shown] == list(OWN_KEYS)
    found = {setting.name: setting for setting in shown}

    def told(name: str) -> tuple[object, SettingOrigin, str, int, str]:
        setting: EffectiveSetting = found[name]
        place = setting.place
        return (
            setting.value,
            setting.origin,
            setting.detail,
            0 if place is None else place.line,
            "" if place is None else place.variable,
        )

    assert told("jpeg_quality") == (60, SettingOrigin.CAMERA, "", 14, "")
    assert told("picture") == ("crop", SettingOrigin.GROUP, "door", 7, "")
    assert told("filter_min_size") == (90.0, SettingOrigin.FINDFACE, "", 0, "")
    assert told("events_min") == (3, SettingOrigin.CONFIGURATION, "", 2, "")
    assert told("imotion_threshold") == (0.0, SettingOrigin.CONFIGURATION, "", 3, "")
    assert told("open_timeout") == (20.0, SettingOrigin.CONFIGURATION, "", 0, "VIGIA_SOURCE__OPEN_TIMEOUT_S")
    assert told("roi") == ("", SettingOrigin.DEFAULT, "", 0, "")
    assert found["realtime_post_interval"].key == "tracks.realtime_post_interval_s"
