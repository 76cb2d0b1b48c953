"""Settings of one camera and of a group in the configuration: what may stand there, and how mistakes are told."""

from pathlib import Path

import pytest

from vigia.application.errors import ConfigurationError
from vigia.infrastructure.config import OwnSettings, Settings, load_settings, settings_keys
from vigia.infrastructure.config.own_settings import OWN_KEYS


def load(tmp_path: Path, text: str) -> Settings:
    path = tmp_path / "c.yaml"
    path.write_text(text, encoding="utf-8")
    return load_settings(path, env_file=None, environ={})


def test_each_stands_for_a_key_of_all_cameras_and_takes_what_that_takes() -> None:
    assert OWN_KEYS.keys() == OwnSettings.model_fields.keys()
    assert len(set(OWN_KEYS.values())) == len(OWN_KEYS)
    keys = settings_keys()
    for name, path in OWN_KEYS.items():
        whole = keys.get(path)
        assert whole is not None, name
        for own in (keys.get(("groups", "any", name)), keys.get(("cameras", 0, "settings", name))):
            assert own is not None, name
            assert own.default is None, name
            facts = (own.kind, own.choices, own.low, own.high)
            assert facts == (whole.kind, whole.choices, whole.low, whole.high), name


def test_a_group_may_be_empty_and_without_cameras(tmp_path: Path) -> None:
    settings = load(tmp_path, "groups:\n  Portaria:\n  Corredor norte: {jpeg_quality: 80, roi: ''}\n")
    assert settings.groups["Portaria"].values() == {}
    assert settings.groups["Corredor norte"].values() == {"jpeg_quality": 80, "roi": ""}


def test_groups_and_settings_come_from_the_environment_too() -> None:
    settings = load_settings(
        None,
        env_file=None,
        environ={
            "VIGIA_GROUPS": "{gate: {filter_min_size: 90}}",
            "VIGIA_CAMERAS": '[{"id": "a", "url": "x", "settings": {"rot": "10x10+0+0"}}]',
        },
    )
    assert settings.groups["gate"].values() == {"filter_min_size": 90.0}
    assert settings.cameras[0].settings.values() == {"rot": "10x10+0+0"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "groups:\n  gate:\n    filter_min_sze: 3",
            "line 3: unknown key groups.gate.filter_min_sze; did you mean groups.gate.filter_min_size?",
        ),
        (
            "groups:\n  gate:\n    jpeg_quality: 0",
            'line 3: groups.gate.jpeg_quality must be a whole number from 1 to 100, not "0"',
        ),
        ("groups:\n  gate: 5", 'line 2: groups.gate must hold keys of its own, not "5"'),
        ("groups: [gate]", "line 1: groups must hold keys of its own, not […]"),
        ("groups: {' ': {}}", "line 1: groups: a group's name has 1 to 256 characters"),
        (
            "groups:\n  gate:\n    roi: 10x10",
            "line 3: groups.gate.roi: a region is written WxH+X+Y in pixels, such as 1280x720+0+100, not '10x10'",
        ),
        (
            "groups:\n  gate:\n    filter_max_size: 50",
            (
                "line 3: groups.gate.filter_max_size does not go with the other settings: tracks.filter_max_size (50) "
                "must not be less than the smallest face sent (60)"
            ),
        ),
        (
            (
                "tracks: {roi: 100x100+0+0}\ncameras:\n- id: a\n  url: x\n  settings:\n    jpeg_quality: 9\n"
                "    rot: 50x50+200+200"
            ),
            (
                "line 7: cameras[0].settings.rot does not go with the other settings: tracks.roi (100x100+0+0) and "
                "tracks.rot (50x50+200+200) have no pixel in common: no face would ever be sent"
            ),
        ),
        (
            (
                "groups: {g: {overall_only: false}}\ncameras:\n- id: a\n  url: x\n  group: g\n  settings:\n"
                "    overall_only: true\n    post_best_track_frame: false\n"
            ),
            (
                "line 8: cameras[0].settings.post_best_track_frame does not go with the other settings: tracks: "
                "nothing would ever be sent; with overall_only, one of post_best_track_frame, post_first_track_frame "
                "and post_last_track_frame must be true"
            ),
        ),
        (
            "cameras:\n- id: a\n  url: x\n  jpeg_quality: 70\n",
            "line 4: unknown key cameras[0].jpeg_quality; did you mean cameras[0].settings.jpeg_quality?",
        ),
        (
            "cameras:\n- id: a\n  url: x\n  settings: {picture: cut}\n",
            'line 4: cameras[0].settings.picture must be one of full, crop, not "cut"',
        ),
        ("camera_list: file", 'line 1: camera_list must be one of auto, config, findface, both, not "file"'),
        (
            "findface: {sync_interval_s: 0}",
            'line 1: findface.sync_interval_s must be a number from 1 to 86400, not "0"',
        ),
    ],
)
def test_mistakes_are_told_with_line_and_key(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, text)
    assert str(caught.value).replace(f"{tmp_path}/c.yaml, ", "") == told


def test_a_group_makes_a_cameras_settings_agree(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        "groups: {g: {filter_max_size: 500}}\ncameras: [{id: a, url: x, group: g, settings: {filter_min_size: 400}}]\n",
    )
    assert settings.cameras[0].settings.values() == {"filter_min_size": 400.0}
    with pytest.raises(ConfigurationError, match=r"cameras\[0\]\.settings\.filter_min_size does not go with"):
        load(
            tmp_path,
            "groups: {g: {filter_max_size: 300}}\n"
            "cameras: [{id: a, url: x, group: g, settings: {filter_min_size: 400}}]\n",
        )


@pytest.mark.parametrize(
    ("choice", "with_cameras", "reads"),
    [
        ("auto", True, (True, False)),
        ("auto", False, (False, True)),
        ("config", False, (True, False)),
        ("findface", True, (False, True)),
        ("both", True, (True, True)),
        ("both", False, (True, True)),
    ],
)
def test_which_lists_are_read(tmp_path: Path, choice: str, with_cameras: bool, reads: tuple[bool, bool]) -> None:
    cameras = "cameras: [{id: a, url: x}]\n" if with_cameras else ""
    settings = load(tmp_path, f"camera_list: {choice}\n{cameras}")
    assert (settings.reads_configured_cameras, settings.reads_findface_cameras) == reads
