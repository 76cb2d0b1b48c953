"""How a camera's URL is opened: what kind of source it is, with which limits, and what FFmpeg is told for it."""

import re
from dataclasses import dataclass
from enum import StrEnum

WEBCAM = re.compile(r"^(?:webcam:(?P<number>\d+)|(?P<device>/dev/video\d+))$")
SCHEME = re.compile(r"^(?P<scheme>[a-zA-Z][a-zA-Z0-9+.-]*):/")
RTSP = ("rtsp://", "rtsps://")
PROBE_S = 5.0
"""Of a stream that does not say how large its pictures are before its next key frame, so much is read before it is
taken as it is: the decoder will find out.
"""
PROBE_SHARE = 0.7
"""And at most so much of the time that opening may take: what takes longer than that has not sent anything."""
SOCKET_SLACK_S = 2.0
"""A socket's own limit comes after PyAV's, which tells opening from reading."""
LIVE_RATE_PICTURES = 5
"""So many pictures of a live stream are read to guess its frame rate; FFmpeg's 20 would cost a slow camera seconds."""


class SourceKind(StrEnum):
    """How a URL is opened."""

    NETWORK = "network"
    WEBCAM = "webcam"
    FILE = "file"


class Pace(StrEnum):
    """How fast a file is read."""

    TIMESTAMPS = "timestamps"
    """As a camera would deliver it."""
    FLAT_OUT = "none"
    """As fast as its packets are taken."""


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """How sources are opened and read. Times in seconds."""

    open_timeout_s: float = 10.0
    first_frame_timeout_s: float = 10.0
    """Open, but no picture: given up after this; where nothing comes at all, after ``read_timeout_s``."""
    read_timeout_s: float = 10.0
    """No picture for so long, although there were some: whatever else comes, sound say."""
    rtsp_transport: str = "tcp"
    tls_verify: bool = False
    """Refuse a camera whose certificate no known authority has signed. Most cameras sign their own."""
    tls_ca_file: str = ""
    """The authorities to know, PEM; empty: the system's."""
    loop: bool = False
    """Files only: start over at the end, for ever."""
    pace: Pace = Pace.TIMESTAMPS
    """Files only."""


@dataclass(frozen=True, slots=True)
class OpenArguments:
    """What FFmpeg is given."""

    url: str
    container_format: str | None
    options: dict[str, str]


def source_kind(url: str) -> SourceKind:
    """Tell from its URL how a source is opened."""
    if WEBCAM.match(url):
        return SourceKind.WEBCAM
    scheme = SCHEME.match(url)
    if scheme is None or scheme["scheme"].lower() == "file":
        return SourceKind.FILE
    return SourceKind.NETWORK


def open_arguments(url: str, options: SourceOptions) -> OpenArguments:
    """URL, container format and FFmpeg's options; of the options, those that a format does not know do nothing."""
    webcam = WEBCAM.match(url)
    if webcam is not None:
        return OpenArguments(webcam["device"] or f"/dev/video{webcam['number']}", "v4l2", {})
    if source_kind(url) is SourceKind.FILE:
        return OpenArguments(url, None, {})
    chosen = {
        "fpsprobesize": str(LIVE_RATE_PICTURES),
        "analyzeduration": str(int(min(PROBE_S, PROBE_SHARE * options.open_timeout_s) * 1e6)),
        "tls_verify": "1" if options.tls_verify else "0",
        # MPEG-TS: a program that moves to another PID goes on as the same stream, instead of as one nobody reads.
        "merge_pmt_versions": "1",
    }
    if options.tls_ca_file:
        chosen["ca_file"] = options.tls_ca_file
    if url.lower().startswith(RTSP):
        timeout_s = max(options.open_timeout_s, options.read_timeout_s) + SOCKET_SLACK_S
        chosen |= {
            "rtsp_transport": options.rtsp_transport,
            "allowed_media_types": "video",
            "timeout": str(int(timeout_s * 1e6)),
        }
    return OpenArguments(url, None, chosen)
