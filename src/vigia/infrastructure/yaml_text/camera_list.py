"""Puts cameras into the ``cameras:`` list of a YAML file: only the lines concerned change, comments and order stay.

Edits are made in the text, at the places that PyYAML's parser names. How a file may be written has no end (anchors,
flow style, block scalars in odd places), so nothing is taken on trust: what comes out is parsed again and must hold
exactly what was there, and the cameras. Otherwise it is refused, and the file stays.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import yaml
from yaml.nodes import CollectionNode, MappingNode, Node, ScalarNode, SequenceNode

from vigia.application.errors import ConfigurationError

Scalar: TypeAlias = str | bool | int | float
CameraDocument: TypeAlias = Mapping[str, "Scalar | Mapping[str, Scalar]"]
"""A camera as it stands in the file: values by key; one level more for ``settings``."""
_KEY = "cameras"
_EMPTY_WORDS = frozenset({"", "~", "null", "Null", "NULL"})
_Plain: TypeAlias = "str | list[Any] | dict[str, Any]"
_Edit: TypeAlias = tuple[int, int, str]
"""From, to, and what comes there instead."""


@dataclass(frozen=True, slots=True)
class Edited:
    """A changed file; ids in the order of the new cameras."""

    text: str
    added: tuple[str, ...] = ()
    updated: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    """There already, and to be changed only when updating."""
    same: tuple[str, ...] = ()
    """There already, with just these values."""


def cameras_block(cameras: Sequence[CameraDocument], *, newline: str = "\n") -> str:
    """The whole block, as a file of its own could hold it."""
    lines = [f"{_KEY}:" if cameras else f"{_KEY}: []"]
    for camera in cameras:
        lines += _item_lines(camera, column=2)
    return newline.join(lines) + newline


def with_cameras(text: str, cameras: Sequence[CameraDocument], *, update: bool) -> Edited:
    """Add cameras to a file's list; of those whose id is there, change the keys that are given, when updating.

    Args:
        text: the file: valid YAML, one document. Empty for a new one.
        cameras: with different ids.
        update: False leaves those alone that are there.

    Raises:
        ConfigurationError: the file is written in a way that cannot be changed safely.
    """
    root = _composed(text)
    if root is not None and not isinstance(root, MappingNode):
        if not (isinstance(root, ScalarNode) and _is_empty(root)):
            raise _unsafe()
        root = None
    listed = _value_of(root, _KEY) if root is not None else None
    items = {id_: node for node in _items(listed) if (id_ := _id_of(node)) is not None}
    new = [camera for camera in cameras if camera["id"] not in items]
    known = [camera for camera in cameras if camera["id"] in items]
    differing = [camera for camera in known if not _holds(_plain(items[str(camera["id"])]), camera)]
    changed = differing if update else []
    left = [] if update else differing
    if not new and not changed:
        return Edited(text, left=_ids(left), same=_ids([camera for camera in known if camera not in differing]))
    editor = _Editor(text)
    for camera in changed:
        editor.merge(items[str(camera["id"])], camera)
    if new:
        editor.add(root, listed, new)
    result = editor.result()
    if _data(result) != _expected(root, new, changed):
        raise _unsafe()
    return Edited(
        result,
        added=_ids(new),
        updated=_ids(changed),
        left=_ids(left),
        same=_ids([camera for camera in known if camera not in differing]),
    )


class _Editor:
    """Collects edits of one text. Owner: the call that made it."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._newline = "\r\n" if "\r\n" in text else "\n"
        self._edits: list[_Edit] = []

    def result(self) -> str:
        """The text with all edits; of those at one place the first comes first."""
        parts, position = list[str](), 0
        for start, end, new in sorted(self._edits, key=lambda edit: (edit[0], edit[1])):
            parts += [self._text[position:start], new]
            position = end
        return "".join([*parts, self._text[position:]])

    def add(self, root: MappingNode | None, listed: Node | None, cameras: Sequence[CameraDocument]) -> None:
        """Add cameras at the list's end, or make the list."""
        if listed is None:
            if root is not None and root.flow_style:
                raise _unsafe()
            end = len(self._text)
            gap = "" if not self._text.strip() else self._newline
            gap = gap if not self._text or self._text.endswith("\n") else self._newline + gap
            self._edits.append((end, end, gap + cameras_block(cameras, newline=self._newline)))
        elif isinstance(listed, SequenceNode) and listed.value:
            if listed.flow_style:
                end = listed.value[-1].end_mark.index
                self._edits.append((end, end, "".join(f", {_flow(camera)}" for camera in cameras)))
            else:
                self._insert_lines(listed, _lines_of(cameras, column=listed.start_mark.column))
        elif root is not None and root.flow_style:
            flow = ", ".join(_flow(camera) for camera in cameras)
            self._edits.append((listed.start_mark.index, listed.end_mark.index, f" [{flow}]"))
        else:  # empty: `cameras:`, `cameras: []`, `cameras: null`
            block = self._newline + self._newline.join(_lines_of(cameras, column=2))
            self._edits.append((listed.start_mark.index, listed.end_mark.index, block))

    def merge(self, node: Node, values: Mapping[str, Any]) -> None:
        """Change the keys of a mapping that differ, and add those that it lacks."""
        if not isinstance(node, MappingNode) or not node.value:
            raise _unsafe()
        missing: dict[str, Any] = {}
        for key, value in values.items():
            present = _value_of(node, key)
            if present is None:
                missing[key] = value
            elif isinstance(value, Mapping):
                if isinstance(present, ScalarNode) and _is_empty(present):
                    raise _unsafe()
                self.merge(present, value)
            elif not _same(_plain(present), value):
                if not isinstance(present, ScalarNode):
                    raise _unsafe()
                self._replace(present, value, flow=bool(node.flow_style))
        if missing and node.flow_style:
            end = node.value[-1][1].end_mark.index
            self._edits.append((end, end, "".join(f", {json.dumps(k)}: {_flow(v)}" for k, v in missing.items())))
        elif missing:
            self._insert_lines(node, _mapping_lines(missing, column=node.start_mark.column))

    def _replace(self, node: ScalarNode, value: Scalar, *, flow: bool) -> None:
        start, end = node.start_mark.index, node.end_mark.index
        blank = " " if start == end else ""
        self._edits.append((start, end, blank + (_flow(value) if flow else _scalar(value))))

    def _insert_lines(self, after: CollectionNode, lines: Sequence[str]) -> None:
        """New lines after the last line of a collection, before what follows it: comments there belong to that."""
        end = self._text.find("\n", _content_end(self._text, after))
        end = len(self._text) if end < 0 else end
        if end > 0 and self._text[end - 1] == "\r":
            end -= 1
        self._edits.append((end, end, self._newline + self._newline.join(lines)))


