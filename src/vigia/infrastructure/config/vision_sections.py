"""The sections between a camera and a capture: sources, shards, detector, tracks, captures."""

from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from vigia.application.errors import ConfigurationError
from vigia.infrastructure.config.section import PATH_CHARACTERS_MAX, Section, Share, TimeoutS, invalid

DETECTOR_MODELS = ("auto", "yunet-s", "yunet-n", "centerface")
"""Names in the model registry, and ``auto``; anything else must be the path of an ``.onnx`` file."""


def _known_model(name: str) -> str:
    name = name.strip()
    if name.lower().endswith(".onnx"):
        return name
    if name.lower() in DETECTOR_MODELS:
        return name.lower()
    nearest = get_close_matches(name.lower(), DETECTOR_MODELS, n=1)
    if nearest:
        raise invalid(
            lambda key: ConfigurationError(
                "%(key)s: unknown model; did you mean %(nearest)s?", key=key, nearest=nearest[0]
            )
        )
    raise invalid(
        lambda key: ConfigurationError(
            "%(key)s must be one of %(choices)s, or the path of an .onnx file",
            key=key,
            choices=", ".join(DETECTOR_MODELS),
        )
    )


class SourceSettings(Section):
    """How cameras are read."""

    rtsp_transport: Literal["tcp", "udp"] = "tcp"
    """How RTSP carries its packets. UDP loses pictures on a busy network."""
    open_timeout_s: TimeoutS = 10.0
    """Longest wait for a camera to answer, seconds."""
    read_timeout_s: TimeoutS = 10.0
    """Silence after which an open camera counts as stalled, seconds."""
    retry_min_s: TimeoutS = 1.0
    """First pause before a lost camera is tried again, seconds; it doubles from then on."""
    retry_max_s: TimeoutS = 30.0
    """Longest pause between two tries, seconds."""
    packet_queue: Annotated[int, Field(ge=10, le=10_000)] = 300
    """Packets a camera may have waiting for its shard; at 30 a second 300 are ten seconds."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.retry_min_s > self.retry_max_s:
            raise invalid(
                lambda _key: ConfigurationError(
                    "source.retry_min_s (%(low)g) must not be larger than source.retry_max_s (%(high)g)",
                    low=self.retry_min_s,
                    high=self.retry_max_s,
                ),
                "retry_min_s",
            )
        return self


class ShardsSettings(Section):
    """Workers that own cameras."""

    count: Annotated[int, Field(ge=1, le=256)] | Literal["auto"] = "auto"
    """How many workers; ``auto`` makes one a core."""
    mode: Literal["auto", "threads", "processes"] = "auto"
    """What a worker runs as: a thread of this process, or a process of its own; ``auto``: threads up to four."""


class DetectorSettings(Section):
    """How faces are found."""

    model: Annotated[str, Field(min_length=1, max_length=PATH_CHARACTERS_MAX), AfterValidator(_known_model)] = "auto"
    """``auto`` (the best that is here), ``yunet-s``, ``yunet-n``, ``centerface``, or the path of an ``.onnx`` file."""
    confidence_min: Share | None = None
    """Least confidence of a face, in [0, 1]; empty = what suits the model."""
    min_face_px: Annotated[float, Field(ge=8.0, le=2000.0)] = 80.0
    """Smallest face that must be found: its smaller side in pixels of the camera's picture. Sets the model's input."""
    min_face_px_overload: Annotated[float, Field(ge=8.0, le=2000.0)] | None = None
    """Under overload, before anything is skipped, faces below this many pixels may be missed; empty = never."""
    cadence_k: Annotated[int, Field(ge=1, le=10)] | Literal["auto"] = "auto"
    """Every k-th frame is looked at; ``auto`` follows the load."""
    cadence_k_max: Annotated[int, Field(ge=1, le=10)] = 8
    """Under load never less often than every k-th frame."""
    motion_gate: bool = True
    """Leave frames alone in which nothing moves and nobody is followed."""
    imotion_threshold: Share = 0.002
    """Share of changed pixels, in [0, 1], from which the motion gate opens."""
    input_width: Annotated[int, Field(ge=64, le=3840)] | None = None
    """Width of the model's input in pixels; empty = computed from ``min_face_px`` for each camera."""

    @property
    def model_file(self) -> Path | None:
        """The model as a file when ``model`` is a path; ``~`` is expanded where there is a home to expand it to."""
        if self.model in DETECTOR_MODELS:
            return None
        try:
            return Path(self.model).expanduser()
        except RuntimeError:  # no such user: the text as it stands is reported when the file is not found
            return Path(self.model)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        overload_px = self.min_face_px_overload
        if overload_px is not None and overload_px < self.min_face_px:
            raise invalid(
                lambda _key: ConfigurationError(
                    "detector.min_face_px_overload (%(high)g) must not be less than detector.min_face_px (%(low)g)",
                    high=overload_px,
                    low=self.min_face_px,
                ),
                "min_face_px_overload",
            )
        cadence_k = self.cadence_k
        if cadence_k != "auto" and cadence_k > self.cadence_k_max:
            raise invalid(
                lambda _key: ConfigurationError(
                    "detector.cadence_k (%(low)d) must not be larger than detector.cadence_k_max (%(high)d)",
                    low=cadence_k,
                    high=self.cadence_k_max,
                ),
                "cadence_k",
            )
        return self


