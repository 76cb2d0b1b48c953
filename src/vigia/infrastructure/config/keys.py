"""Every key that the settings know: what it takes, how it is called in the environment, which name is nearest.

Read from the settings' JSON schema, so that there is one description of a key and not two.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from typing import Any, Literal

from pydantic import BaseModel

from vigia.infrastructure.config.layer import KeyPath

ANY_ITEM = "*"
"""Stands in a key's path for a list's index, and for a name that the operator chooses."""
VARIABLE_PREFIX = "VIGIA_"
PLAIN_VARIABLES: Mapping[str, tuple[str, str]] = {
    "FINDFACE_URL": ("findface", "url"),
    "FINDFACE_USER": ("findface", "user"),
    "FINDFACE_PASSWORD": ("findface", "password"),
    "FINDFACE_UUID": ("findface", "uuid"),
    "VIGIA_OUTBOX_KEY": ("outbox", "encryption_keys"),
    "VIGIA_OUTBOX_KEYS": ("outbox", "encryption_keys"),
}
"""The names that FindFace's own tools use, and short ones for secrets."""

Kind = Literal["section", "list", "truth", "whole", "number", "choice", "text"]
_KINDS: Mapping[str, Kind] = {
    "object": "section",
    "array": "list",
    "boolean": "truth",
    "integer": "whole",
    "number": "number",
}


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """What one key takes."""

    path: tuple[str, ...]
    """From the root; ``*`` for any item of a list, and for any group."""
    kind: Kind
    description: str
    default: object
    choices: tuple[str, ...] = ()
    """All values of a choice; the words that a number may be instead (``auto``)."""
    low: float | None = None
    high: float | None = None
    """Least and largest number, or length of a text; both included."""
    secret: bool = False

    @property
    def dotted(self) -> str:
        """As people write it: ``detector.min_face_px``."""
        return dotted(self.path)


class KeyTable:
    """All keys of a settings model. Immutable."""

    def __init__(self, model: type[BaseModel]) -> None:
        schema = model.model_json_schema()
        self._definitions: dict[str, Any] = schema.get("$defs", {})
        self._facts = {facts.path: facts for facts in self._walk((), schema)}

    def __iter__(self) -> Iterator[KeyFacts]:
        return iter(self._facts.values())

    def get(self, path: KeyPath) -> KeyFacts | None:
        """The key at ``path`` (indices and chosen names count as any item), or None."""
        return self._facts.get(self._general(path))

    @cached_property
    def variables(self) -> Mapping[str, tuple[str, ...]]:
        """Environment variables and the keys they set, sections first: a later one overrides an earlier one."""
        named = {
            VARIABLE_PREFIX + "__".join(facts.path).upper(): facts.path for facts in self if ANY_ITEM not in facts.path
        }
        ordered = sorted(named.items(), key=lambda item: len(item[1]))
        return {**dict(ordered), **PLAIN_VARIABLES}

    def nearest(self, path: KeyPath) -> str:
        """The dotted name that was probably meant by the unknown key at ``path``; empty when none is near.

        A key of that very name beside it or one level below comes first, then one in another section (it was only put
        in the wrong place), then the siblings, then every key there is.
        """
        parent, name = path[:-1], str(path[-1]).replace("-", "_").lower()
        elsewhere = [facts.dotted for facts in self if facts.path[-1] == name and ANY_ITEM not in facts.path]
        siblings = self.siblings(path)
        if name in siblings:
            return dotted((*parent, name))
        above = self._general(parent)
        below = [sibling for sibling in siblings if (*above, sibling, name) in self._facts]
        if len(below) == 1:
            return dotted((*parent, below[0], name))
        if len(elsewhere) == 1:
            return elsewhere[0]
        near = get_close_matches(name, [s for s in siblings if s != ANY_ITEM], n=1)
        if near:
            return dotted((*parent, near[0]))
        by_leaf = {facts.path[-1]: facts.dotted for facts in self if ANY_ITEM not in facts.path}
        near = get_close_matches(name, by_leaf, n=1, cutoff=0.75)
        return by_leaf[near[0]] if near else ""

    def siblings(self, path: KeyPath) -> list[str]:
        """Names of the keys that may stand beside the one at ``path``."""
        depth, prefix = len(path) - 1, self._general(path[:-1])
        return [facts.path[-1] for facts in self if facts.path[:depth] == prefix and len(facts.path) == depth + 1]

    def nearest_variable(self, name: str) -> str:
        """The environment variable that was probably meant by ``name``; empty when none is near."""
        near = get_close_matches(name, self.variables, n=1, cutoff=0.8)
        return near[0] if near else ""

    def _general(self, path: KeyPath) -> tuple[str, ...]:
        """``path`` with ``*`` for indices, and for names where any name may stand."""
        found: tuple[str, ...] = ()
        for part in path:
            known = isinstance(part, str) and ((*found, part) in self._facts or (*found, ANY_ITEM) not in self._facts)
            found = (*found, str(part) if known else ANY_ITEM)
        return found

    def _walk(self, path: tuple[str, ...], schema: Mapping[str, Any]) -> Iterator[KeyFacts]:
        for name, described in schema.get("properties", {}).items():
            yield from self._key((*path, name), described)

    def _key(self, path: tuple[str, ...], described: Mapping[str, Any]) -> Iterator[KeyFacts]:
        variants = [self._resolved(v) for v in described.get("anyOf", [described])]
        variants = [v for v in variants if v.get("type") != "null"]
        words = tuple(word for v in variants for word in _words(v))
        main = next((v for v in variants if not _words(v)), variants[0])
        kind: Kind = "choice" if _words(main) else _KINDS.get(main.get("type", ""), "text")
        yield KeyFacts(
            path=path,
            kind=kind,
            description=" ".join(described.get("description", main.get("description", "")).split()),
            default=described.get("default"),
            choices=words,
            low=main.get("minimum", main.get("minLength")),
            high=main.get("maximum", main.get("maxLength")),
            secret=main.get("format") == "password",
        )
        if kind == "section":
            yield from self._walk(path, main)
            if isinstance(main.get("additionalProperties"), dict):  # under names that the operator chooses
                yield from self._key((*path, ANY_ITEM), main["additionalProperties"])
        elif kind == "list":
            yield from self._key((*path, ANY_ITEM), main.get("items", {}))

    def _resolved(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        reference = schema.get("$ref")
        if reference is None:
            return schema
        definition: Mapping[str, Any] = self._definitions[reference.rpartition("/")[2]]
        return definition


def _words(schema: Mapping[str, Any]) -> tuple[str, ...]:
    if "const" in schema:
        return (str(schema["const"]),)
    return tuple(str(word) for word in schema.get("enum", ()))


def dotted(path: KeyPath) -> str:
    """``("cameras", 0, "url")`` as ``cameras[0].url``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) or part == ANY_ITEM else f".{part}" if text else part
    return text
