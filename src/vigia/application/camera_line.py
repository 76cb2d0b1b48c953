"""A camera's line: everything that exists once per camera, from its source thread to its books."""

from dataclasses import dataclass, field

from vigia.application.camera_meter import CameraMeter, StreamFacts
from vigia.application.camera_pipeline import CameraPipeline
from vigia.application.camera_shard import CameraShard
from vigia.application.camera_status import CameraReason, CameraStatus, StreamStatus
from vigia.application.ports import Clock
from vigia.application.service import LoopService
from vigia.application.use_cases.stream_camera import CameraState, StreamCameraUseCase
from vigia.domain.camera import Camera
from vigia.domain.ledger import CameraLedger


@dataclass(slots=True)
class CameraLine:
    """One camera at work. Wired in the bootstrap.

    Owner: the thread that keeps the cameras (``CameraKeeper``), which alone replaces ``camera`` and ``service``;
    ``status`` is for any thread.
    """

    camera: Camera
    stream: StreamCameraUseCase
    service: LoopService
    pipeline: CameraPipeline
    ledger: CameraLedger
    shard: CameraShard
    """The one that it began in; the balancer may have moved it since."""
    meter: CameraMeter = field(default_factory=CameraMeter)

    @property
    def state(self) -> CameraState:
        """What it is doing: its source's state, or that something is wrong with what it delivers."""
        state = self.stream.state
        return CameraState.DEGRADED if state is CameraState.LIVE and self.meter.trouble is not None else state

    def look(self, clock: Clock) -> None:
        """Measure what it delivers. The keeper's."""
        stream, pipeline = self.stream, self.pipeline
        if stream.state is not CameraState.LIVE:
            self.meter.forget()  # the time without a stream is no sign of a slow one
            return
        now_s = clock.mono_s()
        if not self.meter.is_due(now_s):
            return
        facts = StreamFacts(
            fps_told=0.0 if stream.stream is None else stream.stream.fps,
            bytes_received=stream.bytes_received,
            bad_stamps=stream.source.bad_stamps,
            waits_for_key_s=pipeline.waits_for_key_s,
            undecodable_s=pipeline.undecodable_s,
        )
        self.meter.look(self.ledger.snapshot(), facts, now_s=now_s)

    def status(self, *, now_s: float) -> CameraStatus:
        """What is told of it now; any thread. ``now_s``: monotonic seconds."""
        stream = self.stream
        state, info, failure = self.state, stream.stream, stream.failure
        reason = None
        if state is CameraState.DEGRADED:
            reason = self.meter.trouble
        elif failure is not None and state is not CameraState.LIVE:
            reason = CameraReason.of_error(failure)
        told_wh = (0, 0) if info is None else (info.width, info.height)
        width, height = self.pipeline.picture_wh if any(self.pipeline.picture_wh) else told_wh
        return CameraStatus(
            id=self.camera.id,
            name=self.camera.name,
            source=state,
            shard=self.pipeline.shard_name,
            load=self.pipeline.load_status(),
            page=self.ledger.snapshot(),
            reason=reason,
            stream=StreamStatus(
                codec="" if info is None else info.codec,
                width=width,
                height=height,
                fps=self.meter.fps,
                bit_rate_bps=self.meter.bit_rate_bps,
                last_packet_age_s=None if stream.last_packet_s is None else max(0.0, now_s - stream.last_packet_s),
                reconnects=stream.reconnects,
                abandoned=stream.abandoned,
                clock_off_s=stream.source.clock_off_s,
            ),
        )
