"""Network addresses as limits and lock-outs count them."""

from ipaddress import IPv6Address, ip_address, ip_network

NETWORK_BITS_V6 = 64
"""What one household or one machine gets: whoever has one IPv6 address there has all of them."""


def network_of(address: str) -> str:
    """What counts as one visitor: an IPv4 address, or the /64 network of an IPv6 address; other text as it is."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ip_network((parsed, NETWORK_BITS_V6), strict=False)) if not parsed.is_loopback else str(parsed)


def is_loopback(address: str) -> bool:
    """Whether it is this machine's own."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return (mapped if mapped is not None else parsed).is_loopback
