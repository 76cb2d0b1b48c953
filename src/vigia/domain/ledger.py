"""The books: where every packet and every track ended. Counters only; the pictures are elsewhere.

Every packet received ends in exactly one ``FrameFate``, every track in exactly one ``TrackFate``. While a run is on,
the difference between what was received and what is booked is what is in flight; at the end it must be nothing.
"""

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from vigia.domain.camera import CameraId


class FrameFate(StrEnum):
    """Where a packet ended."""

    DETECTED = "detected"
    """Decoded, and the detector looked at it."""
    TRACKED = "tracked"
    """Decoded, between two detections."""
    QUIET = "quiet"
    """Decoded, nothing moved and nobody was followed: the motion gate was closed."""
    SKIPPED = "skipped"
    """Never decoded, or decoded for nothing, because of overload or a broken reference; the reason says which."""
    CORRUPT = "corrupt"
    """The decoder made nothing of it, or only a damaged picture."""


class TrackFate(StrEnum):
    """Where a track ended."""

    CAPTURED = "captured"
    """One shot of it at least was handed on to be committed; each capture has a fate of its own from then on."""
    FILTERED = "filtered"
    """Not worth sending; the reason says why."""
    LOST = "lost"
    """None of the shots it was worth could be handed on. Never silent: an error line and this entry say so."""


class FilterReason(StrEnum):
    """Why a track was not worth sending."""

    TOO_FEW_EVENTS = "too_few_events"
    TOO_SMALL = "too_small"
    TOO_LARGE = "too_large"
    OUTSIDE_ROI = "outside_roi"
    """Never seen inside ``roi``."""
    POOR_QUALITY = "poor_quality"
    DID_NOT_MOVE = "did_not_move"
    NO_PICTURE = "no_picture"
    DUPLICATE = "duplicate"
    """Another track of a passage that was captured already: see ``passage_memory``."""


def _nothing() -> MappingProxyType[str, int]:
    return MappingProxyType({})


@dataclass(slots=True)
class CameraLedger:
    """One camera's books. Owner: the camera's shard, but ``received`` and overflow skips belong to its source thread.

    The two writers touch different counters, so that neither needs a lock.
    """

    camera_id: CameraId
    received: int = 0
    """Packets the source delivered. Owner: the source thread."""
    overflow: Counter[str] = field(default_factory=Counter)
    """Packets that found the queue full, by reason: booked as skipped. Owner: the source thread."""
    frames: Counter[FrameFate] = field(default_factory=Counter)
    skip_reasons: Counter[str] = field(default_factory=Counter)
    tracks: Counter[TrackFate] = field(default_factory=Counter)
    filter_reasons: Counter[FilterReason] = field(default_factory=Counter)
    tracks_started: int = 0
    sending: int = 0
    """Open tracks of which a shot was handed on already: they will end as captured."""
    further_captures: int = 0
    """Shots handed on after the first one of their track."""
    faces: int = 0
    """Face events found."""

    def book(self, fate: FrameFate, count: int = 1, *, reason: str = "") -> None:
        """Book ``count`` packets; a skip needs its reason."""
        self.frames[fate] += count
        if fate is FrameFate.SKIPPED:
            if not reason:
                raise ValueError("a skipped packet needs a reason")
            self.skip_reasons[reason] += count

    def book_shot(self, *, first: bool) -> None:
        """Book one shot of an open track that was handed on; ``first``: the first one of that track."""
        if first:
            self.sending += 1
        else:
            self.further_captures += 1

    def book_track(self, fate: TrackFate, *, reason: FilterReason | None = None, was_sending: bool = False) -> None:
        """Book the end of one track; a filtered one needs its reason; one that was sending is captured."""
        self.tracks[fate] += 1
        if fate is TrackFate.FILTERED:
            if reason is None:
                raise ValueError("a filtered track needs a reason")
            self.filter_reasons[reason] += 1
        if was_sending:
            if fate is not TrackFate.CAPTURED:
                raise ValueError("a track of which a shot was handed on is captured")
            self.sending -= 1

    def snapshot(self) -> "LedgerPage":
        """A frozen copy; exact only when the owners are at rest, else a good picture of a moment ago."""
        frames = {fate: self.frames[fate] for fate in FrameFate}
        overflow = dict(self.overflow)
        frames[FrameFate.SKIPPED] += sum(overflow.values())
        reasons = Counter(self.skip_reasons)
        reasons.update(overflow)
        return LedgerPage(
            received=self.received,
            frames=MappingProxyType(frames),
            skip_reasons=MappingProxyType(dict(reasons)),
            tracks_started=self.tracks_started,
            tracks=MappingProxyType({fate: self.tracks[fate] for fate in TrackFate}),
            filter_reasons=MappingProxyType({reason.value: n for reason, n in dict(self.filter_reasons).items()}),
            sending=self.sending,
            further_captures=self.further_captures,
            faces=self.faces,
        )


@dataclass(frozen=True, slots=True)
class LedgerPage:
    """What the books said at one moment, of one camera or of all."""

    received: int = 0
    frames: MappingProxyType[FrameFate, int] = field(
        default_factory=lambda: MappingProxyType(dict.fromkeys(FrameFate, 0))
    )
    skip_reasons: MappingProxyType[str, int] = field(default_factory=_nothing)
    tracks_started: int = 0
    tracks: MappingProxyType[TrackFate, int] = field(
        default_factory=lambda: MappingProxyType(dict.fromkeys(TrackFate, 0))
    )
    filter_reasons: MappingProxyType[str, int] = field(default_factory=_nothing)
    sending: int = 0
    further_captures: int = 0
    faces: int = 0

    @property
    def frames_booked(self) -> int:
        """Packets that reached their end."""
        return sum(self.frames.values())

    @property
    def frames_decoded(self) -> int:
        """Packets that became a picture somebody could have looked at."""
        return sum(self.frames[fate] for fate in (FrameFate.DETECTED, FrameFate.TRACKED, FrameFate.QUIET))

    @property
    def tracks_ended(self) -> int:
        """Tracks that reached their end."""
        return sum(self.tracks.values())

    @property
    def captures(self) -> int:
        """Shots handed on to be committed: one of each track that has sent, and the further ones."""
        return self.tracks[TrackFate.CAPTURED] + self.sending + self.further_captures

    @property
    def balanced(self) -> bool:
        """True when nothing is in flight: every packet and every track has exactly one end."""
        tracks_booked = self.tracks_started == self.tracks_ended and self.sending == 0
        return self.received == self.frames_booked and tracks_booked

    def plus(self, other: "LedgerPage") -> "LedgerPage":
        """Both pages added up."""
        return LedgerPage(
            received=self.received + other.received,
            frames=MappingProxyType({fate: self.frames[fate] + other.frames[fate] for fate in FrameFate}),
            skip_reasons=_added(self.skip_reasons, other.skip_reasons),
            tracks_started=self.tracks_started + other.tracks_started,
            tracks=MappingProxyType({fate: self.tracks[fate] + other.tracks[fate] for fate in TrackFate}),
            filter_reasons=_added(self.filter_reasons, other.filter_reasons),
            sending=self.sending + other.sending,
            further_captures=self.further_captures + other.further_captures,
            faces=self.faces + other.faces,
        )


def _added(first: MappingProxyType[str, int], second: MappingProxyType[str, int]) -> MappingProxyType[str, int]:
    return MappingProxyType(dict(Counter(first) + Counter(second)))
