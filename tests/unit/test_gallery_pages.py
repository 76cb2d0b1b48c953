"""What the dashboard reads of captures and unsent tracks: the outbox's rows joined with what is remembered."""

import json
from dataclasses import dataclass, replace

import numpy as np
import pytest
import simplejpeg

from outbox_rigs import capture_id_of, capture_of
from vigia.application.errors import OutboxUnavailable
from vigia.application.gallery_store import GalleryStore
from vigia.application.gallery_values import Candidate, PassageSheet, ShotKey, ShotPictures, TrackKey
from vigia.application.gallery_view import FeedQuery, GalleryView, ShotView, UnsentQuery
from vigia.bootstrap.gallery_pages import GalleryPages
from vigia.domain.camera import Camera, CameraId
from vigia.domain.capture import Capture, CaptureState
from vigia.domain.ledger import FilterReason
from vigia.domain.obstacles import Obstacle
from vigia.infrastructure.video.jpeg import SimpleJpegEncoder
from vigia.infrastructure.video.picture import picture_from_image, picture_from_rgb
from vigia.infrastructure.video.small_jpeg import SmallJpegEncoder
from vigia.testing.memory_outbox import MemoryOutbox
from vigia.testing.sim_clock import SimClock

GATE = Camera(CameraId("gate"), "Portão", "rtsp://gate")
TRACK = TrackKey(GATE.id, 1)
WIDTH, HEIGHT = 1280, 720


def posted() -> bytes:
    rgb = np.full((HEIGHT, WIDTH, 3), 90, dtype=np.uint8)
    rgb[200:300, 400:500] = (220, 180, 150)  # the face
    return SimpleJpegEncoder().encode_jpeg(picture_from_rgb(rgb), quality=90)


POSTED = posted()


def capture_with(number: int, *, frame: int = 5, quality: float = 0.75) -> Capture:
    details = {
        "frame_index": frame,
        "frame_size": [1920, 1080],
        "box": [600.0, 300.0, 750.0, 450.0],
        "confidence": 0.9,
        "quality_parts": {"size": 0.9, "yaw": 0.8},
    }
    return replace(
        capture_of(number, jpeg=POSTED),
        track_id=TRACK.track_id,
        box_xyxy=(400.0, 200.0, 500.0, 300.0),
        roi_ltrb=(320, 144, 640, 360),
        size_wh=(WIDTH, HEIGHT),
        quality=quality,
        details=details,
    )


def candidate(frame: int, quality: float, parts: dict[str, float], *, sent: bool = False) -> Candidate:
    return Candidate(frame, frame / 10.0, quality, parts, 0.8, 100.0, sent=sent, face=f"face-{frame}".encode())


@dataclass
class Rig:
    outbox: MemoryOutbox
    store: GalleryStore
    pages: GalleryPages

    def commit(self, capture: Capture, *, told: bool = True) -> None:
        self.outbox.commit(capture)
        if told:
            self.store.captured(capture)

    def deliver(self) -> None:
        (leased,) = self.outbox.lease(limit=1, duration_s=60.0)
        self.outbox.mark_delivered(leased, ["7"])

    def remember(self, *candidates: Candidate, frame: int = 5) -> None:
        self.store.take(ShotPictures(ShotKey(TRACK, frame), b"small face", b"small frame"))
        if candidates:
            self.store.take(
                PassageSheet(TRACK, capture_of(1).at_utc, 1.0, 9, 50.0, candidates[0], "captured", None, candidates)
            )


@pytest.fixture
def rig() -> Rig:
    outbox, store = MemoryOutbox(SimClock()), GalleryStore(1 << 20)
    pages = GalleryPages(outbox, store, cameras=lambda: [GATE], decode=picture_from_image, encoder=SmallJpegEncoder())
    view: GalleryView = pages
    assert view is pages
    return Rig(outbox, store, pages)


