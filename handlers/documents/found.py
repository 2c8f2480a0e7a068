"""Which documents an event names, and where.

A document of an order may stand in six places: at the order, at its buyer's and supplier's half, and at each line
in the same way (order-webhook.md, section 6); of a shipment at either half, and, since nothing forbids it, at the
shipment itself. An event never holds a document's content (behaviour.md, section 8).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from handlers.interface import JsonObject
from handlers.mirror.documents import HEADER_PLACES, LINE_PLACES
from handlers.orders import PAYLOADS
from handlers.reading import items, obj, text

SHIPMENT_PLACES = ("", "supplierShipment", "buyerShipment")


@dataclass(frozen=True, slots=True)
class NamedDocument:
    """One document as an event names it; all of it is foreign input."""

    number: int
    """1 for the first of its event."""
    place: str
    """The member that holds the list: "supplierOrder", "buyerLine" …; "" for the order, shipment or line itself."""
    line: str | None
    """Position of the line; None for the header, "" for a line without a position."""
    code: str | None
    revision: str | None
    name: str | None
    object_id: str | None
    """Key in the platform's object storage."""
    url: str | None
    """Address on the sender's own content server."""
    updated_at: str | None
    """`meta.lastUpdatedAt`, as it was sent; documented for shipments."""

    @property
    def has_file(self) -> bool:
        """Whether there is anything to fetch; else the event only tells that the document exists."""
        return self.object_id is not None or self.url is not None

    @property
    def copy_key(self) -> str | None:
        """Equal for documents of which one copy is enough; None where there is no file.

        The platform says nothing that tells a revision of an object for certain, so all that may tell one counts:
        the objectId (else the url), `revision` and `meta.lastUpdatedAt`. A document comes again with nearly every
        event of its order, and is fetched once. Content that changes behind one url without a word in the event is
        not seen.
        """
        if not self.has_file:
            return None
        source = ("object", self.object_id) if self.object_id is not None else ("url", self.url)
        written = "\0".join(part or "" for part in (*source, self.revision, self.updated_at))
        return hashlib.sha256(written.encode("utf-8", "replace")).hexdigest()[:32]


def documents_of(body: JsonObject) -> tuple[NamedDocument, ...]:
    """The documents that a valid body names, in its order; each occurrence is one."""
    return tuple(
        NamedDocument(
            number=number,
            place=place,
            line=line,
            code=text(document.get("code")),
            revision=text(document.get("revision")),
            name=text(document.get("name")),
            object_id=text(document.get("objectId")),
            url=text(document.get("url")),
            updated_at=text(obj(document.get("meta")).get("lastUpdatedAt")),
        )
        for number, (place, line, document) in enumerate(_all(body), start=1)
    )


def _all(body: JsonObject) -> Iterator[tuple[str, str | None, JsonObject]]:
    for payload in PAYLOADS:
        order = obj(body.get(payload))
        yield from _in(order, HEADER_PLACES, None)
        for line in items(order.get("lines")):
            yield from _in(line, LINE_PLACES, text(obj(line.get("buyerLine")).get("position")) or _flat(line))
    yield from _in(obj(body.get("shipment")), SHIPMENT_PLACES, None)


def _in(
    holder: JsonObject, places: tuple[str, ...], line: str | None
) -> Iterator[tuple[str, str | None, JsonObject]]:
    for place in places:
        for document in items(obj(holder.get(place) if place else holder).get("documents")):
            yield place, line, document


def _flat(line: JsonObject) -> str:
    # In the form of the attach request a line says its position itself.
    return text(line.get("position")) or ""
