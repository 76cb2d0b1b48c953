"""MOTChallenge text: what is read is what was written, and a broken line is told with its number."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigia.application.errors import ConfigurationError
from vigia.infrastructure.mot import MotBoxes, MotFrames, format_mot, read_mot, read_mot_text
from vigia.infrastructure.mot import text as mot_text

cents = st.integers(-99_999, 999_999).map(lambda value: value / 100.0)
sides = st.integers(100, 99_999).map(lambda value: value / 100.0)
rows = st.tuples(st.integers(1, 40), st.integers(0, 9), cents, cents, sides, sides, st.integers(0, 1000))


def _frames(some: list[tuple[int, int, float, float, float, float, int]]) -> MotFrames:
    lines = [f"{f},{i},{x:.2f},{y:.2f},{w:.2f},{h:.2f},{c / 1000}" for f, i, x, y, w, h, c in some]
    return read_mot_text("\n".join(lines), name="made up")


@given(st.lists(rows, max_size=30))
def test_what_was_written_is_read_again(some: list[tuple[int, int, float, float, float, float, int]]) -> None:
    frames = _frames(some)
    again = read_mot_text(format_mot(frames), name="again")
    assert list(again) == list(frames) == sorted({row[0] for row in some})
    assert sum(len(boxes) for boxes in frames.values()) == len(some)
    for number, boxes in frames.items():
        order = np.argsort(boxes.ids, kind="stable")
        np.testing.assert_array_equal(again[number].ids, boxes.ids[order])
        np.testing.assert_allclose(again[number].boxes_xyxy, boxes.boxes_xyxy[order], atol=0.02)
        np.testing.assert_allclose(again[number].confidences, boxes.confidences[order], rtol=1e-3)


def test_a_line_is_left_top_width_height() -> None:
    frames = read_mot_text("3,7,10,20,30,40,0.5,-1,-1,-1\n", name="x")
    (boxes,) = frames.values()
    assert (list(frames), boxes.ids.tolist(), boxes.confidences.tolist()) == ([3], [7], [0.5])
    assert boxes.boxes_xyxy.tolist() == [[10.0, 20.0, 40.0, 60.0]]
    assert format_mot(frames) == "3,7,10.00,20.00,30.00,40.00,0.5,-1,-1,-1\n"


@pytest.mark.parametrize(
    ("line", "confidence"), [("1,-1,0,0,9,9", 1.0), ("1,-1,0,0,9,9,-1", 1.0), (" 1 , -1 , 0,0, 9,9, 55.5 ", 55.5)]
)
def test_a_confidence_that_is_not_known_counts_as_certain(line: str, confidence: float) -> None:
    assert read_mot_text(line, name="x")[1].confidences.tolist() == [confidence]


def test_frames_come_in_order_and_blank_lines_are_passed_over() -> None:
    frames = read_mot_text("9,1,0,0,9,9,1\n\n  \n2,1,0,0,9,9,1\n9,2,0,0,9,9,1\n", name="x")
    assert {number: len(boxes) for number, boxes in frames.items()} == {2: 1, 9: 2}
    assert list(frames) == [2, 9]
    assert read_mot_text("", name="x") == {}


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("1 1 0 0 9 9 1", "line 2 has 1 values; wanted are frame,id,left,top,width,height,confidence"),
        ("1,1,0,0,9", "has 5 values"),
        ("1,1,0,zero,9,9,1", "line 2: top is 'zero', which is no number"),
        ("1,1,nan,0,9,9,1", "left is 'nan'"),
        ("1,1,0,0,9,9,inf", "confidence is 'inf'"),
        ("1,1,0,0,1e30,9,1", "width is '1e30'"),
        ("0,1,0,0,9,9,1", "frame 0; frames are whole numbers from 1 on"),
        ("1.5,1,0,0,9,9,1", "frame 1.5; frames are"),
        ("1,1.5,0,0,9,9,1", "id 1.5; ids are whole numbers"),
        ("1,1,0,0,0,9,1", "a box 0 wide and 9 high; both must be more than 0"),
        ("1,1,0,0,9,-9,1", "a box 9 wide and -9 high"),
    ],
)
def test_a_broken_line_is_told(tmp_path: Path, line: str, told: str) -> None:
    path = tmp_path / "det.txt"
    path.write_text(f"1,-1,0,0,9,9,1\n{line}\n", encoding="utf-8")
    with pytest.raises(ConfigurationError) as error:
        read_mot(path)
    assert str(error.value).startswith(f"{path}, line 2")
    assert told in str(error.value)


def test_what_is_no_text_or_not_there_is_told(tmp_path: Path) -> None:
    path = tmp_path / "det.txt"
    path.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(ConfigurationError, match="is no text"):
        read_mot(path)
    with pytest.raises(ConfigurationError, match="cannot be read: No such file"):
        read_mot(tmp_path / "nowhere.txt")


def test_a_mark_of_order_at_the_beginning_is_no_number(tmp_path: Path) -> None:
    path = tmp_path / "det.txt"
    path.write_bytes(b"\xef\xbb\xbf1,-1,0,0,9,9,1\r\n")
    assert list(read_mot(path)) == [1]


def test_there_is_a_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mot_text, "ROWS_MAX", 3)
    line = "1,-1,0,0,9,9,1\n"
    assert len(read_mot_text(3 * line, name="x")[1]) == 3
    with pytest.raises(ConfigurationError, match="x has more than 3 boxes"):
        read_mot_text(4 * line, name="x")


def test_boxes_know_that_they_belong_together() -> None:
    box = np.array([[0.0, 0.0, 9.0, 9.0]], dtype=np.float32)
    with pytest.raises(ValueError, match="2 ids, 1 boxes"):
        MotBoxes(np.array([1, 2]), box, np.ones(1))
    named = MotBoxes(np.array([-1]), box, np.ones(1))
    assert named.with_ids([4]).ids.tolist() == [4]
    assert len(named.with_ids([-1])) == 0