def test_the_feed_is_the_newest_first_with_names_and_says_which_faces_there_are(rig: Rig) -> None:
    rig.commit(capture_with(1), told=False)
    rig.deliver()  # of an earlier run: its picture went with it
    rig.commit(capture_with(2, quality=0.3))
    rig.commit(replace(capture_with(3), camera_id=CameraId("gone")))
    rig.remember()

    feed = rig.pages.feed(FeedQuery())

    assert [(page["id"], page["camera_name"], page["face_kept"]) for page in feed] == [
        (capture_id_of(3), "gone", True),
        (capture_id_of(2), "Portão", True),
        (capture_id_of(1), "Portão", False),
    ]
    assert [page["seq"] for page in rig.pages.feed(FeedQuery(state=CaptureState.DELIVERED))] == [1]
    assert [page["seq"] for page in rig.pages.feed(FeedQuery(quality_min=0.5, limit=1, before=3))] == [1]
    assert [page["seq"] for page in rig.pages.feed(FeedQuery(camera_id=CameraId("gone")))] == [3]
    json.dumps(feed)


def test_a_delivered_capture_is_shown_with_what_is_remembered(rig: Rig) -> None:
    rig.commit(capture_with(1))
    rig.remember(
        candidate(2, 0.4, {"size": 0.9, "yaw": 0.2}),
        candidate(5, 0.75, {"size": 0.9, "yaw": 0.8}, sent=True),
        candidate(9, 0.5, {"size": 0.1, "yaw": 0.81}),
    )
    rig.deliver()

    page = rig.pages.capture(capture_id_of(1))

    assert page is not None
    assert (page["state"], page["picture_kept"], page["face_kept"], page["frame_kept"]) == (
        "delivered",
        False,
        True,
        True,
    )
    assert page["frame_size"] == [1920, 1080]
    assert page["face_box"] == pytest.approx([400 / 1280, 200 / 720, 500 / 1280, 300 / 720], abs=1e-4)
    assert page["roi_box"] == [0.25, 0.2, 0.5, 0.5]
    told = page["candidates"]
    assert [one["number"] for one in told] == [2, 5, 9]
    assert [one["chosen"] for one in told] == [False, True, False]
    assert [one["sent"] for one in told] == [False, True, False]
    assert [one["behind"] for one in told] == ["yaw", None, "size"]
    assert [one["at_s"] for one in told] == [0.2, 0.5, 0.9]
    assert rig.pages.shot(capture_id_of(1), ShotView.FACE) == b"small face"
    assert rig.pages.shot(capture_id_of(1), ShotView.FRAME) == b"small frame"
    assert rig.pages.candidate(capture_id_of(1), 9) == b"face-9"
    assert rig.pages.candidate(capture_id_of(1), 3) is None
    json.dumps(page)


def test_the_chosen_one_is_among_the_candidates_though_it_was_thinned_out(rig: Rig) -> None:
    rig.commit(capture_with(1))
    rig.remember(candidate(2, 0.4, {"size": 0.9, "yaw": 0.2}), candidate(90, 0.5, {"size": 0.1, "yaw": 0.7}))
    page = rig.pages.capture(capture_id_of(1))
    assert page is not None
    (chosen,) = [one for one in page["candidates"] if one["chosen"]]
    assert (chosen["number"], chosen["quality"], chosen["size_px"], chosen["sent"]) == (5, 0.75, 150.0, True)
    assert chosen["parts"] == {"size": 0.9, "yaw": 0.8}
    assert rig.pages.candidate(capture_id_of(1), 5) == b"small face"


