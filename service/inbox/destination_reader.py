"""What the command line asks about the destinations."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, distinct, func, literal_column, select

from service.inbox.instant import instant
from service.inbox.interface import State
from service.inbox.place import Place
from service.inbox.reader import Row, open_for_reading
from service.inbox.repair_rules import Action
from service.inbox.schema import audit, destination, event, handover


class DestinationReader:
    """Reads how the destinations stand."""

    def __init__(self, place: Place) -> None:
        """Open the inbox.

        Raises:
            InboxUnavailableError: there is none yet, or it cannot be read.
        """
        self._engine = open_for_reading(place)

    def names(self) -> list[str]:
        """Of those that were ever paused or unavailable, or that something waits for."""
        query = select(destination.c.name).union(select(handover.c.destination).where(_OPEN))
        with self._engine.connect() as connection:
            return sorted(connection.execute(query).scalars())

    def destinations(self, names: Sequence[str]) -> list[Row]:
        """How each of these stands, and how much waits for it."""
        with self._engine.connect() as connection:
            return [_standing(connection, name) | _counts(connection, name) for name in names]


#: Literally, or SQLite does not use the partial indexes.
_OPEN: ColumnElement[bool] = literal_column("handover.open")
_READY: ColumnElement[bool] = literal_column("handover.ready")


def _standing(connection: Connection, name: str) -> dict[str, Any]:
    row = connection.execute(select(destination).where(destination.c.name == name)).first()
    standing = dict.fromkeys(column.name for column in destination.columns) if row is None else dict(row._mapping)
    by = (
        select(audit.c.user)
        .where(audit.c.target == name, audit.c.action == Action.PAUSE.value)
        .order_by(audit.c.id.desc())
        .limit(1)
    )
    paused_by = connection.execute(by).scalar() if standing["paused_at"] else None
    return standing | {"name": name, "paused_by": paused_by}


def _counts(connection: Connection, name: str) -> dict[str, Any]:
    here = handover.c.destination == name
    alive = (here, _OPEN, handover.c.state != State.DEAD.value)
    now = instant(datetime.now(UTC))
    later = (here, _READY, handover.c.due_at > now)
    count = select(func.count()).select_from(handover)
    # Of the dead events, which are few, because no index tells the dead handovers.
    dead = (
        select(func.count(distinct(event.c.id)))
        .join(handover, handover.c.event_id == event.c.id)
        .where(event.c.state == State.DEAD.value, here, handover.c.state == State.DEAD.value)
    )
    oldest = (
        select(event.c.received_at)
        .join(handover, handover.c.event_id == event.c.id)
        .where(*alive)
        .order_by(handover.c.id)
        .limit(1)
    )
    return {
        "open": connection.execute(count.where(*alive)).scalar_one(),
        "ready": connection.execute(count.where(here, _READY, handover.c.due_at <= now)).scalar_one(),
        "later": connection.execute(count.where(*later)).scalar_one(),
        "next_due_at": connection.execute(select(func.min(handover.c.due_at)).where(*later)).scalar(),
        "behind": connection.execute(count.where(*alive, ~_READY, handover.c.started_at.is_(None))).scalar_one(),
        "dead": connection.execute(dead).scalar_one(),
        "oldest_waiting_since": connection.execute(oldest).scalar(),
    }
