"""Life cycles by name: what a scenario mixes.

The turn of a plot (0, 1, 2 ...) chooses among its outcomes, so a few orders of each plot show every event; chance
chooses the lines and the values.
"""

from __future__ import annotations

from collections.abc import Callable

from sandbox.story import documents, fulfilment, future, housekeeping, negotiation
from sandbox.story.line import (
    BUYER_REOPENS,
    CONFIRMED,
    ISSUED,
    NOT_RESCHEDULED,
    PROPOSAL_REJECTED,
    PROPOSED,
    REISSUED,
    REJECTED,
    RESCHEDULED,
    SUPPLIER_REOPENS,
    UNCANCELLED,
    Line,
)
from sandbox.story.negotiation import chosen, in_state
from sandbox.story.order import Order
from sandbox.story.shipment import Shipment

Plot = Callable[[Order, int], list[Shipment]]

_PARTIES = ("Buyer", "Supplier")
_OUTCOMES = ("Approved", "Rejected", "Reverted")


def smooth(order: Order, turn: int) -> list[Shipment]:
    """Issued, accepted, shipped, delivered, completed."""
    negotiation.issue(order)
    _agree(order, turn)
    shipment = fulfilment.ship(order, 1)
    fulfilment.update_logistics(order, "Supplier", order.lines, "Shipped")
    fulfilment.approve_shipment(shipment)
    fulfilment.update_shipment_header(shipment)
    fulfilment.mark_delivered(order, _PARTIES[turn % 2], order.lines)
    fulfilment.set_history(order, order.lines)
    fulfilment.complete(order, order.lines)
    return [shipment]


def proposal(order: Order, turn: int) -> list[Shipment]:
    """The supplier offers other values; they are turned down, offered again, and taken."""
    negotiation.issue(order)
    negotiation.reissue(order, chosen(order, order.lines))
    lines = chosen(order, order.lines)
    negotiation.propose(order, lines)
    if turn % 2:
        negotiation.reject_proposal(order, chosen(order, lines))
        negotiation.propose(order, in_state(order, PROPOSAL_REJECTED))
    negotiation.approve_proposal(order, in_state(order, PROPOSED))
    _accept_rest(order)
    return []


def rejection(order: Order, turn: int) -> list[Shipment]:
    """The supplier refuses; the buyer asks anew, or gives up."""
    negotiation.issue(order)
    negotiation.reject(order, chosen(order, order.lines))
    _accept_rest(order)
    if turn % 2 == 0:
        negotiation.reissue(order, in_state(order, REJECTED))
        negotiation.accept(order, in_state(order, REISSUED))
    else:
        fulfilment.complete(order, in_state(order, REJECTED))
    return []


def reopening(order: Order, turn: int) -> list[Shipment]:
    """Both parties ask to change what is agreed: approved, refused or withdrawn."""
    negotiation.issue(order)
    negotiation.accept(order, order.lines)
    for step, (party, state) in enumerate(zip(_PARTIES, (BUYER_REOPENS, SUPPLIER_REOPENS), strict=True)):
        for again in range(2):
            negotiation.reopen(order, party, chosen(order, in_state(order, CONFIRMED)))
            outcome = _OUTCOMES[(turn + step + again) % 3]
            negotiation.end_reopening(order, party, in_state(order, state), outcome)
    negotiation.ask_reconfirmation(order, order.lines[:1])
    negotiation.reconfirm(order, order.lines[:1])
    return []


def split(order: Order, turn: int) -> list[Shipment]:
    """The supplier delivers in parts; the buyer's system numbers them, at once or after other events."""
    negotiation.issue(order)
    negotiation.split(order, order.lines[0])
    _accept_rest(order)
    if turn % 3 == 0:
        housekeeping.update_by_supplier(order, order.lines[:1])
    if turn % 3 != 2:
        negotiation.number_parts(order)
        housekeeping.change_item_details(order, order.lines)
        shipment = fulfilment.ship(order, 1)
        fulfilment.update_logistics(order, "Buyer", order.lines, "Shipped")
        return [shipment]
    return []


