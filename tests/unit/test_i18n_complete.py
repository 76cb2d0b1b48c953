"""Every message that vigia tells has a finished translation, and what is compiled is what is written."""

import gettext
import importlib.util
import io
import sys
from pathlib import Path
from types import ModuleType

import pytest
from babel.messages.mofile import write_mo


def _load_script() -> ModuleType:
    path = Path(__file__).parents[2] / "scripts" / "catalogue.py"
    spec = importlib.util.spec_from_file_location("vigia_scripts_catalogue", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


script = _load_script()

SOURCE = '''
"""A module."""
from elsewhere import ConfigurationError, translate, mark, logger, VigiaError

LATER = mark("marked")
KEPT = "kept in a constant"

class Odd(VigiaError):
    """Has no template of its own."""
    def __init__(self, level: int) -> None:
        super().__init__("odd at %(level)d", level=level)

class Refused(VigiaError):
    def __init__(self, reason: str, template: str, /) -> None:
        super().__init__(template)

class Sub(Refused):
    pass

class Other(ValueError):
    pass

def act(self, level, flag):
    logger.info("plain %d", 1)
    self._logger.warning("of " "two parts")
    logger.log(level, "by level")
    logger.info("first" if flag else "second")
    logger.error(KEPT)
    logger.debug(flag.text)
    math.log("no message")
    raise Sub("no_reason", "second argument") from Odd(3)
    Other("not one of ours")
    print(translate("shown"))
'''


@pytest.mark.parametrize("language", script.TRANSLATED)
def test_every_message_is_translated_with_the_same_places(language: str) -> None:
    missing = script.missing_ids(language, script.find_messages())
    assert not missing, "\n".join(["run scripts/catalogue.py update, fill in, compile:", *missing])


@pytest.mark.parametrize("language", script.LANGUAGES)
def test_the_compiled_catalogue_is_the_written_one(language: str) -> None:
    compiled = io.BytesIO()
    write_mo(compiled, script.read_catalogue(language))
    compiled.seek(0)
    shipped = gettext.find("vigia", str(script.LOCALE_DIR), [language])
    assert shipped is not None
    with Path(shipped).open("rb") as file:
        assert _texts(file) == _texts(compiled), "run scripts/catalogue.py compile"


def _texts(file: io.BufferedReader | io.BytesIO) -> dict[str, str]:
    catalogue: dict[str, str] = vars(gettext.GNUTranslations(file))["_catalog"]
    return {msgid: text for msgid, text in catalogue.items() if msgid}  # the header names Babel's version


def test_messages_are_found_wherever_they_stand(tmp_path: Path) -> None:
    source = tmp_path / "src" / "pkg"
    source.mkdir(parents=True)
    (source / "module.py").write_text(SOURCE, encoding="utf-8")
    findings = script.find_messages(source)
    assert set(findings.ids) == {
        "marked",
        "kept in a constant",
        "odd at %(level)d",
        "second argument",
        "plain %d",
        "of two parts",
        "by level",
        "first",
        "second",
        "shown",
    }
    assert any("flag.text" in line for line in findings.opaque)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("%d of %d", ["%d", "%d"]),
        ("%(b)s and %(a).1f", ["%(a)f", "%(b)s"]),
        ("100 % of 50%%", []),
        ("%5.1f %% %-8s", ["%f", "%s"]),
    ],
)
def test_places(text: str, found: list[str]) -> None:
    assert script.places(text) == found


def _catalogues(tmp_path: Path, entry: str) -> Path:
    for language in script.LANGUAGES:
        folder = tmp_path / language / "LC_MESSAGES"
        folder.mkdir(parents=True)
        (folder / "vigia.po").write_text(script.HEADER.format(language=language) + entry, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        ("", "missing"),
        ('msgid "%d of %s"\nmsgstr ""\n', "missing"),
        ('#, fuzzy\nmsgid "%d of %s"\nmsgstr "%d de %s"\n', "missing"),
        ('msgid "%d of %s"\nmsgstr "%s de %d"\n', "other places"),
        ('msgid "%d of %s"\nmsgstr "%d de %s"\n', ""),
    ],
)
def test_what_is_missing_is_named(tmp_path: Path, entry: str, complaint: str) -> None:
    locale_dir = _catalogues(tmp_path, entry)
    findings = script.Findings([script.Message("%d of %s", "a.py", 3)])
    lines = script.missing_ids("pt_BR", findings, locale_dir)
    assert [complaint in line and "a.py:3" in line for line in lines] == ([True] if complaint else [])


def test_an_update_keeps_what_is_there_and_sets_lost_ids_aside(tmp_path: Path) -> None:
    locale_dir = _catalogues(tmp_path, 'msgid "old"\nmsgstr "velho"\n\nmsgid "kept"\nmsgstr "mantido"\n')
    path = locale_dir / "pt_BR" / "LC_MESSAGES" / "vigia.po"

    script.update_catalogues(script.Findings([script.Message(t, "a.py", 1) for t in ("kept", "new")]), locale_dir)
    first = path.read_text(encoding="utf-8")
    assert '#~ msgid "old"' in first
    catalogue = script.read_catalogue("pt_BR", locale_dir)
    assert (catalogue.get("kept").string, catalogue.get("new").string, catalogue.get("old")) == ("mantido", "", None)

    script.update_catalogues(script.Findings([script.Message("old", "a.py", 1)]), locale_dir)
    assert script.read_catalogue("pt_BR", locale_dir).get("old").string == "velho"
