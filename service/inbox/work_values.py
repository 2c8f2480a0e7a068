"""The values that cross between the worker and its store."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from handlers.documents.found import NamedDocument
from handlers.interface import Change, DocumentFile, DocumentState, Endpoint, Merged
from service.inbox.interface import State


@dataclass(frozen=True, slots=True)
class AcceptedEvent:
    """An event that is to be merged now."""

    seq: int
    id: str
    endpoint: Endpoint
    key: str | None
    apply_at: str
    event_name: str
    payload_kind: str | None
    subject_id: str | None
    content_type: str
    content_encoding: str
    body: bytes
    """What it says: as received, or as edited when it was released."""
    applied_before: bool
    """It was merged before."""
    replayed: bool
    """An operator asked for it again."""
    directly_behind: str | None = None
    """Id of the event of the same key that was accepted just before and is not merged yet."""
    mirror: bytes | None = None
    """Its order or shipment as it is now, packed; None if it is the first event of it."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What merging an event came to."""

    event: AcceptedEvent
    merged: Merged | None = None
    """None where no id tells which order or shipment it is."""
    destinations: tuple[str, ...] = ()
    """Who wants it."""
    reason: str | None = None
    """Why nobody gets it, or what went wrong."""
    behind: str | None = None
    """Id of the event that has to be applied before it; nothing was done."""
    fault: bool = False
    """Merging failed by a fault of ours: dead, until an operator decides."""
    holds: bool = True
    """Of a fault: whether later events of its key wait until an operator decides."""
    documents: tuple[tuple[NamedDocument, DocumentState, str | None], ...] = ()
    """What it names: to be fetched (`waiting`), or only recorded (`data`), and why."""
    documents_first: bool = False
    """Its destinations wait until its documents are settled."""

    @property
    def passed(self) -> bool:
        """It went through: neither a fault nor an earlier event was in the way."""
        return self.behind is None and not self.fault


@dataclass(frozen=True, slots=True)
class Claim:
    """One attempt that the worker has to make."""

    handover_id: int
    event_id: str
    destination: str
    round: int
    key: str | None
    """Attempts with the same one are made one after the other at a destination; documents have none."""
    lock_key: str | None
    """The key of the event, by which workers that share an inbox keep out of each other's way."""
    attempt: int
    refused_ms: int
    """How long the handover has been waiting between refusals, in milliseconds."""
    started_at: datetime

    @property
    def idempotency_key(self) -> str:
        """The same for every attempt of this event at this destination, until a replay begins a new round."""
        return f"{self.event_id}-{self.destination}-{self.round}"


class AttemptOutcome(StrEnum):
    """How an attempt ended, as it is kept."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNKNOWN_ORDER = "unknown order"
    UNAVAILABLE = "unavailable"
    TIMED_OUT = "timed out"
    FAULT = "fault"
    """The destination's own code failed."""
    INTERRUPTED = "interrupted"
    """The worker ended during the attempt, or trouble with the store was in its way; it is repeated."""


@dataclass(frozen=True, slots=True)
class Finished:
    """One attempt that was made, and what follows."""

    claim: Claim
    ended_at: datetime
    outcome: AttemptOutcome
    reason: str | None
    state: State
    """Done, dead or waiting."""
    holds: bool = False
    """Later events of the same key wait for it; only of one that is dead."""
    due_at: datetime | None = None
    """When a waiting one is tried again."""
    refused_ms: int = 0

    @property
    def keeps_place(self) -> bool:
        """Whether later events of the same key have to wait for it."""
        return self.state is State.WAITING or self.holds


@dataclass(frozen=True, slots=True)
class RecordedDocument:
    """A document of an event as it stands in the inbox."""

    named: NamedDocument
    file: DocumentFile


@dataclass(frozen=True, slots=True)
class StoredCopy:
    """A file that another event's document became."""

    path: str
    sha256: str
    size: int
    media_type: str


@dataclass(frozen=True, slots=True)
class NotedDocument:
    """What an attempt to fetch came to."""

    number: int
    state: DocumentState
    copy: StoredCopy | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Material:
    """What an attempt needs to know of its event."""

    id: str
    endpoint: Endpoint
    event_name: str
    received_at: datetime
    subject_id: str | None
    message_id: str | None
    purchase_order_numbers: tuple[str, ...]
    content_type: str
    content_encoding: str
    body: bytes
    current: bytes | None
    """Packed; None where no id tells which order or shipment it is."""
    changes: tuple[Change, ...] = ()
    stale: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    echo: tuple[str, ...] = ()
    documents: tuple[DocumentFile, ...] = ()


@dataclass(frozen=True, slots=True)
class Standing:
    """What is kept of a destination."""

    paused: bool = False
    unavailable: bool = False


@dataclass(frozen=True, slots=True)
class EventStanding:
    """Where an event stands."""

    endpoint: Endpoint
    state: State
    reason: str | None
    handed_over: bool
    """Whether it is or was on its way to any destination."""
