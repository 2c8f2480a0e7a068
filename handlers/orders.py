"""Order events and order documents events."""

from __future__ import annotations

from generated.models.order import WebhookBody
from handlers.interface import EventFacts, JsonObject, JsonValue, Merged, Role
from handlers.mirror.orders import merge_order
from handlers.reading import digits, message_identity, obj, order_id, order_number, text, without

#: The payload members in the order in which they are looked for; `simpleOrderEvent` is a former name.
PAYLOADS = ("orderEvent", "singleDeliveryOrderEvent", "orderDocumentsEvent", "simpleOrderEvent")


def receive_order_event(body: JsonObject) -> EventFacts:
    """What a valid body of the order webhook is about."""
    kind = next((name for name in PAYLOADS if isinstance(body.get(name), dict)), None)
    payload = obj(body.get(kind)) if kind else {}
    message_id, trace_id = message_identity(body, payload)
    number = order_number(payload)
    content = without(body, "meta")
    for name in PAYLOADS:
        if isinstance(body.get(name), dict):
            content[name] = without(obj(body[name]), "meta")
    return EventFacts(
        event_name=str(body["eventName"]),
        payload_kind=kind,
        message_id=message_id,
        trace_id=trace_id,
        subject_id=order_id(payload),
        purchase_order_numbers=(number,) if number else (),
        version=digits(payload.get("version")),
        last_updated_at=text(payload.get("lastUpdatedAt")),
        content=content,
    )


def order_model(body: JsonValue) -> WebhookBody:
    """The body as a typed model with exact decimals, for the code that processes it."""
    return WebhookBody.model_validate(body)


def merge_order_event(state: JsonObject | None, body: JsonObject, *, role: Role) -> Merged:
    """What a valid body does to the order that it is about.

    `state` is that of the event merged before for the same order, None at first. Neither is modified; the result
    shares parts with both. Nothing is raised for what the contract accepts. The rules stand in `handlers/mirror`.
    """
    return merge_order(state, body, [name for name in PAYLOADS if isinstance(body.get(name), dict)], role)
