"""What is done with one camera's decoded pictures: gate, detect, follow, choose.

``CameraPipeline`` makes pictures of packets and gives them to ``PictureWatch``, one at a time, in its shard's thread.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

from vigia.application.camera_cost import CameraCost
from vigia.application.camera_parts import CameraParts, tell_regions_outside
from vigia.application.closer_look import LookCredit
from vigia.application.live_tap import LiveBox, LiveSlot
from vigia.application.load_control import LoadControl
from vigia.application.ports import Clock
from vigia.application.sharp_look import SharpAims
from vigia.application.track_poster import CaptureSink, TrackPoster
from vigia.application.use_cases.detect_faces import DetectFacesUseCase
from vigia.application.use_cases.manage_tracks_use_case import ManageTracksUseCase
from vigia.domain.camera import Camera
from vigia.domain.event import FaceEvent, Quality
from vigia.domain.frame import Frame, StreamInfo
from vigia.domain.ledger import CameraLedger, FrameFate
from vigia.domain.motion import Expected, TrackEnd, expected_boxes
from vigia.domain.motion_gate import MotionGate
from vigia.domain.passage_memory import PassageMemory
from vigia.domain.posting import PostingPolicy
from vigia.domain.track import Track
from vigia.domain.track_filter import TrackFilter

logger = logging.getLogger("vigia.shard")


class PictureWatch:
    """Turns one camera's pictures into tracks and captures.

    Owner: the shard's thread; ``size_wh`` and ``active_tracks`` may be read by any. Bounds: pictures of open tracks.
    The arguments are those of ``CameraPipeline``.
    """

    def __init__(  # noqa: PLR0913 - what one camera is made of, all named at the call
        self,
        camera: Camera,
        *,
        ledger: CameraLedger,
        detect: DetectFacesUseCase,
        tracks: ManageTracksUseCase,
        track_filter: TrackFilter,
        captures: CaptureSink,
        load: LoadControl,
        gate: MotionGate,
        clock: Clock,
        cost: CameraCost,
        on_frame: Callable[[Frame], None] | None,
        posting: PostingPolicy,
        passages: PassageMemory | None,
        live: LiveSlot,
    ) -> None:
        self._camera = camera
        self._live = live
        self._ledger = ledger
        self._detect = detect
        self._tracks = tracks
        self._filter = track_filter
        self._poster = TrackPoster(
            camera,
            policy=posting,
            track_filter=track_filter,
            captures=captures,
            ledger=ledger,
            memory=passages,
            closer=self._judge_closer,
        )
        self._credit = LookCredit()
        self._load = load
        self._gate = gate
        self._clock = clock
        self._cost = cost
        self._on_frame = on_frame
        self._min_face_px: float | None = None  # as for the shard
        self._since_detection = 0
        self._shown: StreamInfo | None = None  # the stream, with the size that its pictures really have
        self._size_wh: tuple[int, int] = (0, 0)

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height of the pictures, pixels; (0, 0) until it is known."""
        return self._size_wh

    @property
    def active_tracks(self) -> int:
        """How many faces are being followed."""
        return self._tracks.active_count(self._camera.id)

    def describe(self, camera: Camera) -> None:
        """The camera has another name, group or token; nothing else changes. Any thread."""
        self._camera = camera
        self._poster.describe(camera)

    def move(self, *, load: LoadControl, detect: DetectFacesUseCase) -> None:
        """Work for another shard from now on."""
        self._load, self._detect = load, detect

    def take_over(self, parts: CameraParts) -> None:
        """Between two pictures: the settings are others."""
        if parts.gate_threshold != self._gate.threshold:
            self._gate = MotionGate(threshold=parts.gate_threshold)
        self._min_face_px = parts.min_face_px
        self._tracks.configure(self._camera.id, parts.tracks)
        self._poster.reconfigure(
            policy=parts.posting, track_filter=parts.track_filter, passages=parts.passages, picture=parts.picture
        )
        self._filter = parts.track_filter
        self._tell_regions_outside()

    def begin(self, shown: StreamInfo) -> None:
        """Pictures of another stream, or of another size, come from now on: nothing of those before carries over."""
        self.end_tracks(TrackEnd.DISCONTINUITY)
        self._shown, self._size_wh = shown, (shown.width, shown.height)
        self._gate.reset()
        self._since_detection = self._load.k
        self._cost.expect(width=shown.width, height=shown.height, fps=shown.fps)
        self._tell_regions_outside()

    def input_width(self, scale: float) -> int:
        """How wide the detector's input is, pixels; 0 while the pictures' size is not known."""
        width, _ = self._size_wh
        return self._detect.input_width_for(width, scale, min_face_px=self._min_face_px) if width else 0

    def look(self, frame: Frame) -> FrameFate:
        """Gate, detect, follow; return where the frame ends."""
        if frame.size_wh != self._size_wh:
            self._change_size(*frame.size_wh)
        if self._on_frame is not None:
            self._on_frame(frame)
        gate = self._gate
        moving = gate.is_always_open or gate.is_open(frame.picture.luma(), at_s=frame.at_mono_s)
        self._since_detection += 1
        fate = FrameFate.TRACKED
        rung = self._load.rung
        watched = moving or bool(self.active_tracks)
        self._cost.record_frame(watched=watched)
        if not watched:
            fate = FrameFate.QUIET
        elif self._since_detection >= rung.k:
            self._since_detection = 0
            started_s = self._clock.mono_s()
            self._detect_and_follow(frame, rung.scale)
            self._cost.record_detect(self._clock.mono_s() - started_s, scale=rung.scale)
            fate = FrameFate.DETECTED
        self.advance(frame.at_mono_s)
        if self._live.watched:
            self._show(frame)
        return fate

    def advance(self, at_s: float) -> None:
        """End the tracks whose time is over at ``at_s`` (the camera's time, seconds); send what is due of others."""
        self._hand_on(self._tracks.expire(self._camera.id, at_s))
        self._poster.post_due(at_s)

    def end_tracks(self, end: TrackEnd) -> None:
        """End all tracks and hand on their best shots."""
        self._hand_on(self._tracks.end_all(self._camera.id, end))

    def tick(self, now_s: float) -> None:
        """Let go of a live picture that nobody watches any more. ``now_s``: monotonic seconds."""
        self._live.tick(now_s)

    def stop(self) -> None:
        """End all tracks; the camera is no more."""
        self.end_tracks(TrackEnd.STOP)
        self._tracks.forget(self._camera.id)
        self._live.close()

    def _show(self, frame: Frame) -> None:
        """Leave a reference to the picture for those who watch, when it is time, with what is known of its tracks."""
        now_s = self._clock.mono_s()
        if not self._live.is_due(now_s):
            return
        shown = self._tracks.shown(self._camera.id)
        expected = Expected.of([track.snapshot for track in shown], frame.at_mono_s)
        boxes = tuple(
            LiveBox(track.snapshot.id, place[:4], track.quality, track.confidence, max(0.0, place[5]))
            for track, place in zip(shown, expected.places, strict=True)
        )
        self._live.leave(frame, boxes, now_s=now_s)

    def _change_size(self, width: int, height: int) -> None:
        """The camera was set to another picture size in mid-stream, or tells it only now."""
        shown = self._shown
        if shown is None:
            return
        self.begin(replace(shown, width=width, height=height, fps=self._cost.fps))
        logger.info(
            "Camera %s: its pictures are %dx%d now, not %dx%d",
            self._camera.name,
            width,
            height,
            shown.width,
            shown.height,
        )

    def _tell_regions_outside(self) -> None:
        if self._shown is not None and self._shown.width:
            tell_regions_outside(self._camera, self._filter, self._shown)

    def _detect_and_follow(self, frame: Frame, scale: float) -> None:
        self._credit.earn()
        events = self._detect.execute(
            frame,
            size_fits=self._filter.box_fits,
            scale=scale,
            aims=self._aims(frame),
            min_face_px=self._min_face_px,
        )
        if self._filter.rot is not None:
            events = [event for event in events if self._filter.followed(event.box_xyxy)]
        if not events:
            return
        associations = self._tracks.execute(self._camera.id, events)
        self._ledger.faces += len(associations)
        self._ledger.tracks_started += sum(1 for association in associations if association.match is None)
        self._poster.follow(associations)

    def _aims(self, frame: Frame) -> SharpAims | None:
        """Where a sharp look may go; None under load: it is the first thing to give way."""
        tracks, camera_id = self._tracks, self._camera.id
        if self._is_short_of_time:
            return None
        return SharpAims(self._gate.changed, lambda: expected_boxes(tracks.snapshots(camera_id), frame.at_mono_s))

    @property
    def _is_short_of_time(self) -> bool:
        load = self._load
        return load.rung.k > load.limits.k_min or load.rung.scale < 1.0

    def _judge_closer(self, events: Sequence[FaceEvent]) -> list[Quality] | None:
        """Closer looks at shots; None under load, or when the camera had too many of them."""
        if self._is_short_of_time or not self._credit.take(len(events)):
            return None
        return [self._detect.judge_closer(event) for event in events]

    def _hand_on(self, ended: Sequence[Track]) -> None:
        if ended:
            self._poster.close(ended)
