"""WS-Discovery on the loopback interface: a real publisher, and neighbours that answer with anything."""

import json
import select
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from running import SECRET
from vigia.application.service import LoopService
from vigia.cli import cameras_discover, main
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.onvif import discovery
from vigia.infrastructure.onvif.discovery import GROUP_V4, PORT, Discovered, Interface, discover, local_interfaces

PUBLISHER = Path(__file__).resolve().parents[1] / "support" / "onvif_publisher.py"
LOOPBACK = (Interface("lo", "127.0.0.1"),)
CLOCK = SystemClock()
Answer = Callable[[bytes], list[bytes]]


def multicast_works() -> bool:
    """Whether a datagram to the group comes back on the loopback interface."""
    try:
        with listening(0) as receiver, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
            sender.sendto(b"x", (GROUP_V4, receiver.getsockname()[1]))
            return bool(select.select([receiver], [], [], 2.0)[0])
    except OSError:
        return False


def listening(port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("", port))
    membership = struct.pack("4s4s", socket.inet_aton(GROUP_V4), socket.inet_aton("127.0.0.1"))
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
    return sock


pytestmark = pytest.mark.skipif(not multicast_works(), reason="no multicast on the loopback interface")


@pytest.fixture
def publisher() -> Iterator[None]:
    command = [sys.executable, str(PUBLISHER), "Portao%20Norte"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    assert select.select([process.stdout], [], [], 20.0)[0]
    assert process.stdout.readline().strip() == b"ready"
    yield
    process.kill()
    process.wait(10)
    process.stdout.close()


@pytest.fixture
def neighbour() -> Iterator[Callable[[Answer], int]]:
    """Starts something on the group that answers every question; returns its port."""
    running: list[tuple[LoopService, socket.socket]] = []

    def start(answer: Answer) -> int:
        sock = listening(0)
        sock.settimeout(0.2)

        def step() -> float:
            try:
                question, asker = sock.recvfrom(65_535)
            except TimeoutError:
                return 0.0
            for datagram in answer(question):
                sock.sendto(datagram, asker)
            return 0.0

        service = LoopService("neighbour", step, clock=CLOCK)
        service.start()
        running.append((service, sock))
        return int(sock.getsockname()[1])

    yield start
    for service, sock in running:
        service.request_stop()
        assert service.join(5.0)
        sock.close()
        assert service.failure is None


def reply(question: bytes, number: int, *, name: str = "cam") -> bytes:
    start = question.index(b"urn:uuid:")
    asked = question[start : start + 45].decode()
    return f"""<?xml version="1.0"?><s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"
 xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing"
 xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery"><s:Header><a:MessageID>urn:uuid:{number}</a:MessageID>
<a:RelatesTo>{asked}</a:RelatesTo>
<a:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/ProbeMatches</a:Action></s:Header>
<s:Body><d:ProbeMatches><d:ProbeMatch><a:EndpointReference><a:Address>urn:uuid:cam-{number}</a:Address>
</a:EndpointReference><d:Scopes>onvif://www.onvif.org/name/{name}{number}</d:Scopes>
<d:XAddrs>http://10.0.0.{number % 250}/onvif</d:XAddrs><d:MetadataVersion>1</d:MetadataVersion>
</d:ProbeMatch></d:ProbeMatches></s:Body></s:Envelope>""".encode()


def search(port: int = PORT, *, seconds: float = 1.0) -> Discovered:
    return discover(seconds=seconds, clock=CLOCK, interfaces=LOOPBACK, port=port)


def test_a_real_publisher_is_found_with_what_it_says_of_itself(publisher: None) -> None:
    found = search(seconds=1.6)
    (device,) = [device for device in found.devices if device.name == "Portao Norte"]
    assert device.addresses == ("127.0.0.1",)
    assert device.xaddrs == ("http://127.0.0.1:8080/onvif/device_service",)
    assert (device.hardware, device.location) == ("VG-8", "country/brazil")
    assert found.interfaces == ("lo 127.0.0.1",)


def test_a_hundred_cameras_that_answer_twice_at_once_are_all_found(neighbour: Callable[[Answer], int]) -> None:
    port = neighbour(lambda question: [reply(question, n) for n in range(100) for _ in range(2)])
    assert len(search(port).devices) == 100


def test_garbage_neither_ends_the_search_nor_hides_a_camera(neighbour: Callable[[Answer], int]) -> None:
    def garbage(question: bytes) -> list[bytes]:
        good = reply(question, 7)
        return [
            b"",
            b"\x00\xff" * 30_000,
            b"<a>" * 20_000,
            good[: len(good) // 2],
            good.replace(b"<s:Header>", b'<s:Header><d:AppSequence InstanceId="x" MessageNumber="y"/>'),
            good.replace(b"ProbeMatches</a:Action>", b"Hello</a:Action>"),
            good.replace(b"urn:uuid:cam-7", b""),
            good,
        ]

    found = search(neighbour(garbage))
    assert [device.name for device in found.devices] == ["cam7"]
    assert found.ignored >= 5


def test_a_flood_is_bounded(neighbour: Callable[[Answer], int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discovery, "DATAGRAMS_MAX", 50)
    monkeypatch.setattr(discovery, "DEVICES_MAX", 20)
    found = search(neighbour(lambda question: [reply(question, n) for n in range(200)]))
    assert len(found.devices) == 20


def test_nobody_answers_and_the_search_ends_in_time(neighbour: Callable[[Answer], int]) -> None:
    asked = threading.Event()

    def silent(_question: bytes) -> list[bytes]:
        asked.set()
        return []

    port, start_s = neighbour(silent), CLOCK.mono_s()
    assert search(port, seconds=0.6).devices == ()
    assert asked.is_set()
    assert 0.5 < CLOCK.mono_s() - start_s < 3.0


def test_the_networks_of_this_machine_are_listed() -> None:
    assert any(interface.address == "127.0.0.1" for interface in local_interfaces())


@pytest.fixture
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(discovery, "local_interfaces", lambda: list(LOOPBACK))
    (tmp_path / "config.yaml").write_text(
        f"language: en\ncameras:\n  - {{id: gate, url: 'rtsp://ana:{SECRET}@127.0.0.1:554/s'}}\n", encoding="utf-8"
    )


def test_the_command_says_which_cameras_the_configuration_knows(
    publisher: None, configured: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["cameras", "discover", "--seconds", "1.6", "--json"]) == 0
    told = capsys.readouterr()
    (device,) = [device for device in json.loads(told.out) if device["name"] == "Portao Norte"]
    assert (device["known_as"], device["hardware"]) == (["gate"], "VG-8")
    assert SECRET not in told.out + told.err


def test_the_command_shows_a_table_without_escapes(
    neighbour: Callable[[Answer], int], configured: None, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    hostile = "%1B%5B2J%E2%80%AE"
    port = neighbour(lambda question: [b"junk", reply(question, 7, name=hostile)])
    monkeypatch.setattr(cameras_discover, "discover", partial(discover, port=port))
    assert main(["cameras", "discover", "--seconds", "0.6"]) == 0
    told = capsys.readouterr()
    assert "?[2J?7" in told.out
    assert "\x1b" not in told.out + told.err
    assert "1 devices answered within 0.6 s on lo 127.0.0.1" in told.err
    assert "answers could not be read" in told.err
