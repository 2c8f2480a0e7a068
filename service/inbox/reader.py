"""What the command line asks the inbox; short reading transactions that never get in the receiver's way."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Select, bindparam, literal_column, select
from sqlalchemy.exc import DBAPIError

from service.inbox import postgresql
from service.inbox.changes import stored_changes
from service.inbox.instant import instant
from service.inbox.interface import InboxUnavailableError, State
from service.inbox.place import DatabaseServer, Place
from service.inbox.repair_rules import Measure, Standing, standings
from service.inbox.schema import (
    VERSION,
    attempt,
    audit,
    credential_use,
    destination,
    drift,
    edited_body,
    effect,
    event,
    event_body,
    event_order,
    handover,
    rejected_login,
)
from service.inbox.sqlite import reading_engine, schema_version

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events to list; None means any."""

    state: State | None = None
    endpoint: str | None = None
    kind: str | None = None
    event_name: str | None = None
    purchase_order_number: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    destination: str | None = None
    """On their way to it now or before."""
    limit: int | None = 50


class NoSuchEventError(LookupError):
    """No event has this id, or several begin with it; the text says which."""


def open_for_reading(place: Place) -> Engine:
    """The inbox of a receiver, running or not.

    Raises:
        InboxUnavailableError: there is none yet, or it cannot be read.
    """
    return postgresql.open_for_reading(place) if isinstance(place, DatabaseServer) else _open_file(place)


def _open_file(path: Path) -> Engine:
    if not path.is_file():
        raise InboxUnavailableError(f"there is no inbox at {path} yet; `webhooks serve` makes it")
    engine = reading_engine(path)
    try:
        version = schema_version(engine)
    except DBAPIError as error:
        raise InboxUnavailableError(f"cannot read {path}: {error.orig}") from error
    if version is None:
        raise InboxUnavailableError(f"{path} is not an inbox, or `webhooks serve` never finished its start")
    if version < VERSION:
        raise InboxUnavailableError(
            f"{path} was made by an earlier version of this service; `webhooks serve` brings it up to date"
        )
    return engine


