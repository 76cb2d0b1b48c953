"""One shard on a simulated clock, without a thread: what becomes of every packet and every track."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random

import pytest

from vigia.application.camera_pipeline import NO_KEY_FRAME, OVERLOAD, STOPPED, CameraPipeline
from vigia.application.camera_shard import RUN_MAX, CameraShard
from vigia.application.closer_look import CREDIT_MAX
from vigia.application.errors import OutboxUnavailable, SourceUnreachable
from vigia.application.load_control import LoadControl, LoadLimits
from vigia.application.packet_queue import PacketQueue
from vigia.application.ports import VideoDecoder
from vigia.application.use_cases.commit_captures import CaptureRequest
from vigia.application.use_cases.detect_faces import DetectFacesUseCase
from vigia.application.use_cases.manage_tracks_use_case import ManageTracksUseCase
from vigia.domain.camera import Camera, CameraId
from vigia.domain.frame import Packet, StreamInfo
from vigia.domain.histogram import DurationHistogram
from vigia.domain.ledger import CameraLedger, FilterReason, FrameFate, LedgerPage, TrackFate
from vigia.domain.motion_gate import MotionGate
from vigia.domain.passage_memory import PassageMemory
from vigia.domain.picture_region import PictureRegion
from vigia.domain.posting import PostingPolicy
from vigia.domain.track_filter import TrackFilter
from vigia.domain.track_matching_service import TrackMatchingService
from vigia.testing.sim_clock import SimClock
from vigia.testing.video import STREAM, ScriptedDecoder, ScriptedDetector, ScriptedPacket, ScriptedPicture, packet, walk

FRAME_S = 1 / 30
EMPTY = ScriptedPicture()
LENIENT = TrackFilter(min_size_px=20, min_quality=0.0, movement_min_px=20)
Script = ScriptedPacket | ScriptedPicture


class Shelf:
    """Keeps what is offered; full when told so."""

    def __init__(self) -> None:
        self.requests: list[CaptureRequest] = []
        self.full = False

    def offer(self, request: CaptureRequest) -> None:
        if self.full:
            raise OutboxUnavailable("no room")
        self.requests.append(request)


class Rig:
    """A shard with cameras that a test feeds by hand."""

    def __init__(
        self,
        *,
        k: int = 1,
        k_min: int | None = None,
        k_max: int | None = None,
        decode_s: float = 0.0,
        delay: int = 0,
        gate: float = 0.0,
    ) -> None:
        self.clock = SimClock()
        limits = LoadLimits(k_min=k if k_min is None else k_min, k_max=k if k_max is None else k_max)
        self.arrived = threading.Event()
        self.shard = CameraShard(
            "shard-0",
            load=LoadControl(limits=limits, k=k),
            ages=DurationHistogram(),
            clock=self.clock,
            arrived=self.arrived,
        )
        self.shelf = Shelf()
        self.detector = ScriptedDetector()
        self.tracks = ManageTracksUseCase(TrackMatchingService(), miss_interval_s=1.0, duration_max_s=60.0)
        self.pipelines: dict[str, CameraPipeline] = {}
        self.decoders: list[ScriptedDecoder] = []
        self._gate = gate
        self._spend = lambda: self.clock.advance(decode_s)
        self._delay = delay
        self._next: dict[str, int] = {}

    def camera(
        self,
        name: str = "gate",
        *,
        decoders: Callable[[StreamInfo], VideoDecoder] | None = None,
        track_filter: TrackFilter = LENIENT,
        posting: PostingPolicy | None = None,
        passages: PassageMemory | None = None,
    ) -> CameraLedger:
        ledger = CameraLedger(CameraId(name))
        pipeline = CameraPipeline(
            Camera(CameraId(name), name, "scripted", findface_id=1),
            queue=PacketQueue(capacity=1000, ledger=ledger, arrived=self.arrived, clock=self.clock),
            ledger=ledger,
            decoders=decoders or self._decoder,
            detect=DetectFacesUseCase(self.detector, min_face_px=20),
            tracks=self.tracks,
            track_filter=track_filter,
            posting=posting,
            passages=passages,
            captures=self.shelf,
            load=self.shard.load,
            gate=MotionGate(threshold=self._gate),
            clock=self.clock,
            ages=self.shard.ages,
        )
        self.pipelines[name] = pipeline
        self.shard.add(pipeline)
        self.shard.step()
        return ledger

    def put(
        self, script: ScriptedPacket | ScriptedPicture, name: str = "gate", *, discontinuity: bool | None = None
    ) -> Packet:
        script = ScriptedPacket(script) if isinstance(script, ScriptedPicture) else script
        index = self._next.get(name, 0)
        self._next[name] = index + 1
        made = packet(CameraId(name), index, clock=self.clock, script=script, discontinuity=discontinuity)
        self.pipelines[name].queue.put(made)
        return made

    def play(self, scripts: Sequence[Script], name: str = "gate") -> None:
        for script in scripts:
            self.put(script, name)
            self.clock.advance(FRAME_S)
            self.run()

    def run(self) -> None:
        while self.shard.step() == 0.0:
            pass

    def rest(self, seconds: float) -> None:
        for _ in range(int(seconds / 0.1)):
            self.clock.advance(0.1)
            self.run()

    def finish(self) -> LedgerPage:
        self.shard.drain(deadline_mono_s=self.clock.mono_s() + 10)
        page = LedgerPage()
        for pipeline in self.pipelines.values():
            page = page.plus(pipeline.ledger.snapshot())
        return page

    def _decoder(self, stream: StreamInfo) -> ScriptedDecoder:
        decoder = ScriptedDecoder(stream, delay=self._delay, spend=self._spend)
        self.decoders.append(decoder)
        return decoder


def passage(frames: int = 40, **kwargs: float) -> list[ScriptedPicture]:
    return walk(start_xy=(20 + kwargs.get("x", 0), 100), step_xy=(6, 0), side_px=80, frames=frames)


@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_one_passage_is_one_capture_at_any_cadence(k: int) -> None:
    rig = Rig(k=k)
    rig.camera()
    rig.play([*passage(60), *[EMPTY] * 45])
    page = rig.finish()
    assert len(rig.shelf.requests) == 1
    assert rig.shelf.requests[0].reason == "silence"
    assert rig.shelf.requests[0].event.picture is not None
    assert page.balanced
    assert page.received == 105
    assert page.frames[FrameFate.DETECTED] == -(-105 // k)
    assert rig.detector.calls == page.frames[FrameFate.DETECTED] + 2, "and a closer look at the two best shots"


def test_under_load_no_shot_is_looked_at_closer() -> None:
    rig = Rig(k=2, k_min=1)
    rig.camera()
    rig.play([*passage(45), *[EMPTY] * 33])
    page = rig.finish()
    assert rig.shard.load.rung.k == 2
    assert len(rig.shelf.requests) == 1
    assert rig.detector.calls == page.frames[FrameFate.DETECTED]


def test_tracks_that_end_together_share_the_closer_looks_that_a_camera_has() -> None:
    rig = Rig()
    rig.camera()
    crowd = [[x, y, x + 80, y + 80] for x in range(5, 500, 100) for y in (10, 120, 240)]
    pictures = [
        ScriptedPicture(
            faces_xyxy=tuple((left + step, top, right + step, bottom) for left, top, right, bottom in crowd)
        )
        for step in range(40)
    ]
    rig.play([*pictures, *[EMPTY] * 60])
    page = rig.finish()
    assert len(rig.shelf.requests) == len(crowd)
    assert rig.detector.calls == page.frames[FrameFate.DETECTED] + CREDIT_MAX


def test_a_track_ends_although_the_camera_falls_silent() -> None:
    rig = Rig()
    rig.camera()
    rig.play(passage(30))
    assert rig.shelf.requests == []
    rig.rest(1.3)
    assert [request.reason for request in rig.shelf.requests] == ["silence"]


def test_nothing_moves_nothing_is_detected() -> None:
    rig = Rig(gate=0.002)
    rig.camera()
    rig.play([EMPTY] * 120)
    page = rig.finish()
    assert page.frames[FrameFate.QUIET] > 80
    assert page.balanced
    assert rig.detector.calls < 40


def test_a_reconnect_ends_the_tracks_and_starts_a_new_decoder() -> None:
    rig = Rig()
    rig.camera()
    rig.play(passage(30))
    rig.put(EMPTY, discontinuity=True)
    rig.run()
    assert [request.reason for request in rig.shelf.requests] == ["discontinuity"]
    assert len(rig.decoders) == 2
    assert rig.decoders[0].closed
    assert rig.finish().balanced


def test_before_the_first_key_frame_packets_are_skipped_with_that_reason() -> None:
    rig = Rig()
    rig.camera()
    rig.play([ScriptedPacket(EMPTY, is_key=False)] * 7 + [ScriptedPacket(EMPTY)])
    page = rig.finish()
    assert page.skip_reasons == {NO_KEY_FRAME: 7}
    assert page.frames[FrameFate.DETECTED] == 1


def test_damaged_packets_and_pictures_are_corrupt() -> None:
    rig = Rig()
    rig.camera()
    rig.play([EMPTY, ScriptedPacket(None), ScriptedPacket(EMPTY, corrupt=True), EMPTY])
    page = rig.finish()
    assert page.frames[FrameFate.CORRUPT] == 2
    assert page.frames[FrameFate.DETECTED] == 2
    assert page.balanced


def test_pictures_held_back_by_the_decoder_are_booked_at_the_end() -> None:
    rig = Rig(delay=3)
    rig.camera()
    rig.play(passage(30))
    page = rig.finish()
    assert page.balanced
    assert page.frames_decoded == 30
    assert [request.reason for request in rig.shelf.requests] == ["stop"]


def test_overload_raises_k_then_skips_to_a_key_frame_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig(k=1, k_max=3, decode_s=0.1)
    rig.camera()
    for number in range(300):
        rig.put(ScriptedPacket(EMPTY, is_key=number % 30 == 0))
        rig.clock.advance(FRAME_S)
        if number % 3 == 0:
            rig.shard.step()
    rig.run()
    page = rig.finish()
    assert rig.shard.load.k == 3
    assert page.skip_reasons[OVERLOAD] > 100
    assert page.balanced
    assert any("overload" in record.message for record in caplog.records)


def test_the_camera_that_waits_longest_goes_first() -> None:
    rig = Rig()
    rig.camera("a")
    rig.camera("b")
    order: list[str] = []
    for pipeline in rig.pipelines.values():
        process = pipeline.process

        def noted(taken: Packet, process: Callable[[Packet], None] = process) -> None:
            order.append(taken.camera_id)
            process(taken)

        pipeline.process = noted  # type: ignore[method-assign,assignment] # only to see the order
    for name in ("b", "a"):
        rig.put(EMPTY, name)
        rig.clock.advance(0.001)
    rig.run()
    assert order == ["b", "a"]
    order.clear()
    for number in range(2 * RUN_MAX + 2):
        rig.put(EMPTY, "ab"[number % 2])
        rig.clock.advance(0.001)
    rig.run()
    assert order == ["a"] * RUN_MAX + ["b"] * RUN_MAX + ["a", "b"], "in runs where packets have piled up, and no longer"


def test_a_codec_without_a_decoder_is_told_and_booked(caplog: pytest.LogCaptureFixture) -> None:
    def none_there(stream: StreamInfo) -> VideoDecoder:
        raise SourceUnreachable("no decoder for codec %(codec)s", codec=stream.codec)

    rig = Rig()
    rig.camera(decoders=none_there)
    rig.play([EMPTY] * 3)
    page = rig.finish()
    assert page.frames[FrameFate.SKIPPED] == 3
    assert page.balanced
    assert "no decoder for codec scripted" in caplog.text


def test_a_capture_that_cannot_be_taken_is_lost_loudly(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig()
    rig.camera()
    rig.shelf.full = True
    rig.play(passage(30))
    page = rig.finish()
    assert page.tracks[TrackFate.LOST] == 1
    assert page.balanced
    assert "is lost" in caplog.text


def test_stopping_with_no_time_left_books_what_waits() -> None:
    rig = Rig()
    rig.camera()
    rig.play(passage(20))
    for _ in range(9):
        rig.put(EMPTY)
    rig.shard.drain(deadline_mono_s=rig.clock.mono_s() - 1)
    page = rig.finish()
    assert page.skip_reasons == {STOPPED: 9}
    assert page.balanced
    assert len(rig.shelf.requests) == 1


def test_removing_a_camera_hands_its_best_shot_on() -> None:
    rig = Rig()
    rig.camera()
    rig.play(passage(20))
    pipeline = rig.pipelines["gate"]
    pipeline.leave()
    rig.clock.advance(0.2)  # it looks ten times a second
    rig.run()
    assert pipeline.is_stopped
    assert [request.reason for request in rig.shelf.requests] == ["stop"]
    assert rig.shard.status().cameras == 0


def test_memory_pressure_gives_waiting_packets_back() -> None:
    rig = Rig()
    rig.camera()
    for number in range(61):
        rig.put(ScriptedPacket(EMPTY, is_key=number % 30 == 0))
    assert rig.shard.shed() == 60 * 1000
    rig.run()
    page = rig.finish()
    assert page.skip_reasons == {OVERLOAD: 60}
    assert page.balanced


def test_a_frame_that_waited_shows_its_age() -> None:
    rig = Rig()
    rig.camera()
    rig.put(EMPTY)
    rig.clock.advance(0.5)
    rig.run()
    assert rig.shard.ages.percentile_s(50) == pytest.approx(0.5, rel=0.06)
    rig.shard.begin_measuring()
    rig.run()
    assert rig.shard.ages.count == 0


@pytest.mark.parametrize("seed", range(8))
def test_whatever_a_camera_delivers_the_books_balance(seed: int) -> None:
    """Random damage, gaps, reconnects, key frames, overload; two cameras; the seed is in the test's name."""
    rng = Random(seed)
    rig = Rig(
        k=rng.randint(1, 3), k_max=5, delay=rng.choice([0, 2]), decode_s=rng.choice([0.0, 0.01, 0.05]), gate=0.002
    )
    policies = [
        PostingPolicy(),
        PostingPolicy(overall_only=False, first_immediately=True, every_interval=True, post_first=True),
    ]
    for name in ("a", "b"):
        rig.camera(name, posting=rng.choice(policies), passages=rng.choice([None, PassageMemory()]))
    for number in range(400):
        name = rng.choice("ab")
        picture = rng.choice([EMPTY, *passage(10)])
        script = ScriptedPacket(
            None if rng.random() < 0.05 else picture, is_key=rng.random() < 0.1, corrupt=rng.random() < 0.05
        )
        rig.put(script, name, discontinuity=number < 2 or rng.random() < 0.01)
        rig.clock.advance(rng.choice([FRAME_S, FRAME_S, 0.0, 1.5]))
        if rng.random() < 0.7:
            rig.shard.step()
    page = rig.finish()
    assert page.balanced, f"seed {seed}: {page}"
    assert page.received == 400
    assert page.captures == len(rig.shelf.requests)
    assert STREAM.live


