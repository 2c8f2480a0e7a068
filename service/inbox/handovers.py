"""What follows in the database when an event or one of its handovers changes: who is next, how the event stands.

For the worker and for repair, inside their transactions.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, bindparam, text

from service.inbox.instant import instant
from service.inbox.interface import State

#: Unless another handover of its event, that of the documents, goes first.
_NOT_HELD = (
    " AND NOT EXISTS (SELECT 1 FROM handover AS holder WHERE holder.event_id = handover.event_id AND holder.open"
    " AND holder.holds_event AND holder.id <> handover.id)"
)

#: The first open handover of a key at its destination may be attempted, unless it is dead and holds its place.
_PROMOTE = text(
    "UPDATE handover SET ready = TRUE WHERE id = ("  # noqa: S608 - a constant
    " SELECT min(id) FROM handover WHERE open AND destination = :destination AND key = :key"
    f") AND state IN ('received', 'waiting'){_NOT_HELD}"
)

#: The same for the handovers of one event; those without key wait for no other event.
_PROMOTE_EVENT = text(
    "UPDATE handover SET ready = TRUE WHERE event_id = :event_id AND open AND NOT ready"  # noqa: S608 - a constant
    " AND state IN ('received', 'waiting') AND NOT EXISTS (SELECT 1 FROM handover AS ahead WHERE ahead.open"
    " AND ahead.destination = handover.destination AND ahead.key = handover.key AND ahead.id < handover.id)"
    f"{_NOT_HELD}"
)

#: The latest round of each event at each destination.
_HANDOVERS = text(
    "SELECT event_id, destination, state, due_at, reason FROM handover AS one WHERE event_id IN :ids AND round = ("
    " SELECT max(round) FROM handover AS other"
    " WHERE other.event_id = one.event_id AND other.destination = one.destination"
    ") ORDER BY id"
).bindparams(bindparam("ids", expanding=True))

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
        promote_all(connection, [(destination, key)])


def promote_all(connection: Connection, closed: Sequence[tuple[str, str]]) -> None:
    """The same for several handovers, each named by destination and key."""
    if closed:
        connection.execute(_PROMOTE, [{"destination": destination, "key": key} for destination, key in closed])


def promote_events(connection: Connection, event_ids: Sequence[str]) -> None:
    """What held the other handovers of these events was closed, or was never there: those may be attempted that are
    first of their key."""
    if event_ids:
        connection.execute(_PROMOTE_EVENT, [{"event_id": event_id} for event_id in event_ids])


def settle(connection: Connection, event_id: str) -> State:
    """Write where an applied event stands, by where its handovers stand; the state that was written."""
    return settle_all(connection, [event_id])[event_id]


def settle_all(connection: Connection, event_ids: Sequence[str]) -> dict[str, State]:
    """The same for several events."""
    if not event_ids:
        return {}
    ids = list(dict.fromkeys(event_ids))
    of_event: dict[str, list[Any]] = {event_id: [] for event_id in ids}
    for row in connection.execute(_HANDOVERS, {"ids": ids}):
        of_event[row.event_id].append(row)
    settled = {event_id: _aggregate(rows) for event_id, rows in of_event.items()}
    rows = [
        {"event_id": event_id, "state": state.value, "until": until, "reason": reason}
        for event_id, (state, until, reason) in settled.items()
    ]
    connection.execute(_SETTLE, rows)
    over = [{"event_id": key} for key, (state, *_) in settled.items() if state in (State.DONE, State.CANCELLED)]
    if over:
        connection.execute(_DROP_SNAPSHOT, over)
    return {event_id: state for event_id, (state, *_) in settled.items()}


def _aggregate(rows: Sequence[Any]) -> tuple[State, str | None, str | None]:
    """State, until when and why."""
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
    elif state is State.DONE:
        cancelled = (row for row in rows if row.state == State.CANCELLED)
        reason = "; ".join(f"{row.destination}: cancelled: {row.reason}" for row in cancelled)
    return state, until, reason or None


def release_key(connection: Connection, key: str | None) -> None:
    """An event of this key was applied, cancelled or skipped: the next one that waited for it may be applied."""
    if key is not None:
        release_keys(connection, {key}, instant(datetime.now(UTC)))


def release_keys(connection: Connection, keys: Collection[str], now: str) -> None:
    """The same for several keys."""
    if keys:
        connection.execute(_RELEASE, [{"key": key, "now": now} for key in keys])