class InboxReader:
    """Reads events, and what was counted over all of them."""

    def __init__(self, place: Place) -> None:
        """Open the inbox.

        Raises:
            InboxUnavailableError: there is none yet, or it cannot be read.
        """
        self._engine = open_for_reading(place)

    def events(self, wanted: EventFilter) -> list[Row]:
        """The newest events that fit, newest first, without their bodies; with what holds them up."""
        query = _filtered(select(event), wanted).order_by(event.c.seq.desc()).limit(wanted.limit)
        with self._engine.connect() as connection:
            rows = [dict(row._mapping) for row in connection.execute(query)]
            _add_obstacles(connection, rows)
        return list(rows)

    def ids(self, wanted: EventFilter) -> list[str]:
        """All events that fit, in the order of their acceptance."""
        query = _filtered(select(event.c.id), wanted).order_by(event.c.seq)
        with self._engine.connect() as connection:
            return list(connection.execute(query).scalars())

    def id_of(self, id_or_beginning: str) -> str:
        """The whole id.

        Raises:
            NoSuchEventError: none begins so, or more than one.
        """
        query = select(event.c.id).where(event.c.id.startswith(id_or_beginning, autoescape=True)).limit(2)
        with self._engine.connect() as connection:
            found = list(connection.execute(query).scalars())
        if len(found) != 1:
            reason = "no event has the id" if not found else "several events have ids that begin with"
            raise NoSuchEventError(f"{reason} {id_or_beginning}")
        return str(found[0])

    def standings(self, ids: Sequence[str], measure: Measure) -> list[Standing]:
        """Where these events stand, for the rules of repair."""
        with self._engine.connect() as connection:
            return [
                standing
                for first in range(0, len(ids), _AT_A_TIME)
                for standing in standings(connection, ids[first : first + _AT_A_TIME], measure)
            ]

    def event(self, id_or_beginning: str) -> Row:
        """One event, by its id or the beginning of it, with everything that is known of it.

        Raises:
            NoSuchEventError: none, or more than one.
        """
        id = self.id_of(id_or_beginning)
        with self._engine.connect() as connection:
            found = dict(connection.execute(select(event).where(event.c.id == id)).one()._mapping)
            _add_obstacles(connection, [found])
            numbers = select(event_order.c.purchase_order_number).where(event_order.c.event_id == id)
            found["purchase_order_numbers"] = list(connection.execute(numbers).scalars())
            found["edited"] = _edited(connection, id)
            found["effect"] = _effect(connection, id)
            found["handovers"] = _handovers(connection, id)
            found["audit"] = audit_of(connection, id)
        return found

    def body(self, event_id: str) -> bytes:
        """The bytes as received."""
        query = select(event_body.c.body).where(event_body.c.event_id == event_id)
        with self._engine.connect() as connection:
            body: bytes = connection.execute(query).scalar_one()
        return body

    def edited_body(self, event_id: str) -> bytes | None:
        """The bytes that it was released with, if those are not the ones that were received."""
        query = select(edited_body.c.body).where(edited_body.c.event_id == event_id)
        with self._engine.connect() as connection:
            body: bytes | None = connection.execute(query).scalar()
        return body

    def rejected_logins(self) -> list[Row]:
        """Credential, endpoint, how many wrong passwords, and when the last."""
        query = select(rejected_login).order_by(rejected_login.c.credential, rejected_login.c.endpoint)
        with self._engine.connect() as connection:
            return [dict(row._mapping) for row in connection.execute(query)]

    def credential_uses(self) -> list[Row]:
        """Credential, endpoint, and when it was used last."""
        query = select(credential_use).order_by(credential_use.c.credential, credential_use.c.endpoint)
        with self._engine.connect() as connection:
            return [dict(row._mapping) for row in connection.execute(query)]

    def drift(self, *, endpoint: str | None = None, since: datetime | None = None) -> list[Row]:
        """Each different thing that came beyond the contract, by endpoint, kind and place, the most frequent
        first; of one endpoint, or received at or after `since`, if given."""
        query = select(drift).order_by(
            drift.c.endpoint, drift.c.kind, drift.c.place, drift.c.events.desc(), drift.c.detail
        )
        if endpoint is not None:
            query = query.where(drift.c.endpoint == endpoint)
        if since is not None:
            query = query.where(drift.c.last_at >= instant(since))
        with self._engine.connect() as connection:
            return [dict(row._mapping) for row in connection.execute(query)]


#: Ids in one question; SQLite bounds the parameters of a statement.
_AT_A_TIME = 500


def audit_of(connection: Connection, target: str) -> list[Row]:
    """What operators did to an event or destination, oldest first."""
    query = select(audit.c.at, audit.c.user, audit.c.action, audit.c.reason, audit.c.detail)
    rows = connection.execute(query.where(audit.c.target == target).order_by(audit.c.id))
    return [dict(row._mapping) for row in rows]


def _edited(connection: Connection, event_id: str) -> Row | None:
    query = select(edited_body.c.content_type).where(edited_body.c.event_id == event_id)
    row = connection.execute(query).first()
    return None if row is None else dict(row._mapping)


def _effect(connection: Connection, event_id: str) -> Row | None:
    row = connection.execute(select(effect).where(effect.c.event_id == event_id)).first()
    if row is None:
        return None
    return {
        "news": row.news,
        "changes": stored_changes(row.changes),
        "stale": row.stale,
        "flags": row.flags,
        "echo": row.echo,
    }


def _handovers(connection: Connection, event_id: str) -> list[Row]:
    query = select(
        handover.c.id,
        handover.c.destination,
        handover.c.round,
        handover.c.state,
        handover.c.open,
        handover.c.due_at,
        handover.c.started_at,
        handover.c.finished_at,
        handover.c.outcome,
        handover.c.reason,
    )
    rows = connection.execute(query.where(handover.c.event_id == event_id).order_by(handover.c.id)).all()
    return [dict(row._mapping) | {"attempts": _attempts(connection, row.id)} for row in rows]


