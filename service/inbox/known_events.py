"""Which events are known, and what the table of events says of a valid one.

Duplicates are decided inside the transaction that stores, so that ten copies of a message that arrive at once
become one event.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, select

from service.inbox.interface import NewEvent, Stored
from service.inbox.schema import event


class KnownEvents:
    """Earlier events, in the database and in this transaction, that the new ones might repeat."""

    def __init__(self, connection: Connection, events: Sequence[NewEvent]) -> None:
        self._by_message: dict[tuple[str, str], list[tuple[bytes, str]]] = defaultdict(list)
        self._by_content: dict[tuple[str, bytes], str] = {}
        columns = (event.c.id, event.c.endpoint, event.c.message_id, event.c.content_hash)
        message_ids = {new.facts.message_id for new in events if new.facts.message_id}
        hashes = {new.content_hash for new in events if not new.facts.message_id}
        for condition in (
            event.c.message_id.in_(message_ids) if message_ids else None,
            event.c.content_hash.in_(hashes) if hashes else None,
        ):
            if condition is not None:
                for row in connection.execute(select(*columns).where(condition).order_by(event.c.seq)):
                    self._add(row.endpoint, row.message_id, row.content_hash, row.id)

    def _add(self, endpoint: str, message_id: str | None, content_hash: bytes, event_id: str) -> None:
        if message_id:
            self._by_message[endpoint, message_id].append((content_hash, event_id))
        self._by_content.setdefault((endpoint, content_hash), event_id)

    def add(self, new: NewEvent) -> None:
        """It is going to be stored in this transaction."""
        self._add(new.delivery.endpoint, new.facts.message_id, new.content_hash, new.id)

    def judge(self, new: NewEvent) -> Stored:
        """Whether it is new, and which earlier event it may have to do with."""
        endpoint, message_id = new.delivery.endpoint, new.facts.message_id
        if message_id:
            same_message = self._by_message[endpoint, message_id]
            for content_hash, event_id in same_message:
                if content_hash == new.content_hash:
                    return Stored(event_id, duplicate=True)
            return Stored(new.id, other_content_as=same_message[0][1] if same_message else None)
        # Without a message id nobody can tell a repetition from a second event with the same content, so it is
        # stored. A version in it makes a repetition likely: say so. Somebody who asks for a resend wants it.
        likely_repetition = new.facts.version is not None and not new.facts.resent
        earlier = self._by_content.get((endpoint, new.content_hash)) if likely_repetition else None
        return Stored(new.id, repeat_of=earlier)


def columns_of(new: NewEvent, stored: Stored) -> dict[str, Any]:
    """What the table of events gains from a valid body."""
    facts = new.facts
    return {
        "content_hash": new.content_hash,
        "event_name": facts.event_name,
        "payload_kind": facts.payload_kind,
        "message_id": facts.message_id,
        "trace_id": facts.trace_id,
        "subject_id": facts.subject_id,
        "purchase_order_number": next(iter(facts.purchase_order_numbers), None),
        "version": facts.version,
        "last_updated_at": facts.last_updated_at,
        "other_content_as": stored.other_content_as,
        "repeat_of": stored.repeat_of,
        "drift_count": new.drift_count,
        "drift": list(new.drift) or None,
        "key": new.key,
    }
