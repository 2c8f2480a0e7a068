"""tXML, the XML twin of a JSON body, by the facts of the contract's txml.md and nothing else.

An array is its items, one element each, without a wrapper; the items' name is the singular one (section 4). What is
absent, null or empty has no element (section 3).
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from decimal import Decimal

from sandbox.wire.json_text import JsonObject, JsonValue

#: Name of an array's items (section 4); an array that is not documented keeps its name.
ITEM_NAMES = {
    "lines": "line",
    "names": "name",
    "addressLines": "addressLine",
    "properties": "property",
    "documents": "document",
    "notes": "note",
    "labels": "label",
    "deliverySchedule": "deliveryScheduleLine",
    "deliveryScheduleIncludingRequests": "deliveryScheduleIncludingRequestsLine",
    "deliveryHistory": "deliveryHistoryLine",
    "chargeLines": "chargeLine",
    "chargeLinesIncludingRequests": "chargeLineIncludingRequests",
    "dimensions": "dimension",
    "customLabels": "customLabel",
    "loadCarriers": "loadCarrier",
    "destinations": "destination",
    "invoiceNumbers": "invoiceNumber",
    "contacts": "contact",
}


def write(body: JsonObject) -> bytes:
    """The body as UTF-8 with a declaration; its root is `WebhookBody` (section 2)."""
    root = ET.Element("WebhookBody")
    _fill(root, body)
    content: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return content


def _fill(element: ET.Element, members: JsonObject) -> None:
    for name, value in members.items():
        if isinstance(value, list):
            for item in value:
                _add(element, ITEM_NAMES.get(name, name), item)
        else:
            _add(element, name, value)


def _add(parent: ET.Element, name: str, value: JsonValue) -> None:
    if value is None or value == "" or value == {}:
        return
    element = ET.SubElement(parent, name)
    if isinstance(value, dict):
        _fill(element, value)
    elif isinstance(value, list):
        raise ValueError(f"{name}: an array of arrays has no form in tXML")
    else:
        element.text = _text(value)


def _text(value: bool | int | Decimal | str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:f}" if isinstance(value, Decimal) else str(value)
