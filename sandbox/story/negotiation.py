"""What buyer and supplier agree on: issue, acceptance, proposals, requests, cancellation.

Each function is one action of one party and tells one event.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from sandbox.story import future
from sandbox.story.line import (
    BUYER_REOPENS,
    CANCELLED,
    CONFIRMED,
    ISSUED,
    PROPOSAL_REJECTED,
    PROPOSED,
    RECONFIRMATION,
    REISSUED,
    REJECTED,
    SUPPLIER_REOPENS,
    UNCANCELLED,
    Line,
)
from sandbox.story.order import Order
from sandbox.story.texts import ITEMS, REMARKS
from sandbox.story.values import Request, other, values

_REOPENING = {"Buyer": ("buyerLine", BUYER_REOPENS), "Supplier": ("supplierLine", SUPPLIER_REOPENS)}


def issue(order: Order) -> None:
    """The buyer places the order: the first event of each."""
    order.tell("OrderIssuedByBuyer", add_lines(order, order.traits.lines))


def issue_more(order: Order, count: int) -> None:
    """The buyer puts extra lines on it."""
    order.tell("OrderLinesIssuedByBuyer", add_lines(order, count))


def add_lines(order: Order, count: int) -> list[Line]:
    """New lines, without telling of them."""
    added = []
    for number in range(len(order.lines) + 1, len(order.lines) + count + 1):
        position = f"{10 * number:05}"
        added.append(
            Line(
                key=f"line-{number}",
                position=position,
                asked=values(order.random, single=order.traits.single),
                item={
                    "number": f"GD-{order.random.randrange(10**5):05}",
                    "name": order.random.choice(ITEMS),
                    "purchaseUnitOfMeasureIso": "PCE",
                    "supplierItemNumber": f"{order.random.randrange(10**4):06}",
                    "dimensions": [
                        {"attribute": "mass", "measure": Decimal("0.0250"), "unitOfMeasureUnece": "KGM"},
                        {"attribute": "length", "measure": Decimal(45), "unitOfMeasureUnece": "MMT"},
                    ],
                },
                id=f"{order.id}-{position}",
            )
        )
    if order.traits.future:
        for line in added:
            future.mark_line(order, line)
    order.lines += added
    return added


def chosen(order: Order, lines: list[Line]) -> list[Line]:
    """One of them at least, all at most."""
    return order.random.sample(lines, order.random.randrange(1, len(lines) + 1))


def in_state(order: Order, *states: tuple[str, str | None]) -> list[Line]:
    """The lines that stand there."""
    return [line for line in order.lines if line.state in states]


def remark(order: Order) -> str:
    """Something that a person says about it."""
    return order.random.choice(REMARKS)


def accept(order: Order, lines: list[Line]) -> None:
    """The supplier agrees to what was asked."""
    for line in lines:
        _confirm(order, line)
        line.answer = {"accepted": True}
    order.tell("OrderLinesAcceptedBySupplier", lines)


def confirm_alone(order: Order, lines: list[Line]) -> None:
    """The buyer confirms without asking the supplier."""
    for line in lines:
        _confirm(order, line)
        line.flags["confirmed"] = True
    order.tell("OrderLinesConfirmedByBuyer", lines)


def confirm_with_other_values(order: Order, lines: list[Line]) -> None:
    """The supplier answers with other values, and the buyer confirms automatically."""
    order.flags["autoConfirm"] = True
    for line in lines:
        offer = other(order.random, line.asked)
        line.proposal = Request(offer, remark(order), "Approved")
        _confirm(order, line)
        line.agree(offer)
    order.tell("OrderLinesConfirmedBySupplier", lines)


def reject(order: Order, lines: list[Line]) -> None:
    """The supplier refuses."""
    for line in lines:
        line.move(REJECTED)
        line.answer = {"rejected": True}
    order.tell("OrderLinesRejectedBySupplier", lines, reason=remark(order))


def reissue(order: Order, lines: list[Line]) -> None:
    """The buyer asks anew, before the supplier answered or after a refusal."""
    for line in lines:
        line.move(REISSUED if line.state == REJECTED else ISSUED)
        line.asked = other(order.random, line.asked)
        line.answer = {}
    order.tell("OrderLinesReissuedByBuyer", lines)


def propose(order: Order, lines: list[Line]) -> None:
    """The supplier offers other deliveries and prices."""
    for line in lines:
        line.move(PROPOSED)
        line.proposal = Request(other(order.random, line.asked), remark(order))
    order.tell("OrderChangesProposedBySupplier", lines, reason=remark(order))


def approve_proposal(order: Order, lines: list[Line]) -> None:
    """The buyer takes the offer."""
    for line in lines:
        _settle_proposal(line, "Approved")
        _confirm(order, line)
        if line.proposal:
            line.agree(line.proposal.values)
    order.tell("OrderChangesProposalApprovedByBuyer", lines)


def reject_proposal(order: Order, lines: list[Line]) -> None:
    """The buyer turns it down."""
    for line in lines:
        line.move(PROPOSAL_REJECTED)
        _settle_proposal(line, "Rejected")
    order.tell("OrderChangesProposalRejectedByBuyer", lines, reason=remark(order))


def split(order: Order, line: Line) -> None:
    """The supplier's offer to deliver in parts was accepted: what is new has no position yet (behaviour.md 5)."""
    last = line.asked.deliveries[-1]
    kept = replace(last, quantity=last.quantity / 2)
    new = replace(last, position=None, day=last.day + timedelta(days=28), quantity=last.quantity - kept.quantity)
    remaining = (*line.asked.deliveries[:-1], kept)
    whole = remaining if order.traits.single else (*remaining, new)
    line.move(PROPOSED)
    line.proposal = Request(replace(line.asked, deliveries=whole), remark(order))
    order.tell("OrderChangesProposedBySupplier", [line])
    told = [line]
    _settle_proposal(line, "Approved")
    _confirm(order, line)
    line.agree(replace(line.asked, deliveries=whole))
    if order.traits.single:
        part = Line(
            key=f"{line.key}-part",
            position=None,
            asked=replace(line.asked, deliveries=(new,)),
            item=dict(line.item),
            id=f"{order.id}-{order.journal.uuid()}" if order.random.randrange(2) else None,
            origin=line.position,
            line_type=line.line_type,
            extra=dict(line.extra),
            empty_position="absent" if order.traits.xml else order.random.choice(("absent", None, "")),
        )
        _confirm(order, part)
        order.lines.append(part)
        told.append(part)
    order.tell("OrderChangesProposalApprovedByBuyer", told, reason=remark(order))


