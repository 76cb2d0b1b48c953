"""Reads a YAML file into a :class:`Layer`, with the line of every key.

YAML is only parsed, never constructed: every scalar stays the text that was written, and the key it belongs to decides
its type. So nothing can be run from a file, and YAML 1.1's surprises (``no`` as a truth value, ``12:30:45`` as a
number, ``010`` as eight) do not happen. Keys given twice, tags and files that grow without end are told as errors.
"""

from collections.abc import Callable
from pathlib import Path

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from vigia.application.errors import ConfigurationError
from vigia.infrastructure.config.keys import dotted
from vigia.infrastructure.config.layer import KeyPath, Layer, Place, Problem, printable, read_settings_file

NODES_MAX = 100_000
"""Aliases may repeat a part of the file; beyond this many values it is an attack or a mistake."""
DEPTH_MAX = 50
"""The settings are five levels deep at most."""

_EMPTY_WORDS = frozenset({"", "~", "null", "Null", "NULL"})
_PLAIN_TAGS = frozenset(f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "seq", "map"))


def read_yaml(path: Path, *, order: int = 0) -> Layer:
    """Read one YAML file.

    Raises:
        ConfigurationError: it cannot be read, or is not YAML; with line and column.
    """
    file = str(path)
    return parse_yaml(read_settings_file(path), lambda line: Place(file=file, line=line, order=order))


def parse_yaml(text: str, place_at: Callable[[int], Place]) -> Layer:
    """Parse YAML (or JSON, which is a part of it) whose root holds keys and values.

    Args:
        text: one document.
        place_at: the place of a line, counted from 1.

    Raises:
        ConfigurationError: with the place.
    """
    root = _compose(text, place_at)
    if root is None or _is_empty(root):
        return Layer()
    if not isinstance(root, MappingNode):
        raise place_at(_line(root)).locate(ConfigurationError("expected keys and values, such as language: pt_BR"))
    reader = _Reader(place_at)
    data = reader.mapping(root, ())
    return Layer(data, reader.places, tuple(reader.problems))


def parse_yaml_value(text: str, place: Place, path: KeyPath) -> tuple[object, dict[KeyPath, Place], list[Problem]]:
    """Parse a list or a section given as one piece of text; ``path`` is where it goes, every part has ``place``.

    Raises:
        ConfigurationError: with the place.
    """
    root = _compose(text, lambda _line: place)
    if root is None:
        return None, {}, []
    reader = _Reader(lambda _line: place)
    return reader.value(root, path), reader.places, reader.problems


class _Reader:
    """Turns nodes into mappings, lists and text. Owner: the call that made it."""

    def __init__(self, place_at: Callable[[int], Place]) -> None:
        self.places: dict[KeyPath, Place] = {}
        self.problems: list[Problem] = []
        self._place_at = place_at
        self._nodes = 0

    def value(self, node: Node, path: KeyPath) -> object:
        self._count(node, path)
        if node.tag not in _PLAIN_TAGS:
            # The tag itself is not repeated: an unquoted password may begin with an exclamation mark.
            self._problem(node, ConfigurationError("%(key)s: a value that begins with ! must be quoted", key=_at(path)))
        if isinstance(node, MappingNode):
            return self.mapping(node, path)
        if isinstance(node, SequenceNode):
            return [self._item(item, (*path, index)) for index, item in enumerate(node.value)]
        return None if _is_empty(node) else node.value

    def mapping(self, node: MappingNode, path: KeyPath) -> dict[str, object]:
        data: dict[str, object] = {}
        lines: dict[str, int] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, ScalarNode):
                self._problem(key_node, ConfigurationError("a key must be a word, not a list or keys of its own"))
                continue
            key = printable(key_node.value)
            if key in lines:
                self._problem(
                    key_node,
                    ConfigurationError(
                        "key %(key)s is given twice, first on line %(first)d", key=_at((*path, key)), first=lines[key]
                    ),
                )
                continue
            lines[key] = _line(key_node)
            self.places[(*path, key)] = self._place_at(lines[key])
            data[key] = self.value(value_node, (*path, key))
        return data

    def _item(self, node: Node, path: KeyPath) -> object:
        self.places[path] = self._place_at(_line(node))
        return self.value(node, path)

    def _problem(self, node: Node, error: ConfigurationError) -> None:
        self.problems.append(Problem(self._place_at(_line(node)), error))

    def _count(self, node: Node, path: KeyPath) -> None:
        self._nodes += 1
        if self._nodes > NODES_MAX or len(path) > DEPTH_MAX:
            raise self._place_at(_line(node)).locate(
                ConfigurationError("the values are nested too deeply, or repeated too often by aliases")
            )


def _compose(text: str, place_at: Callable[[int], Place]) -> Node | None:
    """The root node. PyYAML's own messages quote the line, and with it a password: none is chained or repeated."""
    try:
        # BaseLoader resolves no types; compose builds no objects.
        return yaml.compose(text, Loader=yaml.BaseLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
        raise place_at(line).locate(_syntax_error(error, column)) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise place_at(line).locate(ConfigurationError("a character that YAML does not allow")) from None
    except RecursionError:
        raise place_at(1).locate(
            ConfigurationError("the values are nested too deeply, or repeated too often by aliases")
        ) from None
    except (ValueError, OverflowError):
        # PyYAML lets some escapes through to chr(), such as "\UFFFFFFFF".
        raise place_at(1).locate(ConfigurationError("a character that YAML does not allow")) from None


def _syntax_error(error: yaml.MarkedYAMLError, column: int) -> ConfigurationError:  # noqa: PLR0911 - a table of texts
    """The likely reason, in words of our own."""
    problem, context = error.problem or "", error.context or ""
    if "quoted scalar" in context and "end of stream" in problem:
        return ConfigurationError("not valid YAML at column %(column)d: a quote is never closed", column=column)
    if "'\\t'" in problem:
        return ConfigurationError("not valid YAML at column %(column)d: indent with spaces, not tabs", column=column)
    if "mapping values are not allowed" in problem:
        return ConfigurationError(
            "not valid YAML at column %(column)d: a colon too many; quote the value or mend the indentation",
            column=column,
        )
    if "could not find expected ':'" in problem:
        return ConfigurationError("not valid YAML at column %(column)d: a key without its colon", column=column)
    if "cannot start any token" in problem or "alias" in f"{problem}{context}" or "tag" in f"{problem}{context}":
        return ConfigurationError(
            "not valid YAML at column %(column)d: quote a value that begins with a special character", column=column
        )
    if "escape" in problem or "hexa" in problem:
        return ConfigurationError(
            "not valid YAML at column %(column)d: a backslash in double quotes; use single quotes", column=column
        )
    if "single document" in context or "single document" in problem:
        return ConfigurationError("not valid YAML at column %(column)d: only one document is allowed", column=column)
    if "block" in context or "block" in problem:
        return ConfigurationError("not valid YAML at column %(column)d: mend the indentation", column=column)
    return ConfigurationError("not valid YAML at column %(column)d", column=column)


def _is_empty(node: Node) -> bool:
    return isinstance(node, ScalarNode) and node.style is None and node.value in _EMPTY_WORDS


def _line(node: Node) -> int:
    return int(node.start_mark.line) + 1


def _at(path: KeyPath) -> str:
    return dotted(path)
