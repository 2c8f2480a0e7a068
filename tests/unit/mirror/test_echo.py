"""Open requests of our own that come back."""

from __future__ import annotations

from typing import Any

import pytest

from handlers.interface import Role
from tests.unit.mirror.events import documents_event, line, merged, order_event

OWN = [
    (Role.BUYER, "OpenBuyerReopenRequest"),
    (Role.BUYER, "OpenBuyerReconfirmationRequest"),
    (Role.SUPPLIER, "OpenSupplierProposal"),
    (Role.SUPPLIER, "OpenSupplierReopenRequest"),
    (Role.SUPPLIER, "OpenSupplierShipmentRescheduleRequest"),
]


def waiting(position: str, hour: int, in_progress: Any, process: Any = "InProgress") -> dict[str, Any]:
    return line(position, hour, status={"processStatus": process, "inProgressStatus": in_progress})


def event(*lines: dict[str, Any], hour: int = 2, status: str = "InProgress", **header: Any) -> dict[str, Any]:
    return order_event(*lines, hour=hour, version=hour, status={"processStatus": status}, **header)


KNOWN = event(line("1", 1), line("2", 1), hour=1, status="Confirmed", buyerOrder={"companyId": "c"})


def after_known(*lines: dict[str, Any], role: Role = Role.BUYER, **header: Any) -> Any:
    header = {"buyerOrder": {"companyId": "c"}} | header
    return merged(KNOWN, event(*lines, **header), role=role)


@pytest.mark.parametrize(("role", "status"), OWN)
def test_own_open_request_is_an_echo_for_its_side_alone(role: Role, status: str) -> None:
    result = after_known(waiting("1", 2, status), role=role)
    assert (result.echo, result.only_echo, result.news) == (("1",), True, True)
    other = Role.SUPPLIER if role is Role.BUYER else Role.BUYER
    result = after_known(waiting("1", 2, status), role=other)
    assert (result.echo, result.only_echo) == ((), False)


@pytest.mark.parametrize(
    ("in_progress", "process"),
    [
        ("OpenBuyerReopenRequest", "Confirmed"),
        ("OpenBuyerReopenRequest", None),
        ("RejectedSupplierProposal", "InProgress"),
        (["OpenBuyerReopenRequest"], "InProgress"),
        (None, "InProgress"),
    ],
)
def test_other_status_is_no_echo(in_progress: Any, process: Any) -> None:
    result = after_known(waiting("1", 2, in_progress, process))
    assert (result.echo, result.only_echo) == ((), False)


def test_event_with_another_fresh_line_is_not_only_an_echo() -> None:
    result = after_known(waiting("1", 2, "OpenBuyerReopenRequest"), line("2", 2, reason="x"))
    assert (result.echo, result.only_echo) == (("1",), False)


def test_event_with_another_line_that_is_no_news_is_only_an_echo() -> None:
    result = after_known(waiting("1", 2, "OpenBuyerReopenRequest"), line("2", 1))
    assert (result.echo, result.only_echo) == (("1",), True)


def test_header_that_says_something_new_is_not_only_an_echo() -> None:
    result = after_known(
        waiting("1", 2, "OpenBuyerReopenRequest"), buyerOrder={"companyId": "c", "description": "d"}
    )
    assert not result.only_echo


def test_header_with_what_our_own_erp_says_of_its_message_is_only_an_echo() -> None:
    stamps = {
        "companyId": "c",
        "erpLastChangeDateTime": "2026-10-01T10:00:00",
        "erpLastChangedBy": {"userName": "u"},
    }
    line_that_waits = waiting("1", 2, "OpenBuyerReopenRequest")
    assert after_known(line_that_waits, buyerOrder=stamps, reason="please", eventDates={"a": "b"}).only_echo


def test_new_document_is_not_only_an_echo() -> None:
    with_document = {**waiting("1", 2, "OpenBuyerReopenRequest"), "documents": [{"code": "A"}]}
    assert not after_known(with_document).only_echo


def test_echo_that_comes_twice_is_no_news() -> None:
    echo = event(waiting("1", 2, "OpenBuyerReopenRequest"))
    result = merged(KNOWN, echo, echo)
    assert (result.news, result.only_echo, result.echo) == (False, False, ("1",))


def test_document_event_is_no_echo() -> None:
    result = merged(KNOWN, documents_event(waiting("1", 2, "OpenBuyerReopenRequest"), hour=2))
    assert (result.echo, result.only_echo) == ((), False)


def test_first_event_of_an_order_is_not_only_an_echo() -> None:
    assert not merged(event(waiting("1", 2, "OpenBuyerReopenRequest"))).only_echo
