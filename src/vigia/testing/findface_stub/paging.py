"""Lists by pages: a cursor that stays right while entries come and go, and the address of the next page."""

import json
import operator
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable

from starlette.requests import Request

from vigia.testing.findface_stub.errors import bad_param, not_found
from vigia.testing.findface_stub.fields import parse_datetime_us

MAX_PAGE_SIZE = 1000


def page_limit(request: Request, *, default: int) -> int:
    """Entries a page. What is no positive number counts as not given, as in Django REST framework."""
    text = request.query_params.get("limit", "").strip()
    if not (text.isascii() and text.isdigit()) or len(text) > 18 or int(text) == 0:
        return default
    return min(int(text), MAX_PAGE_SIZE)


def make_cursor(*position: int) -> str:
    """An opaque text for the last entry of a page."""
    return urlsafe_b64encode(json.dumps(position).encode()).decode().rstrip("=")


def read_cursor(request: Request, *, parts: int) -> tuple[int, ...] | None:
    """The position in ``page``; None without one.

    Raises:
        ApiError: 404, as Django REST framework answers an invalid cursor.
    """
    text = request.query_params.get("page", "")
    if not text:
        return None
    try:
        position = json.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, RecursionError):
        position = None
    if (
        not isinstance(position, list)
        or len(position) != parts
        or not all(type(value) is int and abs(value) < 2**63 for value in position)
    ):
        raise not_found()
    return tuple(position)


def next_page_url(request: Request, cursor: str) -> str:
    """This request's address with another ``page``."""
    return str(request.url.include_query_params(page=cursor))


def ordering(request: Request, *, allowed: tuple[str, ...], default: str) -> tuple[str, bool]:
    """The field to order by and whether it goes down.

    Raises:
        ApiError: 400 for a field that is not in ``allowed``.
    """
    text = request.query_params.get("ordering", "") or default
    name = text.removeprefix("-")
    if name not in allowed:
        raise bad_param("ordering", f"Select a valid choice. {text} is not one of the available choices.")
    return name, text.startswith("-")


def time_range(request: Request) -> Callable[[int], bool]:
    """What tells whether a moment (microseconds since 1970) passes the request's ``created_date_…`` filters.

    Raises:
        ApiError: 400 for a filter that is no date and time.
    """
    bounds = [
        (compare, parse_datetime_us(f"created_date_{suffix}", text))
        for suffix, compare in (("gt", operator.gt), ("gte", operator.ge), ("lt", operator.lt), ("lte", operator.le))
        if (text := request.query_params.get(f"created_date_{suffix}", ""))
    ]
    return lambda moment_us: all(compare(moment_us, bound_us) for compare, bound_us in bounds)
