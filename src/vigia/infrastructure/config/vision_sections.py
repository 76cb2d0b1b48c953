"""The sections between a camera and a capture: sources, their health, shards, detector, tracks, captures."""

from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from vigia.application.errors import ConfigurationError
from vigia.domain.errors import DomainError
from vigia.domain.picture_region import PictureRegion
from vigia.domain.posted_picture import FINDFACE_BYTES_MAX, FINDFACE_SIDE_MAX_PX, JPEG_SIDE_MAX_PX
from vigia.infrastructure.config.section import PATH_CHARACTERS_MAX, Section, Share, TimeoutS, UsablePath, invalid

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


def _region(text: str) -> str:
    """A region as it is written; checked here, so that its mistake is told with its place."""
    text = text.strip()
    if text:
        try:
            PictureRegion.parse(text)
        except DomainError as problem:
            error = problem  # the name in the except clause is gone when the text is made
            raise invalid(lambda key: ConfigurationError("%(key)s: %(problem)s", key=key, problem=error)) from problem
    return text


RegionText = Annotated[str, Field(max_length=40), AfterValidator(_region)]
"""``WxH+X+Y`` in pixels, or empty."""


class SourceSettings(Section):
    """How cameras are read."""

    rtsp_transport: Literal["tcp", "udp"] = "tcp"
    """How RTSP carries its packets. UDP loses pictures on a busy network."""
    open_timeout_s: TimeoutS = 10.0
    """Longest wait for a camera to answer, seconds."""
    first_frame_timeout_s: TimeoutS = 10.0
    """Longest wait for the first picture of a camera that answered, seconds."""
    read_timeout_s: TimeoutS = 10.0
    """Silence after which an open camera counts as stalled, seconds."""
    retry_min_s: TimeoutS = 1.0
    """First pause before a lost camera is tried again, seconds; it doubles from then on."""
    retry_max_s: TimeoutS = 3.0
    """Longest pause between two tries, seconds."""
    auth_retry_s: Annotated[float, Field(ge=1.0, le=86_400.0)] = 60.0
    """Pause before a camera that refused its password is tried again, seconds: many lock the account after a few."""
    stable_s: Annotated[float, Field(ge=1.0, le=86_400.0)] = 30.0
    """A camera that was up for so long is lost for the first time again, seconds: its pauses start over."""
    tls_verify: bool = False
    """Refuse a camera (``rtsps://``) whose certificate no known authority has signed. Most sign their own."""
    tls_ca_file: UsablePath | None = None
    """Authorities (PEM) for ``tls_verify``; empty = the system's."""
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


