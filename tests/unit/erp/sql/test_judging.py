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


def after(
    before: dict[str, Any] | None,
    body: dict[str, Any],
    endpoint: Endpoint = Endpoint.ORDER,
    *,
    event: str = "2",
    by: str = "1",
) -> Writes:
    """What a state of an event does to tables that hold another one, written by another event."""
    new = rows_of(endpoint, "s", body)
    if before is None:
        return judged(new, None, {table: [] for table in new.parts}, event)
    old = rows_of(endpoint, "s", before)
    stored = {table: [{**row, "event_id": by} for row in rows] for table, rows in old.parts.items()}
    return judged(new, {**old.header, "event_id": by}, stored, event)


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


NUMBERED = line("11", 2, ("1", 2), origin="10") | {"id": "l-11"}
NAMELESS = line(None, 1, ("1", 2), origin="10") | {"id": "l-x"}


def test_split_that_has_its_position_is_not_there_twice_after_an_older_state_came_late() -> None:
    for header in (1, 2):  # older than the tables', or the same
        late = after(order(2, line("10"), NUMBERED), order(header, line("10"), NAMELESS))
        assert len(late) == 0
        assert "line 10/l-x" in late.older


def test_split_is_not_removed_by_a_late_state_of_before_it() -> None:
    for header in (1, 2):
        assert len(after(order(2, line("10"), NAMELESS), order(header, line("10")))) == 0


def test_split_that_gets_its_position_from_an_event_whose_header_is_no_news_is_one_row() -> None:
    writes = after(order(2, line("10"), NAMELESS), order(2, line("10"), NUMBERED))
    assert named(writes.delete, LINE, "line_key") == [("10/l-x",)]
    assert named(writes.insert, LINE, "line_key") == [("11",)]


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


def papers(*revisions: str) -> dict[str, Any]:
    return {"documents": [{"code": f"D{number}", "revision": each} for number, each in enumerate(revisions)]}


def test_documents_that_a_document_event_brought_are_not_taken_back_by_a_state_of_before_it() -> None:
    # It leaves the marks of header and lines as they are, so these tell nothing.
    at = line("10", 1, ("1", 5))
    before_it = order(1, at)
    after_it = order(1, at | {"supplierLine": papers("A")}, buyerOrder=papers("A", "B"), **papers("A"))
    late = after(after_it, before_it, event="1", by="2")
    assert (len(late), late.update) == (0, {})
    assert {table: len(rows) for table, rows in after(before_it, after_it).insert.items()} == {DOCUMENT: 4}


def test_revision_of_a_document_is_not_taken_back_by_an_event_that_came_earlier() -> None:
    first, second = (
        order(1, line("10") | papers("A"), **papers("A")),
        order(1, line("10") | papers("B"), **papers("B")),
    )
    assert named(after(first, second, event="2", by="1").update, DOCUMENT, "revision") == [("B",), ("B",)]
    assert len(after(second, first, event="1", by="2")) == 0
    assert len(after(second, first, event="2", by="2")) == 2


def test_what_is_no_document_of_the_contract_stays_in_data() -> None:
    writes = after(None, order(1, {**line("10"), "documents": ["odd", {"code": "A"}]}))
    assert '"documents":["odd"]' in str(writes.insert[LINE][0]["data"])
    assert named(writes.insert, DOCUMENT, "code") == [("A",)]


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
