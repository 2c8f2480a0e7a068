"""From which address a delivery comes, and whether Tradecloud lists that address as its own.

One from elsewhere is accepted all the same, because the list may be out of date and a refusal would lose the event.
But it is marked: somebody may have got hold of a password.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from importlib import resources
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING

import yaml

if TYPE_CHECKING:
    from starlette.types import Scope

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class AddressList:
    """The addresses that Tradecloud sends from."""

    as_of: date
    networks: tuple[Network, ...]

    def __contains__(self, address: str) -> bool:
        """Whether an IP address is among them."""
        return _in(ip_address(address), self.networks)


@dataclass(frozen=True, slots=True)
class Sender:
    """Where a delivery came from."""

    address: str | None
    """None: not known."""
    listed: bool | None
    """Whether Tradecloud lists the address; None where that says nothing: the address is not known, or it is
    this machine's own."""


class Senders:
    """Tells where requests come from."""

    def __init__(self, listed: AddressList, proxies: Iterable[Network] = ()) -> None:
        """`proxies` are those whose word about the sender is taken."""
        self._listed = listed
        self._proxies = tuple(proxies)

    def of(self, scope: Scope) -> Sender:
        """The sender of a request: its peer or, if that is a trusted proxy, whom the proxy names."""
        peer = scope.get("client")
        address = _address(peer[0]) if peer else None
        if address is not None and _in(address, self._proxies):
            address = self._named_by_proxy(scope["headers"])
        if address is None:
            return Sender(None, None)
        own = scope.get("server")
        local = address.is_loopback or (own is not None and address == _address(str(own[0])))
        return Sender(str(address), None if local else _in(address, self._listed.networks))

    def _named_by_proxy(self, headers: Sequence[tuple[bytes, bytes]]) -> Address | None:
        """Each proxy appends its peer to X-Forwarded-For. What stands left of the first that is no proxy of ours
        was written by strangers.

        `Forwarded` (RFC 7239) is not looked at: a proxy that sets one of the two headers passes the other on as
        the sender wrote it, and nobody can tell here which one it sets.
        """
        values = [value.decode("latin-1") for key, value in headers if key == b"x-forwarded-for"]
        for entry in reversed(",".join(values).split(",")):
            address = _address(entry)
            if address is None or not _in(address, self._proxies):
                return address
        return None


def tradecloud_addresses() -> AddressList:
    """The list that comes with this version."""
    file = resources.files("specs") / "tradecloud-addresses.yaml"
    data = yaml.safe_load(file.read_text(encoding="utf-8"))
    addresses = [address for environment in data["environments"].values() for address in environment]
    return AddressList(data["as_of"], tuple(ip_network(address) for address in addresses))


def _in(address: Address, networks: Iterable[Network]) -> bool:
    return any(address in network for network in networks)


def _address(text: str) -> Address | None:
    """An address as sockets and proxies write it: some proxies add a port, IPv6 may have a scope."""
    host = text.strip()
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    # How an IPv4 peer looks to a socket that listens on ::
    return (address.ipv4_mapped if isinstance(address, IPv6Address) else None) or address
