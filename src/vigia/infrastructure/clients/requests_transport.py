"""HTTP over ``requests``: one new connection for each call. Simple, and safe from any thread.

The pooled transport is ``httpx_transport.py``; this one is the plain client's, and the fall-back without httpx.
"""

import io
import ssl
import threading
import warnings

import requests
import urllib3.exceptions

from vigia.application.ports import Clock
from vigia.infrastructure.clients.http_transport import (
    HttpRequest,
    HttpResponse,
    HttpTimeouts,
    RequestIncomplete,
    RequestNotSent,
    ResponseLost,
    TlsPolicy,
    TransportFault,
    collect_body,
    describe,
)

_CHUNK_BYTES = 65536
_NEVER_SENT = (
    requests.exceptions.ConnectTimeout,
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
    requests.exceptions.InvalidHeader,
    urllib3.exceptions.NewConnectionError,
    ssl.SSLCertVerificationError,
)
"""What happens before the first byte of a request, since every request opens its own connection."""


class _TracedBody(io.BytesIO):
    """Notes when its end was asked for: then everything before was taken. Owner: the thread of one request."""

    def __init__(self, body: bytes) -> None:
        super().__init__(body)
        self.complete = not body

    def read(self, size: int | None = -1, /) -> bytes:
        """The next piece; empty at the end."""
        piece = super().read(size)
        self.complete = self.complete or not piece
        return piece


class RequestsTransport:
    """One ``requests`` call per request, no state between calls.

    Owner: any thread; holds nothing but settings and the closed flag.
    """

    def __init__(self, base_url: str, *, clock: Clock, timeouts: HttpTimeouts, tls: TlsPolicy) -> None:
        self._base_url = base_url
        self._clock = clock
        self._timeouts = timeouts
        self._verify: bool | str = not tls.insecure_skip_verify
        if self._verify and tls.ca_file is not None:
            self._verify = str(tls.ca_file)
        self._closed = threading.Event()
        if tls.insecure_skip_verify:
            # The client has warned once, in the log; urllib3 would warn at every request, on the console.
            warnings.filterwarnings("ignore", message="Unverified HTTPS request")

    def __repr__(self) -> str:
        return f"<RequestsTransport {self._base_url}>"

    @property
    def name(self) -> str:
        """The library, for the log."""
        return "requests"

    def request(self, request: HttpRequest) -> HttpResponse:
        """See HttpTransport. Raises RequestNotSent, RequestIncomplete, ResponseLost."""
        if self._closed.is_set():
            raise RequestNotSent("the client is closed")
        body = _TracedBody(request.body) if request.body else None
        try:
            return self._exchange(request, body)
        except TransportFault:
            raise  # the answer began: it is too large, or too slow
        except Exception as error:  # whatever a library may raise, the caller must learn whether it was sent
            lost = ResponseLost if body is None or body.complete else RequestIncomplete
            fault = RequestNotSent if _never_sent(error) else lost
            raise fault("%(detail)s", detail=describe(error)) from error

    def close(self) -> None:
        """Refuse new requests; running ones end by themselves, within their time-outs. Idempotent."""
        self._closed.set()

    def _exchange(self, request: HttpRequest, body: _TracedBody | None) -> HttpResponse:
        deadline_mono_s = self._clock.mono_s() + self._timeouts.total_s
        with requests.Session() as session:
            session.trust_env = False  # a ~/.netrc would replace the Authorization header
            with session.request(
                request.method,
                request.url(self._base_url),
                headers={"Accept-Encoding": "identity", **request.headers},
                data=body if body is not None else request.body,
                timeout=(self._timeouts.connect_s, self._timeouts.read_s),
                verify=self._verify,
                allow_redirects=False,
                stream=True,
            ) as response:
                answer = collect_body(
                    response.iter_content(_CHUNK_BYTES), deadline_mono_s=deadline_mono_s, clock=self._clock
                )
                headers = {name.lower(): value for name, value in response.headers.items()}
                early = body is not None and not body.complete
                return HttpResponse(response.status_code, headers, answer, early=early)


def _never_sent(error: BaseException) -> bool:
    """Whether the error, or one that it wraps, belongs to a phase before the request."""
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        if isinstance(link, _NEVER_SENT):
            return True
        seen.add(id(link))
        link = link.__cause__ or link.__context__
    return False
