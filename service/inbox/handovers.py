"""What follows in the database when an event or one of its handovers changes: who is next, how the event stands.

For the worker and for repair, inside their transactions.
"""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import Connection, text

from service.inbox.instant import instant
from service.inbox.interface import State

#: The first open handover of a key at its destination may be attempted, unless it is dead and holds its place.
_PROMOTE = text(
    "UPDATE handover SET ready = TRUE WHERE id = ("
    " SELECT min(id) FROM handover WHERE open AND destination = :destination AND key = :key"
    ") AND state IN ('received', 'waiting')"
)

#: The latest round of an event at each destination.
_HANDOVERS = text(
    "SELECT destination, state, due_at, reason FROM handover AS one WHERE event_id = :event_id AND round = ("
    " SELECT max(round) FROM handover AS other"
    " WHERE other.event_id = one.event_id AND other.destination = one.destination"
    ") ORDER BY id"
)

_SETTLE = text(
    "UPDATE event SET state = :state, until = :until, reason = :reason"
    " WHERE id = :event_id AND applied_at IS NOT NULL"
)

_DROP_SNAPSHOT = text("DELETE FROM snapshot WHERE event_id = :event_id")

#: The next event of the key that waits for an earlier one to be applied.
_RELEASE = text(
    "UPDATE event SET apply_at = :now, state = 'received', reason = NULL WHERE seq = ("
    " SELECT min(seq) FROM event WHERE key = :key AND applied_at IS NULL"
    " AND state IN ('received', 'waiting', 'dead')"
    ") AND state = 'waiting' AND apply_at IS NULL"
)


def promote(connection: Connection, destination: str, key: str | None) -> None:
    """A handover of this key was closed: the next one may be attempted."""
    if key is not None:
        connection.execute(_PROMOTE, {"destination": destination, "key": key})


def settle(connection: Connection, event_id: str) -> State:
    """Write where an applied event stands, by where its handovers stand; the state that was written."""
    rows = connection.execute(_HANDOVERS, {"event_id": event_id}).all()
    states = {row.state for row in rows}
    until = reason = None
    if State.DEAD in states:
        state = State.DEAD
    elif State.WAITING in states:
        state = State.WAITING
        until = min(row.due_at for row in rows if row.state == State.WAITING)
    elif states & {State.PROCESSING, State.RECEIVED}:
        state = State.PROCESSING
    elif states == {State.CANCELLED}:
        state = State.CANCELLED
    else:
        state = State.DONE
    if state in (State.DEAD, State.WAITING, State.CANCELLED):
        reason = "; ".join(f"{row.destination}: {row.reason}" for row in rows if row.state == state and row.reason)
    connection.execute(
        _SETTLE, {"event_id": event_id, "state": state.value, "until": until, "reason": reason or None}
    )
    if state in (State.DONE, State.CANCELLED):
        connection.execute(_DROP_SNAPSHOT, {"event_id": event_id})
    return state


def release_key(connection: Connection, key: str | None) -> None:
    """An event of this key was applied, cancelled or skipped: the next one that waited for it may be applied."""
    if key is not None:
        connection.execute(_RELEASE, {"key": key, "now": instant(datetime.now(UTC))})
