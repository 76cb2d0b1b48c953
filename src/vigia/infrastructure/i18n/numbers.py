"""Numbers as a language writes them."""

from typing import Final

_SWAP: Final = str.maketrans(",.", ".,")


def has_decimal_comma(language: str) -> bool:
    """Whether ``language`` (``pt_BR`` or ``en``) writes numbers with a comma, and points between thousands."""
    return language == "pt_BR"


def number_text(value: float, language: str, *, digits: int = 0) -> str:
    """``1234.5`` as ``1,234.5`` or ``1.234,5``. ``value`` is finite."""
    text = f"{value:,.{digits}f}"
    return text.translate(_SWAP) if has_decimal_comma(language) else text
