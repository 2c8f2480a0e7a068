"""From a merged order or shipment to rows: what stands in which column, and what never gets lost."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import jiter
import pytest

from handlers.erp.sql.cells import cut
from handlers.erp.sql.rows import (
    DELIVERY,
    DOCUMENT,
    LINE,
    MAX_ID,
    MAX_KEY,
    PRICE,
    SHIPMENT_LINE,
    Cell,
    Row,
    SubjectRows,
    rows_of,
)
from handlers.interface import Endpoint, Role
from handlers.orders import merge_order_event
from handlers.shipments import merge_shipment_event

EXAMPLES = Path(__file__).parents[4] / "specs" / "examples"


def example(name: str) -> Any:
    return jiter.from_json((EXAMPLES / name).read_bytes(), float_mode="decimal")


def order_rows(*names: str) -> SubjectRows:
    """Of the order after these example events."""
    state, merged = None, None
    for name in names:
        merged = merge_order_event(state, example(name), role=Role.BUYER)
        state = merged.state
    assert merged is not None
    return rows_of(Endpoint.ORDER, "subject", merged.current)


def rows_of_order(order: dict[str, Any], kind: str = "orderEvent") -> SubjectRows:
    return rows_of(Endpoint.ORDER, "subject", {"eventName": "X", kind: order})


def rows_of_line(line: dict[str, Any], kind: str = "orderEvent") -> SubjectRows:
    return rows_of_order({"lines": [line]}, kind)


def read(data: Cell) -> Any:
    return jiter.from_json(str(data).encode(), float_mode="decimal")


def one(rows: list[Row]) -> Row:
    (row,) = rows
    return row


def columns(row: Row, *names: str) -> tuple[Any, ...]:
    return tuple(row[name] for name in names)


def test_issued_order_is_one_row_with_its_lines_deliveries_and_prices() -> None:
    rows = order_rows("order-issued.json")
    sent = example("order-issued.json")["orderEvent"]
    assert rows.header["purchase_order_number"] == sent["buyerOrder"]["purchaseOrderNumber"]
    assert rows.header["delivery_mode"] == "schedule"
    assert rows.header["version"] == Decimal(sent["version"])
    assert [row["line_key"] for row in rows.parts[LINE]] == [
        line["buyerLine"]["position"] for line in sent["lines"]
    ]
    assert [
        columns(row, "line_key", "delivery_key", "delivery_date", "quantity")
        for row in rows.parts[DELIVERY]
        if row["kind"] == "current"
    ] == [
        (line["buyerLine"]["position"], each["position"], date.fromisoformat(each["date"]), each["quantity"])
        for line in sent["lines"]
        for each in line["deliverySchedule"]
    ]
    for line in sent["lines"]:
        (price,) = (
            row
            for row in rows.parts[PRICE]
            if (row["line_key"], row["kind"]) == (line["buyerLine"]["position"], "current")
        )
        net = line["prices"]["netPrice"]["priceInTransactionCurrency"]
        assert columns(price, "net_price", "net_currency") == (net["value"], net["currencyIso"])


def test_proposal_is_told_beside_what_is_agreed() -> None:
    rows = order_rows("order-proposal.json")
    for line in example("order-proposal.json")["orderEvent"]["lines"]:
        position = line["buyerLine"]["position"]
        for kind, member in (("current", "deliverySchedule"), ("requested", "deliveryScheduleIncludingRequests")):
            told = [
                row["quantity"]
                for row in rows.parts[DELIVERY]
                if (row["line_key"], row["kind"]) == (position, kind)
            ]
            assert told == [each.get("quantity") for each in line.get(member, [])]
    assert {row["kind"] for row in rows.parts[DELIVERY]} == {"current", "requested"}


def test_line_that_a_supplier_split_off_has_a_row_of_its_own_before_it_has_a_position() -> None:
    rows = order_rows("order-single-delivery-split.json")
    assert [columns(row, "line_key", "position", "original_position") for row in rows.parts[LINE]] == [
        ("1", "1", None),
        ("1/split", None, "1"),
    ]
    assert rows.header["delivery_mode"] == "single"
    assert [
        columns(row, "line_key", "kind", "delivery_date", "quantity", "etd", "eta") for row in rows.parts[DELIVERY]
    ] == [
        ("1", "current", date(2026, 11, 30), 180, None, None),
        ("1", "requested", date(2026, 11, 30), 180, None, None),
        ("1/split", "current", date(2026, 12, 14), 70, date(2026, 12, 11), date(2026, 12, 14)),
        ("1/split", "requested", date(2026, 12, 14), 70, date(2026, 12, 11), date(2026, 12, 14)),
    ]
    assert rows.parts[PRICE][0]["net_price"] == Decimal("318.40")


def test_documents_stand_where_they_were_attached() -> None:
    rows = order_rows("order-documents.json")
    assert [columns(row, "line_key", "party", "code", "object_id", "url") for row in rows.parts[DOCUMENT]] == [
        ("-", "supplier", "AB-60712-1", "ae8fb6f0-1a64-5b99-8abd-80c5fa1ba828", None),
        ("-", "supplier", "MUSTER-3", None, None),
        ("00010", "supplier", "WZ-31-0815", None, "http://docs.kaltwasser.example/wz/31?item=0815&lang=de"),
        ("00020", "unknown", "PT-7", "afcfa6b3-7e86-5525-a248-8e0ca4468034", None),
    ]
    assert rows.header["delivery_mode"] is None


def test_shipment_has_the_lines_of_all_load_carriers_and_its_documents() -> None:
    merged = merge_shipment_event(None, example("shipment-issued.json"), role=Role.BUYER)
    rows = rows_of(Endpoint.SHIPMENT, "subject", merged.current)
    assert columns(rows.header, "shipment_number", "tracking_number", "etd", "eta_end") == (
        "VS-26-1107",
        "TRK00558210DE",
        date(2026, 11, 13),
        date(2026, 11, 17),
    )
    assert [
        columns(row, "line_key", "purchase_order_number", "despatch_quantity", "container_number", "package_sscc")
        for row in rows.parts[SHIPMENT_LINE]
    ] == [
        ("LS-26-3391/40", "NH-2026-00417", Decimal("0.125"), None, None),
        ("LS-26-3391/10", "NH-2026-00417", 25, "CSQU3054383", None),
        ("LS-26-3391/20", "NH-2026-00502", 180, "CSQU3054383", None),
        ("LS-26-3391/30", "NH-2026-00417", Decimal("24.5"), None, "(00)342699990000000010"),
    ]
    assert [row["code"] for row in rows.parts[DOCUMENT]] == ["UNL-2", "PL-3391", "MSDS-FKM"]
    assert '"lines"' not in str(rows.header["data"])
    assert '"containerNumber"' in str(rows.header["data"])


def test_members_and_values_that_nobody_knows_yet_stand_in_data() -> None:
    rows = order_rows("order-from-the-future.json")
    sent = example("order-from-the-future.json")["orderEvent"]
    header = {name: value for name, value in sent.items() if name not in ("lines", "meta", "documents")}
    header["buyerOrder"].pop("documents", None)  # they stand in rows of their own
    assert read(rows.header["data"]) == header
    assert [read(row["data"]) for row in rows.parts[LINE]] == sent["lines"]


def test_every_digit_of_a_number_is_kept_in_its_column_and_in_data() -> None:
    quantity = Decimal("123456789012345678901234567890.123456789012345678901234567890")
    row = one(rows_of_line({"deliverySchedule": [{"quantity": quantity}]}).parts[DELIVERY])
    assert str(row["quantity"]) == str(quantity)
    assert str(quantity) in str(row["data"])


@pytest.mark.parametrize(
    "number", [Decimal("1E-2000"), Decimal("1E+300"), 10**4000, "many", True, [1], {}, "1e5", ""]
)
def test_what_is_no_number_for_a_column_leaves_it_empty_or_whole_and_stands_in_data(number: Any) -> None:
    row = one(rows_of_line({"deliverySchedule": [{"quantity": number}]}).parts[DELIVERY])
    fits = number == Decimal("1E+300")
    assert row["quantity"] == (number if fits else None)
    assert read(row["data"]) == {"quantity": number}


def test_number_in_quotation_marks_is_a_number() -> None:
    assert one(rows_of_line({"deliverySchedule": [{"quantity": "12.50"}]}).parts[DELIVERY])["quantity"] == Decimal(
        "12.50"
    )


@pytest.mark.parametrize(
    "told", ["2026-02-30", "1 September", "2026-09-01T00:00:00Z", "20260901", 5, None, "٢٠٢٦-09-01"]
)
def test_what_is_no_date_leaves_its_column_empty_and_stands_in_data(told: Any) -> None:
    row = one(rows_of_line({"deliverySchedule": [{"date": told}]}).parts[DELIVERY])
    assert row["delivery_date"] is None
    assert json.loads(str(row["data"])) == {"date": told}


def test_nul_and_half_characters_are_replaced_visibly_everywhere() -> None:
    rows = rows_of_line({"buyerLine": {"position": "1\0", "item": {"name": "a\ud800b"}}, "x\0": "\0"})
    row = one(rows.parts[LINE])
    assert columns(row, "line_key", "position", "item_name") == ("1␀", "1␀", "a\N{REPLACEMENT CHARACTER}b")
    assert json.loads(str(row["data"]))["x␀"] == "␀"


def test_rows_of_one_name_are_told_apart_by_their_turn() -> None:
    line = {"buyerLine": {"originalPosition": "1"}}
    rows = rows_of_order({"lines": [{}, line, line, line, {}, {"buyerLine": {"position": "#1"}}]})
    keys = [row["line_key"] for row in rows.parts[LINE]]
    assert keys == ["#1", "1/split", "1/split#2", "1/split#3", "#5", "#1#2"]
    deliveries = [{"position": "1"}, {}, {"position": "1"}, {}]
    keys = [row["delivery_key"] for row in rows_of_line({"deliverySchedule": deliveries}).parts[DELIVERY]]
    assert keys == ["1", "#2", "1#2", "#4"]


def test_names_of_any_length_fit_into_their_columns_and_stay_different() -> None:
    long = "x" * 5000
    rows = rows_of_order(
        {"lines": [{"buyerLine": {"position": long + end}} for end in "abba"]}
        | {"buyerOrder": {"purchaseOrderNumber": long, "documents": [{"code": long + "a"}, {"code": long + "b"}]}}
    )
    keys = [str(row["line_key"]) for row in rows.parts[LINE]]
    assert len(set(keys)) == 4
    assert max(map(len, keys)) <= MAX_KEY
    assert len(rows.parts[DOCUMENT]) == len({row["document_key"] for row in rows.parts[DOCUMENT]}) == 2
    assert rows.parts[LINE][0]["position"] == long + "a"
    assert len(str(rows.header["purchase_order_number"])) <= MAX_ID
    assert cut("x" * 200, 200) == "x" * 200


def test_what_is_written_is_never_a_float() -> None:
    rows = order_rows("order-issued.json")
    cells = [cell for table in rows.parts.values() for row in table for cell in row.values()]
    assert not any(isinstance(cell, float) for cell in [*cells, *rows.header.values()])


@pytest.mark.parametrize("kind", ["orderEvent", "singleDeliveryOrderEvent", "orderDocumentsEvent", "unknownEvent"])
@pytest.mark.parametrize("odd", [None, 5, "x", [], [None, 5, "x", [[]]], {"buyerLine": 5, "status": []}])
def test_odd_forms_are_no_trouble(kind: str, odd: Any) -> None:
    rows_of_order({"lines": odd, "buyerOrder": odd, "status": odd, "version": odd}, kind)
    rows_of_line({"deliverySchedule": odd, "prices": odd, "buyerLine": odd, "statusLine": odd, "id": odd}, kind)
    rows_of(
        Endpoint.SHIPMENT, "s", {"shipment": {"lines": odd, "loadCarriers": odd, "locations": odd, "meta": odd}}
    )
