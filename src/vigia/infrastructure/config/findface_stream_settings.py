"""Takes over what was set for a camera in FindFace: from its ``stream_settings`` to vigia's own keys.

Read are a camera as ``/cameras/`` returns it, its ``stream_settings`` (or the older ``stream_settings_gpu``), its
``external_detector_settings``, or a video-worker's block for faces. Every key that is there comes out again: taken
over, left aside with the reason, or unknown. Nothing is guessed: where a scale or a unit differs, a person decides.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic import ValidationError

from vigia.application.errors import ConfigurationError
from vigia.infrastructure.config.layer import NOWHERE, shown
from vigia.infrastructure.config.loading import settings_keys
from vigia.infrastructure.config.problems import combined, problems_of
from vigia.infrastructure.config.settings import Settings
from vigia.infrastructure.config.yaml_layer import parse_yaml


class Why(StrEnum):
    """Why a setting was not taken over, or what to know about one that was."""

    OTHER_SCALE = "other_scale"
    """A quality on FindFace's scale."""
    OLD_SCALE = "old_scale"
    """A quality on its scale before 2020, where 0 was the best."""
    FRAMES = "frames"
    """In frames, and nobody said how many there are in a second."""
    EVERYWHERE = "everywhere"
    """Taken over, but for all cameras: what FindFace has for this one."""
    OWN_TRACKER = "own_tracker"
    POSTED_PICTURE = "posted_picture"
    ALWAYS_JPEG = "always_jpeg"
    OWN_CLOCK = "own_clock"
    OWN_DELIVERY = "own_delivery"
    CERTIFICATES = "certificates"
    OWN_DECODER = "own_decoder"
    FACES_ONLY = "faces_only"
    NOT_OFFERED = "not_offered"
    FREE_FORM = "free_form"
    """An external detector's region, whose form FindFace leaves open."""
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class ImportedSetting:
    """One setting of FindFace and what became of it."""

    name: str
    """FindFace's."""
    given: object
    """Its value there."""
    key: tuple[str, ...] = ()
    """vigia's; empty when it was not taken over."""
    value: bool | int | float | str | None = None
    """vigia's."""
    why: Why | None = None


_Taken = tuple[tuple[str, ...], Callable[[str, object], bool | int | float | str], Why | None]


def _number(name: str, value: object) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigurationError("FindFace's %(name)s must be a number, not %(value)s", name=name, value=shown(value))
    return value


