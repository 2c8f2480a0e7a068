"""The credentials that the reference receiver accepts; the profile and the proof read them from here.

They open nothing outside a loopback test. The main password holds colons and letters beyond ASCII, because both are
legal (RFC 7617) and both are where receivers break. `ASCII_BASIC` has the same rights and neither of the two: a
control for the faults that refuse the main password altogether (MU-06, MU-149).
"""

from __future__ import annotations

from dataclasses import dataclass

ORDER_PATH = "/order"
SHIPMENT_PATH = "/shipment"
BOTH_PATHS = frozenset({ORDER_PATH, SHIPMENT_PATH})


@dataclass(frozen=True)
class BasicPair:
    """One user with a password, and the paths that this user may deliver to."""

    user: str
    password: str
    paths: frozenset[str] = BOTH_PATHS


BASIC = BasicPair("tradecloud", "Grüße:an:Łódź:7fQx")
ASCII_BASIC = BasicPair("tradecloud-ascii", "plainSecret-Hn4kWz")
ORDERS_ONLY = BasicPair("orders-only", "nurAuftraege-9sKd", frozenset({ORDER_PATH}))
SHIPMENTS_ONLY = BasicPair("shipments-only", "nurSendungen-2mVb", frozenset({SHIPMENT_PATH}))
BASIC_PAIRS = (BASIC, ASCII_BASIC, ORDERS_ONLY, SHIPMENTS_ONLY)

BEARER_TOKEN = "tcconf-5Yb0uWcVqLr3xTz8"  # noqa: S105 - a made-up token of a loopback test

# OAuth 2.0: what an access token of the suite's own issuer has to say.
OAUTH_AUDIENCE = "api://tradecloud-conformance"
OAUTH_CLIENT = "11111111-2222-3333-4444-555555555555"
OAUTH_ROLE = "Webhooks.Deliver"

# The source addresses of the platform, which MU-265 takes for a proof of identity.
TRADECLOUD_ADDRESSES = ("35.204.36.162", "35.204.224.107", "34.90.20.233")
