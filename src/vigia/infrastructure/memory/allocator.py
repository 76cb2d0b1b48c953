"""The C library's allocator: freed memory goes back to the system. glibc keeps it otherwise."""

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Final, cast

M_TRIM_THRESHOLD: Final = -1
M_MMAP_THRESHOLD: Final = -3
M_ARENA_MAX: Final = -8
"""Parameters of ``mallopt``: glibc's malloc.h."""
LARGE_BYTES: Final = 500 << 10
"""From here on an allocation has pages of its own, which go back when it is freed. Each plane of a picture is one:
those of colour have 518 kB at 1080p. Where they lay in the heap it grew to four times what was in use, because pictures
that are kept are let go in another order than they came; and whole pictures moved into the holes. What is made anew for
packets and files is smaller."""
TRIM_BYTES: Final = 16 << 20
ARENAS: Final = 4


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


def steady_heap() -> bool:
    """Keep pictures out of the heap, and the heap in few pieces; True where the allocator took it.

    glibc raises the size from which it maps memory with every large block that is freed, up to 32 MiB. Pictures then
    come from the heap of whichever thread asks, up to eight heaps a core; what lies between them is never given back,
    and the resident set creeps up for hours. To be called before threads are started. Idempotent.
    """
    options = {M_ARENA_MAX: ARENAS, M_MMAP_THRESHOLD: LARGE_BYTES, M_TRIM_THRESHOLD: TRIM_BYTES}
    set_option = _mallopt()
    return set_option is not None and all(set_option(name, value) == 1 for name, value in options.items())


@cache
def _mallopt() -> Callable[[int, int], int] | None:
    try:
        option = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):  # musl, macOS
        return None
    option.argtypes, option.restype = [ctypes.c_int, ctypes.c_int], ctypes.c_int
    return cast("Callable[[int, int], int]", option)
