"""What the command line asks the inbox; short reading transactions that never get in the receiver's way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.exc import DBAPIError

from service.inbox.instant import instant
from service.inbox.interface import InboxUnavailableError, State
from service.inbox.schema import VERSION, credential_use, drift, event, event_body, event_order, rejected_login
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
    limit: int = 50


class NoSuchEventError(LookupError):
    """No event has this id, or several begin with it; the text says which."""


class InboxReader:
    """Reads the inbox of a receiver, running or not."""

    def __init__(self, path: Path) -> None:
        """Open the inbox.

        Raises:
            InboxUnavailableError: there is none yet, or it cannot be read.
        """
        if not path.is_file():
            raise InboxUnavailableError(f"there is no inbox at {path} yet; `webhooks serve` makes it")
        self._engine = reading_engine(path)
        try:
            version = schema_version(self._engine)
        except DBAPIError as error:
            raise InboxUnavailableError(f"cannot read {path}: {error.orig}") from error
        if version is None:
            raise InboxUnavailableError(f"{path} is not an inbox, or `webhooks serve` never finished its start")
        if version < VERSION:
            raise InboxUnavailableError(
                f"{path} was made by an earlier version of this service; `webhooks serve` brings it up to date"
            )

    def events(self, wanted: EventFilter) -> list[Row]:
        """The newest events that fit, newest first, without their bodies."""
        query = _filtered(select(event), wanted).order_by(event.c.seq.desc()).limit(wanted.limit)
        with self._engine.connect() as connection:
            return [dict(row._mapping) for row in connection.execute(query)]

    def event(self, id_or_beginning: str) -> Row:
        """One event, by its id or the beginning of it, with all its order numbers.

        Raises:
            NoSuchEventError: none, or more than one.
        """
        query = select(event).where(event.c.id.startswith(id_or_beginning, autoescape=True)).limit(2)
        with self._engine.connect() as connection:
            rows = connection.execute(query).all()
            if len(rows) != 1:
                reason = "no event has the id" if not rows else "several events have ids that begin with"
                raise NoSuchEventError(f"{reason} {id_or_beginning}")
            found = dict(rows[0]._mapping)
            numbers = select(event_order.c.purchase_order_number).where(event_order.c.event_id == found["id"])
            found["purchase_order_numbers"] = list(connection.execute(numbers).scalars())
        return found

    def body(self, event_id: str) -> bytes:
        """The bytes as received."""
        query = select(event_body.c.body).where(event_body.c.event_id == event_id)
        with self._engine.connect() as connection:
            body: bytes = connection.execute(query).scalar_one()
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


def _filtered(query: Select[Any], wanted: EventFilter) -> Select[Any]:
    for column, value in (
        (event.c.state, wanted.state),
        (event.c.endpoint, wanted.endpoint),
        (event.c.payload_kind, wanted.kind),
        (event.c.event_name, wanted.event_name),
    ):
        if value is not None:
            query = query.where(column == str(value))
    if wanted.purchase_order_number is not None:
        ids = select(event_order.c.event_id).where(
            event_order.c.purchase_order_number == wanted.purchase_order_number
        )
        query = query.where(event.c.id.in_(ids))
    if wanted.since is not None:
        query = query.where(event.c.received_at >= instant(wanted.since))
    if wanted.until is not None:
        query = query.where(event.c.received_at < instant(wanted.until))
    return query
