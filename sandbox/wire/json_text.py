"""JSON whose numbers keep every digit: a decimal never passes through a binary float."""

from __future__ import annotations

import json
from decimal import Decimal
from json.encoder import encode_basestring
from typing import TypeAlias, cast

JsonValue: TypeAlias = "bool | int | Decimal | str | list[JsonValue] | dict[str, JsonValue] | None"
JsonObject: TypeAlias = dict[str, JsonValue]


def write(value: JsonValue) -> str:
    """One line of JSON; the zeros at the end of a decimal stay, and no number has an exponent."""
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, dict):
        return "{" + ",".join(f"{encode_basestring(name)}:{write(part)}" for name, part in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(write, value)) + "]"
    if isinstance(value, str):
        return encode_basestring(value)
    return json.dumps(value)


def read(text: str | bytes) -> JsonValue:
    """The value, numbers with a point as decimals.

    Raises:
        json.JSONDecodeError: it is no JSON.
    """
    return cast(JsonValue, json.loads(text, parse_float=Decimal))
