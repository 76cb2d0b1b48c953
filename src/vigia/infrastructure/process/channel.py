"""Messages over a socket pair: pickled, with their length before them, and no call waits longer than it was told.

Both ends are vigia's own; what a worker sends is trusted as its threads would be.
"""

import copyreg
import io
import pickle
import select
import socket
import struct
from contextlib import suppress
from types import MappingProxyType
from typing import Any

from vigia.application.messages import ChannelClosed, ChannelFull
from vigia.application.ports import Clock

MESSAGE_BYTES_MAX = 64 * 1024 * 1024
"""A longer one is a defect; a 4K picture as JPEG is 3 MB."""
READ_BYTES = 256 * 1024
_LENGTH = struct.Struct("!I")


def read_only(mapping: dict[Any, Any]) -> "MappingProxyType[Any, Any]":
    """What a read-only view is made of again: the type itself has no name that pickle finds."""
    return MappingProxyType(mapping)


class _Pickler(pickle.Pickler):
    dispatch_table = copyreg.dispatch_table.copy() | {MappingProxyType: lambda view: (read_only, (dict(view),))}


def packed(message: object) -> bytes:
    """A message as it travels, its length not included."""
    buffer = io.BytesIO()
    _Pickler(buffer, protocol=pickle.HIGHEST_PROTOCOL).dump(message)
    return buffer.getvalue()


class SocketChannel:
    """One end of a channel. See the protocol ``messages.Channel``.

    Owner: one thread sends (and flushes), one receives; it may be the same. Bounds: one message owed, one arriving.
    """

    def __init__(self, end: socket.socket, *, clock: Clock) -> None:
        end.setblocking(False)
        self._socket = end
        self._clock = clock
        self._owed = memoryview(b"")
        self._arriving = bytearray()

    def fileno(self) -> int:
        """For a child that inherits it."""
        return self._socket.fileno()

    def send(self, message: object, *, timeout_s: float) -> None:
        """Hand a message over. See the protocol."""
        deadline_s = self._clock.mono_s() + timeout_s
        if not self.flush(timeout_s):
            raise ChannelFull
        data = packed(message)
        if len(data) > MESSAGE_BYTES_MAX:
            raise ValueError(f"a message of {len(data)} bytes is too long")
        self._owed = memoryview(_LENGTH.pack(len(data)) + data)
        self.flush(max(0.0, deadline_s - self._clock.mono_s()))

    def flush(self, timeout_s: float) -> bool:
        """Hand over what is owed; True when nothing is."""
        deadline_s = self._clock.mono_s() + timeout_s
        while self._owed:
            try:
                self._owed = self._owed[self._socket.send(self._owed) :]
            except BlockingIOError:
                if not self._wait(select.POLLOUT, deadline_s):
                    return False
            except OSError as error:
                raise ChannelClosed from error
        return True

    def receive(self, timeout_s: float) -> Any:
        """The next message, or None when none came in time."""
        deadline_s = self._clock.mono_s() + timeout_s
        while (size := self._whole()) is None:
            try:
                piece = self._socket.recv(READ_BYTES)
            except BlockingIOError:
                if not self._wait(select.POLLIN, deadline_s):
                    return None
            except OSError as error:
                raise ChannelClosed from error
            else:
                if not piece:
                    raise ChannelClosed
                self._arriving += piece
        end = _LENGTH.size + size
        message = pickle.loads(memoryview(self._arriving)[_LENGTH.size : end].tobytes())  # noqa: S301 - see above
        del self._arriving[:end]
        return message

    def close(self) -> None:
        """Let go. Idempotent."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _whole(self) -> int | None:
        """The length of the message that has arrived, None while it has not."""
        if len(self._arriving) < _LENGTH.size:
            return None
        size: int = _LENGTH.unpack_from(self._arriving)[0]
        if size > MESSAGE_BYTES_MAX:
            raise ChannelClosed
        return size if len(self._arriving) >= _LENGTH.size + size else None

    def _wait(self, what: int, deadline_s: float) -> bool:
        left_s = deadline_s - self._clock.mono_s()
        if left_s <= 0.0:
            return False
        waiting = select.poll()
        try:
            waiting.register(self._socket, what)
        except ValueError as error:  # closed by this side
            raise ChannelClosed from error
        return bool(waiting.poll(max(1.0, left_s * 1000.0)))


def channel_pair(*, clock: Clock) -> tuple[SocketChannel, socket.socket]:
    """A channel for this process, and the other end for a child."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    return SocketChannel(ours, clock=clock), theirs
