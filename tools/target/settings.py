"""The settings that a target's service is started with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum

AUDIENCE = "api://tradecloud-conformance"
CLIENT = "11111111-2222-3333-4444-555555555555"
ROLE = "Webhooks.Deliver"

USERNAME = "tradecloud"

#: Names of the secrets, as they stand in secrets.env.
SECRETS = ("TC_PASSWORD", "TC_TOKEN", "TC_ORDERS_ONLY_PASSWORD", "TC_SHIPMENTS_ONLY_PASSWORD")


class Mode(StrEnum):
    """When the service answers: when the event is on disk, or when the ERP has taken it."""

    QUEUED = "queued"
    INLINE = "inline"


def settings(
    secrets: Mapping[str, str], *, port: int, issuer: str, erp_port: int, mode: Mode, inbox_url: str | None = None
) -> str:
    """The text of webhooks.toml."""
    password, token, orders_only, shipments_only = (
        json.dumps(secrets[name], ensure_ascii=False) for name in SECRETS
    )
    issuer = issuer.rstrip("/")
    url = "" if inbox_url is None else f"url = {json.dumps(inbox_url)}\n"
    return f"""\
# Written by `python -m tools.target start`, at each start anew.
[server]
host = "127.0.0.1"
port = {port}
certificate = "certificate.pem"
key = "key.pem"
# Short, like the times below, so that a slow sender is cut off while somebody waits for the verdict.
body_timeout = 15.0

[inbox]
{url}# Short, so that a store that is down is noticed while somebody waits for the verdict.
busy_timeout = 1.0
commit_timeout = 2.0
# A run makes more refused bodies than years of operation.
quarantine_max_bodies = 1000000

[auth.basic.tradecloud]
username = "{USERNAME}"
password = {password}

[auth.basic.orders-only]
username = "orders-only"
password = {orders_only}
endpoints = ["order"]

[auth.basic.shipments-only]
username = "shipments-only"
password = {shipments_only}
endpoints = ["shipment"]

[auth.bearer.robot]
token = {token}

[auth.oauth.conformance]
issuers = [{json.dumps(issuer)}]
jwks_url = {json.dumps(f"{issuer}/keys")}
audiences = ["{AUDIENCE}"]
clients = ["{CLIENT}"]
roles = ["{ROLE}"]
endpoints = ["order", "shipment"]

[processing.mode]
order = "{mode}"
shipment = "{mode}"

[destinations.erp]
type = "http"
url = "http://127.0.0.1:{erp_port}/events"
inline = true
# All of it short, so that an ERP that hangs, refuses or comes back is noticed while somebody waits for the verdict.
timeout = 2.0
retry_first = 0.2
retry_max = 1.0
dead_after = 1.0
"""
