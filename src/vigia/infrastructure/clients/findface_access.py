"""Where FindFace Multi is and who we are there: one value, checked when it is made."""

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from vigia.application.errors import ConfigurationError
from vigia.domain.camera import redact_url
from vigia.infrastructure.clients.http_transport import HttpTimeouts, TlsPolicy

UUID_CHARS_MAX = 256


def normalize_base_url(text: str) -> str:
    """Return the base URL without trailing slashes; a path such as ``/api`` is kept.

    >>> normalize_base_url(" https://findface.example:8443/api/ ")
    'https://findface.example:8443/api'

    Raises:
        ConfigurationError: no ``http://`` or ``https://``, no host, a bad port, a query, or credentials inside.
    """
    url = text.strip()
    shown = redact_url(url)
    if any(c.isspace() or not c.isprintable() for c in url):
        raise ConfigurationError("the FindFace URL must not contain blanks or control characters")
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise ConfigurationError("the FindFace URL %(url)s is not a valid address", url=shown) from error
    if parts.scheme.lower() not in {"http", "https"} or "://" not in url:
        raise ConfigurationError("the FindFace URL %(url)s must begin with http:// or https://", url=shown or "(empty)")
    if "@" in parts.netloc:
        raise ConfigurationError("the FindFace URL must not contain a user or a password: give them separately")
    if not parts.hostname:
        raise ConfigurationError("the FindFace URL %(url)s names no host", url=shown)
    if parts.query or parts.fragment:
        raise ConfigurationError("the FindFace URL %(url)s must end with its path, without ? or #", url=shown)
    return f"{parts.scheme.lower()}://{parts.netloc}{parts.path.rstrip('/')}"


@dataclass(frozen=True, slots=True)
class FindfaceAccess:
    """Address, account and trust.

    Raises:
        ConfigurationError: a part is missing or cannot be used; the text names it and holds no secret.
    """

    url: str
    """Normalised: no trailing slash, may end in ``/api``."""
    user: str
    password: str = field(repr=False)
    uuid: str
    """Names this installation. Keep it stable: each new one adds a device to FindFace's sessions."""
    tls: TlsPolicy = field(default_factory=TlsPolicy)
    timeouts: HttpTimeouts = field(default_factory=HttpTimeouts)

    def __post_init__(self) -> None:
        object.__setattr__(self, "url", normalize_base_url(self.url))
        if not self.user or ":" in self.user:
            raise ConfigurationError("the FindFace user is missing or contains a colon")
        if not self.password:
            raise ConfigurationError("the FindFace password is missing")
        if not self.uuid or len(self.uuid) > UUID_CHARS_MAX:
            raise ConfigurationError("the FindFace uuid must have 1 to %(limit)d characters", limit=UUID_CHARS_MAX)
