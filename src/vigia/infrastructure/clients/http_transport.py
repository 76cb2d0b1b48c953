"""One HTTP exchange as the FindFace clients see it: request, response, time-outs, trust, and what can go wrong.

Holds no library: the adapters are ``requests_transport.py`` and ``httpx_transport.py``. Neither follows redirects (the
body of a POST would be lost), keeps cookies (a session cookie makes Django ask for a CSRF token), or takes proxies,
certificates and passwords from the environment: what happens depends on vigia's own settings only.

What leaves a transport; ``findface_errors.py`` turns it into the application's errors:

VigiaError
└── TransportFault
    ├── RequestNotSent      before sending: no byte of the request left
    ├── RequestIncomplete   while sending: its last byte never left, so nobody can have read all of it
    └── ResponseLost        after sending: the request may have arrived, its answer did not

After the first two, trying again cannot double anything. The evidence for the second: a picture's form ends with its
closing boundary, and the operating system did not take the end of it. A server that answers before it has read
everything (413, say) is heard: that is an answer, marked ``early``.
"""

import math
import ssl
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol
from urllib.parse import urlencode

from vigia.application.errors import ConfigurationError
from vigia.application.ports import Clock
from vigia.domain.camera import redact_url
from vigia.domain.errors import VigiaError

RESPONSE_BYTES_MAX = 32 * 1024 * 1024
"""A list of a thousand cameras is about 2 MB; what is larger than this is no answer."""
_DETAIL_CHARS_MAX = 200


class TransportFault(VigiaError):
    """An exchange that ended without an answer. Its text holds no secret; the library's error is chained."""


class RequestNotSent(TransportFault):
    """No byte of the request left this machine."""


class RequestIncomplete(TransportFault):
    """The request broke off: at least its last byte never left this machine."""


class ResponseLost(TransportFault):
    """The whole request left, and no complete answer came."""


@dataclass(frozen=True, slots=True)
class HttpTimeouts:
    """How long each phase of an exchange may take, seconds, each finite and above 0."""

    connect_s: float = 5.0
    read_s: float = 45.0
    """Between two pieces of the answer. FindFace itself waits up to 35 s for its recognition: with less than 40 s
    here, an answer that is merely slow becomes an ambiguous delivery."""
    write_s: float = 20.0
    pool_s: float = 10.0
    """For a connection of the pool to be free."""
    total_s: float = 60.0
    """For the whole answer: a server that sends one byte now and then does not hold a sender for ever."""

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value: float = getattr(self, name)
            if not math.isfinite(value) or value <= 0.0:
                raise ConfigurationError(
                    "time-out %(name)s must be a number of seconds above 0, not %(value)s", name=name, value=value
                )


@dataclass(frozen=True, slots=True)
class TlsPolicy:
    """Whose certificates are believed. By default those of the public authorities (certifi)."""

    ca_file: Path | None = None
    """PEM file with the authority (or the self-signed certificate) to believe, instead of the public ones."""
    insecure_skip_verify: bool = False
    """Dangerous: believe anybody. Only for a first look at a server whose certificate is not at hand yet."""

    def __post_init__(self) -> None:
        if self.ca_file is None:
            return
        try:
            ssl.create_default_context(cafile=str(self.ca_file))
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError: no certificate inside
            raise ConfigurationError(
                "the CA file %(path)s cannot be used: %(detail)s", path=self.ca_file, detail=describe(error)
            ) from error


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request. Headers and body hold secrets, so neither is in its ``repr``."""

    method: str
    path: str
    """Begins with a slash, follows the base URL."""
    params: tuple[tuple[str, str], ...] = ()
    """Query pairs in order; a key may be repeated."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)

    def with_headers(self, headers: Mapping[str, str]) -> "HttpRequest":
        """The same request, body shared, with more headers."""
        return replace(self, headers={**self.headers, **headers})

    def url(self, base_url: str) -> str:
        """The whole address under ``base_url``, which has no trailing slash."""
        query = f"?{urlencode(self.params)}" if self.params else ""
        return f"{base_url}{self.path}{query}"


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """One complete answer."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Names in lower case."""
    body: bytes = field(default=b"", repr=False)
    early: bool = False
    """It came although the request did not leave whole."""


@dataclass(frozen=True, slots=True)
class PoolStats:
    """A pool of connections at one moment."""

    connections_max: int
    in_use: int = 0
    idle: int = 0
    waiting: int = 0
    """Requests that wait for a connection."""


class HttpTransport(Protocol):
    """Exchanges one request for one answer. Any thread."""

    @property
    def name(self) -> str:
        """The library, for the log."""
        ...

    def request(self, request: HttpRequest) -> HttpResponse:
        """Send and wait for the complete answer, whatever its status; redirects are answers too.

        Raises:
            RequestNotSent, RequestIncomplete, ResponseLost.
        """
        ...

    def close(self) -> None:
        """Refuse new requests, let running ones end for a moment, close connections. Idempotent."""
        ...


def collect_body(chunks: Iterable[bytes], *, deadline_mono_s: float, clock: Clock) -> bytes:
    """Join an answer's pieces, within RESPONSE_BYTES_MAX and the deadline.

    Raises:
        ResponseLost: too large or too slow.
    """
    pieces: list[bytes] = []
    size = 0
    for chunk in chunks:
        pieces.append(chunk)
        size += len(chunk)
        if size > RESPONSE_BYTES_MAX:
            raise ResponseLost("the answer is larger than %(limit)d bytes", limit=RESPONSE_BYTES_MAX)
        if clock.mono_s() > deadline_mono_s:
            raise ResponseLost("the answer came too slowly")
    return b"".join(pieces)


def clean_text(text: str, *, secrets: Sequence[str] = ()) -> str:
    """Foreign words as one short line: without the secrets given, credentials in URLs and control characters."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    text = redact_url(" ".join("".join(c if c.isprintable() else " " for c in text).split()))
    return text if len(text) <= _DETAIL_CHARS_MAX else text[:_DETAIL_CHARS_MAX] + "…"


def describe(error: BaseException) -> str:
    """A library's error as one short line."""
    text = clean_text(str(error))
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