def test_pictures_of_an_earlier_run_are_made_of_what_the_outbox_keeps(rig: Rig) -> None:
    rig.commit(capture_with(1), told=False)
    rig.remember(candidate(5, 0.75, {}))  # another track of this run has the same number
    page = rig.pages.capture(capture_id_of(1))
    assert page is not None
    assert (page["face_kept"], page["frame_kept"], page["candidates"]) == (True, True, [])
    face, frame = (rig.pages.shot(capture_id_of(1), view) for view in (ShotView.FACE, ShotView.FRAME))
    assert face is not None
    assert frame is not None
    seen = simplejpeg.decode_jpeg(face)
    assert seen.shape == (200, 200, 3)
    assert np.abs(seen[80:120, 80:120].reshape(-1, 3).mean(axis=0) - (220, 180, 150)).max() < 8
    assert simplejpeg.decode_jpeg(frame).shape == (540, 960, 3)
    assert rig.pages.candidate(capture_id_of(1), 5) is None


def test_a_picture_that_is_damaged_is_no_picture(rig: Rig) -> None:
    rig.commit(capture_with(1), told=False)
    rig.outbox.damage(capture_id_of(1))
    rig.commit(replace(capture_with(2), jpeg=b"\xff\xd8no jpeg"), told=False)
    for number in (1, 2):
        assert rig.pages.shot(capture_id_of(number), ShotView.FACE) is None


def test_a_capture_that_was_removed_shows_nothing_any_more(rig: Rig) -> None:
    rig.commit(capture_with(1))
    rig.remember(candidate(5, 0.75, {}))
    rig.outbox.drop(capture_id_of(1), expected=CaptureState.PENDING)
    assert rig.pages.shot(capture_id_of(1), ShotView.FACE) is None
    assert rig.pages.candidate(capture_id_of(1), 5) is None
    assert rig.pages.capture(capture_id_of(1)) is None
    assert rig.store.size_bytes == 0


def test_without_a_store_the_outbox_is_all_there_is() -> None:
    outbox = MemoryOutbox(SimClock())
    pages = GalleryPages(outbox, None, cameras=list, decode=picture_from_image, encoder=SmallJpegEncoder())
    outbox.commit(capture_with(1))
    (page,) = pages.feed(FeedQuery())
    assert (page["camera_name"], page["face_kept"]) == ("gate", True)
    assert pages.shot(capture_id_of(1), ShotView.FACE) is not None
    assert pages.unsent(UnsentQuery()) == []
    assert pages.unsent_face(1) is None


def test_an_outbox_that_is_away_is_told(rig: Rig) -> None:
    rig.outbox.close()
    with pytest.raises(OutboxUnavailable):
        rig.pages.feed(FeedQuery())
    with pytest.raises(OutboxUnavailable):
        rig.pages.shot(capture_id_of(1), ShotView.FACE)


def test_unsent_tracks_say_what_would_have_let_them_through(rig: Rig) -> None:
    best = replace(candidate(3, 0.31234, {"size": 0.21}), size_px=41.27)
    rig.store.take(
        PassageSheet(
            TRACK,
            capture_of(1).at_utc,
            2.5,
            4,
            80.04,
            best,
            "filtered",
            "too_small",
            obstacles=(Obstacle(FilterReason.TOO_SMALL, "tracks.filter_min_size", 41),),
        )
    )
    rig.store.take(PassageSheet(TrackKey(CameraId("x"), 2), capture_of(2).at_utc, 0.0, 1, 0.0, best, "lost"))

    lost, small = rig.pages.unsent(UnsentQuery())

    assert (lost["reason"], lost["fate"], lost["camera_name"], lost["obstacles"]) == ("lost", "lost", "x", [])
    assert small == {
        "number": 1,
        "camera": "gate",
        "camera_name": "Portão",
        "track": 1,
        "at_utc": capture_of(1).at_utc.isoformat(),
        "duration_s": 2.5,
        "events": 4,
        "fate": "filtered",
        "reason": "too_small",
        "quality": 0.3123,
        "parts": {"size": 0.21},
        "confidence": 0.8,
        "size_px": 41.3,
        "moved_px": 80.0,
        "face_kept": True,
        "obstacles": [{"setting": "tracks.filter_min_size", "reason": "too_small", "value": 41}],
    }
    assert rig.pages.unsent_face(1) == b"face-3"
    json.dumps([lost, small])
