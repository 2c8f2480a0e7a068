"""Writes bodies as tXML, the vendor's XML twin of the JSON: the same members, each array as a row of elements.

The schema gives the name of an array's items; what it does not know is written under its own name.
"""

import re
from decimal import Decimal

from conformance.contract.reading import Endpoint, Place, Schema, body_schema
from conformance.contract.text import JsonObject, JsonValue, Literal, number_text

_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
# A carriage return is written as a reference, because an XML reader turns a plain one into a line feed.
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;", "\r": "&#13;"}
_TO_ESCAPE = re.compile("[&<>\"'\r]")
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ELEMENT_NAME = re.compile(r"[^\W\d][\w.\-]*")


class TxmlError(ValueError):
    """A value that tXML has no form for."""


def to_txml(endpoint: Endpoint, values: JsonObject) -> str:
    """The tXML document of a body, with its declaration and without white space between elements.

    `null`, an absent member and an empty array are no element; an empty string and an empty object are an empty
    one. Raises TxmlError for what XML cannot hold, such as control characters and arrays of arrays.
    """
    body = body_schema(endpoint)
    root = body.element or body.name
    into = [f"{_DECLARATION}<{root}>"]
    _write_members(values, body, into)
    into.append(f"</{root}>\n")
    return "".join(into)


def element_name(place: Place) -> str:
    """The name of the element, or of each of the elements, that hold the member at a place."""
    return _item_name(place.member.name, place.member.schema)


def _item_name(name: str, schema: Schema | None) -> str:
    if schema is None or schema.items is None or schema.element is None:
        return name
    return schema.element


def _write_members(values: JsonObject, schema: Schema | None, into: list[str]) -> None:
    for name, value in values.items():
        member = schema.members.get(name) if schema else None
        known = member.schema if member else None
        element = _item_name(name, known)
        item = known.items if known and known.items is not None else known
        for single in value if isinstance(value, list) else [value]:
            _write_element(element, single, item, into)


def _write_element(name: str, value: JsonValue, schema: Schema | None, into: list[str]) -> None:
    if value is None:
        return
    if not _ELEMENT_NAME.fullmatch(name):
        raise TxmlError(f"{name!r} cannot be the name of an element")
    if isinstance(value, dict):
        into.append(f"<{name}>")
        _write_members(value, schema, into)
        into.append(f"</{name}>")
    else:
        into.append(f"<{name}>{_text(value)}</{name}>")


def _text(value: JsonValue) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | Decimal):
        return number_text(value)
    if isinstance(value, Literal):
        return value.text
    if isinstance(value, str):
        unwritable = _NOT_IN_XML.search(value)
        if unwritable:
            raise TxmlError(f"XML cannot hold the character U+{ord(unwritable[0]):04X}")
        return _TO_ESCAPE.sub(lambda match: _ESCAPES[match[0]], value)
    raise TxmlError(f"tXML has no form for {type(value).__name__} inside an array")
