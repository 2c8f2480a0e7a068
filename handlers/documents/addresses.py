"""To which addresses a stranger's url may lead: public ones, and the one that was checked is connected to.

A name is resolved once, and the connection goes to an address out of that very answer: a name server that says
something else a moment later (DNS rebinding) is not asked again.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from handlers.erp.exchange import Deadline

#: Seconds for one connection to come about.
CONNECT_SECONDS = 10.0

#: Well-known prefix of translation to IPv4 (RFC 6052, section 2.1), and old IPv4-compatible addresses.
_NAT64 = IPv6Network("64:ff9b::/96")
_LOCAL_NAT64 = IPv6Network("64:ff9b:1::/48")
_IPV4_COMPATIBLE = IPv6Network("::/96")

Resolve: TypeAlias = Callable[[str, int], Sequence[Any]]
"""Host and port -> what `socket.getaddrinfo` gives for a TCP connection."""


def as_address(text: str) -> str:
    """An address as people write it, with blanks, as it is sent: as browsers do it (WHATWG URL, section 4.4)."""
    return text.strip(" ").replace(" ", "%20")


class NotAllowedError(Exception):
    """The settings do not let us go there; the text says why, without the path of the address."""


def is_public(address: str) -> bool:
    """Whether an IP address can be anybody's on the internet, and not ours or our network's in any spelling."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    return _is_public_v4(found) if isinstance(found, IPv4Address) else _is_public_v6(found)


def _is_public_v4(address: IPv4Address) -> bool:
    return address.is_global and not address.is_multicast and not address.is_reserved


def _is_public_v6(address: IPv6Address) -> bool:
    if address.ipv4_mapped is not None:
        return _is_public_v4(address.ipv4_mapped)
    if address.sixtofour is not None and not _is_public_v4(address.sixtofour):
        return False
    if address in _NAT64:
        return _is_public_v4(IPv4Address(int(address) & 0xFFFFFFFF))
    if address in _LOCAL_NAT64 or address in _IPV4_COMPATIBLE or address.teredo is not None:
        return False
    return address.is_global and not (address.is_multicast or address.is_site_local or address.is_reserved)


def resolve(host: str, port: int) -> Sequence[Any]:
    """What the system says of a name."""
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


@dataclass(frozen=True, slots=True)
class AddressRules:
    """Where a download may go."""

    allow_http: bool = False
    allow_private: bool = False
    own_host: str = ""
    """A host that the settings themselves name: it may be private, wherever a redirect comes to it from."""
    own_http: bool = False
    """The settings name it by plain HTTP."""
    by_proxy: bool = False
    """Go by the proxies of the environment. Then the proxy resolves names, and decides where it goes."""
    resolve: Resolve = resolve
    is_public: Callable[[str], bool] = is_public

    def check(self, url: str) -> None:
        """Look at an address before anything is sent.

        Raises:
            NotAllowedError: it is none that can be fetched, or plain HTTP, or names who we should be.
        """
        try:
            parts = urlsplit(url)
            host, _ = parts.hostname, parts.port
        except ValueError:
            raise NotAllowedError("its url is no address") from None
        if not host or parts.scheme not in ("http", "https") or not url.isprintable() or " " in url:
            raise NotAllowedError("its url is no address that begins with https://")
        if parts.scheme == "http" and not (self.allow_http or (self.own_http and self._is_own(host))):
            raise NotAllowedError(f"its url leads to http://{host}, and documents.allow_http is false")
        if parts.username is not None or parts.password is not None:
            raise NotAllowedError("its url holds a user name or password")

    def _is_own(self, host: str) -> bool:
        return bool(self.own_host) and host.lower() == self.own_host.lower()

    def connect(self, host: str, port: int, deadline: Deadline) -> socket.socket:
        """A connection to an address that was checked.

        Raises:
            NotAllowedError: the name has none that is allowed.
            OSError: no connection.
        """
        host = host.strip("[]")
        found = self.resolve(host, port)
        may_be_private = self.allow_private or self._is_own(host)
        allowed = [entry for entry in found if may_be_private or self.is_public(str(entry[4][0]))]
        if found and not allowed:
            raise NotAllowedError(
                f"{host} is at an address that is not public ({found[0][4][0]}),"
                " and documents.allow_private is false"
            )
        failure = OSError("the name has no address")
        for family, kind, protocol, _, address in allowed:
            connection = socket.socket(family, kind, protocol)
            try:
                connection.settimeout(max(0.001, min(CONNECT_SECONDS, deadline.left)))
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connection.connect(address)
            except OSError as error:
                connection.close()
                failure = error
            else:
                return connection
        raise failure
