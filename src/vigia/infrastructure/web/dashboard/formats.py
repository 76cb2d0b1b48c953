"""Numbers as the reader's language writes them. Pure; times are formatted by the browser, which knows the zone."""

import math
import re
from typing import Final

from vigia.infrastructure.i18n.numbers import number_text

DASH: Final = "\N{EN DASH}"
TIMES: Final = " \N{MULTIPLICATION SIGN} "
_ID: Final = re.compile(r"[\w.-]{1,64}")
BYTE_STEPS: Final = ("B", "kB", "MB", "GB", "TB")


def number(value: float | None, language: str, *, digits: int = 0) -> str:
    """``1234.5`` as ``1,234.5`` or ``1.234,5``; a dash where nothing is known."""
    if value is None or not math.isfinite(value):
        return DASH
    return number_text(value, language, digits=digits)


def percent(share: float | None, language: str, *, digits: int = 0) -> str:
    """A share of 1, as ``42 %``."""
    return DASH if share is None else f"{number(100.0 * share, language, digits=digits)}\N{NO-BREAK SPACE}%"


def seconds(value_s: float | None, language: str) -> str:
    """A length of time, as coarse as it is long: ``0.42 s``, ``12 s``, ``3 min``, ``5 h 12 min``, ``2 d 3 h``."""
    if value_s is None or not math.isfinite(value_s):
        return DASH
    if value_s < 10.0:
        return f"{number(value_s, language, digits=2 if value_s < 1.0 else 1)}\N{NO-BREAK SPACE}s"
    whole_s = round(value_s)
    if whole_s < 120:
        return f"{whole_s}\N{NO-BREAK SPACE}s"
    minutes = whole_s // 60
    if minutes < 120:
        return f"{minutes}\N{NO-BREAK SPACE}min"
    hours, days = minutes // 60, minutes // 1440
    if hours < 48:
        return f"{hours}\N{NO-BREAK SPACE}h {minutes % 60}\N{NO-BREAK SPACE}min"
    return f"{number(days, language)}\N{NO-BREAK SPACE}d {hours % 24}\N{NO-BREAK SPACE}h"


def size(count: float | None, language: str) -> str:
    """A number of bytes, as ``1.5 MB``."""
    if count is None:
        return DASH
    step = 0
    while count >= 1000.0 and step < len(BYTE_STEPS) - 1:
        count, step = count / 1000.0, step + 1
    return (
        f"{number(count, language, digits=0 if step == 0 or count >= 100.0 else 1)}\N{NO-BREAK SPACE}{BYTE_STEPS[step]}"
    )


def camera_asked(text: str | None) -> str:
    """A camera's id out of an address; nothing where it cannot be one."""
    return text if text is not None and _ID.fullmatch(text) else ""


def share_asked(text: str | None) -> float | None:
    """A number from 0 to 1 out of an address; None where there is none."""
    if not text or len(text) > 20:
        return None
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        return None
    return value if 0.0 <= value <= 1.0 else None
