"""One camera's pipeline on a simulated clock, without shard and threads: packets are put in by hand."""

import threading
from collections.abc import Callable

from vigia.application.camera_pipeline import CameraPipeline
from vigia.application.errors import SourceError
from vigia.application.live_tap import LiveSlot
from vigia.application.load_control import LoadControl, LoadLimits
from vigia.application.packet_queue import PacketQueue
from vigia.application.ports import FrameSource, VideoDecoder
from vigia.application.use_cases.commit_captures import CaptureRequest
from vigia.application.use_cases.detect_faces import DetectFacesUseCase
from vigia.application.use_cases.manage_tracks_use_case import ManageTracksUseCase
from vigia.domain.camera import Camera, CameraId
from vigia.domain.frame import Frame, Packet, StreamInfo
from vigia.domain.histogram import DurationHistogram
from vigia.domain.ledger import CameraLedger
from vigia.domain.motion_gate import MotionGate
from vigia.domain.picture_region import PictureRegion
from vigia.domain.track_filter import TrackFilter
from vigia.domain.track_matching_service import TrackMatchingService
from vigia.infrastructure.video.decoder import AvVideoDecoder
from vigia.testing.sim_clock import SimClock
from vigia.testing.video import ScriptedDetector

GATE = Camera(CameraId("gate"), "Gate", "scripted", findface_id=1)


class LonePipeline:
    """The pipeline and what it gives. Owner: one thread.

    Args:
        decoders: makes the decoder; the real one by itself.
        gate: the motion gate's threshold.
        k: every so many pictures are detected on.
        roi: the region that tracks must reach.
        live: where pictures are left for those who watch.
    """

    def __init__(
        self,
        *,
        decoders: Callable[[StreamInfo], VideoDecoder] = AvVideoDecoder,
        gate: float = 0.0,
        k: int = 1,
        roi: PictureRegion | None = None,
        clock: SimClock | None = None,
        live: LiveSlot | None = None,
    ) -> None:
        self.clock = clock if clock is not None else SimClock()
        self.ledger = CameraLedger(GATE.id)
        self.shots: list[CaptureRequest] = []
        self.frames: list[Frame] = []
        self.tracks = ManageTracksUseCase(TrackMatchingService(), miss_interval_s=1.0, duration_max_s=60.0)
        self.pipeline = CameraPipeline(
            GATE,
            queue=PacketQueue(capacity=10_000, ledger=self.ledger, arrived=threading.Event(), clock=self.clock),
            ledger=self.ledger,
            decoders=decoders,
            detect=DetectFacesUseCase(ScriptedDetector(), min_face_px=20),
            tracks=self.tracks,
            track_filter=TrackFilter(min_size_px=20, min_quality=0.0, movement_min_px=0, roi=roi),
            captures=self,
            load=LoadControl(limits=LoadLimits(k_min=k, k_max=k), k=k),
            gate=MotionGate(threshold=gate),
            clock=self.clock,
            ages=DurationHistogram(),
            on_frame=self.frames.append,
            live=live,
        )

    def offer(self, request: CaptureRequest) -> None:
        """Keep a shot."""
        self.shots.append(request)

    def take(self, packet: Packet) -> None:
        """One packet through queue and pipeline."""
        self.pipeline.queue.put(packet)
        self.pipeline.process(self.pipeline.queue.pop())

    def play(self, source: FrameSource) -> SourceError:
        """Play a source to its end, which is returned."""
        try:
            source.open()
            for packet in source.packets():
                self.take(packet)
        except SourceError as error:
            return error
        finally:
            source.close()
        raise AssertionError("a source never ends by itself")
