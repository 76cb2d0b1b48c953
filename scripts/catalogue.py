"""Keep the message catalogues: ``catalogue.py missing | update | compile``.

``missing`` prints every message id of the code that a language does not translate, or translates with other places;
``update`` adds the missing ids to the .po files with an empty text and sets those aside that the code lost; ``compile``
writes the .mo files that the program reads. Messages are found by reading the source, without running it:

- the first literal of ``logger.debug/info/warning/error/critical/exception`` and the second of ``logger.log``,
- the template of every error class that descends from VigiaError,
- ``translate("…")``, ``_("…")``, ``mark("…")`` and ``translate_template("…", …)``.
"""

import argparse
import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).parents[1]
SOURCE_DIR = ROOT / "src" / "vigia"
LOCALE_DIR = SOURCE_DIR / "infrastructure" / "i18n" / "locale"
TRANSLATED = ("pt_BR",)
"""Languages that need a text for every id; English ids are English already."""
LANGUAGES = ("pt_BR", "en")

HEADER = """\
# What vigia tells an operator. Kept with scripts/catalogue.py.
msgid ""
msgstr ""
"Project-Id-Version: vigia\\n"
"Language: {language}\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n"

"""
"""Written as it is: no dates and no tool versions, which would change with every update."""

_LOG_METHODS = {"debug": 0, "info": 0, "warning": 0, "error": 0, "critical": 0, "exception": 0, "log": 1}
_MARKERS = frozenset({"_", "translate", "mark", "translate_template"})
_ROOT_ERROR = "VigiaError"
_PLACE = re.compile(r"%(?:\((?P<name>\w+)\))?[#0+-]*(?:\d+|\*)?(?:\.(?:\d+|\*))?(?P<kind>[diouxXeEfFgGcrsa%])")


@dataclass(frozen=True, slots=True)
class Message:
    """One message id and where it stands."""

    text: str
    path: str
    line: int


@dataclass(frozen=True, slots=True)
class ErrorClass:
    """Where the template stands among the positional arguments of an error class; None when it takes none."""

    position: int | None
    super_position: int | None


@dataclass(slots=True)
class Findings:
    """What the source holds: ids, and calls whose text is put together at run time."""

    messages: list[Message] = field(default_factory=list)
    opaque: list[str] = field(default_factory=list)

    @property
    def ids(self) -> dict[str, Message]:
        """Each id once, at its first place."""
        found: dict[str, Message] = {}
        for message in self.messages:
            found.setdefault(message.text, message)
        return found


def places(text: str) -> list[str]:
    """The %-places of ``text``: positional ones in order, named ones sorted, ``%%`` left out."""
    found = [(m["name"], m["kind"]) for m in _PLACE.finditer(text) if m["kind"] != "%"]
    named = sorted(f"%({name}){kind}" for name, kind in found if name)
    return [f"%{kind}" for name, kind in found if not name] + named


def find_messages(source_dir: Path = SOURCE_DIR) -> Findings:
    """Read every module below ``source_dir``."""
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(source_dir.rglob("*.py"))}
    errors = _error_classes(list(trees.values()))
    findings = Findings()
    for path, tree in trees.items():
        where = path.relative_to(source_dir.parent).as_posix()
        constants = _string_constants(tree)
        for call, argument in _message_arguments(tree, errors):
            texts = _literals(argument, constants)
            if texts is None:
                findings.opaque.append(f"{where}:{call.lineno}: {ast.unparse(argument)}")
                continue
            findings.messages.extend(Message(text, where, call.lineno) for text in texts if text)
    return findings


def read_catalogue(language: str, locale_dir: Path = LOCALE_DIR) -> Catalog:
    """The .po file of ``language``."""
    with _po_path(language, locale_dir).open("rb") as file:
        return read_po(file, locale=language)


def _po_path(language: str, locale_dir: Path) -> Path:
    return locale_dir / language / "LC_MESSAGES" / "vigia.po"


def missing_ids(language: str, findings: Findings, locale_dir: Path = LOCALE_DIR) -> list[str]:
    """One line for every id without a finished translation, or with one whose places differ."""
    catalogue = read_catalogue(language, locale_dir)
    lines = []
    for text, message in findings.ids.items():
        entry = catalogue.get(text)
        where = f"{message.path}:{message.line}"
        if entry is None or not entry.string or entry.fuzzy:
            lines.append(f"{language}: {where}: missing: {text!r}")
        elif places(str(entry.string)) != places(text):
            lines.append(f"{language}: {where}: other places: {text!r} -> {entry.string!r}")
    return lines


