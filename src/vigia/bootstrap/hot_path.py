"""The hot path's parts, made from settings: shards with their detectors, and a line for each camera."""

import itertools
import logging
import threading
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from vigia.application.call_guard import CallGuard
from vigia.application.camera_cost import CameraCost, CostExpectation
from vigia.application.camera_line import CameraLine
from vigia.application.camera_parts import CameraParts
from vigia.application.camera_pipeline import CameraPipeline
from vigia.application.camera_shard import CameraShard
from vigia.application.live_tap import LiveTap
from vigia.application.load_control import LoadControl, LoadLimits
from vigia.application.packet_queue import PacketQueue
from vigia.application.ports import Clock, DecoderFactory, FaceDetector, FrameSource
from vigia.application.track_poster import CaptureSink
from vigia.application.use_cases.detect_faces import DetectFacesUseCase
from vigia.application.use_cases.manage_tracks_use_case import ManageTracksUseCase
from vigia.application.use_cases.stream_camera import SourceRetry, StreamCameraUseCase
from vigia.bootstrap.posting_parts import camera_parts
from vigia.bootstrap.source_parts import source_options
from vigia.bootstrap.track_boxes import track_manager
from vigia.domain.camera import Camera
from vigia.domain.frame import Frame
from vigia.domain.histogram import DurationHistogram
from vigia.domain.ledger import CameraLedger
from vigia.domain.motion_gate import MotionGate
from vigia.infrastructure.config import Settings
from vigia.infrastructure.config.camera_overrides import settings_for
from vigia.infrastructure.video.decoder import AvVideoDecoder
from vigia.infrastructure.video.picture import picture_from_rgb
from vigia.infrastructure.video.source import AvFrameSource
from vigia.infrastructure.video.source_options import SourceKind, SourceOptions, source_kind

logger = logging.getLogger("vigia.bootstrap")

ASSUMED_FRAME_WH = (1280, 720)
ASSUMED_FPS = 30.0
"""Until the first streams are open, k is planned for such cameras; load control corrects it by what it measures."""
SCALE_STEP = 0.84
"""Each step of a shrinking detector input has 0.7 of the area of the one before, and so of its cost."""
SCALE_MIN = 0.35
PROBE_RUNS = 3
STUCK_FACTOR = 2.0
"""Opening is two native calls with a time-out each: connecting, and finding out what the stream is."""
STUCK_MARGIN_S = 5.0


