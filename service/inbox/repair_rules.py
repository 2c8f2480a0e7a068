"""What an operator may do to an event, by where it stands; nothing here writes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, bindparam, select

from service.inbox.interface import State
from service.inbox.schema import event, handover


class Action(StrEnum):
    """What is done, as the audit names it."""

    RELEASE = "release"
    """Out of quarantine."""
    REPLAY = "replay"
    """Process it once more, and hand it over whatever it says."""
    CANCEL = "cancel"
    """Never process it, or hand it over no further."""
    SKIP = "skip"
    """Let later events of its order pass; it stays dead."""
    FETCH = "fetch"
    """Try again to fetch its documents, and nothing else."""
    PAUSE = "pause"
    """Hand nothing over to a destination."""
    RESUME = "resume"


@dataclass(frozen=True, slots=True)
class Measure:
    """What an operator decided."""

    action: Action
    reason: str
    destination: str | None = None
    """Only there; None: at every destination."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an event stands, with its latest handover to each destination that the measure is about."""

    event: Any
    handovers: tuple[Any, ...]


_EVENTS = select(
    event.c.seq,
    event.c.id,
    event.c.event_name,
    event.c.state,
    event.c.endpoint,
    event.c.subject_id,
    event.c.key,
    event.c.apply_at,
    event.c.applied_at,
    event.c.reason,
).where(event.c.id.in_(bindparam("ids", expanding=True)))
_HANDOVERS = (
    select(handover)
    .where(handover.c.event_id.in_(bindparam("ids", expanding=True)))
    .order_by(handover.c.destination, handover.c.round)
)

IN_FLIGHT = "an attempt is under way; try again when it has ended (pause the destination, so that no other begins)"


def standings(connection: Connection, ids: Sequence[str], measure: Measure) -> list[Standing]:
    """Where these events stand, in the order of the ids."""
    events = {row.id: row for row in connection.execute(_EVENTS, {"ids": list(ids)})}
    latest: dict[str, dict[str, Any]] = defaultdict(dict)
    for row in connection.execute(_HANDOVERS, {"ids": list(ids)}):
        if measure.destination in (None, row.destination):
            latest[row.event_id][row.destination] = row
    return [Standing(events[id], tuple(latest[id].values())) for id in ids if id in events]


def obstacle(standing: Standing, measure: Measure, now: str) -> str | None:
    """Why that cannot be done to this event; None if it can."""
    if any(one.started_at is not None for one in standing.handovers):
        return IN_FLIGHT
    if measure.action is Action.FETCH:
        return None if standing.event.applied_at is not None else "it is not processed yet"
    if measure.destination is not None and not standing.handovers:
        return f"it was never on its way to {measure.destination}"
    match measure.action:
        case Action.REPLAY:
            return _not_to_be_replayed(standing, measure, now)
        case Action.CANCEL:
            return _not_to_be_cancelled(standing, measure)
        case Action.SKIP:
            return _not_to_be_skipped(standing, measure)
    raise ValueError(measure.action)


def _not_to_be_replayed(standing: Standing, measure: Measure, now: str) -> str | None:
    row = standing.event
    if row.state == State.QUARANTINED:
        return "it is in quarantine; `webhooks events release` is for that"
    if row.applied_at is not None:
        return None
    if row.state == State.WAITING:
        return f"it waits {row.reason}"
    if measure.destination is not None:
        return "it is not processed yet"
    # One that is left to its sender for a while may be brought forward.
    about_to_be = row.state == State.RECEIVED and row.apply_at is not None and row.apply_at <= now
    return "it is about to be processed anyway" if about_to_be else None


def _not_to_be_cancelled(standing: Standing, measure: Measure) -> str | None:
    state = standing.event.state
    if measure.destination is None:
        return f"it is {state} already" if state in (State.DONE, State.CANCELLED) else None
    if not any(is_unfinished(one) for one in standing.handovers):
        return f"nothing of it waits for {measure.destination}"
    return None


def _not_to_be_skipped(standing: Standing, measure: Measure) -> str | None:
    if any(holds(one) for one in standing.handovers) or (measure.destination is None and holds_key(standing)):
        return None
    if standing.event.state == State.DEAD:
        return "it is dead, but holds up nothing"
    return f"it is {standing.event.state}; only a dead event is skipped"


def to_hand_over_again(standing: Standing, destination: str | None) -> list[Any]:
    """The handovers that a replay makes once more. Where some did not succeed, those alone: who has the event keeps
    it as it is. None of them, without a `destination`: the event is processed once more as a whole."""
    if standing.event.applied_at is None:
        return []
    unfinished = [one for one in standing.handovers if is_unfinished(one)]
    return unfinished or (list(standing.handovers) if destination is not None else [])


def is_unfinished(row: Any) -> bool:
    """A handover that was not accepted, and can still be."""
    return bool(row.open) or row.state == State.DEAD


def holds(row: Any) -> bool:
    """A dead handover behind which others wait."""
    return bool(row.open) and row.state == State.DEAD


def holds_key(standing: Standing) -> bool:
    """Dead before it was merged: later events of its order or shipment wait to be merged."""
    return standing.event.state == State.DEAD and standing.event.applied_at is None
