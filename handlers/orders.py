"""Order events and order documents events."""

from __future__ import annotations

import re

from generated.models.order import WebhookBody
from handlers.interface import EventFacts, JsonObject, JsonValue
from handlers.reading import digits, message_identity, obj, text, without

#: The payload members in the order in which they are looked for; `simpleOrderEvent` is a former name.
PAYLOADS = ("orderEvent", "singleDeliveryOrderEvent", "orderDocumentsEvent", "simpleOrderEvent")

#: An order id is the buyer's company UUID, a hyphen and the purchase order number.
_ORDER_ID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}-(.+)", re.DOTALL)


def receive_order_event(body: JsonObject) -> EventFacts:
    """What a valid body of the order webhook is about."""
    kind = next((name for name in PAYLOADS if isinstance(body.get(name), dict)), None)
    payload = obj(body.get(kind)) if kind else {}
    message_id, trace_id = message_identity(body, payload)
    order_id = text(payload.get("orderId"))
    number = text(obj(payload.get("buyerOrder")).get("purchaseOrderNumber")) or _number_in(order_id)
    content = without(body, "meta")
    for name in PAYLOADS:
        if isinstance(body.get(name), dict):
            content[name] = without(obj(body[name]), "meta")
    return EventFacts(
        event_name=str(body["eventName"]),
        payload_kind=kind,
        message_id=message_id,
        trace_id=trace_id,
        subject_id=order_id,
        purchase_order_numbers=(number,) if number else (),
        version=digits(payload.get("version")),
        last_updated_at=text(payload.get("lastUpdatedAt")),
        content=content,
    )


def order_model(body: JsonValue) -> WebhookBody:
    """The body as a typed model with exact decimals, for the code that processes it."""
    return WebhookBody.model_validate(body)


def _number_in(order_id: str | None) -> str | None:
    match = _ORDER_ID.fullmatch(order_id or "")
    return match.group(1) if match else None
