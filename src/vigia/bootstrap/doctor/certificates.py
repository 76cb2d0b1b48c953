"""How long certificates are good: FindFace's, and the web server's own."""

import socket
import ssl
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509

from vigia.application.diagnosis import Finding
from vigia.application.ports import Clock
from vigia.bootstrap.doctor import kinds_sites as kinds
from vigia.infrastructure.clients.findface_access import FindfaceAccess

SOON = timedelta(days=30)
"""Time enough for whoever renews it by hand."""
LOOK_S = 5.0


def judge_peer(access: FindfaceAccess, clock: Clock) -> Iterator[Finding]:
    """Whether the certificate of a FindFace that was just reached expires soon; nothing where it does not tell."""
    parts = urlsplit(access.url)
    if parts.scheme != "https" or not parts.hostname:
        return
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # nothing is sent; the log-in has checked it
    try:
        with (
            socket.create_connection((parts.hostname, parts.port or 443), LOOK_S) as plain,
            context.wrap_socket(plain, server_hostname=parts.hostname) as wrapped,
        ):
            sent = wrapped.getpeercert(binary_form=True)
        until = x509.load_der_x509_certificate(sent or b"").not_valid_after_utc
    except (OSError, ValueError):
        return
    now = clock.utc()
    if until - now < SOON:
        yield kinds.FINDFACE_CERT_EXPIRING.of(date=_day(until), days=max(0, (until - now).days))


def judge_own(file: Path, *, now_utc: datetime) -> Finding:
    """Whether the web server's certificate, the first of its chain, is good now and for a while.

    Raises:
        OSError, ValueError: the file cannot be read, or holds none.
    """
    certificate = x509.load_pem_x509_certificate(file.read_bytes())
    begin, until = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if not begin <= now_utc < until:
        return kinds.WEB_CERT_EXPIRED.of(file=file, begin=_day(begin), date=_day(until))
    if until - now_utc < SOON:
        return kinds.WEB_CERT_EXPIRING.of(file=file, date=_day(until), days=(until - now_utc).days)
    return kinds.WEB_CERT.of(date=_day(until))


def _day(moment: datetime) -> str:
    return moment.date().isoformat()
