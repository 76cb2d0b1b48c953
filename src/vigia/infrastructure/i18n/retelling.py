"""Telling a text again that was written down in English.

Why a capture was refused or given up stands in the outbox as a text: it outlives the run and its language, and the
version that wrote it. Whoever reads it gets it in their own language where its template is known, else as it stands.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Final

_PLACE: Final = re.compile(r"%\((\w+)\)([sd])")
_VALUES: Final = {"s": ".+?", "d": r"-?\d+"}
DEPTH_MAX: Final = 3
"""A reason that tells of another, and that of one more."""

Say = Callable[[str], str]


@cache
def _pattern(template: str) -> re.Pattern[str]:
    """What a filled-in template looks like; the same place twice must hold the same."""
    parts, seen, end = list[str](), set[str](), 0
    for place in _PLACE.finditer(template):
        name, kind = place.groups()
        parts.append(re.escape(template[end : place.start()].replace("%%", "%")))
        parts.append(f"(?P={name})" if name in seen else f"(?P<{name}>{_VALUES[kind]})")
        seen.add(name)
        end = place.end()
    parts.append(re.escape(template[end:].replace("%%", "%")))
    return re.compile("".join(parts), re.DOTALL)


def by_weight(templates: Iterable[str]) -> tuple[str, ...]:
    """Each template once, those with the most text of their own first: they say more than what fits them too."""
    return tuple(sorted(dict.fromkeys(templates), key=lambda text: len(_PLACE.sub("", text)), reverse=True))


def retell(text: str, templates: Sequence[str], say: Say, *, depth: int = DEPTH_MAX) -> str:
    """``text`` by ``say``; as it stands where no template fits.

    Args:
        text: English.
        templates: with ``%(name)s`` and ``%(name)d``, as ``by_weight`` orders them.
        say: a text of the catalogue in the reader's language.
        depth: how often what fills a place is told again itself.
    """
    if depth <= 0 or not text:
        return text
    for template in templates:
        found = _pattern(template).fullmatch(text)
        if found is not None:
            facts = {
                name: int(value) if f"%({name})d" in template else retell(value, templates, say, depth=depth - 1)
                for name, value in found.groupdict().items()
            }
            told = say(template)
            try:
                return told % facts if facts else told
            except (KeyError, TypeError, ValueError):  # a translation whose places are others
                return text
    return text
