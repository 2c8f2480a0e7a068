"""How parsed bodies stand in the database: compressed JSON with every digit of every number."""

from __future__ import annotations

import zlib

import jiter

from handlers.interface import JsonObject
from service.json_text import exact_json

#: The quickest: an order of 10 lines shrinks to a quarter in 40 microseconds.
_LEVEL = 1


def pack(value: JsonObject) -> bytes:
    """The value as it is stored."""
    return zlib.compress(exact_json(value), _LEVEL)


def packed_json(data: bytes) -> bytes:
    """The same as JSON in UTF-8."""
    return zlib.decompress(data)


def unpack(data: bytes) -> JsonObject:
    """The value that was stored."""
    value: JsonObject = jiter.from_json(packed_json(data), float_mode="decimal", cache_mode="keys")
    return value