def _composed(text: str) -> Node | None:
    try:
        return yaml.compose(text, Loader=yaml.BaseLoader)
    except (yaml.YAMLError, ValueError, RecursionError):
        raise _unsafe() from None  # its text may quote a line that holds a password


def _data(text: str) -> _Plain:
    root = _composed(text)
    return {} if root is None or _is_empty(root) else _plain(root)


def _plain(node: Node) -> _Plain:
    """A node's data, every scalar as text."""
    if isinstance(node, MappingNode):
        return {str(_plain(key)): _plain(value) for key, value in node.value}
    if isinstance(node, SequenceNode):
        return [_plain(item) for item in node.value]
    return "" if _is_empty(node) else str(node.value)


def _expected(root: MappingNode | None, new: Sequence[CameraDocument], changed: Sequence[CameraDocument]) -> _Plain:
    """What the changed file must hold."""
    data = {} if root is None else _plain(root)
    if not isinstance(data, dict):
        raise _unsafe()
    listed = data.get(_KEY) or []
    if not isinstance(listed, list):
        raise _unsafe()
    merged = {str(camera["id"]): camera for camera in changed}
    listed = [_merged(item, merged[item["id"]]) if _has_id(item, merged) else item for item in listed]
    listed += [_merged({}, camera) for camera in new]
    return {**data, _KEY: listed} if listed or _KEY in data else data


