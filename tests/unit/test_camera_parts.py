"""From one camera's settings to its parts, and those to what detects, tracks and posts."""

from dataclasses import replace

import pytest
from test_commit_captures import Bench, request_of
from test_detect_faces import Asked, Exact, frame_of

from making import MakeEvent
from vigia.application.sharp_look import SharpAims
from vigia.application.use_cases.commit_captures import CommitOptions
from vigia.application.use_cases.detect_faces import WIDTHS_MAX, DetectFacesUseCase
from vigia.application.use_cases.manage_tracks_use_case import ManageTracksUseCase, TrackRules
from vigia.bootstrap.hot_path import HotPath
from vigia.bootstrap.posting_parts import camera_parts
from vigia.domain.camera import Camera, CameraId, CameraOverride, OverrideOrigin
from vigia.domain.passage_memory import PassageRules
from vigia.domain.picture_region import PictureRegion
from vigia.domain.posted_picture import PictureMode, PictureRules
from vigia.domain.posting import PostingPolicy
from vigia.domain.track_filter import TrackFilter
from vigia.domain.track_matching_service import TrackMatchingService
from vigia.infrastructure.config import Settings
from vigia.infrastructure.config.camera_overrides import settings_for
from vigia.infrastructure.video.source import Pace
from vigia.testing.sim_clock import SimClock
from vigia.testing.video import ScriptedPicture

GATE = CameraId("gate")
ONE_FACE = ScriptedPicture(((50, 60, 150, 180),))


def camera_with(**values: bool | float | str) -> Camera:
    said = tuple(CameraOverride(name, value, OverrideOrigin.CAMERA) for name, value in values.items())
    return Camera(GATE, "Gate", "rtsp://h/1", overrides=said)


def test_every_setting_reaches_its_part() -> None:
    camera = camera_with(
        filter_min_size=90.0, filter_max_size=500.0, filter_min_quality=0.6, roi="100x100+0+0", rot="200x200+0+0",
        events_min=4, movement_min_px=7.0, movement_min_percent=3.0, overall_only=False, realtime_post_interval=2.0,
        realtime_post_first_immediately=True, realtime_post_every_interval=True, silence_after_send=5.0,
        post_best_track_frame=True, post_first_track_frame=True, post_last_track_frame=True, number_of_best_shots=3,
        best_shots_gap=2.0, best_shots_pose=0.3, duplicate_interval=9.0, track_miss_interval=1.5,
        track_max_duration=33.0, track_overlap_threshold=0.3, track_distance_max_share=0.2, min_face_px=44.0,
        imotion_threshold=0.01, jpeg_quality=77, picture="crop", crop_margin=2.0, roi_margin=0.7, max_side_px=1000,
        no_face_alarm=60.0, clock_off_alarm=1.0,
    )  # fmt: skip
    effective = settings_for(Settings(), camera)
    parts = camera_parts(effective)
    assert parts.track_filter == TrackFilter(
        90.0, 500.0, 0.6, 7.0, 3.0, 4, PictureRegion(0, 0, 100, 100), PictureRegion(0, 0, 200, 200)
    )
    assert parts.posting == PostingPolicy(
        overall_only=False, post_first=True, post_last=True, best_shots=3, best_shots_gap_s=2.0, best_shots_pose=0.3,
        interval_s=2.0, first_immediately=True, every_interval=True, silence_after_send_s=5.0,
    )  # fmt: skip
    assert parts.passages == PassageRules(interval_s=9.0, passage_max_s=33.0)
    assert parts.tracks == TrackRules(1.5, 33.0, 0.3, 0.2)
    assert parts.picture == PictureRules(PictureMode.CROP, 2.0, 0.7, 1000, jpeg_quality=77)
    assert (parts.gate_threshold, parts.min_face_px) == (0.01, 44.0)
    assert (effective.health.no_face_alarm_s, effective.health.clock_off_alarm_s) == (60.0, 1.0)
    assert parts == camera_parts(settings_for(Settings(), camera)), "equal when nothing has changed"
    assert camera_parts(settings_for(Settings(), camera_with(suppress_duplicates=False))).passages is None


def test_the_hot_path_opens_a_camera_as_it_is_set() -> None:
    hot_path = HotPath(Settings(), clock=SimClock(), loop_files=True)
    own = camera_with(
        rtsp_transport="udp", open_timeout=3.0, first_frame_timeout=4.0, stall_timeout=5.0, loop=False, pace="none"
    )
    options = hot_path.source_options(own)
    assert (options.rtsp_transport, options.open_timeout_s, options.read_timeout_s) == ("udp", 3.0, 5.0)
    assert (options.first_frame_timeout_s, options.loop, options.pace) == (4.0, False, Pace.FLAT_OUT)
    plain = hot_path.source_options(camera_with())
    assert (plain.rtsp_transport, plain.open_timeout_s, plain.loop, plain.pace) == ("tcp", 10.0, True, Pace.TIMESTAMPS)
    assert hot_path.retry(camera_with()).stuck_s == 25.0
    assert hot_path.retry(camera_with(open_timeout=60.0)).stuck_s > 60.0


