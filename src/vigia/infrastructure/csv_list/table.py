"""Reads a camera list from CSV, whatever spreadsheet wrote it: texts by key and row, and every mistake of its form.

A Brazilian Excel separates with ``;``, writes ``0,5`` and ``VERDADEIRO``, saves in cp1252, or in UTF-8 with a mark in
front; LibreOffice asks and writes anything. What a value means is not judged here: the configuration has rules for it.
"""

import csv
import io
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

from vigia.application.errors import ConfigurationError

FILE_BYTES_MAX = 5_000_000
ROWS_MAX = 10_000
COLUMNS_MAX = 200
SEPARATORS = ",;\t"
ALIASES: Mapping[str, str] = {
    "nome": "name",
    "endereco": "url",
    "address": "url",
    "grupo": "group",
    "usuario": "user",
    "username": "user",
    "senha": "password",
    "ativo": "active",
    "ativa": "active",
    "id_findface": "findface_id",
}
"""Column names, without accents and in lower case, and the keys that they stand for."""
TRUE_WORDS = frozenset({"true", "yes", "y", "1", "on", "sim", "s", "verdadeiro", "v", "x"})
FALSE_WORDS = frozenset({"false", "no", "n", "0", "off", "nao", "falso", "f"})
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")
_SEPARATOR_LINE = re.compile(r"\s*\"?sep=(?P<separator>.)\"?\s*\r?\n", re.IGNORECASE)
_SHOWN_CHARS_MAX = 40


@dataclass(frozen=True, slots=True)
class CsvRow:
    """One camera of the list."""

    row: int
    """As a spreadsheet counts: the header is 1."""
    values: Mapping[str, str] = field(repr=False)
    """By key; empty cells are left out. May hold a password."""


@dataclass(frozen=True, slots=True)
class CsvProblem:
    """A mistake and its place; ``column`` as the file calls it, empty when the whole row is meant."""

    row: int
    column: str
    error: ConfigurationError

    def told(self) -> ConfigurationError:
        """With its place."""
        if self.column:
            return ConfigurationError(
                "row %(row)d, column %(column)s: %(problem)s", row=self.row, column=self.column, problem=self.error
            )
        return ConfigurationError("row %(row)d: %(problem)s", row=self.row, problem=self.error)


@dataclass(frozen=True, slots=True)
class CsvTable:
    """A whole list."""

    rows: tuple[CsvRow, ...]
    columns: Mapping[str, str]
    """What the file calls each key."""
    problems: tuple[CsvProblem, ...] = ()
    """Mistakes that do not hinder reading the rest."""

    def column(self, key: str) -> str:
        """What the file calls a key; the key itself where it has no such column."""
        return self.columns.get(key, key)


