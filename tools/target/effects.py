"""The events that the inbox of a target holds of one purchase order: what the suite's observer counts."""

from __future__ import annotations

from pathlib import Path

from tools.target.store import rows

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


def effects(inbox: Path | str, order: str, *, quarantined: bool = False) -> list[dict[str, object]]:
    """The events of the order that were stored, or instead those that were refused and kept; newest first.

    Raises:
        TargetError: the inbox cannot be read.
    """
    columns = ", ".join(COLUMNS.values())
    where = _QUARANTINED if quarantined else _STORED
    query = f"SELECT {columns} FROM event WHERE {where} ORDER BY seq DESC"  # noqa: S608 - parts of our own
    return [{name: row[column] for name, column in COLUMNS.items()} for row in rows(inbox, query, order)]
