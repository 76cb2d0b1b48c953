"""What shards tell the gallery, what is made of it, and that nothing waits for it."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from making import MakeEvent, event_maker
from vigia.application.gallery_desk import (
    CUTTINGS_BYTES_MAX,
    PICTURES_BYTES_MAX,
    PICTURES_MAX,
    TOLD_MAX,
    GalleryDesk,
    GallerySink,
    fitted,
)
from vigia.application.gallery_values import GalleryItem, PassageSheet, ShotKey, ShotPictures, TrackKey
from vigia.application.track_poster import NoteKeeper, TrackPoster
from vigia.application.use_cases.commit_captures import CaptureRequest
from vigia.application.use_cases.manage_tracks_use_case import Association
from vigia.domain.camera import Camera, CameraId
from vigia.domain.event import FaceEvent
from vigia.domain.frame import Picture
from vigia.domain.ledger import CameraLedger
from vigia.domain.motion import TrackEnd, TrackId
from vigia.domain.posted_picture import PictureMode, PictureRules
from vigia.domain.posting import PostingPolicy
from vigia.domain.track import Track
from vigia.domain.track_filter import TrackFilter
from vigia.infrastructure.video.face_cut import PlaneCut, PlaneFaceCutter
from vigia.testing.video import ScriptedPicture

GATE = Camera(CameraId("gate"), "Gate", "rtsp://gate")


@dataclass
class NamedEncoder:
    """Tells what it was asked for, instead of coding it."""

    fails: bool = False
    made: list[tuple[Any, tuple[int, int] | None]] = field(default_factory=list)

    def encode_jpeg(
        self,
        picture: Picture,  # noqa: ARG002 - the port's
        *,
        quality: int,  # noqa: ARG002 - the port's
        crop_ltrb: tuple[int, int, int, int] | None = None,
        size_wh: tuple[int, int] | None = None,
    ) -> bytes:
        if self.fails:
            raise MemoryError("no room")
        self.made.append((crop_ltrb, size_wh))
        return f"{crop_ltrb} {size_wh}".encode()


class CountingCutter(PlaneFaceCutter):
    """Counts how often it coded a cutting."""

    coded = 0

    def encode(self, cutting: PlaneCut, *, quality: int) -> bytes:
        self.coded += 1
        return super().encode(cutting, quality=quality)


class Rig:
    """A poster whose sink tells a desk; the desk works when the test says so."""

    def __init__(self, *, policy: PostingPolicy | None = None, mode: PictureMode = PictureMode.FULL) -> None:
        self.items: list[GalleryItem] = []
        self.offered: list[CaptureRequest] = []
        self.encoder = NamedEncoder()
        self.cutter = CountingCutter()
        self.desk = GalleryDesk(
            cutter=self.cutter,
            encoder=self.encoder,
            deliver=self.items.append,
            rules=PictureRules(mode=mode),
        )
        self.sink = GallerySink(self, self.desk)
        self.poster = TrackPoster(
            GATE,
            policy=policy or PostingPolicy(),
            track_filter=TrackFilter(movement_min_px=5.0),
            captures=self.sink,
            ledger=CameraLedger(GATE.id),
        )

    def offer(self, request: CaptureRequest) -> None:
        self.offered.append(request)

    def follow(self, number: int, events: list[FaceEvent]) -> Track:
        track = Track(TrackId(number), events[0], miss_interval_s=1.0, duration_max_s=0.0)
        for event in events[1:]:
            track.add_event(event)
        self.poster.follow([Association(event, TrackId(number), None) for event in events])
        return track

    def end(self, track: Track) -> None:
        track.finish(TrackEnd.SILENCE)
        self.poster.close([track])

    def work(self) -> list[GalleryItem]:
        while self.desk.step() == 0.0:
            pass
        done, self.items[:] = list(self.items), []
        return done


def walk(make: MakeEvent, count: int = 5, **kind: Any) -> list[FaceEvent]:
    return [make(10.0 * n, frame=n, score=0.4 + 0.05 * n, **kind) for n in range(count)]


def test_the_sink_of_a_gallery_keeps_notes_and_a_plain_one_does_not() -> None:
    rig = Rig()
    assert isinstance(rig.sink, NoteKeeper)
    assert not isinstance(rig, NoteKeeper)


def test_a_track_that_sent_is_told_with_all_its_candidates_and_pictures_of_its_shot() -> None:
    rig, make = Rig(), event_maker()
    rig.end(rig.follow(7, walk(make)))

    pictures, sheet = rig.work()

    assert isinstance(pictures, ShotPictures)
    assert pictures.shot == ShotKey(TrackKey(GATE.id, 7), 4)
    assert pictures.face == b"(0, 50, 190, 250) (190, 200)"  # the face at 40, 100 with half a side around it
    assert pictures.frame == b"(0, 0, 640, 360) (640, 360)"
    assert isinstance(sheet, PassageSheet)
    assert (sheet.track, sheet.fate, sheet.reason, sheet.events) == (TrackKey(GATE.id, 7), "captured", None, 5)
    assert sheet.duration_s == pytest.approx(4 / 30)
    assert [one.frame_index for one in sheet.candidates] == [0, 1, 2, 3, 4]
    assert [one.sent for one in sheet.candidates] == [False] * 4 + [True]
    assert sheet.candidates[2].at_s == pytest.approx(2 / 30)
    assert sheet.candidates[2].parts == {"size": pytest.approx(0.5)}
    assert all(one.face is not None and one.face.startswith(b"\xff\xd8") for one in sheet.candidates)
    assert not sheet.obstacles


def test_a_track_that_was_not_sent_is_told_with_its_face_and_what_would_have_let_it_through() -> None:
    rig, make = Rig(), event_maker()
    rig.end(rig.follow(8, walk(make, side_px=30.0)))

    (sheet,) = rig.work()

    assert isinstance(sheet, PassageSheet)
    assert (sheet.fate, sheet.reason, sheet.events) == ("filtered", "too_small", 5)
    assert sheet.best.face is not None
    assert sheet.best.size_px == 30.0
    assert not sheet.candidates
    assert [(one.setting, one.value) for one in sheet.obstacles] == [("tracks.filter_min_size", 30)]


def test_a_shot_in_between_is_told_at_once_and_the_track_again_at_its_end() -> None:
    policy = PostingPolicy(overall_only=False, post_best=False, first_immediately=True)
    rig, make = Rig(policy=policy), event_maker()
    events = walk(make, 3)
    track = rig.follow(9, events)
    rig.poster.post_due(events[-1].at_mono_s)
    pictures, sheet = rig.work()
    assert isinstance(pictures, ShotPictures)
    assert isinstance(sheet, PassageSheet)
    assert (sheet.fate, sheet.events) == (None, 3)
    assert [one.frame_index for one in sheet.candidates if one.sent] == [2]

    rig.end(track)
    (last,) = rig.work()
    assert isinstance(last, PassageSheet)
    assert last.fate == "captured"


def test_a_candidate_that_is_told_again_is_not_coded_again() -> None:
    policy = PostingPolicy(overall_only=False, post_best=False, first_immediately=True)
    rig, make = Rig(policy=policy), event_maker()
    events = walk(make, 5)
    track = rig.follow(9, events)
    rig.poster.post_due(events[-1].at_mono_s)
    first = rig.work()[-1]
    assert isinstance(first, PassageSheet)
    assert rig.cutter.coded == len(first.candidates) == 5
    rig.end(track)
    (last,) = rig.work()
    assert isinstance(last, PassageSheet)
    assert [one.face for one in last.candidates] == [one.face for one in first.candidates]
    assert all(one.face is not None and one.face.startswith(b"\xff\xd8") for one in last.candidates)
    assert rig.cutter.coded == 5


def test_of_a_cut_out_picture_no_more_is_remembered_than_was_sent() -> None:
    rig, make = Rig(mode=PictureMode.CROP), event_maker()
    rig.end(rig.follow(1, walk(make, picture=ScriptedPicture(width=3840, height=2160))))
    pictures = rig.work()[0]
    assert isinstance(pictures, ShotPictures)
    assert pictures.frame == b"(0, 0, 290, 350) (290, 350)"


def test_pictures_that_are_not_coded_in_time_are_left_out_and_counted() -> None:
    rig, make = Rig(), event_maker()
    for number in range(PICTURES_MAX + 3):
        rig.end(rig.follow(number, walk(make)))
    assert rig.desk.dropped == 3
    items = rig.work()
    assert sum(isinstance(item, ShotPictures) for item in items) == PICTURES_MAX
    assert sum(isinstance(item, PassageSheet) for item in items) == PICTURES_MAX + 3
    assert len(rig.offered) == PICTURES_MAX + 3  # what is sent does not depend on it


@pytest.mark.parametrize(("size_wh", "fit"), [((3840, 2160), 2), ((9000, 6000), 1), ((1920, 1080), PICTURES_MAX)])
def test_waiting_pictures_are_bounded_in_bytes_but_one_may_wait(size_wh: tuple[int, int], fit: int) -> None:
    rig, make = Rig(), event_maker()
    large = ScriptedPicture(width=size_wh[0], height=size_wh[1])
    assert fit == 1 or fit * size_wh[0] * size_wh[1] * 1.5 <= PICTURES_BYTES_MAX
    for round_number in range(2):  # all is given back
        for number in range(PICTURES_MAX + 1):
            rig.end(rig.follow(number, walk(make, picture=large)))
        assert sum(isinstance(item, ShotPictures) for item in rig.work()) == fit
        assert rig.desk.dropped == (round_number + 1) * (PICTURES_MAX + 1 - fit)


def test_under_memory_pressure_what_waits_is_let_go_and_counted_and_numbers_are_told() -> None:
    rig, make = Rig(), event_maker()
    assert rig.desk.shed() == 0
    for number in range(3):
        rig.end(rig.follow(number, walk(make)))
    rig.end(rig.follow(8, walk(make, side_px=30.0)))
    assert rig.desk.shed() > 3 * 640 * 360
    assert rig.desk.dropped == 3 + 4  # pictures; tracks with faces
    assert rig.desk.shed() == 0
    sheets = rig.work()
    assert len(sheets) == 4
    assert all(isinstance(sheet, PassageSheet) and sheet.without_pictures() == sheet for sheet in sheets)
    for number in range(PICTURES_MAX):  # the books are right again
        rig.end(rig.follow(20 + number, walk(make)))
    assert sum(isinstance(item, ShotPictures) for item in rig.work()) == PICTURES_MAX
    assert rig.desk.shed() == 0


def test_entries_and_cuttings_that_wait_are_bounded() -> None:
    rig, make = Rig(), event_maker()
    small = ScriptedPicture(width=1920, height=1080)
    for number in range(TOLD_MAX + 20):
        rig.end(rig.follow(number, walk(make, side_px=30.0, picture=small)))
    assert rig.desk.waiting == TOLD_MAX
    assert rig.desk.dropped >= 20
    sheets = [item for item in rig.work() if isinstance(item, PassageSheet)]
    assert len(sheets) == TOLD_MAX
    bare = sum(sheet.best.face is None for sheet in sheets)
    assert bare == rig.desk.dropped - 20
    assert (TOLD_MAX - bare) * 200 * 200 * 1.5 <= CUTTINGS_BYTES_MAX
    rig.end(rig.follow(10_000, walk(make)))  # when it has caught up all is as before
    pictures, sheet = rig.work()
    assert isinstance(pictures, ShotPictures)
    assert isinstance(sheet, PassageSheet)
    assert sheet.candidates[0].face is not None


def test_a_picture_that_cannot_be_made_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    rig, make = Rig(), event_maker()
    rig.encoder.fails = True
    for number in range(PICTURES_MAX + 2):
        rig.end(rig.follow(number, walk(make)))
        rig.work()
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    rig.encoder.fails = False
    rig.end(rig.follow(99, walk(make)))
    assert len(rig.work()) == 2
    assert rig.desk.dropped == 0


def test_the_desk_is_woken_when_there_is_something_to_do() -> None:
    rig, make = Rig(), event_maker()
    assert rig.desk.step() > 0.0
    assert not rig.desk.work.is_set()
    rig.end(rig.follow(1, walk(make)))
    assert rig.desk.work.is_set()


def test_a_shot_that_nobody_took_leaves_no_picture() -> None:
    rig, make = Rig(), event_maker()

    def refuse(request: CaptureRequest) -> None:
        raise MemoryError(request.track_id)

    rig.offer = refuse  # type: ignore[method-assign]
    sink = GallerySink(rig, rig.desk)
    event = make()
    with pytest.raises(MemoryError):
        sink.offer(CaptureRequest(event, GATE, track_id=1, reason="silence"))
    assert rig.desk.waiting == 0


@pytest.mark.parametrize(
    ("size_wh", "side_px", "fits"),
    [((1920, 1080), 960, (960, 540)), ((640, 360), 960, (640, 360)), ((33, 4000), 200, (2, 200)), ((3, 3), 9, (2, 2))],
)
def test_small_pictures_keep_their_shape(size_wh: tuple[int, int], side_px: int, fits: tuple[int, int]) -> None:
    assert fitted(*size_wh, side_px) == fits


def test_scripted_luma_can_be_cut() -> None:
    picture = ScriptedPicture()
    cutting = PlaneFaceCutter().cut(picture, (10, 20, 110, 120), side_px=50)
    assert np.array_equal(cutting.luma, picture.luma()[20:120:2, 10:110:2])
