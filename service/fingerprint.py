"""The hash by which two bodies with the same content are recognised.

Equal are bodies that say the same: white space, order of members and the way a number is written do not matter
(10, 10.0 and 1e1 are one number), every digit does.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache

import orjson

from handlers.interface import JsonValue
from service.parsed_body import in_bounds

#: Marks a number with decimals in the canonical text. No member of a body can have this name: NUL was replaced.
_NUMBER = "\0"


class NumberOutOfBoundsError(ValueError):
    """A number's exponent is beyond what can be handled. Found here because every number passes here anyway."""


def content_hash(content: Mapping[str, JsonValue]) -> bytes:
    """SHA-256 of the canonical form of `content`.

    Raises:
        NumberOutOfBoundsError: at the first number whose exponent is out of bounds.
    """
    try:
        canonical = orjson.dumps(content, default=_canonical_number, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:
        # orjson, five times as fast, knows no integer over 64 bits. Equal contents hold equal integers, so they
        # come to the same writer. (Its errors also hide ours, which then come out here.)
        text = json.dumps(content, default=_canonical_number, sort_keys=True, separators=(",", ":"))
        canonical = text.encode()
    return hashlib.sha256(canonical).digest()


def _canonical_number(value: object) -> int | dict[str, str]:
    assert isinstance(value, Decimal)  # noqa: S101 - the parser makes nothing else
    # The same few prices and quantities stand in an order many times over; this halves the time of the hash.
    return _remembered(value) if value.__sizeof__() <= _SHORT else _canonical(value)


#: Bytes of an object up to which a number is remembered, so that long numbers cannot fill the memory.
_SHORT = 200


@lru_cache(maxsize=4096)
def _remembered(value: Decimal) -> int | dict[str, str]:
    return _canonical(value)


def _canonical(value: Decimal) -> int | dict[str, str]:
    if not in_bounds(value):
        raise NumberOutOfBoundsError(str(value))
    sign, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)  # noqa: S101 - the parser refuses NaN and Infinity
    text = "".join(map(str, digits)).lstrip("0")
    significant = text.rstrip("0")
    exponent += len(text) - len(significant)
    if not significant:
        return 0
    if exponent >= 0 and len(significant) + exponent <= 4300:  # the longest integer that the parser makes
        return int(f"{'-' if sign else ''}{significant}{'0' * exponent}")
    return {_NUMBER: f"{'-' if sign else ''}{significant}e{exponent}"}
