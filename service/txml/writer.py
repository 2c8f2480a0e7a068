"""The way back: a JSON-shaped body to tXML.

For destinations that want tXML, and for tests: reading what was written gives the same body, up to `LOSSES`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping as Dictionary
from decimal import Decimal
from typing import Any

from lxml import etree

from handlers.interface import JsonObject, JsonValue
from service.txml.mapping import Mapping, Members

#: What tXML cannot say, and what is left of it after the way there and back.
LOSSES: Dictionary[str, str] = {
    "null": "absent",
    "an empty text, list or object, also one that is empty because of another loss": "absent",
    "a number or a truth value that the contract does not know": "its text",
    "a list that the contract does not know, with one item": "the item",
    "a list directly in a list": "one list of all items",
    "a member with the name of the items of a list beside it (a former form of that list)": "an item of the list",
    "a member whose name cannot be the name of an element": "absent",
    "a character that XML cannot hold": "U+FFFD",
    "white space around a date or time": "absent",
    "the way a number is written": "the same number",
}

#: XML 1.0, section 2.2: everything but these (and surrogates, which no text here has) is a character.
_NO_CHARACTER = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_NOTHING = Members()


def write(document: JsonObject, mapping: Mapping) -> bytes:
    """The body as tXML in UTF-8 with an XML declaration; `LOSSES` says what does not come along."""
    root = etree.Element(mapping.root)
    _write_members(root, document, mapping.members)
    written: bytes = etree.tostring(root, encoding="UTF-8", xml_declaration=True)
    return written


def _write_members(parent: Any, value: JsonObject, members: Members) -> None:
    for name, part in value.items():
        member = members.by_name.get(name)
        if member is None:
            _write_unknown(parent, name, part)
            continue
        inner = member.members or _NOTHING
        items: list[JsonValue] = part if isinstance(part, list) else [part]
        around = etree.SubElement(parent, member.wrapper) if member.wrapper and items else parent
        for item in _flat(items):
            _write(around, member.element, item, inner)


def _write_unknown(parent: Any, name: str, value: JsonValue) -> None:
    """The reader's way back: `@status` is an attribute, `{urn:e}b` an element in a namespace."""
    attribute = name.removeprefix("@")
    if name != attribute and isinstance(value, str) and attribute != "xmlns" and _can_be_written(attribute):
        parent.set(attribute, _characters(value))
    elif _can_be_written(name):
        for item in _flat(value if isinstance(value, list) else [value]):
            _write(parent, name, item, _NOTHING)


def _can_be_written(name: str) -> bool:
    try:
        etree.QName(name)
    except ValueError:
        return False
    return not name.startswith("{}")


def _write(parent: Any, name: str, value: JsonValue, members: Members) -> None:
    if value in (None, "", [], {}):
        return
    element = etree.SubElement(parent, name)
    if isinstance(value, dict):
        _write_members(element, value, members)
        if not len(element) and not element.attrib:
            parent.remove(element)
    else:
        element.text = _text(value)


def _flat(items: list[JsonValue]) -> list[JsonValue]:
    if not any(isinstance(item, list) for item in items):
        return items
    return [part for item in items for part in (_flat(item) if isinstance(item, list) else [item])]


def _text(value: JsonValue) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return f"{value:f}"  # the samples have no exponents
    return _characters(str(value))


def _characters(text: str) -> str:
    return _NO_CHARACTER.sub("\ufffd", text)
