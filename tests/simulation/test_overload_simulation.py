"""Overload on a simulated clock: more cameras than a shard can decode, whose turn it is to skip, and the way back."""

import threading
from dataclasses import dataclass, field

import pytest

from vigia.application.balancer import INTERVAL_S, Balancer
from vigia.application.camera_cost import CameraCost
from vigia.application.camera_keeper import CameraKeeper
from vigia.application.camera_pipeline import OVERLOAD, CameraPipeline
from vigia.application.camera_shard import CameraShard
from vigia.application.camera_status import LoadReason, LoadState
from vigia.application.crew import CaptureCounts, ThreadCrew
from vigia.application.live_tap import LiveTap
from vigia.application.load_control import LoadControl, LoadLimits
from vigia.application.packet_queue import PacketQueue
from vigia.application.service import LoopService
from vigia.application.use_cases.commit_captures import CaptureRequest, CommitCapturesUseCase
from vigia.application.use_cases.detect_faces import DetectFacesUseCase
from vigia.application.use_cases.manage_tracks_use_case import ManageTracksUseCase
from vigia.domain.camera import Camera, CameraId
from vigia.domain.frame import Picture
from vigia.domain.histogram import DurationHistogram
from vigia.domain.ledger import CameraLedger, FrameFate
from vigia.domain.motion_gate import MotionGate
from vigia.domain.track_filter import TrackFilter
from vigia.domain.track_matching_service import TrackMatchingService
from vigia.infrastructure.clock import SystemClock
from vigia.testing.memory_outbox import MemoryOutbox
from vigia.testing.sim_clock import SimClock
from vigia.testing.video import ScriptedDecoder, ScriptedDetector, ScriptedPacket, ScriptedPicture, packet

FPS = 30
GOP = 60
STANDING = ScriptedPicture(((20.0, 100.0, 100.0, 180.0),))
"""One face that stays where it is: its track is open as long as it is looked at."""


class Kept:
    def __init__(self) -> None:
        self.requests: list[CaptureRequest] = []

    def offer(self, request: CaptureRequest) -> None:
        self.requests.append(request)


class NoPictures:
    def encode_jpeg(self, picture: Picture, *, quality: int, **_part: object) -> bytes:
        raise AssertionError(f"nobody asked for {picture} in {quality}")


@dataclass
class Feed:
    """One camera that delivers by the clock."""

    pipeline: CameraPipeline
    phase: int
    """Of its key frames: they do not all come at once."""
    period_s: float = 1.0 / FPS
    gop: int = GOP
    due_s: float = 0.0
    sent: int = 0
    on: bool = True


@dataclass
class Site:
    """Shards on one simulated core each, but stepped in turn: so each second of the clock is one of each shard."""

    decode_s: float
    detect_s: float = 0.0
    shards: int = 1
    k_max: int = 4
    clock: SimClock = field(default_factory=SimClock)
    feeds: dict[str, Feed] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.kept = Kept()
        self.tracks = ManageTracksUseCase(TrackMatchingService(), miss_interval_s=1.0, duration_max_s=60.0)
        self.detector = ScriptedDetector(spend=lambda: self.clock.advance(self.detect_s))
        self.crew = [self._shard(n) for n in range(self.shards)]

    def _shard(self, number: int) -> CameraShard:
        return CameraShard(
            f"shard-{number}",
            load=LoadControl(LoadLimits(k_max=self.k_max)),
            ages=DurationHistogram(),
            clock=self.clock,
            arrived=threading.Event(),
            detect=DetectFacesUseCase(self.detector, min_face_px=20),
        )

    def camera(self, name: str, *, shard: int = 0, gop: int = GOP) -> None:
        where, ledger = self.crew[shard], CameraLedger(CameraId(name))
        assert where.detect is not None
        pipeline = CameraPipeline(
            Camera(CameraId(name), name, "scripted", findface_id=1),
            queue=PacketQueue(capacity=400, ledger=ledger, arrived=where.arrived, clock=self.clock),
            ledger=ledger,
            decoders=lambda stream: ScriptedDecoder(stream, spend=lambda: self.clock.advance(self.decode_s)),
            detect=where.detect,
            tracks=self.tracks,
            track_filter=TrackFilter(min_size_px=20, min_quality=0.0, movement_min_px=20),
            captures=self.kept,
            load=where.load,
            gate=MotionGate(threshold=0.0),
            clock=self.clock,
            ages=where.ages,
            cost=CameraCost(),
        )
        number = len(self.feeds)
        self.feeds[name] = Feed(pipeline, phase=17 * number, gop=gop, due_s=self.clock.mono_s() + 0.001 * number)
        where.add(pipeline)

    def run(self, seconds: float) -> None:
        end_s = self.clock.mono_s() + seconds
        while self.clock.mono_s() < end_s:
            for feed in self.feeds.values():
                while feed.on and feed.due_s <= self.clock.mono_s():
                    self._deliver(feed)
            delays_s = [shard.step() for shard in self.crew]
            if min(delays_s) > 0.0:
                self.clock.advance(0.001)

    def _deliver(self, feed: Feed) -> None:
        name = feed.pipeline.camera.id
        script = ScriptedPacket(STANDING, is_key=feed.sent == 0 or (feed.sent + feed.phase) % feed.gop == 0)
        feed.pipeline.queue.put(packet(name, feed.sent, clock=self.clock, script=script))
        feed.sent += 1
        feed.due_s += feed.period_s

    def finish(self) -> None:
        for shard in self.crew:
            shard.drain(deadline_mono_s=self.clock.mono_s() + 60.0)

    def states(self) -> set[LoadState]:
        return {feed.pipeline.load_status().state for feed in self.feeds.values()}


