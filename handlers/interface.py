"""The values that cross between the machine (`service/`) and the handlers.

This module imports neither side, so both may import it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import TypeAlias

JsonValue: TypeAlias = "bool | int | Decimal | str | list[JsonValue] | dict[str, JsonValue] | None"
"""A parsed body: numbers are `int` or exact `Decimal`, never a binary float."""

JsonObject: TypeAlias = dict[str, JsonValue]


class Endpoint(StrEnum):
    """The webhooks that Tradecloud lets a customer set up, as far as they have an address of their own."""

    ORDER = "order"
    SHIPMENT = "shipment"


@dataclass(frozen=True, slots=True)
class EventFacts:
    """What a handler reads off a valid body: who the event is about and how to tell it from others."""

    event_name: str
    payload_kind: str | None
    """Name of the member that holds the payload; None when no payload is known."""
    message_id: str | None
    trace_id: str | None
    subject_id: str | None
    """Tradecloud's id of the order or shipment."""
    purchase_order_numbers: tuple[str, ...]
    """In the order of the body, each once; a shipment may name several."""
    version: str | None
    """The order's version in digits: it may be longer than any machine integer."""
    last_updated_at: str | None
    """As it was sent."""
    content: Mapping[str, JsonValue]
    """The body without the identity of the message (`meta`): equal contents are the same news."""

    @property
    def resent(self) -> bool:
        """Somebody asked for this event again (`OrderResentByBuyer` and its like): never a repetition."""
        return "Resent" in self.event_name


class NotAuthenticatedError(Exception):
    """The request carries no credentials, or none that are in force."""

    def __init__(
        self, challenges: tuple[str, ...], rejected: str | None = None, reason: str = "no-such-credential"
    ) -> None:
        super().__init__("credentials are missing or not in force")
        self.challenges = challenges
        """Values of WWW-Authenticate, one for each scheme in force."""
        self.rejected = rejected
        """Name of the credential whose user name came with a wrong password, or whose issuer's token is not valid,
        if one is known."""
        self.reason = reason
        """Why, in one word of ours, for the log."""


class NotAllowedError(Exception):
    """The credentials are in force, but not for this."""

    def __init__(self, credential: str, challenges: tuple[str, ...] = (), reason: str = "endpoint") -> None:
        super().__init__(f"credential {credential!r} is not allowed here")
        self.credential = credential
        self.challenges = challenges
        """Values of WWW-Authenticate, where the scheme has one for this case."""
        self.reason = reason
        """What is missing, in one word of ours, for the log."""


class KeysUnavailableError(Exception):
    """Nobody can say now whether the credentials are in force: the sender has to come again."""
