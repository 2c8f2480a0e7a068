"""What the parties can do to an order, each with the states from which it may be done (contract, statuses.md)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal

from handlers.interface import JsonObject
from tests.lifecycle.lines import Delivery, Line, Request, Values
from tests.lifecycle.order import Order, Place


@dataclass(frozen=True, slots=True)
class Action:
    """Something that one party does."""

    name: str
    possible: Callable[[Order], bool]
    do: Callable[[Order], None]
    weight: int = 2


def issue(order: Order, lines: int) -> None:
    """The buyer places the order: always the first."""
    for number in range(1, lines + 1):
        position = f"{10 * number:05}"
        first = date(2026, 11, 2) + timedelta(days=order.random.randrange(60))
        count = 1 if order.traits.single else order.random.randrange(1, 4)
        deliveries = tuple(
            Delivery(str(10 * (i + 1)), first + timedelta(days=14 * i), _quantity(order)) for i in range(count)
        )
        line = Line(
            key=f"line-{number}",
            position=position,
            asked=Values(deliveries, _price(order)),
            item=f"GD-{order.random.randrange(10**4):04}",
            id=f"{order.id}-{position}",
        )
        order.lines.append(line)
    order.tell("OrderIssuedByBuyer", order.lines)


def _quantity(order: Order) -> Decimal:
    return Decimal(order.random.randrange(1, 10**6)).scaleb(-2)


def _price(order: Order) -> Decimal:
    """Some with more digits than a binary float can hold."""
    digits = order.random.choice((2, 4, 18))
    return Decimal(order.random.randrange(10 ** (digits + 3))).scaleb(-digits)


def _other(order: Order, values: Values) -> Values:
    """The same deliveries on other days, with another quantity and price."""
    moved = tuple(
        replace(one, day=one.day + timedelta(days=order.random.randrange(1, 30)), quantity=_quantity(order))
        for one in values.deliveries
    )
    return Values(moved, _price(order))


def _settled(line: Line) -> bool:
    """Not a split that nothing but its delivery tells from another: its delivery has to stay as it is."""
    return line.id is not None


def _in(*processes: str) -> Callable[[Line], bool]:
    return lambda line: line.process in processes and line.in_progress is None


def _at(in_progress: str) -> Callable[[Line], bool]:
    return lambda line: line.in_progress == in_progress


def _chosen(order: Order, fits: Callable[[Line], bool]) -> list[Line]:
    fitting = [line for line in order.lines if fits(line)]
    return order.random.sample(fitting, order.random.randrange(1, len(fitting) + 1))


def _on_lines(
    name: str, fits: Callable[[Line], bool], change: Callable[[Order, Line], None], *, weight: int = 2
) -> Action:
    def do(order: Order) -> None:
        lines = _chosen(order, fits)
        for line in lines:
            change(order, line)
        order.tell(name, lines)

    return Action(name, lambda order: any(map(fits, order.lines)), do, weight)


def _accept(order: Order, line: Line) -> None:
    line.change(process="Confirmed", in_progress=None, agreed=line.asked, sales_order=f"AB-{order.number[-4:]}")


def _reject(_order: Order, line: Line) -> None:
    line.change(process="Rejected", reason="Nicht lieferbar")


def _reissue(order: Order, line: Line) -> None:
    line.change(
        process="InProgress", in_progress="ReissuedRejectedLine", asked=_other(order, line.asked), reason=None
    )


def _propose(order: Order, line: Line) -> None:
    request = Request(_other(order, line.asked), "Open", "Only a part of it is in stock")
    line.change(process="InProgress", in_progress="OpenSupplierProposal", proposal=request)


def _approve_proposal(_order: Order, line: Line) -> None:
    assert line.proposal is not None
    line.change(
        process="Confirmed",
        in_progress=None,
        agreed=line.proposal.values,
        proposal=replace(line.proposal, status="Approved"),
    )


def _reject_proposal(_order: Order, line: Line) -> None:
    assert line.proposal is not None
    line.change(in_progress="RejectedSupplierProposal", proposal=replace(line.proposal, status="Rejected"))


def _open(party: str) -> Callable[[Order, Line], None]:
    def change(order: Order, line: Line) -> None:
        request = Request(_other(order, line.valid), "Open", "The mould has to be overhauled")
        line.change(process="InProgress", in_progress=f"Open{party.title()}ReopenRequest")
        line.change(**{f"{party}_reopening": request})

    return change


def _close(party: str, status: str) -> Callable[[Order, Line], None]:
    def change(_order: Order, line: Line) -> None:
        request: Request = getattr(line, f"{party}_reopening")
        line.change(process="Confirmed", in_progress=None)
        line.change(**{f"{party}_reopening": replace(request, status=status)})
        if status == "Approved":
            line.agreed = request.values

    return change


def _logistics(status: str) -> Callable[[Order, Line], None]:
    def change(order: Order, line: Line) -> None:
        line.with_logistics(status, line.valid.deliveries[0].day - timedelta(days=order.random.randrange(1, 9)))

    return change


def _details(order: Order, line: Line) -> None:
    line.origin_country = order.random.choice(["AT", "DE", "SE", "PT"])


def _revert_cancellation(_order: Order, line: Line) -> None:
    line.change(process="InProgress", in_progress="RevertedCancelledLine")


def _split(order: Order) -> None:
    """The supplier's offer to deliver in parts was accepted: what is new has no position yet."""
    line = order.random.choice([line for line in order.lines if _can_split(order)(line)])
    last = line.valid.deliveries[-1]
    part = last.quantity / 2
    kept = replace(last, quantity=part)
    new = Delivery(None, last.day + timedelta(days=28 + order.random.randrange(28)), last.quantity - part)
    values = line.valid
    request = Request(Values((*values.deliveries[:-1], kept), values.price), "Approved", "In two parts")
    line.change(process="Confirmed", in_progress=None, proposal=request)
    told = [line]
    if order.traits.single:
        line.agreed = Values((kept,), values.price)
        split = Line(
            key=f"{line.key}-split",
            position=None,
            asked=Values((new,), values.price),
            agreed=Values((new,), values.price),
            item=line.item,
            id=f"{order.id}-{line.key}-part" if order.random.randrange(2) else None,
            origin=line.position,
            asks_for_position=not order.traits.xml and order.random.randrange(2) == 0,
            process="Confirmed",
            sales_order=line.sales_order,
        )
        order.lines.append(split)
        told.append(split)
    else:
        line.agreed = Values((*values.deliveries[:-1], kept, new), values.price)
    order.tell("OrderChangesProposalApprovedByBuyer", told, reason="Fine, if all arrives before Christmas")


