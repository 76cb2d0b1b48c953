"""DetectFacesUseCase: what of a frame goes into its face events."""

import itertools

import numpy as np

from vigia.application.ports import Detections
from vigia.application.use_cases.detect_faces import DetectFacesUseCase
from vigia.domain.camera import CameraId
from vigia.domain.frame import Frame, Picture
from vigia.domain.regions import Region
from vigia.testing.sim_clock import SimClock
from vigia.testing.video import STREAM, ScriptedDecoder, ScriptedDetector, ScriptedPacket, ScriptedPicture, packet

TWO_FACES = ScriptedPicture(((50, 60, 150, 180), (300, 40, 340, 90)))


class Asked(ScriptedDetector):
    """Keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.widths: list[int] = []
        self.questions: list[tuple[int, float]] = []

    def input_width_for(self, *, frame_width: int, min_face_px: float) -> int:
        self.questions.append((frame_width, min_face_px))
        return frame_width // 2

    def detect(self, picture: Picture, *, input_width: int, region: Region | None = None) -> Detections:
        self.widths.append(input_width)
        return super().detect(picture, input_width=input_width, region=region)


def frame_of(picture: ScriptedPicture, *, index: int = 0) -> Frame:
    clock = SimClock()
    clock.advance(index / 30)
    made = packet(CameraId("gate"), index, clock=clock, script=ScriptedPacket(picture), media_index=index + 100, loop=2)
    return ScriptedDecoder(STREAM).decode(made).frames[0].frame


def test_each_face_becomes_an_event_with_its_frames_facts() -> None:
    frame = frame_of(TWO_FACES, index=7)
    events = DetectFacesUseCase(ScriptedDetector(), min_face_px=20).execute(frame)
    assert [tuple(event.box_xyxy) for event in events] == list(TWO_FACES.faces_xyxy)
    for event in events:
        assert (event.camera_id, event.frame_index, event.media_index, event.loop) == ("gate", 7, 107, 2)
        assert (event.at_mono_s, event.at_utc) == (frame.at_mono_s, frame.at_utc)
        assert event.frame_size_wh == (640, 360)
        assert event.picture is frame.picture
        assert event.landmarks.shape == (5, 2)
        assert event.frame_boxes_xyxy is not None, "the posted region keeps clear of the others"
        np.testing.assert_array_equal(event.frame_boxes_xyxy, TWO_FACES.faces_xyxy)
        assert np.float32(event.confidence) == np.float32(0.9)
        assert 0.0 <= event.quality.score <= 1.0
        assert event.postable
    assert events[0].quality.score > events[1].quality.score, "the same face, larger, is the better shot"


def test_a_frame_without_faces_has_no_events() -> None:
    assert DetectFacesUseCase(ScriptedDetector(), min_face_px=20).execute(frame_of(ScriptedPicture())) == []


def test_numbers_are_shared_between_shards_and_never_used_twice() -> None:
    ids = itertools.count(40)
    first, second = (DetectFacesUseCase(ScriptedDetector(), min_face_px=20, ids=ids) for _ in range(2))
    numbers = [event.id for use_case in (first, second, first) for event in use_case.execute(frame_of(TWO_FACES))]
    assert numbers == list(range(40, 46))


def test_who_may_not_be_sent_is_found_all_the_same() -> None:
    events = DetectFacesUseCase(ScriptedDetector(), min_face_px=20).execute(
        frame_of(TWO_FACES), size_fits=lambda box: bool(box[2] - box[0] >= 80)
    )
    assert [event.postable for event in events] == [True, False]


def test_a_face_that_the_detector_is_not_sure_of_may_be_followed_and_is_not_sent() -> None:
    detector = ScriptedDetector()
    detector.sure_confidence = 0.95
    events = DetectFacesUseCase(detector, min_face_px=20).execute(frame_of(TWO_FACES))
    assert [(event.sure, event.postable) for event in events] == [(False, False)] * 2
    detector.sure_confidence = 0.5
    assert all(event.sure for event in DetectFacesUseCase(detector, min_face_px=20).execute(frame_of(TWO_FACES)))


def test_the_input_is_asked_for_once_for_each_width_of_frames() -> None:
    detector = Asked()
    detect = DetectFacesUseCase(detector, min_face_px=24)
    for width in (640, 640, 1280, 640):
        detect.execute(frame_of(ScriptedPicture(width=width)))
    assert detector.questions == [(640, 24), (1280, 24)]
    assert detector.widths == [320, 320, 640, 320]
    assert detect.model == "scripted"


def test_a_fixed_input_asks_nobody() -> None:
    detector = Asked()
    detect = DetectFacesUseCase(detector, min_face_px=24, input_width=416)
    detect.execute(frame_of(TWO_FACES))
    assert (detector.questions, detector.widths) == ([], [416])


class Exact(ScriptedDetector):
    """Needs 16 pixels of its own input for a face."""

    def input_width_for(self, *, frame_width: int, min_face_px: float) -> int:
        return round(frame_width * 16 / min_face_px)


def test_under_overload_the_input_shrinks_only_as_far_as_it_may() -> None:
    never = DetectFacesUseCase(Exact(), min_face_px=80)
    assert [never.input_width_for(1280, scale) for scale in (1.0, 0.8, 0.4)] == [256, 256, 256]
    allowed = DetectFacesUseCase(Exact(), min_face_px=80, overload_face_px=120)
    assert [allowed.input_width_for(1280, scale) for scale in (1.0, 0.8, 0.4)] == [256, 205, 171]
    generous = DetectFacesUseCase(Exact(), min_face_px=80, input_width=512)
    assert [generous.input_width_for(1280, scale) for scale in (1.0, 0.8, 0.4)] == [512, 410, 256]
    narrow = DetectFacesUseCase(Exact(), min_face_px=80, input_width=128)
    assert [narrow.input_width_for(1280, scale) for scale in (1.0, 0.5)] == [128, 128], "below what is needed already"


def test_the_scale_reaches_the_detector() -> None:
    detector = Asked()
    faces = DetectFacesUseCase(detector, min_face_px=20, overload_face_px=400, input_width=600)
    faces.execute(frame_of(TWO_FACES), scale=0.8)
    assert detector.widths == [480]
