"""``vigia track`` as it is typed: detections in, tracks out, and the exit code."""

from pathlib import Path

import numpy as np
import pytest

from vigia.application.use_cases.manage_tracks_use_case import ManageTracksUseCase
from vigia.bootstrap.track_boxes import BoxTracker, long_enough, track_boxes, track_manager
from vigia.cli import main
from vigia.infrastructure.config import Settings
from vigia.infrastructure.i18n import catalogue
from vigia.infrastructure.mot import MotBoxes, read_mot_text

Captured = pytest.CaptureFixture[str]
FRAMES, FPS = 45, 15.0


@pytest.fixture(autouse=True)
def _english(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VIGIA_LANGUAGE", "en")
    monkeypatch.setattr(catalogue._Active, "state", catalogue._Active.state)


def two_people() -> str:
    """One walks to the right, one down; 80 px, 60 px a second; a third box is there once."""
    lines = []
    for number in range(1, FRAMES + 1):
        walked = 60.0 * (number - 1) / FPS
        lines.append(f"{number},-1,{50 + walked:.2f},40,80,90,0.9,-1,-1,-1")
        lines.append(f"{number},-1,600,{40 + walked:.2f},80,90,0.8,-1,-1,-1")
    lines.append("20,-1,300,500,80,90,0.7,-1,-1,-1")
    return "\n".join(lines) + "\n"


def test_everybody_becomes_one_track(capsys: Captured) -> None:
    Path("det.txt").write_text(two_people(), encoding="utf-8")
    assert main(["track", "--mot", "det.txt", "--fps", "15", "--size", "1280x720"]) == 0
    out, err = capsys.readouterr()
    result = read_mot_text(out, name="out")
    assert list(result) == list(range(1, FRAMES + 1))
    assert len({owner for boxes in result.values() for owner in boxes.ids.tolist()}) == 2
    rightward = {int(boxes.ids[boxes.boxes_xyxy[:, 1] == 40.0][0]) for boxes in list(result.values())[1:]}
    assert len(rightward) == 1
    assert err == "91 boxes in 45 frames: 2 tracks with 90 boxes\n"  # the one that was there once is not sent either


def test_the_result_goes_to_a_file_and_every_third_frame_is_taken(capsys: Captured) -> None:
    Path("det.txt").write_text(two_people(), encoding="utf-8")
    assert main(["track", "--mot", "det.txt", "--out", "result.txt", "--fps", "15", "--every", "3"]) == 0
    assert capsys.readouterr().out == ""
    result = read_mot_text(Path("result.txt").read_text(encoding="utf-8"), name="out")
    assert list(result) == list(range(1, FRAMES + 1, 3))
    assert {owner for boxes in result.values() for owner in boxes.ids.tolist()} == {1, 2}


def test_settings_count(capsys: Captured) -> None:
    Path("det.txt").write_text(two_people(), encoding="utf-8")
    assert main(["track", "--mot", "det.txt", "--fps", "15", "--set", "tracks.events_min=1"]) == 0
    assert "3 tracks with 91 boxes" in capsys.readouterr().err
    assert main(["track", "--mot", "det.txt", "--fps", "15", "--set", "tracks.events_min=100"]) == 0
    assert capsys.readouterr() == ("", "91 boxes in 45 frames: 0 tracks with 0 boxes\n")


def test_confidences_beyond_the_range_are_told(capsys: Captured) -> None:
    Path("det.txt").write_text("1,-1,0,0,50,50,55\n2,-1,0,0,50,50,0.5\n", encoding="utf-8")
    assert main(["track", "--mot", "det.txt"]) == 0
    assert "1 confidences beyond 0 to 1 counted as 0 or 1" in capsys.readouterr().err


def test_an_empty_file_holds_nobody(capsys: Captured) -> None:
    Path("det.txt").write_text("", encoding="utf-8")
    assert main(["track", "--mot", "det.txt"]) == 0
    assert capsys.readouterr() == ("", "0 boxes in 0 frames: 0 tracks with 0 boxes\n")


@pytest.mark.parametrize(
    ("line", "options", "told"),
    [
        ("1,-1,0,0,0,9,1", (), "Error: det.txt, line 1: a box 0 wide and 9 high; both must be more than 0\n"),
        ("", ("--size", "1280"), "Error: --size 1280: write width and height in pixels, such as 1920x1080\n"),
        ("", ("--size", "0x720"), "--size 0x720: write"),
        ("", ("--size", "99999x720"), "--size 99999x720: write"),
        ("", ("--out", "no/such/folder.txt"), "cannot be written: No such file or directory"),
        ("", ("--set", "tracks.events_min=0"), "tracks.events_min"),
        ("", ("--fps", "0"), "--fps"),
        ("", ("--every", "0"), "--every"),
    ],
)
def test_a_mistake_is_a_usage_error(capsys: Captured, line: str, options: tuple[str, ...], told: str) -> None:
    Path("det.txt").write_text(line, encoding="utf-8")
    assert main(["track", "--mot", "det.txt", *options]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert told in err


def test_mistakes_are_told_in_portuguese(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIGIA_LANGUAGE", "pt_BR")
    Path("det.txt").write_text("0,-1,0,0,9,9,1\n", encoding="utf-8")
    assert main(["track", "--mot", "det.txt"]) == 2
    assert capsys.readouterr().err == (
        "Erro: det.txt, linha 1: quadro 0; os quadros são números inteiros a partir de 1\n"
    )


@pytest.mark.parametrize("k", [1, 2, 3, 5, 10])
def test_time_passes_in_seconds(settings: Settings, k: int) -> None:
    frames = read_mot_text(two_people(), name="x")
    some = {number: boxes for number, boxes in frames.items() if (number - 1) % k == 0}
    result = track_boxes(settings, some, fps=FPS, size_wh=(1280, 720))
    assert {owner for boxes in result.values() for owner in boxes.ids.tolist()} == {1, 2}


def test_silence_ends_a_track(settings: Settings) -> None:
    box = MotBoxes(np.array([-1]), np.array([[0.0, 0.0, 80.0, 90.0]], dtype=np.float32), np.ones(1))
    tracker = BoxTracker(settings, fps=10.0, size_wh=(640, 480))
    at = [1, 5, 10, 30]  # 0.4 s, 0.5 s, 2 s apart; track_miss_interval_s is 1
    assert [tracker.update(number, box) for number in at] == [[1], [1], [1], [2]]


def test_what_is_too_short_or_nobodys_is_left_out() -> None:
    box = MotBoxes(np.array([-1]), np.array([[0.0, 0.0, 9.0, 9.0]], dtype=np.float32), np.ones(1))
    frames = dict.fromkeys(range(1, 5), box)
    found = long_enough(frames, {1: [5], 2: [-1], 3: [6], 4: [5]}, boxes_min=2)
    assert {number: boxes.ids.tolist() for number, boxes in found.items()} == {1: [5], 4: [5]}


def test_the_manager_is_the_products(settings: Settings) -> None:
    assert isinstance(track_manager(settings), ManageTracksUseCase)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    from vigia.infrastructure.config import load_settings  # noqa: PLC0415 - of this fixture only

    empty = tmp_path / "empty.yaml"
    empty.write_text("{}\n", encoding="utf-8")
    return load_settings(empty, env_file=None, environ={})
