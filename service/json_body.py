"""Bytes to a parsed body: once, with exact decimals, refusing what is not JSON or cannot be handled safely.

The parser is jiter: of those that keep every digit it is the fastest that also finds a member that stands twice
in one object, and it bounds the depth (200 levels, so that no later step can run out of stack) and the length of
an integer (4300 digits).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import jiter

from handlers.interface import JsonValue
from service.problems import BodyRefusedError, Finding

#: Exponents beyond these would turn a few bytes into megabytes of digits further on. They are far beyond any
#: quantity or price; digits that are written out are not bounded by them.
MAX_EXPONENT = 308
MIN_EXPONENT = -10_000

#: Values of a body in which mistakes and drift are looked for one by one; an order of 500 lines has about 60,000.
MAX_SEARCHED = 100_000

_BOM = b"\xef\xbb\xbf"
_SUSPECT = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
#: In this order: a proper surrogate pair, what cannot be stored, any other escape (so that the backslash of an
#: escaped backslash is never taken for the beginning of one).
_ESCAPE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(?P<unstorable>\\u0000|\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
    rb"|\\.",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class ParsedBody:
    """A body that is JSON."""

    document: JsonValue
    replaced: int
    """How many NULs and lone surrogates were replaced by U+FFFD. No text of a database or of XML can hold them;
    the raw bytes of the event keep them."""
    values: int
    """No more values than this are in it; an upper bound that costs next to nothing."""

    def searchable(self) -> JsonValue:
        """The document, or a copy with its first `MAX_SEARCHED` values, for steps whose cost grows with what they
        find: a small body can hold half a million mistakes."""
        if self.values <= MAX_SEARCHED or not isinstance(self.document, dict):
            return self.document
        # What stands directly at the root goes first, so that nothing there seems to be missing.
        flat = {key: value for key, value in self.document.items() if not isinstance(value, dict | list)}
        first: dict[str, JsonValue] = _first_values(self.document, [MAX_SEARCHED])
        return flat | first


def parse(body: bytes) -> ParsedBody:
    """The body as exact values.

    Raises:
        BodyRefusedError: not UTF-8, not JSON (RFC 8259; NaN and Infinity are not), the same member twice in one
            object, too deep, or a number beyond the bounds.
    """
    text = body.removeprefix(_BOM)
    replaced = 0
    if _SUSPECT.search(text):
        text, replaced = _without_unstorable(text)
    try:
        document = jiter.from_json(
            text,
            allow_inf_nan=False,
            # Members that differ only in what was replaced are not the sender's mistake.
            catch_duplicate_keys=not replaced,
            float_mode="decimal",
            cache_mode="keys",
        )
    except ValueError as error:
        raise BodyRefusedError("The body is not acceptable JSON.", [Finding("", _reason(error))]) from None
    # Every value but the first of its list or object has a comma before it.
    return ParsedBody(document, replaced, values=text.count(b",") + text.count(b"[") + text.count(b"{"))


def numbers_out_of_bounds(document: JsonValue) -> BodyRefusedError:
    """The refusal of a body in which a number was found to be out of bounds, with the pointer of each."""
    reason = f"the exponent of this number is not between {MIN_EXPONENT} and {MAX_EXPONENT}"
    findings = [Finding(pointer, reason) for pointer, number in _decimals(document, "") if not in_bounds(number)]
    return BodyRefusedError("A number is beyond what can be handled.", findings)


def in_bounds(number: Decimal) -> bool:
    """Whether the exponent is one that can be handled."""
    exponent = number.as_tuple().exponent
    return isinstance(exponent, int) and MIN_EXPONENT <= exponent <= MAX_EXPONENT


def pointer_to(*parts: str | int) -> str:
    """JSON pointer (RFC 6901) from its parts."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def _first_values(value: JsonValue, left: list[int]) -> Any:
    if not isinstance(value, dict | list):
        return value
    kept: Any = {} if isinstance(value, dict) else []
    for key, member in value.items() if isinstance(value, dict) else enumerate(value):
        if left[0] <= 0:
            break
        left[0] -= 1
        if isinstance(kept, dict):
            kept[key] = _first_values(member, left)
        else:
            kept.append(_first_values(member, left))
    return kept


def _decimals(value: JsonValue, pointer: str) -> list[tuple[str, Decimal]]:
    if isinstance(value, Decimal):
        return [(pointer, value)]
    if isinstance(value, dict):
        return [found for key, member in value.items() for found in _decimals(member, pointer + pointer_to(key))]
    if isinstance(value, list):
        return [found for i, item in enumerate(value) for found in _decimals(item, f"{pointer}/{i}")]
    return []


def _without_unstorable(text: bytes) -> tuple[bytes, int]:
    replaced = 0

    def replace(match: re.Match[bytes]) -> bytes:
        nonlocal replaced
        if match["unstorable"] is None:
            return match[0]
        replaced += 1
        return b"\\ufffd"

    return _ESCAPE.sub(replace, text), replaced


def _reason(error: ValueError) -> str:
    text = str(error)
    if "InvalidOperation" in text:
        place = text.rpartition(" at ")[2]
        return f"the exponent of a number is not between {MIN_EXPONENT} and {MAX_EXPONENT} at {place}"
    return text.replace("recursion limit exceeded", "nested deeper than 200 levels").replace(
        "number out of range", "an integer of more than 4300 digits"
    )
