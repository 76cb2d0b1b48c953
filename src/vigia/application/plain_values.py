"""Whatever a shard noted, as values that JSON can hold."""

import math
from collections.abc import Mapping
from typing import Any


def plain(value: Any) -> Any:
    """The same as numbers, texts, lists and dictionaries of Python's own. Pure.

    Numpy's scalars and arrays become numbers and lists, tuples and sets lists, keys texts; a number that is not finite
    becomes None, and anything else its text.
    """
    if hasattr(value, "tolist"):  # numpy's scalars and arrays
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (bool, int)):
        return value
    return str(value)
