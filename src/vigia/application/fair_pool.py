"""A bounded store that is fair to cameras: when it is full, whoever has most of it gives up its oldest."""

from collections.abc import Callable, Hashable, Iterator
from typing import Generic, TypeVar

from vigia.domain.camera import CameraId

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class FairPool(Generic[K, V]):
    """Keeps the latest values by key.

    One camera that has much to tell fills what others leave, and never pushes out what another one has within an equal
    share. Owner: whoever holds it; no lock of its own. Bounds: ``bytes_max`` and ``count_max``.

    Args:
        bytes_max: of all values together; 0 keeps nothing.
        count_max: of values.
        on_gone: told the key of each value that had to make room.
    """

    def __init__(self, *, bytes_max: int, count_max: int, on_gone: Callable[[K], None] | None = None) -> None:
        self._bytes_max = bytes_max
        self._count_max = count_max
        self._on_gone = on_gone
        self._values: dict[K, tuple[CameraId, int, V, float]] = {}  # as they came
        self._keys: dict[CameraId, dict[K, None]] = {}  # of each camera, as they came
        self._used: dict[CameraId, int] = {}
        self._bytes = 0

    def __len__(self) -> int:
        """How many values there are."""
        return len(self._values)

    @property
    def size_bytes(self) -> int:
        """Of all values."""
        return self._bytes

    def put(self, key: K, value: V, *, camera_id: CameraId, size_bytes: int, at_s: float = 0.0) -> bool:
        """Keep a value, in the place of one with the same key; False when it alone is too large.

        ``at_s``: when it came, for ``drop_before``.
        """
        self.pop(key)
        if size_bytes > self._bytes_max or self._count_max < 1:
            return False
        self._values[key] = (camera_id, size_bytes, value, at_s)
        self._keys.setdefault(camera_id, {})[key] = None
        self._used[camera_id] = self._used.get(camera_id, 0) + size_bytes
        self._bytes += size_bytes
        while self._bytes > self._bytes_max:
            self._give_up(max(self._used, key=self._used.__getitem__))
        while len(self._values) > self._count_max:
            self._give_up(max(self._keys, key=lambda camera: len(self._keys[camera])))
        return key in self._values

    def get(self, key: K) -> V | None:
        """The value, if it is kept."""
        found = self._values.get(key)
        return None if found is None else found[2]

    def pop(self, key: K) -> V | None:
        """Let go of a value, if it is kept."""
        found = self._values.pop(key, None)
        if found is None:
            return None
        camera_id, size_bytes, value, _ = found
        self._bytes -= size_bytes
        self._used[camera_id] -= size_bytes
        del self._keys[camera_id][key]
        if not self._keys[camera_id]:
            del self._keys[camera_id], self._used[camera_id]
        return value

    def newest_first(self) -> Iterator[tuple[K, V]]:
        """All values. The pool must not change meanwhile."""
        for key in reversed(self._values):
            yield key, self._values[key][2]

    def shrink(self, key: K, value: V, *, size_bytes: int) -> None:
        """Put a smaller value in the place of a kept one, which stays as old as it is; nothing when there is none."""
        found = self._values.get(key)
        if found is None or size_bytes > found[1]:
            return
        camera_id, before_bytes, _, at_s = found
        self._values[key] = (camera_id, size_bytes, value, at_s)
        self._used[camera_id] -= before_bytes - size_bytes
        self._bytes -= before_bytes - size_bytes

    def drop_before(self, before_s: float) -> int:
        """Let go of what came earlier; return how many values that were."""
        old = [key for key, found in self._values.items() if found[3] < before_s]
        for key in old:
            self.pop(key)
        return len(old)

    def clear(self) -> int:
        """Let go of everything; return how many bytes that were."""
        freed, self._bytes = self._bytes, 0
        self._values.clear()
        self._keys.clear()
        self._used.clear()
        return freed

    def _give_up(self, camera_id: CameraId) -> None:
        oldest = next(iter(self._keys[camera_id]))
        self.pop(oldest)
        if self._on_gone is not None:
            self._on_gone(oldest)
