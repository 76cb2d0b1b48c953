"""A gallery beside shards on a simulated clock: whatever passes and however late pictures are made, the bounds hold and
what is remembered fits what was sent.
"""

import weakref
from dataclasses import dataclass, field
from random import Random

import pytest

from making import event_maker
from vigia.application.gallery_desk import PICTURES_MAX, GalleryDesk, GallerySink
from vigia.application.gallery_parcels import ParcelBox
from vigia.application.gallery_store import GalleryStore, WatchedStore
from vigia.application.gallery_values import GalleryItem
from vigia.application.gallery_view import FeedQuery, UnsentQuery
from vigia.application.messages import GalleryNews
from vigia.application.track_poster import TrackPoster
from vigia.application.use_cases.commit_captures import CaptureRequest, CommitCapturesUseCase
from vigia.application.use_cases.manage_tracks_use_case import Association
from vigia.application.worker_supervisor import WorkerSupervisor
from vigia.bootstrap.gallery_pages import GalleryPages
from vigia.domain.camera import Camera, CameraId
from vigia.domain.capture import CaptureId
from vigia.domain.event import FaceEvent
from vigia.domain.frame import Picture
from vigia.domain.ledger import CameraLedger, TrackFate
from vigia.domain.motion import TrackEnd, TrackId
from vigia.domain.posted_picture import PictureRules
from vigia.domain.posting import PostingPolicy
from vigia.domain.track import Track
from vigia.domain.track_filter import TrackFilter
from vigia.domain.track_note import MOMENTS_MAX
from vigia.infrastructure.video.face_cut import PlaneFaceCutter
from vigia.infrastructure.video.picture import picture_from_image
from vigia.testing.memory_outbox import MemoryOutbox
from vigia.testing.sim_clock import SimClock
from vigia.testing.video import ScriptedPicture
from worker_fakes import FakeProcess

POLICIES = (
    PostingPolicy(),
    PostingPolicy(best_shots=3, best_shots_gap_s=0.5, post_first=True, post_last=True),
    PostingPolicy(overall_only=False, interval_s=0.5, every_interval=True, first_immediately=True),
)
STEP_S = 0.1


class TinyEncoder:
    """A JPEG is its picture's size in bytes of nothing."""

    def encode_jpeg(
        self,
        picture: Picture,  # noqa: ARG002 - the port's
        *,
        quality: int,  # noqa: ARG002 - the port's
        crop_ltrb: tuple[int, int, int, int] | None = None,  # noqa: ARG002 - the port's
        size_wh: tuple[int, int] | None = None,
    ) -> bytes:
        return bytes(200 if size_wh is None else size_wh[0])


@dataclass
class Passage:
    """One track, played event by event."""

    track: Track
    events: list[FaceEvent]
    poster: TrackPoster
    played: int = 0


@dataclass
class World:
    """Cameras, a commit thread, a gallery's thread: each is moved by the test, as often as the dice say."""

    dice: Random
    bytes_max: int = 4 << 20
    prompt: bool = False
    """The gallery's thread has done all that there is before the next track is looked at."""
    clock: SimClock = field(default_factory=SimClock)

    def __post_init__(self) -> None:
        self.store = GalleryStore(self.bytes_max)
        self.outbox = MemoryOutbox(self.clock)
        self.desk = GalleryDesk(
            cutter=PlaneFaceCutter(), encoder=TinyEncoder(), deliver=self.store.take, rules=PictureRules()
        )
        self.committed: dict[CaptureId, CaptureRequest] = {}
        self.commit = CommitCapturesUseCase(
            WatchedStore(self.outbox, self.store),
            TinyEncoder(),
            clock=self.clock,
            on_committed=self.committed.__setitem__,
            on_failed=lambda _request, error: pytest.fail(str(error)),
        )
        self.ledgers: list[CameraLedger] = []
        self.posters: list[tuple[TrackPoster, CameraId]] = []
        for number in range(3):
            camera = Camera(CameraId(f"cam{number}"), f"Camera {number}", "rtsp://nowhere")
            ledger = CameraLedger(camera.id)
            poster = TrackPoster(
                camera,
                policy=POLICIES[number],
                track_filter=TrackFilter(min_size_px=50.0, min_quality=0.2, movement_min_px=5.0),
                captures=GallerySink(self.commit, self.desk),
                ledger=ledger,
            )
            self.ledgers.append(ledger)
            self.posters.append((poster, camera.id))
        self.open: list[Passage] = []
        self.pictures: weakref.WeakSet[ScriptedPicture] = weakref.WeakSet()
        self._make = event_maker()
        self._tracks = 0

    def begin(self) -> None:
        """Somebody comes before a camera."""
        poster, camera_id = self.dice.choice(self.posters)
        self._tracks += 1
        side_px = self.dice.choice((30.0, 80.0, 120.0))
        count = self.dice.choice((1, 2, 5, 20, 60))
        events = []
        for number in range(count):
            picture = ScriptedPicture(moving=number)
            self.pictures.add(picture)
            event = self._make(
                5.0 * number, frame=self._tracks * 1000 + number, side_px=side_px, score=self.dice.random(),
                camera=camera_id, picture=picture, at_s=self.clock.mono_s() + STEP_S * number,
            )  # fmt: skip
            events.append(event)
        track = Track(TrackId(self._tracks), events[0], miss_interval_s=1.0, duration_max_s=0.0)
        self.open.append(Passage(track, events, poster))

    def play(self) -> None:
        """One step of everybody who is there."""
        for passage in list(self.open):
            event = passage.events[passage.played]
            if passage.played:
                passage.track.add_event(event)
            passage.poster.follow([Association(event, passage.track.id, None)])
            passage.poster.post_due(event.at_mono_s)
            passage.events[passage.played] = event.without_picture()
            passage.played += 1
            if passage.played == len(passage.events):
                passage.track.finish(TrackEnd.SILENCE)
                passage.poster.close([passage.track])
                self.open.remove(passage)
            self.work(commits=0, codes=99 if self.prompt else 0)

    def rest(self) -> None:
        """Everything that waits is done."""
        while self.open:
            self.play()
            self.work(commits=9, codes=99)
        self.work(commits=10_000, codes=10_000)

    def work(self, *, commits: int, codes: int) -> None:
        for _ in range(commits):
            if self.commit.step() != 0.0:
                break
        for _ in range(codes):
            if self.desk.step() != 0.0:
                break

    def pages(self) -> GalleryPages:
        return GalleryPages(self.outbox, self.store, cameras=list, decode=picture_from_image, encoder=TinyEncoder())


