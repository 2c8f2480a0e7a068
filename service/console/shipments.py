"""`webhooks shipments show`: header facts and lines of the current shipment; as careful as `console.orders`."""

from __future__ import annotations

from collections.abc import Iterator

from handlers.interface import JsonObject, Role
from handlers.reading import items, obj, text
from service.console.orders import fact, number
from service.console.subjects import account
from service.console.text import escaped, minute, stacked
from service.inbox.reader import Row


def shipment_text(row: Row, shipment: JsonObject, role: Role, width: int | None = None) -> str:
    """One shipment for the eye."""
    lines = list(_header(row, shipment, role))
    cells = list(_lines(shipment))
    if cells:
        header = ["ORDER", "LINE", "ITEM", "QUANTITY", "BACKORDER", "CARRIER"]
        lines += ["", stacked(header, cells, width=width, below=[2, 5], flexible=0)]
    lines += ["", f"Its events: webhooks shipments history {escaped(row['subject_id'])}"]
    return "\n".join(lines)


def _header(row: Row, shipment: JsonObject, role: Role) -> Iterator[str]:
    identifiers, status = obj(shipment.get("identifiers")), obj(shipment.get("status"))
    locations = obj(shipment.get("locations"))
    departure = obj(locations.get("departure"))
    destinations = items(locations.get("destinations"))
    last = destinations[-1] if destinations else {}
    yield from fact("shipment", row["shipment_number"])
    yield from fact("id", row["subject_id"])
    yield from fact("supplier" if role is Role.BUYER else "buyer", account(row, role))
    reason = text(status.get("processStatusReason"))
    yield from fact("status", ": ".join(part for part in (text(status.get("processStatus")), reason) if part))
    yield from fact("transport", text(shipment.get("transportMode")))
    for label, name in (("bill of lading", "billOfLadingNumber"), ("tracking", "trackingNumber")):
        yield from fact(label, text(identifiers.get(name)))
    yield from fact("departure", text(departure.get("atdDate")) or text(departure.get("etdDate")))
    yield from fact("arrival", _arrival(last))
    yield from fact("last updated at", row["last_updated_at"])
    yield from fact("changed here at", minute(row["changed_at"]))
    yield from fact("by", f"{row['last_event_name']} ({row['last_event_id']})" if row["last_event_name"] else None)
    yield from fact("events", row["events"])


def _arrival(last: JsonObject) -> str | None:
    arrived = text(last.get("ataDate"))
    if arrived:
        return arrived
    start, end = text(last.get("etaStartDate")), text(last.get("etaEndDate"))
    return f"{start} to {end}" if start and end and start != end else start or end


def _lines(shipment: JsonObject) -> Iterator[list[str]]:
    for carrier in items(shipment.get("loadCarriers")):
        name = text(carrier.get("containerNumber")) or text(carrier.get("packageSSCC")) or ""
        for line in items(carrier.get("lines")):
            yield _line(line, name)
    for line in items(shipment.get("lines")):
        yield _line(line, "")


def _line(line: JsonObject, carrier: str) -> list[str]:
    item, supplier_line = obj(line.get("item")), obj(line.get("supplierLine"))
    unit = text(item.get("purchaseUnitOfMeasureIso")) or ""
    position = text(line.get("purchaseOrderLinePosition")) or ""
    delivery = text(line.get("deliverySchedulePosition"))
    backorder = (number(supplier_line.get("backorderQuantity")), text(supplier_line.get("backorderDate")) or "")
    return [
        text(line.get("purchaseOrderNumber")) or "",
        f"{position}/{delivery}" if delivery else position,
        " ".join(part for part in (text(item.get("buyerItemNumber")), text(item.get("buyerItemName"))) if part),
        f"{number(supplier_line.get('despatchQuantity'))} {unit}".strip(),
        " ".join(part for part in backorder if part),
        carrier,
    ]
