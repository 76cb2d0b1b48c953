"""The catalogue: languages, fall-backs, errors told to people."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from vigia.application.errors import CaptureRefused, ConfigurationError, SourceUnreachable
from vigia.domain.errors import VigiaError
from vigia.infrastructure.i18n import catalogue, language, mark, set_language, translate, translate_error

STOPPED = "✓ AsyncLogger stopped"


@pytest.fixture(autouse=True)
def _language_restored() -> Iterator[None]:
    before = catalogue._Active.state
    yield
    catalogue._Active.state = before


@pytest.mark.parametrize(
    ("msgid", "args", "told"),
    [
        ("✓ AsyncLogger started (queue size: %d)", (10000,), "✓ AsyncLogger iniciado (queue size: 10000)"),
        (STOPPED, (), "✓ AsyncLogger parado"),
        ("✓ MemoryManager started (interval: %.1fs)", (5.0,), "✓ MemoryManager iniciado (intervalo: 5.0s)"),
        ("✓ MemoryManager stopped", (), "✓ MemoryManager parado"),
        ("GC #%d: %d objects collected", (1, 245), "GC #1: 245 objetos coletados"),
        (
            "✓ httpx connection pool configured (max_connections=%d)",
            (20,),
            "✓ Pool de conexões httpx configurado (max_connections=20)",
        ),
        (
            "Event %d associated with track %d by IoU (%.3f)",
            (1, 1, 0.85),
            "Evento 1 associado ao track 1 por IoU (0.850)",
        ),
        (
            "Event %d associated with track %d by distance (%.1f px)",
            (1, 1, 12.3),
            "Evento 1 associado ao track 1 por distância (12.3 px)",
        ),
    ],
)
def test_the_operators_lines_are_exactly_so(msgid: str, args: tuple[object, ...], told: str) -> None:
    set_language("pt_BR")
    assert (translate(msgid) % args if args else translate(msgid)) == told


def test_without_a_choice_it_is_portuguese() -> None:
    program = "from vigia.infrastructure.i18n import *; print(ascii([language(), translate('✓ AsyncLogger stopped')]))"
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True, timeout=60)
    assert shown.stdout.strip() == ascii(["pt_BR", "✓ AsyncLogger parado"])


def test_english_shows_the_ids_themselves() -> None:
    assert set_language("en") == "en"
    assert translate(STOPPED) == STOPPED


def test_an_unknown_text_and_an_empty_one_stay_as_they_are() -> None:
    set_language("pt_BR")
    assert translate("no such message") == "no such message"
    assert translate("") == ""
    assert mark("✓ AsyncLogger stopped") == STOPPED


@pytest.mark.parametrize(
    ("environment", "chosen"),
    [
        ({"LANG": "pt_BR.UTF-8"}, "pt_BR"),
        ({"LANG": "pt_PT"}, "pt_BR"),
        ({"LC_ALL": "en_US.UTF-8", "LANG": "pt_BR.UTF-8"}, "en"),
        ({"LANGUAGE": "pt_BR:en", "LC_ALL": "en_US.UTF-8"}, "pt_BR"),
        ({"LANG": "C.UTF-8"}, "en"),
        ({}, "en"),
    ],
)
def test_auto_follows_the_systems_locale(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], chosen: str
) -> None:
    for variable in ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(variable, raising=False)
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    assert set_language("auto") == chosen
    assert language() == chosen


def test_an_unknown_language_is_refused_and_changes_nothing() -> None:
    set_language("pt_BR")
    with pytest.raises(ConfigurationError, match="de_DE"):
        set_language("de_DE")
    assert language() == "pt_BR"


def test_an_error_is_told_in_the_language_in_use() -> None:
    error = ConfigurationError(
        "language %(language)s is not known; choose one of %(choices)s", language="x", choices="y"
    )
    set_language("pt_BR")
    assert translate_error(error) == "o idioma x não é conhecido; escolha um de y"
    set_language("en")
    assert translate_error(error) == str(error)


def test_an_error_within_an_error_is_told_too() -> None:
    inner = ConfigurationError("the catalogue of language %(language)s is missing", language="fr")
    outer = SourceUnreachable("camera gate: %(why)s", why=inner)
    set_language("pt_BR")
    assert translate_error(outer) == "camera gate: falta o catálogo do idioma fr"


def test_facts_that_do_not_fit_are_shown_behind_the_template() -> None:
    error = VigiaError("nothing")
    error.template, error.facts = "at %(place)s", {"other": 1}
    assert translate_error(error) == "at %(place)s {'other': 1}"


def test_a_template_without_facts_may_hold_a_percent_sign() -> None:
    assert translate_error(CaptureRefused("too_large", "the disk is 100% full")) == "the disk is 100% full"


def test_no_password_in_any_error() -> None:
    assert translate_error(OSError("rtsp://admin:hunter2@cam/1 failed")) == "rtsp://***@cam/1 failed"
    told = translate_error(SourceUnreachable("%(url)s failed", url="rtsp://admin:hunter2@cam/1"))
    assert told == "rtsp://***@cam/1 failed"


def test_an_error_without_a_text_tells_its_type() -> None:
    assert translate_error(TimeoutError()) == "TimeoutError"
