"""Stream a camera: open its source, pass its packets on, and after every failure wait a little longer and try again.

The source runs until it fails; this use case owns the retry. One thread a camera runs ``step``.
"""

import logging
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from vigia.application.errors import SourceAuthFailed, SourceEnded, SourceError, SourceUnreachable
from vigia.application.packet_queue import PacketQueue
from vigia.application.ports import Clock, FrameSource
from vigia.domain.camera import Camera
from vigia.domain.frame import StreamInfo

logger = logging.getLogger("vigia.cameras")


class CameraState(StrEnum):
    """What a camera's source is doing."""

    CONNECTING = "connecting"
    LIVE = "live"
    UNREACHABLE = "unreachable"
    AUTH_FAILED = "auth_failed"
    ENDED = "ended"
    """A file that is played once, at its end."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Capped exponential back-off with jitter, seconds; starts over after ``stable_s`` of good running."""

    delay_min_s: float = 1.0
    delay_max_s: float = 30.0
    auth_delay_s: float = 60.0
    """A camera that refused the password is asked rarely: many lock the account."""
    stable_s: float = 30.0


class StreamCameraUseCase:
    """Keeps one camera's packets coming.

    Owner: the camera's source thread; ``state``, ``failure_text`` and ``stream`` may be read by any.
    Stops when: asked, or a file that is not looped has ended.

    Args:
        camera: whose packets.
        source: demultiplexes them.
        queue: where they go.
        clock: for delays and uptimes.
        retry: how long to wait after failures.
        once: True for a file to be played once: its end is the end, not a failure.
        jitter: a number in [0, 1) per call; tests give their own.
    """

    def __init__(
        self,
        camera: Camera,
        source: FrameSource,
        queue: PacketQueue,
        *,
        clock: Clock,
        retry: RetryPolicy | None = None,
        once: bool = False,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.camera = camera
        self.state = CameraState.CONNECTING
        self.failure_text = ""
        self.stream: StreamInfo | None = None
        self.reconnects = 0
        self._source = source
        self._queue = queue
        self._clock = clock
        self._retry = retry if retry is not None else RetryPolicy()
        self._once = once
        self._jitter = jitter
        self._stop = threading.Event()
        self._failures = 0

    def request_stop(self) -> None:
        """Make ``step`` return soon. Any thread."""
        self._stop.set()
        self._source.interrupt()

    def step(self) -> float | None:
        """Run the source until it fails; return how long to wait before the next try, or None at the very end."""
        opened_at_s = self._clock.mono_s()
        try:
            self._run_until_error()
        except SourceEnded as error:
            if self._once and self.state is CameraState.LIVE:
                self.state = CameraState.ENDED
                logger.info("Camera %s: played to its end", self.camera.name)
                return None
            return self._delay_after(error, opened_at_s)
        except SourceError as error:
            return self._delay_after(error, opened_at_s)
        except Exception as error:
            # A fault nobody foresaw, in one camera's native library say, must not cost the other cameras anything.
            logger.exception("Camera %s: unexpected failure", self.camera.name)
            unexpected = SourceUnreachable("unexpected failure: %(what)s", what=type(error).__name__)
            return self._delay_after(unexpected, opened_at_s)
        finally:
            self._source.close()
        return None  # asked to stop

    def _run_until_error(self) -> None:
        self.state = CameraState.CONNECTING
        self.stream = self._source.open()
        for packet in self._source.packets():
            if self._stop.is_set():
                return
            if self.state is not CameraState.LIVE:
                self._announce_live()
            self._queue.put(packet, stop=self._stop)

    def _announce_live(self) -> None:
        stream = self.stream
        self.state, self.failure_text = CameraState.LIVE, ""
        if stream is not None:
            logger.info(
                "Camera %s: live, %s %dx%d, %.0f fps",
                self.camera.name,
                stream.codec,
                stream.width,
                stream.height,
                stream.fps,
            )

    def _delay_after(self, error: SourceError, opened_at_s: float) -> float | None:
        if self._stop.is_set():
            return None
        if self.state is CameraState.LIVE and self._clock.mono_s() - opened_at_s >= self._retry.stable_s:
            self._failures = 0
        self._failures += 1
        self.reconnects += 1
        refused = isinstance(error, SourceAuthFailed)
        self.state = CameraState.AUTH_FAILED if refused else CameraState.UNREACHABLE
        self.failure_text = str(error)
        longest_s = self._retry.delay_min_s * 2.0 ** min(self._failures - 1, 16)
        delay_s = min(self._retry.delay_max_s, longest_s) * (0.5 + 0.5 * self._jitter())
        if refused:
            delay_s = max(delay_s, self._retry.auth_delay_s)
        logger.warning("Camera %s: %s; next try in %.0f s", self.camera.name, error, delay_s)
        return delay_s
