"""Asks every network of this machine for ONVIF cameras, and listens for a few seconds.

The messages are those of the package WSDiscovery. Its own searching is not used: one odd answer ends its receiving
thread for good, it reads some ten answers a second (each camera sends two), it passes over link-local addresses (a
camera straight from its box), and it starts threads of its own. So the sockets are ours: one a network, no thread.
"""

import contextlib
import ipaddress
import logging
import selectors
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import psutil

from vigia.application.errors import ApplicationError, ConfigurationError
from vigia.application.ports import Clock
from vigia.infrastructure.onvif.reply import OnvifDevice, message_key, read_reply

PORT = 3702
GROUP_V4 = "239.255.255.250"
GROUP_V6 = "ff02::c"
ASK_AT_S = (0.0, 0.5, 1.5)
"""Datagrams get lost: the questions are asked again, under the same ids."""
DATAGRAM_BYTES_MAX = 65_535
DATAGRAMS_MAX = 20_000
"""More than this is a flood and no network of cameras."""
DEVICES_MAX = 2_000
RECEIVE_BUFFER_BYTES = 1_000_000
"""Many cameras answer in the same half second."""
_TYPES = (("http://www.onvif.org/ver10/network/wsdl", "NetworkVideoTransmitter", "dn"), None)
"""Asked by type, which some cameras insist on, and for anything, because others know no types."""


@dataclass(frozen=True, slots=True)
class Interface:
    """One address of this machine, to ask from."""

    name: str
    address: str
    """IPv4; empty where the network is asked in IPv6."""
    index: int = 0
    """The interface's number, for IPv6."""


@dataclass(frozen=True, slots=True)
class Discovered:
    """What a search came to."""

    devices: tuple[OnvifDevice, ...]
    """By address."""
    interfaces: tuple[str, ...]
    """Networks that were asked, as ``name address``."""
    ignored: int
    """Datagrams that were no answer of a device to our question."""


def local_interfaces() -> list[Interface]:
    """Every network that is up: by its IPv4 addresses, link-local ones included, and once in IPv6 where it has that."""
    states, found = psutil.net_if_stats(), list[Interface]()
    for name, addresses in psutil.net_if_addrs().items():
        if name in states and not states[name].isup:
            continue
        found += [Interface(name, a.address) for a in addresses if a.family == socket.AF_INET]
        if any(a.family == socket.AF_INET6 for a in addresses):
            with contextlib.suppress(OSError):  # gone meanwhile
                found.append(Interface(name, "", socket.if_nametoindex(name)))
    return found


def discover(
    *, seconds: float, clock: Clock, interfaces: Sequence[Interface] | None = None, port: int = PORT
) -> Discovered:
    """Ask, and listen for ``seconds``. Never raises for what others send.

    Args:
        seconds: how long.
        clock: times it.
        interfaces: where from; every network that is up by default.
        port: where WS-Discovery listens; another one only for tests.

    Raises:
        ConfigurationError: the extra is not installed.
        ApplicationError: no network could be asked.
    """
    questions = _questions()
    search = _Search(asked=frozenset(questions), port=port)
    with contextlib.closing(search):
        for interface in local_interfaces() if interfaces is None else interfaces:
            search.add(interface)
        search.run(list(questions.values()), seconds=seconds, clock=clock)
        return search.result()


def _questions() -> dict[str, bytes]:
    """The probes, by their ids as they are compared. Raises ConfigurationError without the library."""
    try:
        # Imported here: the extra is optional. Its loggers repeat what strangers send, and nobody wants that.
        from wsdiscovery.actions import constructProbe  # noqa: PLC0415 - see above
        from wsdiscovery.message import createSOAPMessage  # noqa: PLC0415 - see above
        from wsdiscovery.qname import QName  # noqa: PLC0415 - see above
    except ImportError as error:
        raise ConfigurationError(
            "vigia cameras discover needs the package WSDiscovery: pip install 'vigia[onvif]'"
        ) from error
    logging.getLogger("wsdiscovery").propagate = False
    questions = {}
    for kind in _TYPES:
        envelope = constructProbe(None if kind is None else [QName(*kind)], None)
        questions[message_key(str(envelope.getMessageId()))] = str(createSOAPMessage(envelope)).encode()
    return questions


