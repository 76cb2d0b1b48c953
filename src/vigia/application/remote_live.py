"""Live pictures of worker processes: the parent says what is watched, the worker sends small files back.

Nothing is sent while nobody watches. Where the channel is slow pictures are dropped: a newer one comes soon.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import count
from typing import Protocol

from vigia.application.live_pictures import SmallJpegMaker, made_jpeg, width_class
from vigia.application.live_tap import WATCH_S, LiveShot, LiveTap
from vigia.application.messages import LiveNews, WatchLive
from vigia.application.ports import Clock
from vigia.domain.camera import Camera, CameraId

ORDER_EVERY_S = 0.5
"""How often a worker is told that somebody still watches."""
NEWS_BYTES_MAX = 1024 * 1024
"""Of pictures in one message; the others go with the next."""
_NUMBERS = count(1)
"""Of pictures as readers see them: one row for all workers of this process. next() on it is atomic."""


class LiveCourier:
    """The worker's side: makes files of new pictures. Owner: the thread that sends news.

    Args:
        tap: the shard's.
        maker: makes the files.
    """

    def __init__(self, tap: LiveTap, maker: SmallJpegMaker) -> None:
        self._tap = tap
        self._maker = maker
        self._sent: dict[CameraId, int] = {}

    def news(self) -> LiveNews | None:
        """What has come since the last call, the oldest first; None when nobody watches, or nothing has."""
        watched = self._tap.watched()
        if not watched:
            self._sent.clear()
            return None
        fresh = [
            (shot, slot.width_px)
            for camera_id, slot in watched
            if (shot := slot.shot) is not None and shot.seq > self._sent.get(camera_id, 0)
        ]
        fresh.sort(key=lambda one: one[0].seq)
        made: list[LiveShot] = []
        left_bytes = NEWS_BYTES_MAX
        for shot, width_px in fresh:
            jpeg = made_jpeg(self._maker, shot, width_class(width_px))
            if jpeg is not None and made and len(jpeg.content) > left_bytes:
                break
            self._sent[shot.camera_id] = shot.seq
            if jpeg is not None:
                left_bytes -= len(jpeg.content)
                made.append(replace(shot, picture=None, jpeg=jpeg))
        return LiveNews(tuple(made)) if made else None


class LiveInbox:
    """The parent's side of one worker.

    Owner: the worker's supervisor; ``watch`` and ``shots`` are for any thread. Bounds: one small file a camera.

    Args:
        clock: for watches.
    """

    def __init__(self, clock: Clock) -> None:
        self.shots: dict[CameraId, LiveShot] = {}
        """Replaced as a whole."""
        self._clock = clock
        self._wanted: tuple[float, dict[CameraId, float], int] = (float("-inf"), {}, 0)
        self._next_order_s = float("-inf")

    def watch(self, camera_ids: Collection[CameraId], *, width_px: int) -> None:
        """Somebody watches these from now on. Any thread; the last to say so counts where two do it at once."""
        now_s = self._clock.mono_s()
        _, before, width_before_px = self._wanted
        kept = {camera_id: until_s for camera_id, until_s in before.items() if until_s > now_s}
        width_px = max(width_px, width_before_px if kept else 0)
        self._wanted = now_s + WATCH_S, kept | dict.fromkeys(camera_ids, now_s + WATCH_S), width_px

    def order(self) -> WatchLive | None:
        """What the worker must be told now, if anything; lets go of pictures whose watch is over."""
        until_s, wanted, width_px = self._wanted
        now_s = self._clock.mono_s()
        if now_s >= until_s:
            if self.shots:
                self.shots = {}
            return None
        if now_s < self._next_order_s:
            return None
        self._next_order_s = now_s + ORDER_EVERY_S
        watched = tuple(camera_id for camera_id, until_s in wanted.items() if until_s > now_s)
        self.shots = {camera_id: shot for camera_id, shot in self.shots.items() if camera_id in watched}
        return WatchLive(watched, width_px)

    def take(self, news: LiveNews) -> None:
        """Pictures came."""
        now_s = self._clock.mono_s()
        _, wanted, _ = self._wanted
        fresh = {
            shot.camera_id: replace(shot, seq=next(_NUMBERS))
            for shot in news.shots
            if wanted.get(shot.camera_id, now_s) > now_s
        }
        self.shots = self.shots | fresh

    def begin_life(self) -> None:
        """Another process: it has to be told anew."""
        self._next_order_s = float("-inf")


class LiveWorker(Protocol):
    """A worker as it is watched."""

    @property
    def cameras(self) -> Sequence[Camera]:
        """Its own."""
        ...

    @property
    def live(self) -> LiveInbox:
        """Its pictures."""
        ...


class RemoteLive:
    """A ``LiveFeed`` over worker processes. Owner: none; any thread.

    Args:
        workers: one supervisor each.
        interval_s: from one picture of a camera to its next, seconds; 0 = none.
    """

    def __init__(self, workers: Sequence[LiveWorker], *, interval_s: float) -> None:
        self._workers = workers
        self._interval_s = interval_s

    @property
    def interval_s(self) -> float:
        """See ``LiveFeed``."""
        return self._interval_s

    def watch(self, camera_ids: Sequence[CameraId], *, width_px: int) -> Collection[CameraId]:
        """See ``LiveFeed``."""
        if self._interval_s <= 0.0:
            return ()
        known: set[CameraId] = set()
        for worker in self._workers:
            own = {camera.id for camera in worker.cameras}.intersection(camera_ids)
            if own:
                worker.live.watch(own, width_px=width_px)
                known |= own
        return known

    def latest(self, camera_id: CameraId) -> LiveShot | None:
        """See ``LiveFeed``."""
        for worker in self._workers:
            shot = worker.live.shots.get(camera_id)
            if shot is not None:
                return shot
        return None

    def sweep(self) -> bool:
        """See ``LiveFeed``: the supervisors let go by themselves, several times a second."""
        return any(worker.live.shots for worker in self._workers)