class HealthSettings(Section):
    """When something is wrong with what a live camera delivers."""

    no_face_alarm_s: Annotated[float, Field(ge=0.0, le=2_592_000.0)] = 0.0
    """Alarm when a live camera has seen no face for so long, seconds; 0 = off."""
    clock_off_alarm_s: Annotated[float, Field(ge=0.0, le=86_400.0)] = 5.0
    """Alarm when a camera's clock, as it tells it itself (RTCP), is further off, seconds; 0 = off."""


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
    sharp_look: Literal["auto", "off"] = "auto"
    """``auto``: now and then a sharper look finds faces below ``min_face_px``, while there is time; ``off``: never."""
    sharp_face_px: Annotated[float, Field(ge=8.0, le=2000.0)] = 60.0
    """Smallest face that sharp looks find: smaller side, pixels. Nothing to do where ``min_face_px`` is as small."""
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
    track_overlap_threshold: Share = 0.12
    """Overlap (IoU), in [0, 1], from which a face continues a track; FindFace's is 0.25."""
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
    roi: RegionText = ""
    """Only faces whose centre is in this part of the picture are sent: ``WxH+X+Y``, pixels; empty = everywhere."""
    rot: RegionText = ""
    """Only faces whose centre is in this part of the picture are followed at all; written like ``roi``."""
    overall_only: bool = True
    """Send when the track is over; false = the best shot of each interval is sent as well while it goes on."""
    realtime_post_interval_s: Annotated[float, Field(ge=0.1, le=3600.0)] = 1.0
    """With ``overall_only: false``: the interval whose best shot is sent, seconds."""
    realtime_post_first_immediately: bool = False
    """The first of these shots is sent as soon as the track passes the filters, not after the interval."""
    realtime_post_every_interval: bool = False
    """Each interval sends its best shot; false = only one that is better than what was sent of that track."""
    silence_after_send_s: Annotated[float, Field(ge=0.0, le=3600.0)] = 0.0
    """After one of these shots, no other of the same track for so long, seconds; where longer than the interval."""
    post_best_track_frame: bool = True
    """Send the best shots of a track at its end."""
    post_first_track_frame: bool = False
    """Send the first shot of a track at its end."""
    post_last_track_frame: bool = False
    """Send the last shot of a track at its end."""
    number_of_best_shots: Annotated[int, Field(ge=1, le=10)] = 1
    """How many best shots of a track; each holds a picture (3.1 MB at 1080p) while the track goes on."""
    best_shots_gap_s: Annotated[float, Field(ge=0.0, le=600.0)] = 1.0
    """Best shots of a track are at least so far apart in time, seconds."""
    best_shots_pose: Annotated[float, Field(ge=0.0, le=2.0)] = 0.0
    """And turned at least so differently: 0.5 is about frontal against 45 degrees; 0 = any."""
    suppress_duplicates: bool = True
    """Do not capture a passage again when its track broke: same place, same colours, a moment later."""
    duplicate_interval_s: Annotated[float, Field(ge=0.1, le=60.0)] = 3.0
    """How long after a captured passage was seen last another track may be its continuation, seconds."""

    @model_validator(mode="after")
    def _sends_something(self) -> Self:
        if self.overall_only and not (
            self.post_best_track_frame or self.post_first_track_frame or self.post_last_track_frame
        ):
            raise invalid(
                lambda _key: ConfigurationError(
                    "tracks: nothing would ever be sent; with overall_only, one of post_best_track_frame, "
                    "post_first_track_frame and post_last_track_frame must be true"
                ),
                "overall_only",
            )
        if self.number_of_best_shots > 1 and not self.post_best_track_frame:
            raise invalid(
                lambda _key: ConfigurationError(
                    "tracks.number_of_best_shots (%(count)d) has no effect without post_best_track_frame: true",
                    count=self.number_of_best_shots,
                ),
                "number_of_best_shots",
            )
        if self.filter_min_size > self.filter_max_size:
            raise invalid(
                lambda _key: ConfigurationError(
                    "tracks.filter_max_size (%(high)g) must not be less than the smallest face sent (%(low)g)",
                    high=self.filter_max_size,
                    low=self.filter_min_size,
                ),
                "filter_max_size",
            )
        if self.roi and self.rot and not PictureRegion.parse(self.roi).overlaps(PictureRegion.parse(self.rot)):
            raise invalid(
                lambda _key: ConfigurationError(
                    "tracks.roi (%(roi)s) and tracks.rot (%(rot)s) have no pixel in common: no face would ever be sent",
                    roi=self.roi,
                    rot=self.rot,
                ),
                "roi",
            )
        return self


class CaptureSettings(Section):
    """How a chosen shot becomes a picture on disk."""

    picture: Literal["full", "crop"] = "full"
    """What is posted: the camera's whole picture, which FindFace shows beside the face, or a part around the face."""
    crop_margin: Annotated[float, Field(ge=0.0, le=10.0)] = 1.5
    """With ``crop``: how much is kept around the face on every side, as a share of the face's side."""
    roi_margin: Annotated[float, Field(ge=0.0, le=2.0)] = 1.0
    """How far the posted region reaches beyond the face on every side, as a share of the face's side; towards another
    face only as far as that begins."""
    jpeg_quality: Annotated[int, Field(ge=1, le=100)] = 95
    """JPEG quality, 1 to 100; lowered where ``max_bytes`` asks for it."""
    max_side_px: Annotated[int, Field(ge=640, le=JPEG_SIDE_MAX_PX)] = FINDFACE_SIDE_MAX_PX
    """Longest side of a posted picture, pixels; larger ones are scaled, or cut where the face would get too small."""
    max_bytes: Annotated[int, Field(ge=100_000, le=1_000_000_000)] = FINDFACE_BYTES_MAX
    """Most bytes of a posted picture; larger ones are coded with less quality, then made smaller."""
    queue_size: Annotated[int, Field(ge=1, le=1000)] = 64
    """Shots that may wait for the disk; each holds a decoded picture (3.1 MB at 1080p)."""
    queue_wait_s: Annotated[float, Field(ge=0.0, le=60.0)] = 2.0
    """How long a shard waits when that queue is full, seconds; then the loss is told loudly."""

    @model_validator(mode="after")
    def _crop_holds_region(self) -> Self:
        if self.picture == "crop" and self.crop_margin < self.roi_margin:
            raise invalid(
                lambda _key: ConfigurationError(
                    "capture.crop_margin (%(crop)g) must not be less than capture.roi_margin (%(roi)g)",
                    crop=self.crop_margin,
                    roi=self.roi_margin,
                ),
                "crop_margin",
            )
        return self