def _can_split(order: Order) -> Callable[[Line], bool]:
    def fits(line: Line) -> bool:
        whole = all(one.position or order.traits.single for one in line.valid.deliveries)
        never = line.origin is None and not any(other.origin == line.position for other in order.lines)
        return line.process == "Confirmed" and whole and never and line.position is not None

    return fits


def _number_splits(order: Order) -> None:
    """The buyer's system gives the new parts a position."""
    if order.traits.single:
        lines = [line for line in order.lines if line.position is None]
        for line in lines:
            line.change(position=f"{int(line.origin or 0) + 1:05}", asked=line.valid)
    else:
        lines = [line for line in order.lines if any(one.position is None for one in line.valid.deliveries)]
        for line in lines:
            numbered = tuple(
                replace(one, position=one.position or str(10 * number + 5))
                for number, one in enumerate(line.valid.deliveries, 1)
            )
            line.agreed = Values(numbered, line.valid.price)
    order.tell("OrderLinesUpdatedByBuyer", lines)


def _has_new_parts(order: Order) -> bool:
    if order.traits.single:
        return any(line.position is None for line in order.lines)
    return any(one.position is None for line in order.lines for one in line.valid.deliveries)


def _attach(order: Order) -> None:
    """Documents on the order and on lines, in any of the six places where they may stand."""
    by, half = order.random.choice([("Buyer", "buyer"), ("Supplier", "supplier")])
    documents: list[tuple[Place, JsonObject]] = []
    for _ in range(order.random.randrange(1, 3)):
        line = order.random.choice([line for line in order.lines if line.position])
        flat = order.random.randrange(3) == 0
        on_line: Place = ("" if flat else f"{half}Line", line.key)
        on_order: Place = ("" if flat else f"{half}Order", None)
        place = order.random.choice([on_line, on_order])
        code = f"DOC-{order.random.randrange(3)}"
        if all(code != other["code"] for at, other in documents if at == place):
            documents.append((place, _document(order, code)))
    order.tell_documents(f"OrderDocumentsAttachedBy{by}", documents)


def _document(order: Order, code: str) -> JsonObject:
    revision = f"R{len(order.history)}"
    return {
        "code": code,
        "revision": revision,
        "name": f"Werkszeugnis {code}.pdf",
        "objectId": f"{order.random.getrandbits(64):016x}-{revision}",
    }


