"""One camera inside its shard: decode, gate, detect, match, choose. Run to completion for one packet at a time.

Everything here belongs to the shard's thread. Nothing waits: the only thing handed on is a finished track's chosen
event, to the queue of ``CommitCapturesUseCase``.
"""

import logging
from collections.abc import Callable, Sequence
from typing import Protocol

from vigia.application.camera_status import CameraLoad
from vigia.application.load_control import LoadControl
from vigia.application.packet_queue import PacketQueue
from vigia.application.ports import Clock, Decoded, DecodedFrame, DecoderFactory, VideoDecoder
from vigia.application.use_cases.commit_captures import CaptureRequest
from vigia.application.use_cases.detect_faces import DetectFacesUseCase
from vigia.application.use_cases.manage_tracks_use_case import ManageTracksUseCase
from vigia.domain.best_shot import TrackFilter
from vigia.domain.camera import Camera
from vigia.domain.errors import VigiaError
from vigia.domain.frame import Frame, Packet, StreamInfo
from vigia.domain.histogram import DurationHistogram
from vigia.domain.ledger import CameraLedger, FrameFate, TrackFate
from vigia.domain.motion_gate import MotionGate
from vigia.domain.track import Track, TrackEnd

logger = logging.getLogger("vigia.shard")

NO_KEY_FRAME = "no_key_frame"
"""Packets before the first key frame of a stream: nothing can be made of them."""
OVERLOAD = "overload"
STOPPED = "stopped"
"""Still in the queue when the time to stop was over."""
NO_DECODER = "no_decoder"


class CaptureSink(Protocol):
    """Takes what finished tracks are worth sending."""

    def offer(self, request: CaptureRequest) -> None:
        """Hand one over; may wait a bounded time; raises VigiaError when it cannot be taken."""
        ...


