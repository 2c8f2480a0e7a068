"""Bad habits of receivers with bodies that keep the contract: each fault that looks at the content of an event.

One function per fault, called after the check of the contract; it answers, or lets the event pass with None.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from conformance.mutants.answers import INVALID, Answer, problem
from conformance.mutants.contract_check import Shape, known_event_names, shape_of
from conformance.mutants.event import ORDER_PAYLOADS, XML, Event, members
from conformance.mutants.faults import Faults

Habit = Callable[[Event], Answer | None]
_HABITS: dict[str, Habit] = {}


def answer_out_of_habit(event: Event, faults: Faults) -> Answer | None:
    """The answer that the fault gives to this event; None when it has none."""
    habit = _HABITS.get(faults.fault or "")
    return habit(event) if habit else None


def ids() -> frozenset[str]:
    """The faults that are switched here."""
    return frozenset(_HABITS)


def habit(fault: str) -> Callable[[Habit], Habit]:
    """Register the function as the behaviour of a fault."""

    def register(function: Habit) -> Habit:
        _HABITS[fault] = function
        return function

    return register


def refuse_if(is_true: bool, detail: str, status: int = 400) -> Answer | None:
    """A refusal, or nothing."""
    return problem(status, detail, reason=INVALID if status == 400 else "") if is_true else None


def crash_if(is_true: bool, exception: str) -> Answer | None:
    """The answer of a framework to an exception that nobody caught."""
    return refuse_if(is_true, f"Unhandled exception. {exception}", 500)


def documented(event: Event) -> Iterator[tuple[Shape, dict[str, Any]]]:
    """Every object of the body that the contract describes, with its shape; the body first."""
    waiting: list[tuple[Shape, Any]] = [(shape_of(event.path), event.body)]
    while waiting:
        shape, value = waiting.pop(0)
        if shape.item is not None and isinstance(value, list):
            waiting.extend((shape.item, one) for one in value)
        elif isinstance(value, dict) and not shape.is_open:
            yield shape, value
            waiting.extend((shape.members[name], held) for name, held in value.items() if name in shape.members)


def unknown_members(event: Event) -> Iterator[tuple[str, str, Any]]:
    """Shape, name and value of every member that the contract does not know, in objects that it does."""
    for shape, value in documented(event):
        for name, held in value.items():
            if name not in shape.members:
                yield shape.name, name, held


def values_of(event: Event, shape_name: str, member: str) -> Iterator[Any]:
    """The values of one member of one kind of object, wherever it stands."""
    for shape, value in documented(event):
        if shape.name == shape_name and value.get(member) is not None:
            yield value[member]


def texts(event: Event) -> Iterator[str]:
    """Every text of the body."""
    return (text for _, text in members(event.body))


# Payloads and event names.


@habit("MU-32")
def _no_single_delivery(event: Event) -> Answer | None:
    return crash_if(event.payload_name == "singleDeliveryOrderEvent", "NotSupportedException")


@habit("MU-33")
def _no_documents_event(event: Event) -> Answer | None:
    return refuse_if(event.payload_name == "orderDocumentsEvent", "orderEvent is required.")


@habit("MU-101")
def _no_order_event(event: Event) -> Answer | None:
    return refuse_if(event.payload_name == "orderEvent", "singleDeliveryOrderEvent is required.")


@habit("MU-102")
def _no_shipment(event: Event) -> Answer | None:
    return refuse_if(event.payload_name == "shipment" and event.media != XML, "Could not convert the shipment.")


@habit("MU-103")
def _no_txml_order(event: Event) -> Answer | None:
    return refuse_if(event.media == XML and event.payload_name == "orderEvent", "The element line is not expected.")


@habit("MU-104")
def _no_txml_single_delivery(event: Event) -> Answer | None:
    is_it = event.media == XML and event.payload_name == "singleDeliveryOrderEvent"
    return crash_if(is_it, "XmlMappingException: no mapping for singleDeliveryOrderEvent")


@habit("MU-105")
def _no_txml_documents(event: Event) -> Answer | None:
    return refuse_if(event.media == XML and event.payload_name == "orderDocumentsEvent", "No content.")


@habit("MU-106")
def _no_txml_shipment(event: Event) -> Answer | None:
    return refuse_if(event.media == XML and event.payload_name == "shipment", "Only JSON here.", 415)


@habit("MU-108")
def _one_name_forgotten(event: Event) -> Answer | None:
    return refuse_if(event.name == "OrderLinesShipmentRescheduleRejectedByBuyer", "The event is not known.")


@habit("MU-109")
def _one_shipment_name_forgotten(event: Event) -> Answer | None:
    return refuse_if(event.name == "ShipmentHeaderUpdatedBySupplier", "The event is not known.")


@habit("MU-110")
def _one_documents_name_crashes(event: Event) -> Answer | None:
    return crash_if(event.name == "OrderDocumentsAttachedByBuyer", "KeyError: 'OrderDocumentsAttachedByBuyer'")


@habit("MU-27")
def _closed_event_names(event: Event) -> Answer | None:
    return refuse_if(event.name not in known_event_names(event.path), "The event is not known.")


@habit("MU-172")
def _a_known_payload_is_required(event: Event) -> Answer | None:
    return refuse_if(event.payload_name is None, "One of the payloads is required.")


@habit("MU-227")
def _two_payloads(event: Event) -> Answer | None:
    count = sum(isinstance(event.body.get(name), dict) for name in ORDER_PAYLOADS)
    return refuse_if(count > 1, "The event could not be mapped.", 503)


@habit("MU-279")
def _a_payload_that_is_null(event: Event) -> Answer | None:
    found = any(name in event.body and event.body[name] is None for name in ORDER_PAYLOADS)
    return crash_if(found, "NullReferenceException: orderEvent")


# What is required, and what is empty.


@habit("MU-111")
def _order_number_required(event: Event) -> Answer | None:
    number = (event.payload.get("buyerOrder") or {}).get("purchaseOrderNumber")
    return refuse_if(event.payload_name in ORDER_PAYLOADS and not number, "purchaseOrderNumber is required.")


@habit("MU-178")
def _buyer_order_required(event: Event) -> Answer | None:
    return refuse_if(
        event.payload_name in ORDER_PAYLOADS and not event.payload.get("buyerOrder"), "buyerOrder is required."
    )


@habit("MU-177")
def _lines_required(event: Event) -> Answer | None:
    is_order = event.payload_name in ("orderEvent", "singleDeliveryOrderEvent")
    return crash_if(is_order and not event.payload.get("lines"), "NullReferenceException: lines")


@habit("MU-205")
def _message_id_required(event: Event) -> Answer | None:
    return refuse_if(event.message_id is None, "meta.messageId is required.")


@habit("MU-35")
def _empty_schedule_position(event: Event) -> Answer | None:
    schedules = [value for shape, value in documented(event) if shape.name == "DeliveryScheduleLine"]
    return crash_if(any(not one.get("position") for one in schedules), "NullReferenceException: position")


@habit("MU-113")
def _split_line_without_position(event: Event) -> Answer | None:
    lines = [v for shape, v in documented(event) if shape.name == "SingleDeliveryBuyerLine"]
    return crash_if(
        any(line.get("originalPosition") and not line.get("position") for line in lines),
        "ArgumentNullException: position",
    )


@habit("MU-242")
def _empty_identifier(event: Event) -> Answer | None:
    names = (
        "purchaseOrderNumber",
        "orderId",
        "messageId",
        "companyId",
        "shipmentNumber",
        "id",
        "position",
        "number",
    )
    found = any(
        value.get(name) is not None and not str(value[name]).strip()
        for _, value in documented(event)
        for name in names
    )
    return crash_if(found, "IntegrityError: NOT NULL constraint failed")


@habit("MU-269")
def _rare_member(event: Event) -> Answer | None:
    found = any(isinstance(value.get("certification"), dict) for _, value in documented(event))
    return crash_if(found, "NotImplementedException: certification")


@habit("MU-270")
def _forecasts_unknown(event: Event) -> Answer | None:
    found = any(value.get("orderType") == "Forecast" for _, value in documented(event))
    return refuse_if(found, "orderType is not known.")


# Unknown members and values.


@habit("MU-24")
def _unknown_at_the_root(event: Event) -> Answer | None:
    return refuse_if(any(name == "WebhookBody" for name, _, _ in unknown_members(event)), "Unknown member.")


@habit("MU-166")
def _unknown_further_down(event: Event) -> Answer | None:
    return refuse_if(any(name != "WebhookBody" for name, _, _ in unknown_members(event)), "Unknown member.")


@habit("MU-167")
def _unknown_null(event: Event) -> Answer | None:
    return crash_if(any(held is None for _, _, held in unknown_members(event)), "NullReferenceException")


@habit("MU-168")
def _unknown_odd_name(event: Event) -> Answer | None:
    odd = any(not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) for _, name, _ in unknown_members(event))
    return refuse_if(odd, "A member's name is not allowed.")


@habit("MU-169")
def _unknown_nested(event: Event) -> Answer | None:
    long = any(isinstance(held, list) and len(held) > 5 for _, _, held in unknown_members(event))
    return crash_if(long, "IndexOutOfRangeException")


@habit("MU-187")
def _several_unknown(event: Event) -> Answer | None:
    return refuse_if(len(list(unknown_members(event))) > 1, "Too many unknown members.")


@habit("MU-26")
def _closed_process_status(event: Event) -> Answer | None:
    known = {"Issued", "InProgress", "Confirmed", "Rejected", "Completed", "Cancelled"}
    values = [*values_of(event, "LineStatus", "processStatus"), *values_of(event, "OrderStatus", "processStatus")]
    return refuse_if(any(value not in known for value in values), "processStatus has an unknown value.")


@habit("MU-170")
def _closed_line_type(event: Event) -> Answer | None:
    known = {"Item", "Service", "Charge"}
    lines = [value["lineType"] for _, value in documented(event) if isinstance(value.get("lineType"), str)]
    return crash_if(any(value not in known for value in lines), "No enum constant LineType")


@habit("MU-171")
def _closed_shipment_status(event: Event) -> Answer | None:
    values = values_of(event, "ShipmentStatus", "processStatus")
    return refuse_if(any(v not in {"Issued", "Approved", "Rejected"} for v in values), "Unknown processStatus.")
