"""Stream a camera: open its source, pass its packets on, and after every failure wait a little longer and try again.

The source runs until it fails; this use case owns the retry. One thread a camera runs ``step``. A thread that is stuck
inside the source's native code is left behind (``abandon_if_stuck``), and another one begins with a source of its own.
"""

import logging
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from vigia.application.call_guard import CallGuard
from vigia.application.errors import (
    SourceAbandoned,
    SourceAuthFailed,
    SourceEnded,
    SourceError,
    SourceStalled,
    SourceUnreachable,
)
from vigia.application.packet_queue import PacketQueue
from vigia.application.ports import Clock, FrameSource
from vigia.application.service import LoopService
from vigia.domain.camera import Camera
from vigia.domain.frame import StreamInfo

logger = logging.getLogger("vigia.cameras")


class CameraState(StrEnum):
    """What a camera is doing."""

    CONNECTING = "connecting"
    """Being opened for the first time, or after a change."""
    LIVE = "live"
    DEGRADED = "degraded"
    """It delivers, and something is wrong with what it delivers; the reason says what."""
    STALLED = "stalled"
    """It was open and fell silent, or its thread is stuck; it is opened again."""
    UNREACHABLE = "unreachable"
    AUTH_FAILED = "auth_failed"
    DISABLED = "disabled"
    """In the list, and not to be watched."""
    ENDED = "ended"
    """A file that is played once, at its end."""


@dataclass(frozen=True, slots=True)
class SourceRetry:
    """Capped exponential back-off with jitter, seconds; starts over after ``stable_s`` of good running."""

    delay_min_s: float = 1.0
    delay_max_s: float = 3.0
    auth_delay_s: float = 60.0
    """A camera that refused the password is asked rarely: many lock the account."""
    stable_s: float = 30.0
    stuck_s: float = 25.0
    """A native call that takes longer has gone beyond its own time-out and will not come back."""


class SourceFactory(Protocol):
    """Makes a source; opens nothing yet."""

    def __call__(self, camera: Camera, guard: CallGuard, first_index: int, /) -> FrameSource:
        """A source of ``camera`` whose packets are numbered from ``first_index``; its native calls are guarded."""
        ...


REMIND_S = 300.0
"""A camera that stays away is told of again no more often than this; its state is told by others."""


@dataclass(frozen=True, slots=True)
class _Life:
    """One source and the thread that runs it. Owner: that thread; ``guard`` is for any."""

    camera: Camera
    source: FrameSource
    guard: CallGuard
    version: int
    """Of the camera's description that the source was made by."""


