"""What an operator reads, in the operator's language.

English message ids are in the code, translations in gettext catalogues beside this file; ``scripts/catalogue.py``
finds what is missing and compiles them. Log messages are translated in the logger's worker thread, nowhere else.
"""

from vigia.infrastructure.i18n.catalogue import (
    DEFAULT_LANGUAGE,
    LANGUAGES,
    language,
    mark,
    set_language,
    translate,
    translate_error,
    translate_template,
)

__all__ = [
    "DEFAULT_LANGUAGE",
    "LANGUAGES",
    "language",
    "mark",
    "set_language",
    "translate",
    "translate_error",
    "translate_template",
]
