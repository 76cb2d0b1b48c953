"""The section of the web server: where it listens, who may enter, who may read its figures."""

from ipaddress import ip_address, ip_network
from re import compile as re_compile
from typing import Annotated, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator

from vigia.application.errors import ConfigurationError
from vigia.infrastructure.config.section import Section, UsablePath, invalid

_NAME = re_compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
TOKEN_CHARACTERS_MIN = 16


def _host(host: str) -> str:
    host = host.strip()
    try:
        ip_address(host)
    except ValueError:
        if not _NAME.fullmatch(host):
            raise invalid(
                lambda key: ConfigurationError(
                    "%(key)s must be an address of this machine, such as 127.0.0.1, or 0.0.0.0 for all of them", key=key
                )
            ) from None
    return host


def _names(text: str) -> str:
    names = [name.strip().lower() for name in text.split(",") if name.strip()]
    if not all(_NAME.fullmatch(name) for name in names):
        raise invalid(
            lambda key: ConfigurationError(
                "%(key)s must be host names with commas between, without http:// and without a port", key=key
            )
        )
    return ", ".join(names)


def _networks(text: str) -> str:
    networks = [part.strip() for part in text.split(",") if part.strip()]
    try:
        return ", ".join(str(ip_network(network)) for network in networks)
    except ValueError:
        raise invalid(
            lambda key: ConfigurationError(
                "%(key)s must be addresses or networks with commas between, such as 127.0.0.1, 10.0.0.0/24", key=key
            )
        ) from None


def _token(token: SecretStr) -> SecretStr:
    text = token.get_secret_value()
    if len(text) < TOKEN_CHARACTERS_MIN or not text.isascii() or not text.isprintable() or " " in text:
        raise invalid(
            lambda key: ConfigurationError(
                "%(key)s must have %(least)d or more characters, without spaces and accents",
                key=key,
                least=TOKEN_CHARACTERS_MIN,
            )
        )
    return token


class WebSettings(Section):
    """The web server of ``vigia run`` and ``vigia demo``: dashboard, actions, metrics."""

    enabled: bool = True
    """Serve it."""
    host: Annotated[str, Field(max_length=253), AfterValidator(_host)] = "127.0.0.1"
    """Address it listens on; ``0.0.0.0`` = every address of the machine, which needs TLS."""
    port: Annotated[int, Field(ge=0, le=65_535)] = 8321
    """Port; 0 = any free one."""
    names: Annotated[str, Field(max_length=4096), AfterValidator(_names)] = ""
    """Host names under which browsers reach it, commas between; addresses and ``localhost`` count anyway."""
    tls_cert: UsablePath | None = None
    """Certificate chain (PEM); with ``tls_key`` the server speaks HTTPS."""
    tls_key: UsablePath | None = None
    """The certificate's key (PEM, without a password)."""
    behind_tls: bool = False
    """A reverse proxy before it ends TLS: browsers speak HTTPS, and cookies are held to that."""
    trusted_proxies: Annotated[str, Field(max_length=4096), AfterValidator(_networks)] = ""
    """Addresses or networks of reverse proxies, commas between, whose ``X-Forwarded-For`` is believed."""
    session_hours: Annotated[float, Field(ge=0.1, le=720.0)] = 12.0
    """Hours after which one has to log in again in any case."""
    idle_minutes: Annotated[float, Field(ge=1.0, le=43_200.0)] = 120.0
    """Minutes without a request after which one has to log in again."""
    password_file: UsablePath | None = None
    """Users and the hashes of their passwords (mode 0600); empty = ``web-users.json`` in ``data_dir``."""
    gallery_mb: Annotated[int, Field(ge=0, le=4096)] = 32
    """Memory for pictures that the dashboard remembers, of captures and of tracks that were not sent, MB; 0 = none."""
    gallery_hours: Annotated[float, Field(ge=0.0, le=8760.0)] = 24.0
    """Hours after which the dashboard remembers neither the picture of a capture nor a face that was not sent; 0 =
    without a limit, until newer ones need the room."""
    live_fps: Annotated[float, Field(ge=0.0, le=10.0)] = 3.0
    """Live pictures a second of a camera, while somebody watches it; 0 = none are shown."""
    metrics_public: bool = False
    """``/metrics`` answers anybody; it holds no pictures and no passwords, but the ids of the cameras."""
    metrics_token: Annotated[SecretStr, Field(max_length=1024), AfterValidator(_token)] | None = None
    """Token that a scraper sends as ``Authorization: Bearer``; better ``VIGIA_WEB__METRICS_TOKEN``; empty = only a
    session reads ``/metrics``."""

    @property
    def tls(self) -> bool:
        """Whether it speaks HTTPS."""
        return self.tls_cert is not None

    @property
    def is_local(self) -> bool:
        """Whether only this machine reaches it."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host.lower() == "localhost"

    @property
    def exposed(self) -> bool:
        """Others reach it, and passwords travel in clear, as far as is known here."""
        return not self.is_local and not self.tls and not self.behind_tls

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.tls_cert is None) is not (self.tls_key is None):
            missing = "tls_key" if self.tls_key is None else "tls_cert"
            raise invalid(
                lambda _key: ConfigurationError(
                    "web.tls_cert and web.tls_key go together; web.%(missing)s is missing", missing=missing
                ),
                missing,
            )
        return self
