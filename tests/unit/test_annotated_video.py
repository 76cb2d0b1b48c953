"""The copy with boxes: any size, any box, the times of the source, and nothing drawn on the source's own pictures."""

from datetime import UTC, datetime
from pathlib import Path

import av
import numpy as np
import pytest

from vigia.domain.camera import CameraId
from vigia.domain.frame import Frame
from vigia.infrastructure.video.annotated_video import AnnotatedVideo
from vigia.infrastructure.video.picture import AvPicture, picture_from_rgb


def frame_at(at_s: float, picture: AvPicture) -> Frame:
    return Frame(CameraId("video"), 0, at_s, 0.0, at_s, datetime(2026, 1, 1, tzinfo=UTC), picture)


@pytest.mark.parametrize(("width", "height"), [(320, 180), (161, 121), (64, 64)])
def test_boxes_of_any_kind_in_pictures_of_any_size(tmp_path: Path, width: int, height: int) -> None:
    grey = np.full((height, width, 3), 128, dtype=np.uint8)
    picture = picture_from_rgb(grey)
    before = picture.luma().copy()
    boxes = np.array([[10, 20, 40, 60], [-50, -50, 9999, 9999], [30, 30, 30, 30], [50, 40, 20, 10]], dtype=np.float32)
    video = AnnotatedVideo(tmp_path / "x.mp4", fps=10.0)
    times = [0.0, 0.1, 0.1, 5.0]
    for at_s in times:
        video.write(frame_at(at_s, picture), boxes, [1, 234567890, 3, 0])
    video.write(frame_at(5.5, picture_from_rgb(np.full((90, 160, 3), 128, dtype=np.uint8))), boxes[:0], [])
    video.close()

    assert np.array_equal(picture.luma(), before), "the decoder's own picture is as it was"
    with av.open(str(tmp_path / "x.mp4")) as container:
        frames = list(container.decode(video=0))
    assert [frame.time for frame in frames] == pytest.approx([*times, 5.5], abs=1e-3)
    assert {(frame.width, frame.height) for frame in frames} == {(width & ~1, height & ~1)}
    drawn = frames[0].to_ndarray(format="rgb24").astype(int)
    assert (drawn.max(axis=2) - drawn.min(axis=2)).max() > 60, "there is colour in it now"


def test_a_file_that_cannot_be_written_is_an_os_error(tmp_path: Path) -> None:
    picture = picture_from_rgb(np.full((64, 64, 3), 128, dtype=np.uint8))
    video = AnnotatedVideo(tmp_path / "nowhere" / "x.mp4", fps=10.0)

    def write() -> None:  # FFmpeg opens the file when the coder gives it something
        for number in range(100):
            video.write(frame_at(number / 10.0, picture), np.zeros((0, 4), dtype=np.float32), [])

    with pytest.raises(OSError, match="No such file"):
        write()