class _Search:
    """One search: its sockets and what came in. Owner: the call that made it.

    Bounds: DEVICES_MAX devices, DATAGRAMS_MAX datagrams.
    """

    def __init__(self, *, asked: frozenset[str], port: int) -> None:
        self._asked = asked
        self._port = port
        self._selector = selectors.DefaultSelector()
        self._targets: list[tuple[socket.socket, tuple[str, int] | tuple[str, int, int, int], Interface]] = []
        self._answering: dict[str, Interface] = {}
        self._devices: dict[str, OnvifDevice] = {}
        self._datagrams = 0
        self._ignored = 0

    def add(self, interface: Interface) -> None:
        """Make a socket for one network; one that cannot be used is passed over."""
        with contextlib.suppress(OSError):
            open_socket = _socket_v4 if interface.address else _socket_v6
            sock = open_socket(interface)
            target = (GROUP_V4, self._port) if interface.address else (GROUP_V6, self._port, 0, interface.index)
            self._targets.append((sock, target, interface))
            self._selector.register(sock, selectors.EVENT_READ)

    def run(self, questions: Sequence[bytes], *, seconds: float, clock: Clock) -> None:
        """Ask at ASK_AT_S, read what comes, until the time is over. Raises ApplicationError when nobody was asked."""
        start_s = clock.mono_s()
        times_s = [at_s for at_s in ASK_AT_S if at_s <= seconds]
        while (passed_s := clock.mono_s() - start_s) < seconds and self._datagrams < DATAGRAMS_MAX:
            if times_s and passed_s >= times_s[0]:
                times_s.pop(0)
                self._ask(questions)
            until_s = min(seconds, times_s[0]) if times_s else seconds
            self._listen(max(0.0, min(until_s - passed_s, seconds)))

    def result(self) -> Discovered:
        """What was found."""
        devices = sorted(self._devices.values(), key=lambda device: _by_address(device.addresses[0]))
        asked = tuple(f"{i.name} {i.address or 'IPv6'}" for i in self._answering.values())
        return Discovered(tuple(devices), asked, self._ignored)

    def close(self) -> None:
        """Close the sockets."""
        self._selector.close()
        for sock, _, _ in self._targets:
            sock.close()

    def _ask(self, questions: Sequence[bytes]) -> None:
        for sock, target, interface in self._targets:
            for question in questions:
                with contextlib.suppress(OSError):  # a network without multicast, a tunnel
                    sock.sendto(question, target)
                    self._answering[f"{interface.name} {interface.address}"] = interface
        if not self._answering:
            raise ApplicationError("no network of this machine could be asked: is one up, and does it allow multicast?")

    def _listen(self, timeout_s: float) -> None:
        for key, _ in self._selector.select(timeout_s):
            sock = key.fileobj
            if not isinstance(sock, socket.socket):
                continue
            try:
                data, sender = sock.recvfrom(DATAGRAM_BYTES_MAX)
            except OSError:  # such as a refusal by ICMP
                continue
            self._datagrams += 1
            self._take(read_reply(data, sender=str(sender[0]), asked=self._asked))

    def _take(self, devices: Sequence[OnvifDevice] | None) -> None:
        if devices is None:
            self._ignored += 1
            return
        for device in devices:
            known = self._devices.get(device.endpoint)
            if known is not None:
                self._devices[device.endpoint] = known.merged(device)
            elif len(self._devices) < DEVICES_MAX:
                self._devices[device.endpoint] = device


def _socket_v4(interface: Interface) -> socket.socket:
    packed = socket.inet_aton(interface.address)

    def prepare(sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, packed)
        sock.bind((interface.address, 0))

    return _prepared(socket.AF_INET, prepare)


def _socket_v6(interface: Interface) -> socket.socket:
    def prepare(sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, interface.index)
        sock.bind(("::", 0))

    return _prepared(socket.AF_INET6, prepare)


def _prepared(family: socket.AddressFamily, prepare: Callable[[socket.socket], None]) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        prepare(sock)
    except OSError:
        sock.close()
        raise
    return sock


def _by_address(address: str) -> tuple[int, int, str]:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return 9, 0, address
    return parsed.version, int(parsed), address
