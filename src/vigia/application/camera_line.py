"""A camera's line: everything that exists once per camera, from its source thread to its books."""

from dataclasses import dataclass

from vigia.application.camera_pipeline import CameraPipeline
from vigia.application.camera_shard import CameraShard
from vigia.application.camera_status import CameraStatus
from vigia.application.service import LoopService
from vigia.application.use_cases.stream_camera import CameraState, StreamCameraUseCase
from vigia.domain.camera import Camera
from vigia.domain.ledger import CameraLedger


@dataclass(frozen=True, slots=True)
class CameraLine:
    """One camera at work. Wired in the bootstrap, started and stopped by the orchestrator."""

    camera: Camera
    stream: StreamCameraUseCase
    service: LoopService
    pipeline: CameraPipeline
    ledger: CameraLedger
    shard: CameraShard

    @property
    def state(self) -> CameraState:
        """What its source is doing."""
        return self.stream.state

    def status(self) -> CameraStatus:
        """What is told of it now; any thread."""
        return CameraStatus(
            id=self.camera.id,
            name=self.camera.name,
            source=self.state,
            shard=self.pipeline.shard_name,
            load=self.pipeline.load_status(),
            page=self.ledger.snapshot(),
        )
