"""JSON bytes to a parsed body: once, with exact decimals, refusing what cannot be handled safely.

The parser is jiter: of those that keep every digit it is the fastest that also finds a member that stands twice
in one object, and it bounds the depth (`MAX_DEPTH` levels) and the length of an integer (`MAX_INTEGER_DIGITS`).
"""

from __future__ import annotations

import re

import jiter

from service.parsed_body import MAX_DEPTH, MAX_EXPONENT, MAX_INTEGER_DIGITS, MIN_EXPONENT, ParsedBody
from service.problems import BodyRefusedError, Finding

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
    return ParsedBody(document, text.count(b",") + text.count(b"[") + text.count(b"{"), replaced)


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
    return text.replace("recursion limit exceeded", f"nested deeper than {MAX_DEPTH} levels").replace(
        "number out of range", f"an integer of more than {MAX_INTEGER_DIGITS} digits"
    )
