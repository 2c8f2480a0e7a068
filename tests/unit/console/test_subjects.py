"""Orders and shipments on a terminal, whatever is in them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers.interface import ChangeKind, Endpoint, JsonObject, JsonValue, Role
from service.console.orders import order_text
from service.console.shipments import shipment_text
from service.console.subjects import history_json, history_text, subjects_table
from service.json_body import parse
from tests.acceptance.running import example
from tests.unit.console.test_events import AT, CHANGE, ID

ROW = {
    "subject_id": "51bce838-0c6e-5ff8-8982-b8d3c5aedf81-NH-2026-00417",
    "purchase_order_number": "NH-2026-00417",
    "shipment_number": "VS-26-1107",
    "supplier_account_number": "70044",
    "buyer_account_number": "D-10093",
    "process_status": "InProgress",
    "logistics_status": "ReadyToShip",
    "version": "2",
    "last_updated_at": "2026-10-06T12:05:44.018Z",
    "lines": 3,
    "events": 4,
    "changed_at": AT,
    "last_event_id": ID,
    "last_event_name": "OrderIssuedByBuyer",
}


def payload(name: str, kind: str) -> JsonObject:
    document = parse(example(name)).document
    assert isinstance(document, dict)
    found = document[kind]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize(
    ("name", "kind"), [("order-issued", "orderEvent"), ("order-single-delivery-split", "singleDeliveryOrderEvent")]
)
def test_order_fits_80_columns(name: str, kind: str) -> None:
    text = order_text(ROW, payload(name, kind), Role.BUYER, 80)
    table = text[text.index("LINE ") :].splitlines()
    assert max(map(len, table[:-1])) <= 80


def test_order_shows_each_delivery_with_exact_quantity_and_price() -> None:
    text = order_text(ROW, payload("order-issued", "orderEvent"), Role.BUYER)
    lines = text[text.index("LINE ") :].splitlines()
    assert lines[1].split() == [
        *("00010", "GD-0815", "Gleitringdichtung", "Ø", "45", "mm"),
        *("40.00", "PCE", "2026-11-16", "12.00", "EUR", "Issued"),
    ]
    assert lines[2].split() == ["24.50", "PCE", "2026-12-07"]
    assert "1234567890123456.789012345 KGM" in text
    assert "0.0875/100 EUR" in text


def test_order_in_single_delivery_mode_shows_split_lines_by_their_origin() -> None:
    order = payload("order-single-delivery-split", "singleDeliveryOrderEvent")
    text = order_text(ROW, order, Role.BUYER)
    assert "split from 1" in text
    assert "180 PCE" in text


def test_shipment_shows_its_lines_with_carrier_and_backorder() -> None:
    text = shipment_text(ROW, payload("shipment-issued", "shipment"), Role.BUYER)
    assert "arrival          2026-11-16 to 2026-11-17" in text
    assert "25.00 PCE  15.00 2027-01-11  CSQU3054383" in text
    narrow = shipment_text(ROW, payload("shipment-issued", "shipment"), Role.BUYER, 80)
    assert max(map(len, narrow[narrow.index("ORDER ") :].splitlines()[:-1])) <= 80


def test_order_on_80_columns_has_item_and_status_below_and_cuts_nothing() -> None:
    text = order_text(ROW, payload("order-issued", "orderEvent"), Role.BUYER, 80)
    lines = text[text.index("LINE ") :].splitlines()
    assert lines[0].split() == ["LINE", "QUANTITY", "DATE", "PRICE"]
    assert lines[1].split() == ["00010", "40.00", "PCE", "2026-11-16", "12.00", "EUR"]
    assert lines[2:4] == ["    GD-0815 Gleitringdichtung Ø 45 mm", "    Issued"]
    assert "0.0875/100 EUR" in text
    assert "…" not in text


def test_order_shows_what_a_proposal_asks_for() -> None:
    text = order_text(ROW, payload("order-proposal", "orderEvent"), Role.BUYER)
    requested = [line.split() for line in text.splitlines() if line.endswith("requested")]
    assert requested == [
        ["25.00", "PCE", "2026-11-16", "12.65", "EUR", "requested"],
        ["15.00", "PCE", "2027-01-11", "requested"],
    ]
    assert "requested" not in order_text(ROW, payload("order-issued", "orderEvent"), Role.BUYER)


def test_supplier_sees_the_number_of_the_buyer() -> None:
    assert "buyer            D-10093" in order_text(ROW, {}, Role.SUPPLIER)
    assert "D-10093" in subjects_table(Endpoint.ORDER, [ROW], Role.SUPPLIER)


@pytest.mark.parametrize("endpoint", Endpoint)
def test_list_fits_80_columns(endpoint: Endpoint) -> None:
    long: dict[str, Any] = ROW | {"purchase_order_number": "P" * 90, "supplier_account_number": "S" * 90}
    assert max(map(len, subjects_table(endpoint, [ROW, long], Role.BUYER, 80).splitlines())) <= 80
    assert subjects_table(endpoint, [], Role.BUYER) == f"No {endpoint}s fit."


VALUES: st.SearchStrategy[JsonValue] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


def replaced(value: JsonValue, choose: Any) -> JsonValue:
    """The value with some of its parts replaced by anything."""
    if choose(st.integers(0, 19)) == 0:
        odd: JsonValue = choose(VALUES)
        return odd
    if isinstance(value, dict):
        return {name: replaced(member, choose) for name, member in value.items()}
    return [replaced(item, choose) for item in value] if isinstance(value, list) else value


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_any_value_at_any_place_is_shown_or_left_out(data: st.DataObject) -> None:
    order = replaced(payload("order-issued", "orderEvent"), data.draw)
    shipment = replaced(payload("shipment-issued", "shipment"), data.draw)
    for text in (
        order_text(ROW, order if isinstance(order, dict) else {}, Role.BUYER, 80),
        shipment_text(ROW, shipment if isinstance(shipment, dict) else {}, Role.BUYER, 80),
    ):
        assert all(line.isprintable() for line in text.split("\n"))


EVENT = {
    "id": ID,
    "event_name": "OrderIssuedByBuyer",
    "received_at": AT,
    "state": "done",
    "reason": None,
    "applied_at": AT,
    "version": "1",
    "last_updated_at": None,
    "news": True,
    "changes": (CHANGE,),
    "stale": ["line 20"],
    "flags": [],
    "echo": [],
}
UNMERGED = EVENT | {"news": None, "changes": (), "stale": None, "flags": None, "echo": None, "state": "waiting"}


def test_history_tells_what_each_event_changed() -> None:
    text = history_text("order-1", [EVENT, UNMERGED], 60)
    assert text.splitlines() == [
        "order-1",
        "",
        "2026-11-25 18:02Z OrderIssuedByBuyer, version 1",
        f"  {ID}  done",
        "  changed:",
        r"    Line 10: \x1b[2J price.",
        "  left out, because something newer is known:",
        "    line 20",
        "",
        "2026-11-25 18:02Z OrderIssuedByBuyer, version 1",
        f"  {ID}  waiting",
        "  not merged",
    ]


def test_history_tells_what_is_agreed_before_members_that_merely_differ() -> None:
    noise = replace(CHANGE, kind=ChangeKind.OTHER, sentence="A note is gone.")
    text = history_text("order-1", [EVENT | {"changes": (*[noise] * 30, CHANGE)}])
    lines = text.splitlines()
    assert lines[5] == r"    Line 10: \x1b[2J price."
    assert lines[-3] == "    and 11 more; --json shows them"


def test_history_for_a_program_has_exact_values() -> None:
    text = history_json("order-1", [EVENT, UNMERGED])
    assert '"old": 12.50' in text
    assert [one["changes"] is None for one in json.loads(text)["events"]] == [False, True]
