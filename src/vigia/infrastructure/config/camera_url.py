"""Which URLs a camera may have. Never repeats a URL in an error: one that is typed wrongly may show its password."""

from difflib import get_close_matches
from pathlib import Path
from re import compile as re_compile
from urllib.parse import urlsplit

from pydantic_core import PydanticCustomError

from vigia.application.errors import ConfigurationError
from vigia.infrastructure.config.section import invalid

CAMERA_URL_SCHEMES = ("rtsp", "rtsps", "http", "https", "rtmp", "rtmps", "rtp", "srt", "tcp", "udp", "file")
"""Network and file protocols of FFmpeg that carry video; its tricks (``concat``, ``subfile`` …) are left out."""

_SCHEME = re_compile(r"(?P<scheme>[a-zA-Z][a-zA-Z0-9+.-]*):(?P<slashes>/{0,2})")
_WEBCAM = re_compile(r"webcam:(?P<number>.*)")
_DEVICE = re_compile(r"/dev/video(?P<number>[^/]*)")


def check_camera_url(url: str) -> str:
    """Return ``url`` without surrounding blanks.

    Raises:
        PydanticCustomError: it is neither a known URL nor a device nor a path.
    """
    url = url.strip()
    if not url or not url.isprintable():
        raise invalid(lambda key: ConfigurationError("%(key)s is empty or holds unprintable characters", key=key))
    device = _WEBCAM.fullmatch(url) or _DEVICE.fullmatch(url)
    if device is not None:
        if not (device["number"].isascii() and device["number"].isdigit()):
            raise invalid(
                lambda key: ConfigurationError("%(key)s: a webcam is written webcam:0 or /dev/video0", key=key)
            )
        return url
    match = _SCHEME.match(url)
    if match is not None:
        _check_scheme(url, match["scheme"], slashes=len(match["slashes"]))
    return _expanded(url) if url.startswith("~") else url


def _expanded(path: str) -> str:
    try:
        return str(Path(path).expanduser())
    except RuntimeError:  # no such user: the source will not find the file and say so
        return path


def _check_scheme(url: str, scheme: str, *, slashes: int) -> None:
    known = scheme.lower() in CAMERA_URL_SCHEMES
    if slashes < 2:
        if known:
            raise invalid(
                lambda key: ConfigurationError("%(key)s must begin with %(scheme)s://", key=key, scheme=scheme)
            )
        return  # a path with a colon in it
    if not known:
        raise _unknown_scheme(scheme)
    if scheme.lower() == "file":
        return
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        # The text of this error may hold a part of the password: it is not chained.
        usable = False
    if not usable:
        raise invalid(
            lambda key: ConfigurationError(
                "%(key)s has no usable host and port; characters such as @ : / # ? in a user name or password are "
                "written in percent code (%%40 for @)",
                key=key,
            )
        )


def _unknown_scheme(scheme: str) -> PydanticCustomError:
    nearest = get_close_matches(scheme.lower(), CAMERA_URL_SCHEMES, n=1)
    if nearest:
        return invalid(
            lambda key: ConfigurationError(
                "%(key)s: unknown protocol %(scheme)s; did you mean %(nearest)s?",
                key=key,
                scheme=scheme,
                nearest=nearest[0],
            )
        )
    return invalid(
        lambda key: ConfigurationError(
            "%(key)s: unknown protocol %(scheme)s; known are %(schemes)s, a file's path, /dev/video0 and webcam:0",
            key=key,
            scheme=scheme,
            schemes=", ".join(CAMERA_URL_SCHEMES),
        )
    )
