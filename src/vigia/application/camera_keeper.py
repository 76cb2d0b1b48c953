"""Keeps the cameras of one process as they are wanted: begins, changes and ends them one by one, while the rest run.

``want`` says which cameras there shall be; ``step`` makes it so, a little at a time, and never waits for a camera. It
also watches: a source thread that is stuck inside native code is left behind and replaced, one that died of a defect is
begun again, and a stream of which nothing can be decoded is opened again.
"""

import logging
from collections.abc import Sequence
from typing import Protocol

from vigia.application.camera_line import CameraLine
from vigia.application.errors import SourceEnded
from vigia.application.ports import Clock
from vigia.application.service import LoopService, Service
from vigia.application.use_cases.stream_camera import CameraState
from vigia.domain.camera import Camera, CameraId
from vigia.domain.ledger import LedgerPage

logger = logging.getLogger("vigia.cameras")

STEP_S = 0.25
STUCK_MAX = 3
"""Threads of one camera that may be stuck in native code at once; then it waits until one of them comes back."""
UNDECODABLE_MAX_S = 20.0
"""A stream of which nothing could be decoded for so long is opened again: its codec may have changed."""


class LineMaker(Protocol):
    """Makes and changes lines; wired in the bootstrap."""

    def make(self, camera: Camera, beside: Sequence[CameraLine], /) -> CameraLine:
        """A line in the shard that has room for it, not started. ``beside``: the cameras at work."""
        ...

    def change(self, line: CameraLine, new: Camera, /) -> bool:
        """Have its settings be those of ``new`` from the next packet on; True when its stream is opened anew."""
        ...

    def adopt(self, rules: object, /) -> None:
        """What all cameras go by has changed: see ``Crew.set_cameras``."""
        ...