def _reassign(order: Order) -> None:
    order.contact = f"vertrieb-{order.random.randrange(100)}@kaltwasser.example"
    order.tell("OrderContactReassignedBySupplier", [])


def _describe(order: Order) -> None:
    order.description = f"Auftrag, Fassung {len(order.history)}"
    order.tell("OrderLinesUpdatedBySupplier", [order.random.choice(order.lines)])


_CONFIRMED = _in("Confirmed")


def _movable(line: Line) -> bool:
    return _CONFIRMED(line) and line.logistics == "Open"


def _reopenable(line: Line) -> bool:
    return _movable(line) and _settled(line)


ACTIONS = (
    _on_lines("OrderLinesAcceptedBySupplier", _in("Issued"), _accept, weight=4),
    _on_lines("OrderLinesAcceptedBySupplier", _at("ReissuedRejectedLine"), _accept, weight=4),
    _on_lines("OrderLinesRejectedBySupplier", _in("Issued"), _reject),
    _on_lines("OrderLinesReissuedByBuyer", _in("Rejected"), _reissue, weight=6),
    _on_lines("OrderChangesProposedBySupplier", _in("Issued"), _propose, weight=5),
    _on_lines("OrderChangesProposedBySupplier", _at("RejectedSupplierProposal"), _propose, weight=4),
    _on_lines("OrderChangesProposalApprovedByBuyer", _at("OpenSupplierProposal"), _approve_proposal, weight=5),
    _on_lines("OrderChangesProposalRejectedByBuyer", _at("OpenSupplierProposal"), _reject_proposal, weight=3),
    _on_lines("OrderLinesReopenRequestedByBuyer", _reopenable, _open("buyer"), weight=3),
    _on_lines(
        "OrderLinesReopenRequestApprovedBySupplier",
        _at("OpenBuyerReopenRequest"),
        _close("buyer", "Approved"),
        weight=3,
    ),
    _on_lines(
        "OrderLinesReopenRequestRejectedBySupplier",
        _at("OpenBuyerReopenRequest"),
        _close("buyer", "Rejected"),
        weight=3,
    ),
    _on_lines(
        "OrderLinesReopenRequestRevertedByBuyer", _at("OpenBuyerReopenRequest"), _close("buyer", "Closed"), weight=3
    ),
    _on_lines("OrderLinesReopenRequestedBySupplier", _reopenable, _open("supplier"), weight=4),
    _on_lines(
        "OrderLinesReopenRequestApprovedByBuyer",
        _at("OpenSupplierReopenRequest"),
        _close("supplier", "Approved"),
        weight=4,
    ),
    _on_lines(
        "OrderLinesReopenRequestRejectedByBuyer",
        _at("OpenSupplierReopenRequest"),
        _close("supplier", "Rejected"),
        weight=4,
    ),
    _on_lines("OrderLinesItemDetailsChanged", _movable, _details, weight=1),
    _on_lines("OrderLinesDeliveryScheduleLogisticsUpdatedBySupplier", _movable, _logistics("Produced"), weight=1),
    _on_lines("OrderLinesShippedByBuyer", _movable, _logistics("Shipped"), weight=5),
    _on_lines(
        "OrderLinesMarkedAsDeliveredByBuyer",
        lambda line: line.logistics == "Shipped",
        _logistics("Delivered"),
        weight=9,
    ),
    _on_lines(
        "OrderLinesCompletedByBuyer",
        lambda line: _CONFIRMED(line) and line.logistics == "Delivered",
        lambda _, line: line.change(process="Completed"),
        weight=12,
    ),
    _on_lines(
        "OrderLinesCancelledByBuyer",
        _in("Issued", "Confirmed"),
        lambda _, line: line.change(process="Cancelled", logistics="Cancelled"),
        weight=1,
    ),
    _on_lines("CancelledOrderLinesRevertedByBuyer", _in("Cancelled"), _revert_cancellation),
    Action("split", lambda order: any(map(_can_split(order), order.lines)), _split, weight=5),
    Action("number splits", _has_new_parts, _number_splits, weight=6),
    Action("attach documents", lambda order: True, _attach, weight=4),
    Action("reassign contact", lambda order: True, _reassign, weight=1),
    Action("describe", lambda order: True, _describe, weight=1),
    Action("resend", lambda order: not order.history[-1].resent, Order.resend, weight=1),
)
