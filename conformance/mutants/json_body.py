"""JSON as RFC 8259 has it and nothing beside: UTF-8, no comments, no NaN, no name twice, numbers exact."""

from __future__ import annotations

import json
import re
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

from conformance.mutants.answers import MALFORMED, Answer, CutError, RefusedError, problem, refused
from conformance.mutants.faults import Faults

MAX_DEPTH = 200
_LONGEST_PLAIN_INT = 18
_BRACKET_OR_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)
_COMMENT = re.compile(r'("(?:[^"\\]|\\.)*")|//[^\n]*|/\*.*?\*/', re.DOTALL)
_TRAILING_COMMA = re.compile(r'("(?:[^"\\]|\\.)*")|,(?=\s*[\]}])', re.DOTALL)


class _TwiceError(ValueError):
    """A name stands twice in one object."""


def read(data: bytes, faults: Faults) -> dict[str, Any]:
    """The body's members; numbers with a point or an exponent, and long ones, are Decimals.

    Raises:
        RefusedError: it is not an object of JSON.
    """
    text = _text(data, faults)
    if faults.on("MU-68"):
        text = _TRAILING_COMMA.sub(r"\1", _COMMENT.sub(r"\1", text))
    if not text.strip(" \t\r\n"):
        raise refused(400, "The body is empty.", reason=MALFORMED)
    value = _value(text, faults)
    if faults.on("MU-221") and isinstance(value, list):
        value = value[0] if value and isinstance(value[0], dict) else {"eventName": "None"}
    if not isinstance(value, dict):
        if faults.on("MU-222"):
            raise refused(503, "The body could not be mapped.")
        raise refused(400, "The body has to be an object.", reason=MALFORMED)
    return value


def _text(data: bytes, faults: Faults) -> str:
    if faults.on("MU-229"):
        return data.decode("utf-8", "replace")
    if faults.on("MU-230"):
        for encoding in ("utf-8-sig", "utf-16"):
            try:
                return data.decode(encoding)
            except UnicodeDecodeError:
                continue
        return data.decode("latin-1")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _malformed("The body is not UTF-8.", faults) from error


def _value(text: str, faults: Faults) -> Any:
    if _is_too_deep(text):
        if faults.on("MU-69"):
            raise CutError
        raise refused(400, f"The body is nested deeper than {MAX_DEPTH}.", reason=MALFORMED)
    try:
        return json.loads(
            text,
            parse_int=_int_reader(faults),
            parse_float=_decimal_reader(faults),
            parse_constant=_constant_reader(faults),
            object_pairs_hook=_members,
        )
    except _TwiceError as error:
        if faults.on("MU-228"):
            raise refused(503, f"Unexpected: {error}") from error
        raise refused(400, str(error), reason=MALFORMED) from error
    except (ValueError, InvalidOperation) as error:
        raise _malformed(f"The body is not JSON: {error}", faults) from error


def _malformed(detail: str, faults: Faults) -> RefusedError:
    if faults.on("MU-66"):
        return RefusedError(problem(503, "The body could not be read, try again later."))
    return refused(400, detail, reason=MALFORMED)


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _TwiceError("A name stands twice in one object.")
    return members


def _int_reader(faults: Faults) -> Any:
    def exact(digits: str) -> int | Decimal:
        if faults.on("MU-232") and len(digits) > 1000:
            raise RefusedError(_crash("OverflowError: value too large"))
        # int() of thousands of digits is slow and, by default, refused.
        return int(digits) if len(digits) <= _LONGEST_PLAIN_INT else Decimal(digits)

    return exact


def _decimal_reader(faults: Faults) -> Any:
    def exact(text: str) -> Decimal:
        number = Decimal(text)
        if faults.on("MU-231") and number.adjusted() > 308:
            raise RefusedError(_crash("OverflowError: Infinity is no number"))
        return number

    return exact


def _constant_reader(faults: Faults) -> Any:
    def refuse(name: str) -> NoReturn:
        raise ValueError(f"{name} is no JSON")

    return Decimal if faults.on("MU-68") else refuse


def _crash(text: str) -> Answer:
    return problem(500, f"Unhandled exception. {text}")


def _is_too_deep(text: str) -> bool:
    """Counted before parsing, so that no parser recurses at the sender's will."""
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return False
    depth = 0
    for found in _BRACKET_OR_TEXT.finditer(text):
        first = found[0][0]
        if first in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                return True
        elif first in "]}":
            depth -= 1
    return False
