"""What every section of the settings has in common, and the few types that they share.

A value arrives as text, whether it stood in YAML, in ``.env`` or in the environment: the key decides its type, never
the way it looks. So ``name: no`` is the text "no", ``id: 007`` keeps its zeros, ``password: 12:30:45`` is no number.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from vigia.application.errors import ConfigurationError

CONFIGURATION_ERROR = "configuration"
"""Type of the pydantic errors that carry a ready :class:`ConfigurationError` in their context."""

PATH_CHARACTERS_MAX = 4096


def invalid(problem: Callable[[str], ConfigurationError], *path: str | int) -> PydanticCustomError:
    """Refuse a value with a text of our own.

    Args:
        problem: makes the error, given the dotted key that it is about.
        *path: where, counted from the place of the validator; nothing for the validated value itself.
    """
    return PydanticCustomError(CONFIGURATION_ERROR, CONFIGURATION_ERROR, {"problem": problem, "path": path})


class Section(BaseModel):
    """A group of keys. Immutable; unknown keys are errors; an empty value (``key:`` or ``null``) means the default."""

    model_config = ConfigDict(
        allow_inf_nan=False,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,  # a rejected value may be a password
        use_attribute_docstrings=True,
        validate_default=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _empty_means_default(cls, data: Any) -> Any:
        return without_empty_values(cls, data)


def without_empty_values(model: type[BaseModel], data: object) -> object:
    """Drop known keys without a value; unknown ones stay, so that they are told."""
    if not isinstance(data, dict):
        return data
    return {key: value for key, value in data.items() if value is not None or key not in model.model_fields}


def http_url(url: str, *, with_account: Callable[[str], ConfigurationError]) -> SplitResult:
    """Take ``http(s)://host[:port][/path]`` apart, and nothing else: no account, no query, no fragment.

    Args:
        url: without blanks around it.
        with_account: makes the error for one that holds a user name or password; says where these go instead.
    """
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and (parts.port is None or parts.port > 0) and url.isprintable()
    except ValueError:
        # Not chained: what stands in the place of the port may be a part of a password.
        raise invalid(lambda key: ConfigurationError("%(key)s has no usable host and port", key=key)) from None
    if parts.scheme.lower() not in {"http", "https"} or "://" not in url:
        raise invalid(lambda key: ConfigurationError("%(key)s must begin with http:// or https://", key=key))
    if not usable:
        raise invalid(lambda key: ConfigurationError("%(key)s has no usable host and port", key=key))
    if "@" in parts.netloc:
        raise invalid(with_account)
    if parts.query or parts.fragment:
        raise invalid(lambda key: ConfigurationError("%(key)s must not hold a query (?) or a fragment (#)", key=key))
    return parts


def _usable_path(path: Path) -> Path:
    try:
        expanded = path.expanduser()
    except RuntimeError:  # an unknown user after the tilde
        expanded = None
    if expanded is None or expanded == Path() or "\0" in str(expanded) or len(str(expanded)) > PATH_CHARACTERS_MAX:
        raise invalid(lambda key: ConfigurationError("%(key)s is not a usable path", key=key))
    return expanded


UsablePath = Annotated[Path, AfterValidator(_usable_path)]
"""A path; ``~`` is expanded; relative ones count from the working directory."""
Share = Annotated[float, Field(ge=0.0, le=1.0)]
"""In [0, 1]."""
TimeoutS = Annotated[float, Field(ge=0.1, le=600.0)]
"""Seconds, never for ever."""
