"""What is written of a state, by what the tables hold already."""

from __future__ import annotations

from typing import Any

from handlers.erp.sql.judging import Writes, judged
from handlers.erp.sql.rows import DELIVERY, DOCUMENT, LINE, ORDER, PRICE, SHIPMENT, SHIPMENT_LINE, Row, rows_of
from handlers.interface import Endpoint


def moment(tick: int) -> str:
    return f"2026-10-01T00:{tick:02}:00Z"


def line(
    position: str | None = "10", tick: int = 1, *deliveries: tuple[str, int], origin: str | None = None
) -> dict[str, Any]:
    names = {"position": position, "originalPosition": origin, "item": {"name": f"at {tick}"}}
    return {
        "buyerLine": names,
        "deliverySchedule": [{"position": name, "quantity": quantity} for name, quantity in deliveries],
        "prices": {"priceUnitQuantity": tick},
        "lastUpdatedAt": moment(tick),
    }


def order(tick: int, *lines: dict[str, Any], **header: Any) -> dict[str, Any]:
    return {"orderEvent": {"version": tick, "lastUpdatedAt": moment(tick), "lines": list(lines), **header}}


def shipment(tick: int, *quantities: int, documents: tuple[str, ...] = ()) -> dict[str, Any]:
    lines = [{"purchaseOrderNumber": f"PO{q}", "supplierLine": {"despatchQuantity": q}} for q in quantities]
    papers = {"documents": [{"code": code} for code in documents]}
    return {"shipment": {"lines": lines, "meta": {"lastUpdatedAt": moment(tick)}, "supplierShipment": papers}}


def after(before: dict[str, Any] | None, body: dict[str, Any], endpoint: Endpoint = Endpoint.ORDER) -> Writes:
    """What a state does to tables that hold another one."""
    new = rows_of(endpoint, "s", body)
    if before is None:
        return judged(new, None, {table: [] for table in new.parts})
    old = rows_of(endpoint, "s", before)
    return judged(new, old.header, old.parts)


def named(writes: dict[str, list[Row]], table: str, *columns: str) -> list[tuple[Any, ...]]:
    return [tuple(row[column] for column in columns) for row in writes.get(table, [])]


def test_first_state_is_written_as_a_whole() -> None:
    writes = after(None, order(1, line("10", 1, ("1", 5)), buyerOrder={"documents": [{"code": "A"}]}))
    assert {table: len(rows) for table, rows in writes.insert.items()} == {
        ORDER: 1,
        LINE: 1,
        DELIVERY: 1,
        PRICE: 1,
        DOCUMENT: 1,
    }
    assert writes.older == []


def test_same_state_changes_nothing() -> None:
    state = order(1, line("10", 1, ("1", 5)), buyerOrder={"documents": [{"code": "A"}]})
    assert len(after(state, state)) == 0
    assert len(after(shipment(1, 5), shipment(1, 5), Endpoint.SHIPMENT)) == 0


def test_only_what_differs_is_written() -> None:
    before = order(1, line("10", 1, ("1", 5)), line("20", 1, ("1", 5)))
    writes = after(before, order(2, line("10", 1, ("1", 5)), line("20", 2, ("1", 6), ("2", 1))))
    assert writes.insert.keys() == {DELIVERY}
    assert named(writes.insert, DELIVERY, "line_key", "delivery_key") == [("20", "2")]
    assert named(writes.update, DELIVERY, "line_key", "delivery_key", "quantity") == [("20", "1", 6)]
    assert named(writes.update, LINE, "line_key") == [("20",)]
    assert named(writes.update, PRICE, "line_key") == [("20",)]


def test_delivery_that_is_not_there_any_more_goes() -> None:
    before = order(1, line("10", 1, ("1", 5), ("2", 5)), line("20", 1, ("1", 5)))
    writes = after(before, order(2, line("10", 2, ("1", 10)), line("20", 1, ("1", 5))))
    assert named(writes.delete, DELIVERY, "line_key", "delivery_key") == [("10", "2")]


def test_line_and_document_that_are_missing_stay() -> None:
    before = order(1, line("10", 1, ("1", 5)), line("20", 1, ("1", 5)), buyerOrder={"documents": [{"code": "A"}]})
    writes = after(before, order(2, line("10", 2, ("1", 6))))
    assert not any(writes.delete.values())


def test_line_that_was_split_off_and_has_a_position_now_is_one_row_not_two() -> None:
    before = order(1, line("10", 1, ("1", 5)), line(None, 1, ("1", 2), origin="10"))
    writes = after(before, order(2, line("10", 1, ("1", 5)), line("11", 2, ("1", 2), origin="10")))
    assert named(writes.delete, LINE, "line_key") == [("10/split",)]
    assert named(writes.delete, DELIVERY, "line_key") == [("10/split",)]
    assert named(writes.insert, LINE, "line_key") == [("11",)]


def test_older_state_overwrites_nothing_and_names_what_is_left_out() -> None:
    newer = order(5, line("10", 5, ("1", 5)), line(None, 5, ("1", 5), origin="10"))
    writes = after(newer, order(2, line("10", 2, ("1", 2), ("2", 2))))
    assert len(writes) == 0
    assert writes.older == ["header", "line 10"]


def test_each_line_is_judged_by_itself() -> None:
    before = order(5, line("10", 5, ("1", 5)), line("20", 1, ("1", 1)))
    writes = after(before, order(5, line("10", 3, ("1", 3)), line("20", 4, ("1", 4)), line("30", 2, ("1", 2))))
    assert writes.older == ["line 10"]
    assert named(writes.update, LINE, "line_key") == [("20",)]
    assert named(writes.insert, LINE, "line_key") == [("30",)]
    assert named(writes.update, DELIVERY, "line_key", "quantity") == [("20", 4)]


def test_older_state_still_brings_a_document_that_is_not_known() -> None:
    newer = order(5, line("10", 5), buyerOrder={"documents": [{"code": "A", "name": "new"}]})
    older = order(2, line("10", 2), buyerOrder={"documents": [{"code": "A", "name": "old"}, {"code": "B"}]})
    writes = after(newer, older)
    assert named(writes.insert, DOCUMENT, "code") == [("B",)]
    assert writes.update == {}


def test_header_of_the_same_moment_is_judged_by_its_version() -> None:
    at = {"lastUpdatedAt": moment(1)}
    writes = after(order(5, **at, reason="new"), order(4, **at, reason="old"))
    assert writes.older == ["header"]
    assert len(after(order(4, **at, reason="old"), order(5, **at, reason="new"))) == 1


def test_shipment_is_replaced_as_a_whole_and_never_by_an_older_one() -> None:
    before = shipment(2, 1, 2, documents=("A", "B"))
    writes = after(before, shipment(3, 2, 3, documents=("B",)), Endpoint.SHIPMENT)
    assert named(writes.delete, SHIPMENT_LINE, "line_key") == [("PO1",)]
    assert named(writes.insert, SHIPMENT_LINE, "line_key") == [("PO3",)]
    assert named(writes.delete, DOCUMENT, "code") == [("A",)]
    assert len(writes.update[SHIPMENT]) == 1
    older = after(before, shipment(1, 7), Endpoint.SHIPMENT)
    assert (len(older), older.older) == (0, ["shipment"])
