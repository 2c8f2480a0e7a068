"""Shipment events."""

from __future__ import annotations

from generated.models.shipment import WebhookBody
from handlers.interface import EventFacts, JsonObject, JsonValue, Merged, Role
from handlers.mirror.shipments import merge_shipment
from handlers.reading import MAX_ORDERS as MAX_ORDERS
from handlers.reading import digits, message_identity, obj, orders_of, text, without


def receive_shipment_event(body: JsonObject) -> EventFacts:
    """What a valid body of the shipment webhook is about.

    `shipment.meta` is the state of the shipment (`lastUpdatedAt`), not the identity of a message: it stays in
    the content.
    """
    shipment = obj(body["shipment"])
    message_id, trace_id = message_identity(body, {})
    return EventFacts(
        event_name=str(body["eventName"]),
        payload_kind="shipment",
        message_id=message_id,
        trace_id=trace_id,
        subject_id=text(shipment.get("id")),
        purchase_order_numbers=orders_of(shipment),
        version=digits(shipment.get("version")),
        last_updated_at=text(obj(shipment.get("meta")).get("lastUpdatedAt")),
        content=without(body, "meta"),
    )


def shipment_model(body: JsonValue) -> WebhookBody:
    """The body as a typed model with exact decimals, for the code that processes it."""
    return WebhookBody.model_validate(body)


def merge_shipment_event(state: JsonObject | None, body: JsonObject, *, role: Role) -> Merged:
    """What a valid body does to the shipment that it is about.

    `state` is that of the event merged before for the same shipment, None at first. Neither is modified; the result
    shares parts with both. Nothing is raised for what the contract accepts. No shipment event is an echo, so `role`
    decides nothing here: it stands for the same call as with orders.
    """
    del role
    return merge_shipment(state, body)
