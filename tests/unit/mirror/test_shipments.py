"""A shipment event carries everything: the newer one replaces the older as a whole."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from handlers.interface import ChangeKind
from handlers.mirror.shipments import is_changed
from tests.unit.mirror.events import at, merged, sentences, shipment_event


def shipped(position: str, hour: int | None, quantity: Any = 1, **advice: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "purchaseOrderNumber": "PO-1",
        "purchaseOrderLinePosition": position,
        "supplierLine": {"despatchQuantity": quantity, **advice},
    }
    if hour is not None:
        made["meta"] = {"lastUpdatedAt": at(hour)}
    return made


def test_newer_shipment_replaces_the_older_as_a_whole() -> None:
    newer = shipment_event(2, lines=[shipped("1", 2)])
    result = merged(shipment_event(1, lines=[shipped("1", 1), shipped("2", 1)], transportMode="Road"), newer)
    assert result.current == newer
    assert result.news


def test_older_shipment_is_left_out_as_a_whole() -> None:
    newer = shipment_event(2, lines=[shipped("1", 2)])
    result = merged(newer, shipment_event(1, lines=[shipped("2", 1)]))
    assert result.current["shipment"] == newer["shipment"]
    assert (result.stale, result.news, result.changes) == (("shipment",), False, ())


def test_any_order_and_repetition_ends_in_the_newest_shipment() -> None:
    events = [shipment_event(hour, lines=[shipped("1", hour, hour)]) for hour in (1, 2, 3)]
    for order in permutations([*events, events[0], events[2]]):
        assert merged(*order).state == merged(*events).state


def test_shipment_that_comes_twice_is_no_news() -> None:
    event = shipment_event(1, lines=[shipped("1", 1)])
    result = merged(event, event)
    assert (result.news, result.stale, result.flags, result.changes) == (False, (), (), ())


def test_shipment_that_cannot_be_compared_is_applied_and_flagged_but_not_the_first() -> None:
    first, second = shipment_event(transportMode="Road"), shipment_event(transportMode="Rail")
    assert merged(first).flags == ()
    result = merged(first, second)
    assert result.current["shipment"] == second["shipment"]
    assert result.flags == ("Nothing tells whether the shipment is newer than the known one; it was applied.",)
    assert result.news


def test_resend_that_names_the_shipment_alone_wipes_out_nothing() -> None:
    result = merged(shipment_event(1, transportMode="Road"), shipment_event())
    assert result.current["shipment"]["transportMode"] == "Road"  # type: ignore[call-overload, index]
    assert not result.news


@pytest.mark.parametrize(
    ("line", "whole", "changed"),
    [
        ("2026-01-01T10:00:00Z", "2026-01-01T10:00:00Z", True),
        ("2026-01-01T12:00:00.000+02:00", "2026-01-01T10:00:00Z", True),
        ("2026-01-01T09:00:00Z", "2026-01-01T10:00:00Z", False),
        ("2026-01-01T10:00:00", "2026-01-01T10:00:00Z", False),
        (None, "2026-01-01T10:00:00Z", True),
        ("2026-01-01T10:00:00Z", None, True),
    ],
)
def test_part_is_changed_when_its_time_is_that_of_the_shipment(line: Any, whole: Any, changed: bool) -> None:
    assert is_changed({"meta": {"lastUpdatedAt": line}}, {"meta": {"lastUpdatedAt": whole}}) is changed


def test_changes_of_lines_wherever_they_are_loaded() -> None:
    result = merged(
        shipment_event(1, lines=[shipped("1", 1), shipped("2", 1)], loadCarriers=[{"lines": [shipped("3", 1)]}]),
        shipment_event(
            2, lines=[shipped("1", 2, 5), shipped("4", 2)], loadCarriers=[{"lines": [shipped("3", 2, 7)]}]
        ),
    )
    assert [(each.kind, each.line, each.sentence) for each in result.changes] == [
        (ChangeKind.QUANTITY, "PO-1/1", "Line PO-1/1: supplier line despatch quantity 1 became 5."),
        (ChangeKind.ADDED, "PO-1/4", "Line PO-1/4 is new, quantity 1."),
        (ChangeKind.QUANTITY, "PO-1/3", "Line PO-1/3: supplier line despatch quantity 1 became 7."),
        (ChangeKind.REMOVED, "PO-1/2", "Line PO-1/2 is gone."),
    ]


def test_line_is_recognised_by_its_despatch_advice_when_it_changes_its_carrier() -> None:
    line = shipped("1", 1, despatchAdviceNumber="LS", despatchAdviceLinePosition="10")
    result = merged(
        shipment_event(1, lines=[line]),
        shipment_event(2, loadCarriers=[{"containerNumber": "C", "lines": [line]}]),
    )
    assert "Line PO-1/1: load carrier none became C." in sentences(result)
    assert not {each.kind for each in result.changes} & {ChangeKind.ADDED, ChangeKind.REMOVED}


def test_line_changed_by_an_event_that_never_came_is_told_with_the_next_one() -> None:
    result = merged(shipment_event(1, lines=[shipped("1", 1)]), shipment_event(3, lines=[shipped("1", 2, 9)]))
    assert [each.kind for each in result.changes] == [ChangeKind.QUANTITY]


def test_header_status_and_dates_are_told_by_comparison() -> None:
    def event(hour: int, status: str, eta: str) -> dict[str, Any]:
        locations = {"destinations": [{"etaStartDate": eta}]}
        return shipment_event(hour, status={"processStatus": status}, locations=locations)

    result = merged(event(1, "Issued", "2026-01-01"), event(2, "Approved", "2026-01-02"))
    assert [(each.kind, each.member) for each in result.changes] == [
        (ChangeKind.STATUS, "/status/processStatus"),
        (ChangeKind.DATE, "/locations/destinations/#1/etaStartDate"),
    ]


def test_documents_attached_replaced_and_gone() -> None:
    def event(hour: int, *documents: tuple[str, int]) -> dict[str, Any]:
        made = [{"code": code, "meta": {"lastUpdatedAt": at(time)}} for code, time in documents]
        return shipment_event(hour, supplierShipment={"documents": made})

    result = merged(event(1, ("A", 1), ("B", 1), ("C", 1)), event(2, ("A", 1), ("B", 2), ("D", 2)))
    assert {each.kind for each in result.changes} == {ChangeKind.DOCUMENT}
    assert sentences(result) == [
        "Shipment: document B was replaced by a later one (supplier).",
        "Shipment: document D was attached (supplier).",
        "Shipment: document C is gone (supplier).",
    ]


def test_summary_finds_the_shipment_by_its_numbers() -> None:
    summary = merged(
        shipment_event(
            1,
            version="7",
            supplierShipment={"shipmentNumber": "VS", "buyerAccountNumber": "D", "companyId": "s"},
            buyerShipment={"supplierAccountNumber": "7", "companyId": "b"},
            lines=[shipped("1", 1)],
            loadCarriers=[{"lines": [shipped("2", 1)]}],
            status={"processStatus": "Issued"},
        )
    ).summary
    assert (summary.purchase_order_numbers, summary.shipment_number, summary.lines) == (("PO-1",), "VS", 2)
    assert (summary.supplier_account_number, summary.buyer_account_number) == ("7", "D")
    assert (summary.supplier_company_id, summary.buyer_company_id) == ("s", "b")
    assert (summary.process_status, summary.version, summary.last_updated_at) == ("Issued", "7", at(1))
