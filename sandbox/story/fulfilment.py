"""What happens to the goods: states of deliveries, shipments, history, completion. One action, one event."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from sandbox.story.line import (
    CANCELLED,
    COMPLETED,
    NOT_RESCHEDULED,
    RESCHEDULE,
    RESCHEDULED,
    UNCOMPLETED,
    Line,
)
from sandbox.story.order import Order
from sandbox.story.shipment import Load, Shipment


def update_logistics(order: Order, party: str, lines: list[Line], status: str) -> None:
    """`Buyer` or `Supplier` tells state and estimates of the deliveries."""
    for line in lines:
        first = line.valid.deliveries[0].day
        line.with_logistics(status, first - timedelta(days=3), first)
    order.tell(f"OrderLinesDeliveryScheduleLogisticsUpdatedBy{party}", lines)


def mark_shipped(order: Order, lines: list[Line]) -> None:
    """The buyer's indicator; the supplier has no such event (events.md, "Names that disagree")."""
    for line in lines:
        line.with_logistics("Shipped")
        line.flags["shipped"] = True
    order.tell("OrderLinesShippedByBuyer", lines)


def mark_delivered(order: Order, party: str, lines: list[Line]) -> None:
    """All of it is at the buyer."""
    for line in lines:
        line.with_logistics("Delivered")
        if party == "Buyer":
            line.flags["delivered"] = True
    order.tell(f"OrderLinesMarkedAsDeliveredBy{party}", lines)


def mark_open(order: Order, party: str, lines: list[Line]) -> None:
    """It was a mistake."""
    for line in lines:
        line.with_logistics("Open")
        line.flags.pop("delivered", None)
        line.flags.pop("shipped", None)
    order.tell(f"OrderLinesMarkedAsOpenBy{party}", lines)


def append_history(order: Order, lines: list[Line]) -> None:
    """One more real delivery; in parts of three decimals and more."""
    for line in lines:
        day = line.valid.deliveries[0].day + timedelta(days=len(line.history))
        line.history.append((day, Decimal(order.random.randrange(1, 10**6)).scaleb(-3)))
    order.tell("OrderLinesDeliveryHistoryAppendedByBuyer", lines)


def set_history(order: Order, lines: list[Line]) -> None:
    """The real deliveries, told anew."""
    for line in lines:
        line.history = [(one.day, one.quantity) for one in line.valid.deliveries]
    order.tell("OrderLinesDeliveryHistorySetByBuyer", lines)


def complete(order: Order, lines: list[Line]) -> None:
    """The buyer closes them."""
    for line in lines:
        line.move(COMPLETED)
        line.flags["completed"] = True
    order.tell("OrderLinesCompletedByBuyer", lines)


def revert_completion(order: Order, lines: list[Line]) -> None:
    """The buyer opens them again."""
    for line in lines:
        line.move(UNCOMPLETED)
        line.flags.pop("completed")
    order.tell("CompletedOrderLinesRevertedByBuyer", lines)


def reschedule(order: Order, lines: list[Line], outcome: str) -> None:
    """A shipped quantity differs from the plan: the platform asks, the buyer has it `Approved` or `Rejected`.

    Under which member the request is sent is not public, so it shows in the values with requests alone
    (order-webhook.md section 14).
    """
    for line in lines:
        line.move(RESCHEDULE)
        moved = tuple(replace(one, day=one.day + timedelta(days=7)) for one in line.valid.deliveries)
        line.reschedule = replace(line.valid, deliveries=moved)
    order.tell("OrderLinesShipmentRescheduleRequestedBySupplier", lines)
    for line in lines:
        line.move(RESCHEDULED if outcome == "Approved" else NOT_RESCHEDULED)
        if line.reschedule and outcome == "Approved":
            line.agree(line.reschedule)
        line.reschedule = None
    order.tell(f"OrderLinesShipmentReschedule{outcome}ByBuyer", lines)


def ship(order: Order, number: int, *, short: bool = False, rest: bool = False) -> Shipment:
    """The supplier sends goods of all lines; `short`: less than planned; `rest`: what then was a backorder."""
    loads = []
    for place, line in enumerate(line for line in order.lines if line.state != CANCELLED):
        for delivery in line.valid.deliveries:
            part = delivery.quantity / 4
            quantity = part if short else delivery.quantity - part if rest else delivery.quantity
            backorder = delivery.quantity - part if short else None
            carrier = None if place % 3 == 2 else f"BICU123456{place % 3}"
            loads.append(
                Load(line, None if order.traits.single else delivery.position, quantity, backorder, carrier)
            )
    # A despatch advice has at most as many lines as an order (behaviour.md section 6).
    shipment = Shipment(f"SN-{order.number}-{number}", order, order.journal, loads[:500], id=order.journal.uuid())
    shipment.identifiers["carrierShipmentNumber"] = f"CSN{order.random.randrange(10**9):09}"
    shipment.tell("ShipmentIssuedBySupplier", shipment.loads)
    return shipment


def reissue_shipment(shipment: Shipment) -> None:
    """The supplier corrects one line."""
    shipment.loads[0].quantity += Decimal("0.001")
    shipment.status, shipment.status_reason = "Issued", None
    shipment.tell("ShipmentReissuedBySupplier", shipment.loads[:1])


def reject_shipment(shipment: Shipment, reason: str) -> None:
    """The buyer refuses it."""
    shipment.status, shipment.status_reason = "Rejected", reason
    shipment.tell("ShipmentRejectedByBuyer")


def approve_shipment(shipment: Shipment) -> None:
    """The buyer agrees."""
    shipment.status = "Approved"
    shipment.tell("ShipmentApprovedByBuyer")


def update_shipment_header(shipment: Shipment) -> None:
    """The bill of lading became known."""
    shipment.identifiers["billOfLadingNumber"] = f"BOL-{shipment.number}"
    shipment.arrived = "2026-11-21"
    shipment.tell("ShipmentHeaderUpdatedBySupplier")
