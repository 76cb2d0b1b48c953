"""Reads environment variables, ``.env`` files and dotted overrides into layers.

``VIGIA_SECTION__KEY`` sets every key; a section or a list as a whole is written as YAML or JSON
(``VIGIA_CAMERAS='[{id: gate, url: …}]'``). An empty variable counts as absent, ``null`` asks for the default.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from io import StringIO
from pathlib import Path

from dotenv.parser import parse_stream

from vigia.application.errors import ConfigurationError
from vigia.infrastructure.config.keys import PLAIN_VARIABLES, VARIABLE_PREFIX, KeyTable
from vigia.infrastructure.config.layer import KeyPath, Layer, Place, Problem, printable, read_settings_file
from vigia.infrastructure.config.yaml_layer import parse_yaml_value

Variables = Mapping[str, tuple[str, Place]]
"""Name to value and place."""
_INVENTED = re.compile(rf"{VARIABLE_PREFIX}(SERVICE_(HOST|PORT)|PORT(_\d+)?)(_[A-Z0-9_]+)?")
"""What Kubernetes sets in every container for a service of that name."""


def environment_layer(environ: Mapping[str, str], keys: KeyTable, *, order: int) -> Layer:
    """The layer of the process's environment."""
    variables = {name: (value, Place(variable=printable(name), order=order)) for name, value in environ.items()}
    return _layer(variables, keys)


def dotenv_layer(path: Path, keys: KeyTable, *, order: int) -> Layer:
    """The layer of a ``.env`` file. A ``$`` in a value is a ``$``: passwords are not templates.

    Raises:
        ConfigurationError: it cannot be read.
    """
    file = str(path)
    variables: dict[str, tuple[str, Place]] = {}
    problems: list[Problem] = []
    for binding in parse_stream(StringIO(read_settings_file(path))):
        blank = len(binding.original.string) - len(binding.original.string.lstrip())
        line = binding.original.line + binding.original.string.count("\n", 0, blank)
        place = Place(file=file, line=line, order=order)
        if binding.error:
            problems.append(Problem(place, ConfigurationError("expected NAME=value")))
        elif binding.key is not None and binding.value is not None:
            variables[binding.key] = (binding.value, place)  # as in a shell, the last one counts
    layer = _layer(variables, keys)
    return replace(layer, problems=(*problems, *layer.problems))


def overrides_layer(overrides: Mapping[str, str], keys: KeyTable, *, order: int) -> Layer:
    """The layer of dotted keys given by the caller, such as ``{"detector.cadence_k": "3"}``."""
    place = Place(order=order)
    builder = _Builder(keys)
    for key, value in overrides.items():
        builder.add(tuple(printable(key).split(".")), value, place)
    return builder.layer()


def _layer(variables: Variables, keys: KeyTable) -> Layer:
    builder = _Builder(keys)
    for name, path in keys.variables.items():
        value, place = variables.get(name, ("", None))
        if place is None or not value.strip():
            continue
        empty = value.strip() == "null" and name not in PLAIN_VARIABLES
        builder.add(path, None if empty else value, place)
    return replace(builder.layer(), problems=(*builder.problems, *_unknown(variables, keys)))


def _unknown(variables: Variables, keys: KeyTable) -> Iterable[Problem]:
    """Variables that look like ours and are not.

    Those that orchestrators invent for a service that is called vigia (``VIGIA_SERVICE_HOST``, ``VIGIA_PORT``) are left
    alone, and so is any other without ``__`` that resembles none of ours.
    """
    for name, (_value, place) in variables.items():
        if not name.startswith(VARIABLE_PREFIX) or name in keys.variables or _INVENTED.fullmatch(name):
            continue
        nearest = keys.nearest_variable(name)
        if nearest:
            error = ConfigurationError(
                "unknown variable %(name)s; did you mean %(nearest)s?", name=printable(name), nearest=nearest
            )
        elif "__" in name:
            error = ConfigurationError("unknown variable %(name)s", name=printable(name))
        else:
            continue
        yield Problem(replace(place, variable=""), error)


class _Builder:
    """Puts values into nested mappings. Owner: the call that made it."""

    def __init__(self, keys: KeyTable) -> None:
        self.problems: list[Problem] = []
        self._keys = keys
        self._data: dict[str, object] = {}
        self._places: dict[KeyPath, Place] = {}

    def add(self, path: tuple[str, ...], value: str | None, place: Place) -> None:
        parsed: object = value
        facts = self._keys.get(path)
        if value is not None and facts is not None and facts.kind in {"section", "list"}:
            try:
                parsed, places, problems = parse_yaml_value(value, Place(order=place.order), path)
            except ConfigurationError as error:
                self.problems.append(Problem(place, error))
                return
            self._places.update(dict.fromkeys(places, place))
            self.problems.extend(Problem(place, problem.error) for problem in problems)
        target = self._data
        for index, part in enumerate(path[:-1], start=1):
            inner = target.setdefault(part, {})
            if not isinstance(inner, dict):  # the section as a whole was given as something else
                inner = target[part] = {}
            target = inner
            self._places.setdefault(path[:index], place)
        target[path[-1]] = parsed
        self._places[path] = place

    def layer(self) -> Layer:
        return Layer(self._data, self._places)
