"""Line by line: what comes replaces what is known, what does not come stays, and a split is one line."""

from __future__ import annotations

from typing import Any

from handlers.interface import ChangeKind
from tests.unit.mirror.events import (
    ORDER_ID,
    documents_event,
    every,
    line,
    lines_of,
    merged,
    order_event,
    order_of,
    positions,
    sentences,
    single,
)


def test_line_that_does_not_come_stays_and_a_new_one_is_added() -> None:
    result = merged(order_event(line("1", 1), line("2", 1), hour=1), order_event(line("3", 2), hour=2))
    assert positions(result) == ["1", "2", "3"]
    assert [(change.kind, change.line) for change in result.changes] == [(ChangeKind.ADDED, "3")]


def test_line_that_comes_replaces_the_known_one_as_a_whole() -> None:
    result = merged(order_event(line("1", 1, reason="x")), order_event(line("1", 2, lineType="Item")))
    assert lines_of(result) == [line("1", 2, lineType="Item")]


def test_order_of_lines_is_by_number_then_by_text_with_splits_behind_their_origin() -> None:
    result = merged(
        order_event(
            single(None, 1, "2026-02-02", origin="9"),
            *(line(position, 1) for position in ("b", "10", "9", "a", "009")),
            single(None, 1, "2026-01-01", origin="9"),
            line(None, 1, id="without"),
            kind="singleDeliveryOrderEvent",
        )
    )
    assert positions(result) == ["009", "9", None, None, "10", "a", "b", None]
    dates = [each["statusLine"]["scheduledDelivery"]["date"] for each in lines_of(result) if "statusLine" in each]
    assert dates == ["2026-01-01", "2026-02-02"]


def test_line_without_position_is_recognised_by_its_id() -> None:
    result = merged(order_event(line(None, 1, id="a")), order_event(line(None, 2, id="a"), line(None, 2, id="b")))
    assert [each["id"] for each in lines_of(result)] == ["a", "b"]


def test_position_goes_before_the_id() -> None:
    result = merged(order_event(line("1", 1, id="a")), order_event(line("2", 2, id="a")))
    assert positions(result) == ["1", "2"]


def test_positions_that_differ_in_leading_zeros_are_two_lines() -> None:
    assert positions(merged(order_event(line("010", 1), line("10", 1)))) == ["010", "10"]


def test_header_is_replaced_as_a_whole_by_a_newer_one_and_left_by_an_older_one() -> None:
    first, newer, older = (
        order_event(hour=hour, reason=reason, labels=[reason])
        for hour, reason in ((2, "first"), (3, "newer"), (1, "older"))
    )
    del newer["orderEvent"]["labels"]
    result = merged(first, newer, older)
    assert order_of(result) == {**newer["orderEvent"], "lines": []}
    assert result.stale == ("header",)
    assert not result.news


def test_event_that_says_no_more_than_the_order_it_is_about_wipes_out_nothing() -> None:
    full = order_event(line("1", 1), hour=1, status={"processStatus": "Issued"})
    result = merged(full, order_event(name="OrderResentByBuyer"))
    assert order_of(result) == full["orderEvent"]
    assert (result.news, result.flags, result.changes) == (False, (), ())


def test_older_line_in_an_event_with_a_newer_one_is_left_out_alone() -> None:
    result = merged(
        order_event(line("1", 5, reason="kept"), line("2", 1), hour=5),
        order_event(line("1", 4), line("2", 4, reason="new"), hour=4),
    )
    assert [each.get("reason") for each in lines_of(result)] == ["kept", "new"]
    assert result.stale == ("header", "line 1")
    assert result.news


def test_former_name_of_the_payload_is_merged_and_given_back_under_todays_name() -> None:
    result = merged(order_event(single("1", 1, "2026-01-01"), hour=1, kind="simpleOrderEvent"))
    assert "singleDeliveryOrderEvent" in result.current
    assert positions(result) == ["1"]


def split(hour: int, date: str, quantity: Any = 1, **members: Any) -> dict[str, Any]:
    return single(None, hour, date, quantity, origin="1", **members)


def positioned(position: str, hour: int, date: str, **members: Any) -> dict[str, Any]:
    return single(position, hour, date, origin="1", **members)


def single_event(*lines: dict[str, Any]) -> dict[str, Any]:
    return order_event(*lines, kind="singleDeliveryOrderEvent")


def test_split_that_comes_again_is_not_added_twice() -> None:
    for empty in (None, ""):
        again = split(2, "2026-01-02", reason="again")
        again["buyerLine"]["position"] = empty
        result = merged(single_event(single("1", 1), split(1, "2026-01-02")), single_event(again))
        assert [each.get("reason") for each in lines_of(result)] == [None, "again"]


def test_split_with_equal_quantity_in_another_notation_is_the_same() -> None:
    from decimal import Decimal

    first, again = split(1, "2026-01-02", Decimal("70.0")), split(2, "2026-01-02", 70)
    other = split(1, "2026-01-01", 5)
    assert lines_of(merged(single_event(first, other), single_event(again))) == [other, again]


def test_split_that_gets_its_position_replaces_the_one_without_by_id() -> None:
    result = merged(
        single_event(split(1, "2026-01-02", id="u"), split(1, "2026-01-03", id="v")),
        single_event(positioned("2", 2, "2026-01-09", id="v")),
    )
    assert [(each["id"], each["buyerLine"].get("position")) for each in lines_of(result)] == [
        ("u", None),
        ("v", "2"),
    ]


