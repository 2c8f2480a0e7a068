"""The values that cross between the machine (`service/`) and the handlers.

This module imports neither side, so both may import it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Protocol, TypeAlias

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


class Role(StrEnum):
    """Which side of the platform this installation works for; decides which open requests are our own."""

    BUYER = "buyer"
    SUPPLIER = "supplier"


class ChangeKind(StrEnum):
    """What a change is about; destinations can be set to take only some of these."""

    ADDED = "added"
    """An order, line, delivery or shipment that was not known before."""
    REMOVED = "removed"
    """A delivery of a schedule, or a shipment line, that the newer state no longer has. Order lines never go."""
    DATE = "date"
    QUANTITY = "quantity"
    PRICE = "price"
    STATUS = "status"
    REQUEST = "request"
    """A proposal, reopen request or the like was opened, changed or closed."""
    ITEM = "item"
    DOCUMENT = "document"
    OTHER = "other"
    """Any other member."""


@dataclass(frozen=True, slots=True)
class Change:
    """One member that an event changed."""

    kind: ChangeKind
    line: str | None
    """Position of the line; None for the header."""
    member: str
    """JSON pointer inside the line or the header, with the position of a delivery in place of its index."""
    old: JsonValue
    """None if it was not there."""
    new: JsonValue
    """None if it is not there any more."""
    sentence: str
    """The change in plain English, for a person."""


@dataclass(frozen=True, slots=True)
class Summary:
    """By what an order or shipment is found and listed."""

    purchase_order_numbers: tuple[str, ...]
    shipment_number: str | None
    supplier_account_number: str | None
    buyer_account_number: str | None
    buyer_company_id: str | None
    supplier_company_id: str | None
    process_status: str | None
    logistics_status: str | None
    version: str | None
    last_updated_at: str | None
    lines: int


@dataclass(frozen=True, slots=True)
class Merged:
    """What one event does to the mirror of its order or shipment."""

    state: JsonObject
    """The mirror after the event, to be stored and given to the next merge; only merging knows its form."""
    current: JsonObject
    """The whole order or shipment after the event, as a body of the contract."""
    summary: Summary
    changes: tuple[Change, ...]
    news: bool
    """Whether anything in the event was new; without news only a resend is delivered."""
    stale: tuple[str, ...]
    """Parts of the event that are older than the mirror and were left out: "header", "line 10"."""
    flags: tuple[str, ...]
    """What an operator should know, one sentence each: parts that could not be compared and were applied."""
    echo: tuple[str, ...]
    """Positions of lines that only give back an open request of our own."""

    only_echo: bool = False
    """Nothing is new but own open requests that came back."""


#: The built-in destination that fetches the documents of an event; none of the settings may have this name.
DOCUMENTS = "documents"


class DocumentState(StrEnum):
    """What became of a document that an event names."""

    WAITING = "waiting"
    """It is still to be fetched, now or after a failure."""
    STORED = "stored"
    """Its file is there."""
    MISSING = "missing"
    """It could not be fetched for so long that it was given up, or an operator decided so."""
    REFUSED = "refused"
    """It is not taken by a rule of the settings: its extension, size or address."""
    DATA = "data"
    """The event tells about it but names no file, or documents are not fetched here."""


@dataclass(frozen=True, slots=True)
class DocumentFile:
    """One document that an event names, and the file it became; code, revision and name are foreign input."""

    place: str
    """The member that holds it: "supplierOrder", "buyerLine" …; "" for the order, shipment or line itself."""
    line: str | None
    """Position of the line; None for the header."""
    code: str | None
    revision: str | None
    name: str | None
    state: DocumentState
    path: str | None
    """Absolute path, or the URL of the location; None unless it is stored."""
    sha256: str | None
    """In hexadecimal."""
    size: int | None
    """In bytes."""
    media_type: str | None
    """Safe to serve: text/plain for what a browser would run."""
    reason: str | None
    """Why there is no file."""


@dataclass(frozen=True, slots=True)
class ErpEvent:
    """One event as a destination sees it."""

    id: str
    """Our id of the event; `webhooks events show` finds it."""
    endpoint: Endpoint
    event_name: str
    received_at: datetime
    subject_id: str | None
    purchase_order_numbers: tuple[str, ...]
    message_id: str | None
    resent: bool
    """Somebody asked for it again."""
    idempotency_key: str
    """The same for each attempt to hand this event to this destination; another one after a replay."""
    attempt: int
    """1 for the first."""
    stale: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    echo: tuple[str, ...] = ()
    documents: tuple[DocumentFile, ...] = ()
    """Those that this event names, in its order."""


@dataclass(frozen=True, slots=True)
class RenderedBody:
    """The body that the destination was set up for: as received or merged, as JSON or tXML."""

    media_type: str
    """With charset where the format has one."""
    content: bytes


@dataclass(frozen=True, slots=True)
class Accepted:
    """The destination has it."""

    note: str = ""
    """What an operator may like to know, such as the number of the record it became."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The destination was reached and does not take this event. It may heal, so it is tried again for a while."""

    reason: str
    unknown_order: bool = False
    """The destination does not know the order that the event is about."""


@dataclass(frozen=True, slots=True)
class Unavailable:
    """The destination cannot be reached or takes nothing now; says nothing about the event."""

    reason: str
    retry_after: float | None = None
    """Seconds after which the destination asked to be tried again."""


@dataclass(frozen=True, slots=True)
class TimedOut:
    """No answer in time. The destination may have taken the event all the same."""

    reason: str


Outcome: TypeAlias = Accepted | Refused | Unavailable | TimedOut


class Destination(Protocol):
    """What takes events over: an ERP, a folder, a class of an integrator's own.

    One object serves several threads at once.
    """

    def deliver(
        self, event: ErpEvent, merged: JsonObject | None, changes: Sequence[Change], body: RenderedBody
    ) -> Outcome:
        """Hand one event over; `merged` is the whole order or shipment after it, None where no id tells which.

        Whatever is raised counts as a fault in this class, and as a refusal of the event.
        """

    def close(self) -> None:
        """Let go of connections; no call comes after it."""


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