def test_in_real_time_each_interval_sends_its_best_and_the_books_balance() -> None:
    rig = Rig()
    rig.camera(posting=PostingPolicy(overall_only=False, every_interval=True, interval_s=0.5, first_immediately=True))
    rig.play([*passage(60), *[EMPTY] * 45])
    page = rig.finish()
    reasons = [request.reason for request in rig.shelf.requests]
    assert reasons[0] == "realtime_first"
    assert reasons[1:4] == ["realtime"] * 3
    assert len({request.event.id for request in rig.shelf.requests}) == len(reasons)
    assert {request.track_id for request in rig.shelf.requests} == {rig.shelf.requests[0].track_id}
    times_s = [request.event.at_mono_s for request in rig.shelf.requests]
    assert times_s == sorted(times_s)
    assert (page.tracks[TrackFate.CAPTURED], page.further_captures) == (1, len(reasons) - 1)
    assert page.balanced


def test_in_real_time_a_post_is_due_although_the_camera_falls_silent() -> None:
    rig = Rig()
    rig.camera(posting=PostingPolicy(overall_only=False, interval_s=0.5, post_best=False))
    rig.play(passage(12))
    assert rig.shelf.requests == []
    rig.rest(0.3)
    assert [request.reason for request in rig.shelf.requests] == ["realtime"]