def test_overload_is_shed_fairly_visibly_and_is_over_soon_after_its_cause() -> None:
    site = Site(decode_s=0.004)  # 250 of 360 frames a second can be decoded
    for n in range(12):
        site.camera(f"c{n:02}")
    site.run(40.0)
    ledgers = {name: feed.pipeline.ledger for name, feed in site.feeds.items()}
    decoded = {name: ledger.snapshot().frames_decoded for name, ledger in ledgers.items()}
    mean = sum(decoded.values()) / len(decoded)
    assert min(decoded.values()) >= 0.8 * mean, decoded
    skipped = [ledger.snapshot().skip_reasons.get(OVERLOAD, 0) for ledger in ledgers.values()]
    assert all(skipped), "everybody gave something"
    assert LoadState.SKIPPING in site.states()
    loads = [feed.pipeline.load_status() for feed in site.feeds.values()]
    assert {load.reason for load in loads if load.state is LoadState.SKIPPING} <= {
        LoadReason.FRAMES_WAIT,
        LoadReason.PREDICTED,
    }
    assert site.crew[0].status().load > 1.0

    for number, name in enumerate(list(site.feeds)[6:]):
        site.feeds[name].on = False
        if number % 2:  # some are taken away, some only fall silent
            site.feeds[name].pipeline.leave()
    site.run(10.0)
    before = sum(feed.pipeline.ledger.frames[FrameFate.SKIPPED] for feed in list(site.feeds.values())[:6])
    site.run(5.0)
    after = sum(feed.pipeline.ledger.frames[FrameFate.SKIPPED] for feed in list(site.feeds.values())[:6])
    assert after == before, "nothing is skipped any more"
    staying = [site.feeds[name].pipeline for name in list(site.feeds)[:6]]
    assert {pipeline.load_status().state for pipeline in staying} == {LoadState.FULL}
    site.finish()
    assert all(ledger.snapshot().balanced for ledger in ledgers.values())


def test_cameras_with_rare_key_frames_do_not_live_at_the_cost_of_the_others() -> None:
    """Smart codecs send a key frame every ten seconds: such a camera has nothing to skip to, most of the time."""
    site = Site(decode_s=0.004)
    for n in range(12):
        site.camera(f"c{n:02}", gop=GOP if n % 2 else 5 * GOP)
    site.run(120.0)
    decoded = [feed.pipeline.ledger.snapshot().frames_decoded for feed in site.feeds.values()]
    assert min(decoded) >= 0.8 * sum(decoded) / len(decoded), decoded
    site.finish()
    assert all(feed.pipeline.ledger.snapshot().balanced for feed in site.feeds.values())


