"""One attempt to hand an event to its destination, on a thread of its own, and what follows from its outcome."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from handlers.interface import (
    Accepted,
    Destination,
    Endpoint,
    ErpEvent,
    JsonObject,
    Outcome,
    Refused,
    RenderedBody,
    TimedOut,
    Unavailable,
)
from service import txml
from service.event_reader import EventReader
from service.inbox.interface import InboxUnavailableError, State
from service.inbox.packed import unpack
from service.inbox.work import WorkStore
from service.inbox.work_values import AttemptOutcome, Claim, Finished, Material
from service.json_text import exact_json
from service.log import place_of
from service.worker import clock
from service.worker.lane import LAST_PROBE, backoff

log = logging.getLogger(__name__)

#: Characters of a reason that are kept.
MAX_REASON = 1000
#: Asked to stay away, but a mistake in that answer must not keep events for days.
MAX_RETRY_AFTER = 3600.0


@dataclass(frozen=True, slots=True)
class Terms:
    """What was agreed for one destination."""

    merged: bool
    """It gets the whole order or shipment instead of the event as it was received."""
    as_xml: bool
    retry_first: float
    retry_last: float
    dead_after: float
    """Seconds of refusals after which an event is given up."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The destination's own code failed, or ours that makes the body for it."""

    reason: str


@dataclass(frozen=True, slots=True)
class NotMade:
    """The store or the memory was in the way: the destination knows nothing of this attempt."""

    reason: str


@dataclass(frozen=True, slots=True)
class Attempted:
    """An attempt that came to its end."""

    claim: Claim
    ended_at: datetime
    outcome: Outcome | Failed | NotMade


class Attempts:
    """Makes attempts; its methods may be called from any thread."""

    def __init__(
        self,
        store: WorkStore,
        destinations: Mapping[str, Destination],
        terms: Mapping[str, Terms],
        readers: Mapping[Endpoint, EventReader],
        mappings: Mapping[Endpoint, txml.Mapping],
    ) -> None:
        self._store = store
        self._destinations = destinations
        self._terms = terms
        self._readers = readers
        self._mappings = mappings

    def attempt(self, claim: Claim) -> Attempted:
        """Hand the event over; never raises."""
        outcome: Outcome | Failed | NotMade
        try:
            outcome = self._deliver(claim)
        except (InboxUnavailableError, MemoryError) as error:
            log.error("action=not_attempted id=%s reason=%s", claim.event_id, error)
            outcome = NotMade(f"not attempted: {error}")
        except BaseException as error:  # code of others may even raise SystemExit
            # Without its message, which may hold what the event says: that goes to the inbox only.
            log.warning(
                "action=fault id=%s destination=%s error=%s at=%s",
                claim.event_id,
                claim.destination,
                type(error).__name__,
                place_of(error),
            )
            outcome = Failed(_line(f"{type(error).__name__}: {_text(error)}"))
        return Attempted(claim, clock.now(), outcome)

    def _deliver(self, claim: Claim) -> Outcome:
        material = self._store.material(claim.event_id)
        merged = None if material.current is None else unpack(material.current)
        event = ErpEvent(
            id=material.id,
            endpoint=material.endpoint,
            event_name=material.event_name,
            received_at=material.received_at,
            subject_id=material.subject_id,
            purchase_order_numbers=material.purchase_order_numbers,
            message_id=material.message_id,
            resent="Resent" in material.event_name,
            idempotency_key=claim.idempotency_key,
            attempt=claim.attempt,
            stale=material.stale,
            flags=material.flags,
            echo=material.echo,
        )
        body = self._rendered(material, merged, self._terms[claim.destination])
        return checked(self._destinations[claim.destination].deliver(event, merged, material.changes, body))

    def _rendered(self, material: Material, merged: JsonObject | None, terms: Terms) -> RenderedBody:
        as_received = "xml" in material.content_type.partition(";")[0].lower()
        if terms.merged and merged is not None:
            document = merged
        elif as_received == terms.as_xml:
            return RenderedBody(material.content_type, material.body)
        else:
            document, _ = self._readers[material.endpoint].read_again(material.body, material.content_type)
        if terms.as_xml:
            return RenderedBody(
                "application/xml; charset=utf-8", txml.write(document, self._mappings[material.endpoint])
            )
        return RenderedBody("application/json", exact_json(document))


