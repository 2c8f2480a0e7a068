"""How documents stand in the database."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from handlers.documents.found import NamedDocument
from handlers.interface import DocumentFile, DocumentState
from service.inbox.instant import instant
from service.inbox.work_values import NotedDocument, RecordedDocument


def named_row(event_id: str, named: NamedDocument) -> dict[str, Any]:
    """What the event says, for `work_queries.NAME_DOCUMENT`."""
    return {
        "event_id": event_id,
        "number": named.number,
        "place": named.place,
        "line": named.line,
        "code": named.code,
        "revision": named.revision,
        "name": named.name,
        "object_id": named.object_id,
        "url": named.url,
        "updated_at": named.updated_at,
        "copy_key": named.copy_key,
    }


def recorded(row: Any) -> RecordedDocument:
    """A row of `work_queries.DOCUMENTS`."""
    named = NamedDocument(
        number=row.number,
        place=row.place,
        line=row.line,
        code=row.code,
        revision=row.revision,
        name=row.name,
        object_id=row.object_id,
        url=row.url,
        updated_at=row.updated_at,
    )
    file = DocumentFile(
        place=row.place,
        line=row.line,
        code=row.code,
        revision=row.revision,
        name=row.name,
        state=DocumentState(row.state),
        path=row.path,
        sha256=row.sha256,
        size=row.size,
        media_type=row.media_type,
        reason=row.reason,
    )
    return RecordedDocument(named, file)


def noted_row(event_id: str, noted: NotedDocument, now: datetime) -> dict[str, Any]:
    """The values for `work_queries.NOTE_DOCUMENT`."""
    copy = noted.copy
    return {
        "event_id": event_id,
        "number": noted.number,
        "state": noted.state.value,
        "path": copy and copy.path,
        "sha256": copy and copy.sha256,
        "size": copy and copy.size,
        "media_type": copy and copy.media_type,
        "stored_at": copy and instant(now),
        "reason": noted.reason,
    }