def test_the_hot_path_adopts_settings_of_all_cameras() -> None:
    hot_path = HotPath(Settings(), clock=SimClock())
    assert hot_path.parts_for(camera_with()) == camera_parts(Settings())
    tracks = Settings().tracks.model_copy(update={"events_min": 9})
    hot_path.adopt(Settings().model_copy(update={"tracks": tracks}))
    assert hot_path.parts_for(camera_with()).track_filter.events_min == 9
    assert hot_path.parts_for(camera_with(events_min=1)).track_filter.events_min == 1


def test_each_camera_is_looked_at_in_the_input_that_its_faces_need() -> None:
    detect = DetectFacesUseCase(Exact(), min_face_px=80)
    assert detect.input_width_for(1280) == 256
    assert detect.input_width_for(1280, min_face_px=40) == 512
    assert detect.input_width_for(1280, 0.5, min_face_px=40) == 512, "no face may be missed under overload"
    allowed = DetectFacesUseCase(Exact(), min_face_px=80, overload_face_px=100)
    assert allowed.input_width_for(1280, 0.5, min_face_px=160) == 128, "and none needs to be found that is smaller"
    detector = Asked()
    asked = DetectFacesUseCase(detector, min_face_px=24)
    for face_px in (24, 30, 24, 30):
        asked.execute(frame_of(ONE_FACE), min_face_px=face_px)
    asked.execute(frame_of(ONE_FACE))
    assert detector.questions == [(640, 24), (640, 30)], "each asked for once"


def test_what_is_remembered_of_input_widths_is_bounded() -> None:
    detect = DetectFacesUseCase(Exact(), min_face_px=80)
    for step in range(3 * WIDTHS_MAX):
        assert detect.input_width_for(1280, min_face_px=8 + step / 10) == round(1280 * 16 / (8 + step / 10))
    assert len(detect._widths) <= WIDTHS_MAX


def test_sharp_looks_go_by_what_the_cameras_ordinary_looks_find() -> None:
    detector = Exact()
    detect = DetectFacesUseCase(detector, min_face_px=80, sharp_face_px=40)
    for face_px in (80.0, 30.0, 80.0):
        detect.execute(frame_of(ONE_FACE), aims=SharpAims(), min_face_px=face_px)
        assert detect._sharp is not None
        assert detect._sharp._cameras[GATE].min_face_px == face_px


def test_cameras_without_rules_of_their_own_go_by_those_of_all(make_event: MakeEvent) -> None:
    tracks = ManageTracksUseCase(TrackMatchingService(), miss_interval_s=1.0, duration_max_s=0.0)
    tracks.configure(GATE, TrackRules(miss_interval_s=5.0, duration_max_s=0.0))
    for name in ("gate", "hall"):
        tracks.process_event(make_event(100, frame=0, camera=name))
    assert len(tracks.expire(CameraId("hall"), 1002.0)) == 1
    assert tracks.expire(GATE, 1002.0) == []
    assert len(tracks.expire(GATE, 1005.5)) == 1
    tracks.forget(GATE)
    tracks.process_event(make_event(100, frame=0))
    assert len(tracks.expire(GATE, 1002.0)) == 1, "forgotten with the camera"


@pytest.mark.parametrize(("threshold", "tracks_made"), [(0.05, 1), (0.9, 2)])
def test_each_camera_has_its_own_overlap(make_event: MakeEvent, threshold: float, tracks_made: int) -> None:
    tracks = ManageTracksUseCase(TrackMatchingService())
    tracks.configure(GATE, TrackRules(overlap_threshold=threshold, distance_max_share=0.0))
    found = {tracks.process_event(make_event(x, frame=frame)).track_id for frame, x in ((0, 100), (1, 150))}
    assert len(found) == tracks_made


def test_rules_that_change_under_way_lose_no_event(make_event: MakeEvent) -> None:
    tracks = ManageTracksUseCase(TrackMatchingService(), duration_max_s=0.0)
    for frame in range(200):
        tracks.configure(GATE, TrackRules(miss_interval_s=0.5 + frame % 3, duration_max_s=0.0))
        tracks.process_event(make_event(100 + frame, frame=frame))
    assert tracks.active_count(GATE) == 1


def test_a_capture_is_coded_by_its_cameras_rules() -> None:
    bench = Bench(CommitOptions(picture=PictureRules(jpeg_quality=90)))
    own = PictureRules(PictureMode.CROP, crop_margin=1.0, roi_margin=0.2, jpeg_quality=50)
    bench.commits.offer(request_of(1))
    bench.commits.offer(replace(request_of(2), picture=own))
    bench.run()
    coded = {entry.details["jpeg_quality"]: entry.details["crop"] for entry in bench.outbox.entries()}
    assert coded.keys() == {90, 50}
    assert coded[90] == [0, 0, 640, 360]
    assert coded[50] != coded[90]
