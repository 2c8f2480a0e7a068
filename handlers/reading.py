"""Reading single facts off a body that the contract has accepted.

Members that are optional in the contract may be absent or null, so every function takes "nothing" for an answer.
"""

from __future__ import annotations

from decimal import Decimal

from handlers.interface import JsonObject, JsonValue

#: Digits of the longest integer that the parser makes.
MAX_DIGITS = 4300


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
