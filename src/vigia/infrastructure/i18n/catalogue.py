"""The active catalogue: one reference, replaced as a whole by :func:`set_language` and read from any thread."""

import gettext
import os
from collections.abc import Mapping
from pathlib import Path

from vigia.application.errors import ConfigurationError
from vigia.domain.camera import redact_url
from vigia.domain.errors import VigiaError

DOMAIN = "vigia"
LOCALE_DIR = Path(__file__).parent / "locale"
LANGUAGES = ("pt_BR", "en")
DEFAULT_LANGUAGE = "pt_BR"
"""The log lines' contract with the operator is Portuguese."""

_LOCALE_VARIABLES = ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")
"""Where gettext looks for the system's language, in its order."""


class _Active:
    """The language in use. Owner: none; name and texts change together, by one assignment of ``state``.

    The default is read at import and not when it is first needed, which would be in the log worker: reading imports
    modules, and a process that is forked meanwhile would wait for their import locks for ever. Without its file the
    ids themselves are shown: a text in English beats no text.
    """

    state: tuple[str, gettext.NullTranslations] = (
        DEFAULT_LANGUAGE,
        gettext.translation(DOMAIN, LOCALE_DIR, [DEFAULT_LANGUAGE], fallback=True),
    )


def set_language(name: str) -> str:
    """Choose the language of everything that an operator reads.

    Args:
        name: ``pt_BR``, ``en``, or ``auto`` for the system's own (English when it is not Portuguese).

    Returns:
        The language that is used now: ``pt_BR`` or ``en``.

    Raises:
        ConfigurationError: there is no such language, or its catalogue is not installed.
    """
    chosen = _system_language(os.environ) if name == "auto" else name
    if chosen not in LANGUAGES:
        raise ConfigurationError(
            "language %(language)s is not known; choose one of %(choices)s",
            language=name,
            choices=", ".join((*LANGUAGES, "auto")),
        )
    try:
        translations = gettext.translation(DOMAIN, LOCALE_DIR, [chosen])
    except OSError as error:
        raise ConfigurationError("the catalogue of language %(language)s is missing", language=chosen) from error
    _Active.state = (chosen, translations)
    return chosen


def language() -> str:
    """The language in use: ``pt_BR`` or ``en``."""
    return _Active.state[0]


def translate(text: str) -> str:
    """Return ``text`` in the language in use, or as it is when the catalogue does not know it. Any thread."""
    return _Active.state[1].gettext(text) if text else text


def mark(text: str) -> str:
    """Return ``text`` unchanged: it marks a literal for the catalogue that is translated later, elsewhere."""
    return text


def translate_template(template: str, facts: Mapping[str, object]) -> str:
    """Translate ``template`` and fill in its ``%(name)s`` places.

    A fact that is an error is translated too. Never raises: a template that does not fit its facts is shown in
    English, or with the facts behind it.
    """
    told = {name: translate_error(fact) if isinstance(fact, BaseException) else fact for name, fact in facts.items()}
    if not told:
        return translate(template)
    for text in (translate(template), template):
        try:
            return text % told
        except (KeyError, TypeError, ValueError):
            continue
    return f"{template} {told}"


def translate_error(error: BaseException) -> str:
    """Tell an error to a person: a VigiaError in the language in use, any other as it tells itself.

    Credentials in URLs are blanked: a library's exception may carry the address that it failed to open.
    """
    if isinstance(error, VigiaError):
        return redact_url(translate_template(error.template, error.facts))
    return redact_url(str(error)) or type(error).__name__


def _system_language(environment: Mapping[str, str]) -> str:
    for variable in _LOCALE_VARIABLES:
        value = environment.get(variable, "")
        if value:
            return "pt_BR" if value.lower().startswith("pt") else "en"
    return "en"
