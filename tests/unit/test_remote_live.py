"""Live pictures of worker processes: asked for by order, sent back as small files, dropped where nobody reads."""

import pickle
from collections.abc import Iterator, Sequence

import pytest

from vigia.application.live_tap import WATCH_S, LiveBox, LiveJpeg, LiveShot, LiveTap
from vigia.application.messages import LiveNews, WatchLive
from vigia.application.remote_live import NEWS_BYTES_MAX, ORDER_EVERY_S, LiveCourier, LiveInbox, RemoteLive
from vigia.application.worker_crew import WorkerCrew
from vigia.application.worker_supervisor import WorkerSupervisor
from vigia.domain.camera import Camera, CameraId
from vigia.domain.frame import Frame, Picture
from vigia.testing.memory_outbox import MemoryOutbox
from vigia.testing.sim_clock import SimClock
from vigia.testing.video import ScriptedPicture
from worker_fakes import FakeProcess, a_report

GATE, DOOR = CameraId("gate"), CameraId("door")
BOX = LiveBox(7, (1.0, 2.0, 3.0, 4.0), 0.5, 0.9, 0.0)


class Maker:
    def __init__(self, size_bytes: int = 100) -> None:
        self.made: list[tuple[int, int]] = []
        self._size_bytes = size_bytes

    def small_jpeg(self, picture: Picture, *, size_wh: tuple[int, int], quality: int) -> bytes:
        del picture, quality
        self.made.append(size_wh)
        return bytes(self._size_bytes)


class FakeWorker:
    def __init__(self, clock: SimClock, *names: CameraId) -> None:
        self.cameras = [Camera(name, name, f"rtsp://{name}") for name in names]
        self.live = LiveInbox(clock)


def leave(tap: LiveTap, clock: SimClock, camera_id: CameraId) -> None:
    """What a shard does with a frame."""
    for watched, slot in tap.watched():
        if watched == camera_id and slot.is_due(clock.mono_s()):
            picture = ScriptedPicture()
            frame = Frame(camera_id, 0, None, clock.mono_s(), clock.mono_s(), clock.utc(), picture)
            slot.leave(frame, (BOX,), now_s=clock.mono_s())


def news_of(camera_id: CameraId, size_bytes: int = 10) -> LiveNews:
    return LiveNews((LiveShot(camera_id, 1, (640, 360), 1000.0, (BOX,), jpeg=LiveJpeg(bytes(size_bytes), (320, 180))),))


def test_a_worker_sends_what_is_watched_once_as_a_small_file_that_travels(clock: SimClock) -> None:
    tap, maker = LiveTap(clock, fps=3.0), Maker()
    for name in (GATE, DOOR):
        tap.slot(name)
    courier = LiveCourier(tap, maker)
    assert courier.news() is None
    tap.watch([GATE], width_px=300)
    leave(tap, clock, GATE)
    leave(tap, clock, DOOR)
    news = courier.news()
    assert news is not None
    (shot,) = pickle.loads(pickle.dumps(news)).shots  # noqa: S301 - its own
    assert (shot.camera_id, shot.size_wh, shot.boxes) == (GATE, (640, 360), (BOX,))
    assert shot.picture is None
    assert shot.jpeg.size_wh == (320, 180)
    assert courier.news() is None
    assert maker.made == [(320, 180)]
    clock.advance(0.4)
    leave(tap, clock, GATE)
    assert courier.news() is not None


