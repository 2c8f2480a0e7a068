"""Documents, and the places of an order in which they hang."""

from __future__ import annotations

from sandbox.story.event import StoredDocument
from sandbox.story.order import DocumentPlace, Order
from sandbox.story.shipment import Shipment
from sandbox.wire.json_text import JsonObject

_TYPES = ("General", "Drawing", "Certificate", "Packing List")


def attach_to_order(order: Order, party: str, count: int) -> None:
    """Some documents of the `Buyer` or `Supplier`, in every place of order and lines where they may stand."""
    half = party.lower()
    named = [line for line in order.lines if line.position]
    documents: list[tuple[DocumentPlace, JsonObject]] = []
    for number in range(count):
        flat = order.random.randrange(3) == 0
        line = order.random.choice(named)
        on_line = number % 2 == 1
        place: DocumentPlace = (
            ("" if flat else f"{half}Line", line.key) if on_line else ("" if flat else f"{half}Order", None)
        )
        code = f"{party[0]}-{order.random.randrange(3)}"
        if all((at, other["code"]) != (place, code) for at, other in documents):
            documents.append((place, _document(order, code)))
    order.attach(f"OrderDocumentsAttachedBy{party}", documents)


def attach_to_shipment(shipment: Shipment, party: str) -> None:
    """One document of that party; the other lines and documents are sent along, unchanged."""
    half = f"{party.lower()}Shipment"
    document = _document(shipment.order, f"SD-{shipment.order.random.randrange(3)}")
    code = str(document["code"])
    shipment.documents.setdefault(half, {})[code] = document
    shipment.tell(f"ShipmentDocumentAttachedBy{party}", documents=[(half, code)])


def _document(order: Order, code: str) -> JsonObject:
    """By object id, by URL, or data about a paper without a file (behaviour.md section 8)."""
    revision = f"R{len(order.journal.events)}"
    document: JsonObject = {
        "code": code,
        "revision": revision,
        "name": f"Zeugnis № {code} «{revision}».pdf",
        "description": "Werkszeugnis 3.1 / 材质证明",
        "type": order.random.choice(_TYPES),
    }
    kind = order.random.randrange(6)
    if kind == 0:
        return document
    if kind == 1:
        order.journal.linked.append(_file(code, document))
        return document | {"url": f"{order.traits.files}/{code}?revision={revision}&a=b"}
    object_id = order.journal.uuid()
    order.journal.stored.append(_file(object_id, document))
    return document | {"objectId": object_id}


def _file(id: str, document: JsonObject) -> StoredDocument:
    """Looks like a PDF to whoever looks at its beginning, and differs from every other."""
    content = f"%PDF-1.4\n% {id} {document['revision']}\n%%EOF\n".encode()
    return StoredDocument(id, str(document["name"]), "application/pdf", content)
