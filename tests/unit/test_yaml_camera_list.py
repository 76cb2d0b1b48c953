"""Cameras put into a YAML file: only the lines concerned change, and what cannot be changed safely is refused."""

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from vigia.application.errors import ConfigurationError
from vigia.infrastructure.yaml_text import CameraDocument, cameras_block, with_cameras

HALL: CameraDocument = {"id": "hall", "name": "no", "url": "rtsp://h/2", "active": False}
GATE: CameraDocument = {"id": "gate", "url": "rtsp://h/new", "settings": {"filter_min_size": 80}}
FILE = """\
# who, when
language: en  # ours

cameras:
  # the gate
  - id: gate  # north
    url: rtsp://h/old
    loop: true

  - {id: yard, url: rtsp://h/3}

# the log
log:
  level: DEBUG
"""


def data(text: str) -> Any:
    return yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 - makes texts only


def test_a_new_camera_comes_after_the_last_one_and_the_rest_stays_to_the_letter() -> None:
    edited = with_cameras(FILE, [HALL], update=False)
    new = "  - id: hall\n    name: 'no'\n    url: rtsp://h/2\n    active: false\n"
    assert edited.text == FILE.replace("rtsp://h/3}\n", "rtsp://h/3}\n" + new)
    assert edited.added == ("hall",)


def test_a_camera_that_is_there_is_left_unless_updating() -> None:
    edited = with_cameras(FILE, [GATE], update=False)
    assert (edited.text, edited.left) == (FILE, ("gate",))


def test_updating_changes_the_values_given_and_keeps_comments_and_other_keys() -> None:
    edited = with_cameras(FILE, [GATE], update=True)
    assert edited.text == FILE.replace("rtsp://h/old", "rtsp://h/new").replace(
        "    loop: true\n", "    loop: true\n    settings:\n      filter_min_size: 80\n"
    )
    assert edited.updated == ("gate",)
    again = with_cameras(edited.text, [GATE], update=True)
    assert (again.text, again.updated, again.same) == (edited.text, (), ("gate",))


def test_a_camera_in_flow_style_is_updated_in_flow_style() -> None:
    edited = with_cameras(FILE, [{"id": "yard", "url": "rtsp://h/9", "name": "Yard, east"}], update=True)
    assert '{id: yard, url: "rtsp://h/9", "name": "Yard, east"}' in edited.text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# only a comment",
        "language: en",
        "language: en\n",
        "cameras:\nlanguage: en\n",
        "cameras:  # none yet\nlanguage: en\n",
        "cameras: []\nlanguage: en\n",
        "cameras: null\n",
        "cameras: [{id: a, url: u}]\n",
        "cameras:\n- id: a\n  url: u\n",
        "cameras:\n    -   id: a\n        url: u",
        '{"language": "en", "cameras": [{"id": "a", "url": "u"}]}',
        '{"cameras": []}',
        "cameras:\r\n  - id: a\r\n    url: u\r\n\r\nlanguage: en\r\n",
        "cameras:\n  - id: a\n    url: u\n    settings:\n      roi: 1x1+0+0\n# end\n",
        "cameras:\n  - id: a\n    url: >-\n      u\n\nlanguage: en\n",
        "cameras:\n  - id: a\n    url: u\n    name:\nlanguage: en\n",
    ],
)
def test_cameras_are_added_however_the_file_is_written(text: str) -> None:
    before = data(text) or {}
    edited = with_cameras(text, [HALL, GATE], update=False)
    after = data(edited.text)
    listed = before.get("cameras")
    listed = listed if isinstance(listed, list) else []
    assert after == {**before, "cameras": [*listed, *data(cameras_block([HALL, GATE]))["cameras"]]}
    assert ("\r\n" in text) == ("\r\n" in edited.text)
    assert "\n" not in edited.text.replace("\r\n", "") or "\r\n" not in text


@pytest.mark.parametrize(
    "text",
    [
        "- a\n",
        "text\n",
        "cameras: text\n",
        "{language: en}\n",
        "language: en\n...\n",
        "cameras:\n  - &a {id: gate, url: rtsp://h/1}\n  - *a\n",
        "cameras:\n  - id: gate\n    url: rtsp://h/old\n    settings:\n",
        "cameras:\n  - id: gate\n    url: [1]\n",
    ],
)
def test_what_cannot_be_changed_safely_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot be changed safely"):
        with_cameras(text, [GATE, HALL], update=True)


def test_nothing_to_do_changes_nothing_even_where_it_could_not() -> None:
    assert with_cameras("language: en\n...\n", [], update=True).text == "language: en\n...\n"


SAFE = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FFFF, exclude_categories=("C", "Z")), max_size=15)
VALUES = st.one_of(
    SAFE.filter(bool), st.booleans(), st.integers(0, 9999), st.sampled_from(["no", "~", "12:30", "0x1f"])
)
CAMERAS = st.lists(
    st.fixed_dictionaries(
        {"id": st.sampled_from("abcdef"), "url": SAFE.filter(bool)},
        optional={
            "name": VALUES,
            "token": VALUES,
            "settings": st.dictionaries(st.sampled_from("xyz"), VALUES, min_size=1),
        },
    ),
    max_size=4,
    unique_by=lambda camera: str(camera["id"]),
)


@given(there=CAMERAS, new=CAMERAS, around=st.sampled_from(["", "# c\n", "language: en\n"]), update=st.booleans())
def test_any_cameras_go_into_any_file_of_ours(
    there: list[CameraDocument], new: list[CameraDocument], around: str, update: bool
) -> None:
    text = around + cameras_block(there) + "# end\nlog:\n  level: INFO\n"
    edited = with_cameras(text, new, update=update)
    ids = [camera["id"] for camera in there]
    after = data(edited.text)["cameras"] or []
    assert [camera["id"] for camera in after] == [*ids, *(c["id"] for c in new if c["id"] not in ids)]
    assert data(edited.text)["log"] == {"level": "INFO"}
    again = with_cameras(edited.text, new, update=update)
    assert again.text == edited.text, "a second time changes nothing"
    if not update:
        assert after[: len(there)] == (data(cameras_block(there))["cameras"] or [])
