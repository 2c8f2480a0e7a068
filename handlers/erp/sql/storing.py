"""One event into the tables, in one transaction that its caller opens and ends.

Rows are compared and then inserted or updated, not written by an upsert of the database's own (ON CONFLICT, MERGE):
that would overwrite what somebody else wrote a moment ago without judging which of the two is newer. Of two that
insert the same order for the first time, one fails and comes again; then it finds the row, locks it and judges.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Table, and_, bindparam, delete, insert, select, update

from handlers.erp.sql.cells import clean, cut
from handlers.erp.sql.judging import Writes, judged
from handlers.erp.sql.rows import MAX_ID, ORDER, SHIPMENT, Row, SubjectRows
from handlers.erp.sql.tables import DOCUMENT_FILE, EVENT, Tables
from handlers.interface import Endpoint, ErpEvent


def locked_header(connection: Connection, tables: Tables, subject: SubjectRows) -> Row | None:
    """The row of the order or shipment as it is there, locked so that nobody else changes any of its rows.

    To be read before anything else: some databases show the state of a transaction's first look until its end.
    """
    header = tables[SHIPMENT if subject.endpoint is Endpoint.SHIPMENT else ORDER]
    (key,) = header.primary_key.columns
    found = connection.execute(select(header).where(key == subject.id).with_for_update()).mappings().first()
    return None if found is None else dict(found)


def was_handed_over(connection: Connection, tables: Tables, event: ErpEvent) -> bool:
    """Whether an earlier attempt at this very handover came to its end."""
    table = tables[EVENT]
    question = select(table.c.event_id).where(table.c.idempotency_key == _handover(event))
    return connection.execute(question).first() is not None


def store(
    connection: Connection, tables: Tables, event: ErpEvent, subject: SubjectRows, header: Row | None
) -> Writes:
    """Bring the tables to this state of the order or shipment; what was done.

    `header` is what `locked_header` gave. Unchanged rows are not written.
    """
    stored = {name: _stored(connection, tables[name], subject) for name in subject.parts}
    writes = judged(subject, header, stored, event.id)
    # The parts before the whole, as foreign keys of the reader's own want it; and the whole before the parts.
    for name in reversed(writes.delete):
        _delete(connection, tables[name], writes.delete[name])
    for name, rows in writes.insert.items():
        if rows:
            connection.execute(insert(tables[name]), [{**row, "event_id": event.id} for row in rows])
    for name, rows in writes.update.items():
        _update(connection, tables[name], ({**row, "event_id": event.id} for row in rows))
    return writes


def note_documents(connection: Connection, tables: Tables, event: ErpEvent) -> None:
    """Enter the documents that the event names, and the file of each, instead of what an earlier handover of it
    said."""
    table = tables[DOCUMENT_FILE]
    if not event.documents:
        return
    connection.execute(delete(table).where(table.c.event_id == event.id))
    rows = [
        {
            "event_id": event.id,
            "number": number,
            "endpoint": event.endpoint.value,
            "subject_id": _subject_id(event),
            **{name: clean(getattr(document, name)) for name in _DOCUMENT_TEXTS},
            "state": document.state.value,
            "size": document.size,
        }
        for number, document in enumerate(event.documents, start=1)
    ]
    connection.execute(insert(table), rows)


_DOCUMENT_TEXTS = ("place", "line", "code", "revision", "name", "path", "sha256", "media_type", "reason")


def note_event(connection: Connection, tables: Tables, event: ErpEvent, outcome: str, data: str | None) -> None:
    """Enter the event itself; by its idempotency key a repetition is recognised."""
    connection.execute(
        insert(tables[EVENT]),
        {
            "idempotency_key": _handover(event),
            "event_id": event.id,
            "event_name": clean(event.event_name),
            "endpoint": event.endpoint.value,
            "received_at": event.received_at.astimezone(UTC),
            "handed_over_at": datetime.now(UTC),
            "subject_id": _subject_id(event),
            "purchase_order_numbers": clean(", ".join(event.purchase_order_numbers)) or None,
            "message_id": clean(event.message_id),
            "resent": event.resent,
            "outcome": outcome,
            "data": clean(data),
        },
    )


def _subject_id(event: ErpEvent) -> str | None:
    return None if event.subject_id is None else cut(clean(event.subject_id) or "", MAX_ID)


def _handover(event: ErpEvent) -> str:
    return cut(event.idempotency_key, MAX_ID)


def _stored(connection: Connection, table: Table, subject: SubjectRows) -> list[Row]:
    if "belongs_to" in table.c:
        mine = and_(table.c.belongs_to == subject.endpoint.value, table.c.subject_id == subject.id)
    else:
        mine = next(iter(table.primary_key.columns)) == subject.id
    return [dict(row) for row in connection.execute(select(table).where(mine)).mappings()]


def _delete(connection: Connection, table: Table, rows: Iterable[Row]) -> None:
    keys = [_key(table, row) for row in rows]
    if keys:
        connection.execute(delete(table).where(_is_row(table)), keys)


def _update(connection: Connection, table: Table, rows: Iterable[Row]) -> None:
    names = table.primary_key.columns.keys()
    changed = [_key(table, row) | {name: cell for name, cell in row.items() if name not in names} for row in rows]
    if changed:
        connection.execute(update(table).where(_is_row(table)), changed)


def _is_row(table: Table) -> Any:
    # Under names of their own: SQLAlchemy keeps those of the columns for what is set.
    return and_(*(column == bindparam(f"key_{column.name}") for column in table.primary_key.columns))


def _key(table: Table, row: Row) -> dict[str, Any]:
    return {f"key_{column.name}": row[column.name] for column in table.primary_key.columns}
