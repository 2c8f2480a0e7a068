"""One webhook event, and the journal in which a story writes them down."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from random import Random

from sandbox.story.clock import Clock
from sandbox.wire.json_text import JsonObject

#: The supplier's event whose name does not say so.
_BY_SUPPLIER = ("OrderLinesItemDetailsChanged",)


class Webhook(StrEnum):
    """The three webhooks of a company, each with its own URL and credentials (behaviour.md section 1)."""

    ORDER = "order"
    DOCUMENTS = "documents"
    SHIPMENT = "shipment"


@dataclass(frozen=True, slots=True)
class Event:
    """What is sent, once or more often."""

    webhook: Webhook
    subject_id: str
    """Id of the order or shipment."""
    name: str
    body: JsonObject
    message_id: str
    at: datetime
    version: int | None
    """Of the order; shipments have none."""
    touched: tuple[str, ...] = ()
    """Keys of the lines that the event changed, by which the story knows them."""
    xml: bool = False
    """Whether it travels as tXML."""


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """An object in the platform's object storage, by the id under which events name it."""

    object_id: str
    filename: str
    content_type: str
    content: bytes = field(repr=False)


@dataclass(slots=True)
class Journal:
    """The events of one story, in the order in which things happen."""

    random: Random
    clock: Clock
    xml: bool = False
    """Whether the order webhook is set to tXML; shipments are always JSON (txml.md section 1)."""
    companies: tuple[str, str] = ("", "")
    """Of buyer and supplier."""
    events: list[Event] = field(default_factory=list)
    stored: list[StoredDocument] = field(default_factory=list)
    linked: list[StoredDocument] = field(default_factory=list)

    def uuid(self) -> str:
        """A new one, the same for the same seed."""
        return str(uuid.UUID(int=self.random.getrandbits(128), version=4))

    def write(
        self,
        webhook: Webhook,
        subject_id: str,
        name: str,
        payload: tuple[str, JsonObject],
        version: int | None = None,
        touched: tuple[str, ...] = (),
    ) -> None:
        """One event with its payload under the payload's name."""
        message_id = self.uuid()
        meta: JsonObject = {
            "messageId": message_id,
            "source": {
                "traceId": self.uuid(),
                "userId": self.uuid(),
                "companyId": self.companies["Supplier" in name or name in _BY_SUPPLIER],
            },
            "createdDateTime": self.clock.stamp,
        }
        kind, content = payload
        body: JsonObject = {"eventName": name, kind: content}
        # It may stand in either place; the body is where the manual shows it (order-webhook.md section 3).
        if webhook is Webhook.ORDER and self.random.randrange(5) == 0:
            body[kind] = content | {"meta": meta}
        else:
            body["meta"] = meta
        xml = self.xml and webhook is not Webhook.SHIPMENT
        self.events.append(
            Event(webhook, subject_id, name, body, message_id, self.clock.now, version, touched, xml)
        )
