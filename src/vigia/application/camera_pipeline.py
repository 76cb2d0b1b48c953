"""One camera inside its shard: decode, then gate, detect, match, choose. Run to completion for one packet at a time.

Everything here belongs to the shard's thread. Nothing waits: the only thing handed on is a track's chosen shot, to
the queue of ``CommitCapturesUseCase`` (``TrackPoster``).
"""

import logging
from collections import deque
from collections.abc import Callable
from math import exp
from threading import Event

from vigia.application.camera_cost import FPS_CREDIBLE_MAX, CameraCost
from vigia.application.camera_parts import CameraParts
from vigia.application.camera_status import CameraLoad, LoadReason, LoadState
from vigia.application.live_tap import LiveSlot
from vigia.application.load_control import LoadControl
from vigia.application.packet_queue import QUEUE_FULL, PacketQueue
from vigia.application.picture_watch import PictureWatch
from vigia.application.ports import Clock, Decoded, DecoderFactory, VideoDecoder
from vigia.application.stretch import Stretch
from vigia.application.track_poster import CaptureSink
from vigia.application.use_cases.detect_faces import DetectFacesUseCase
from vigia.application.use_cases.manage_tracks_use_case import ManageTracksUseCase
from vigia.domain.camera import Camera
from vigia.domain.errors import VigiaError
from vigia.domain.frame import Frame, Packet, StreamInfo
from vigia.domain.histogram import DurationHistogram
from vigia.domain.ledger import CameraLedger, FrameFate
from vigia.domain.motion import TrackEnd
from vigia.domain.motion_gate import MotionGate
from vigia.domain.passage_memory import PassageMemory
from vigia.domain.posting import PostingPolicy
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
        live: where pictures are left for those who watch; without it nobody can.
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
        live: LiveSlot | None = None,
    ) -> None:
        self.cost = cost if cost is not None else CameraCost()
        self.camera = camera
        self.queue = queue
        self.ledger = ledger
        self._decoders = decoders
        self._watch = PictureWatch(
            camera,
            ledger=ledger,
            detect=detect,
            tracks=tracks,
            track_filter=track_filter,
            captures=captures,
            load=load,
            gate=gate,
            clock=clock,
            cost=self.cost,
            on_frame=on_frame,
            posting=posting if posting is not None else PostingPolicy(),
            passages=passages,
            live=live if live is not None else LiveSlot(),
        )
        self._load = load
        self._clock = clock
        self._ages = ages
        self._decoder: VideoDecoder | None = None
        self._stream: StreamInfo | None = None
        self._waits_for_key = True
        self._wait_reason = NO_KEY_FRAME
        self._time_ahead_s = 0.0
        self._overflowed = 0  # packets that found the queue full, as last looked at
        self._skip_shown: tuple[float, LoadReason] = (float("-inf"), LoadReason.NONE)
        self._seen, self._skipped = 0.0, 0.0  # packets lately, fading out; whose share decides who skips next
        self._faded_at_s = float("-inf")
        self._received = 0  # packets, when the rate was last looked at
        self._fruitless = Stretch()
        self._keyless = Stretch()
        self._next_parts: deque[CameraParts] = deque(maxlen=1)  # put there by any thread, taken over by the shard's
        self._leaving = False
        self._stopped = False

    @property
    def stream(self) -> StreamInfo | None:
        """The stream being decoded, once there is one."""
        return self._stream

    @property
    def picture_wh(self) -> tuple[int, int]:
        """Width and height of its pictures, pixels: as decoded, which may differ from what the stream says."""
        return self._watch.size_wh

    @property
    def waits_for_key_s(self) -> float:
        """How long packets have come since the stream began without a key frame among them; any thread."""
        return self._keyless.length_s

    @property
    def undecodable_s(self) -> float:
        """How long packets have gone into the decoder (or found none) and no picture came out of it; any thread."""
        return self._fruitless.length_s

    @property
    def active_tracks(self) -> int:
        """How many faces are being followed."""
        return self._watch.active_tracks

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

    @property
    def is_leaving(self) -> bool:
        """True once its shard is to let go of it. Any thread."""
        return self._leaving

    @property
    def is_stopped(self) -> bool:
        """True once its tracks are handed on and its books closed. Any thread."""
        return self._stopped

    def leave(self) -> None:
        """Have its shard let go of it soon, whichever that is by then; its source has ended. Any thread."""
        self._leaving = True

    def describe(self, camera: Camera) -> None:
        """The camera has another name, group or token; nothing else changes. Any thread."""
        self.camera = camera
        self._watch.describe(camera)

    def reconfigure(self, parts: CameraParts) -> None:
        """Work by other settings from the next packet on; tracks go on. Any thread."""
        self._next_parts.append(parts)

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
            input_width=self._watch.input_width(rung.scale),
            cost_share=cost.load(k=rung.k, scale=rung.scale) if cost.decode.count else 0.0,
        )

    def move(self, *, load: LoadControl, ages: DurationHistogram, detect: DetectFacesUseCase, arrived: Event) -> None:
        """Work for another shard from now on. Called by that shard's thread, when the former one has let go."""
        self._load, self._ages = load, ages
        self._watch.move(load=load, detect=detect)
        self.queue.announce_to(arrived)

    def process(self, packet: Packet) -> None:
        """Take one packet to its end, or into the decoder when it holds pictures back."""
        if self._next_parts:
            self._watch.take_over(self._next_parts.pop())
        if packet.discontinuity or packet.stream is not self._stream:
            self._restart(packet.stream)
        if self._waits_for_key and not packet.is_key:
            self.ledger.book(FrameFate.SKIPPED, reason=self._wait_reason)
            if self._wait_reason == OVERLOAD:
                self._note_skips(1, self._load.reason)
            else:
                self._keyless.extend(packet.received_mono_s)
            return
        if self._waits_for_key:
            self._waits_for_key = False
            self._keyless.end()
        self._fruitless.extend(packet.received_mono_s)
        decoder = self._decoder
        if decoder is None:
            self.ledger.book(FrameFate.SKIPPED, reason=NO_DECODER)
            return
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
            self._watch.end_tracks(TrackEnd.DISCONTINUITY)
        self._waits_for_key, self._wait_reason = True, OVERLOAD
        return len(skipped)

    def tick(self, now_s: float) -> None:
        """End tracks whose silence is over although no packet comes any more; let the memory of skips fade.

        ``now_s``: monotonic seconds.
        """
        if self._next_parts:
            self._watch.take_over(self._next_parts.pop())
        self._fade(now_s)
        self._watch.tick(now_s)
        if not len(self.queue):
            self._watch.advance(now_s + self._time_ahead_s)

    def stop(self) -> None:
        """Book what is left in the queue, empty the decoder, end all tracks and hand on their best shots."""
        left = 0
        while self.queue.head() is not None:
            self.queue.pop()
            left += 1
        if left:
            self.ledger.book(FrameFate.SKIPPED, left, reason=STOPPED)
        self._close_decoder()
        self._watch.stop()
        self._stopped = True

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
        self._stream = stream
        self._watch.begin(stream)
        self._waits_for_key, self._wait_reason = True, NO_KEY_FRAME
        self._keyless.end()
        self._fruitless.end()
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
        if decoded.frames:
            self._fruitless.end()
        for item in decoded.frames:
            self.ledger.book(FrameFate.CORRUPT if item.corrupt else self._watch.look(item.frame))
            self._ages.record(self._clock.mono_s() - item.frame.received_mono_s)
