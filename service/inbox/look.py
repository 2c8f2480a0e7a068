"""What the worker asks the inbox: one question at a time, each answered by what is on disk at that moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import jiter
from sqlalchemy import Connection, CursorResult, TextClause
from sqlalchemy.exc import DBAPIError

from handlers.interface import Change, Endpoint
from service.inbox import work_queries as sql
from service.inbox.changes import stored_changes
from service.inbox.document_rows import recorded
from service.inbox.instant import instant
from service.inbox.interface import InboxUnavailableError
from service.inbox.work_values import AcceptedEvent, Material, RecordedDocument, Standing, StoredCopy

#: Bytes of the bodies that are merged in one go; a single larger one still goes alone.
MAX_BYTES = 4 * 1024 * 1024


class Facts:
    """What an attempt may ask."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def _ask(self, question: TextClause, parameters: Mapping[str, Any] | None = None) -> CursorResult[Any]:
        # Here and not only around all of it: who asks may take any other error for a fault of the event.
        try:
            return self._connection.execute(question, parameters)
        except DBAPIError as error:
            raise InboxUnavailableError(f"the inbox cannot be read: {error.orig}") from error

    def material(self, event_id: str) -> Material:
        """What an attempt needs."""
        row = self._ask(sql.MATERIAL, {"event_id": event_id}).one()
        numbers = [row.purchase_order_number] if row.purchase_order_number else []
        if row.endpoint == Endpoint.SHIPMENT:  # an order event names one order only
            numbers = list(self._ask(sql.ORDERS, {"event_id": event_id}).scalars())
        files = tuple(recorded.file for recorded in self.documents(event_id))
        return replace(_material(row, numbers), documents=files)

    def documents(self, event_id: str) -> list[RecordedDocument]:
        """The documents that an event names, in its order."""
        return [recorded(row) for row in self._ask(sql.DOCUMENTS, {"event_id": event_id})]

    def stored_copy(self, copy_key: str) -> StoredCopy | None:
        """The latest file that a document with this key became."""
        row = self._ask(sql.STORED_COPY, {"copy_key": copy_key}).first()
        return None if row is None else StoredCopy(row.path, row.sha256, row.size, row.media_type)


class Look(Facts):
    """What the worker's own thread may ask, the one that writes."""

    def to_apply(self, now: datetime, limit: int) -> list[AcceptedEvent]:
        """Events to be merged, in the order of their time: at most `limit`, and no more than fit into memory."""
        events: list[AcceptedEvent] = []
        for row in self._ask(sql.TO_APPLY, {"now": instant(now), "limit": limit}):
            events.append(accepted(row))
            if sum(len(event.body) for event in events) > MAX_BYTES:
                break
        return events

    def one_to_apply(self, event_id: str) -> AcceptedEvent | None:
        """The event, if it waits to be merged, now or later."""
        row = self._ask(sql.ONE_TO_APPLY, {"id": event_id}).first()
        return None if row is None else accepted(row)

    def next_to_apply(self) -> str | None:
        """When the next event is to be merged."""
        moment: str | None = self._ask(sql.NEXT_TO_APPLY).scalar()
        return moment

    def changes(self, event_id: str) -> tuple[Change, ...]:
        """What the event changed when it was merged."""
        return stored_changes(self._ask(sql.CHANGES, {"event_id": event_id}).scalar())

    def is_due(self, destination: str, now: datetime) -> bool:
        """Whether anything could be attempted at this destination now."""
        found = self._ask(sql.DUE, {"destination": destination, "now": instant(now)}).first()
        return found is not None

    def next_due(self, destination: str) -> str | None:
        """When the next attempt at this destination is due."""
        moment: str | None = self._ask(sql.NEXT_DUE, {"destination": destination}).scalar()
        return moment

    def standings(self) -> dict[str, Standing]:
        """What operators and earlier workers left to say of each destination."""
        return {
            row.name: Standing(row.paused_at is not None, row.unavailable_since is not None)
            for row in self._ask(sql.DESTINATIONS)
        }


def accepted(row: Any) -> AcceptedEvent:
    """From a row of `TO_APPLY`."""
    return AcceptedEvent(
        seq=row.seq,
        id=row.id,
        endpoint=Endpoint(row.endpoint),
        key=row.key,
        apply_at=row.apply_at,
        event_name=row.event_name,
        payload_kind=row.payload_kind,
        subject_id=row.subject_id,
        content_type=row.content_type,
        content_encoding=row.content_encoding,
        body=row.body,
        applied_before=bool(row.applied_before),
        directly_behind=row.directly_behind,
        mirror=row.mirror,
        replayed=bool(row.replayed),
    )


def _material(row: Any, numbers: Sequence[str]) -> Material:
    first = row.purchase_order_number
    return Material(
        id=row.id,
        endpoint=Endpoint(row.endpoint),
        event_name=row.event_name,
        received_at=datetime.fromisoformat(row.received_at),
        subject_id=row.subject_id,
        message_id=row.message_id,
        # The index of orders has them in its own order; the first one of the body stays the first.
        purchase_order_numbers=tuple(sorted(numbers, key=lambda number: number != first)),
        content_type=row.content_type,
        content_encoding=row.content_encoding,
        body=row.body,
        current=row.current,
        changes=stored_changes(row.changes),
        stale=tuple(_json(row.stale)),
        flags=tuple(_json(row.flags)),
        echo=tuple(_json(row.echo)),
    )


def _json(text: str | None) -> Any:
    return [] if text is None else jiter.from_json(text.encode(), float_mode="decimal")