def test_a_message_is_bounded_and_the_rest_goes_with_the_next(clock: SimClock) -> None:
    tap, names = LiveTap(clock, fps=3.0), [CameraId(f"cam{n}") for n in range(5)]
    courier = LiveCourier(tap, Maker(NEWS_BYTES_MAX // 2))
    for name in names:
        tap.slot(name)
    tap.watch(names, width_px=480)
    for name in names:
        leave(tap, clock, name)
    sent = []
    while (news := courier.news()) is not None:
        assert sum(len(shot.jpeg.content) for shot in news.shots if shot.jpeg) <= NEWS_BYTES_MAX
        sent.append([shot.camera_id for shot in news.shots])
    assert sent == [names[:2], names[2:4], names[4:]]


def test_the_parent_says_so_again_while_somebody_watches_and_then_no_more(clock: SimClock) -> None:
    inbox = LiveInbox(clock)
    assert inbox.order() is None
    inbox.watch([GATE], width_px=480)
    assert inbox.order() == WatchLive((GATE,), 480)
    assert inbox.order() is None, "a moment ago"
    clock.advance(ORDER_EVERY_S)
    inbox.watch([DOOR], width_px=320)
    order = inbox.order()
    assert order is not None
    assert set(order.cameras) == {GATE, DOOR}
    assert order.width_px == 480
    clock.advance(WATCH_S - ORDER_EVERY_S / 2)
    assert inbox.order() == WatchLive((DOOR,), 480)
    clock.advance(WATCH_S)
    assert inbox.order() is None
    inbox.watch([DOOR], width_px=320)
    assert inbox.order() == WatchLive((DOOR,), 320)
    inbox.begin_life()
    assert inbox.order() == WatchLive((DOOR,), 320), "another process knows nothing of it"


def test_pictures_that_nobody_wants_are_not_kept(clock: SimClock) -> None:
    inbox = LiveInbox(clock)
    inbox.take(news_of(GATE))
    assert inbox.shots == {}
    inbox.watch([GATE], width_px=480)
    inbox.take(news_of(GATE))
    inbox.take(news_of(DOOR))
    assert set(inbox.shots) == {GATE}
    clock.advance(WATCH_S + 0.1)
    assert inbox.order() is None
    assert inbox.shots == {}


def test_workers_are_one_feed_with_one_count(clock: SimClock) -> None:
    gate, door = FakeWorker(clock, GATE), FakeWorker(clock, DOOR)
    feed = RemoteLive([gate, door], interval_s=1 / 3)
    assert feed.watch([GATE, DOOR, CameraId("nobody")], width_px=480) == {GATE, DOOR}
    for worker, name in ((gate, GATE), (door, DOOR), (gate, GATE)):
        worker.live.take(news_of(name))
    shots = [feed.latest(name) for name in (GATE, DOOR)]
    gate_seq, door_seq = (shot.seq for shot in shots if shot is not None)
    assert gate_seq == door_seq + 1, "one row of numbers for all workers"
    assert feed.latest(CameraId("nobody")) is None
    assert feed.sweep()
    assert not RemoteLive([gate], interval_s=0.0).watch([GATE], width_px=480)


class SupervisorRig:
    """A supervisor whose thread is the test, and its worker."""

    def __init__(self, clock: SimClock) -> None:
        self.clock = clock
        self.lives: list[FakeProcess] = []
        self.cameras = [Camera(GATE, "Gate", "rtsp://gate")]
        self.supervisor = WorkerSupervisor(
            "shard-0",
            self.cameras,
            launch=self._launch,
            store=MemoryOutbox(clock),
            on_committed=lambda _: None,
            on_log=lambda _: None,
            clock=clock,
        )
        self.crew = WorkerCrew([self.supervisor], clock, live_interval_s=1 / 3)
        self.supervisor.step()
        self.says(a_report(self.cameras))

    def _launch(self, life: int, _cameras: Sequence[Camera], _rules: object) -> FakeProcess:
        self.lives.append(FakeProcess(life, self.clock))
        return self.lives[-1]

    def says(self, *messages: object) -> None:
        self.lives[-1].control.arrived.extend(messages)
        for _ in messages:
            assert self.supervisor.step() == 0.0

    def orders(self) -> list[object]:
        return [message for message in self.lives[-1].control.sent if isinstance(message, WatchLive)]


@pytest.fixture
def supervised(clock: SimClock) -> Iterator[SupervisorRig]:
    rig = SupervisorRig(clock)
    yield rig
    for process in rig.lives:
        process.die(0)
        process.close()


def test_a_supervisor_passes_the_word_on_and_the_pictures_back(supervised: SupervisorRig) -> None:
    feed = supervised.crew.live
    supervised.supervisor.step()
    assert supervised.orders() == []
    assert feed.watch([GATE], width_px=480) == {GATE}
    supervised.supervisor.step()
    assert supervised.orders() == [WatchLive((GATE,), 480)]
    supervised.says(news_of(GATE))
    shot = feed.latest(GATE)
    assert shot is not None
    assert shot.jpeg == LiveJpeg(bytes(10), (320, 180))
    for _ in range(round(WATCH_S / 0.1) + 2):
        supervised.supervisor.step()
    assert feed.latest(GATE) is None
    assert not feed.sweep()
    told = len(supervised.orders())
    supervised.supervisor.step()
    assert len(supervised.orders()) == told, "nobody watches any more"


def test_a_worker_that_does_not_read_is_not_waited_for_and_another_life_is_told_anew(supervised: SupervisorRig) -> None:
    supervised.lives[-1].control.full = True
    supervised.crew.live.watch([GATE], width_px=480)
    before_s = supervised.clock.mono_s()
    supervised.supervisor.step()
    assert supervised.clock.mono_s() - before_s <= 0.11, "only the look for news"
    supervised.lives[-1].die(-9)
    for _ in range(3):
        supervised.supervisor.step()
    assert len(supervised.lives) == 2
    supervised.crew.live.watch([GATE], width_px=480)
    supervised.supervisor.step()
    assert supervised.orders() == [WatchLive((GATE,), 480)]