class CameraPipeline:
    """Turns one camera's packets into tracks and captures.

    Owner: the shard's thread. Bounds: one decoder, the pictures of open tracks (one each).

    Args:
        camera: whose packets.
        queue: where they come from.
        ledger: where they end, in the books.
        decoders: makes a decoder for a stream.
        detect: finds faces in a frame.
        tracks: follows them.
        track_filter: decides which tracks are worth sending.
        captures: takes their best shots.
        load: the shard's cadence and cost meter.
        gate: says whether a picture moves.
        clock: measures costs and frame ages.
        ages: counts how old each frame was when it was done.
        on_frame: told of every decoded frame: for ground truth and displays; must be quick.
    """

    def __init__(  # noqa: PLR0913 - what one camera is made of, all named at the call
        self,
        camera: Camera,
        *,
        queue: PacketQueue,
        ledger: CameraLedger,
        decoders: DecoderFactory,
        detect: DetectFacesUseCase,
        tracks: ManageTracksUseCase,
        track_filter: TrackFilter,
        captures: CaptureSink,
        load: LoadControl,
        gate: MotionGate,
        clock: Clock,
        ages: DurationHistogram,
        on_frame: Callable[[Frame], None] | None = None,
    ) -> None:
        self.camera = camera
        self.queue = queue
        self.ledger = ledger
        self._decoders = decoders
        self._detect = detect
        self._tracks = tracks
        self._filter = track_filter
        self._captures = captures
        self._load = load
        self._gate = gate
        self._clock = clock
        self._ages = ages
        self._on_frame = on_frame
        self._decoder: VideoDecoder | None = None
        self._stream: StreamInfo | None = None
        self._waits_for_key = True
        self._since_detection = 0
        self._time_ahead_s = 0.0

    @property
    def stream(self) -> StreamInfo | None:
        """The stream being decoded, once there is one."""
        return self._stream

    @property
    def active_tracks(self) -> int:
        """How many faces are being followed."""
        return self._tracks.active_count(self.camera.id)

    def load_status(self) -> CameraLoad:
        """How thoroughly it is looked at; any thread."""
        return CameraLoad(k=self._load.k)

    def process(self, packet: Packet) -> None:
        """Take one packet to its end, or into the decoder when it holds pictures back."""
        if packet.discontinuity or packet.stream is not self._stream:
            self._restart(packet.stream)
        if self._waits_for_key and not packet.is_key:
            self.ledger.book(FrameFate.SKIPPED, reason=NO_KEY_FRAME)
            return
        decoder = self._decoder
        if decoder is None:
            self.ledger.book(FrameFate.SKIPPED, reason=NO_DECODER)
            return
        self._waits_for_key = False
        self._time_ahead_s = packet.at_mono_s - packet.received_mono_s
        started_s = self._clock.mono_s()
        decoded = decoder.decode(packet)
        self._load.record_decode(self._clock.mono_s() - started_s)
        self._finish(decoded)

    def skip_to_key(self) -> int:
        """Drop waiting packets up to the newest waiting key frame; return how many were skipped."""
        skipped = self.queue.pop_until_key()
        if not skipped:
            return 0
        if self._decoder is not None:
            self._finish(self._decoder.flush())
        self.ledger.book(FrameFate.SKIPPED, len(skipped), reason=OVERLOAD)
        if any(packet.discontinuity for packet in skipped):
            self._end_tracks(TrackEnd.DISCONTINUITY)
        self._waits_for_key = True
        return len(skipped)

    def tick(self, now_s: float) -> None:
        """End tracks whose silence is over although no packet comes any more. ``now_s``: monotonic seconds."""
        if not len(self.queue):
            self._hand_on(self._tracks.expire(self.camera.id, now_s + self._time_ahead_s))

    def stop(self) -> None:
        """Book what is left in the queue, empty the decoder, end all tracks and hand on their best shots."""
        left = 0
        while self.queue.head() is not None:
            self.queue.pop()
            left += 1
        if left:
            self.ledger.book(FrameFate.SKIPPED, left, reason=STOPPED)
        self._close_decoder()
        self._end_tracks(TrackEnd.STOP)
        self._tracks.forget(self.camera.id)

    def _restart(self, stream: StreamInfo) -> None:
        """Another stream begins: what the old one still holds is booked, its tracks end."""
        self._close_decoder()
        self._end_tracks(TrackEnd.DISCONTINUITY)
        self._gate.reset()
        self._stream = stream
        self._waits_for_key = True
        self._since_detection = self._load.k
        try:
            self._decoder = self._decoders(stream)
        except VigiaError as error:
            logger.error("Camera %s: %s", self.camera.name, error)

    def _close_decoder(self) -> None:
        decoder, self._decoder = self._decoder, None
        if decoder is not None:
            self._finish(decoder.flush())
            decoder.close()

    def _finish(self, decoded: Decoded) -> None:
        if decoded.lost:
            self.ledger.book(FrameFate.CORRUPT, decoded.lost)
        for item in decoded.frames:
            self.ledger.book(self._look(item))
            self._ages.record(self._clock.mono_s() - item.frame.received_mono_s)

    def _look(self, item: DecodedFrame) -> FrameFate:
        """Gate, detect, follow; return where the frame ends."""
        frame = item.frame
        if item.corrupt:
            return FrameFate.CORRUPT
        if self._on_frame is not None:
            self._on_frame(frame)
        moving = self._gate.is_open(frame.picture.luma(), at_s=frame.at_mono_s)
        self._since_detection += 1
        fate = FrameFate.TRACKED
        if not moving and not self.active_tracks:
            fate = FrameFate.QUIET
        elif self._since_detection >= self._load.k:
            self._since_detection = 0
            started_s = self._clock.mono_s()
            self._detect_and_follow(frame)
            self._load.record_detect(self._clock.mono_s() - started_s)
            fate = FrameFate.DETECTED
        self._hand_on(self._tracks.expire(self.camera.id, frame.at_mono_s))
        return fate

    def _detect_and_follow(self, frame: Frame) -> None:
        events = self._detect.execute(frame, size_fits=self._filter.size_fits)
        if not events:
            return
        self.ledger.faces += len(events)
        associations = self._tracks.execute(self.camera.id, events)
        self.ledger.tracks_started += sum(1 for association in associations if association.match is None)

    def _end_tracks(self, end: TrackEnd) -> None:
        self._hand_on(self._tracks.end_all(self.camera.id, end))

    def _hand_on(self, ended: Sequence[Track]) -> None:
        for track in ended:
            reason = self._filter.reject(track)
            if reason is not None:
                self.ledger.book_track(TrackFate.FILTERED, reason=reason)
                continue
            try:
                self._captures.offer(_request(self.camera, track))
            except VigiaError as error:
                self.ledger.book_track(TrackFate.LOST)
                logger.error("Camera %s: the capture of track %d is lost: %s", self.camera.name, track.id, error)
            else:
                self.ledger.book_track(TrackFate.CAPTURED)


def _request(camera: Camera, track: Track) -> CaptureRequest:
    return CaptureRequest(
        event=track.best,
        camera=camera,
        track_id=track.id,
        reason=track.end.value if track.end is not None else "",
        details={
            "events": track.events_count,
            "duration_s": round(track.duration_s, 3),
            "moved_px": round(track.moved_max_px, 1),
        },
    )
