"""Old and new value of each member that matters, once, as data and as a plain sentence."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from handlers.interface import Change, ChangeKind
from handlers.mirror.changes import MAX_CHANGES
from service.json_body import parse
from tests.acceptance.running import EXAMPLES
from tests.unit.mirror.events import line, merged, order_event, sentences, single


def changes(before: dict[str, Any], after: dict[str, Any]) -> list[Change]:
    """Of one line that had these members and has those."""
    old, new = line("10", 1), line("10", 2)
    for known, members in ((old, before), (new, after)):
        known.update(members)
        known["buyerLine"] = {"position": "10", **members.get("buyerLine", {})}
    return list(merged(order_event(old), order_event(new)).changes)


def schedule(*deliveries: tuple[str | None, str, Any]) -> list[dict[str, Any]]:
    return [
        {"date": date, "quantity": quantity} | ({"position": position} if position else {})
        for position, date, quantity in deliveries
    ]


def test_date_of_a_delivery_is_told_with_its_position() -> None:
    (change,) = changes(
        {"deliverySchedule": schedule(("1", "2026-12-01", 5))},
        {"deliverySchedule": schedule(("1", "2026-12-08", 5))},
    )
    assert change == Change(
        ChangeKind.DATE,
        "10",
        "/deliverySchedule/1/date",
        "2026-12-01",
        "2026-12-08",
        "Line 10, delivery 1: date 2026-12-01 became 2026-12-08.",
    )


def test_delivery_without_position_is_named_by_its_number() -> None:
    (change,) = changes(
        {"deliverySchedule": schedule((None, "2026-12-01", Decimal("5.5")))},
        {"deliverySchedule": schedule((None, "2026-12-01", Decimal("5.25")))},
    )
    assert (change.kind, change.member, change.old) == (
        ChangeKind.QUANTITY,
        "/deliverySchedule/#1/quantity",
        Decimal("5.5"),
    )
    assert change.sentence == "Line 10, delivery #1: quantity 5.5 became 5.25."


def test_deliveries_that_came_and_went() -> None:
    found = changes(
        {"deliverySchedule": schedule(("1", "2026-12-01", 5), ("2", "2026-12-02", 6))},
        {"deliverySchedule": schedule(("2", "2026-12-02", 6), (None, "2027-01-11", 15))},
    )
    assert [(each.kind, each.sentence) for each in found] == [
        (ChangeKind.ADDED, "Line 10, delivery #2: new, quantity 15, date 2027-01-11."),
        (ChangeKind.REMOVED, "Line 10, delivery 1: gone, it was quantity 5, date 2026-12-01."),
    ]


def test_split_delivery_that_got_its_position_is_not_a_new_one() -> None:
    (change,) = changes(
        {"deliverySchedule": schedule(("1", "2026-12-01", 5), (None, "2027-01-11", 15))},
        {"deliverySchedule": schedule(("1", "2026-12-01", 5), ("2", "2027-01-11", 15))},
    )
    assert (change.kind, change.member, change.new) == (ChangeKind.OTHER, "/deliverySchedule/2/position", "2")


def test_single_delivery_is_told_without_a_position() -> None:
    events = (
        order_event(single("10", hour, date), kind="singleDeliveryOrderEvent")
        for hour, date in ((1, "a"), (2, "b"))
    )
    (change,) = merged(*events).changes
    assert (change.kind, change.member) == (ChangeKind.DATE, "/statusLine/scheduledDelivery/date")
    assert change.sentence == "Line 10: date a became b."


def price(value: str) -> dict[str, Any]:
    return {"netPrice": {"priceInTransactionCurrency": {"value": Decimal(value), "currencyIso": "EUR"}}}


def test_price_keeps_every_digit() -> None:
    (change,) = changes({"prices": price("12.50")}, {"prices": price("12.500000000000000000001")})
    assert (change.kind, change.member) == (ChangeKind.PRICE, "/prices/netPrice/priceInTransactionCurrency/value")
    assert change.sentence == "Line 10: net price 12.50 became 12.500000000000000000001."


def test_price_in_another_notation_is_no_change() -> None:
    assert changes({"prices": price("12.50")}, {"prices": price("12.5")}) == []


def test_price_that_is_gone_is_told_with_its_currency() -> None:
    (change,) = changes({"prices": price("12.50")}, {"prices": {}})
    assert change.sentence == "Line 10: net price was 12.50 EUR and is gone."


def test_status_of_line_and_order() -> None:
    events = (
        order_event(line("10", hour, status={"processStatus": status}), hour=hour, status={"processStatus": status})
        for hour, status in ((1, "Issued"), (2, "Confirmed"))
    )
    result = merged(*events)
    assert {each.kind for each in result.changes} == {ChangeKind.STATUS}
    assert sentences(result) == [
        "Order: process status Issued became Confirmed.",
        "Line 10: process status Issued became Confirmed.",
    ]


def request(status: str | None, **members: Any) -> dict[str, Any]:
    return {"supplierLine": {"requests": {"proposal": {"status": status, **members} if status else None}}}


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        ({}, request("Open", reason="no stock"), "Line 10: proposal of the supplier was opened (no stock)."),
        ({}, request("Proposed"), "Line 10: proposal of the supplier was opened."),
        (request("Open"), request("Approved"), "Line 10: proposal of the supplier is now Approved."),
        (request("Open"), request(None), "Line 10: proposal of the supplier is gone."),
        (request("Open"), request("Open", prices={}), "Line 10: proposal of the supplier has other values."),
        (
            {},
            {"buyerLine": {"requests": {"reconfirmationRequest": {"status": "Open"}}}},
            "Line 10: reconfirmation request of the buyer was opened.",
        ),
        ({}, {"supplierLine": {"proposal": {"status": "Open"}}}, "Line 10: proposal of the supplier was opened."),
    ],
)
def test_requests_opened_answered_and_closed(before: dict[str, Any], after: dict[str, Any], sentence: str) -> None:
    (change,) = changes(before, after)
    assert (change.kind, change.sentence) == (ChangeKind.REQUEST, sentence)


def test_change_with_all_its_echoes_is_told_once() -> None:
    def said(date: str) -> dict[str, Any]:
        deliveries = schedule(("1", date, 5))
        return {
            "deliverySchedule": deliveries,
            "deliveryScheduleIncludingRequests": deliveries,
            "confirmedLine": {"deliverySchedule": deliveries},
            "buyerLine": {"deliverySchedule": deliveries},
            "supplierLine": {"deliverySchedule": deliveries},
        }

    (change,) = changes(said("2026-12-01"), said("2026-12-08"))
    assert change.member == "/deliverySchedule/1/date"


def test_echo_that_alone_is_different_is_told_as_something_else() -> None:
    (change,) = changes({"confirmedLine": {"prices": price("1")}}, {"confirmedLine": {"prices": price("2")}})
    assert (change.kind, change.member) == (ChangeKind.OTHER, "/confirmedLine")


def test_values_of_the_buyers_half_are_told_where_the_line_has_no_others() -> None:
    (change,) = changes({"buyerLine": {"prices": price("1")}}, {"buyerLine": {"prices": price("2")}})
    assert (change.kind, change.sentence) == (ChangeKind.PRICE, "Line 10: net price 1 became 2.")


def test_item_and_details_are_told_once() -> None:
    def said(number: str, weight: int) -> dict[str, Any]:
        details = {"netWeight": weight}
        return {
            "buyerLine": {"item": {"number": number}, "itemDetails": details},
            "supplierLine": {"itemDetails": details},
            "mergedItemDetails": details,
        }

    found = changes(said("A", 1), said("B", 2))
    assert [(each.kind, each.sentence) for each in found] == [
        (ChangeKind.ITEM, "Line 10: item number A became B."),
        (ChangeKind.ITEM, "Line 10: net weight 1 became 2."),
    ]


def test_member_that_is_not_known_is_told_too() -> None:
    assert changes({"newMember": {"a/b": 1}}, {"newMember": {"a/b": 1, "c": None}}) == []
    (change,) = changes({"newMember": {"a/b": 1}}, {"newMember": {"a/b": 2}})
    assert (change.kind, change.member) == (ChangeKind.OTHER, "/newMember/a~1b")


def test_timestamps_versions_and_meta_are_no_changes() -> None:
    events = (
        order_event(
            line("10", hour, eventDates={"x": hour}),
            hour=hour,
            version=hour,
            eventDates={"x": hour},
            buyerOrder={"erpLastChangeDateTime": str(hour), "newPart": {"meta": hour}},
        )
        for hour in (1, 2)
    )
    result = merged(*events)
    assert result.changes == ()
    assert result.news


def test_first_event_says_that_order_and_lines_are_new() -> None:
    result = merged(order_event(line("10", 1), hour=1))
    assert [(each.kind, each.sentence) for each in result.changes] == [
        (ChangeKind.ADDED, "Order PO-1 is new."),
        (ChangeKind.ADDED, "Line 10 is new."),
    ]


def test_sentence_stays_one_line_of_readable_length() -> None:
    found = changes({}, {"reason": "a\nb\u2028c\x00" + "x" * 10000, "labels": ["n"] * 10000})
    for each in found:
        assert len(each.sentence) < 300
        assert each.sentence.isprintable()


def test_number_that_would_fill_the_memory_in_digits_stays_short() -> None:
    (change,) = changes({"extra": 1}, {"extra": Decimal("1E+900000")})
    assert change.sentence == "Line 10: extra 1 became 1E+900000."


def test_changes_of_an_absurd_event_are_bounded() -> None:
    old, new = ({f"member{i}": value for i in range(2 * MAX_CHANGES)} for value in (1, 2))
    found = merged(order_event(line("1", 1, **old)), order_event(line("1", 2, **new))).changes
    assert len(found) == MAX_CHANGES + 1
    assert found[-1].sentence == f"{MAX_CHANGES} members changed, or more; no further ones are listed."


def test_proposal_of_the_examples_is_told_as_a_request_and_not_as_a_new_schedule() -> None:
    bodies: list[Any] = [
        parse(Path(EXAMPLES, name).read_bytes()).document for name in ("order-issued.json", "order-proposal.json")
    ]
    result = merged(*bodies)
    told = [each for each in result.changes if each.line == "00010" and each.kind is not ChangeKind.OTHER]
    assert {each.kind for each in told} >= {ChangeKind.STATUS, ChangeKind.REQUEST}
    assert not {each.kind for each in told} & {ChangeKind.DATE, ChangeKind.QUANTITY, ChangeKind.ADDED}