class HotPath:
    """Makes shards and camera lines that share what one process shares: event numbers and the track manager.

    Args:
        settings: checked.
        clock: for everything that waits or measures.
        loop_files: files that FindFace or the demo lists as cameras start over at their end.
        on_frame: told of every decoded frame; must be quick.
        first_id: of the numbers of events and of tracks.
        id_step: from one number to the next, so that processes never use the same.
        decoders: makes a decoder for a stream.
        tracks: follows faces; made from the settings when not given.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock,
        loop_files: bool = False,
        on_frame: Callable[[Frame], None] | None = None,
        first_id: int = 1,
        id_step: int = 1,
        decoders: DecoderFactory = AvVideoDecoder,
        tracks: ManageTracksUseCase | None = None,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._loop_files = loop_files
        self._on_frame = on_frame
        self._decoders = decoders
        self.live = LiveTap(clock, fps=settings.web.live_fps)
        """Pictures of the cameras that somebody watches."""
        self._event_ids = itertools.count(first_id, id_step)
        self._expected = CostExpectation()
        self.tracks = (
            tracks
            if tracks is not None
            else track_manager(settings, ids=itertools.count(first_id, id_step), clock=clock)
        )
        """Shared by the process's shards."""

    def shard(self, name: str, detector: FaceDetector, *, cameras: float) -> tuple[CameraShard, DetectFacesUseCase]:
        """A shard for about ``cameras`` cameras, its cadence planned, and its detector's use case."""
        chosen = self._settings.detector
        detect = DetectFacesUseCase(
            detector,
            min_face_px=chosen.min_face_px,
            ids=self._event_ids,
            input_width=chosen.input_width,
            overload_face_px=chosen.min_face_px_overload,
            sharp_face_px=chosen.sharp_face_px if chosen.sharp_look == "auto" else None,
        )
        scales = _scales(detect)
        if chosen.cadence_k == "auto":
            load = LoadControl(LoadLimits(k_max=chosen.cadence_k_max, scales=scales), shard_name=name)
            self._expected = _probe(
                detector, input_width=detect.input_width_for(ASSUMED_FRAME_WH[0]), clock=self._clock
            )
            one = CameraCost(self._expected, fps=ASSUMED_FPS * cameras)
            load.plan([one], now_s=self._clock.mono_s())
        else:
            k = chosen.cadence_k
            load = LoadControl(LoadLimits(k_min=k, k_max=k, scales=scales), k=k, shard_name=name)
        logger.info("%s: model %s, detecting every %d frames", name, detector.name, load.k)
        shard = CameraShard(
            name, load=load, ages=DurationHistogram(), clock=self._clock, arrived=threading.Event(), detect=detect
        )
        return shard, detect

    def line(
        self,
        camera: Camera,
        shard: CameraShard,
        *,
        detect: DetectFacesUseCase,
        captures: CaptureSink,
    ) -> CameraLine:
        """Everything that one camera has of its own, not started."""
        settings, clock = self._settings, self._clock
        ledger = CameraLedger(camera.id)
        queue = PacketQueue(capacity=settings.source.packet_queue, ledger=ledger, arrived=shard.arrived, clock=clock)
        stream = StreamCameraUseCase(
            camera,
            self.make_source,
            queue,
            clock=clock,
            retry=self.retry(camera),
            once=self.plays_once(camera),
        )
        parts = self.parts_for(camera)
        pipeline = CameraPipeline(
            camera,
            queue=queue,
            ledger=ledger,
            decoders=self._decoders,
            detect=detect,
            tracks=self.tracks,
            track_filter=parts.track_filter,
            captures=captures,
            load=shard.load,
            gate=MotionGate(threshold=parts.gate_threshold),
            clock=clock,
            ages=shard.ages,
            on_frame=self._on_frame,
            cost=CameraCost(self._expected_of(parts, detect)),
            live=self.live.slot(camera.id),
        )
        pipeline.reconfigure(parts)  # all of them, before its first packet
        return CameraLine(camera, stream, stream.make_service(), pipeline, ledger, shard)

    def parts_for(self, camera: Camera) -> CameraParts:
        """What a camera's pipeline goes by: for a new line, and for ``CameraPipeline.reconfigure``."""
        return camera_parts(settings_for(self._settings, camera))

    def adopt(self, settings: Settings) -> None:
        """Make what follows from these settings: of them, those that ``live_settings`` lets through.

        Cameras that run are reconfigured by whoever keeps them.
        """
        self._settings = settings

    def _expected_of(self, parts: CameraParts, detect: DetectFacesUseCase) -> CostExpectation:
        """What a camera is expected to cost: a detection's time follows the area of its input."""
        width = ASSUMED_FRAME_WH[0]
        wider = detect.input_width_for(width, min_face_px=parts.min_face_px) / detect.input_width_for(width)
        return replace(self._expected, detect_s=self._expected.detect_s * wider * wider)

    def make_source(self, camera: Camera, guard: CallGuard, first_index: int, /) -> FrameSource:
        """A camera's source. See ``SourceFactory``."""
        options = self.source_options(camera)
        return AvFrameSource(camera, clock=self._clock, options=options, guard=guard, first_index=first_index)

    def retry(self, camera: Camera) -> SourceRetry:
        """How a camera that failed is tried again."""
        options, chosen = self.source_options(camera), settings_for(self._settings, camera).source
        longest_s = max(options.open_timeout_s, options.first_frame_timeout_s, options.read_timeout_s)
        return SourceRetry(
            delay_min_s=chosen.retry_min_s,
            delay_max_s=chosen.retry_max_s,
            auth_delay_s=chosen.auth_retry_s,
            stable_s=chosen.stable_s,
            stuck_s=STUCK_FACTOR * longest_s + STUCK_MARGIN_S,
        )

    def plays_once(self, camera: Camera) -> bool:
        """Whether the end of its stream is the end: of a file that does not start over."""
        return source_kind(camera.url) is SourceKind.FILE and not self.source_options(camera).loop

    def source_options(self, camera: Camera) -> SourceOptions:
        """How a camera is opened and read."""
        return source_options(self._settings, camera, loop_files=self._loop_files)


def _scales(detect: DetectFacesUseCase) -> tuple[float, ...]:
    """Steps by which the detector's input may shrink under overload: none where every face wanted needs all of it."""
    widths, scales = [detect.input_width_for(ASSUMED_FRAME_WH[0])], list[float]()
    scale = SCALE_STEP
    while scale >= SCALE_MIN and (width := detect.input_width_for(ASSUMED_FRAME_WH[0], scale)) < widths[-1]:
        widths.append(width)
        scales.append(scale)
        scale *= SCALE_STEP
    return tuple(scales)


def _probe(detector: FaceDetector, *, input_width: int, clock: Clock) -> CostExpectation:
    """What one detection costs on this machine now: the best of a few, after one to warm up."""
    width, height = ASSUMED_FRAME_WH
    noise = np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)
    picture = picture_from_rgb(noise)
    costs = []
    for _ in range(PROBE_RUNS + 1):
        started_s = clock.mono_s()
        detector.detect(picture, input_width=input_width)
        costs.append(clock.mono_s() - started_s)
    return CostExpectation(detect_s=min(costs[1:]))