def cancellation(order: Order, turn: int) -> list[Shipment]:
    """Lines are cancelled, wanted after all, and cancelled in the end or not."""
    negotiation.issue(order)
    _agree(order, turn)
    lines = chosen(order, order.lines)
    negotiation.cancel(order, lines)
    negotiation.revert_cancellation(order, lines)
    negotiation.accept(order, in_state(order, UNCANCELLED))
    if turn % 2 == 0:
        negotiation.cancel(order, order.lines)
    return []


def completion(order: Order, turn: int) -> list[Shipment]:
    """Shipped and delivered by the buyer's word, some of it by mistake; completed, opened again, completed."""
    negotiation.issue(order)
    negotiation.accept(order, order.lines)
    party = _PARTIES[turn % 2]
    fulfilment.mark_shipped(order, order.lines)
    fulfilment.mark_open(order, party, chosen(order, order.lines))
    fulfilment.append_history(order, order.lines[:1])
    fulfilment.append_history(order, order.lines[:1])
    fulfilment.mark_delivered(order, party, order.lines)
    lines = chosen(order, order.lines)
    fulfilment.complete(order, lines)
    fulfilment.revert_completion(order, lines)
    fulfilment.complete(order, lines)
    return []


def shipment(order: Order, turn: int) -> list[Shipment]:
    """Shipments that are refused, corrected and approved, with documents; a short one moves the plan."""
    negotiation.issue(order)
    negotiation.accept(order, order.lines)
    first = fulfilment.ship(order, 1, short=True)
    documents.attach_to_shipment(first, "Supplier")
    fulfilment.reject_shipment(first, negotiation.remark(order))
    fulfilment.reissue_shipment(first)
    documents.attach_to_shipment(first, "Buyer")
    documents.attach_to_shipment(first, "Supplier")
    fulfilment.approve_shipment(first)
    fulfilment.reschedule(order, chosen(order, order.lines), _OUTCOMES[turn % 2])
    fulfilment.update_shipment_header(first)
    first.resend("ShipmentResentByBuyer")
    second = fulfilment.ship(order, 2, rest=True)
    if order.traits.future:
        future.clear_customs(second)
    fulfilment.mark_delivered(order, "Buyer", order.lines)
    fulfilment.complete(order, in_state(order, CONFIRMED, RESCHEDULED, NOT_RESCHEDULED))
    return [first, second]


def administration(order: Order, turn: int) -> list[Shipment]:
    """Much is said about the order, little changes: documents, contacts, remarks, more lines, resends."""
    negotiation.issue(order)
    documents.attach_to_order(order, _PARTIES[turn % 2], 4)
    negotiation.accept(order, order.lines)
    housekeeping.update_by_buyer(order, chosen(order, order.lines))
    housekeeping.update_by_supplier(order, chosen(order, order.lines))
    housekeeping.change_item_details(order, chosen(order, order.lines))
    housekeeping.reassign(order, "Buyer")
    documents.attach_to_order(order, _PARTIES[(turn + 1) % 2], 4)
    if len(order.lines) < MOST_LINES:
        negotiation.issue_more(order, 1)
    housekeeping.reassign(order, "Supplier")
    documents.attach_to_order(order, _PARTIES[turn % 2], 3)
    order.resend(f"OrderResentBy{_PARTIES[turn % 2]}")
    fulfilment.update_logistics(order, _PARTIES[turn % 2], chosen(order, order.lines), "ReadyToShip")
    if order.traits.future:
        future.inspect(order)
        future.publish_forecast(order)
    return []


#: Lines of one order (behaviour.md section 6).
MOST_LINES = 500

PLOTS: dict[str, Plot] = {
    "smooth": smooth,
    "proposal": proposal,
    "rejection": rejection,
    "reopening": reopening,
    "split": split,
    "cancellation": cancellation,
    "completion": completion,
    "shipment": shipment,
    "administration": administration,
}


def _agree(order: Order, turn: int) -> None:
    """In one of the three ways in which all lines are agreed at once."""
    ways = (negotiation.accept, negotiation.confirm_alone, negotiation.confirm_with_other_values)
    ways[turn % 3](order, order.lines)


def _accept_rest(order: Order) -> None:
    rest: list[Line] = in_state(order, ISSUED)
    if rest:
        negotiation.accept(order, rest)
