"""`webhooks orders show`: header facts and lines of the current order.

Any member may be absent, null or of another type than documented; what cannot be read is left out here and shown by
`--json`.
"""

from __future__ import annotations

from collections.abc import Iterator

from handlers.interface import JsonObject, JsonValue, Role
from handlers.mirror.agreed import deliveries_of, prices_of, requested_deliveries_of, requested_prices_of
from handlers.mirror.lines import line_name
from handlers.reading import items, obj, text
from service.console.subjects import account
from service.console.text import escaped, minute, stacked
from service.inbox.reader import Row

_LABEL = 16


def order_text(row: Row, order: JsonObject, role: Role, width: int | None = None) -> str:
    """One order for the eye; `order` is the payload of the current one."""
    lines = list(_header(row, order, role))
    cells = [cell for line in items(order.get("lines")) for cell in _line(line)]
    if cells:
        header = ["LINE", "ITEM", "QUANTITY", "DATE", "PRICE", "STATUS"]
        lines += ["", stacked(header, cells, width=width, below=[1, 5], flexible=0)]
    lines += ["", f"Its events: webhooks orders history {escaped(row['subject_id'])}"]
    return "\n".join(lines)


def fact(label: str, value: object) -> Iterator[str]:
    """A labelled line, if there is something to say."""
    if value not in (None, ""):
        yield f"{label:<{_LABEL}} {escaped(value)}"


def number(value: JsonValue) -> str:
    """A number as it was sent; nothing for everything else."""
    return "" if value is None or isinstance(value, bool | dict | list) else str(value)


def _header(row: Row, order: JsonObject, role: Role) -> Iterator[str]:
    buyer, supplier = obj(order.get("buyerOrder")), obj(order.get("supplierOrder"))
    status = obj(order.get("status"))
    yield from fact("order", row["purchase_order_number"])
    yield from fact("id", row["subject_id"])
    yield from fact("type", text(buyer.get("orderType")))
    yield from fact("description", text(buyer.get("description")))
    yield from fact("supplier" if role is Role.BUYER else "buyer", account(row, role))
    yield from fact("sales order", text(supplier.get("description")))
    yield from fact("contact", text(obj(buyer.get("contact")).get("email")))
    yield from fact(
        "status",
        ", ".join(part for name in ("processStatus", "logisticsStatus") if (part := text(status.get(name)))),
    )
    yield from fact("version", row["version"])
    yield from fact("last updated at", row["last_updated_at"])
    yield from fact("changed here at", minute(row["changed_at"]))
    yield from fact("by", f"{row['last_event_name']} ({row['last_event_id']})" if row["last_event_name"] else None)
    yield from fact("events", row["events"])


def _line(line: JsonObject) -> Iterator[list[str]]:
    """A row for each delivery; what concerns the whole line stands in the first. Then what somebody asks for."""
    buyer_line = obj(line.get("buyerLine"))
    name = line_name(
        text(buyer_line.get("position")) or text(line.get("position")),
        text(buyer_line.get("originalPosition")),
        text(line.get("id")),
    )
    item = obj(buyer_line.get("item"))
    unit = text(item.get("purchaseUnitOfMeasureIso")) or ""
    first = [name, _item(item), _price(prices_of(line)[1])]
    status = _status(obj(line.get("status")))
    _, deliveries = deliveries_of(line)
    for delivery in deliveries or [{}]:
        quantity = " ".join(part for part in (number(delivery.get("quantity")), unit) if part)
        own = text(delivery.get("status"))
        said = ", ".join(part for part in (status, own if own not in ("Open", status) else None) if part)
        yield [*first[:2], quantity, text(delivery.get("date")) or "", first[2], said]
        first, status = ["", "", ""], ""
    yield from _requested(line, deliveries, unit)


def _requested(line: JsonObject, agreed: list[JsonObject], unit: str) -> Iterator[list[str]]:
    """What differs once the open requests of both sides are applied."""
    known = {_moment_of(delivery) for delivery in agreed}
    price = _price(requested_prices_of(line))
    asked_price = price if price != _price(prices_of(line)[1]) else ""
    for delivery in requested_deliveries_of(line) or []:
        if (moment := _moment_of(delivery)) not in known:
            quantity = " ".join(part for part in (moment[0], unit) if part)
            yield ["", "", quantity, moment[1], asked_price, "requested"]
            asked_price = ""
    if asked_price:
        yield ["", "", "", "", asked_price, "requested"]


def _moment_of(delivery: JsonObject) -> tuple[str, str]:
    return number(delivery.get("quantity")), text(delivery.get("date")) or ""


def _item(item: JsonObject) -> str:
    return " ".join(part for part in (text(item.get("number")), text(item.get("name"))) if part)


def _price(prices: JsonValue) -> str:
    for kind in ("netPrice", "grossPrice"):
        money = obj(obj(obj(prices).get(kind)).get("priceInTransactionCurrency"))
        if value := number(money.get("value")):
            per = number(obj(prices).get("priceUnitQuantity"))
            each = f"/{per}" if per not in ("", "1") else ""
            return f"{value}{each} {text(money.get('currencyIso')) or ''}".strip()
    return ""


def _status(status: JsonObject) -> str:
    names = ("processStatus", "inProgressStatus", "logisticsStatus")
    found = [part for name in names if (part := text(status.get(name)))]
    return ", ".join(part for part in found if part != "Open" or len(found) == 1)
