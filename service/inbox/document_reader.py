"""What the command line asks about documents."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, exists, or_, select

from handlers.interface import DOCUMENTS, DocumentState
from service.inbox.instant import instant
from service.inbox.place import Place
from service.inbox.reader import Row, open_for_reading
from service.inbox.schema import document, event, event_order, handover


@dataclass(frozen=True, slots=True)
class DocumentFilter:
    """Which documents to list; None means any."""

    event_ids: tuple[str, ...] | None = None
    purchase_order_number: str | None = None
    state: DocumentState | None = None
    since: datetime | None = None
    """Of events received at or after it."""
    limit: int | None = 50


class DocumentReader:
    """Reads which documents events named, and what became of them."""

    def __init__(self, place: Place) -> None:
        """Open the inbox.

        Raises:
            InboxUnavailableError: there is none yet, or it cannot be read.
        """
        self._engine = open_for_reading(place)

    def documents(self, wanted: DocumentFilter) -> list[Row]:
        """Those that fit, of the newest event first."""
        columns = [column for column in document.columns if column.name not in ("state", "copy_key")]
        query: Select[Any] = select(
            *columns, _STATE.label("state"), event.c.received_at, event.c.event_name, event.c.purchase_order_number
        )
        query = _filtered(query.join(event, event.c.id == document.c.event_id), wanted)
        query = query.order_by(event.c.seq.desc(), document.c.number).limit(wanted.limit)
        with self._engine.connect() as connection:
            return [dict(row._mapping) for row in connection.execute(query)]

    def events_to_fetch(self, wanted: DocumentFilter) -> list[str]:
        """Ids of events with documents that fit, have no file and say where one is; in order of acceptance."""
        named = or_(document.c.object_id.is_not(None), document.c.url.is_not(None))
        query: Select[Any] = (
            select(event.c.id, event.c.seq).join(document, event.c.id == document.c.event_id).distinct()
        )
        query = _filtered(query.where(named, document.c.state != DocumentState.STORED.value), wanted)
        with self._engine.connect() as connection:
            return [row.id for row in connection.execute(query.order_by(event.c.seq))]


#: As `work_queries.DOCUMENTS` tells it.
_AWAITED = exists().where(
    handover.c.event_id == document.c.event_id, handover.c.destination == DOCUMENTS, handover.c.open
)
_STATE: ColumnElement[str] = case(
    (and_(document.c.state == DocumentState.WAITING.value, ~_AWAITED), DocumentState.MISSING.value),
    else_=document.c.state,
)


def _filtered(query: Select[Any], wanted: DocumentFilter) -> Select[Any]:
    if wanted.event_ids is not None:
        query = query.where(event.c.id.in_(wanted.event_ids))
    if wanted.purchase_order_number is not None:
        ids = select(event_order.c.event_id).where(
            event_order.c.purchase_order_number == wanted.purchase_order_number
        )
        query = query.where(event.c.id.in_(ids))
    if wanted.state is not None:
        query = query.where(_STATE.in_([wanted.state.value]))
    if wanted.since is not None:
        query = query.where(event.c.received_at >= instant(wanted.since))
    return query
