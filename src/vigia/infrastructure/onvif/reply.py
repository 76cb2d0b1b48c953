"""What a camera's answer to a WS-Discovery probe says. Pure; whatever came over the network, it ends with a list.

Anybody on the network may answer, with anything: an answer is read only when it names our own question, holds no
document type, and is no longer than a datagram; what it says is cut to length and made printable.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from vigia.domain.camera import redact_url

TEXT_CHARS_MAX = 256
XADDRS_MAX = 8
MATCHES_MAX = 64
"""Devices in one answer: a recorder may speak for its cameras."""
_ANSWER = "/ProbeMatches"
_ONVIF = "onvif.org"
_SCOPE = "onvif://www.onvif.org/"


@dataclass(frozen=True, slots=True)
class OnvifDevice:
    """A device as it describes itself; every text is short and printable, and none of it is proven."""

    endpoint: str
    """Its stable name, mostly a uuid."""
    addresses: tuple[str, ...]
    """Where its answers came from."""
    xaddrs: tuple[str, ...] = ()
    """URLs of its ONVIF service."""
    name: str = ""
    hardware: str = ""
    location: str = ""

    @property
    def hosts(self) -> frozenset[str]:
        """Every host that it is reached at, in lower case."""
        named = (host_of(url) for url in self.xaddrs)
        return frozenset(host for host in (*self.addresses, *named) if host)

    def merged(self, other: "OnvifDevice") -> "OnvifDevice":
        """The same device, heard again on another network: what this one lacks comes from the other."""
        return OnvifDevice(
            self.endpoint,
            _union(self.addresses, other.addresses),
            _union(self.xaddrs, other.xaddrs)[:XADDRS_MAX],
            self.name or other.name,
            self.hardware or other.hardware,
            self.location or other.location,
        )


def host_of(url: str) -> str:
    """The host that a URL names, lower case and without a zone; empty when there is none."""
    try:
        return (urlsplit(url).hostname or "").partition("%")[0].lower()
    except ValueError:
        return ""


def message_key(message_id: str) -> str:
    """A message's id as it is compared: some cameras leave ``urn:`` out, or write capitals."""
    return message_id.rpartition(":")[2].strip().lower()


def read_reply(data: bytes, *, sender: str, asked: Collection[str]) -> list[OnvifDevice] | None:
    """The ONVIF devices of one answer; empty when they are something else; None when it is no answer to our question.

    Args:
        data: one datagram.
        sender: the address that it came from.
        asked: the ids of our questions, as ``message_key`` gives them.
    """
    # Here, because the library is an extra: whoever has an answer to read has it.
    from wsdiscovery.message import parseSOAPMessage  # noqa: PLC0415 - see the line above

    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        return None
    try:
        envelope = parseSOAPMessage(data, sender)
        if envelope is None or not envelope.getAction().endswith(_ANSWER):
            return None
        if message_key(envelope.getRelatesTo()) not in asked:
            return None
        found = [_device(match, sender) for match in envelope.getProbeResolveMatches()[:MATCHES_MAX]]
    except Exception:  # noqa: BLE001 - the library checks nothing: hostile XML ends in any error there is
        return None
    return [device for device in found if device is not None]


def _device(match: Any, sender: str) -> OnvifDevice | None:
    """One device; None when nothing about it is ONVIF's: printers and computers answer, too."""
    scopes = [str(scope.getValue()) for scope in match.getScopes()]
    kinds = [str(kind.getNamespace()) for kind in match.getTypes()]
    if not any(_ONVIF in text for text in (*scopes, *kinds)):
        return None
    told: dict[str, str] = {}
    for scope in scopes:
        if scope.lower().startswith(_SCOPE):
            key, _, value = scope[len(_SCOPE) :].partition("/")
            key, value = key.lower(), printable(unquote(value))
            told[key] = f"{told[key]}, {value}" if key == "location" and told.get(key) else told.get(key) or value
    return OnvifDevice(
        endpoint=printable(str(match.getEPR())),
        addresses=(sender.partition("%")[0].lower(),),
        xaddrs=tuple(redact_url(printable(str(url))) for url in match.getXAddrs()[:XADDRS_MAX]),
        name=told.get("name", ""),
        hardware=told.get("hardware", "") or told.get("model", ""),
        location=told.get("location", "")[:TEXT_CHARS_MAX],
    )


def printable(text: str) -> str:
    """A foreign text as one short line in which nothing moves a cursor or turns the direction of writing."""
    return "".join(c if c.isprintable() else "?" for c in text[:TEXT_CHARS_MAX]).strip()


def _union(first: Iterable[str], second: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*first, *second)))
