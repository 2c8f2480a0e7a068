"""What stands in one column: texts, exact numbers and dates as every database takes them.

Two things cannot stand in every database's texts and are replaced visibly: the character NUL by "␀", and half a
character (a lone surrogate) by "�".
"""

from __future__ import annotations

import hashlib
import re
from datetime import date
from decimal import Decimal

import orjson

from handlers.interface import JsonValue
from handlers.mirror.marks import version_of
from handlers.reading import digits, text

#: Digits before and after the point of a number in a column of its own. PostgreSQL takes more, but nobody means it.
MAX_DIGITS = 1000

_DECIMAL = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_SURROGATE = re.compile("[\ud800-\udfff]")


def clean(value: str | None) -> str | None:
    """A text that every database takes."""
    return None if value is None else clean_text(value)


def cut(value: str, length: int) -> str:
    """The text, if it is no longer; else its beginning and a hash of all of it, which still tells rows apart."""
    if len(value) <= length:
        return value
    return f"{value[: length - 33]}~{hashlib.sha256(value.encode()).hexdigest()[:32]}"


def exact_text(value: JsonValue) -> str:
    """JSON with every digit of every number, in the letters of its language."""
    return orjson.dumps(value, default=lambda number: orjson.Fragment(str(number))).decode()


def label(value: JsonValue) -> str | None:
    """An identifier; as a number it is none of the contract, but tells the same."""
    return text(value) or digits(value)


def exact(value: JsonValue) -> Decimal | None:
    """A number with every digit; None for what is none, or has more than `MAX_DIGITS`."""
    if isinstance(value, str):
        # Numbers once came in quotation marks (order-webhook.md, section 21).
        value = Decimal(value) if len(value) <= MAX_DIGITS and _DECIMAL.fullmatch(value) else None
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    number = value if isinstance(value, Decimal) else Decimal(value)
    _, figures, exponent = number.as_tuple()
    if not isinstance(exponent, int) or len(figures) + abs(exponent) > MAX_DIGITS:
        return None
    return number


def version(value: JsonValue) -> Decimal | None:
    """The version of an order or shipment."""
    found = version_of(value)
    return None if found is None else exact(Decimal(found))


def day(value: JsonValue) -> date | None:
    """A date of the contract (behaviour.md, section 7)."""
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        return None
    try:
        return date.fromisoformat(value)
    except ValueError:
        return None


def cleaned(value: JsonValue) -> JsonValue:
    """A body whose texts every database takes."""
    match value:
        case str():
            return clean_text(value)
        case list():
            return [cleaned(each) for each in value]
        case dict():
            return {clean_text(name): cleaned(each) for name, each in value.items()}
        case bool():
            return value
        case int() if value.bit_length() > 63:
            return Decimal(value)  # the writer of JSON ends at 64 bits
        case _:
            return value


def clean_text(value: str) -> str:
    """The same for a text that is there."""
    if "\0" in value:
        value = value.replace("\0", "␀")
    return value if value.isascii() else _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", value)