class CameraKeeper:
    """Owner of the lines: the thread of ``service``. ``want`` may be called by any thread, ``lines`` read by any.

    Bounds: one line a camera wanted; those that are leaving, until their threads have ended; STUCK_MAX stuck threads a
    camera.

    Args:
        lines: those to begin with, not started; whoever starts the process starts them.
        maker: makes further ones; None where cameras never change.
        clock: for how long things take.
    """

    def __init__(self, lines: Sequence[CameraLine], *, maker: LineMaker | None, clock: Clock) -> None:
        self.service = LoopService("cameras", self.step, clock=clock)
        self._maker = maker
        self._clock = clock
        self._lines: tuple[CameraLine, ...] = tuple(lines)  # replaced as a whole: any thread may read it
        self._leaving: list[CameraLine] = []
        self._stuck: list[tuple[CameraId, LoopService]] = []
        self._wanted: tuple[tuple[Camera, ...], object] | None = None
        self._retired = LedgerPage()
        self._threadless: set[CameraId] = set()  # told of
        self._refused: dict[CameraId, Camera] = {}  # those that could not be made or changed, as they were described

    @property
    def lines(self) -> Sequence[CameraLine]:
        """The cameras at work. Any thread."""
        return self._lines

    @property
    def retired(self) -> LedgerPage:
        """The books of the cameras that were taken out. Any thread."""
        page = self._retired
        for line in list(self._leaving):
            page = page.plus(line.ledger.snapshot())
        return page

    @property
    def camera_services(self) -> list[Service]:
        """Every source thread: of cameras at work, of those that are leaving, and those left behind."""
        at_work = [line.service for line in (*self._lines, *self._leaving)]
        return [*at_work, *(service for _, service in self._stuck if service not in at_work)]

    def want(self, cameras: Sequence[Camera], rules: object = None) -> None:
        """These and no others shall be watched. One thread calls it; done soon.

        ``rules``: what all cameras go by, when that has changed.
        """
        waiting = self._wanted
        if rules is None and waiting is not None:
            rules = waiting[1]
        self._wanted = tuple(cameras), rules
        self.service.wake()

    def step(self) -> float:
        """Come nearer to what is wanted, and look after what there is; return seconds until the next look."""
        self._stuck = [(camera_id, service) for camera_id, service in self._stuck if service.is_alive]
        self._see_off()
        self._make_it_so()
        for line in self._lines:
            self._look_after(line)
        return STEP_S

    def _make_it_so(self) -> None:
        wanting, maker = self._wanted, self._maker
        if wanting is None or maker is None:
            return
        wanted, rules = wanting
        if rules is not None:
            maker.adopt(rules)
            self._refused.clear()
        by_id = {camera.id: camera for camera in wanted}
        self._refused = {key: camera for key, camera in self._refused.items() if by_id.get(key) == camera}
        staying: list[CameraLine] = []
        for line in self._lines:
            camera = by_id.get(line.camera.id)
            if camera is None:
                self._end(line)
                continue
            staying.append(line)
            if rules is not None or camera != line.camera:
                self._change(line, camera, maker)
        known = {line.camera.id for line in (*staying, *self._leaving)} | self._refused.keys()
        new = [camera for camera in wanted if camera.id not in known]
        self._lines = tuple(staying)
        for camera in new:
            try:
                line = maker.make(camera, self._lines)
            except Exception as error:  # noqa: BLE001 - told with its traceback; costs this camera only
                self._refuse(camera, error)
                continue
            self._lines = (*self._lines, line)
            line.shard.add(line.pipeline)
            self._start(line)
            logger.info("Camera %s: added", camera.name)
        leaving = {line.camera.id for line in self._leaving}
        if leaving.isdisjoint(by_id) and self._wanted is wanting:  # one that is leaving and wanted again waits
            self._wanted = None

    def _change(self, line: CameraLine, camera: Camera, maker: LineMaker) -> None:
        try:
            is_reopened = maker.change(line, camera)
        except Exception as error:  # noqa: BLE001 - told with its traceback; costs this camera only
            self._refuse(camera, error)
            is_reopened = False
        line.camera = camera
        line.stream.describe(camera)
        line.pipeline.describe(camera)
        if not is_reopened:
            return
        logger.info("Camera %s: its stream has changed, opening it anew", camera.name)
        line.meter.forget()
        if line.service.is_alive:
            line.service.wake()  # it may be waiting for its next try
        else:
            self._begin_again(line)

    def _refuse(self, camera: Camera, error: Exception) -> None:
        """One camera's settings are never the others' trouble: told once, tried again when something has changed."""
        self._refused[camera.id] = camera
        logger.error(
            "Camera %s: cannot be set up as it is described (%s: %s)",
            camera.name,
            type(error).__name__,
            error,
            exc_info=error,
        )

    def _end(self, line: CameraLine) -> None:
        line.service.request_stop()
        self._leaving = [*self._leaving, line]
        logger.info("Camera %s: removed", line.camera.name)

    def _see_off(self) -> None:
        """Cameras that are leaving: first the source's thread ends, then the shard lets go, then the books close."""
        still: list[CameraLine] = []
        for line in self._leaving:
            if line.service.is_alive and not self._cut_loose(line):
                still.append(line)
            elif not line.pipeline.is_stopped:
                line.pipeline.leave()
                still.append(line)
            else:
                self._retired = self._retired.plus(line.ledger.snapshot())
        self._leaving = still

    def _cut_loose(self, line: CameraLine) -> bool:
        """Leave a stuck thread behind; True when the camera has none any more."""
        if any(service is line.service for _, service in self._stuck):
            return True
        if not line.stream.abandon_if_stuck():
            return False
        self._stuck = [*self._stuck, (line.camera.id, line.service)]
        return True

    def _look_after(self, line: CameraLine) -> None:
        line.look(self._clock)
        undecodable_s, stream = line.pipeline.undecodable_s, line.pipeline.stream
        if undecodable_s > UNDECODABLE_MAX_S and stream is not None:
            line.stream.reopen(
                stream,
                SourceEnded(
                    "%(url)s: nothing could be decoded for %(seconds).0f s",
                    url=line.camera.url_redacted,
                    seconds=undecodable_s,
                ),
            )
        service = line.service
        if service.failure is not None:
            logger.error("Camera %s: its thread died of a defect and is begun again", line.camera.name)
            self._begin_again(line)
        elif service.is_alive:
            if self._cut_loose(line) and self._stuck_of(line) < STUCK_MAX:
                self._begin_again(line)
        elif line.stream.state is not CameraState.ENDED or line.stream.is_changed:
            self._begin_again(line)  # the last of too many stuck threads came back, or another file is to be played

    def _stuck_of(self, line: CameraLine) -> int:
        return sum(1 for camera_id, _ in self._stuck if camera_id == line.camera.id)

    def _begin_again(self, line: CameraLine) -> None:
        line.service = line.stream.make_service()
        self._start(line)

    def _start(self, line: CameraLine) -> None:
        """Start its thread; where the system gives none it is tried again at the next look."""
        try:
            line.service.start()
        except RuntimeError as error:
            if line.camera.id not in self._threadless:
                logger.error("Camera %s: no thread can be started: %s", line.camera.name, error)
            self._threadless.add(line.camera.id)
        else:
            self._threadless.discard(line.camera.id)
