"""Reasons of refused and given up captures, which stand in the outbox in English, in a reader's language."""

import re
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Final

from vigia.infrastructure.clients.findface_rules import RULES
from vigia.infrastructure.i18n.retelling import by_weight, retell
from vigia.infrastructure.web.texts import say as say_in

_OWN: Final = (
    "camera %(camera)s has no FindFace id: its captures cannot be sent",
    "given up after %(count)d failures; it did not arrive",
    "given up after %(count)d failures; the last: %(why)s",
    "given up after %(count)d failures; the last: %(why)s; it may have arrived",
    "camera %(camera)s is not in the camera list",
    "the capture cannot be sent: %(detail)s",
    "FindFace took the picture and made no event of it",
)
"""Of ``application/given_up.py``, the sender and FindFace's client; the other ones are in its table."""
TEMPLATES: Final = by_weight((*_OWN, *(rule.text for rule in RULES)))
_CODE: Final = re.compile(r"^[a-z]+(?:_[a-z]+)+: ")
"""Before a refusal's text stands its kind, for programs."""
TOLD_MAX: Final = 1024
"""Reasons that are kept as told: open pages show the same ones twice a second."""


def told_reason(text: str, say: Callable[[str], str]) -> str:
    """A reason as it stands in the outbox, by ``say``; one that nobody knows stays as it is."""
    return retell(_CODE.sub("", text), TEMPLATES, say)


@lru_cache(maxsize=TOLD_MAX)
def reason_in(text: str, language: str) -> str:
    """The same in the language of a page."""
    return told_reason(text, partial(say_in, language=language))
