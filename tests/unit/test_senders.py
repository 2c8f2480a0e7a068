"""Where a request came from: peers, proxies, and headers that only a proxy may write."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest

from service.senders import Sender, Senders, tradecloud_addresses
from service.settings_models import Server

LISTED = "35.204.36.162"
STRANGER = "203.0.113.9"
PROXIES = ["10.0.0.0/8", "fd00::/8"]


def sender(peer: str | None, *forwarded: str, proxies: list[str] | None = None, **more: str) -> Sender:
    senders = Senders(tradecloud_addresses(), [ip_network(proxy) for proxy in proxies or []])
    headers = [(b"x-forwarded-for", value.encode("latin-1")) for value in forwarded]
    headers += [(name.encode(), value.encode()) for name, value in more.items()]
    scope: dict[str, Any] = {"client": (peer, 50_000) if peer else None, "headers": headers}
    return senders.of(scope)


@pytest.mark.parametrize("address", ["35.204.36.162", "35.204.224.107", "34.90.20.233"])
def test_addresses_of_both_environments_are_listed(address: str) -> None:
    assert sender(address) == Sender(address, True)


def test_list_has_its_date() -> None:
    assert str(tradecloud_addresses().as_of) == "2026-07-14"


@pytest.mark.parametrize("peer", [STRANGER, "10.1.2.3", "2001:db8::1"])
def test_other_peer_is_not_listed(peer: str) -> None:
    assert sender(peer) == Sender(peer, False)


def test_ipv4_address_in_ipv6_form_is_the_ipv4_address() -> None:
    assert sender(f"::ffff:{LISTED}") == Sender(LISTED, True)
    assert sender("::ffff:10.0.0.1", f"::ffff:{LISTED}", proxies=PROXIES) == Sender(LISTED, True)


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
def test_this_machine_itself_is_neither_listed_nor_not(peer: str) -> None:
    assert sender(peer).listed is None
    assert sender(peer).address == peer.removeprefix("::ffff:")


def test_this_machine_by_its_address_in_the_network_is_neither_listed_nor_not() -> None:
    scope: dict[str, Any] = {"client": ("192.0.2.7", 50_000), "server": ("192.0.2.7", 8443), "headers": []}
    assert Senders(tradecloud_addresses()).of(scope) == Sender("192.0.2.7", None)


def test_peer_without_an_address_is_not_known() -> None:
    assert sender(None) == Sender(None, None)


def test_scope_of_a_link_local_peer_is_left_out() -> None:
    assert sender("fe80::1%eth0") == Sender("fe80::1", False)


def test_header_of_a_peer_that_is_no_trusted_proxy_is_not_believed() -> None:
    assert sender(STRANGER, LISTED) == Sender(STRANGER, False)
    assert sender(STRANGER, LISTED, proxies=PROXIES) == Sender(STRANGER, False)
    assert sender("127.0.0.1", LISTED, proxies=PROXIES) == Sender("127.0.0.1", None)


@pytest.mark.parametrize(
    ("forwarded", "expected"),
    [
        ([LISTED], Sender(LISTED, True)),
        ([STRANGER], Sender(STRANGER, False)),
        ([f"{LISTED}, {STRANGER}"], Sender(STRANGER, False)),
        ([LISTED, STRANGER], Sender(STRANGER, False)),
        ([f"{STRANGER}, {LISTED}, 10.9.9.9,fd00::7"], Sender(LISTED, True)),
        ([f"{LISTED}:443"], Sender(LISTED, True)),
        (["[2001:db8::1]:443"], Sender("2001:db8::1", False)),
        (["2001:db8::1"], Sender("2001:db8::1", False)),
        (["127.0.0.1"], Sender("127.0.0.1", None)),
    ],
)
def test_trusted_proxy_names_the_sender_by_the_last_address_that_is_no_proxy(
    forwarded: list[str], expected: Sender
) -> None:
    assert sender("10.0.0.1", *forwarded, proxies=PROXIES) == expected
    assert sender("::ffff:10.0.0.1", *forwarded, proxies=PROXIES) == expected


@pytest.mark.parametrize(
    "forwarded",
    [[], [""], ["unknown"], [f"{LISTED}, unknown"], [f"{LISTED},"], ["10.0.0.2"], ["\xff\x1b[2J"], ["1.2.3.4.5"]],
)
def test_sender_that_the_proxy_does_not_name_is_not_known(forwarded: list[str]) -> None:
    assert sender("10.0.0.1", *forwarded, proxies=PROXIES) == Sender(None, None)


def test_header_that_a_proxy_may_have_passed_on_unseen_is_not_believed() -> None:
    assert sender("10.0.0.1", proxies=PROXIES, forwarded=f"for={LISTED}") == Sender(None, None)
    assert sender("10.0.0.1", STRANGER, proxies=PROXIES, forwarded=f"for={LISTED}").listed is False


def test_only_behind_a_proxy_is_anybody_believed_and_without_a_name_only_this_machine() -> None:
    named = {"trusted_proxies": ["10.0.0.5"]}
    assert Server.model_validate(named).believed_proxies == ()
    assert Server.model_validate(named | {"behind_proxy": True}).believed_proxies == (ip_network("10.0.0.5"),)
    assert ip_network("127.0.0.0/8") in Server(behind_proxy=True).believed_proxies
