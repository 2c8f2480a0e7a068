"""What the platform holds: stored documents, and the orders and shipments that can be polled. In memory."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from sandbox.wire.json_text import JsonObject

#: At most so many at once (behaviour.md, section 10).
MAX_LIMIT = 100


class StoreError(ValueError):
    """This cannot be stored or asked for; the text says why."""


@dataclass(frozen=True, slots=True)
class Document:
    """A stored object."""

    object_id: str
    filename: str
    content_type: str
    content: bytes = field(repr=False)

    @property
    def etag(self) -> str:
        """As an object store gives it."""
        return f'"{hashlib.md5(self.content, usedforsecurity=False).hexdigest()}"'


class Kind(StrEnum):
    """What can be polled, by the path of its endpoint."""

    ORDER = "order-search/poll"
    SINGLE_DELIVERY_ORDER = "order-search/poll/single-delivery"
    SHIPMENT = "shipment/poll"


@dataclass(frozen=True, slots=True)
class Page:
    """What a poll finds."""

    data: list[JsonObject]
    total: int
    last_updated_at: str | None
    """Of the newest that was found, also beyond this page; without any, what was asked for."""


class Store:
    """Everything the platform holds; filled by stories, tests or the control port; used by several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._documents: dict[str, Document] = {}
        self._infected: set[str] = set()
        self._polled: dict[Kind, dict[str, JsonObject]] = {kind: {} for kind in Kind}

    def put_document(self, object_id: str, filename: str, content_type: str, content: bytes) -> None:
        """Store an object, or replace it."""
        with self._lock:
            self._documents[object_id] = Document(object_id, filename, content_type, content)
            self._infected.discard(object_id)

    def document(self, object_id: str) -> Document | None:
        """The object of this id; None if there is none, or it was found infected and is gone."""
        with self._lock:
            return None if object_id in self._infected else self._documents.get(object_id)

    def infect(self, object_id: str) -> None:
        """Let the virus scan find something: the object is gone until it is stored anew.

        Raises:
            StoreError: there is none.
        """
        with self._lock:
            if object_id not in self._documents:
                raise StoreError(f"there is no document {object_id}")
            self._infected.add(object_id)

    def put_order(self, order: JsonObject, *, single_delivery: bool = False) -> None:
        """Keep an order in its newest state, by its `orderId` (or `id`).

        Decimals keep their digits. `lastUpdatedAt` says when it was changed.

        Raises:
            StoreError: it has no id, or no `lastUpdatedAt` that is a date-time.
        """
        self._put(Kind.SINGLE_DELIVERY_ORDER if single_delivery else Kind.ORDER, order)

    def put_shipment(self, shipment: JsonObject) -> None:
        """Keep a shipment in its newest state, by its `id`; `meta.lastUpdatedAt` says when it was changed.

        Raises:
            StoreError: as for an order.
        """
        self._put(Kind.SHIPMENT, shipment)

    def counts(self) -> dict[str, int]:
        """How much there is of each."""
        with self._lock:
            polled = {kind.name.lower(): len(found) for kind, found in self._polled.items()}
            return {"documents": len(self._documents), "infected": len(self._infected)} | polled

    def poll(self, kind: Kind, after: str | None, offset: int, limit: int) -> Page:
        """What was changed after an instant, the oldest change first.

        Raises:
            StoreError: `after` is no date-time.
        """
        since = None if after is None else _instant(after)
        with self._lock:
            held = [(_instant(_changed(each)), each) for each in self._polled[kind].values()]
        found = sorted((each for each in held if since is None or each[0] > since), key=lambda each: each[0])
        newest = _changed(found[-1][1]) if found else after
        return Page([each for _, each in found[offset : offset + limit]], len(found), newest)

    def _put(self, kind: Kind, content: JsonObject) -> None:
        id = content.get("orderId", content.get("id")) if kind is not Kind.SHIPMENT else content.get("id")
        if not isinstance(id, str) or not id:
            raise StoreError("it has no id" if kind is Kind.SHIPMENT else "it has no orderId")
        _instant(_changed(content))
        # Polled orders have the id under another name than those of events (order-webhook.md, section 4).
        kept: JsonObject = {"id": id, **{name: value for name, value in content.items() if name != "orderId"}}
        with self._lock:
            self._polled[kind][id] = kept


def _changed(content: JsonObject) -> str:
    """When it was changed: an order says so itself, and a shipment in its meta."""
    meta = content.get("meta")
    inner = meta.get("lastUpdatedAt") if isinstance(meta, dict) else None
    found = content.get("lastUpdatedAt", inner)
    if not isinstance(found, str):
        raise StoreError("it has no lastUpdatedAt")
    return found


def _instant(text: str) -> datetime:
    """Milliseconds and zone may be missing (behaviour.md, section 7); without a zone it is UTC (inferred)."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise StoreError(f"{text} is no date-time") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
