"""Reading single facts off a body that the contract has accepted.

Members that are optional in the contract may be absent or null, so every function takes "nothing" for an answer.
"""

from __future__ import annotations

import re
from decimal import Decimal

from handlers.interface import JsonObject, JsonValue

#: Digits of the longest integer that the parser makes.
MAX_DIGITS = 4300
#: Orders of one shipment by which it can be found.
MAX_ORDERS = 1000

#: An order id is the buyer's company UUID, a hyphen and the purchase order number.
_ORDER_ID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}-(.+)", re.DOTALL)


def obj(value: JsonValue) -> JsonObject:
    """The object, or an empty one."""
    return value if isinstance(value, dict) else {}


def items(value: JsonValue) -> list[JsonObject]:
    """The objects of an array, or none."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def text(value: JsonValue) -> str | None:
    """A text that says something; an empty one means "not given" on this platform."""
    return value if isinstance(value, str) and value else None


def digits(value: JsonValue) -> str | None:
    """An integer in plain digits, up to the longest that is parsed; None for everything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return str(value)
    # The bound first: 1e999999999 is an integer too, of a gigabyte.
    if isinstance(value, Decimal) and value.adjusted() <= MAX_DIGITS and value == value.to_integral_value():
        return f"{value.to_integral_value():f}"
    return None


def message_identity(body: JsonObject, payload: JsonObject) -> tuple[str | None, str | None]:
    """Message id and trace id. `meta` stands at the body, in the payload, or at both; the body's goes first."""
    message_id = trace_id = None
    for meta in (obj(body.get("meta")), obj(payload.get("meta"))):
        message_id = message_id or text(meta.get("messageId"))
        trace_id = trace_id or text(obj(meta.get("source")).get("traceId"))
    return message_id, trace_id


def without(value: JsonObject, name: str) -> JsonObject:
    """The object without one of its members."""
    return {key: member for key, member in value.items() if key != name}


def order_number(payload: JsonObject) -> str | None:
    """The purchase order number of an order: what its header says, else what its id ends in."""
    match = _ORDER_ID.fullmatch(text(payload.get("orderId")) or "")
    return text(obj(payload.get("buyerOrder")).get("purchaseOrderNumber")) or (match.group(1) if match else None)


def order_id(payload: JsonObject) -> str | None:
    """The platform's id of an order; where it is missing, put together from its parts (behaviour.md, section 6)."""
    buyer_order = obj(payload.get("buyerOrder"))
    company, number = text(buyer_order.get("companyId")), text(buyer_order.get("purchaseOrderNumber"))
    return text(payload.get("orderId")) or (f"{company}-{number}" if company and number else None)


def shipment_lines(shipment: JsonObject) -> list[JsonObject]:
    """The lines of a shipment: those that are in no load carrier first."""
    lines = items(shipment.get("lines"))
    for carrier in items(shipment.get("loadCarriers")):
        lines += items(carrier.get("lines"))
    return lines


def orders_of(shipment: JsonObject) -> tuple[str, ...]:
    """The numbers of the orders in a shipment.

    A shipment has at most 500 lines, so it cannot name more orders; what claims to is not looked up by order.
    """
    numbers = [number for line in shipment_lines(shipment) if (number := text(line.get("purchaseOrderNumber")))]
    return tuple(dict.fromkeys(numbers))[:MAX_ORDERS]
