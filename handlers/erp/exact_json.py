"""JSON with exact numbers, both ways: a price that went through a binary float is another price."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from handlers.interface import JsonValue


def read(text: bytes) -> Any:
    """The values; numbers with a point or an exponent are `Decimal`.

    Raises:
        ValueError: it is no JSON.
    """
    return json.loads(text, parse_float=Decimal, parse_constant=_refuse)


def write(value: JsonValue) -> bytes:
    """The text, with every digit of every number.

    Raises:
        TypeError: a value that JSON does not have, or a float.
    """
    return _written(value).encode()


def _written(value: JsonValue) -> str:
    match value:
        case None | bool() | str() | int():
            return json.dumps(value)
        case Decimal() if value.is_finite():
            return format(value, "f")
        case list():
            return f"[{','.join(map(_written, value))}]"
        case dict():
            return f"{{{','.join(f'{json.dumps(name)}:{_written(inner)}' for name, inner in value.items())}}}"
        case _:
            raise TypeError(f"JSON has no exact form of {type(value).__name__}")


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no number")
