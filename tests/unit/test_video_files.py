"""Which videos are meant, and where their reports go."""

import os
from pathlib import Path

import pytest

from vigia.application.errors import ConfigurationError
from vigia.bootstrap.video_files import find_videos, report_places, shown
from vigia.infrastructure.report.directory import MARKER_NAME, ReportDirectory


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def test_folders_are_searched_and_sorted(tmp_path: Path) -> None:
    wanted = [touch(tmp_path / name) for name in ("a/2.MP4", "a/b/1.mkv", "a/z.avi")]
    for name in ("a/notes.txt", "a/.hidden.mp4", "a/.trash/3.mp4", f"a/report/{MARKER_NAME}", "a/report/annotated.mp4"):
        touch(tmp_path / name)
    named = touch(tmp_path / "recording.dat")
    assert find_videos([tmp_path / "a", named, wanted[0]]) == [*sorted(wanted), named]


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    for path, text in (
        (tmp_path / "no.mp4", "is not there"),
        (tmp_path, "no video in the folder"),
        (Path("rtsp://camera/1"), "is an address"),
    ):
        with pytest.raises(ConfigurationError, match=text):
            find_videos([path])


def test_each_video_has_a_place_of_its_own(tmp_path: Path) -> None:
    out = tmp_path / "out"
    videos = [
        Path("/v/a/Gate.mp4"),
        Path("/v/b/gate.avi"),
        Path("/v/door.mp4"),
        Path("/v/..mp4"),
        Path("/v/" + "x" * 240),
    ]
    places = report_places(videos, out)
    assert len({str(place).casefold() for place in places.values()}) == len(videos)
    assert all(place.parent == out and len(place.name) <= 100 for place in places.values())
    assert places[videos[2]] == out / "door"
    assert report_places(videos, out) == places


def test_the_report_on_another_video_is_not_replaced(tmp_path: Path) -> None:
    first, second = Path("/v/a/gate.mp4"), Path("/v/b/gate.mp4")
    place = report_places([first], tmp_path)[first]
    directory = ReportDirectory(place)
    directory.begin()
    directory.publish({"video": {"path": str(first)}})
    assert report_places([first], tmp_path)[first] == place
    assert report_places([second], tmp_path)[second] != place


@pytest.mark.parametrize("name", [b"\xff\xfe.mp4", b"a\nb\x1b[31m.mp4", b"<b>.mp4", b"a:b?.mp4"])
def test_hostile_names_have_harmless_places(tmp_path: Path, name: bytes) -> None:
    video = Path(os.fsdecode(b"/v/" + name))
    place = report_places([video], tmp_path)[video]
    assert place.parent == tmp_path
    assert place.name.isprintable()
    assert not set(place.name) & set('<>:"/\\|?*')
    shown(video).encode("utf-8")
