"""What came beyond the contract, over all events: each different thing once, since when, how often, an example.

Bounded, because an authenticated sender may bring something new with every event: what finds no row of its own
is counted in one row together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, func, select
from sqlalchemy.dialects.postgresql import insert as upsert  # SQLite knows it too

from service.inbox.instant import instant
from service.inbox.interface import NewEvent
from service.inbox.schema import drift

#: Different things that are told apart at one endpoint.
MAX_ROWS = 10_000

#: Kind of the row that counts the events with something that has no row of its own.
NOT_TOLD_APART = "not told apart"

#: endpoint, kind, place, detail
Key = tuple[str, str, str, str]
_NAMES = ("endpoint", "kind", "place", "detail")

# One question for each thing: SQLite does not use the index for a list of keys that have several columns.
_ROW = select(drift.c.endpoint).where(*(drift.c[name] == bindparam(name) for name in _NAMES))
_ROWS = select(func.count()).select_from(drift).where(drift.c.endpoint == bindparam("endpoint"))
_INSERT = upsert(drift)
_RECORD = _INSERT.on_conflict_do_update(
    index_elements=_NAMES,
    set_={
        "last_at": _INSERT.excluded.last_at,
        "events": drift.c.events + _INSERT.excluded.events,
        "example_event_id": _INSERT.excluded.example_event_id,
    },
)


def record(connection: Connection, events: Sequence[NewEvent]) -> None:
    """Count what these new events bring beyond the contract, in the transaction that stores them."""
    rooms = _Rooms(connection)
    rows: dict[Key, dict[str, Any]] = {}
    for event in events:
        received_at = instant(event.delivery.received_at)
        for key in {rooms.row_of(key) for key in _keys(event)}:
            row = rows.setdefault(key, dict(zip(_NAMES, key, strict=True)) | {"first_at": received_at, "events": 0})
            row |= {"last_at": received_at, "events": row["events"] + 1, "example_event_id": event.id}
    if rows:
        # In one order, so that two receivers do not wait for each other.
        connection.execute(_RECORD, [rows[key] for key in sorted(rows)])


def _keys(event: NewEvent) -> Iterator[Key]:
    endpoint, counted = event.delivery.endpoint.value, 0
    for item in event.drift:
        yield endpoint, str(item["kind"]), str(item["place"]), str(item["detail"])
        counted += int(str(item["count"]))
    if counted < event.drift_count:  # more different things than are kept with an event
        yield _together(endpoint)


def _together(endpoint: str) -> Key:
    return endpoint, NOT_TOLD_APART, "", ""


class _Rooms:
    """Which things have a row, and whether there is room for more."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._known: set[Key] = set()
        self._room: dict[str, int] = {}

    def row_of(self, key: Key) -> Key:
        """The row that counts this: its own, or the one for all that have none."""
        if key in self._known or self._is_recorded(key):
            self._known.add(key)
            return key
        endpoint = key[0]
        if endpoint not in self._room:  # counted only now: hardly any event brings something new
            self._room[endpoint] = MAX_ROWS - self._connection.execute(_ROWS, {"endpoint": endpoint}).scalar_one()
        if self._room[endpoint] <= 0:
            return _together(endpoint)
        self._room[endpoint] -= 1
        self._known.add(key)
        return key

    def _is_recorded(self, key: Key) -> bool:
        return self._connection.execute(_ROW, dict(zip(_NAMES, key, strict=True))).first() is not None
