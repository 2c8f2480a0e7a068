"""Shipment events."""

from __future__ import annotations

from generated.models.shipment import WebhookBody
from handlers.interface import EventFacts, JsonObject, JsonValue
from handlers.reading import digits, items, message_identity, obj, text, without

#: Orders of one shipment by which it can be found.
MAX_ORDERS = 1000


def receive_shipment_event(body: JsonObject) -> EventFacts:
    """What a valid body of the shipment webhook is about.

    `shipment.meta` is the state of the shipment (`lastUpdatedAt`), not the identity of a message: it stays in
    the content.
    """
    shipment = obj(body["shipment"])
    message_id, trace_id = message_identity(body, {})
    lines = items(shipment.get("lines"))
    for carrier in items(shipment.get("loadCarriers")):
        lines += items(carrier.get("lines"))
    # A shipment has at most 500 lines, so it cannot name more orders; what claims to is not looked up by order.
    numbers = [number for line in lines if (number := text(line.get("purchaseOrderNumber")))]
    return EventFacts(
        event_name=str(body["eventName"]),
        payload_kind="shipment",
        message_id=message_id,
        trace_id=trace_id,
        subject_id=text(shipment.get("id")),
        purchase_order_numbers=tuple(dict.fromkeys(numbers))[:MAX_ORDERS],
        version=digits(shipment.get("version")),
        last_updated_at=text(obj(shipment.get("meta")).get("lastUpdatedAt")),
        content=without(body, "meta"),
    )


def shipment_model(body: JsonValue) -> WebhookBody:
    """The body as a typed model with exact decimals, for the code that processes it."""
    return WebhookBody.model_validate(body)
