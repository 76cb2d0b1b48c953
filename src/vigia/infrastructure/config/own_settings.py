"""Settings of one camera, or of all cameras of a group: which there are, what they change, and whether they agree.

They have FindFace's names where it has one, and the units and ranges of the keys they stand for. ``OWN_KEYS`` says
which key that is; nothing else has to know.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, Protocol, TypeAlias

from pydantic import Field, ValidationError

from vigia.application.errors import ConfigurationError
from vigia.domain.posted_picture import JPEG_SIDE_MAX_PX
from vigia.infrastructure.config.keys import dotted
from vigia.infrastructure.config.section import CONFIGURATION_ERROR, Section, Share, TimeoutS
from vigia.infrastructure.config.vision_sections import (
    CaptureSettings,
    DetectorSettings,
    HealthSettings,
    RegionText,
    SourceSettings,
    TracksSettings,
)

OwnValue: TypeAlias = bool | int | float | str
"""What one of these settings may be."""
OWN_KEYS: Mapping[str, tuple[str, str]] = {
    "filter_min_size": ("tracks", "filter_min_size"),
    "filter_max_size": ("tracks", "filter_max_size"),
    "filter_min_quality": ("tracks", "filter_min_quality"),
    "roi": ("tracks", "roi"),
    "rot": ("tracks", "rot"),
    "events_min": ("tracks", "events_min"),
    "movement_min_px": ("tracks", "movement_min_px"),
    "movement_min_percent": ("tracks", "movement_min_percent"),
    "overall_only": ("tracks", "overall_only"),
    "realtime_post_interval": ("tracks", "realtime_post_interval_s"),
    "realtime_post_first_immediately": ("tracks", "realtime_post_first_immediately"),
    "realtime_post_every_interval": ("tracks", "realtime_post_every_interval"),
    "silence_after_send": ("tracks", "silence_after_send_s"),
    "post_best_track_frame": ("tracks", "post_best_track_frame"),
    "post_first_track_frame": ("tracks", "post_first_track_frame"),
    "post_last_track_frame": ("tracks", "post_last_track_frame"),
    "number_of_best_shots": ("tracks", "number_of_best_shots"),
    "best_shots_gap": ("tracks", "best_shots_gap_s"),
    "best_shots_pose": ("tracks", "best_shots_pose"),
    "suppress_duplicates": ("tracks", "suppress_duplicates"),
    "duplicate_interval": ("tracks", "duplicate_interval_s"),
    "track_miss_interval": ("tracks", "track_miss_interval_s"),
    "track_max_duration": ("tracks", "track_max_duration_s"),
    "track_overlap_threshold": ("tracks", "track_overlap_threshold"),
    "track_distance_max_share": ("tracks", "track_distance_max_share"),
    "min_face_px": ("detector", "min_face_px"),
    "imotion_threshold": ("detector", "imotion_threshold"),
    "jpeg_quality": ("capture", "jpeg_quality"),
    "picture": ("capture", "picture"),
    "crop_margin": ("capture", "crop_margin"),
    "roi_margin": ("capture", "roi_margin"),
    "max_side_px": ("capture", "max_side_px"),
    "rtsp_transport": ("source", "rtsp_transport"),
    "open_timeout": ("source", "open_timeout_s"),
    "first_frame_timeout": ("source", "first_frame_timeout_s"),
    "stall_timeout": ("source", "read_timeout_s"),
    "no_face_alarm": ("health", "no_face_alarm_s"),
    "clock_off_alarm": ("health", "clock_off_alarm_s"),
}
"""Section and key of the setting of all cameras that each of them stands for."""


class OwnSettings(Section):
    """What one camera, or each camera of a group, has of its own; empty = as for all. Times in seconds."""

    filter_min_size: Annotated[float, Field(ge=0.0, le=8192.0)] | None = None
    """Smallest face that is sent: smaller side, pixels; 0 = off."""
    filter_max_size: Annotated[float, Field(ge=1.0, le=8192.0)] | None = None
    """Largest face that is sent: larger side, pixels."""
    filter_min_quality: Share | None = None
    """Least quality of a shot that is sent, in [0, 1]; vigia's own scale, not FindFace's."""
    roi: RegionText | None = None
    """Only faces whose centre is in this part of the picture are sent: ``WxH+X+Y``, pixels; '' = everywhere."""
    rot: RegionText | None = None
    """Only faces whose centre is in this part of the picture are followed at all; written like ``roi``."""
    events_min: Annotated[int, Field(ge=1, le=1000)] | None = None
    """Times a face must be found before its track is worth sending."""
    movement_min_px: Annotated[float, Field(ge=0.0, le=8192.0)] | None = None
    """A face that never moved this far, pixels, is a picture on a wall; 0 = off."""
    movement_min_percent: Annotated[float, Field(ge=0.0, le=100.0)] | None = None
    """The same in percent of the frame's diagonal; 0 = off."""
    overall_only: bool | None = None
    """Send when the track is over; false = the best shot of each interval as well while it goes on."""
    realtime_post_interval: Annotated[float, Field(ge=0.1, le=3600.0)] | None = None
    """With ``overall_only: false``: the interval whose best shot is sent."""
    realtime_post_first_immediately: bool | None = None
    """The first of these shots does not wait for the interval."""
    realtime_post_every_interval: bool | None = None
    """Each interval sends its best shot; false = only one better than what was sent of that track."""
    silence_after_send: Annotated[float, Field(ge=0.0, le=3600.0)] | None = None
    """After one of these shots, no other of the same track for so long."""
    post_best_track_frame: bool | None = None
    """Send the best shots of a track at its end."""
    post_first_track_frame: bool | None = None
    """Send the first shot of a track at its end."""
    post_last_track_frame: bool | None = None
    """Send the last shot of a track at its end."""
    number_of_best_shots: Annotated[int, Field(ge=1, le=10)] | None = None
    """How many best shots of a track."""
    best_shots_gap: Annotated[float, Field(ge=0.0, le=600.0)] | None = None
    """Best shots of a track are at least so far apart in time."""
    best_shots_pose: Annotated[float, Field(ge=0.0, le=2.0)] | None = None
    """And turned at least so differently; 0 = any."""
    suppress_duplicates: bool | None = None
    """Do not capture a passage again when its track broke."""
    duplicate_interval: Annotated[float, Field(ge=0.1, le=60.0)] | None = None
    """How long after a captured passage was seen last another track may be its continuation."""
    track_miss_interval: Annotated[float, Field(ge=0.1, le=60.0)] | None = None
    """Silence after which a track is over."""
    track_max_duration: Annotated[float, Field(ge=0.0, le=86_400.0)] | None = None
    """Longest life of a track; 0 = no limit."""
    track_overlap_threshold: Share | None = None
    """Overlap (IoU), in [0, 1], from which a face continues a track."""
    track_distance_max_share: Annotated[float, Field(ge=0.0, le=1.0)] | None = None
    """Without overlap: farthest a face may be from its track's, as a share of the frame's diagonal."""
    min_face_px: Annotated[float, Field(ge=8.0, le=2000.0)] | None = None
    """Smallest face that must be found: its smaller side in pixels of the camera's picture."""
    imotion_threshold: Share | None = None
    """Share of changed pixels, in [0, 1], from which the motion gate opens; 0 = no gate."""
    jpeg_quality: Annotated[int, Field(ge=1, le=100)] | None = None
    """JPEG quality, 1 to 100."""
    picture: Literal["full", "crop"] | None = None
    """What is posted: the camera's whole picture, or a part around the face."""
    crop_margin: Annotated[float, Field(ge=0.0, le=10.0)] | None = None
    """With ``crop``: how much is kept around the face on every side, as a share of the face's side."""
    roi_margin: Annotated[float, Field(ge=0.0, le=2.0)] | None = None
    """How far the posted region reaches beyond the face on every side, as a share of the face's side."""
    max_side_px: Annotated[int, Field(ge=640, le=JPEG_SIDE_MAX_PX)] | None = None
    """Longest side of a posted picture, pixels."""
    rtsp_transport: Literal["tcp", "udp"] | None = None
    """How RTSP carries its packets."""
    open_timeout: TimeoutS | None = None
    """Longest wait for the camera to answer."""
    first_frame_timeout: TimeoutS | None = None
    """Longest wait for the first picture of a camera that answered."""
    stall_timeout: TimeoutS | None = None
    """Silence after which the open camera counts as stalled."""
    no_face_alarm: Annotated[float, Field(ge=0.0, le=2_592_000.0)] | None = None
    """Alarm when the camera is live and has seen no face for so long; 0 = off."""
    clock_off_alarm: Annotated[float, Field(ge=0.0, le=86_400.0)] | None = None
    """Alarm when the camera's clock is further off; 0 = off."""

    def values(self) -> dict[str, OwnValue]:
        """Those that are set, by name."""
        return self.model_dump(exclude_none=True)


