"""What the handlers read off a valid body."""

from __future__ import annotations

from typing import Any

import pytest

from handlers.orders import receive_order_event
from handlers.shipments import MAX_ORDERS, receive_shipment_event

ORDER_ID = "51bce838-0c6e-5ff8-8982-b8d3c5aedf81-PO-1"
IDENTITY = {"messageId": "m", "source": {"traceId": "t"}}


@pytest.mark.parametrize("payload", ["orderEvent", "singleDeliveryOrderEvent", "orderDocumentsEvent"])
def test_facts_of_an_order_event(payload: str) -> None:
    body: Any = {
        "eventName": "OrderIssuedByBuyer",
        payload: {
            "orderId": ORDER_ID,
            "buyerOrder": {"purchaseOrderNumber": "PO-2"},
            "version": 7,
            "lastUpdatedAt": "2026-07-01T08:11:13.456Z",
        },
        "meta": IDENTITY,
    }
    facts = receive_order_event(body)
    assert (facts.payload_kind, facts.subject_id, facts.purchase_order_numbers) == (payload, ORDER_ID, ("PO-2",))
    assert (facts.message_id, facts.trace_id) == ("m", "t")
    assert (facts.version, facts.last_updated_at) == ("7", "2026-07-01T08:11:13.456Z")


def test_order_number_is_read_off_the_order_id_when_the_order_does_not_say_it() -> None:
    facts = receive_order_event({"eventName": "OrderResentByBuyer", "orderEvent": {"orderId": ORDER_ID}})
    assert facts.purchase_order_numbers == ("PO-1",)
    assert facts.resent


@pytest.mark.parametrize("order_id", ["PO-1", "", None, "51bce838-0c6e-5ff8-8982-b8d3c5aedf81-"])
def test_order_id_of_another_form_gives_no_order_number(order_id: str | None) -> None:
    facts = receive_order_event({"eventName": "X", "orderEvent": {"orderId": order_id}})
    assert facts.purchase_order_numbers == ()


def test_message_identity_stands_in_the_body_or_in_the_order_and_is_never_content() -> None:
    outside: Any = {"eventName": "X", "orderEvent": {"version": 1}, "meta": IDENTITY}
    inside: Any = {"eventName": "X", "orderEvent": {"version": 1, "meta": IDENTITY}}
    neither: Any = {"eventName": "X", "orderEvent": {"version": 1}}
    facts = [receive_order_event(body) for body in (outside, inside, neither)]
    assert [one.message_id for one in facts] == ["m", "m", None]
    assert facts[0].content == facts[1].content == facts[2].content


def test_identity_in_the_body_goes_before_the_one_in_the_order() -> None:
    body: Any = {
        "eventName": "X",
        "orderEvent": {"meta": {"messageId": "inside"}},
        "meta": {"messageId": "outside"},
    }
    assert receive_order_event(body).message_id == "outside"


def test_meta_of_a_shipment_is_its_state_and_meta_of_the_body_is_not() -> None:
    def content(state: str, message: str) -> Any:
        body: Any = {
            "eventName": "ShipmentIssuedBySupplier",
            "shipment": {"id": "s", "meta": {"lastUpdatedAt": state}},
            "meta": {"messageId": message},
        }
        return receive_shipment_event(body).content

    assert content("2026-01-01", "m1") == content("2026-01-01", "m2")
    assert content("2026-01-01", "m1") != content("2026-01-02", "m1")


def test_shipment_names_the_orders_of_loose_and_of_loaded_lines_each_once() -> None:
    def line(number: str) -> dict[str, Any]:
        return {"purchaseOrderNumber": number}

    shipment: Any = {
        "lines": [line("PO-1"), line("PO-2"), {}, None],
        "loadCarriers": [{"lines": [line("PO-2"), line("PO-3")]}, {"lines": None}],
    }
    facts = receive_shipment_event({"eventName": "X", "shipment": shipment})
    assert facts.purchase_order_numbers == ("PO-1", "PO-2", "PO-3")


def test_shipment_of_absurdly_many_orders_is_found_by_the_first_of_them() -> None:
    lines: Any = [{"purchaseOrderNumber": f"PO-{i}"} for i in range(5000)]
    facts = receive_shipment_event({"eventName": "X", "shipment": {"lines": lines}})
    assert len(facts.purchase_order_numbers) == MAX_ORDERS


@pytest.mark.parametrize("nothing", [None, {}, []])
def test_members_that_say_nothing_are_no_trouble(nothing: Any) -> None:
    for handler, name in ((receive_order_event, "orderEvent"), (receive_shipment_event, "shipment")):
        body: Any = {
            "eventName": "X",
            name: {"buyerOrder": nothing, "lines": nothing, "version": nothing},
            "meta": nothing,
        }
        facts = handler(body)
        assert (facts.message_id, facts.version, facts.purchase_order_numbers) == (None, None, ())
