"""Freed memory back to the system: glibc keeps it otherwise."""

import ctypes
from collections.abc import Callable
from functools import cache
from typing import cast


def trim_heap() -> bool:
    """Give the allocator's free pages back to the system. True when any went; False also where there is no glibc.

    The call takes milliseconds on a large heap. It does not hold the interpreter lock, but a thread that allocates
    meanwhile waits for its arena.
    """
    trim = _malloc_trim()
    return trim is not None and trim(0) == 1


@cache
def _malloc_trim() -> Callable[[int], int] | None:
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError):  # musl, macOS
        return None
    trim.argtypes, trim.restype = [ctypes.c_size_t], ctypes.c_int
    return cast("Callable[[int], int]", trim)
