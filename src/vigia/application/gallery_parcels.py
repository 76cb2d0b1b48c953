"""What a worker's gallery desk made, on its way to the parent: bounded, and the first to give way."""

import threading
from collections import deque

from vigia.application.gallery_values import GalleryItem, PassageSheet
from vigia.application.messages import GalleryNews

WAITING_BYTES_MAX = 4 << 20
WAITING_MAX = 512
PARCEL_BYTES = 256 << 10
"""Sent at once: a report of the worker's state never waits behind more."""


class ParcelBox:
    """Holds what waits to be sent.

    Owner: its lock. ``put`` is for the desk's thread, the rest for the one that sends. Bounds: ``WAITING_BYTES_MAX``
    and ``WAITING_MAX``; beyond them pictures are left out, then the oldest entries, and both are counted.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._items: deque[GalleryItem] = deque()
        self._bytes = 0
        self._dropped = 0

    def __len__(self) -> int:
        """How many entries wait."""
        return len(self._items)

    @property
    def dropped(self) -> int:
        """Entries that were sent without pictures, or not at all."""
        return self._dropped

    def put(self, item: GalleryItem) -> None:
        """Take one more. Never waits."""
        with self._lock:
            if self._bytes + item.size_bytes > WAITING_BYTES_MAX:
                self._dropped += 1
                if not isinstance(item, PassageSheet):
                    return
                item = item.without_pictures()
            self._items.append(item)
            self._bytes += item.size_bytes
            while len(self._items) > WAITING_MAX or self._bytes > WAITING_BYTES_MAX:
                self._bytes -= self._items.popleft().size_bytes
                self._dropped += 1

    def take(self) -> GalleryNews | None:
        """The oldest, as many as go together; None when nothing waits."""
        taken: list[GalleryItem] = []
        size = 0
        with self._lock:
            while self._items and (not taken or size + self._items[0].size_bytes <= PARCEL_BYTES):
                item = self._items.popleft()
                size += item.size_bytes
                taken.append(item)
            self._bytes -= size
        return GalleryNews(tuple(taken)) if taken else None

    def put_back(self, news: GalleryNews) -> None:
        """It could not be sent now."""
        with self._lock:
            self._items.extendleft(reversed(news.items))
            self._bytes += sum(item.size_bytes for item in news.items)