@pytest.mark.parametrize("seed", range(4))
def test_what_is_remembered_fits_what_was_sent(seed: int) -> None:
    world = World(Random(seed), bytes_max=64 << 20, prompt=True)
    for _ in range(60):
        if world.dice.random() < 0.5:
            world.begin()
        world.play()
        world.work(commits=3, codes=0)
        world.clock.advance(STEP_S)
    world.rest()

    pages = world.pages()
    assert world.committed
    assert world.desk.dropped == 0
    feed = {page["id"]: page for page in pages.feed(FeedQuery(limit=10_000))}
    assert feed.keys() == world.committed.keys()
    for capture_id, request in world.committed.items():
        page = pages.capture(capture_id)
        assert page is not None
        assert page["face_kept"]
        assert page["frame_kept"]
        told = page["candidates"]
        assert 1 <= len(told) <= MOMENTS_MAX + 1
        (chosen,) = [one for one in told if one["chosen"]]
        assert chosen["number"] == request.event.frame_index
        assert chosen["sent"]
        assert chosen["quality"] == pytest.approx(request.event.quality.score, abs=1e-4)
        assert pages.candidate(capture_id, chosen["number"]) is not None
        assert [one["at_s"] for one in told] == sorted(one["at_s"] for one in told)
        assert all((one["behind"] is not None) <= (one["quality"] < chosen["quality"]) for one in told)
    filtered = sum(ledger.tracks[TrackFate.FILTERED] for ledger in world.ledgers)
    unsent = pages.unsent(UnsentQuery(limit=10_000))
    assert len(unsent) == filtered > 0
    assert all(track["face_kept"] for track in unsent)
    assert all(track["obstacles"] for track in unsent if track["reason"] != "no_picture")


@pytest.mark.parametrize("seed", range(3))
def test_a_gallery_that_hardly_gets_to_work_keeps_its_bounds_and_nobody_waits(seed: int) -> None:
    world = World(Random(seed), bytes_max=200_000)
    for _ in range(60):
        for _ in range(world.dice.randrange(4)):
            world.begin()
        world.play()
        world.work(commits=50, codes=world.dice.randrange(2))
        world.clock.advance(STEP_S)
        assert world.store.size_bytes <= 200_000 + 200 * len(world.committed)
        assert world.desk.waiting <= 256
    assert world.desk.dropped > 0
    assert world.commit.pending == 0
    unplayed = sum(len(passage.events) - passage.played for passage in world.open)
    held = sum(len(POLICIES) + 5 for _ in world.open)
    assert len(world.pictures) <= unplayed + held + PICTURES_MAX
    world.rest()
    assert all(ledger.snapshot().tracks_ended for ledger in world.ledgers)
    assert not world.pictures


def test_no_camera_is_forgotten_for_a_noisy_one() -> None:
    world = World(Random(1), bytes_max=1 << 20)
    world.posters = [world.posters[0]]
    world.begin()
    while not world.committed:
        world.begin()
        world.rest()
    first = next(iter(world.committed))
    world = noisy(world)
    page = world.pages().capture(first)
    assert page is not None
    assert page["frame_kept"]
    assert page["face_kept"]


def noisy(world: World) -> World:
    """Another camera sends as much as it can."""
    other = World(Random(2), bytes_max=1 << 20)
    poster = TrackPoster(
        Camera(CameraId("noisy"), "Noisy", "rtsp://nowhere"),
        policy=POLICIES[2],
        track_filter=TrackFilter(min_size_px=50.0, min_quality=0.0),
        captures=GallerySink(world.commit, world.desk),
        ledger=CameraLedger(CameraId("noisy")),
    )
    other.posters = [(poster, CameraId("noisy"))]
    for _ in range(60):
        other.begin()
        other.play()
        world.work(commits=50, codes=50)
        other.clock.advance(STEP_S)
    return world


def test_a_supervisor_hands_on_what_a_worker_remembers() -> None:
    world = World(Random(3))
    while not world.store.unsent(UnsentQuery()):
        world.begin()
        world.rest()
    clock = SimClock()
    taken: list[GalleryItem] = []
    process = FakeProcess(0, clock)
    supervisor = WorkerSupervisor(
        "shard-0",
        [],
        launch=lambda _life, _cameras, _rules: process,
        store=MemoryOutbox(clock),
        on_committed=lambda _capture: None,
        on_log=lambda _entries: None,
        on_gallery=taken.append,
        clock=clock,
    )
    box = ParcelBox()
    sheets = [told.sheet for told in world.store.unsent(UnsentQuery())]
    for sheet in sheets:
        box.put(sheet)
    news = box.take()
    assert news is not None
    supervisor.step()
    process.control.arrived.append(news)
    process.control.arrived.append(GalleryNews(()))
    supervisor.step()
    supervisor.step()
    assert taken == list(news.items)
    process.die(0)
    process.captures.close()
    supervisor.begin_stop(clock.mono_s())
    while supervisor.step() is not None:
        pass
