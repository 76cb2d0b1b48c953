"""One camera inside its shard: decode, gate, detect, match, choose. Run to completion for one packet at a time.

Everything here belongs to the shard's thread. Nothing waits: the only thing handed on is a track's chosen shot, to
the queue of ``CommitCapturesUseCase`` (``TrackPoster``).
"""

import logging
from collections.abc import Callable, Sequence
from math import exp
from threading import Event

from vigia.application.camera_cost import FPS_CREDIBLE_MAX, CameraCost
from vigia.application.camera_status import CameraLoad, LoadReason, LoadState
from vigia.application.closer_look import LookCredit
from vigia.application.load_control import LoadControl
from vigia.application.packet_queue import QUEUE_FULL, PacketQueue
from vigia.application.ports import Clock, Decoded, DecodedFrame, DecoderFactory, VideoDecoder
from vigia.application.sharp_look import SharpAims
from vigia.application.track_poster import CaptureSink, TrackPoster
from vigia.application.use_cases.detect_faces import DetectFacesUseCase
from vigia.application.use_cases.manage_tracks_use_case import ManageTracksUseCase
from vigia.domain.camera import Camera
from vigia.domain.errors import VigiaError
from vigia.domain.event import FaceEvent, Quality
from vigia.domain.frame import Frame, Packet, StreamInfo
from vigia.domain.histogram import DurationHistogram
from vigia.domain.ledger import CameraLedger, FrameFate
from vigia.domain.motion import TrackEnd, expected_boxes
from vigia.domain.motion_gate import MotionGate
from vigia.domain.passage_memory import PassageMemory
from vigia.domain.posting import PostingPolicy
from vigia.domain.track import Track
from vigia.domain.track_filter import TrackFilter

logger = logging.getLogger("vigia.shard")

NO_KEY_FRAME = "no_key_frame"
"""Packets before the first key frame of a stream: nothing can be made of them."""
OVERLOAD = "overload"
STOPPED = "stopped"
"""Still in the queue when the time to stop was over."""
NO_DECODER = "no_decoder"
FULL_LOOKS_HZ = 6.0
"""Looked at so often a camera counts as looked at in full: a person takes longer than a sixth of a second to pass."""
RATE_EVERY_S = 1.0
"""How often a camera's frame rate is measured."""
FPS_SLACK = 1.1
"""Measured frame rates waver; a state must not."""
SKIP_SHOWN_S = 5.0
"""A skip is visible in the camera's state for so long."""
SKIP_MEMORY_S = 30.0
"""Time constant of a camera's share of skipped packets, by which shards choose whose turn it is."""


