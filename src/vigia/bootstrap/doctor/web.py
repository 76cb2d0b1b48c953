"""The web server: what it would listen on, with which certificate, and who may log in."""

import errno
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress

from vigia.application.diagnosis import Finding
from vigia.application.errors import ConfigurationError
from vigia.bootstrap.doctor import kinds_sites as kinds
from vigia.bootstrap.doctor.certificates import judge_own
from vigia.bootstrap.doctor.patient import Patient
from vigia.bootstrap.web_entry import check_web
from vigia.infrastructure.config import Settings

OTHERS = 0o077
ABSENT = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
"""An address of the name that this machine lacks: the server does without it, as long as there is another."""


def look_at_web(patient: Patient) -> list[Finding]:
    """Whether pages could be served, and only to whom they should."""
    settings = patient.settings
    web = settings.web
    if not web.enabled:
        return [kinds.WEB_OFF.of()]
    try:
        check_web(settings)
    except ConfigurationError as error:
        return [kinds.WEB_UNUSABLE.of(why=error)]
    found = [kinds.WEB_EXPOSED.of(host=web.host)] if web.exposed else []
    if patient.running is None:
        found += _listening(web.host, web.port)
    if not found:
        kind = kinds.WEB_LOCAL if web.is_local else kinds.WEB_READY
        found = [kind.of(scheme="HTTPS" if web.tls else "HTTP", host=web.host, port=web.port or "*")]
    if web.tls_cert is not None:
        with suppress(OSError, ValueError):  # check_web has read it a moment ago
            found.append(judge_own(web.tls_cert, now_utc=patient.clock.utc()))
    return [*found, *_users(settings)]


def _listening(host: str, port: int) -> Iterator[Finding]:
    """Whether the port is free; nothing where it is."""
    try:
        _listen(host, port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            yield kinds.WEB_PORT_TAKEN.of(host=host, port=port)
        else:
            yield kinds.WEB_CANNOT_LISTEN.of(host=host, port=port, why=error.strerror or type(error).__name__)


def _listen(host: str, port: int) -> None:
    """Listen for a moment at every address of the name, as the server would. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    absent: list[OSError] = []
    addresses = dict.fromkeys(found)
    with ExitStack() as opened:
        for family, kind, protocol, _, address in addresses:
            try:
                listener = opened.enter_context(socket.socket(family, kind, protocol))
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind(address)
                listener.listen(1)
            except OSError as error:
                if error.errno not in ABSENT:
                    raise
                absent.append(error)
    if len(absent) == len(addresses):
        raise absent[0]


def _users(settings: Settings) -> Iterator[Finding]:
    """Who may read the hashes; no file yet is no complaint: the first start makes it."""
    file = settings.web_users_file
    with suppress(OSError):
        mode = file.stat().st_mode & 0o777
        if mode & OTHERS:
            yield kinds.WEB_USERS_READABLE.of(file=file, mode=f"{mode:04o}")
