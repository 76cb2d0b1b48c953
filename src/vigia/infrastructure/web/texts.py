"""Texts of the pages in the reader's language, whatever the operator of the machine reads."""

import gettext
from functools import cache

from vigia.infrastructure.i18n.catalogue import DOMAIN, LANGUAGES, LOCALE_DIR


@cache
def _translations(language: str) -> gettext.NullTranslations:
    return gettext.translation(DOMAIN, LOCALE_DIR, [language], fallback=True)


def say(text: str, language: str) -> str:
    """``text`` in ``language``; English when the catalogue does not know it."""
    return _translations(language).gettext(text) if text else ""  # to gettext the empty one is the catalogue's head


def chosen_language(*, asked: str, kept: str, accepts: str, default: str) -> str:
    """The language of a page.

    Args:
        asked: of the address (``?lang=``), if any.
        kept: of the cookie, if any.
        accepts: the header ``Accept-Language``.
        default: the operator's.
    """
    for wanted in (asked, kept):
        if wanted in LANGUAGES:
            return wanted
    for part in accepts[:200].lower().split(","):
        word = part.split(";")[0].strip()
        if word.startswith("pt"):
            return "pt_BR"
        if word.startswith("en"):
            return "en"
    return default if default in LANGUAGES else "en"
