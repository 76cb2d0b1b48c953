"""Values out of query strings and forms, taken and refused as Django REST framework does it.

Each ``parse_*`` returns the value or raises :class:`ApiError` 400 BAD_PARAM with the framework's own sentence.
"""

import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation

from vigia.testing.findface_stub.errors import bad_param

INT64_MAX = 2**63 - 1
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TRUE = frozenset({"t", "y", "yes", "true", "on", "1"})
_FALSE = frozenset({"f", "n", "no", "false", "off", "0"})
_WHOLE = re.compile(r"[+-]?[0-9]{1,40}(?:\.0*)?\Z")
_DATETIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]{1,9})?)?"
    r"(?:[Zz]|[+-][0-9]{2}(?::?[0-9]{2})?)?\Z"
)
_FRACTION = re.compile(r"[.,]([0-9]+)")


def parse_bool(param: str, text: str) -> bool:
    """``true``, ``1``, ``on`` … in any case."""
    word = text.strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise bad_param(param, "Must be a valid boolean.")


def parse_int(param: str, text: str) -> int:
    """A whole number of at most 40 digits; a zero fraction is forgiven."""
    word = text.strip()
    if not _WHOLE.match(word):
        raise bad_param(param, "A valid integer is required.")
    return int(word.partition(".")[0])


def parse_float(param: str, text: str) -> float:
    """A finite number."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise bad_param(param, "A valid number is required.")
    return number


def parse_number(param: str, text: str) -> Decimal:
    """A finite number, kept exact: event ids do not fit into a float."""
    try:
        number = Decimal(text.strip())
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or abs(number.adjusted()) > 400:
        raise bad_param(param, "Enter a number.")
    return number


def parse_datetime_us(param: str, text: str) -> int:
    """ISO 8601 date and time as microseconds since 1970 in UTC; without an offset it is the server's zone: UTC."""
    word = text.strip()
    # A word of another form becomes one that the parser refuses, so that there is one way to be refused.
    word = word if _DATETIME.match(word) else ""
    try:
        # Python takes at most six digits of a second; more are cut off, as Django does.
        exact = _FRACTION.sub(lambda m: "." + m.group(1)[:6].ljust(6, "0"), word, count=1)
        moment = datetime.fromisoformat(exact.upper())
        # Conversion comes first: it refuses a moment whose year in UTC is not between 1 and 9999.
        return datetime_us(moment.astimezone(UTC) if moment.tzinfo is not None else moment.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        form = "YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z]"
        raise bad_param(
            param, f"Datetime has wrong format. Use one of these formats instead: {form}."
        ) from None  # the parser's own words add nothing


def parse_int_list(param: str, values: Sequence[str]) -> list[int]:
    """Whole numbers from a repeated key, comma-joined values, or both. Those beyond 64 bits match nothing."""
    numbers = [parse_int(param, word) for value in values for word in value.split(",") if word.strip()]
    return [number for number in numbers if abs(number) <= INT64_MAX]


def parse_roi(values: Sequence[str]) -> tuple[int, int, int, int]:
    """Left, top, right, bottom in pixels: the key four times. One JSON text is not a list of four."""
    sides = [parse_int("roi", value) for value in values]
    if any(side < 0 for side in sides):
        raise bad_param("roi", "Ensure this value is greater than or equal to 0.")
    if len(sides) < 4:
        raise bad_param("roi", "Ensure this field has at least 4 elements.")
    if len(sides) > 4:
        raise bad_param("roi", "Ensure this field has no more than 4 elements.")
    left, top, right, bottom = sides
    if left >= right or top >= bottom:
        raise bad_param("roi", "Left must be less than right, and top less than bottom.")
    return left, top, right, bottom


def datetime_us(moment: datetime) -> int:
    """Microseconds since 1970, exact."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def datetime_text(moment_us: int) -> str:
    """RFC 3339 in UTC with microseconds."""
    return (EPOCH + timedelta(microseconds=moment_us)).isoformat(timespec="microseconds").replace("+00:00", "Z")
