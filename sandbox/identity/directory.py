"""Whom the identity provider knows: one tenant, its clients, and the applications that tokens are for."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field

TENANT = "5a4db0c5-0000-4000-8000-00000000000a"
CLIENT = "5a4db0c5-0000-4000-8000-00000000000b"
APPLICATION = "5a4db0c5-0000-4000-8000-00000000000c"
#: Of the sandbox only, and in this file for everybody to read: it opens nothing else.
CLIENT_SECRET = "sandbox-client-secret"  # noqa: S105
AUDIENCE = "api://tradecloud-webhooks"


@dataclass(frozen=True, slots=True)
class Client:
    """An application that may get tokens, as Tradecloud is one."""

    id: str = CLIENT
    secret: str = field(default=CLIENT_SECRET, repr=False)


@dataclass(frozen=True, slots=True)
class Application:
    """What a token is for (Entra: the resource), such as the webhook receiver."""

    id: str = APPLICATION
    uri: str = AUDIENCE
    """Its application ID URI."""
    token_version: int = 2
    """The form of its tokens, 1 or 2. The application's manifest chooses it, not whoever asks for the token."""
    roles: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """The application roles that each client was given, by the client's id."""


@dataclass(frozen=True, slots=True)
class Directory:
    """All of it."""

    tenant: str = TENANT
    """The tenant's id."""
    domain: str = "sandbox.onmicrosoft.com"
    """The tenant's other name."""
    policy: str = "B2C_1_sandbox"
    clients: tuple[Client, ...] = (Client(),)
    applications: tuple[Application, ...] = (Application(),)

    def is_tenant(self, name: str) -> bool:
        """Whether a part of a path means this tenant."""
        return name.lower() in (self.tenant.lower(), self.domain.lower())

    def client(self, id: str) -> Client | None:
        """The client of this id."""
        return next((client for client in self.clients if client.id.lower() == id.lower()), None)

    def application(self, resource: str) -> Application | None:
        """The application that a resource, an id or an application ID URI, means."""
        return next((each for each in self.applications if resource in (each.id, each.uri)), None)


def same_secret(client: Client, secret: str) -> bool:
    """Whether that is the client's secret."""
    return hmac.compare_digest(client.secret.encode(), secret.encode())