def test_outside_roi_is_followed_and_not_sent_outside_rot_not_even_followed() -> None:
    left_half = PictureRegion.parse("320x360+0+0")
    pictures = walk(start_xy=(400, 100), step_xy=(2, 0), side_px=80, frames=40)
    rig = Rig()
    rig.camera("followed", track_filter=replace(LENIENT, roi=left_half))
    rig.camera("ignored", track_filter=replace(LENIENT, rot=left_half))
    for name in ("followed", "ignored"):
        rig.play(pictures, name)
    page = rig.finish()
    assert rig.shelf.requests == []
    assert page.filter_reasons == {FilterReason.OUTSIDE_ROI: 1}
    assert page.tracks_started == 1
    assert page.faces == 40


def test_the_best_shot_inside_roi_is_sent_even_when_a_better_one_was_outside() -> None:
    rig = Rig()
    rig.camera(track_filter=replace(LENIENT, roi=PictureRegion.parse("200x360+0+0")))
    rig.play([*walk(start_xy=(20, 100), step_xy=(6, 0), side_px=80, frames=60), *[EMPTY] * 45])
    (request,) = rig.shelf.requests
    assert float(request.event.box_xyxy[[0, 2]].mean()) < 200


def test_a_region_outside_the_picture_is_told(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig()
    rig.camera(track_filter=replace(LENIENT, roi=PictureRegion.parse("100x100+1280+0")))
    rig.play([EMPTY])
    assert "tracks.roi 100x100+1280+0 lies outside its picture of 640x360" in caplog.text


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize(("tint", "captures"), [((100, 160), 1), ((160, 100), 2)])
def test_a_passage_that_breaks_is_captured_once_another_person_is_captured_too(
    tint: tuple[int, int], captures: int, *, live: bool
) -> None:
    first = walk(start_xy=(150, 100), step_xy=(2, 0), side_px=80, frames=40)
    second = walk(start_xy=(300, 100), step_xy=(2, 0), side_px=80, frames=40)
    rig = Rig()
    posting = PostingPolicy(overall_only=not live, first_immediately=True, post_best=not live)
    rig.camera(posting=posting, passages=PassageMemory())
    rig.play([*first, *[EMPTY] * 36, *(replace(picture, tint=tint) for picture in second), *[EMPTY] * 45])
    page = rig.finish()
    assert len({request.track_id for request in rig.shelf.requests}) == captures
    assert page.filter_reasons.get(FilterReason.DUPLICATE, 0) == 2 - captures
    assert page.tracks_ended == 2
    assert page.balanced


def test_a_long_stay_is_captured_again_after_each_split() -> None:
    rig = Rig()
    rig.tracks = ManageTracksUseCase(TrackMatchingService(), miss_interval_s=1.0, duration_max_s=1.5)
    rig.camera(passages=PassageMemory())
    rig.play([*walk(start_xy=(100, 100), step_xy=(2, 0), side_px=80, frames=120), *[EMPTY] * 45])
    page = rig.finish()
    assert page.tracks[TrackFate.CAPTURED] == len(rig.shelf.requests) >= 2
    assert FilterReason.DUPLICATE not in page.filter_reasons
