"""One origin of settings (YAML file, ``.env``, environment, command line): what it says, and where it says it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vigia.application.errors import ConfigurationError

FILE_BYTES_MAX = 1_000_000
"""A settings file larger than this is something else; a thousand cameras need a fifth of it."""

KeyPath = tuple[str | int, ...]
"""From the root: ``("cameras", 0, "url")``."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands, in words that a person can find it by."""

    file: str = ""
    line: int = 0
    """From 1; 0 when there is no file."""
    variable: str = ""
    """The environment variable, if it was one."""
    order: int = 0
    """Layers are told in this order."""

    def locate(self, problem: ConfigurationError) -> ConfigurationError:
        """Put the place before the problem."""
        if self.file:
            return ConfigurationError(
                "%(file)s, line %(line)d: %(problem)s", file=self.file, line=self.line, problem=problem
            )
        if self.variable:
            return ConfigurationError("%(variable)s: %(problem)s", variable=self.variable, problem=problem)
        return problem


NOWHERE = Place(order=99)
"""For what follows from defaults, or from several places together."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake and its place."""

    place: Place
    error: ConfigurationError
    """Without the place."""


@dataclass(frozen=True, slots=True)
class Layer:
    """What one origin says. Immutable."""

    data: Mapping[str, object] = field(default_factory=dict, repr=False)
    """Nested mappings, lists and text; ``None`` asks for the default."""
    places: Mapping[KeyPath, Place] = field(default_factory=dict, repr=False)
    problems: tuple[Problem, ...] = ()
    """Mistakes that do not hinder reading the rest."""


class SettingPlaces:
    """Where the values that count were written. Immutable.

    Args:
        layers: the most important first.
    """

    def __init__(self, layers: Sequence[Layer]) -> None:
        self._layers = tuple(layers)

    def of(self, path: KeyPath) -> Place | None:
        """Where the key at ``path`` was given; None when it was not, or by no file and no variable."""
        for layer in self._layers:
            place = layer.places.get(path)
            if place is not None:
                return place if place.file or place.variable else None
        return None


def read_settings_file(path: Path) -> str:
    """Read a whole settings file, UTF-8 with or without byte order mark.

    Raises:
        ConfigurationError: it is not there, not readable, too large or not UTF-8. One line, no content.
    """
    file = str(path)
    try:
        with path.open("rb") as stream:
            content = stream.read(FILE_BYTES_MAX + 1)
    except FileNotFoundError as error:
        raise ConfigurationError("%(file)s does not exist", file=file) from error
    except IsADirectoryError as error:
        raise ConfigurationError("%(file)s is a directory, not a file", file=file) from error
    except PermissionError as error:
        raise ConfigurationError("no permission to read %(file)s", file=file) from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigurationError("%(file)s cannot be read: %(reason)s", file=file, reason=reason) from error
    except ValueError as error:
        raise ConfigurationError("%(file)s is not a usable path", file=printable(file)) from error  # it holds NUL
    if len(content) > FILE_BYTES_MAX:
        raise ConfigurationError(
            "%(file)s is larger than %(bytes_max)d bytes: that is no settings file", file=file, bytes_max=FILE_BYTES_MAX
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        # Not chained: the decoder's error keeps the whole content, secrets included.
        raise ConfigurationError("%(file)s, line %(line)d: not UTF-8 text", file=file, line=line) from None


def shown(value: object, *, length_max: int = 60) -> str:
    """A rejected value, as it may stand in one line of text: quoted, short, without control characters."""
    if isinstance(value, dict):
        return "{…}"
    if isinstance(value, list | tuple):
        return "[…]"
    text = str(value)
    text = text if len(text) <= length_max else text[: length_max - 1] + "…"
    return '"' + printable(text) + '"'


def printable(text: str) -> str:
    """``text`` with everything that a terminal could act on written as an escape."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in text)
