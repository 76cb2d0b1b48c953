"""Other settings for a camera that runs: from the next packet on, its tracks going on, its neighbours untouched."""

from dataclasses import replace

import pytest
from test_shard_simulation import EMPTY, LENIENT, Rig, passage

from vigia.application.camera_parts import CameraParts
from vigia.application.use_cases.manage_tracks_use_case import TrackRules
from vigia.domain.camera import CameraId
from vigia.domain.ledger import FilterReason, FrameFate
from vigia.domain.passage_memory import PassageRules
from vigia.domain.picture_region import PictureRegion
from vigia.domain.posted_picture import PictureRules
from vigia.domain.posting import PostingPolicy
from vigia.testing.video import walk

PARTS = CameraParts(track_filter=LENIENT)


def test_a_filter_counts_at_once_and_the_track_goes_on() -> None:
    rig = Rig()
    rig.camera()
    rig.play(passage(20))
    (before,) = rig.tracks.snapshots(CameraId("gate"))
    rig.pipelines["gate"].reconfigure(replace(PARTS, track_filter=replace(LENIENT, min_size_px=200)))
    rig.play([*passage(40)[20:], *[EMPTY] * 45])
    page = rig.finish()
    assert page.tracks_started == 1, "the same track, before and after"
    assert before.id == 1
    assert rig.shelf.requests == []
    assert page.filter_reasons == {FilterReason.TOO_SMALL: 1}
    assert page.balanced


def test_an_open_track_keeps_the_policy_that_it_began_with() -> None:
    rig = Rig()
    rig.camera()
    live = PostingPolicy(overall_only=False, interval_s=0.2, every_interval=True)
    rig.play(passage(20))
    rig.pipelines["gate"].reconfigure(replace(PARTS, posting=live))
    rig.play([*passage(40)[20:], *[EMPTY] * 45])
    assert len(rig.shelf.requests) == 1, "it was to be sent at its end"
    rig.play([*passage(40), *[EMPTY] * 45])
    assert len(rig.shelf.requests) > 3, "the next one is sent as it goes on"
    assert rig.finish().balanced


def test_a_track_that_is_being_sent_ends_by_its_own_policy() -> None:
    rig = Rig()
    rig.camera(posting=PostingPolicy(overall_only=False, interval_s=0.5, post_best=False))
    rig.play(passage(10))
    rig.pipelines["gate"].reconfigure(PARTS)
    rig.play([*passage(40)[10:], *[EMPTY] * 45])
    page = rig.finish()
    assert [request.reason for request in rig.shelf.requests] == ["silence"]
    assert (page.tracks_ended, page.balanced) == (1, True)


@pytest.mark.parametrize(("miss_s", "tracks"), [(0.3, 2), (2.0, 1)])
def test_the_time_that_a_track_waits_changes_for_open_tracks_too(miss_s: float, tracks: int) -> None:
    rig = Rig()
    rig.camera()
    standing = walk(start_xy=(100, 100), step_xy=(0.5, 0), side_px=80, frames=60)
    rig.play(standing[:20])
    rig.pipelines["gate"].reconfigure(replace(PARTS, tracks=TrackRules(miss_interval_s=miss_s)))
    rig.play([*[EMPTY] * 20, *standing[40:]])  # two thirds of a second without a face
    assert rig.finish().tracks_started == tracks


def test_a_longest_life_splits_a_track_that_is_older() -> None:
    rig = Rig()
    rig.camera()
    rig.tracks.configure(CameraId("gate"), TrackRules(duration_max_s=0.0))
    standing = walk(start_xy=(100, 100), step_xy=(0.5, 0), side_px=80, frames=100)
    rig.play(standing[:60])
    rig.pipelines["gate"].reconfigure(replace(PARTS, tracks=TrackRules(duration_max_s=1.0)))
    rig.play(standing[60:])
    page = rig.finish()
    assert page.tracks_started == 3, "at two seconds, and a second later"
    assert page.balanced