def test_split_that_gets_its_position_replaces_the_one_without_by_delivery_when_its_id_changes() -> None:
    result = merged(
        single_event(split(1, "2026-01-02", id="u"), split(1, "2026-01-03", id="v")),
        single_event(positioned("2", 2, "2026-01-03", id=f"{ORDER_ID}-2")),
    )
    assert [each["id"] for each in lines_of(result)] == ["u", f"{ORDER_ID}-2"]


def test_splits_that_get_positions_and_other_deliveries_replace_those_without_in_their_turn() -> None:
    result = merged(
        single_event(split(1, "2026-01-02"), split(1, "2026-01-03")),
        single_event(
            positioned("2", 2, "2026-02-02"), positioned("3", 2, "2026-02-03"), positioned("4", 2, "2026-02-04")
        ),
    )
    assert positions(result) == ["2", "3", "4"]
    assert "Line 2: date 2026-01-02 became 2026-02-02." in sentences(result)


def test_split_of_another_origin_is_another_line() -> None:
    other = single("9", 2, "2026-01-02", origin="5")
    assert positions(merged(single_event(split(1, "2026-01-02")), single_event(other))) == [None, "9"]


def test_old_copy_of_a_split_that_has_its_position_by_now_is_left_out() -> None:
    for ids in ({}, {"id": "u"}):
        result = merged(
            single_event(split(1, "2026-01-02", **ids)),
            single_event(positioned("2", 2, "2026-01-02")),
            single_event(positioned("2", 3, "2026-01-05")),
            single_event(split(1, "2026-01-02", **ids)),
        )
        assert positions(result) == ["2"]
        assert (result.stale, result.news) == (("line split from 1",), False)


def test_old_copy_of_a_split_is_recognised_by_an_id_that_it_had_once() -> None:
    result = merged(
        single_event(split(2, "2026-01-02", id="u")),
        single_event(positioned("2", 3, "2026-01-02", id=f"{ORDER_ID}-2")),
        single_event(split(1, "2026-01-01", id="u")),
    )
    assert positions(result) == ["2"]


def test_split_that_came_late_becomes_one_with_its_line_once_that_can_be_told() -> None:
    results = every(
        [
            single_event(positioned("2", 3, "2026-01-05")),
            single_event(split(1, "2026-01-02")),
            single_event(positioned("2", 2, "2026-01-02")),
        ]
    )
    assert [positions(result) for result in results] == [["2"], [None, "2"], ["2"]]
    assert "may be one of them" in results[1].flags[0]
    assert results[2].news
    assert sentences(results[2]) == ["Line split from 1 is line 2."]


def test_second_split_of_equal_delivery_is_not_taken_for_an_old_copy_of_the_first() -> None:
    result = merged(
        single_event(split(1, "2026-01-02")),
        single_event(positioned("2", 2, "2026-01-02")),
        single_event(positioned("2", 2, "2026-01-02"), split(3, "2026-01-02")),
        single_event(positioned("2", 4, "2026-01-02")),
    )
    assert positions(result) == [None, "2"]


def test_split_newer_than_a_positioned_line_of_equal_delivery_is_another_line() -> None:
    result = merged(single_event(positioned("2", 2, "2026-01-02")), single_event(split(3, "2026-01-02")))
    assert positions(result) == [None, "2"]


def test_split_that_bears_the_id_of_its_origin_is_not_its_origin() -> None:
    origin = single("1", 1, "2026-01-01", id=f"{ORDER_ID}-1")
    bearing = split(2, "2026-01-02", id=f"{ORDER_ID}-1")
    assert positions(merged(single_event(origin), single_event(bearing))) == ["1", None]
    assert positions(merged(single_event(bearing), single_event(origin))) == ["1", None]


def test_document_for_a_split_by_its_old_id_does_not_make_a_second_line_of_it() -> None:
    document = {"code": "A"}
    result = merged(
        documents_event({"id": "u", "documents": [document]}, hour=1),
        single_event(positioned("2", 3, "2026-01-02", id=f"{ORDER_ID}-2")),
        single_event(split(2, "2026-01-02", id="u")),
    )
    assert positions(result) == ["2"]
    assert lines_of(result)[0]["documents"] == [document]


def test_split_deliveries_of_schedule_mode_are_replaced_with_their_line() -> None:
    schedule = [{"position": "1", "quantity": 1}, {"quantity": 2}]
    first = order_event(line("1", 1, deliverySchedule=schedule))
    again = order_event(line("1", 2, deliverySchedule=schedule))
    assert lines_of(merged(first, again))[0]["deliverySchedule"] == schedule


def test_lines_that_nothing_tells_apart_are_not_added_again_and_are_flagged() -> None:
    result = merged(order_event({"reason": "a"}), order_event({"reason": "b"}))
    assert [each["reason"] for each in lines_of(result)] == ["b"]
    assert any("whose turn it was" in flag for flag in result.flags)


def test_position_that_stands_twice_in_an_event_is_one_line() -> None:
    assert positions(merged(order_event(line("1", 1), line("1", 1, reason="x")))) == ["1"]
