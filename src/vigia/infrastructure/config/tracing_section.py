"""The section of the traces: where a capture's life is told to."""

from collections.abc import Mapping
from re import compile as re_compile
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from vigia.application.errors import ConfigurationError
from vigia.infrastructure.config.section import Section, Share, UsablePath, http_url, invalid

TRACES_PATH = "/v1/traces"
SECRET_CHARACTERS_MIN = 12
_HEADER_NAME = re_compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


def _endpoint(url: str) -> str:
    """``http(s)://host[:port][/path]``; OTLP's own path where none is given."""
    url = url.strip()
    parts = http_url(
        url,
        with_account=lambda key: ConfigurationError(
            "%(key)s must not hold a user name or password; use tracing.headers", key=key
        ),
    )
    return url if parts.path.strip("/") else url.rstrip("/") + TRACES_PATH


def _headers(headers: SecretStr) -> SecretStr:
    for part in headers.get_secret_value().split(","):
        name, equals, value = part.partition("=")
        if not equals or not _HEADER_NAME.fullmatch(name.strip()) or not (value.isascii() and value.isprintable()):
            raise invalid(
                lambda key: ConfigurationError(
                    "%(key)s must be NAME=VALUE with commas between, in plain characters without accents", key=key
                )
            )
    return headers


class TracingSettings(Section):
    """Traces of captures' lives, for OpenTelemetry collectors. Needs the extra ``otel``."""

    enabled: bool = False
    """Send them."""
    endpoint: Annotated[str, Field(max_length=2048), AfterValidator(_endpoint)] = "http://127.0.0.1:4318/v1/traces"
    """Where the collector takes OTLP over HTTP; without a path, ``/v1/traces`` is added."""
    headers: Annotated[SecretStr, Field(min_length=1, max_length=10_000), AfterValidator(_headers)] | None = None
    """Headers that the collector wants, ``NAME=VALUE`` with commas between; better ``VIGIA_TRACING__HEADERS``."""
    ca_file: UsablePath | None = None
    """Certificates (PEM) that the collector's own is checked against; empty = well-known authorities."""
    sample: Share = 1.0
    """Share of captures whose life is told."""
    service_name: Annotated[str, Field(min_length=1, max_length=255)] = "vigia"
    """What this vigia is called there."""

    @property
    def header_fields(self) -> Mapping[str, str]:
        """The headers by name; values are secrets."""
        if self.headers is None:
            return {}
        pairs = (part.partition("=") for part in self.headers.get_secret_value().split(","))
        return {name.strip().lower(): value.strip() for name, _, value in pairs}

    @property
    def secrets(self) -> list[str]:
        """What must be blanked wherever it appears: the values, and what follows ``Bearer`` in one.

        Short ones are names of tenants and the like: to blank every ``vigia`` would leave a log that says nothing.
        """
        found = [text for value in self.header_fields.values() for text in (value, value.rpartition(" ")[2])]
        return [text for text in found if len(text) >= SECRET_CHARACTERS_MIN]