class Sections(Protocol):
    """The sections that a camera's own settings change: those of ``Settings``."""

    @property
    def source(self) -> SourceSettings: ...  # noqa: D102

    @property
    def detector(self) -> DetectorSettings: ...  # noqa: D102

    @property
    def tracks(self) -> TracksSettings: ...  # noqa: D102

    @property
    def capture(self) -> CaptureSettings: ...  # noqa: D102

    @property
    def health(self) -> HealthSettings: ...  # noqa: D102


def changes_of(sections: Sections, values: Mapping[str, OwnValue]) -> dict[str, dict[str, OwnValue]]:
    """What the values change, by section and key. Pure.

    Two go further than their own key: a threshold of the motion gate switches the gate on, 0 switches it off; and where
    faces must be larger to be found, none smaller need be found under overload.
    """
    changes: dict[str, dict[str, OwnValue]] = {}
    for name, value in values.items():
        section, key = OWN_KEYS[name]
        changes.setdefault(section, {})[key] = value
    if "imotion_threshold" in values:
        changes["detector"]["motion_gate"] = float(values["imotion_threshold"]) > 0.0
    least_px, overload_px = values.get("min_face_px"), sections.detector.min_face_px_overload
    if least_px is not None and overload_px is not None and overload_px < float(least_px):
        changes["detector"]["min_face_px_overload"] = least_px
    return changes


def disagreement(sections: Sections, values: Mapping[str, OwnValue]) -> ConfigurationError | None:
    """Why the values, each of which is right for itself, do not go together with the rest; None when they do. Pure."""
    for name, changed in changes_of(sections, values).items():
        section: Section = getattr(sections, name)
        try:
            type(section).model_validate(section.model_dump() | changed)
        except ValidationError as error:
            return _told(name, error)
    return None


def culprit(sections: Sections, values: Mapping[str, OwnValue], among: Iterable[str]) -> str | None:
    """The last of the names in ``among`` without which the values agree; None when it takes more than one. Pure."""
    for name in reversed(tuple(among)):
        rest = {other: value for other, value in values.items() if other != name}
        if disagreement(sections, rest) is None:
            return name
    return None


def _told(section: str, error: ValidationError) -> ConfigurationError:
    """The first problem as the section tells it; its values have been checked one by one, so they are in range."""
    details = error.errors(include_url=False)[0]
    if details["type"] != CONFIGURATION_ERROR:
        return ConfigurationError("%(key)s cannot have this value", key=dotted((section, *details["loc"])))
    context: Mapping[str, Any] = details["ctx"]
    told: ConfigurationError = context["problem"](dotted((section, *details["loc"], *context["path"])))
    return told
