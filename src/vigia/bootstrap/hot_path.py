"""The hot path's parts, made from settings: shards with their detectors, and a line for each camera."""

import itertools
import logging
import threading
from collections.abc import Callable

import numpy as np

from vigia.application.camera_cost import CameraCost, CostExpectation
from vigia.application.camera_line import CameraLine
from vigia.application.camera_pipeline import CameraPipeline
from vigia.application.camera_shard import CameraShard
from vigia.application.load_control import LoadControl, LoadLimits
from vigia.application.packet_queue import PacketQueue
from vigia.application.ports import Clock, DecoderFactory, FaceDetector
from vigia.application.service import LoopService
from vigia.application.track_poster import CaptureSink
from vigia.application.use_cases.detect_faces import DetectFacesUseCase
from vigia.application.use_cases.manage_tracks_use_case import ManageTracksUseCase
from vigia.application.use_cases.stream_camera import RetryPolicy, StreamCameraUseCase
from vigia.bootstrap.posting_parts import passage_memory, posting_policy, track_filter
from vigia.bootstrap.track_boxes import track_manager
from vigia.domain.camera import Camera
from vigia.domain.frame import Frame
from vigia.domain.histogram import DurationHistogram
from vigia.domain.ledger import CameraLedger
from vigia.domain.motion_gate import MotionGate
from vigia.infrastructure.config import CameraSettings, Settings
from vigia.infrastructure.video.decoder import AvVideoDecoder
from vigia.infrastructure.video.picture import picture_from_rgb
from vigia.infrastructure.video.source import AvFrameSource, Pace, SourceKind, SourceOptions, source_kind

logger = logging.getLogger("vigia.bootstrap")

ASSUMED_FRAME_WH = (1280, 720)
ASSUMED_FPS = 30.0
"""Until the first streams are open, k is planned for such cameras; load control corrects it by what it measures."""
SCALE_STEP = 0.84
"""Each step of a shrinking detector input has 0.7 of the area of the one before, and so of its cost."""
SCALE_MIN = 0.35
PROBE_RUNS = 3


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
        self._event_ids = itertools.count(first_id, id_step)
        self._expected = CostExpectation()
        self._tracks = tracks if tracks is not None else track_manager(settings, ids=itertools.count(first_id, id_step))

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
            load.plan([one])
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
        options = self._source_options(camera)
        stream = StreamCameraUseCase(
            camera,
            AvFrameSource(camera, clock=clock, options=options),
            queue,
            clock=clock,
            retry=RetryPolicy(delay_min_s=settings.source.retry_min_s, delay_max_s=settings.source.retry_max_s),
            once=source_kind(camera.url) is SourceKind.FILE and not options.loop,
        )
        chosen = settings.tracks
        pipeline = CameraPipeline(
            camera,
            queue=queue,
            ledger=ledger,
            decoders=self._decoders,
            detect=detect,
            tracks=self._tracks,
            track_filter=track_filter(chosen),
            posting=posting_policy(chosen),
            passages=passage_memory(chosen),
            captures=captures,
            load=shard.load,
            gate=MotionGate(threshold=settings.detector.imotion_threshold if settings.detector.motion_gate else 0.0),
            clock=clock,
            ages=shard.ages,
            on_frame=self._on_frame,
            cost=CameraCost(self._expected),
        )
        service = LoopService(f"camera-{camera.id}", stream.step, clock=clock, on_request_stop=stream.request_stop)
        return CameraLine(camera, stream, service, pipeline, ledger, shard)

    def _source_options(self, camera: Camera) -> SourceOptions:
        chosen = self._settings.source
        own: CameraSettings | None = next((c for c in self._settings.cameras if c.id == camera.id), None)
        return SourceOptions(
            open_timeout_s=chosen.open_timeout_s,
            read_timeout_s=chosen.read_timeout_s,
            rtsp_transport=chosen.rtsp_transport,
            loop=self._loop_files if own is None else own.loop,
            pace=Pace.TIMESTAMPS if own is None else Pace(own.pace),
        )


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