class TracksSettings(Section):
    """How passages are followed, and which are worth sending. FindFace's names where it has them."""

    track_miss_interval_s: Annotated[float, Field(ge=0.1, le=60.0)] = 1.0
    """Silence after which a track is over, seconds."""
    track_max_duration_s: Annotated[float, Field(ge=0.0, le=86_400.0)] = 60.0
    """Longest life of a track, seconds; 0 = no limit."""
    track_overlap_threshold: Share = 0.25
    """Overlap (IoU), in [0, 1], from which a face continues a track."""
    track_distance_max_share: Annotated[float, Field(ge=0.0, le=1.0)] = 0.10
    """The fall-back: farthest a face may be from its track's, as a share of the frame's diagonal."""
    events_min: Annotated[int, Field(ge=1, le=1000)] = 2
    """Times a face must be found before its track is worth sending."""
    movement_min_px: Annotated[float, Field(ge=0.0, le=8192.0)] = 0.0
    """A face that never moved this far, pixels, is a picture on a wall; 0 = off. The larger limit counts."""
    movement_min_percent: Annotated[float, Field(ge=0.0, le=100.0)] = 1.0
    """The same in percent of the frame's diagonal; 0 = off."""
    filter_min_size: Annotated[float, Field(ge=0.0, le=8192.0)] = 60.0
    """Smallest face that is sent: smaller side, pixels; 0 = off. FindFace itself takes none below 50."""
    filter_max_size: Annotated[float, Field(ge=1.0, le=8192.0)] = 8192.0
    """Largest face that is sent: larger side, pixels."""
    filter_min_quality: Share = 0.3
    """Least quality of a shot that is sent, in [0, 1]; vigia's own scale, not FindFace's."""


class CaptureSettings(Section):
    """How a chosen shot becomes a picture on disk."""

    jpeg_quality: Annotated[int, Field(ge=1, le=100)] = 95
    """JPEG quality, 1 to 100."""
    roi_margin: Annotated[float, Field(ge=0.0, le=2.0)] = 0.4
    """How far the posted region reaches beyond the face on every side, as a share of the face's side."""
    queue_size: Annotated[int, Field(ge=1, le=1000)] = 64
    """Shots that may wait for the disk; each holds a decoded picture (3.1 MB at 1080p)."""
    queue_wait_s: Annotated[float, Field(ge=0.0, le=60.0)] = 2.0
    """How long a shard waits when that queue is full, seconds; then the loss is told loudly."""