def _attempts(connection: Connection, handover_id: int) -> list[Row]:
    query = select(attempt.c.started_at, attempt.c.ended_at, attempt.c.outcome, attempt.c.reason)
    rows = connection.execute(query.where(attempt.c.handover_id == handover_id).order_by(attempt.c.id))
    return [dict(row._mapping) for row in rows]


def _add_obstacles(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Say what holds up an event none of whose handovers gets on: destinations, or earlier events of its order."""
    on_their_way = {row["id"]: row for row in rows if row["state"] in (State.PROCESSING, State.WAITING)}
    for row in rows:
        row["held_up_by"] = []
    ids, gets_on = list(on_their_way), set()
    for first in range(0, len(ids), _AT_A_TIME):
        for one in connection.execute(_OPEN_HANDOVERS, {"ids": ids[first : first + _AT_A_TIME]}):
            obstacle = _obstacle(one)
            if obstacle is None and not one.ready and one.started_at is None:
                continue  # it waits for the documents of its event, which have a handover of their own
            if obstacle is None:
                gets_on.add(one.event_id)
            else:
                on_their_way[one.event_id]["held_up_by"].append({"destination": one.destination, **obstacle})
    for id in gets_on:
        on_their_way[id]["held_up_by"] = []


_ahead = handover.alias("ahead")
_OPEN_HANDOVERS = (
    select(
        handover.c.event_id,
        handover.c.destination,
        handover.c.ready,
        handover.c.started_at,
        destination.c.paused_at,
        destination.c.unavailable_since,
        select(_ahead.c.event_id)
        .where(
            literal_column("ahead.open"),  # literally, or SQLite does not use the partial index
            _ahead.c.destination == handover.c.destination,
            _ahead.c.key == handover.c.key,
            _ahead.c.id < handover.c.id,
        )
        .order_by(_ahead.c.id)
        .limit(1)
        .scalar_subquery()
        .label("behind"),
    )
    .outerjoin(destination, destination.c.name == handover.c.destination)
    .where(handover.c.event_id.in_(bindparam("ids", expanding=True)), handover.c.open)
    .order_by(handover.c.id)
)


def _obstacle(one: Any) -> dict[str, Any] | None:
    if one.started_at is not None:
        return None
    for how, since in (("paused", one.paused_at), ("unavailable", one.unavailable_since)):
        if since is not None:
            return {"how": how, "since": since, "behind": None}
    if not one.ready and one.behind is not None:
        return {"how": "behind", "since": None, "behind": one.behind}
    return None


def _filtered(query: Select[Any], wanted: EventFilter) -> Select[Any]:
    for column, value in (
        (event.c.state, wanted.state),
        (event.c.endpoint, wanted.endpoint),
        (event.c.payload_kind, wanted.kind),
    ):
        if value is not None:
            query = query.where(column == str(value))
    if wanted.event_name is not None:
        query = query.where(_is_named(wanted.event_name))
    if wanted.purchase_order_number is not None:
        ids = select(event_order.c.event_id).where(
            event_order.c.purchase_order_number == wanted.purchase_order_number
        )
        query = query.where(event.c.id.in_(ids))
    if wanted.destination is not None:
        handed_over = select(handover.c.event_id).where(handover.c.destination == wanted.destination)
        query = query.where(event.c.id.in_(handed_over))
    if wanted.since is not None:
        query = query.where(event.c.received_at >= instant(wanted.since))
    if wanted.until is not None:
        query = query.where(event.c.received_at < instant(wanted.until))
    return query


def _is_named(name: str) -> ColumnElement[bool]:
    """Whether an event has this name, in which `*` stands for anything."""
    if "*" not in name:
        return event.c.event_name == name
    return event.c.event_name.like(re.sub("([!%_])", r"!\1", name).replace("*", "%"), escape="!")
