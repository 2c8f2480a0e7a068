"""What the rest of the service knows of the inbox: the values that cross, its errors, its calls."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import uuid_utils

from handlers.interface import Endpoint, EventFacts, JsonValue


class State(StrEnum):
    """Where an event stands, and where it stands with one destination (there never quarantined)."""

    RECEIVED = "received"
    """On disk, waiting to be processed."""
    PROCESSING = "processing"
    """Merged into the mirror and on its way; at a destination: an attempt is under way."""
    WAITING = "waiting"
    """Has to wait for a while or for another event; the reason is kept."""
    DONE = "done"
    DEAD = "dead"
    """Given up after refusals that did not heal, until an operator decides."""
    CANCELLED = "cancelled"
    """By an operator."""
    QUARANTINED = "quarantined"
    """Refused with a final answer; kept with the reason until an operator decides."""


#: What may follow each state. Out of `done`, `dead`, `cancelled` and `quarantined` only an operator leads, or the
#: sender of an event that is answered inline.
TRANSITIONS: Mapping[State, frozenset[State]] = {
    # Without a destination an event is done as soon as it is merged.
    State.RECEIVED: frozenset({State.PROCESSING, State.WAITING, State.DONE, State.DEAD, State.CANCELLED}),
    State.PROCESSING: frozenset({State.RECEIVED, State.WAITING, State.DONE, State.DEAD, State.CANCELLED}),
    State.WAITING: frozenset({State.RECEIVED, State.PROCESSING, State.DONE, State.DEAD, State.CANCELLED}),
    State.DONE: frozenset({State.RECEIVED}),
    State.DEAD: frozenset({State.RECEIVED, State.PROCESSING, State.WAITING, State.CANCELLED}),
    State.CANCELLED: frozenset({State.RECEIVED}),
    State.QUARANTINED: frozenset({State.RECEIVED, State.CANCELLED}),
}


class InboxUnavailableError(Exception):
    """The inbox cannot store now; the text says why. The sender gets a 503 and sends again."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One authenticated request body as it came in."""

    received_at: datetime
    endpoint: Endpoint
    credential: str
    content_type: str
    content_encoding: str
    body: bytes
    """The bytes as received; only the beginning of a body that was too large."""
    length: int | None
    """Of the whole body, as announced or counted; None when it was not announced and not read to the end."""
    source_address: str | None = None
    """IP address of the sender; None if it is not known."""
    source_listed: bool | None = None
    """Whether Tradecloud lists that address as its own; None if that cannot be said."""


@dataclass(frozen=True, slots=True)
class NewEvent:
    """A valid event to be stored."""

    id: str
    delivery: Delivery
    facts: EventFacts
    content_hash: bytes
    drift: tuple[Mapping[str, JsonValue], ...]
    """Kind, place, detail and count of each different thing beyond the contract, as many as are kept."""
    drift_count: int
    """Of all of them."""
    sender_repeats_until: datetime | None = None
    """Until then the worker takes the event up only when the sender comes; None where it is answered at once."""

    @property
    def key(self) -> str | None:
        """Events with the same one are processed in order of acceptance."""
        subject_id = self.facts.subject_id
        return None if subject_id is None else f"{self.delivery.endpoint}:{subject_id}"

    @property
    def apply_at(self) -> datetime:
        """From when on the worker takes it up by itself."""
        return self.sender_repeats_until or self.delivery.received_at


@dataclass(frozen=True, slots=True)
class RefusedBody:
    """A body that gets a final answer other than 2xx."""

    id: str
    delivery: Delivery
    status: int
    problem: str
    detail: str
    findings: tuple[Mapping[str, JsonValue], ...]
    finding_count: int


@dataclass(frozen=True, slots=True)
class Stored:
    """On disk."""

    id: str
    duplicate: bool = False
    """The same message was stored before, under `id`."""
    other_content_as: str | None = None
    """Id of the earlier event with the same message id but other content."""
    repeat_of: str | None = None
    """Id of an earlier event with the same content, where no message id can tell."""


@dataclass(frozen=True, slots=True)
class RejectedLogin:
    """Wrong passwords for a known user since the last report."""

    credential: str
    endpoint: Endpoint
    count: int
    last_at: datetime


@dataclass(frozen=True, slots=True)
class CredentialUse:
    """A sender proved who it is."""

    credential: str
    endpoint: Endpoint
    last_at: datetime


def new_id() -> str:
    """A time-ordered id (UUID version 7, RFC 9562)."""
    return str(uuid_utils.uuid7())


class Inbox(ABC):
    """The store that the receiver writes to. Every call returns after the data is on disk, or raises."""

    @abstractmethod
    def open(self) -> None:
        """Open the store and bring its schema up to date; before anything else.

        Raises:
            InboxUnavailableError: it cannot be opened.
        """

    @abstractmethod
    async def start(self) -> None:
        """Begin to take calls, on the running event loop."""

    @abstractmethod
    async def stop(self) -> None:
        """Store what is waiting, then close. Calls that come later raise InboxUnavailableError."""

    @abstractmethod
    async def accept(self, event: NewEvent) -> Stored:
        """Store a valid event, or recognise it as stored before.

        Raises:
            InboxUnavailableError: it is not stored.
        """

    @abstractmethod
    async def quarantine(self, body: RefusedBody) -> Stored:
        """Keep a refused body; the same body again keeps its first id.

        Raises:
            InboxUnavailableError: it is not kept, among others because the quarantine is full: nothing is ever
                pushed out to make room.
        """

    @abstractmethod
    async def report_rejected(self, logins: tuple[RejectedLogin, ...]) -> None:
        """Add to the counts of rejected logins.

        Raises:
            InboxUnavailableError: they were not added.
        """

    @abstractmethod
    async def report_used(self, uses: tuple[CredentialUse, ...]) -> None:
        """Note when these credentials were used last.

        Raises:
            InboxUnavailableError: it was not noted.
        """

    @abstractmethod
    async def check(self) -> None:
        """Write for a trial, and look whether there is room.

        Raises:
            InboxUnavailableError: an event that came now could not be stored, or soon none can.
        """

    @abstractmethod
    def attention(self) -> list[str]:
        """What an operator should know, one sentence each; as of the last `check`."""
