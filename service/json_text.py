"""Values to JSON text, with every digit of every number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import orjson

from handlers.interface import JsonValue


def exact_json(value: JsonValue | Mapping[str, Any] | Sequence[Any]) -> bytes:
    """The value as JSON in UTF-8, without white space; numbers as they were read."""
    try:
        return orjson.dumps(value, default=_number)
    except orjson.JSONEncodeError:
        # Its integers end at 64 bits; such a long one is written like a decimal then.
        return orjson.dumps(_with_long_integers(value), default=_number)


def _number(value: object) -> orjson.Fragment:
    if isinstance(value, Decimal):
        return orjson.Fragment(str(value))
    raise TypeError(type(value).__name__)


def _with_long_integers(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _with_long_integers(member) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [_with_long_integers(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 63:
        return Decimal(value)
    return value