def test_the_gate_can_be_opened_and_closed() -> None:
    rig = Rig(gate=0.5)
    ledger = rig.camera()
    rig.play([EMPTY] * 60)
    assert ledger.frames[FrameFate.QUIET] > 0
    rig.pipelines["gate"].reconfigure(PARTS)
    quiet = ledger.frames[FrameFate.QUIET]
    rig.play([EMPTY] * 60)
    assert ledger.frames[FrameFate.QUIET] == quiet
    rig.pipelines["gate"].reconfigure(replace(PARTS, gate_threshold=0.5))
    rig.play([EMPTY] * 60)
    assert ledger.frames[FrameFate.QUIET] > quiet


def test_the_same_threshold_leaves_the_gate_as_it_is() -> None:
    rig = Rig(gate=0.5)
    ledger = rig.camera()
    rig.play([EMPTY] * 60)
    quiet = ledger.frames[FrameFate.QUIET]
    rig.pipelines["gate"].reconfigure(replace(PARTS, gate_threshold=0.5))
    rig.play([EMPTY] * 30)
    assert ledger.frames[FrameFate.QUIET] == quiet + 30, "no frame of the still scene was looked at again"


def test_pictures_are_posted_as_the_camera_has_it() -> None:
    rig = Rig()
    rig.camera()
    rig.play([*passage(40), *[EMPTY] * 45])
    rules = PictureRules(jpeg_quality=55)
    rig.pipelines["gate"].reconfigure(replace(PARTS, picture=rules))
    rig.play([*passage(40), *[EMPTY] * 45])
    assert [request.picture for request in rig.shelf.requests] == [None, rules]


def test_passages_that_are_remembered_stay_so() -> None:
    first = walk(start_xy=(150, 100), step_xy=(2, 0), side_px=80, frames=40)
    second = walk(start_xy=(300, 100), step_xy=(2, 0), side_px=80, frames=40)
    rig = Rig()
    rig.camera()
    known = replace(PARTS, passages=PassageRules(interval_s=3.0))
    rig.pipelines["gate"].reconfigure(known)
    rig.play([*first, *[EMPTY] * 36])
    rig.pipelines["gate"].reconfigure(replace(known, passages=PassageRules(interval_s=4.0)))
    rig.play([*second, *[EMPTY] * 45])
    page = rig.finish()
    assert len(rig.shelf.requests) == 1
    assert page.filter_reasons == {FilterReason.DUPLICATE: 1}


def test_a_camera_that_is_changed_leaves_its_neighbour_alone() -> None:
    rig = Rig()
    rig.camera("gate")
    rig.camera("hall")
    for name in ("gate", "hall"):
        rig.play(passage(20), name)
    rig.pipelines["gate"].reconfigure(
        replace(
            PARTS,
            track_filter=replace(LENIENT, roi=PictureRegion.parse("5x5+0+0")),
            tracks=TrackRules(miss_interval_s=0.1),
        )
    )
    for name in ("gate", "hall"):
        rig.play([*passage(40)[20:], *[EMPTY] * 45], name)
    assert {request.camera.id for request in rig.shelf.requests} == {"hall"}
    assert rig.finish().balanced


def test_a_change_counts_although_no_packet_comes() -> None:
    rig = Rig()
    rig.camera()
    rig.play(passage(20))
    rig.pipelines["gate"].reconfigure(replace(PARTS, tracks=TrackRules(miss_interval_s=0.2)))
    rig.rest(0.5)
    assert rig.tracks.active_count(CameraId("gate")) == 0


def test_of_two_changes_before_a_packet_the_last_counts() -> None:
    rig = Rig()
    rig.camera()
    pipeline = rig.pipelines["gate"]
    pipeline.reconfigure(replace(PARTS, track_filter=replace(LENIENT, min_size_px=500)))
    pipeline.reconfigure(PARTS)
    rig.play([*passage(40), *[EMPTY] * 45])
    assert len(rig.shelf.requests) == 1


def test_a_region_outside_the_picture_is_told_when_it_is_set(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig()
    rig.camera()
    rig.play([EMPTY])
    assert "lies outside" not in caplog.text
    outside = replace(LENIENT, roi=PictureRegion.parse("100x100+1280+0"))
    rig.pipelines["gate"].reconfigure(replace(PARTS, track_filter=outside))
    rig.play([EMPTY])
    assert "roi 100x100+1280+0 lies outside its picture of 640x360" in caplog.text
