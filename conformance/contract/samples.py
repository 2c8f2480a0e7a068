"""Bodies to send, made from the contract: full, minimal, and with any number of lines.

All of them hold the tokens `{{message}}`, `{{order}}`, `{{trace}}` and `{{shipment}}`, which get their text when a
message is sent, and are the same at each call.
"""

from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from importlib.resources import files
from itertools import count
from uuid import NAMESPACE_URL, uuid5

from conformance import vectors, yaml_text
from conformance.contract import text
from conformance.contract.reading import (
    Member,
    Payload,
    Schema,
    body_schema,
    event_names,
    payload_members,
)
from conformance.contract.text import JsonObject, JsonValue

BUYER_COMPANY = "7c0f0000-0000-4000-8000-00000000c0de"
SUPPLIER_COMPANY = "7c0f0000-0000-4000-8000-00000000fade"
_ORDER_ID = f"{BUYER_COMPANY}-{{{{order}}}}"
_LINES_PER_CARRIER = 50
# Members for the objects whose members no document lists.
_OPEN_CONTENT: Mapping[str, JsonObject] = {
    "EventDates": {"issuedAt": "2026-03-02T08:15:30Z", "confirmedAt": "2026-03-03T09:00:00.250Z"},
    "ShipmentLocations.destination": {"city": "Łódź", "scheduledArrivalDate": "2026-04-16"},
    "ShipmentLocations.finalDestination": {"city": "Αθήνα", "scheduledArrivalDate": "2026-04-24"},
}


def full_body(payload: Payload) -> JsonObject:
    """A body with every documented member of the payload filled, and two items in every array."""
    body = _Filling().filled_object(body_schema(payload.endpoint), payload_members(payload), 0)
    return {**body, "eventName": event_names(payload)[0]}


def minimal_body(payload: Payload) -> JsonObject:
    """A body with what the documents call mandatory, and what is needed to find the message again."""
    content: JsonObject
    if payload is Payload.SHIPMENT:
        content = {
            "supplierShipment": {"companyId": SUPPLIER_COMPANY},
            "buyerShipment": {"companyId": BUYER_COMPANY},
            "lines": [
                {
                    "purchaseOrderNumber": "{{order}}",
                    "purchaseOrderLinePosition": "0010",
                    "supplierLine": {
                        "despatchAdviceNumber": "{{order}}-DA",
                        "despatchAdviceLinePosition": "01",
                        "despatchQuantity": Decimal("25.00"),
                    },
                }
            ],
        }
    else:
        content = {"orderId": _ORDER_ID, "buyerOrder": {"purchaseOrderNumber": "{{order}}"}}
    return {"eventName": event_names(payload)[0], payload.value: content, "meta": {"messageId": "{{message}}"}}


def with_lines(payload: Payload, n: int) -> JsonObject:
    """The golden body of the payload with `n` lines of a usual size in `lines`, each with a position of its own."""
    line = {
        Payload.ORDER_EVENT: _order_line,
        Payload.SINGLE_DELIVERY: _single_delivery_line,
        Payload.DOCUMENTS: _documents_line,
        Payload.SHIPMENT: _shipment_line,
    }[payload]
    body: JsonValue = vectors.golden(payload)
    if payload is Payload.SHIPMENT:
        body = text.removed(body, "/shipment/loadCarriers")
    return _object(text.added(body, f"/{payload.value}", "lines", [line(number) for number in range(1, n + 1)]))


def with_lines_in_carriers(n: int) -> JsonObject:
    """The golden shipment with `n` lines, all of them in load carriers of at most 50 lines, and none in `lines`."""
    lines: list[JsonValue] = [_shipment_line(number) for number in range(1, n + 1)]
    carriers: list[JsonValue] = [
        {
            "packageSSCC": f"(00)34012345{start:010d}",
            "packageType": "PX",
            "lines": lines[start : start + _LINES_PER_CARRIER],
        }
        for start in range(0, n, _LINES_PER_CARRIER)
    ]
    body: JsonValue = vectors.golden(Payload.SHIPMENT)
    if "lines" in _object(text.get(body, "/shipment")):
        body = text.removed(body, "/shipment/lines")
    return _object(text.added(body, "/shipment", "loadCarriers", carriers))


