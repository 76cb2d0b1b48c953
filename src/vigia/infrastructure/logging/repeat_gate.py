"""Keeps a line that repeats itself to one a second, and counts what it swallowed."""

import threading
from collections import OrderedDict
from collections.abc import Hashable


class RepeatGate:
    """At most one admission per key and interval.

    >>> gate = RepeatGate()
    >>> [gate.admit("gate-camera", now_s) for now_s in (0.0, 0.4, 0.9, 1.0)]
    [0, None, None, 2]

    Any thread; a lock guards the table, for moments only. Bounds: ``keys_max`` keys; the one that was asked for
    longest ago is forgotten, with its count.
    """

    def __init__(self, *, interval_s: float = 1.0, keys_max: int = 1024) -> None:
        self._interval_s = interval_s
        self._keys_max = keys_max
        self._lock = threading.Lock()  # guards _entries
        self._entries: OrderedDict[Hashable, tuple[float, int]] = OrderedDict()

    def admit(self, key: Hashable, now_s: float) -> int | None:
        """Say whether a line may be written now.

        Args:
            key: what repeats: a camera's id, a logger's name.
            now_s: monotonic seconds.

        Returns:
            How many lines were swallowed since the last one admitted (0 or more), or None: swallow this one too.
        """
        with self._lock:
            admitted_at_s, swallowed = self._entries.get(key, (float("-inf"), 0))
            admitted = now_s - admitted_at_s >= self._interval_s
            self._entries[key] = (now_s, 0) if admitted else (admitted_at_s, swallowed + 1)
            self._entries.move_to_end(key)
            if len(self._entries) > self._keys_max:
                self._entries.popitem(last=False)
        return swallowed if admitted else None
