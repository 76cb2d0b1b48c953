"""Network addresses: whose a request is, also behind a reverse proxy, and as limits and lock-outs count them."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

NETWORK_BITS_V6 = 64
"""What one household or one machine gets: whoever has one IPv6 address there has all of them."""


FORWARDED_MAX = 20
"""Entries of a header that are looked at."""

Networks = Sequence[IPv4Network | IPv6Network]


def networks(text: str) -> Networks:
    """What stands in ``web.trusted_proxies``, which was checked."""
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())


def network_of(address: str) -> str:
    """What counts as one visitor: an IPv4 address, or the /64 network of an IPv6 address; other text as it is."""
    parsed = _parsed(address)
    if parsed is None:
        return address
    if isinstance(parsed, IPv6Address) and not parsed.is_loopback:
        return str(ip_network((parsed, NETWORK_BITS_V6), strict=False))
    return str(parsed)


def is_loopback(address: str) -> bool:
    """Whether it is this machine's own."""
    parsed = _parsed(address)
    return parsed is not None and parsed.is_loopback


def is_among(address: str, trusted: Networks) -> bool:
    """Whether one of ``trusted`` has it."""
    parsed = _parsed(address)
    return parsed is not None and any(parsed.version == net.version and parsed in net for net in trusted)


def visitor_of(peer: str, forwarded: Sequence[str], *, trusted: Networks) -> str:
    """Whose a request is.

    Args:
        peer: who is connected.
        forwarded: values of ``X-Forwarded-For``. Each proxy adds at the end whom it saw, and what stands before that
            anybody may have written: it is read from the end, as far as trusted proxies wrote it.
        trusted: proxies that are believed.
    """
    visitor = peer
    parts = [part for value in forwarded for part in value.split(",")]
    for part in reversed(parts[-FORWARDED_MAX:]):
        if not is_among(visitor, trusted):
            break
        seen = _parsed(_without_port(part.strip()))
        if seen is None:
            break
        visitor = str(seen)
    return visitor


def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    """An address without its zone; one that is IPv4 in IPv6's clothes is IPv4. None = it is no address."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return None
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return mapped if mapped is not None else parsed


def _without_port(text: str) -> str:
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text
