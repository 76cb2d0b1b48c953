"""Messages over a socket pair: whole, in order, and never waited for longer than asked."""

import gc
from collections.abc import Iterator
from types import MappingProxyType

import pytest

from vigia.application.messages import ChannelClosed, ChannelFull, StopWork
from vigia.domain.camera import Camera, CameraId
from vigia.domain.ledger import CameraLedger, FrameFate
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.process.channel import SocketChannel, channel_pair
from worker_fakes import a_report

CLOCK = SystemClock()
LONG_S = 20.0
BIG = bytes(8_000_000)
"""More than any socket holds."""
Pair = tuple[SocketChannel, SocketChannel]


@pytest.fixture
def pair() -> Iterator[Pair]:
    ours, end = channel_pair(clock=CLOCK)
    theirs = SocketChannel(end, clock=CLOCK)
    yield ours, theirs
    ours.close()
    theirs.close()
    gc.collect()


def test_messages_arrive_whole_and_in_order_both_ways(pair: Pair) -> None:
    ours, theirs = pair
    for number in range(100):
        ours.send(("n", number), timeout_s=LONG_S)
    theirs.send(StopWork(2.5), timeout_s=LONG_S)
    assert [theirs.receive(LONG_S) for _ in range(100)] == [("n", number) for number in range(100)]
    assert ours.receive(LONG_S) == StopWork(2.5)
    assert ours.receive(0.0) is None


def test_a_report_with_its_read_only_books_survives_the_way(pair: Pair) -> None:
    ours, theirs = pair
    ledger = CameraLedger(CameraId("gate"), received=3)
    ledger.book(FrameFate.SKIPPED, 3, reason="overload")
    report = a_report([Camera(CameraId("gate"), "Gate", "x")], pages=[ledger.snapshot()])
    ours.send(report, timeout_s=LONG_S)
    arrived = theirs.receive(LONG_S)
    assert arrived.details == report.details
    assert isinstance(arrived.details[0].page.skip_reasons, MappingProxyType)


def test_a_side_that_does_not_read_is_owed_the_rest_and_gets_it_first(pair: Pair) -> None:
    ours, theirs = pair
    ours.send(BIG, timeout_s=0.0)
    assert not ours.flush(0.0)
    with pytest.raises(ChannelFull):
        ours.send("second", timeout_s=0.01)
    assert theirs.receive(0.0) is None, "it is not whole yet"
    while not ours.flush(0.0):
        theirs.receive(0.0)
    ours.send("second", timeout_s=LONG_S)
    assert [theirs.receive(LONG_S) for _ in range(2)] == [BIG, "second"]


@pytest.mark.parametrize("words", [0, 1])
def test_what_was_said_before_the_end_is_heard_then_the_end(pair: Pair, words: int) -> None:
    ours, theirs = pair
    for _ in range(words):
        ours.send("last", timeout_s=LONG_S)
    ours.close()
    ours.close()
    assert [theirs.receive(LONG_S) for _ in range(words)] == ["last"] * words
    with pytest.raises(ChannelClosed):
        theirs.receive(LONG_S)
    with pytest.raises(ChannelClosed):
        theirs.send("hello", timeout_s=LONG_S)
    with pytest.raises(ChannelClosed):
        ours.receive(LONG_S)


def test_a_length_that_cannot_be_is_the_end(pair: Pair) -> None:
    ours, theirs = pair
    ours._socket.send(b"\xff" * 8)
    with pytest.raises(ChannelClosed):
        theirs.receive(LONG_S)
