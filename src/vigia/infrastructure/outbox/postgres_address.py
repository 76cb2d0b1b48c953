"""Where a PostgreSQL outbox is: its URL, and what of it may be shown. Needs no driver."""

from dataclasses import dataclass, field
from re import compile as re_compile
from urllib.parse import unquote, urlsplit

from vigia.application.errors import ConfigurationError

SCHEMES = ("postgresql", "postgres")
_HOSTS = re_compile(r"(?:(?:[\w.-]+|\[[0-9a-fA-F:.]+\])?(?::\d{1,5})?(?:,|$))*")
_HIDDEN = "***"


@dataclass(frozen=True, slots=True)
class PostgresAddress:
    """A ``postgresql://`` URL as libpq knows it. Its ``repr`` and ``str`` show neither user nor password."""

    url: str = field(repr=False)

    def __str__(self) -> str:
        return self.label

    @property
    def usable(self) -> bool:
        """Whether the parts of the URL can be told apart: an @ : or / in a password may stand for another part."""
        try:
            parts = urlsplit(self.url)
        except ValueError:
            return False
        rest = f"{parts.path}{parts.query}{parts.fragment}"
        hosts = parts.netloc.rpartition("@")[2]
        return (
            parts.scheme in SCHEMES
            and self.url.isprintable()
            and " " not in self.url
            and "@" not in rest
            and not parts.fragment
            and _HOSTS.fullmatch(hosts) is not None
        )

    @property
    def label(self) -> str:
        """Host, port and database, for people."""
        if not self.usable:
            return f"postgresql://{_HIDDEN}"
        parts = urlsplit(self.url)
        return f"postgresql://{parts.netloc.rpartition('@')[2]}{parts.path}"

    @property
    def secrets(self) -> tuple[str, ...]:
        """The password as it stands in the URL and as it is, longest first: what a log must blank."""
        if not self.usable:
            return ()
        password = urlsplit(self.url).netloc.rpartition("@")[0].partition(":")[2]
        return tuple(sorted({password, unquote(password)} - {""}, key=len, reverse=True))

    def redacted(self, text: str) -> str:
        """``text`` without the URL and the password."""
        for secret in (self.url, *self.secrets):
            text = text.replace(secret, _HIDDEN)
        return text

    def require_usable(self) -> None:
        """Raise ConfigurationError, without a part of the URL, when it is not usable."""
        if not self.usable:
            raise ConfigurationError(
                "%(key)s is no address of a PostgreSQL database: postgresql://USER:PASSWORD@HOST:PORT/DATABASE; "
                "characters such as @ : / # ? %% in a user name or password are written in percent code (%%40 for @)",
                key="outbox.url",
            )