class CameraPipeline:
    """Turns one camera's packets into tracks and captures.

    Owner: the shard's thread. Bounds: one decoder, the pictures of open tracks (two each by default, else as
    ``PostingPolicy`` says).

    Args:
        camera: whose packets.
        queue: where they come from.
        ledger: where they end, in the books.
        decoders: makes a decoder for a stream.
        detect: finds faces in a frame.
        tracks: follows them.
        track_filter: decides which tracks are worth sending.
        posting: which of their shots are sent, and when; the best at the end when not given.
        passages: remembers captured passages, so that a track that broke is not captured twice; None = it is.
        captures: takes the shots.
        load: the shard's cadence.
        cost: this camera's meter, with what is expected of it.
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
        cost: CameraCost | None = None,
        posting: PostingPolicy | None = None,
        passages: PassageMemory | None = None,
    ) -> None:
        self.cost = cost if cost is not None else CameraCost()
        self.camera = camera
        self.queue = queue
        self.ledger = ledger
        self._decoders = decoders
        self._detect = detect
        self._tracks = tracks
        self._filter = track_filter
        self._poster = TrackPoster(
            camera,
            policy=posting if posting is not None else PostingPolicy(),
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
        self._ages = ages
        self._on_frame = on_frame
        self._decoder: VideoDecoder | None = None
        self._stream: StreamInfo | None = None
        self._waits_for_key = True
        self._wait_reason = NO_KEY_FRAME
        self._since_detection = 0
        self._time_ahead_s = 0.0
        self._overflowed = 0  # packets that found the queue full, as last looked at
        self._skip_shown: tuple[float, LoadReason] = (float("-inf"), LoadReason.NONE)
        self._seen, self._skipped = 0.0, 0.0  # packets lately, fading out; whose share decides who skips next
        self._faded_at_s = float("-inf")
        self._received = 0  # packets, when the rate was last looked at

    @property
    def stream(self) -> StreamInfo | None:
        """The stream being decoded, once there is one."""
        return self._stream

    @property
    def active_tracks(self) -> int:
        """How many faces are being followed."""
        return self._tracks.active_count(self.camera.id)

    @property
    def is_decoding(self) -> bool:
        """True while packets become pictures: only then does the camera cost what was measured of it."""
        return self._decoder is not None and self._stream is not None and not self._waits_for_key

    @property
    def _fps_told(self) -> float:
        """What the stream says of itself, or else what was measured: a camera that falls silent is not worse off."""
        told = 0.0 if self._stream is None else self._stream.fps
        return max(told if told <= FPS_CREDIBLE_MAX else 0.0, self.cost.fps)

    @property
    def shard_name(self) -> str:
        """The shard that it works for."""
        return self._load.shard_name

    @property
    def skip_share(self) -> float:
        """Share of its latest packets that were skipped, in [0, 1]: who has skipped least is the next to skip."""
        return self._skipped / self._seen if self._seen > 0.0 else 0.0

    def load_status(self) -> CameraLoad:
        """How thoroughly it is looked at; any thread."""
        load, cost = self._load, self.cost
        rung = load.rung
        skipped_at_s, skip_reason = self._skip_shown
        state, reason = LoadState.FULL, LoadReason.NONE
        if self._clock.mono_s() - skipped_at_s < SKIP_SHOWN_S:
            state, reason = LoadState.SKIPPING, skip_reason
        elif rung.scale < 1.0 or rung.k > max(load.limits.k_min, FPS_SLACK * self._fps_told / FULL_LOOKS_HZ):
            state, reason = LoadState.REDUCED, load.reason
        return CameraLoad(
            state=state,
            reason=reason,
            waited_s=load.waited_s,
            k=rung.k,
            input_width=self._detect.input_width_for(self._stream.width, rung.scale) if self._stream else 0,
            cost_share=cost.load(k=rung.k, scale=rung.scale) if cost.decode.count else 0.0,
        )

    def move(self, *, load: LoadControl, ages: DurationHistogram, detect: DetectFacesUseCase, arrived: Event) -> None:
        """Work for another shard from now on. Called by that shard's thread, when the former one has let go."""
        self._load, self._ages, self._detect = load, ages, detect
        self.queue.announce_to(arrived)

    def process(self, packet: Packet) -> None:
        """Take one packet to its end, or into the decoder when it holds pictures back."""
        if packet.discontinuity or packet.stream is not self._stream:
            self._restart(packet.stream)
        if self._waits_for_key and not packet.is_key:
            self.ledger.book(FrameFate.SKIPPED, reason=self._wait_reason)
            if self._wait_reason == OVERLOAD:
                self._note_skips(1, self._load.reason)
            return
        decoder = self._decoder
        if decoder is None:
            self.ledger.book(FrameFate.SKIPPED, reason=NO_DECODER)
            return
        self._waits_for_key = False
        self._time_ahead_s = packet.at_mono_s - packet.received_mono_s
        self._seen += 1.0
        started_s = self._clock.mono_s()
        decoded = decoder.decode(packet)
        self.cost.decode.add(self._clock.mono_s() - started_s)
        self._finish(decoded)

    def skip_to_key(self, reason: LoadReason, *, also_to_come: bool = False) -> int:
        """Drop waiting packets up to the newest waiting key frame; return how many were skipped.

        Args:
            reason: why, for the camera's state.
            also_to_come: where no key frame waits, drop all that waits and all that comes until there is one.
        """
        skipped = self.queue.pop_until_key()
        if not skipped and also_to_come and not self._waits_for_key:
            skipped = self.queue.pop_all()
        if not skipped:
            return 0
        if self._decoder is not None:
            self._finish(self._decoder.flush())
        self.ledger.book(FrameFate.SKIPPED, len(skipped), reason=OVERLOAD)
        self._note_skips(len(skipped), reason)
        if any(packet.discontinuity for packet in skipped):
            self._end_tracks(TrackEnd.DISCONTINUITY)
        self._waits_for_key, self._wait_reason = True, OVERLOAD
        return len(skipped)

    def tick(self, now_s: float) -> None:
        """End tracks whose silence is over although no packet comes any more; let the memory of skips fade.

        ``now_s``: monotonic seconds.
        """
        self._fade(now_s)
        if not len(self.queue):
            self._advance(now_s + self._time_ahead_s)

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

    def _fade(self, now_s: float) -> None:
        overflowed = self.ledger.overflow[QUEUE_FULL]
        if overflowed > self._overflowed:
            self._note_skips(overflowed - self._overflowed, LoadReason.QUEUE_FULL)
            self._overflowed = overflowed
        passed_s = now_s - self._faded_at_s
        if passed_s < RATE_EVERY_S:
            return
        kept = exp(-min(passed_s, SKIP_MEMORY_S) / SKIP_MEMORY_S)
        self._seen, self._skipped, self._faded_at_s = kept * self._seen, kept * self._skipped, now_s
        received, self._received = self.ledger.received - self._received, self.ledger.received
        # A file that is read flat out has no rate of its own; when nothing comes of it any more, that is one.
        paced = self._stream is not None and (self._stream.live or not received)
        if paced and passed_s < 10.0 * RATE_EVERY_S:
            self.cost.observe_rate(received / passed_s)

    def _note_skips(self, count: int, reason: LoadReason) -> None:
        self._seen += count
        self._skipped += count
        self._skip_shown = (self._clock.mono_s(), reason)

    def _restart(self, stream: StreamInfo) -> None:
        """Another stream begins: what the old one still holds is booked, its tracks end."""
        self._close_decoder()
        self._end_tracks(TrackEnd.DISCONTINUITY)
        self._gate.reset()
        self._stream = stream
        self.cost.expect(width=stream.width, height=stream.height, fps=stream.fps)
        self._check_regions(stream)
        self._waits_for_key, self._wait_reason = True, NO_KEY_FRAME
        self._since_detection = self._load.k
        try:
            self._decoder = self._decoders(stream)
        except VigiaError as error:
            logger.error("Camera %s: %s", self.camera.name, error)

    def _check_regions(self, stream: StreamInfo) -> None:
        """Say so when a region was written for a larger picture than the camera gives: no face will be in it."""
        for name, region in (("roi", self._filter.roi), ("rot", self._filter.rot)):
            if region is not None and not region.meets((stream.width, stream.height)):
                logger.warning(
                    "Camera %s: tracks.%s %s lies outside its picture of %dx%d pixels: no face of it is sent",
                    self.camera.name,
                    name,
                    region,
                    stream.width,
                    stream.height,
                )

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
        gate = self._gate
        moving = gate.is_always_open or gate.is_open(frame.picture.luma(), at_s=frame.at_mono_s)
        self._since_detection += 1
        fate = FrameFate.TRACKED
        rung = self._load.rung
        watched = moving or bool(self.active_tracks)
        self.cost.record_frame(watched=watched)
        if not watched:
            fate = FrameFate.QUIET
        elif self._since_detection >= rung.k:
            self._since_detection = 0
            started_s = self._clock.mono_s()
            self._detect_and_follow(frame, rung.scale)
            self.cost.record_detect(self._clock.mono_s() - started_s, scale=rung.scale)
            fate = FrameFate.DETECTED
        self._advance(frame.at_mono_s)
        return fate

    def _detect_and_follow(self, frame: Frame, scale: float) -> None:
        self._credit.earn()
        events = self._detect.execute(frame, size_fits=self._filter.box_fits, scale=scale, aims=self._aims(frame))
        if self._filter.rot is not None:
            events = [event for event in events if self._filter.followed(event.box_xyxy)]
        if not events:
            return
        associations = self._tracks.execute(self.camera.id, events)
        self.ledger.faces += len(associations)
        self.ledger.tracks_started += sum(1 for association in associations if association.match is None)
        self._poster.follow(associations)

    def _aims(self, frame: Frame) -> SharpAims | None:
        """Where a sharp look may go; None under load: it is the first thing to give way."""
        tracks, camera_id = self._tracks, self.camera.id
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

    def _advance(self, at_s: float) -> None:
        """End the tracks whose time is over at ``at_s`` (the camera's time, seconds); send what is due of others."""
        self._hand_on(self._tracks.expire(self.camera.id, at_s))
        self._poster.post_due(at_s)

    def _end_tracks(self, end: TrackEnd) -> None:
        self._hand_on(self._tracks.end_all(self.camera.id, end))

    def _hand_on(self, ended: Sequence[Track]) -> None:
        if ended:
            self._poster.close(ended)
