"""The events that the inbox of a target holds of one purchase order: what the suite's observer counts.

It asks the database itself. The service's own reader says the same, which a test holds, but its libraries take
longer to load than the suite should wait at each of many questions.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from tools.target.errors import TargetError

#: Names in the answer, which are those of `webhooks events list --json`, and in the database.
COLUMNS = {
    "id": "id",
    "receivedAt": "received_at",
    "state": "state",
    "endpoint": "endpoint",
    "credential": "credential",
    "contentType": "content_type",
    "eventName": "event_name",
    "payloadKind": "payload_kind",
    "messageId": "message_id",
    "subjectId": "subject_id",
    "purchaseOrderNumber": "purchase_order_number",
    "version": "version",
    "deliveries": "deliveries",
    "otherContentAs": "other_content_as",
    "repeatOf": "repeat_of",
}

_STORED = """
    state != 'quarantined'
    AND id IN (SELECT event_id FROM event_order WHERE purchase_order_number = ?)
"""
#: A refused body was not understood, so all that can be asked is whether the number stands in it.
_QUARANTINED = """
    state = 'quarantined'
    AND id IN (SELECT event_id FROM event_body WHERE instr(body, CAST(? AS BLOB)))
"""


def effects(inbox: Path, order: str, *, quarantined: bool = False) -> list[dict[str, object]]:
    """The events of the order that were stored, or instead those that were refused and kept; newest first.

    Raises:
        TargetError: the inbox cannot be read.
    """
    columns = ", ".join(COLUMNS.values())
    where = _QUARANTINED if quarantined else _STORED
    query = f"SELECT {columns} FROM event WHERE {where} ORDER BY seq DESC"  # noqa: S608 - parts of our own
    try:
        with closing(sqlite3.connect(f"{inbox.absolute().as_uri()}?mode=rw", uri=True)) as connection:
            connection.execute("PRAGMA query_only=ON")
            rows = connection.execute(query, (order,)).fetchall()
    except sqlite3.Error as error:
        raise TargetError(f"cannot read {inbox}: {error}") from error
    return [dict(zip(COLUMNS, row, strict=True)) for row in rows]