def _truth(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise ConfigurationError(
            "FindFace's %(name)s must be true or false, not %(value)s", name=name, value=shown(value)
        )
    return value


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise ConfigurationError("FindFace's %(name)s must be text, not %(value)s", name=name, value=shown(value))
    return value


def _largest(name: str, value: object) -> int | float:
    """0 switches the limit off there; here the largest size does."""
    return _number(name, value) or 8192


_TAKEN: Mapping[str, _Taken] = {
    "filter_min_size": (("tracks", "filter_min_size"), _number, None),
    "filter_min_face_size": (("tracks", "filter_min_size"), _number, None),
    "filter_max_size": (("tracks", "filter_max_size"), _largest, None),
    "filter_max_face_size": (("tracks", "filter_max_size"), _largest, None),
    "roi": (("tracks", "roi"), _text, None),
    "rot": (("tracks", "rot"), _text, None),
    "overall_only": (("tracks", "overall_only"), _truth, None),
    "realtime_post_interval": (("tracks", "realtime_post_interval_s"), _number, None),
    "realtime_post_first_immediately": (("tracks", "realtime_post_first_immediately"), _truth, None),
    "realtime_post_every_interval": (("tracks", "realtime_post_every_interval"), _truth, None),
    "post_best_track_frame": (("tracks", "post_best_track_frame"), _truth, None),
    "post_first_track_frame": (("tracks", "post_first_track_frame"), _truth, None),
    "post_last_track_frame": (("tracks", "post_last_track_frame"), _truth, None),
    "track_miss_interval": (("tracks", "track_miss_interval_s"), _number, None),
    "track_overlap_threshold": (("tracks", "track_overlap_threshold"), _number, None),
    "jpeg_quality": (("capture", "jpeg_quality"), _number, Why.EVERYWHERE),
}
_LEFT: Mapping[str, Why] = {
    "tracker_type": Why.OWN_TRACKER,
    "track_interpolate_bboxes": Why.OWN_TRACKER,
    "track_deep_sort_matching_threshold": Why.OWN_TRACKER,
    "track_deep_sort_filter_unconfirmed_tracks": Why.OWN_TRACKER,
    "fullframe_crop_rot": Why.POSTED_PICTURE,
    "fullframe_use_png": Why.ALWAYS_JPEG,
    "use_stream_timestamp": Why.OWN_CLOCK,
    "start_stream_timestamp": Why.OWN_CLOCK,
    "router_timeout_ms": Why.OWN_DELIVERY,
    "router_url": Why.OWN_DELIVERY,
    "router_headers": Why.OWN_DELIVERY,
    "router_body": Why.OWN_DELIVERY,
    "router_verify_ssl": Why.CERTIFICATES,
    "ffmpeg_format": Why.OWN_DECODER,
    "play_speed": Why.OWN_DECODER,
    "disable_drops": Why.OWN_DECODER,
    "stream_data_filter": Why.OWN_DECODER,
    "video_transform": Why.NOT_OFFERED,
    "enable_recorder": Why.NOT_OFFERED,
    "enable_liveness": Why.NOT_OFFERED,
    "post_best_track_normalize": Why.NOT_OFFERED,
    "track_send_history": Why.NOT_OFFERED,
    "body": Why.FACES_ONLY,
    "car": Why.FACES_ONLY,
}
_BLOCKS = ("stream_settings", "stream_settings_gpu", "external_detector_settings")


def read_camera(text: str) -> Mapping[str, Any]:
    """The one camera, or the one block of settings, in a JSON text.

    Raises:
        ConfigurationError: it is no JSON, no object, or holds several cameras.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", 1)
        raise ConfigurationError("not valid JSON, line %(line)d; a camera as FindFace gives it", line=line) from error
    if isinstance(document, dict) and isinstance(document.get("results"), list):
        document = document["results"]
    if isinstance(document, list):
        if len(document) != 1:
            raise ConfigurationError("%(count)d cameras; give one at a time", count=len(document))
        document = document[0]
    if not isinstance(document, dict):
        raise ConfigurationError("expected one camera as a JSON object, such as FindFace's /cameras/ID/ gives it")
    return document


def import_settings(camera: Mapping[str, Any], *, fps: float | None = None) -> list[ImportedSetting]:
    """Translate what was set for a camera. Pure.

    Args:
        camera: see ``read_camera``.
        fps: the camera's frames a second, for what FindFace counts in frames; None leaves that aside.

    Returns:
        Every setting found, in its order there; of one that stands in two blocks the later counts.

    Raises:
        ConfigurationError: a value is of another kind than FindFace's, or no settings are there.
    """
    found: dict[str, ImportedSetting] = {}
    for name, value in _settings_of(camera):
        for setting in _translated(name, value, fps):
            if setting.why is Why.FREE_FORM and not value and name in found:
                continue  # an empty region says nothing against the one that is there
            found[setting.name] = setting
    if not found:
        raise ConfigurationError("no settings of FindFace are there: expected stream_settings, or a detector's block")
    return list(found.values())


def check_yaml(text: str) -> None:
    """Make sure that vigia takes what came out.

    Raises:
        ConfigurationError: a value is out of vigia's range; names vigia's key.
    """
    layer = parse_yaml(text, lambda _line: NOWHERE)
    try:
        Settings.from_layers([layer])
    except ValidationError as error:
        raise combined(problems_of(error, settings_keys(), [layer])) from error


def _settings_of(camera: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """Every setting with its value: of a whole camera only its blocks of settings, else of the block itself.

    The later block counts: of a camera that FindFace watches itself, not the one for external detectors.
    """
    names = _BLOCKS if camera.get("external_detector", True) else (*_BLOCKS[-1:], *_BLOCKS[:-1])
    blocks = [camera[name] for name in names if isinstance(camera.get(name), dict)]
    for block in blocks or [camera]:
        for name, value in block.items():
            if name == "detectors" and isinstance(value, dict):
                for kind, detector in value.items():
                    if kind != "face":
                        yield kind, detector
                    elif isinstance(detector, dict):
                        yield from detector.items()
            else:
                yield name, value


def _translated(name: str, value: object, fps: float | None) -> Iterator[ImportedSetting]:
    if value is None and name in _LEFT:
        return  # a detector that is not there
    if name in _TAKEN:
        if name == "roi" and isinstance(value, dict):
            yield ImportedSetting(name, value, why=Why.FREE_FORM)
            return
        key, read, why = _TAKEN[name]
        yield ImportedSetting(name, value, key, read(name, value), why)
    elif name in _LEFT:
        yield ImportedSetting(name, value, why=_LEFT[name])
    elif name == "filter_min_quality":
        yield ImportedSetting(name, value, why=Why.OLD_SCALE if _number(name, value) < 0 else Why.OTHER_SCALE)
    elif name == "track_max_duration_frames":
        yield _duration(name, _number(name, value), fps)
    elif name == "imotion_threshold":
        yield from _motion(name, _number(name, value))
    elif name == "ffmpeg_params":
        yield from _parameters(name, value)
    else:
        yield ImportedSetting(name, value, why=Why.UNKNOWN)


def _duration(name: str, frames: float, fps: float | None) -> ImportedSetting:
    if frames and fps is None:
        return ImportedSetting(name, frames, why=Why.FRAMES)
    seconds = round(frames / fps, 3) if fps else 0
    return ImportedSetting(name, frames, ("tracks", "track_max_duration_s"), seconds)


def _motion(name: str, threshold: float) -> Iterator[ImportedSetting]:
    if threshold > 0:
        yield ImportedSetting(name, threshold, ("detector", "imotion_threshold"), threshold, Why.EVERYWHERE)
    else:  # off: every frame is looked at
        yield ImportedSetting(name, threshold, ("detector", "motion_gate"), value=False, why=Why.EVERYWHERE)


def _parameters(name: str, value: object) -> Iterator[ImportedSetting]:
    if not isinstance(value, list):
        raise ConfigurationError("FindFace's %(name)s must be a list, not %(value)s", name=name, value=shown(value))
    for parameter in value:
        option, _, wanted = str(parameter).partition("=")
        if option == "rtsp_transport" and wanted in {"tcp", "udp"}:
            key = ("source", "rtsp_transport")
            yield ImportedSetting(f"{name}: {option}", wanted, key, wanted, Why.EVERYWHERE)
        else:
            yield ImportedSetting(f"{name}: {option}", wanted, why=Why.OWN_DECODER)