def _message_arguments(tree: ast.Module, errors: dict[str, ErrorClass]) -> Iterator[tuple[ast.Call, ast.expr]]:
    """Every call that tells something, with the argument that is its message id."""
    owners = _enclosing_classes(tree)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        position: int | None = None
        name = _last_name(node.func)
        if isinstance(node.func, ast.Attribute) and name in _LOG_METHODS:
            receiver = _last_name(node.func.value)
            position = _LOG_METHODS[name] if receiver in {"log", "logger", "_log", "_logger"} else None
        elif name in _MARKERS:
            position = 0
        elif name in errors:
            position = errors[name].position
        elif name == "__init__" and _is_super(node.func) and owners.get(node) in errors:
            position = errors[owners[node]].super_position
        if position is not None and len(node.args) > position and not isinstance(node.args[position], ast.Starred):
            yield node, node.args[position]


def _error_classes(trees: list[ast.Module]) -> dict[str, ErrorClass]:
    """Every class that descends from VigiaError, by name."""
    classes = {node.name: node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
    errors = {_ROOT_ERROR: ErrorClass(0, None)}
    while True:  # each round resolves at least one class
        found = {
            name: base
            for name, node in classes.items()
            if name not in errors and (base := next((b for b in map(_last_name, node.bases) if b in errors), None))
        }
        if not found:
            return errors
        for name, base in found.items():
            inherited = errors[base].position
            errors[name] = ErrorClass(_own_template_position(classes[name], inherited), inherited)


def _own_template_position(node: ast.ClassDef, inherited: int | None) -> int | None:
    for item in node.body:
        if isinstance(item, ast.FunctionDef) and item.name == "__init__":
            names = [a.arg for a in (*item.args.posonlyargs, *item.args.args)]
            return names.index("template") - 1 if "template" in names else None
    return inherited


def _enclosing_classes(tree: ast.Module) -> dict[ast.AST, str]:
    owners: dict[ast.AST, str] = {}
    for node in ast.walk(tree):  # outer classes come first, so that inner ones overwrite them
        if isinstance(node, ast.ClassDef):
            owners.update(dict.fromkeys(ast.walk(node), node.name))
    return owners


def _string_constants(tree: ast.Module) -> dict[str, ast.expr]:
    """Names that the module binds to something, for messages that are kept in a constant."""
    found: dict[str, ast.expr] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            found[node.targets[0].id] = node.value
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
            found[node.target.id] = node.value
    return found


def _literals(node: ast.expr, constants: dict[str, ast.expr]) -> list[str] | None:
    """The literal texts that ``node`` may be; None when it is made at run time."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    if isinstance(node, ast.IfExp):
        first, second = _literals(node.body, constants), _literals(node.orelse, constants)
        return None if first is None or second is None else first + second
    if isinstance(node, ast.Name) and node.id in constants:
        return _literals(constants[node.id], {})
    if isinstance(node, ast.Call) and _last_name(node.func) in _MARKERS:
        return []  # found on its own
    return None


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return node.attr
    return _last_name(node.func) if isinstance(node, ast.Call) else ""


def _is_super(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Call) and _last_name(node.value) == "super"


def compile_catalogues(locale_dir: Path = LOCALE_DIR) -> list[Path]:
    """Write every .mo file; return their paths."""
    written = []
    for language in LANGUAGES:
        path = _po_path(language, locale_dir).with_suffix(".mo")
        with path.open("wb") as file:
            write_mo(file, read_catalogue(language, locale_dir))
        written.append(path)
    return written


def update_catalogues(findings: Findings, locale_dir: Path = LOCALE_DIR) -> None:
    """Add missing ids with an empty text, and note where each id stands.

    An id that the code lost is kept as an obsolete entry (``#~``), and comes back with its text when the code does.
    """
    for language in TRANSLATED:
        old = read_catalogue(language, locale_dir)
        known = {str(entry.id): entry for entry in (*old.obsolete.values(), *old) if entry.id}
        new = Catalog(locale=language)
        for text, message in sorted(findings.ids.items()):
            entry = known.pop(text, None)
            string = str(entry.string) if entry is not None else ""
            new.add(text, string, locations=[(message.path, 1)], flags=entry.flags if entry is not None else ())
        for text, entry in sorted(known.items()):
            if entry.string:
                new.obsolete[text] = entry
        body = BytesIO()
        write_po(body, new, width=120, include_lineno=False, omit_header=True)
        with _po_path(language, locale_dir).open("wb") as file:
            file.write(HEADER.format(language=language).encode())
            file.write(body.getvalue())


def main(arguments: list[str] | None = None) -> int:
    """Run one command; 1 when something is missing."""
    parser = argparse.ArgumentParser(description="Keep the message catalogues.")
    parser.add_argument("command", choices=("missing", "update", "compile"))
    command = parser.parse_args(arguments).command
    if command == "compile":
        for path in compile_catalogues():
            sys.stdout.write(f"{path.relative_to(ROOT)}\n")
        return 0
    findings = find_messages()
    if command == "update":
        update_catalogues(findings)
    lines = [line for language in TRANSLATED for line in missing_ids(language, findings)]
    sys.stdout.writelines(f"{line}\n" for line in lines)
    sys.stderr.writelines(f"not a literal: {line}\n" for line in findings.opaque)
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
