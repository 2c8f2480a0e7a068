"""What the tests of documents against the sandbox share: events that name some, and what became of these."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from sandbox.platform.logins import PASSWORD, USERNAME
from sandbox.platform.platform import Platform
from service.inbox.document_reader import DocumentFilter, DocumentReader
from service.inbox.reader import Row
from tests.acceptance.running import ORDER, SHIPMENT, RunningService, example

CONTENT = bytes(range(256)) * 500

Document: TypeAlias = dict[str, Any]

#: Where documents may stand in an order event: at the order or at its first line, and in which of their halves.
ORDER_PLACES = [(at, half) for at in ("order", "line") for half in ("", "buyer", "supplier")]


def settings(platform: Platform, **more: str) -> str:
    """[documents] of a service that fetches from the sandbox; values of `more` as TOML."""
    members = {
        "url": f'"{platform.base}"',
        "username": f'"{USERNAME}"',
        "password": f'"{PASSWORD}"',
        "allow_http": "true",
        "allow_private": "true",
        "retry_first": "0.2",
        "retry_max": "0.5",
    }
    return "\n[documents]\n" + "".join(f"{name} = {value}\n" for name, value in (members | more).items())


def by_object(
    platform: Platform, content: bytes = CONTENT, filename: str = "x.pdf", media_type: str = "application/pdf"
) -> Document:
    """A document that the platform has, under an objectId of its own."""
    object_id = str(uuid.uuid4())
    platform.store.put_document(object_id, filename, media_type, content)
    return {"code": object_id[:8], "objectId": object_id}


def by_url(
    platform: Platform,
    content: bytes = CONTENT,
    path: str = "",
    media_type: str = "application/pdf",
    **members: Any,
) -> Document:
    """A document on the content server of a sender, under an address that ends in `path`."""
    document = by_object(platform, content, media_type=media_type)
    return members | {"code": document["code"], "url": f"{platform.content_url}/{document['objectId']}{path}"}


def order_event(documents: Mapping[tuple[str, str], Sequence[Document]]) -> bytes:
    """An event of an order of its own, with documents by their place (see ORDER_PLACES) and no others."""
    number = f"PO-{uuid.uuid4()}"
    event: Any = _without_documents(json.loads(example("order-issued").replace(b"NH-2026-00417", number.encode())))
    event["meta"]["messageId"] = str(uuid.uuid4())
    order = event["orderEvent"]
    for (at, half), listed in documents.items():
        holder = order if at == "order" else order["lines"][0]
        if half:
            holder = holder.setdefault(f"{half}{at.title()}", {})
        holder["documents"] = list(listed)
    return json.dumps(event).encode()


def shipment_event(buyer: Sequence[Document], supplier: Sequence[Document]) -> bytes:
    """An event of a shipment of its own, with these documents at its halves."""
    event: Any = _without_documents(json.loads(example("shipment-issued")))
    event["meta"]["messageId"] = event["shipment"]["id"] = str(uuid.uuid4())
    event["shipment"]["buyerShipment"]["documents"] = list(buyer)
    event["shipment"]["supplierShipment"]["documents"] = list(supplier)
    return json.dumps(event).encode()


def send(service: RunningService, *documents: Document) -> str:
    """The id of an order event that was accepted and names these."""
    return accepted(service, ORDER, order_event({("order", "supplier"): documents}))


def accepted(service: RunningService, path: str, body: bytes) -> str:
    """The id of the event."""
    answer = service.post(path, body)
    assert answer.status_code == 202, answer.text
    event_id: str = answer.json()["eventId"]
    return event_id


def send_shipment(service: RunningService, buyer: Sequence[Document], supplier: Sequence[Document]) -> str:
    """The id of a shipment event that was accepted and names these."""
    return accepted(service, SHIPMENT, shipment_event(buyer, supplier))


def documents_of(service: RunningService, event_id: str) -> list[Row]:
    """What `webhooks documents list --event ID --json` shows, without starting a process for it; in their order."""
    return DocumentReader(service.place).documents(DocumentFilter(event_ids=(event_id,)))


def outcomes(service: RunningService, event_id: str) -> list[str]:
    """How each attempt to fetch its documents ended."""
    (handover,) = (one for one in service.event(event_id)["handovers"] if one["destination"] == "documents")
    return [attempt["outcome"] for attempt in handover["attempts"]]


def when_done(service: RunningService, event_id: str) -> list[Row]:
    """Its documents, as soon as the event is done."""
    service.wait_for_state(event_id, "done", seconds=60.0)
    return documents_of(service, event_id)


def wait_for_reason(service: RunningService, event_id: str, text: str, seconds: float = 30.0) -> Row:
    """The first document of the event, as soon as it waits with a reason that says so."""
    deadline = time.monotonic() + seconds
    while not (found := documents_of(service, event_id)) or text not in (found[0]["reason"] or ""):
        assert time.monotonic() < deadline, found
        time.sleep(0.05)
    assert found[0]["state"] == "waiting"
    return found[0]


def folder_of(service: RunningService) -> Path:
    """Where the files are."""
    return service.folder / "data" / "documents"


def kept(service: RunningService) -> set[Path]:
    """All files that anybody sees: those that are still written are hidden."""
    return {path for path in folder_of(service).glob("[!.]*/**/*") if path.is_file()}


def half_written(service: RunningService) -> list[Path]:
    """Files that are being written, or were left behind."""
    return list(folder_of(service).glob(".incoming/*"))


def _without_documents(part: Any) -> Any:
    if isinstance(part, dict):
        return {name: _without_documents(value) for name, value in part.items() if name != "documents"}
    return [_without_documents(each) for each in part] if isinstance(part, list) else part