def number_parts(order: Order) -> None:
    """The buyer's system gives the new parts a position, and says so with an update."""
    changed = []
    for line in order.lines:
        if line.position is None:
            line.position = f"{int(line.origin or 0) + 1:05}"
            line.id = line.id or f"{order.id}-{line.position}"
            line.asked = line.valid
            changed.append(line)
        elif (
            line.agreed and any(one.position is None for one in line.agreed.deliveries) and not order.traits.single
        ):
            numbered = tuple(
                replace(one, position=one.position or f"{10 * number + 5:04}")
                for number, one in enumerate(line.agreed.deliveries, start=1)
            )
            line.agreed = replace(line.agreed, deliveries=numbered)
            line.asked = line.agreed
            changed.append(line)
    order.tell("OrderLinesUpdatedByBuyer", changed)


def reopen(order: Order, party: str, lines: list[Line]) -> None:
    """`Buyer` or `Supplier` asks to change what is agreed."""
    half, state = _REOPENING[party]
    for line in lines:
        line.move(state)
        line.reopening[half] = Request(other(order.random, line.valid), remark(order))
    order.tell(f"OrderLinesReopenRequestedBy{party}", lines, reason=remark(order))


def end_reopening(order: Order, party: str, lines: list[Line], outcome: str) -> None:
    """The request of that party is `Approved` or `Rejected` by the other, or `Reverted` by itself."""
    half, _ = _REOPENING[party]
    by = party if outcome == "Reverted" else "Supplier" if party == "Buyer" else "Buyer"
    for line in lines:
        line.move(CONFIRMED)
        request = line.reopening[half]
        line.reopening[half] = replace(request, status="Closed" if outcome == "Reverted" else outcome)
        if outcome == "Approved":
            line.agree(request.values)
    order.tell(f"OrderLinesReopenRequest{outcome}By{by}", lines)


def ask_reconfirmation(order: Order, lines: list[Line]) -> None:
    """The buyer asks to confirm the same values once more."""
    for line in lines:
        line.move(RECONFIRMATION)
        line.flags["requestReconfirmation"] = True
    order.tell("OrderLinesReconfirmationRequestedByBuyer", lines)


def reconfirm(order: Order, lines: list[Line]) -> None:
    """The supplier does so."""
    for line in lines:
        line.move(CONFIRMED)
        line.flags.pop("requestReconfirmation")
    order.tell("OrderLinesReconfirmedBySupplier", lines)


def cancel(order: Order, lines: list[Line]) -> None:
    """The buyer cancels; open requests are no longer relevant."""
    for line in lines:
        line.move(CANCELLED)
        line.flags["cancelled"] = True
        if line.proposal and line.proposal.status == "Open":
            _settle_proposal(line, "Closed")
        for half, request in line.reopening.items():
            if request.status == "Open":
                line.reopening[half] = replace(request, status="Closed")
    order.tell("OrderLinesCancelledByBuyer", lines, reason=remark(order))


def revert_cancellation(order: Order, lines: list[Line]) -> None:
    """The buyer wants them after all."""
    for line in lines:
        line.move(UNCANCELLED)
        line.flags.pop("cancelled")
    order.tell("CancelledOrderLinesRevertedByBuyer", lines)


def _confirm(order: Order, line: Line) -> None:
    line.move(CONFIRMED)
    line.agree(line.asked)
    line.sales_order = f"AB-{order.number}"
    line.sales_position = f"{len(order.lines):03}-{line.position or 'new'}"


def _settle_proposal(line: Line, status: str) -> None:
    if line.proposal:
        line.proposal = replace(line.proposal, status=status)
