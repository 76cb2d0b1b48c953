"""What FFmpeg says when a source fails, in the application's words and without the URL's password."""

import errno
import socket
import ssl
from urllib.parse import urlsplit

import av

from vigia.application.errors import SourceAuthFailed, SourceError, SourceUnreachable
from vigia.domain.camera import Camera, redact_url
from vigia.infrastructure.video.source_options import SourceKind, SourceOptions, source_kind

NATIVE_ERRORS = (av.error.FFmpegError, OSError, ValueError)
"""What PyAV raises of its own."""
TIMED_OUT = (av.error.TimeoutError, av.error.ExitError)
"""A socket's limit, and PyAV's own."""
NO_WAY = frozenset({errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN})
VAGUE = frozenset({errno.EIO, errno.EINVAL})
"""FFmpeg says "Input/output error" for many things: an unknown name and a rejected certificate are two of them."""
TLS_PORTS = {"rtsps": 322, "https": 443}
TLS_LOOK_S = 3.0
LATE_SHARE = 0.95
"""Of the limit: who fails after so much of it has run into it."""


def open_failure(error: Exception, camera: Camera, options: SourceOptions, *, passed_s: float) -> SourceError:
    """What to raise for an error of opening. May ask the resolver, so it is a call that may take long.

    ``passed_s``: how long opening took. Of a camera that is silent after the connection FFmpeg says at the limit that
    its data are invalid.
    """
    url = camera.url_redacted
    refusal = _refusal(error, url)
    if refusal is not None:
        return refusal
    is_late = passed_s >= LATE_SHARE * options.open_timeout_s
    if isinstance(error, TIMED_OUT) or (is_late and _is_vague(error)):
        return SourceUnreachable("%(url)s did not answer within %(limit).0f s", url=url, limit=options.open_timeout_s)
    if source_kind(camera.url) is SourceKind.NETWORK:
        failure = _network_failure(error, camera, options)
        if failure is not None:
            return failure
    return SourceUnreachable("%(url)s cannot be opened: %(why)s", url=url, why=reason(error))


def _is_vague(error: Exception) -> bool:
    return isinstance(error, av.error.InvalidDataError) or getattr(error, "errno", None) == errno.EIO


def _refusal(error: Exception, url: str) -> SourceError | None:
    """The camera answered, and said no."""
    if isinstance(error, av.error.HTTPUnauthorizedError):
        return SourceAuthFailed("%(url)s refused the user or password", url=url)
    if isinstance(error, av.error.HTTPForbiddenError):
        return SourceAuthFailed("%(url)s forbids this user to look (403)", url=url)
    if isinstance(error, av.error.HTTPNotFoundError):
        return SourceUnreachable("%(url)s: the camera answers, but knows no such path (404)", url=url)
    if isinstance(error, av.error.HTTPServerError):
        return SourceUnreachable("%(url)s: the camera has a fault, or too many viewers (5xx)", url=url)
    return None


def reason(error: BaseException) -> str:
    """What FFmpeg said, without the URL that its full text carries."""
    text = getattr(error, "strerror", None) or type(error).__name__
    return redact_url(str(text))


def without_url(error: BaseException) -> BaseException:
    """The cause to chain: FFmpeg's exceptions name the URL with its password, so a clean twin takes their place."""
    return OSError(f"{type(error).__name__}: {reason(error)}")


def _network_failure(error: Exception, camera: Camera, options: SourceOptions) -> SourceError | None:
    url, code = camera.url_redacted, getattr(error, "errno", None)
    if isinstance(error, av.error.ConnectionRefusedError) or code == errno.ECONNREFUSED:
        return SourceUnreachable("%(url)s: nothing listens at that address and port (connection refused)", url=url)
    if code in NO_WAY:
        return SourceUnreachable("%(url)s: there is no way to that address (%(why)s)", url=url, why=reason(error))
    return _vague_failure(camera, options) if code in VAGUE else None


def _vague_failure(camera: Camera, options: SourceOptions) -> SourceError | None:
    url = camera.url_redacted
    try:
        address = urlsplit(camera.url)
        host, port = address.hostname or "", address.port or TLS_PORTS.get(address.scheme, 0)
    except ValueError:
        return None
    if host and not _is_known(host):
        return SourceUnreachable("%(url)s: the name %(host)s is not known to this network", url=url, host=host)
    return _tls_failure(camera, host, port, options) if address.scheme in TLS_PORTS else None


def _tls_failure(camera: Camera, host: str, port: int, options: SourceOptions) -> SourceError | None:
    """Shake hands once more, to say what was wrong with it."""
    url = camera.url_redacted
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = options.tls_verify
    context.verify_mode = ssl.CERT_REQUIRED if options.tls_verify else ssl.CERT_NONE
    try:
        if options.tls_ca_file:
            context.load_verify_locations(options.tls_ca_file)
        elif options.tls_verify:
            context.load_default_certs()
        with socket.create_connection((host, port), TLS_LOOK_S) as plain:
            context.wrap_socket(plain, server_hostname=host).close()
    except ssl.SSLCertVerificationError as error:
        return SourceUnreachable(
            "%(url)s: the camera's certificate is not accepted: %(why)s", url=url, why=error.verify_message
        )
    except ssl.SSLError as error:
        return SourceUnreachable("%(url)s: it does not speak TLS there (%(why)s)", url=url, why=error.reason or "TLS")
    except FileNotFoundError:
        return SourceUnreachable("%(url)s: there is no file %(file)s of authorities", url=url, file=options.tls_ca_file)
    except OSError:
        pass
    return None


def _is_known(host: str) -> bool:
    try:
        socket.getaddrinfo(host, None)
    except socket.gaierror:
        return False
    except (OSError, UnicodeError):
        pass  # something else is wrong: it is not for the name to be blamed
    return True