def read_csv(path: Path, *, kinds: Mapping[str, str]) -> CsvTable:
    """Read a file; see ``parse_csv``.

    Raises:
        ConfigurationError: also when it cannot be read; begins with the file's name.
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(FILE_BYTES_MAX + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a usable path"
        raise ConfigurationError("%(file)s cannot be read: %(reason)s", file=path, reason=reason) from error
    if len(content) > FILE_BYTES_MAX:
        raise ConfigurationError(
            "%(file)s is larger than %(bytes_max)d bytes: that is no list of cameras",
            file=path,
            bytes_max=FILE_BYTES_MAX,
        )
    try:
        return parse_csv(content, kinds=kinds)
    except ConfigurationError as error:
        raise ConfigurationError("%(file)s: %(problem)s", file=path, problem=error) from error


def parse_csv(content: bytes, *, kinds: Mapping[str, str]) -> CsvTable:
    """Read a list.

    Args:
        content: the file: UTF-8 or UTF-16 with a mark, else UTF-8, else cp1252.
        kinds: every key that a column may stand for and its kind; ``truth`` and ``number`` are written in several ways.

    Raises:
        ConfigurationError: it has no header, or is no CSV. Holds no value, which might be a password.
    """
    text = _decoded(content)
    told = _SEPARATOR_LINE.match(text)
    if told is not None and told["separator"] in SEPARATORS:  # a line for spreadsheets, which do not show or count it
        text, separator = text[told.end() :], told["separator"]
    else:
        separator = _separator(text, kinds)
    records = _records(text, separator)
    header = next(records, None)
    if header is None:
        raise ConfigurationError("the list is empty: its first row must name the columns, such as id, name, url")
    if len(header[1]) > COLUMNS_MAX:
        raise ConfigurationError("more than %(columns_max)d columns", columns_max=COLUMNS_MAX)
    keys, problems = _keys(header, kinds)
    if "id" not in keys or "url" not in keys:
        raise ConfigurationError(
            "row %(row)d must name the columns, id and url among them; it names %(columns)s",
            row=header[0],
            columns=", ".join(_shown(cell) for cell in header[1] if cell.strip()) or "-",
        )
    rows = list[CsvRow]()
    for row, cells in records:
        if len(rows) >= ROWS_MAX:
            raise ConfigurationError("more than %(rows_max)d rows", rows_max=ROWS_MAX)
        if any(cell.strip() for cell in cells[len(header[1]) :]):  # shifted: its cells are not what they seem
            told_row = ConfigurationError("more cells than columns; quote a cell that holds a separator")
            problems.append(CsvProblem(row, "", told_row))
            continue
        values = {key: _normal(cell, key, kinds[key]) for key, cell in zip(keys, cells, strict=False) if key}
        rows.append(CsvRow(row, {key: value for key, value in values.items() if value}))
    columns = {key: " ".join(cell.split()) for key, cell in zip(keys, header[1], strict=False) if key}
    return CsvTable(tuple(rows), columns, tuple(problems))


def plain_word(text: str) -> str:
    """``text`` in lower case without accents, blanks and dashes as underscores: how column names are compared.

    >>> plain_word(" Usuário ")
    'usuario'
    """
    bare = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return "_".join(re.split(r"[\s_-]+", bare.strip().lower()))


def _decoded(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        # cp1252 leaves five bytes undefined; Latin-1 has something for each.
        return "".join(_byte(byte) for byte in content)


def _byte(byte: int) -> str:
    raw = bytes((byte,))
    try:
        return raw.decode("cp1252")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _separator(text: str, kinds: Mapping[str, str]) -> str:
    """The one by which the header names the most known columns."""

    def known(separator: str) -> int:
        try:
            header = next(_records(text, separator), (1, []))
        except ConfigurationError:
            return 0
        return sum(_key(cell) in kinds for cell in header[1])

    return max(SEPARATORS, key=known)


def _records(text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Rows that are not blank, with their numbers."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    row = 0
    try:
        for cells in reader:
            row += 1
            if any(cell.strip() for cell in cells):
                yield row, cells
    except csv.Error as error:
        # Not chained: its text may quote a cell.
        raise ConfigurationError(
            "row %(row)d is not CSV: a quote that is not closed, or text after one", row=row + 1
        ) from error


def _keys(header: tuple[int, Sequence[str]], kinds: Mapping[str, str]) -> tuple[list[str], list[CsvProblem]]:
    """The key of each column, empty for those without a name or a known one."""
    row, cells = header
    keys, problems = list[str](), list[CsvProblem]()
    for cell in cells:
        key = _key(cell)
        if not key:
            keys.append("")
        elif key not in kinds:
            keys.append("")
            problems.append(CsvProblem(row, _shown(cell), _unknown(key, kinds)))
        elif key in keys:
            keys.append("")
            problems.append(CsvProblem(row, _shown(cell), ConfigurationError("another column stands for the same")))
        else:
            keys.append(key)
    return keys, problems


def _key(cell: str) -> str:
    word = plain_word(cell)
    return ALIASES.get(word, word)


def _unknown(key: str, kinds: Mapping[str, str]) -> ConfigurationError:
    nearest = get_close_matches(key, [*kinds, *ALIASES], n=1)
    if nearest:
        return ConfigurationError("unknown column; did you mean %(nearest)s?", nearest=nearest[0])
    return ConfigurationError("unknown column; known are %(known)s", known=", ".join(kinds))


def _normal(cell: str, key: str, kind: str) -> str:
    """A cell's text, trimmed: line breaks as blanks, words for true and false, decimal commas as points."""
    if key == "password":
        return cell.strip()
    text = "".join(" " if c.isspace() else c for c in cell).strip()
    if kind == "truth":
        word = plain_word(text)
        return "true" if word in TRUE_WORDS else "false" if word in FALSE_WORDS else text
    if kind == "number" and _DECIMAL_COMMA.fullmatch(text):
        return text.replace(",", ".")
    return text


def _shown(cell: str) -> str:
    text = "".join(c if c.isprintable() else "?" for c in " ".join(cell.split()))
    return text if len(text) <= _SHOWN_CHARS_MAX else text[:_SHOWN_CHARS_MAX] + "…"
