"""Reads tXML by the served contract, to judge generated bodies: names, arrays, numbers and truths by schema.

Only what the judge needs: an attribute or a namespace is ignored, a document type is refused.
"""

from __future__ import annotations

import re
from typing import Any

from lxml import etree

from conformance.generative.schemas import resolved

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")


class TxmlReadError(ValueError):
    """The bytes are no tXML document."""


def read(body: bytes, root: dict[str, Any], definitions: dict[str, Any]) -> Any:
    """The JSON value of a tXML document; raises TxmlReadError when it is none."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, remove_comments=True, remove_pis=True)
    try:
        element = etree.fromstring(body, parser)
    except etree.XMLSyntaxError as error:
        raise TxmlReadError(str(error)) from error
    if element.getroottree().docinfo.doctype:
        raise TxmlReadError("document type")
    schema = resolved(root, definitions)
    names = {schema.get("xml", {}).get("name"), *schema.get("x-xml-also-read", [])} - {None}
    if names and etree.QName(element).localname not in names:
        raise TxmlReadError("root element")
    value = _value(element, schema, definitions)
    return {} if value is None else value


def _value(element: Any, schema: dict[str, Any], definitions: dict[str, Any]) -> Any:
    schema = resolved(schema, definitions)
    children = [child for child in element if isinstance(child.tag, str)]
    if children:
        # Elements inside a plain value are another type, which the validator then finds.
        return _members(children, schema, definitions)
    text = element.text or ""
    if not text.strip() and schema.get("type") != "string":
        return None
    match schema.get("type"):
        case "number" | "integer" if _NUMBER.fullmatch(text.strip()):
            return float(text) if re.search("[.eE]", text) else int(text)
        case "boolean" if text.strip() in ("true", "false"):
            return text.strip() == "true"
        case _:
            return text or None


def _members(children: list[Any], schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    properties = schema.get("properties", {})
    by_element = _element_names(properties, definitions)
    found: dict[str, Any] = {}
    for child in children:
        name = etree.QName(child).localname
        member = by_element.get(name)
        if member is None:
            found.setdefault(name, child.text)
            continue
        described = resolved(properties[member], definitions)
        if described.get("type") == "array":
            item = _value(child, described["items"], definitions)
            if item is not None:
                found.setdefault(member, []).append(item)
            continue
        value = _value(child, described, definitions)
        if value is not None:
            found[member] = value
    return found


def _element_names(properties: dict[str, Any], definitions: dict[str, Any]) -> dict[str, str]:
    """Element name to member. The contract's own name wins over the further ones that may be read."""
    names: dict[str, str] = {}
    for name, raw in properties.items():
        schema = resolved(raw, definitions)
        items = schema.get("items", {}) if schema.get("type") == "array" else {}
        names.setdefault(items.get("xml", {}).get("name", name), name)
        for other in (*items.get("x-xml-also-read", []), name):
            names.setdefault(other, name)
    return names
