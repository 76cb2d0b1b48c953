"""What FindFace lets people set for an external detector (``external_detector_settings``), as settings of a camera.

Size, quality and region. FindFace leaves a camera that nobody set anything for with zeros and an empty region, so these
mean "not set" here: the camera's group, or all cameras, then say what counts. The region is a free object of which
nothing is written down anywhere: the plausible spellings are read, nothing is guessed. Pure.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vigia.domain.camera import CameraOverride, OverrideOrigin
from vigia.domain.errors import DomainError
from vigia.domain.picture_region import PictureRegion

SIZE_UNLIMITED = 8192
"""FindFace's own greatest size: no limit."""
SHOWN_MAX = 60
"""Characters of a value that are repeated to a person."""
_CORNERS = (("left", "top", "right", "bottom"), ("x1", "y1", "x2", "y2"), ("xmin", "ymin", "xmax", "ymax"))
_SIZES = (("x", "y", "width", "height"), ("x", "y", "w", "h"), ("left", "top", "width", "height"))


@dataclass(frozen=True, slots=True)
class RefusedSetting:
    """A setting of FindFace's that cannot be used."""

    name: str
    shown: str
    """Its value, as it may stand in one line of text."""


def external_overrides(settings: Mapping[str, Any]) -> tuple[tuple[CameraOverride, ...], tuple[RefusedSetting, ...]]:
    """What was set, and what of it cannot be used. Ranges that are only vigia's own are not looked at.

    Args:
        settings: a camera's ``external_detector_settings``.
    """
    found: list[CameraOverride] = []
    refused: list[RefusedSetting] = []
    for name, read in _READERS.items():
        given = settings.get(name)
        if given is None:
            continue
        try:
            value = read(given)
        except (ValueError, OverflowError, DomainError):
            refused.append(RefusedSetting(name, _shown(given)))
            continue
        if value is not None:
            found.append(CameraOverride(name, value, OverrideOrigin.FINDFACE))
    return tuple(found), tuple(refused)


def _min_size(given: object) -> float | None:
    size_px = _number(given)
    if size_px < 0.0:
        raise ValueError(given)
    return size_px or None


def _max_size(given: object) -> float | None:
    size_px = _min_size(given)
    return None if size_px == SIZE_UNLIMITED else size_px


def _min_quality(given: object) -> float | None:
    """On vigia's scale, which is from 0 to 1: it was set for vigia, nobody else reads it."""
    quality = _number(given)
    if not 0.0 <= quality <= 1.0:
        raise ValueError(given)
    return quality or None


def _region(given: object) -> str | None:
    """As ``WxH+X+Y``, in pixels."""
    if isinstance(given, str):
        return str(PictureRegion.parse(given)) if given.strip() else None
    if not given and isinstance(given, Sequence | Mapping):
        return None
    if isinstance(given, Sequence):
        return _of_corners(*_four(given))
    if isinstance(given, Mapping):
        by_name = {str(key).lower(): value for key, value in given.items()}
        for names in _CORNERS:
            if set(names) <= by_name.keys():
                return _of_corners(*_four([by_name[name] for name in names]))
        for names in _SIZES:
            if set(names) <= by_name.keys():
                left, top, width, height = _four([by_name[name] for name in names])
                return _of_corners(left, top, left + width, top + height)
    raise ValueError(given)


def _four(numbers: Sequence[object]) -> Iterator[float]:
    if len(numbers) != 4:
        raise ValueError(numbers)
    return (_number(number) for number in numbers)


def _of_corners(left: float, top: float, right: float, bottom: float) -> str | None:
    if not (left or top or right or bottom):
        return None
    if max(right, bottom) <= 1.0:  # shares of the picture, it seems: as pixels there would be nothing in it
        raise ValueError((left, top, right, bottom))
    left_px, top_px = math.floor(left), math.floor(top)
    width, height = math.ceil(right) - left_px, math.ceil(bottom) - top_px
    return str(PictureRegion.parse(f"{width}x{height}+{left_px}+{top_px}"))


def _number(given: object) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float) or not math.isfinite(given):
        raise ValueError(given)
    return float(given)


def _shown(given: object) -> str:
    text = "".join(c if c.isprintable() else "?" for c in repr(given))
    return text if len(text) <= SHOWN_MAX else text[: SHOWN_MAX - 1] + "…"


_READERS: Mapping[str, Callable[[object], float | str | None]] = {
    "filter_min_size": _min_size,
    "filter_max_size": _max_size,
    "filter_min_quality": _min_quality,
    "roi": _region,
}
