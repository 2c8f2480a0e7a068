"""How attempts end, and what follows: the event is done, tried again, or dead."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from handlers.interface import Accepted, Outcome, Refused, TimedOut, Unavailable
from service.inbox.interface import State
from service.inbox.work_values import AttemptOutcome, Claim, Finished, NotedDocument
from service.worker.inline import InlineAnswer
from service.worker.lane import LAST_PROBE, backoff, backoff_after

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
    documents: tuple[NotedDocument, ...] = ()
    """What became of those that were to be fetched."""


def checked(outcome: object) -> Outcome:
    """What a destination returned, with the types and within the bounds that were agreed.

    Raises:
        TypeError: it is something else.
    """
    match outcome:
        case Accepted(note=str(note)):
            return Accepted(bounded(note))
        case Refused(reason=str(reason), unknown_order=bool(unknown)):
            return Refused(bounded(reason), unknown)
        case Unavailable(reason=str(reason), retry_after=None):
            return Unavailable(bounded(reason))
        case Unavailable(reason=str(reason), retry_after=int() | float() as seconds) if not math.isnan(seconds):
            return Unavailable(bounded(reason), min(max(seconds, 0.0), MAX_RETRY_AFTER))
        case TimedOut(reason=str(reason)):
            return TimedOut(bounded(reason))
        case Accepted() | Refused() | Unavailable() | TimedOut():
            raise TypeError(f"deliver returned {type(outcome).__name__} with a member of another type than agreed")
    raise TypeError(f"deliver returned {type(outcome).__name__}, not Accepted, Refused, Unavailable or TimedOut")


def bounded(reason: str) -> str:
    """As it can be stored: bounded, and without halves of characters."""
    return reason[:MAX_REASON].encode("utf-8", "replace").decode()


def message_of(error: BaseException) -> str:
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
    if isinstance(outcome, Unavailable | TimedOut | NotMade):
        # Bounded so that something is due when the destination is looked at again.
        delay = min(backoff(claim.attempt, terms.retry_first, terms.retry_last), LAST_PROBE)
        if isinstance(outcome, Unavailable) and outcome.retry_after is not None:
            delay = max(delay, outcome.retry_after)
        due_at = ended_at + timedelta(seconds=delay)
        return Finished(claim, ended_at, kind, reason, State.WAITING, due_at=due_at, refused_ms=claim.refused_ms)
    waited = claim.refused_ms / 1000
    if waited >= terms.dead_after:
        return Finished(claim, ended_at, kind, reason, State.DEAD, holds=dead_holds, refused_ms=claim.refused_ms)
    # Attempts during an outage are no reason to wait longer after a refusal.
    delay = min(backoff_after(waited, terms.retry_first, terms.retry_last), terms.dead_after - waited)
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


#: Outcomes after which the sender comes again, with what it is told.
_COMES_AGAIN: Mapping[type, InlineAnswer] = {
    Unavailable: InlineAnswer.UNAVAILABLE,
    TimedOut: InlineAnswer.TIMED_OUT,
    NotMade: InlineAnswer.TROUBLE,
}


def concluded_inline(attempted: Attempted, takeover: float) -> tuple[Finished, InlineAnswer]:
    """What follows from an outcome while the sender waits: a final answer ends the event, a 5xx leaves it to the
    sender, who comes again, and to the worker after `takeover` seconds without."""
    claim, ended_at, outcome = attempted.claim, attempted.ended_at, attempted.outcome
    kind, reason = described(outcome)
    if isinstance(outcome, Accepted):
        return Finished(claim, ended_at, kind, reason, State.DONE), InlineAnswer.DONE
    if comes_again := _COMES_AGAIN.get(type(outcome)):
        due_at = ended_at + timedelta(seconds=takeover)
        return (
            Finished(claim, ended_at, kind, reason, State.WAITING, due_at=due_at, refused_ms=claim.refused_ms),
            comes_again,
        )
    # The sender learns of it and does not come again, so nobody may have to wait for this event.
    if isinstance(outcome, Refused):
        answer = InlineAnswer.UNKNOWN_ORDER if outcome.unknown_order else InlineAnswer.REFUSED
    else:
        answer = InlineAnswer.FAULT
    return Finished(claim, ended_at, kind, reason, State.DEAD, refused_ms=claim.refused_ms), answer