class StreamCameraUseCase:
    """Keeps one camera's packets coming.

    Owner: the camera's source thread; the figures may be read by any. ``change_to``, ``reopen`` and
    ``abandon_if_stuck`` are for the one thread that keeps the cameras.
    Stops when: asked, or a file that is not looped has ended.

    Args:
        camera: whose packets.
        make_source: makes what demultiplexes them: one for each camera as it is described, and for each thread.
        queue: where they go.
        clock: for delays and uptimes.
        retry: how long to wait after failures.
        once: True for a file to be played once: its end is the end, not a failure.
        jitter: a number in [0, 1) per call; tests give their own.
    """

    def __init__(
        self,
        camera: Camera,
        make_source: SourceFactory,
        queue: PacketQueue,
        *,
        clock: Clock,
        retry: SourceRetry | None = None,
        once: bool = False,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.camera = camera
        self.state = CameraState.CONNECTING
        self.failure: SourceError | None = None
        self.stream: StreamInfo | None = None
        self.reconnects = 0
        """How often it had to be opened again."""
        self.abandoned = 0
        """Threads that were left behind inside a native call."""
        self.bytes_received = 0
        self.last_packet_s: float | None = None
        """When the latest packet came, monotonic seconds."""
        self._make_source = make_source
        self._queue = queue
        self._clock = clock
        self._retry = retry if retry is not None else SourceRetry()
        self._once = once
        self._jitter = jitter
        self._stop = threading.Event()
        self._failures = 0
        self._pause_s = 0.0
        self._next_index = 0
        self._version = 0  # grows with each ``change_to``
        self._reopen: tuple[StreamInfo, SourceError] | None = None
        self._told: tuple[str, float] = ("", float("-inf"))  # the failure that was told last, and when
        self._life = self._begin_life()

    @property
    def failure_text(self) -> str:
        """Why it does not deliver; empty while it does."""
        return "" if self.failure is None else str(self.failure)

    @property
    def source(self) -> FrameSource:
        """The present one. Its figures may be read by any thread."""
        return self._life.source

    def make_service(self) -> LoopService:
        """A thread for it, not started. Never two at work: another one only when the last was left behind or ended."""
        return LoopService(f"camera-{self.camera.id}", self.step, clock=self._clock, on_request_stop=self.request_stop)

    def request_stop(self) -> None:
        """Make ``step`` return soon. Any thread."""
        self._stop.set()
        self._life.source.interrupt()

    def describe(self, camera: Camera) -> None:
        """The camera has another name, group or token; its stream goes on."""
        self.camera = camera

    def change_to(self, camera: Camera, *, retry: SourceRetry | None = None, once: bool | None = None) -> None:
        """The camera's stream is to be opened anew, as ``camera`` says now; at once, whatever failed before.

        The thread should be woken afterwards: it may be waiting for its next try.
        """
        self.camera = camera
        self._retry = retry if retry is not None else self._retry
        self._once = self._once if once is None else once
        self._failures = 0
        self._version += 1  # last: who sees it sees the description too
        self._life.source.interrupt()

    @property
    def is_changed(self) -> bool:
        """True while the source at work, or the last one, is not of the camera as it is described now. Any thread."""
        return self._life.version != self._version

    def reopen(self, stream: StreamInfo, reason: SourceError) -> None:
        """Close and open ``stream`` again, because nothing can be made of what it delivers; no other one."""
        self._reopen = stream, reason

    def abandon_if_stuck(self) -> bool:
        """Leave the thread behind when it is stuck in native code; True when a new service is needed for that."""
        life = self._life
        inside_s = life.guard.inside_s
        if not life.guard.abandon(limit_s=self._retry.stuck_s):
            return False
        self.abandoned += 1
        stuck = SourceStalled(
            "%(url)s: stuck in the video library for %(seconds).0f s; left behind",
            url=life.camera.url_redacted,
            seconds=inside_s,
        )
        self._pause_s = self._failed(stuck)
        logger.error("Camera %s: %s; next try in %.0f s", self.camera.name, stuck, self._pause_s)
        self._life = self._begin_life()
        return True

    def step(self) -> float | None:
        """Run the source until it fails; return how long to wait before the next try, or None at the very end."""
        pause_s, self._pause_s = self._pause_s, 0.0
        if pause_s > 0.0:  # the first step after a thread was left behind
            return pause_s
        life = self._current_life()
        opened_at_s = self._clock.mono_s()
        try:
            self._run_until_error(life)
        except SourceAbandoned:
            return None  # another thread has this camera now: not a word, not a change
        except SourceError as error:
            return None if self._has_ended(error, life) else self._delay_after(error, life, opened_at_s)
        except Exception as error:
            # A fault nobody foresaw, in one camera's native library say, must not cost the other cameras anything.
            logger.exception("Camera %s: unexpected failure", self.camera.name)
            unexpected = SourceUnreachable("unexpected failure: %(what)s", what=type(error).__name__)
            return self._delay_after(unexpected, life, opened_at_s)
        finally:
            life.source.close()
        return None if self._stop.is_set() else 0.0  # asked to stop, or changed

    def _begin_life(self) -> _Life:
        version, camera = self._version, self.camera  # in this order: see ``change_to``
        guard = CallGuard(self._clock)
        return _Life(camera, self._make_source(camera, guard, self._next_index), guard, version)

    def _current_life(self) -> _Life:
        while self.is_changed:
            self.state, self.failure = CameraState.CONNECTING, None
            self._life = self._begin_life()
        return self._life

    def _is_over(self, life: _Life) -> bool:
        """Whether the camera is described otherwise than when ``life`` began."""
        return life.version != self._version

    def _run_until_error(self, life: _Life) -> None:
        if self._failures == 0:
            self.state = CameraState.CONNECTING
        self.stream = life.source.open()
        is_live = False
        for packet in life.source.packets():
            if self._stop.is_set() or self._is_over(life):
                return
            reopen = self._reopen
            if reopen is not None and reopen[0] is packet.stream:
                raise reopen[1]
            self._next_index = packet.index + 1
            self.bytes_received += packet.size_bytes
            self.last_packet_s = packet.received_mono_s
            if not is_live:
                is_live = True
                self._announce_live()
            self._queue.put(packet, stop=self._stop)

    def _has_ended(self, error: SourceError, life: _Life) -> bool:
        """Whether a file that is played once has come to its end."""
        if not (self._once and isinstance(error, SourceEnded) and self.state is CameraState.LIVE):
            return False
        if self._is_over(life):
            return False
        self.state = CameraState.ENDED
        logger.info("Camera %s: played to its end", self.camera.name)
        return True

    def _announce_live(self) -> None:
        stream = self.stream
        self.state, self.failure = CameraState.LIVE, None
        self._told = ("", float("-inf"))
        if stream is not None:
            logger.info(
                "Camera %s: live, %s %dx%d, %.0f fps",
                self.camera.name,
                stream.codec,
                stream.width,
                stream.height,
                stream.fps,
            )

    def _delay_after(self, error: SourceError, life: _Life, opened_at_s: float) -> float | None:
        if self._stop.is_set():
            return None
        if self._is_over(life):
            return 0.0
        if self.state is CameraState.LIVE and self._clock.mono_s() - opened_at_s >= self._retry.stable_s:
            self._failures = 0
        delay_s = self._failed(error)
        told, told_s = self._told
        now_s = self._clock.mono_s()
        is_news = str(error) != told or now_s - told_s >= REMIND_S
        if is_news:
            self._told = (str(error), now_s)
        level = logging.WARNING if is_news else logging.DEBUG
        logger.log(level, "Camera %s: %s; next try in %.0f s", self.camera.name, error, delay_s)
        return delay_s

    def _failed(self, error: SourceError) -> float:
        """Note a failure; return how long to wait, seconds."""
        self._failures += 1
        self.reconnects += 1
        refused = isinstance(error, SourceAuthFailed)
        if refused:
            self.state = CameraState.AUTH_FAILED
        else:
            self.state = CameraState.STALLED if isinstance(error, SourceStalled) else CameraState.UNREACHABLE
        self.failure = error
        longest_s = self._retry.delay_min_s * 2.0 ** min(self._failures - 1, 16)
        delay_s = min(self._retry.delay_max_s, longest_s) * (0.5 + 0.5 * self._jitter())
        return max(delay_s, self._retry.auth_delay_s) if refused else delay_s
