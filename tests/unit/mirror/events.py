"""Events as the platform would send them, as short as a test needs them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from handlers.interface import Merged, Role
from handlers.orders import merge_order_event
from handlers.shipments import merge_shipment_event

ORDER_ID = "51bce838-0c6e-5ff8-8982-b8d3c5aedf81-PO-1"


def at(hour: int) -> str:
    """A moment: the greater, the later."""
    return f"2026-10-{1 + hour // 24:02d}T{hour % 24:02d}:00:00Z"


def line(position: str | None, hour: int | None = None, **members: Any) -> dict[str, Any]:
    """A line of delivery-schedule mode."""
    made: dict[str, Any] = {"buyerLine": {"position": position} if position is not None else {}, **members}
    if hour is not None:
        made["lastUpdatedAt"] = at(hour)
    return made


def single(
    position: str | None,
    hour: int | None,
    date: str | None = None,
    quantity: Any = 1,
    *,
    origin: str | None = None,
    **members: Any,
) -> dict[str, Any]:
    """A line of single-delivery mode."""
    made = line(position, hour, **members)
    if origin is not None:
        made["buyerLine"]["originalPosition"] = origin
    if date is not None:
        made["statusLine"] = {"scheduledDelivery": {"date": date, "quantity": quantity}}
    return made


def order_event(
    *lines: dict[str, Any],
    hour: int | None = None,
    version: Any = None,
    kind: str = "orderEvent",
    name: str = "OrderLinesUpdatedByBuyer",
    **header: Any,
) -> dict[str, Any]:
    payload: dict[str, Any] = {"orderId": ORDER_ID, **header}
    if lines:
        payload["lines"] = list(lines)
    if hour is not None:
        payload["lastUpdatedAt"] = at(hour)
    if version is not None:
        payload["version"] = version
    return {"eventName": name, kind: payload}


def documents_event(*lines: dict[str, Any], hour: int | None = None, **header: Any) -> dict[str, Any]:
    return order_event(
        *lines, hour=hour, kind="orderDocumentsEvent", name="OrderDocumentsAttachedByBuyer", **header
    )


def shipment_event(hour: int | None = None, **shipment: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"id": "s-1", **shipment}
    if hour is not None:
        made["meta"] = {"lastUpdatedAt": at(hour)}
    return {"eventName": "ShipmentReissuedBySupplier", "shipment": made}


def merged(*bodies: dict[str, Any], role: Role = Role.BUYER) -> Merged:
    """What the last of these events does after all the others."""
    return every(bodies, role=role)[-1]


def every(bodies: Iterable[dict[str, Any]], role: Role = Role.BUYER) -> list[Merged]:
    """What each of these events does after those before it."""
    results: list[Merged] = []
    for body in bodies:
        merge = merge_shipment_event if "shipment" in body else merge_order_event
        results.append(merge(results[-1].state if results else None, body, role=role))
    return results


def order_of(result: Merged) -> dict[str, Any]:
    """The order in `current`, whatever the mode."""
    (kind,) = result.current.keys() - {"eventName", "meta"}
    order = result.current[kind]
    assert isinstance(order, dict)
    return order


def lines_of(result: Merged) -> list[Any]:
    found = order_of(result).get("lines")
    assert isinstance(found, list)
    return found


def positions(result: Merged) -> list[Any]:
    return [each.get("buyerLine", {}).get("position") for each in lines_of(result)]


def sentences(result: Merged) -> list[str]:
    return [change.sentence for change in result.changes]