class _Filling:
    """Fills one body; it counts, so that what has to be unique in the body is."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self._identifiers = count(1)

    def filled_object(self, schema: Schema, members: tuple[Member, ...], index: int) -> JsonObject:
        if not members:
            return dict(_OPEN_CONTENT[schema.name])
        return {member.name: self._filled(member, schema.name, index) for member in members}

    def _filled(self, member: Member, owner: str, index: int) -> JsonValue:
        if member.schema.items is None:
            return self._value(member, member.schema, owner, index)
        items = member.schema.items
        return [self._value(member, items, owner, item) for item in range(2)]

    def _value(self, member: Member, schema: Schema, owner: str, index: int) -> JsonValue:
        if schema.type == "object":
            return self.filled_object(schema, tuple(schema.members.values()), index)
        return _typed(self._text(member, schema, owner, index), schema.type)

    def _text(self, member: Member, schema: Schema, owner: str, index: int) -> str:
        table = _plausible()
        values = table.get(f"{owner}.{member.name}") or member.known_values or table.get(member.name, ())
        if values:
            content = values[index % len(values)]
            return f"{next(self._numbers):02d}" if content == "{n}" else content
        if schema.format == "uuid":
            return str(uuid5(NAMESPACE_URL, f"{owner}.{member.name} {next(self._identifiers)}"))
        raise LookupError(f"plausible.yaml has no content for {owner}.{member.name}")


def _typed(content: str, type_: str) -> JsonValue:
    match type_:
        case "decimal":
            # A whole number stays whole: the contract's decimals are written either way.
            return int(content) if content.isdecimal() else Decimal(content)
        case "integer":
            return int(content)
        case "boolean":
            return content == "true"
        case _:
            return content


@cache
def _plausible() -> Mapping[str, tuple[str, ...]]:
    table = yaml_text.read(files(__package__).joinpath("plausible.yaml").read_text("utf-8"))
    return {name: tuple(values) for name, values in table.items()}


def _order_line(number: int) -> JsonObject:
    schedule: list[JsonValue] = [
        {"position": "0001", "date": "2026-04-16", "quantity": Decimal("40.00"), "status": "Open"},
        {"position": "0002", "date": "2026-05-07", "quantity": Decimal("24.50"), "status": "Open"},
    ]
    return {
        "id": f"{_ORDER_ID}-{_position(number)}",
        "lineType": "Item",
        "buyerLine": {**_buyer_line(number), "deliverySchedule": schedule},
        "supplierLine": {"salesOrderNumber": "0060712", "salesOrderLinePosition": _position(number)},
        "confirmedLine": {"deliverySchedule": schedule, "prices": _prices()},
        "deliverySchedule": schedule,
        "prices": _prices(),
        **_line_state(),
    }


def _single_delivery_line(number: int) -> JsonObject:
    delivery: JsonObject = {"date": "2026-04-16", "quantity": Decimal("40.00"), "status": "Open"}
    return {
        "id": f"{_ORDER_ID}-{_position(number)}",
        "lineType": "Item",
        "buyerLine": {**_buyer_line(number), "scheduledDelivery": delivery},
        "supplierLine": {"salesOrderNumber": "0060712", "salesOrderLinePosition": _position(number)},
        "confirmedLine": {"scheduledDelivery": delivery, "prices": _prices()},
        "statusLine": {"scheduledDelivery": delivery, "prices": _prices()},
        **_line_state(),
    }


def _documents_line(number: int) -> JsonObject:
    document: JsonObject = {
        "code": f"DRW-{number:05d}",
        "revision": "C",
        "name": f"Gleitringdichtung Ø 45 mm, Zeichnung {number}.pdf",
        "description": "Drawing of the seal with its fitting dimensions",
        "type": "Drawing",
        "objectId": str(uuid5(NAMESPACE_URL, f"document of line {number}")),
    }
    return {
        "id": f"{_ORDER_ID}-{_position(number)}",
        "position": _position(number),
        "buyerLine": _buyer_line(number),
        "documents": [document],
    }


def _shipment_line(number: int) -> JsonObject:
    return {
        "purchaseOrderNumber": "{{order}}",
        "purchaseOrderLinePosition": _position(number),
        "deliverySchedulePosition": "0001",
        "item": {
            "buyerItemNumber": f"AX-{number:05d}",
            "buyerItemRevision": "C",
            "buyerItemName": "Gleitringdichtung Ø 45 mm",
            "supplierItemNumber": f"KW/45-{number:05d}",
            "purchaseUnitOfMeasureIso": "PCE",
        },
        "supplierLine": {
            "despatchAdviceNumber": "{{order}}-DA",
            "despatchAdviceLinePosition": f"{number:05d}",
            "despatchQuantity": Decimal("25.00"),
            "backorderQuantity": Decimal("15.00"),
        },
        "meta": {"lastUpdatedAt": "2026-03-04T05:06:06.500Z"},
    }


def _buyer_line(number: int) -> JsonObject:
    return {
        "position": _position(number),
        "description": "Fits shaft 45h6; to be delivered in the supplier’s returnable boxes",
        "item": {
            "number": f"AX-{number:05d}",
            "revision": "C",
            "name": "Gleitringdichtung Ø 45 mm",
            "purchaseUnitOfMeasureIso": "PCE",
            "supplierItemNumber": f"KW/45-{number:05d}",
        },
        "prices": _prices(),
        "terms": {"contractNumber": "RC-0088", "contractPosition": "07"},
        "projectNumber": "0007",
        "notes": ["Bitte keine Folie – Mehrweg"],
    }


def _prices() -> JsonObject:
    return {
        "netPrice": {"priceInTransactionCurrency": {"value": Decimal("1234.50"), "currencyIso": "EUR"}},
        "priceUnitOfMeasureIso": "PCE",
        "priceUnitQuantity": 100,
    }


def _line_state() -> JsonObject:
    return {
        "indicators": {"deliveryOverdue": False},
        "status": {"processStatus": "Confirmed", "logisticsStatus": "Open"},
        "lastUpdatedAt": "2026-03-04T05:06:06.500Z",
    }


def _position(number: int) -> str:
    return f"{number * 10:05d}"


def _object(value: JsonValue) -> JsonObject:
    if not isinstance(value, dict):
        raise TypeError(f"an object was expected, not {type(value).__name__}")
    return value
