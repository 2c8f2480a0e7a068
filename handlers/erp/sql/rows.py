"""From a merged order or shipment to rows. Knows no database.

A member that is not in the form of the contract (a date in words, a number of more than 1000 digits) leaves its
column empty; it stands in `data`, where nothing is left out. An empty text means "not given" on this platform.

Two things cannot stand in every database's texts and are replaced visibly, in `data` too: the character NUL by "␀",
and half a character (a lone surrogate) by "�".
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import TypeAlias, TypeVar

import orjson

from handlers.interface import Endpoint, JsonObject, JsonValue
from handlers.mirror.agreed import deliveries_of, prices_of
from handlers.mirror.documents import identity
from handlers.mirror.marks import version_of
from handlers.reading import digits, items, obj, order_number, text

ORDER = "purchase_order"
LINE = "order_line"
DELIVERY = "delivery"
PRICE = "price"
SHIPMENT = "shipment"
SHIPMENT_LINE = "shipment_line"
DOCUMENT = "document"

#: Characters of what tells rows apart: together they must fit into the narrowest index, 3072 bytes on MySQL.
MAX_ID, MAX_KEY, MAX_DOCUMENT_KEY = 200, 120, 200
#: Digits before and after the point of a number in a column of its own. PostgreSQL takes more, but nobody means it.
MAX_DIGITS = 1000

#: Stands for "no line": a document of the header.
NO_LINE = "-"
CURRENT = "current"
"""Deliveries and prices that are agreed or issued, without open requests."""
REQUESTED = "requested"
"""The same with open requests applied."""

Cell: TypeAlias = str | Decimal | date | datetime | bool | None
Row: TypeAlias = dict[str, Cell]

_Thing = TypeVar("_Thing")

_DECIMAL = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class SubjectRows:
    """One whole order or shipment as rows, by table."""

    endpoint: Endpoint
    id: str
    header: Row
    parts: Mapping[str, list[Row]]
    """All tables of the parts, also those without rows."""


def rows_of(endpoint: Endpoint, subject_id: str, merged: JsonObject) -> SubjectRows:
    """The rows of an order or shipment that stands in a body of the contract."""
    body = _cleaned(merged)
    key = cut(_clean_text(subject_id), MAX_ID)
    if endpoint is Endpoint.SHIPMENT:
        return _shipment_rows(key, obj(obj(body).get("shipment")))
    kind = next((kind for kind, mode in _MODES.items() if isinstance(obj(body).get(kind), dict)), "")
    return _order_rows(key, obj(obj(body).get(kind)), _MODES.get(kind))


def clean(value: str | None) -> str | None:
    """A text that every database takes."""
    return None if value is None else _clean_text(value)


def cut(value: str, length: int) -> str:
    """The text, if it is no longer; else its beginning and a hash of all of it, which still tells rows apart."""
    if len(value) <= length:
        return value
    return f"{value[: length - 33]}~{hashlib.sha256(value.encode()).hexdigest()[:32]}"


def exact_text(value: JsonValue) -> str:
    """JSON with every digit of every number, in the letters of its language."""
    return orjson.dumps(value, default=lambda number: orjson.Fragment(str(number))).decode()


_MODES = {
    "orderEvent": "schedule",
    "singleDeliveryOrderEvent": "single",
    # An order of which only documents are known yet.
    "orderDocumentsEvent": None,
}


def _order_rows(order_id: str, order: JsonObject, mode: str | None) -> SubjectRows:
    header = {name: value for name, value in order.items() if name not in ("lines", "meta")}
    buyer, supplier, status = (obj(header.get(name)) for name in ("buyerOrder", "supplierOrder", "status"))
    number = order_number(header)
    header_row: Row = {
        "order_id": order_id,
        "purchase_order_number": None if number is None else cut(number, MAX_ID),
        "delivery_mode": mode,
        "order_type": text(buyer.get("orderType")),
        "buyer_company_id": text(buyer.get("companyId")),
        "supplier_company_id": text(supplier.get("companyId")),
        "supplier_account_number": text(buyer.get("supplierAccountNumber")),
        "buyer_account_number": text(supplier.get("buyerAccountNumber")),
        "buyer_description": text(buyer.get("description")),
        "supplier_description": text(supplier.get("description")),
        "destination_code": text(obj(buyer.get("destination")).get("code")),
        "process_status": text(status.get("processStatus")),
        "logistics_status": text(status.get("logisticsStatus")),
        "last_updated_at": text(header.get("lastUpdatedAt")),
        "version": _version(header.get("version")),
        "data": exact_text(header),
    }
    parts: dict[str, list[Row]] = {LINE: [], DELIVERY: [], PRICE: [], DOCUMENT: []}
    documents: list[tuple[str, str, JsonValue]] = [(NO_LINE, *each) for each in _documents(header, _ORDER_PARTIES)]
    for key, line in _keyed(items(order.get("lines")), _order_line_key):
        names: Row = {"order_id": order_id, "line_key": key}
        parts[LINE].append(names | _order_line(line))
        for kind, deliveries in _schedules(line):
            for name, delivery in _keyed(deliveries, _delivery_key):
                parts[DELIVERY].append(names | {"kind": kind, "delivery_key": name} | _delivery(delivery))
        for kind, prices in _prices(line):
            parts[PRICE].append(names | {"kind": kind} | _price(prices))
        documents += [(key, *each) for each in _documents(line, _LINE_PARTIES)]
    parts[DOCUMENT] = _document_rows("order", order_id, documents)
    return SubjectRows(Endpoint.ORDER, order_id, header_row, parts)


def _order_line_key(line: JsonObject) -> str | None:
    """The position, which never changes; a line that was split off has none until the buyer assigns one
    (behaviour.md, section 5)."""
    buyer_line = obj(line.get("buyerLine"))
    if position := _label(buyer_line.get("position")) or _label(line.get("position")):
        return position
    origin, line_id = _label(buyer_line.get("originalPosition")), text(line.get("id"))
    return f"{origin}/{line_id or 'split'}" if origin else line_id


def _order_line(line: JsonObject) -> Row:
    buyer, supplier, status = (obj(line.get(name)) for name in ("buyerLine", "supplierLine", "status"))
    item = obj(buyer.get("item"))
    return {
        "position": _label(buyer.get("position")) or _label(line.get("position")),
        "original_position": _label(buyer.get("originalPosition")),
        "line_id": text(line.get("id")),
        "line_type": text(line.get("lineType")),
        "item_number": _label(item.get("number")),
        "item_revision": _label(item.get("revision")),
        "item_name": text(item.get("name")),
        "supplier_item_number": _label(item.get("supplierItemNumber")),
        "unit_of_measure": text(item.get("purchaseUnitOfMeasureIso")),
        "buyer_description": text(buyer.get("description")),
        "supplier_description": text(supplier.get("description")),
        "sales_order_number": _label(supplier.get("salesOrderNumber")),
        # Two names of one thing (order-webhook.md, section 13).
        "sales_order_position": _label(supplier.get("salesOrderPosition"))
        or _label(supplier.get("salesOrderLinePosition")),
        "process_status": text(status.get("processStatus")),
        "in_progress_status": text(status.get("inProgressStatus")),
        "logistics_status": text(status.get("logisticsStatus")),
        "reason": text(line.get("reason")),
        "last_updated_at": text(line.get("lastUpdatedAt")),
        "data": exact_text(line),
    }


def _schedules(line: JsonObject) -> Iterator[tuple[str, list[JsonObject]]]:
    yield CURRENT, deliveries_of(line)[1]
    single = obj(line.get("statusLine")).get("scheduledDeliveryInclRequests")
    if isinstance(line.get("deliveryScheduleIncludingRequests"), list):
        yield REQUESTED, items(line["deliveryScheduleIncludingRequests"])
    elif isinstance(single, dict):
        yield REQUESTED, [single]


def _prices(line: JsonObject) -> Iterator[tuple[str, JsonObject]]:
    requested = line.get("pricesIncludingRequests"), obj(line.get("statusLine")).get("pricesInclRequests")
    for kind, found in (
        (CURRENT, prices_of(line)[1]),
        (REQUESTED, next((each for each in requested if isinstance(each, dict)), None)),
    ):
        if isinstance(found, dict):
            yield kind, found


def _delivery_key(delivery: JsonObject) -> str | None:
    return _label(delivery.get("position"))


def _delivery(delivery: JsonObject) -> Row:
    return {
        "position": _label(delivery.get("position")),
        "delivery_date": _date(delivery.get("date")),
        "quantity": _number(delivery.get("quantity")),
        "status": text(delivery.get("status")),
        "etd": _date(delivery.get("etd")),
        "eta": _date(delivery.get("eta")),
        "transport_mode": text(delivery.get("transportMode")),
        "data": exact_text(delivery),
    }


def _price(prices: JsonObject) -> Row:
    row: Row = {
        "discount_percentage": _number(prices.get("discountPercentage")),
        "price_unit_quantity": _number(prices.get("priceUnitQuantity")),
        "price_unit_of_measure": text(prices.get("priceUnitOfMeasureIso")),
        "data": exact_text(prices),
    }
    for name, member in (("net", "netPrice"), ("gross", "grossPrice")):
        for end, currency in (("", "priceInTransactionCurrency"), ("_base", "priceInBaseCurrency")):
            money = obj(obj(prices.get(member)).get(currency))
            row[f"{name}_price{end}"] = _number(money.get("value"))
            row[f"{name}_currency{end}"] = text(money.get("currencyIso"))
    return row


def _shipment_rows(shipment_id: str, shipment: JsonObject) -> SubjectRows:
    supplier, buyer = obj(shipment.get("supplierShipment")), obj(shipment.get("buyerShipment"))
    identifiers, status = obj(shipment.get("identifiers")), obj(shipment.get("status"))
    locations = obj(shipment.get("locations"))
    departure, stops = obj(locations.get("departure")), items(locations.get("destinations"))
    last: JsonObject = stops[-1] if stops else {}
    number = _label(supplier.get("shipmentNumber"))
    header_row: Row = {
        "shipment_id": shipment_id,
        "shipment_number": None if number is None else cut(number, MAX_ID),
        "buyer_company_id": text(buyer.get("companyId")),
        "supplier_company_id": text(supplier.get("companyId")),
        "supplier_account_number": text(buyer.get("supplierAccountNumber")),
        "buyer_account_number": text(supplier.get("buyerAccountNumber")),
        "transport_mode": text(shipment.get("transportMode")),
        "bill_of_lading_number": _label(identifiers.get("billOfLadingNumber")),
        "carrier_shipment_number": _label(identifiers.get("carrierShipmentNumber")),
        "tracking_number": _label(identifiers.get("trackingNumber")) or _label(shipment.get("trackingNumber")),
        "etd": _date(departure.get("etdDate")),
        "atd": _date(departure.get("atdDate")),
        "eta_start": _date(last.get("etaStartDate")),
        "eta_end": _date(last.get("etaEndDate")),
        "ata": _date(last.get("ataDate")),
        "process_status": text(status.get("processStatus")),
        "process_status_reason": text(status.get("processStatusReason")),
        "last_updated_at": text(obj(shipment.get("meta")).get("lastUpdatedAt")),
        "version": _version(shipment.get("version")),
        "data": exact_text(_without_lines(shipment)),
    }
    carriers: list[JsonObject] = [{"lines": shipment.get("lines")}, *items(shipment.get("loadCarriers"))]
    loaded = [(carrier, line) for carrier in carriers for line in items(carrier.get("lines"))]
    lines: list[Row] = [
        {"shipment_id": shipment_id, "line_key": key, **_shipment_line(carrier, line)}
        for key, (carrier, line) in _keyed(loaded, lambda pair: _shipment_line_key(pair[1]))
    ]
    documents = [(NO_LINE, *each) for each in _documents(shipment, _SHIPMENT_PARTIES)]
    parts = {SHIPMENT_LINE: lines, DOCUMENT: _document_rows("shipment", shipment_id, documents)}
    return SubjectRows(Endpoint.SHIPMENT, shipment_id, header_row, parts)


def _without_lines(shipment: JsonObject) -> JsonObject:
    header = {name: value for name, value in shipment.items() if name != "lines"}
    if isinstance(header.get("loadCarriers"), list):
        carriers: list[JsonValue] = [
            {name: value for name, value in carrier.items() if name != "lines"}
            for carrier in items(header["loadCarriers"])
        ]
        header["loadCarriers"] = carriers
    return header


def _shipment_line_key(line: JsonObject) -> str | None:
    """The line of the despatch advice, else the delivery of the order (shipment-webhook.md, section 5)."""
    advice = obj(line.get("supplierLine"))
    advised = [_label(advice.get(name)) for name in ("despatchAdviceNumber", "despatchAdviceLinePosition")]
    if None in advised:
        members = ("purchaseOrderNumber", "purchaseOrderLinePosition", "deliverySchedulePosition")
        advised = [_label(line.get(name)) for name in members]
    return "/".join(each for each in advised if each) or None


def _shipment_line(carrier: JsonObject, line: JsonObject) -> Row:
    advice, item = obj(line.get("supplierLine")), obj(line.get("item"))
    number = _label(line.get("purchaseOrderNumber"))
    return {
        "purchase_order_number": None if number is None else cut(number, MAX_ID),
        "order_line_position": _label(line.get("purchaseOrderLinePosition")),
        "delivery_position": _label(line.get("deliverySchedulePosition")),
        "despatch_advice_number": _label(advice.get("despatchAdviceNumber")),
        "despatch_advice_line_position": _label(advice.get("despatchAdviceLinePosition")),
        "despatch_quantity": _number(advice.get("despatchQuantity")),
        "backorder_quantity": _number(advice.get("backorderQuantity")),
        "backorder_date": _date(advice.get("backorderDate")),
        "item_number": _label(item.get("buyerItemNumber")),
        "item_revision": _label(item.get("buyerItemRevision")),
        "item_name": text(item.get("buyerItemName")),
        "supplier_item_number": _label(item.get("supplierItemNumber")),
        "unit_of_measure": text(item.get("purchaseUnitOfMeasureIso")),
        "container_number": text(carrier.get("containerNumber")),
        "package_sscc": text(carrier.get("packageSSCC")),
        "last_updated_at": text(obj(line.get("meta")).get("lastUpdatedAt")),
        "data": exact_text(line),
    }


#: Where documents stand, and whose they are.
_ORDER_PARTIES = {"": "unknown", "buyerOrder": "buyer", "supplierOrder": "supplier"}
_LINE_PARTIES = {"": "unknown", "buyerLine": "buyer", "supplierLine": "supplier"}
_SHIPMENT_PARTIES = {"": "unknown", "buyerShipment": "buyer", "supplierShipment": "supplier"}


def _documents(holder: JsonObject, parties: Mapping[str, str]) -> Iterator[tuple[str, JsonValue]]:
    for place, party in parties.items():
        for document in items((obj(holder.get(place)) if place else holder).get("documents")):
            yield party, document


def _document_rows(belongs_to: str, subject_id: str, documents: Iterable[tuple[str, str, JsonValue]]) -> list[Row]:
    rows: dict[tuple[str, str, str], Row] = {}
    for line_key, party, found in documents:
        member, name = identity(found)
        key = f"{member}:{name if member != 'content' else hashlib.sha256(name.encode()).hexdigest()}"
        key = cut(key, MAX_DOCUMENT_KEY)
        document = obj(found)
        # The last one of a list that holds one twice, as in the mirror.
        rows[line_key, party, key] = {
            "belongs_to": belongs_to,
            "subject_id": subject_id,
            "line_key": line_key,
            "party": party,
            "document_key": key,
            "code": _label(document.get("code")),
            "revision": _label(document.get("revision")),
            "name": text(document.get("name")),
            "description": text(document.get("description")),
            "type": text(document.get("type")),
            "object_id": text(document.get("objectId")),
            "url": text(document.get("url")),
            "last_updated_at": text(obj(document.get("meta")).get("lastUpdatedAt")),
            "data": exact_text(document),
        }
    return list(rows.values())


def _keyed(things: Iterable[_Thing], key_of: Callable[[_Thing], str | None]) -> Iterator[tuple[str, _Thing]]:
    """Each with a key of its own: its name, else its turn; a second one of the same name gets its turn added."""
    taken: set[str] = set()
    turns: dict[str, int] = {}
    for turn, thing in enumerate(things, start=1):
        key = name = cut(key_of(thing) or f"#{turn}", MAX_KEY)
        while key in taken:
            turns[name] = turns.get(name, 1) + 1
            key = f"{cut(name, MAX_KEY - 8)}#{turns[name]}"
        taken.add(key)
        yield key, thing


def _label(value: JsonValue) -> str | None:
    """An identifier; as a number it is none of the contract, but tells the same."""
    return text(value) or digits(value)


def _number(value: JsonValue) -> Decimal | None:
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


def _version(value: JsonValue) -> Decimal | None:
    found = version_of(value)
    return None if found is None else _number(Decimal(found))


def _date(value: JsonValue) -> date | None:
    """A date of the contract (behaviour.md, section 7)."""
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        return None
    try:
        return date.fromisoformat(value)
    except ValueError:
        return None


def _cleaned(value: JsonValue) -> JsonValue:
    match value:
        case str():
            return _clean_text(value)
        case list():
            return [_cleaned(each) for each in value]
        case dict():
            return {_clean_text(name): _cleaned(each) for name, each in value.items()}
        case bool():
            return value
        case int() if value.bit_length() > 63:
            return Decimal(value)  # the writer of JSON ends at 64 bits
        case _:
            return value


def _clean_text(value: str) -> str:
    if "\0" in value:
        value = value.replace("\0", "␀")
    return value if value.isascii() else _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", value)
