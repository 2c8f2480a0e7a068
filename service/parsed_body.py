"""A parsed body, whichever format it came in, and the bounds of what is taken from one.

The same bounds hold for JSON and tXML, so that a body is not refused in one format and accepted in the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from typing import Any

from handlers.interface import JsonValue
from service.problems import MAX_FINDINGS, BodyRefusedError, Finding

#: Exponents beyond these would turn a few bytes into megabytes of digits further on. They are far beyond any
#: quantity or price; digits that are written out are not bounded by them.
MAX_EXPONENT = 308
MIN_EXPONENT = -10_000

#: Objects and lists in one another, so that no later step can run out of stack.
MAX_DEPTH = 200

#: Digits of an integer; the cost of longer ones grows faster than their length.
MAX_INTEGER_DIGITS = 4300

#: Longest part of a pointer to a number, of a member that the contract does not know.
MAX_NAME = 200

#: Values of a body in which mistakes and drift are looked for one by one; an order of 500 lines has about 60,000.
MAX_SEARCHED = 100_000


@dataclass(frozen=True, slots=True)
class Remark:
    """Something odd about the form of a body that its values do not show; counted as drift."""

    kind: str
    detail: str
    count: int = 1


@dataclass(frozen=True, slots=True)
class ParsedBody:
    """A body whose values are known."""

    document: JsonValue
    values: int
    """No more values than this are in it; an upper bound that costs next to nothing."""
    replaced: int = 0
    """How many NULs and lone surrogates were replaced by U+FFFD. No text of a database or of XML can hold them;
    the raw bytes of the event keep them."""
    ambiguous: bool = False
    """A body that says something else may have the same values."""
    remarks: tuple[Remark, ...] = ()

    def searchable(self) -> JsonValue:
        """The document, or a copy with its first `MAX_SEARCHED` values, for steps whose cost grows with what they
        find: a small body can hold half a million mistakes."""
        if self.values <= MAX_SEARCHED or not isinstance(self.document, dict):
            return self.document
        # What stands directly at the root goes first, so that nothing there seems to be missing.
        members = self.document.items()
        at_root = ((name, value) for name, value in members if not isinstance(value, dict | list))
        flat = dict(islice(at_root, MAX_SEARCHED))
        first: dict[str, JsonValue] = _first_values(self.document, [MAX_SEARCHED])
        return flat | first


def numbers_out_of_bounds(document: JsonValue) -> BodyRefusedError:
    """The refusal of a body in which a number was found to be out of bounds, with the first pointers."""
    reason = f"the exponent of this number is not between {MIN_EXPONENT} and {MAX_EXPONENT}"
    pointers = islice(_out_of_bounds(document, []), MAX_FINDINGS)
    findings = [Finding(pointer, reason) for pointer in pointers]
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


def _out_of_bounds(value: JsonValue, path: list[str | int]) -> Iterator[str]:
    if isinstance(value, Decimal) and not in_bounds(value):
        yield pointer_to(*path)
    elif isinstance(value, dict | list):
        for key, member in value.items() if isinstance(value, dict) else enumerate(value):
            if isinstance(member, Decimal | dict | list):
                path.append(key[:MAX_NAME] if isinstance(key, str) else key)
                yield from _out_of_bounds(member, path)
                path.pop()
