"""What one sender may take of the server, and what all its connections share."""

from __future__ import annotations

import ipaddress
import logging
from dataclasses import dataclass

from uvicorn.server import ServerState

log = logging.getLogger(__name__)

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Limits:
    """What one sender may take; times in seconds."""

    header_timeout: float
    body_timeout: float
    keep_alive_timeout: float
    tls_handshake_timeout: float
    max_connections: int
    max_header_bytes: int = 65536
    linger_bytes: int = 1024 * 1024
    """Read and thrown away of a body that is still coming when its answer is given."""
    linger_seconds: float = 5.0
    trusted_peers: tuple[Network, ...] | None = None
    """Set: every other peer is turned away."""

    def trusts(self, peer: str | None) -> bool:
        """Whether this address (None: not known) may connect."""
        if self.trusted_peers is None:
            return True
        if peer is None:
            return False
        address = ipaddress.ip_address(peer)
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped  # how an IPv4 peer looks to a socket that listens on ::
        return any(address in network for network in self.trusted_peers)


class SharedState(ServerState):
    """What the connections of one server share."""

    def __init__(self, limits: Limits) -> None:
        super().__init__()
        self.limits = limits
        self.draining = False
        self._warned_at = float("-inf")

    def warn_of_refusal(self, now: float, reason: str) -> None:
        """Log a connection that was turned away; at most once a second, because a flood must not fill the log."""
        if now - self._warned_at >= 1:
            self._warned_at = now
            log.warning("action=connection_refused reason=%s", reason)
