"""Credentials of the command line; secrets come from the environment, never from an argument."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from sandbox.delivery.credentials import Basic, Bearer, ClientCredentials, Credentials
from sandbox.errors import SandboxError

PASSWORD, TOKEN, CLIENT_SECRET = "SANDBOX_PASSWORD", "SANDBOX_TOKEN", "SANDBOX_CLIENT_SECRET"
SHIPMENT_PASSWORD, SHIPMENT_TOKEN = "SANDBOX_SHIPMENT_PASSWORD", "SANDBOX_SHIPMENT_TOKEN"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the options of the command say."""

    user: str | None = None
    bearer: bool = False
    token_url: str | None = None
    client_id: str | None = None
    scope: str | None = None
    ca_file: Path | None = None


def of_orders(wanted: Wanted) -> Credentials | None:
    """For the order and documents webhooks; None without any.

    Raises:
        SandboxError: a part is missing, or there is more than one way.
    """
    if sum((wanted.user is not None, wanted.bearer, wanted.token_url is not None)) > 1:
        raise SandboxError("one of --user, --bearer and --token-url is enough")
    if wanted.token_url is not None:
        if not wanted.client_id or not wanted.scope:
            raise SandboxError("--token-url needs --client-id and --scope, such as https://host/.default")
        secret = _secret(CLIENT_SECRET)
        return ClientCredentials(wanted.token_url, wanted.client_id, secret, wanted.scope, wanted.ca_file)
    if wanted.client_id or wanted.scope:
        raise SandboxError("--client-id and --scope need --token-url")
    if wanted.user is not None:
        return _basic(wanted.user, PASSWORD)
    return _bearer(TOKEN) if wanted.bearer else None


def of_shipments(wanted: Wanted, orders: Credentials | None) -> Credentials | None:
    """For the shipment webhook: the same, unless it has its own; OAuth 2.0 is not for shipments (behaviour.md 2).

    Raises:
        SandboxError: it would be OAuth 2.0.
    """
    if wanted.user is not None:
        return _basic(wanted.user, SHIPMENT_PASSWORD)
    if wanted.bearer:
        return _bearer(SHIPMENT_TOKEN)
    if isinstance(orders, ClientCredentials):
        raise SandboxError(
            "shipments know no OAuth 2.0; add --shipment-user NAME or --shipment-bearer for them, "
            f"and the secret in {SHIPMENT_PASSWORD} or {SHIPMENT_TOKEN}"
        )
    return orders


def _basic(user: str, name: str) -> Basic:
    if ":" in user:
        raise SandboxError(f"{user}: a user name has no colon (RFC 7617)")
    return Basic(user, _secret(name))


def _bearer(name: str) -> Bearer:
    token = _secret(name)
    if not token.isascii() or not token.isprintable() or " " in token:
        raise SandboxError(
            f"the environment variable {name} holds what is no token: letters, digits and signs only"
        )
    return Bearer(token)


def _secret(name: str) -> str:
    found = os.environ.get(name)
    if not found:
        raise SandboxError(f"the environment variable {name} is not set; it has to hold the secret")
    return found
