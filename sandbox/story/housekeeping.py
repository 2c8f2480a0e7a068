"""Changes beside price, delivery and goods: remarks, item details, contacts, and the order sent once more."""

from __future__ import annotations

from decimal import Decimal

from sandbox.story.line import Line
from sandbox.story.negotiation import remark
from sandbox.story.order import Order


def update_by_buyer(order: Order, lines: list[Line]) -> None:
    """Header and line data other than prices and deliveries."""
    order.notes = [remark(order), remark(order)]
    for line in lines:
        line.project = f"P-{order.random.randrange(1000):03}"
        line.notes = [remark(order)]
    order.tell("OrderLinesUpdatedByBuyer", lines)


def update_by_supplier(order: Order, lines: list[Line]) -> None:
    """The same of the supplier."""
    order.supplier_description = f"{order.supplier.name}: {remark(order)}"
    for line in lines:
        line.supplier_text = remark(order)
    order.tell("OrderLinesUpdatedBySupplier", lines)


def change_item_details(order: Order, lines: list[Line]) -> None:
    """The supplier knows more of the goods."""
    for line in lines:
        line.origin_country = order.random.choice(("AT", "CN", "SE", "PT"))
        line.net_weight = Decimal(order.random.randrange(1, 10**9)).scaleb(-9)
    order.tell("OrderLinesItemDetailsChanged", lines)


def reassign(order: Order, party: str) -> None:
    """Another employee became responsible; no line is touched."""
    email = f"person-{order.random.randrange(100)}@{party.lower()}.example"
    if party == "Buyer":
        order.buyer_contact = email
    else:
        order.supplier_contact = email
    order.tell(f"OrderContactReassignedBy{party}", [])
