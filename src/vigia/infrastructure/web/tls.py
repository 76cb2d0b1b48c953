"""Whether a certificate can be used, asked before a run begins."""

import ssl
from pathlib import Path

from vigia.application.errors import ConfigurationError


def check_tls(tls: tuple[Path, Path]) -> None:
    """Whether a certificate chain and its key can be used. Raises ConfigurationError."""
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(*tls, password=lambda: b"")
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise ConfigurationError(
            "web.tls_cert %(cert)s and web.tls_key %(key)s cannot be used: %(why)s",
            cert=tls[0],
            key=tls[1],
            why=getattr(error, "strerror", None) or "not a certificate and its key",
        ) from error
