"""Whose a request is, and what counts as one visitor."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigia.infrastructure.web.addresses import is_among, is_loopback, network_of, networks, visitor_of

PROXIES = networks("127.0.0.1, 10.0.0.0/24, 2001:db8:1::/48")


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::ffff:1", "2001:db8::/64"),
        ("2001:db8:0:1::1", "2001:db8:0:1::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::1"),
        ("", ""),
        ("no address", "no address"),
    ],
)
def test_one_visitor_is_an_address_or_a_64_network(address: str, network: str) -> None:
    assert network_of(address) == network


def test_this_machines_own_addresses_are_known() -> None:
    assert [is_loopback(a) for a in ("127.0.0.1", "127.8.0.1", "::1", "::ffff:127.0.0.1")] == [True] * 4
    assert not any(is_loopback(a) for a in ("10.0.0.1", "::2", "", "localhost"))
    assert is_among("::ffff:10.0.0.9", PROXIES)
    assert is_among("2001:db8:1::9", PROXIES)
    assert not is_among("2001:db8:2::9", PROXIES)


@pytest.mark.parametrize(
    ("peer", "forwarded", "visitor"),
    [
        ("127.0.0.1", ["192.0.2.7"], "192.0.2.7"),
        ("127.0.0.1", ["198.51.100.1, 192.0.2.7"], "192.0.2.7"),
        ("127.0.0.1", ["198.51.100.1", "192.0.2.7"], "192.0.2.7"),
        ("127.0.0.1", ["192.0.2.7, 10.0.0.5"], "192.0.2.7"),
        ("127.0.0.1", ["192.0.2.7:51000"], "192.0.2.7"),
        ("127.0.0.1", ["[2001:db8::7]:51000"], "2001:db8::7"),
        ("127.0.0.1", [], "127.0.0.1"),
        ("127.0.0.1", [""], "127.0.0.1"),
        ("127.0.0.1", ["unknown"], "127.0.0.1"),
        ("127.0.0.1", ["192.0.2.7, x"], "127.0.0.1"),
        ("10.0.1.5", ["192.0.2.7"], "10.0.1.5"),
        ("192.0.2.9", ["192.0.2.7"], "192.0.2.9"),
    ],
)
def test_only_what_trusted_proxies_wrote_is_believed(peer: str, forwarded: list[str], visitor: str) -> None:
    assert visitor_of(peer, forwarded, trusted=PROXIES) == visitor
    assert visitor_of(peer, forwarded, trusted=()) == peer


@given(st.lists(st.text(max_size=60), max_size=5))
def test_what_a_visitor_writes_before_changes_nothing(made_up: list[str]) -> None:
    assert visitor_of("127.0.0.1", [*made_up, "192.0.2.7"], trusted=PROXIES) == "192.0.2.7"
    assert visitor_of("192.0.2.9", made_up, trusted=PROXIES) == "192.0.2.9"
    network_of(",".join(made_up))
