"""The queue between one camera's source thread and its shard.

Policy when full: a file read flat out waits; a live camera cannot, so the arriving packets are dropped up to the next
key frame (a decoder can do nothing with what lies between) and booked as ``skipped: queue_full``. Load control skips
old packets long before that; a full queue is the last resort.
"""

import threading
from collections import deque
from dataclasses import replace

from vigia.application.ports import Clock
from vigia.domain.frame import Packet
from vigia.domain.ledger import CameraLedger

QUEUE_FULL = "queue_full"
WAIT_STEP_S = 0.2


class PacketQueue:
    """Packets of one camera, in order.

    Owner: one producer (the source's thread) and one consumer (the shard's). ``deque.append`` and ``popleft`` are
    atomic, so that neither side ever waits for the other's lock.
    Bounds: ``capacity`` packets.

    Args:
        capacity: packets.
        ledger: the camera's books; the producer's columns are filled here.
        arrived: set whenever a packet was put; the shard waits on it.
        clock: for the bounded waits of a file.
    """

    def __init__(self, *, capacity: int, ledger: CameraLedger, arrived: threading.Event, clock: Clock) -> None:
        self._capacity = capacity
        self._ledger = ledger
        self._arrived = arrived
        self._clock = clock
        self._packets: deque[Packet] = deque()
        self._space = threading.Event()
        self._dropping = False
        self._discontinuity_owed = False

    def __len__(self) -> int:
        return len(self._packets)

    def put(self, packet: Packet, *, stop: threading.Event | None = None) -> None:
        """Take one packet in. Producer only; waits only for a flat-out file, and not once ``stop`` is set."""
        self._ledger.received += 1
        if len(self._packets) >= self._capacity and not packet.stream.live:
            self._wait_for_space(stop)
        full = len(self._packets) >= self._capacity
        if full or (self._dropping and not packet.is_key):
            self._dropping = True
            self._discontinuity_owed |= packet.discontinuity
            self._ledger.overflow[QUEUE_FULL] += 1
            return
        if self._discontinuity_owed and not packet.discontinuity:
            packet = replace(packet, discontinuity=True)
        self._dropping = self._discontinuity_owed = False
        self._packets.append(packet)
        if not self._arrived.is_set():
            self._arrived.set()

    def announce_to(self, arrived: threading.Event) -> None:
        """Set another event from now on: the camera has moved to another shard. Consumer only."""
        self._arrived = arrived
        arrived.set()

    def head(self) -> Packet | None:
        """The oldest packet, left where it is. Consumer only."""
        return self._packets[0] if self._packets else None

    def pop(self) -> Packet:
        """Take the oldest packet out. Consumer only; IndexError when there is none."""
        packet = self._packets.popleft()
        if not self._space.is_set():
            self._space.set()
        return packet

    def pop_until_key(self) -> list[Packet]:
        """Take out every packet before the newest waiting key frame; nothing when there is none behind the head."""
        return [self.pop() for _ in range(self._newest_key(list(self._packets)))]

    def pop_all(self) -> list[Packet]:
        """Take out every packet that waits now. Consumer only."""
        return [self.pop() for _ in range(len(self._packets))]

    def bytes_before_newest_key(self) -> int:
        """How much ``pop_until_key`` would free, bytes. Any thread; approximate."""
        waiting = list(self._packets)
        return sum(packet.size_bytes for packet in waiting[: self._newest_key(waiting)])

    @staticmethod
    def _newest_key(waiting: list[Packet]) -> int:
        return max((i for i, packet in enumerate(waiting) if packet.is_key), default=0)

    def _wait_for_space(self, stop: threading.Event | None) -> None:
        while len(self._packets) >= self._capacity and not (stop is not None and stop.is_set()):
            self._space.clear()
            if len(self._packets) >= self._capacity:
                self._clock.wait(self._space, WAIT_STEP_S)
