"""A camera: a source of frames with an id, a name, a URL and a FindFace token.

Credentials never appear in a camera's ``repr``; use :func:`redact_url` for every URL that a person or a file may see.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from re import compile as re_compile
from typing import NewType

CameraId = NewType("CameraId", str)
"""Unique within one vigia. Cameras from FindFace use their primary key as text, cameras from YAML their ``id``."""

_USERINFO = re_compile(r"(?P<scheme>[a-zA-Z][a-zA-Z0-9+.-]{0,30}://)[^/?#\s]*@")
_QUERY_SECRET = re_compile(r"(?i)(?P<key>[?&;](?:[a-z_-]*(?:pass|pwd|token|secret|auth|key)[a-z_-]*)=)[^&#;\s]+")


def redact_url(url: str) -> str:
    """Return ``url`` with its user info and secret query values replaced by ``***``.

    Also safe on a longer text that holds URLs, such as a library's exception message.

    >>> redact_url("rtsp://admin:s3cret@10.0.0.5/stream?channel=1")
    'rtsp://***@10.0.0.5/stream?channel=1'
    """
    return _QUERY_SECRET.sub(r"\g<key>***", _USERINFO.sub(r"\g<scheme>***@", url))


class OverrideOrigin(StrEnum):
    """Who says what a setting of one camera is, the weakest first."""

    GROUP = "group"
    """The camera's group in the configuration file."""
    FINDFACE = "findface"
    """``external_detector_settings`` in FindFace."""
    CAMERA = "camera"
    """The camera itself in the configuration file."""


@dataclass(frozen=True, slots=True)
class CameraOverride:
    """A setting that one camera has of its own."""

    name: str
    """FindFace's, such as ``filter_min_size``; vigia's own where FindFace has none."""
    value: bool | int | float | str
    origin: OverrideOrigin


@dataclass(frozen=True, slots=True)
class Camera:
    """One camera as its list (FindFace or YAML) describes it. Immutable: a changed camera is a new object."""

    id: CameraId
    name: str
    url: str = field(repr=False)
    findface_id: int | None = None
    """Primary key in FindFace, posted as ``camera``; ``None`` when events cannot be sent for it."""
    token: str = field(default="", repr=False)
    """The camera's own ``external_detector_token``."""
    group: str = ""
    active: bool = True
    """False: it is in the list, and not watched."""
    overrides: tuple[CameraOverride, ...] = ()
    """What differs from the settings of all cameras; of one name the last counts. Checked by whoever made the list."""

    @property
    def url_redacted(self) -> str:
        """The URL as it may be shown."""
        return redact_url(self.url)
