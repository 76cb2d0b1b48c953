"""What the dashboard reads of passages: the newest captures, how each was chosen, and the tracks that were not sent.

Plain values without secrets. Pictures are kept in memory and bounded: what is older than the gallery reaches back is
told without its pictures.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from vigia.domain.camera import CameraId
from vigia.domain.capture import CaptureId, CaptureState


@dataclass(frozen=True, slots=True)
class FeedQuery:
    """Which captures of the feed; every one that is given must hold."""

    state: CaptureState | None = None
    camera_id: CameraId | None = None
    quality_min: float | None = None
    """In [0, 1]."""
    before: int | None = None
    """Only those committed before the one of this ``seq``: the next page."""
    limit: int = 60


@dataclass(frozen=True, slots=True)
class UnsentQuery:
    """Which tracks that were not sent; every one that is given must hold."""

    camera_id: CameraId | None = None
    reason: str | None = None
    """A ``FilterReason``'s value, or ``lost``."""
    before: int | None = None
    """Only those with a smaller ``number``: the next page."""
    limit: int = 60


class ShotView(StrEnum):
    """Which picture of a capture."""

    FACE = "face"
    """The face, cut out with some room around it."""
    FRAME = "frame"
    """The whole picture of the camera, made smaller."""


class GalleryView(Protocol):
    """Any thread. What touches the outbox raises OutboxUnavailable."""

    def feed(self, query: FeedQuery) -> Sequence[Mapping[str, Any]]:
        """Captures, the newest first: as ``SiteView.captures``, with ``camera_name`` and ``face_kept`` (a picture)."""
        ...

    def capture(self, capture_id: CaptureId) -> Mapping[str, Any] | None:
        """One capture and how it was chosen; None when it is not kept.

        Besides what the feed tells: ``frame_kept``, ``frame_size`` (width and height of the camera's picture),
        ``face_box`` and ``roi_box`` (left, top, right, bottom in shares of the frame, 0 to 1), and ``candidates``: the
        events of its track in order of time. Each has ``number``, ``at_s`` (since the track began), ``quality``,
        ``parts`` (name → 0 … 1), ``confidence``, ``size_px``, ``chosen``, ``sent``, ``face_kept``, and ``behind``: the
        part in which it is furthest behind the chosen one, or None. There are none when the gallery does not reach
        back so far.
        """
        ...

    def shot(self, capture_id: CaptureId, view: ShotView) -> bytes | None:
        """A picture of a capture, JPEG; None when it is not kept."""
        ...

    def candidate(self, capture_id: CaptureId, number: int) -> bytes | None:
        """The face of one candidate, JPEG; None when it is not kept."""
        ...

    def unsent(self, query: UnsentQuery) -> Sequence[Mapping[str, Any]]:
        """Tracks of which nothing was sent, the newest first.

        Each with ``number``, ``camera``, ``camera_name``, ``track``, ``at_utc``, ``duration_s``, ``events``, ``fate``,
        ``reason``, ``quality``, ``parts``, ``confidence``, ``size_px``, ``moved_px``, ``face_kept`` and ``obstacles``:
        each with ``setting``, ``reason`` and ``value`` (with which it would have been let through).
        """
        ...

    def unsent_face(self, number: int) -> bytes | None:
        """The best face of such a track, JPEG; None when it is not kept."""
        ...