def checked(outcome: object) -> Outcome:
    """What a destination returned, with the types and within the bounds that were agreed.

    Raises:
        TypeError: it is something else.
    """
    match outcome:
        case Accepted(note=str(note)):
            return Accepted(_line(note))
        case Refused(reason=str(reason), unknown_order=bool(unknown)):
            return Refused(_line(reason), unknown)
        case Unavailable(reason=str(reason), retry_after=None):
            return Unavailable(_line(reason))
        case Unavailable(reason=str(reason), retry_after=int() | float() as seconds) if not math.isnan(seconds):
            return Unavailable(_line(reason), min(max(seconds, 0.0), MAX_RETRY_AFTER))
        case TimedOut(reason=str(reason)):
            return TimedOut(_line(reason))
        case Accepted() | Refused() | Unavailable() | TimedOut():
            raise TypeError(f"deliver returned {type(outcome).__name__} with a member of another type than agreed")
    raise TypeError(f"deliver returned {type(outcome).__name__}, not Accepted, Refused, Unavailable or TimedOut")


def _line(reason: str) -> str:
    """As it can be stored: bounded, and without halves of characters."""
    return reason[:MAX_REASON].encode("utf-8", "replace").decode()


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return "(its message cannot be read)"


def concluded(attempted: Attempted, terms: Terms, *, dead_holds: bool) -> Finished:
    """What follows from an outcome in queued processing: done, tried again, or dead.

    Only the time between refusals counts towards dead. It grows by the planned waiting, so neither an outage nor a
    pause nor a service that was stopped makes an event older.
    """
    claim, ended_at, outcome = attempted.claim, attempted.ended_at, attempted.outcome
    kind, reason = described(outcome)
    if isinstance(outcome, Accepted):
        return Finished(claim, ended_at, kind, reason, State.DONE)
    delay = backoff(claim.attempt, terms.retry_first, terms.retry_last)
    if isinstance(outcome, Unavailable | TimedOut | NotMade):
        delay = min(delay, LAST_PROBE)  # so that something is due when the destination is looked at again
        if isinstance(outcome, Unavailable) and outcome.retry_after is not None:
            delay = max(delay, outcome.retry_after)
        due_at = ended_at + timedelta(seconds=delay)
        return Finished(claim, ended_at, kind, reason, State.WAITING, due_at=due_at, refused_ms=claim.refused_ms)
    left = terms.dead_after - claim.refused_ms / 1000
    if left <= 0:
        return Finished(claim, ended_at, kind, reason, State.DEAD, holds=dead_holds, refused_ms=claim.refused_ms)
    delay = min(delay, left)
    return Finished(
        claim,
        ended_at,
        kind,
        reason,
        State.WAITING,
        due_at=ended_at + timedelta(seconds=delay),
        refused_ms=claim.refused_ms + max(int(delay * 1000), 1),
    )


def described(outcome: Outcome | Failed | NotMade) -> tuple[AttemptOutcome, str | None]:
    """How an outcome is kept: its kind, and the reason."""
    match outcome:
        case Accepted():
            kind, reason = AttemptOutcome.ACCEPTED, outcome.note
        case Refused():
            kind = AttemptOutcome.UNKNOWN_ORDER if outcome.unknown_order else AttemptOutcome.REFUSED
            reason = outcome.reason
        case Unavailable():
            kind, reason = AttemptOutcome.UNAVAILABLE, outcome.reason
        case TimedOut():
            kind, reason = AttemptOutcome.TIMED_OUT, outcome.reason
        case Failed():
            kind, reason = AttemptOutcome.FAULT, outcome.reason
        case NotMade():
            kind, reason = AttemptOutcome.INTERRUPTED, outcome.reason
    return kind, reason or None
