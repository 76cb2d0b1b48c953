"""The queue between a source and its shard: what it does when it is full, and that the books know."""

import threading
from dataclasses import replace

from vigia.application.packet_queue import QUEUE_FULL, PacketQueue
from vigia.application.service import LoopService
from vigia.domain.camera import CameraId
from vigia.domain.frame import Packet
from vigia.domain.ledger import CameraLedger
from vigia.infrastructure.clock import SystemClock
from vigia.testing.sim_clock import SimClock
from vigia.testing.video import STREAM, ScriptedPacket, packet

GATE = CameraId("gate")
KEY, DELTA = ScriptedPacket(is_key=True), ScriptedPacket(is_key=False)


def a_queue(capacity: int = 4) -> tuple[PacketQueue, CameraLedger, threading.Event]:
    ledger, arrived = CameraLedger(GATE), threading.Event()
    return PacketQueue(capacity=capacity, ledger=ledger, arrived=arrived, clock=SimClock()), ledger, arrived


def a_packet(index: int, script: ScriptedPacket = DELTA, *, discontinuity: bool = False) -> Packet:
    return packet(GATE, index, clock=SimClock(), script=script, discontinuity=discontinuity)


def test_packets_come_out_in_order_and_wake_the_shard() -> None:
    queue, ledger, arrived = a_queue()
    for index in range(3):
        queue.put(a_packet(index))
    assert arrived.is_set()
    assert [queue.pop().index for _ in range(3)] == [0, 1, 2]
    assert queue.head() is None
    assert ledger.received == 3
    assert not ledger.overflow


def test_a_full_queue_drops_up_to_the_next_key_frame_and_books_it() -> None:
    queue, ledger, _ = a_queue(2)
    for index, script in enumerate([KEY, DELTA, DELTA]):
        queue.put(a_packet(index, script))
    queue.pop()
    queue.put(a_packet(3, DELTA))  # there is room, but a decoder could do nothing with it
    queue.put(a_packet(4, KEY))
    assert [queue.pop().index for _ in range(2)] == [1, 4]
    assert ledger.overflow == {QUEUE_FULL: 2}
    assert ledger.received == 5


def test_a_dropped_discontinuity_is_owed_to_the_next_packet() -> None:
    queue, _, _ = a_queue(1)
    queue.put(a_packet(0, KEY))
    queue.put(a_packet(1, KEY, discontinuity=True))
    queue.pop()
    queue.put(a_packet(2, KEY))
    assert queue.pop().discontinuity


def test_skipping_goes_to_the_newest_key_frame() -> None:
    queue, _, _ = a_queue(10)
    for index, script in enumerate([DELTA, KEY, DELTA, KEY, DELTA]):
        queue.put(a_packet(index, script))
    assert queue.bytes_before_newest_key() == 3000
    assert [p.index for p in queue.pop_until_key()] == [0, 1, 2]
    assert queue.pop_until_key() == []
    assert queue.pop().index == 3


def test_a_flat_out_file_waits_for_room_and_loses_nothing() -> None:
    ledger = CameraLedger(GATE)
    queue = PacketQueue(capacity=3, ledger=ledger, arrived=threading.Event(), clock=SystemClock())
    stream = replace(STREAM, live=False)
    packets = iter([packet(GATE, i, clock=SimClock(), stream=stream, script=DELTA) for i in range(500)])

    def produce() -> float | None:
        following = next(packets, None)
        if following is None:
            return None
        queue.put(following)
        return 0.0

    producer = LoopService("producer", produce, clock=SystemClock())
    producer.start()
    taken: list[int] = []
    while len(taken) < 500:
        if queue.head() is not None:
            taken.append(queue.pop().index)
    assert producer.join(5.0)
    assert producer.failure is None
    assert taken == list(range(500))
    assert not ledger.overflow


def test_a_waiting_file_gives_up_when_asked_to_stop() -> None:
    queue, ledger, _ = a_queue(1)
    stop = threading.Event()
    stop.set()
    stream = replace(STREAM, live=False)
    for index in range(2):
        queue.put(packet(GATE, index, clock=SimClock(), stream=stream), stop=stop)
    assert ledger.overflow == {QUEUE_FULL: 1}
