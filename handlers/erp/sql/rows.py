"""From a merged order or shipment to rows. Knows no database.

A member that is not in the form of the contract (a date in words, a number of more than 1000 digits) leaves its
column empty; it stands in `data`, where nothing is left out. An empty text means "not given" on this platform.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import TypeAlias, TypeVar

from handlers.erp.sql.cells import clean_text, cleaned, cut, day, exact, exact_text, label, version
from handlers.interface import Endpoint, JsonObject, JsonValue
from handlers.mirror.agreed import deliveries_of, prices_of
from handlers.mirror.documents import identity
from handlers.reading import items, obj, order_number, text

ORDER = "purchase_order"
LINE = "order_line"
DELIVERY = "delivery"
PRICE = "price"
SHIPMENT = "shipment"
SHIPMENT_LINE = "shipment_line"
DOCUMENT = "document"

#: Characters of what tells rows apart: together they must fit into the narrowest index, 3072 bytes on MySQL.
MAX_ID, MAX_KEY, MAX_DOCUMENT_KEY = 200, 120, 200

#: Stands for "no line": a document of the header.
NO_LINE = "-"
CURRENT = "current"
"""Deliveries and prices that are agreed or issued, without open requests."""
REQUESTED = "requested"
"""The same with open requests applied."""

Cell: TypeAlias = str | Decimal | date | datetime | bool | None
Row: TypeAlias = dict[str, Cell]

_Thing = TypeVar("_Thing")


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
    body = cleaned(merged)
    key = cut(clean_text(subject_id), MAX_ID)
    if endpoint is Endpoint.SHIPMENT:
        return _shipment_rows(key, obj(obj(body).get("shipment")))
    kind = next((kind for kind, mode in _MODES.items() if isinstance(obj(body).get(kind), dict)), "")
    return _order_rows(key, obj(obj(body).get(kind)), _MODES.get(kind))


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
        "version": version(header.get("version")),
        "data": exact_text(_without_documents(header, _ORDER_PARTIES)),
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
    if position := label(buyer_line.get("position")) or label(line.get("position")):
        return position
    origin, line_id = label(buyer_line.get("originalPosition")), text(line.get("id"))
    return f"{origin}/{line_id or 'split'}" if origin else line_id


def _order_line(line: JsonObject) -> Row:
    buyer, supplier, status = (obj(line.get(name)) for name in ("buyerLine", "supplierLine", "status"))
    item = obj(buyer.get("item"))
    return {
        "position": label(buyer.get("position")) or label(line.get("position")),
        "original_position": label(buyer.get("originalPosition")),
        "line_id": text(line.get("id")),
        "line_type": text(line.get("lineType")),
        "item_number": label(item.get("number")),
        "item_revision": label(item.get("revision")),
        "item_name": text(item.get("name")),
        "supplier_item_number": label(item.get("supplierItemNumber")),
        "unit_of_measure": text(item.get("purchaseUnitOfMeasureIso")),
        "buyer_description": text(buyer.get("description")),
        "supplier_description": text(supplier.get("description")),
        "sales_order_number": label(supplier.get("salesOrderNumber")),
        # Two names of one thing (order-webhook.md, section 13).
        "sales_order_position": label(supplier.get("salesOrderPosition"))
        or label(supplier.get("salesOrderLinePosition")),
        "process_status": text(status.get("processStatus")),
        "in_progress_status": text(status.get("inProgressStatus")),
        "logistics_status": text(status.get("logisticsStatus")),
        "reason": text(line.get("reason")),
        "last_updated_at": text(line.get("lastUpdatedAt")),
        "data": exact_text(_without_documents(line, _LINE_PARTIES)),
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
    return label(delivery.get("position"))


def _delivery(delivery: JsonObject) -> Row:
    return {
        "position": label(delivery.get("position")),
        "delivery_date": day(delivery.get("date")),
        "quantity": exact(delivery.get("quantity")),
        "status": text(delivery.get("status")),
        "etd": day(delivery.get("etd")),
        "eta": day(delivery.get("eta")),
        "transport_mode": text(delivery.get("transportMode")),
        "data": exact_text(delivery),
    }


def _price(prices: JsonObject) -> Row:
    row: Row = {
        "discount_percentage": exact(prices.get("discountPercentage")),
        "price_unit_quantity": exact(prices.get("priceUnitQuantity")),
        "price_unit_of_measure": text(prices.get("priceUnitOfMeasureIso")),
        "data": exact_text(prices),
    }
    for name, member in (("net", "netPrice"), ("gross", "grossPrice")):
        for end, currency in (("", "priceInTransactionCurrency"), ("_base", "priceInBaseCurrency")):
            money = obj(obj(prices.get(member)).get(currency))
            row[f"{name}_price{end}"] = exact(money.get("value"))
            row[f"{name}_currency{end}"] = text(money.get("currencyIso"))
    return row


def _shipment_rows(shipment_id: str, shipment: JsonObject) -> SubjectRows:
    supplier, buyer = obj(shipment.get("supplierShipment")), obj(shipment.get("buyerShipment"))
    identifiers, status = obj(shipment.get("identifiers")), obj(shipment.get("status"))
    locations = obj(shipment.get("locations"))
    departure, stops = obj(locations.get("departure")), items(locations.get("destinations"))
    last: JsonObject = stops[-1] if stops else {}
    number = label(supplier.get("shipmentNumber"))
    header_row: Row = {
        "shipment_id": shipment_id,
        "shipment_number": None if number is None else cut(number, MAX_ID),
        "buyer_company_id": text(buyer.get("companyId")),
        "supplier_company_id": text(supplier.get("companyId")),
        "supplier_account_number": text(buyer.get("supplierAccountNumber")),
        "buyer_account_number": text(supplier.get("buyerAccountNumber")),
        "transport_mode": text(shipment.get("transportMode")),
        "bill_of_lading_number": label(identifiers.get("billOfLadingNumber")),
        "carrier_shipment_number": label(identifiers.get("carrierShipmentNumber")),
        "tracking_number": label(identifiers.get("trackingNumber")) or label(shipment.get("trackingNumber")),
        "etd": day(departure.get("etdDate")),
        "atd": day(departure.get("atdDate")),
        "eta_start": day(last.get("etaStartDate")),
        "eta_end": day(last.get("etaEndDate")),
        "ata": day(last.get("ataDate")),
        "process_status": text(status.get("processStatus")),
        "process_status_reason": text(status.get("processStatusReason")),
        "last_updated_at": text(obj(shipment.get("meta")).get("lastUpdatedAt")),
        "version": version(shipment.get("version")),
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
    advised = [label(advice.get(name)) for name in ("despatchAdviceNumber", "despatchAdviceLinePosition")]
    if None in advised:
        members = ("purchaseOrderNumber", "purchaseOrderLinePosition", "deliverySchedulePosition")
        advised = [label(line.get(name)) for name in members]
    return "/".join(each for each in advised if each) or None


def _shipment_line(carrier: JsonObject, line: JsonObject) -> Row:
    advice, item = obj(line.get("supplierLine")), obj(line.get("item"))
    number = label(line.get("purchaseOrderNumber"))
    return {
        "purchase_order_number": None if number is None else cut(number, MAX_ID),
        "order_line_position": label(line.get("purchaseOrderLinePosition")),
        "delivery_position": label(line.get("deliverySchedulePosition")),
        "despatch_advice_number": label(advice.get("despatchAdviceNumber")),
        "despatch_advice_line_position": label(advice.get("despatchAdviceLinePosition")),
        "despatch_quantity": exact(advice.get("despatchQuantity")),
        "backorder_quantity": exact(advice.get("backorderQuantity")),
        "backorder_date": day(advice.get("backorderDate")),
        "item_number": label(item.get("buyerItemNumber")),
        "item_revision": label(item.get("buyerItemRevision")),
        "item_name": text(item.get("buyerItemName")),
        "supplier_item_number": label(item.get("supplierItemNumber")),
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


def _without_documents(content: JsonObject, parties: Mapping[str, str]) -> JsonObject:
    """A header or line without what has rows of its own: documents change without a mark of header or line."""
    for place in parties:
        holder = content.get(place) if place else content
        if not isinstance(holder, dict):
            continue
        rest = dict(holder)
        documents = rest.get("documents")
        if isinstance(documents, list):
            del rest["documents"]
            odd: list[JsonValue] = [each for each in documents if not isinstance(each, dict)]
            if odd:
                rest["documents"] = odd
        if not place:
            content = rest
        elif rest:
            content = {**content, place: rest}
        else:  # an empty half says as little as none, and may be there for its documents only
            content = {name: value for name, value in content.items() if name != place}
    return content


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
            "code": label(document.get("code")),
            "revision": label(document.get("revision")),
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