def _merged(item: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(item)
    for key, value in values.items():
        result[key] = _merged(result.get(key) or {}, value) if isinstance(value, Mapping) else _text(value)
    return result


def _has_id(item: object, wanted: Mapping[str, Any]) -> bool:
    return isinstance(item, dict) and isinstance(item.get("id"), str) and item["id"] in wanted


def _holds(item: _Plain, values: Mapping[str, Any]) -> bool:
    """Whether a camera of the file has all these values already."""
    if not isinstance(item, dict):
        return False
    return all(
        _holds(item.get(key, ""), value) if isinstance(value, Mapping) else _same(item.get(key, ""), value)
        for key, value in values.items()
    )


def _same(present: _Plain, value: Scalar) -> bool:
    if isinstance(value, bool):
        return isinstance(present, str) and present.strip().lower() == _text(value)
    return present == _text(value)


def _text(value: Scalar) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _items(listed: Node | None) -> Iterator[Node]:
    if isinstance(listed, SequenceNode):
        yield from listed.value
    elif listed is not None and not _is_empty(listed):
        raise _unsafe()


def _id_of(item: Node) -> str | None:
    found = _value_of(item, "id") if isinstance(item, MappingNode) else None
    return str(found.value) if isinstance(found, ScalarNode) else None


def _value_of(node: MappingNode, key: str) -> Node | None:
    return next((v for k, v in node.value if isinstance(k, ScalarNode) and k.value == key), None)


def _is_empty(node: Node) -> bool:
    if isinstance(node, SequenceNode):
        return not node.value
    return isinstance(node, ScalarNode) and node.style is None and node.value in _EMPTY_WORDS


def _content_end(text: str, node: Node) -> int:
    """Where a node's last character stands; the parser's own end of a block is where the next thing begins."""
    if isinstance(node, CollectionNode) and not node.flow_style and node.value:
        children = [n for pair in node.value for n in pair] if isinstance(node, MappingNode) else node.value
        return max(_content_end(text, child) for child in children)
    end: int = node.end_mark.index
    if isinstance(node, ScalarNode) and node.style in {"|", ">"}:
        while end > 0 and text[end - 1] in "\r\n ":
            end -= 1
    return end


def _lines_of(cameras: Sequence[CameraDocument], *, column: int) -> list[str]:
    return [line for camera in cameras for line in _item_lines(camera, column=column)]


def _item_lines(camera: CameraDocument, *, column: int) -> list[str]:
    first, *others = _mapping_lines(camera, column=column + 2)
    return [" " * column + "- " + first.lstrip(), *others]


def _mapping_lines(values: Mapping[str, Any], *, column: int) -> list[str]:
    lines = []
    for key, value in values.items():
        if isinstance(value, Mapping):
            lines += [f"{' ' * column}{key}:", *_mapping_lines(value, column=column + 2)]
        else:
            lines.append(f"{' ' * column}{key}: {_scalar(value)}")
    return lines


def _scalar(value: Scalar) -> str:
    """One value in block style; a text is quoted where another reader of YAML would take it for something else."""
    if not isinstance(value, str):
        return _text(value)
    dumped: str = yaml.safe_dump(value, allow_unicode=True, width=1_000_000)
    return dumped.removesuffix("\n").removesuffix("\n...")


def _flow(value: Scalar | Mapping[str, Any]) -> str:
    """A value in flow style: JSON is a part of YAML."""
    return json.dumps(value, ensure_ascii=False)


def _ids(cameras: Sequence[CameraDocument]) -> tuple[str, ...]:
    return tuple(str(camera["id"]) for camera in cameras)


def _unsafe() -> ConfigurationError:
    return ConfigurationError(
        "the file is written in a way that cannot be changed safely here; leave --into out and put the cameras in "
        "by hand"
    )