def test_less_often_comes_before_skipping() -> None:
    site = Site(decode_s=0.0025, detect_s=0.012, k_max=8)
    for n in range(8):
        site.camera(f"c{n}")
    site.run(20.0)
    assert site.crew[0].load.k >= 7
    assert site.states() == {LoadState.REDUCED}
    site.finish()
    assert all(OVERLOAD not in feed.pipeline.ledger.snapshot().skip_reasons for feed in site.feeds.values())


def test_a_camera_moves_to_the_idle_shard_with_its_tracks_and_its_packets() -> None:
    site = Site(decode_s=0.003, shards=2)
    for n in range(4):
        site.camera(f"c{n}", shard=0)
    balancer = Balancer(site.crew, clock=site.clock)
    assert balancer.step() == INTERVAL_S, "not before there is something to go by"
    site.run(INTERVAL_S + 0.5)
    balancer.step()
    assert balancer.moves == 1
    site.run(1.0)
    counts = [shard.status().cameras for shard in site.crew]
    assert counts == [3, 1]
    open_tracks = {name: site.tracks.active_count(CameraId(name)) for name in site.feeds}
    assert set(open_tracks.values()) == {1}, "nobody's track was cut by the move"
    site.finish()
    assert all(feed.pipeline.ledger.snapshot().balanced for feed in site.feeds.values())
    assert sum(feed.pipeline.ledger.tracks_started for feed in site.feeds.values()) == 4


def test_a_camera_on_its_way_at_the_stop_is_not_lost() -> None:
    """The shard that shall take it over has drained already: the crew drains again when no thread is left."""
    site = Site(decode_s=0.003, shards=2)
    site.camera("c0")
    site.run(1.0)
    source, target = site.crew
    source.hand_over(CameraId("c0"), target)
    services = [LoopService(shard.name, shard.step, clock=SystemClock()) for shard in site.crew]  # never started
    commit = CommitCapturesUseCase(
        MemoryOutbox(site.clock),
        NoPictures(),
        clock=site.clock,
        on_committed=lambda *_: None,
        on_failed=lambda *_: None,
    )
    crew = ThreadCrew(
        keeper=CameraKeeper((), maker=None, clock=SystemClock()),
        shards=[target, source],
        shard_services=services,
        commit=commit,
        commit_service=LoopService("commit", commit.step, clock=SystemClock()),
        counts=CaptureCounts(),
        clock=site.clock,
        live=LiveTap(site.clock, fps=0.0),
    )
    target.drain(deadline_mono_s=site.clock.mono_s() + 1.0)
    source.drain(deadline_mono_s=site.clock.mono_s() + 1.0)
    crew.stop(begun_s=site.clock.mono_s(), deadline_s=site.clock.mono_s() + 1.0)
    page = site.feeds["c0"].pipeline.ledger.snapshot()
    assert page.balanced
    assert page.tracks_started == page.tracks_ended == 1


def test_memory_pressure_leaves_a_camera_alone_that_has_moved_away() -> None:
    site = Site(decode_s=0.003, shards=2)
    site.camera("c0")
    site.run(0.5)
    source, target = site.crew
    feed = site.feeds["c0"]
    feed.gop, feed.due_s = 1, 0.0
    site.run(0.01)
    source.hand_over(CameraId("c0"), target)
    source.shed()
    before = feed.pipeline.ledger.frames[FrameFate.SKIPPED]
    source.step()
    assert feed.pipeline.ledger.frames[FrameFate.SKIPPED] == before, "it is another thread's now"
    site.finish()
    assert feed.pipeline.ledger.snapshot().balanced


def test_even_shards_are_left_alone() -> None:
    site = Site(decode_s=0.003, shards=2)
    for n in range(4):
        site.camera(f"c{n}", shard=n % 2)
    balancer = Balancer(site.crew, clock=site.clock)
    for _ in range(4):
        balancer.step()
        site.run(INTERVAL_S)
    assert balancer.moves == 0
    site.finish()


def test_a_shard_without_a_detector_takes_nobody_over() -> None:
    site = Site(decode_s=0.001)
    site.camera("c0")
    bare = CameraShard(
        "bare", load=LoadControl(), ages=DurationHistogram(), clock=site.clock, arrived=threading.Event()
    )
    with pytest.raises(ValueError, match="no detector"):
        bare.take_over(site.feeds["c0"].pipeline)
