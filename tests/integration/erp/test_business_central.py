"""The worked example against the stand-in: dates, quantities and prices arrive once, and no order stays open."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from handlers.erp.examples.business_central import BusinessCentral as Destination
from handlers.interface import Accepted, Change, ErpEvent, JsonObject, Outcome, Refused, Unavailable
from tests.erp_events import BODY, EVENT, change, event
from tests.integration.erp.business_central_server import COMPANY, LINE, BusinessCentral, Fault

LINES = "/api/companies"
REOPEN, RELEASE = "Microsoft.NAV.reopen", "Microsoft.NAV.release"


@pytest.fixture
def central() -> Iterator[BusinessCentral]:
    started = BusinessCentral()
    yield started
    started.stop()


@pytest.fixture
def erp(central: BusinessCentral, tmp_path: Path) -> Iterator[Destination]:
    made = make(central, tmp_path)
    yield made
    made.close()


def make(central: BusinessCentral, folder: Path, **options: Any) -> Destination:
    (folder / "secret").write_text("s\n")
    settings: dict[str, Any] = {
        "api_url": f"{central.url}/api",
        "company_id": COMPANY,
        "token_url": f"{central.url}/token",
        "client_id": "c",
        "client_secret_file": str(folder / "secret"),
        "actions_url": f"{central.url}/actions/",
        "notes_folder": str(folder / "notes"),
        "timeout": 5.0,
    }
    return Destination(**settings | options)


def line(position: str | None = "10000", origin: str | None = None, **agreed: Any) -> dict[str, Any]:
    """A line of Tradecloud; what is not told is as in Business Central already."""
    told = {"date": "2026-11-30", "quantity": Decimal(250), "price": Decimal("318.40"), "per": 10} | agreed
    buyer_line: dict[str, Any] = {"item": {"number": "OR-2207", "purchaseUnitOfMeasureIso": "PCE"}}
    buyer_line |= {"position": position} if position else {"originalPosition": origin}
    net = {"priceInTransactionCurrency": {"value": told["price"], "currencyIso": "EUR"}}
    return {
        "buyerLine": buyer_line,
        "statusLine": {
            "scheduledDelivery": {"date": told["date"], "quantity": told["quantity"]},
            "prices": {"netPrice": net, "priceUnitOfMeasureIso": "PCE", "priceUnitQuantity": told["per"]},
        },
    }


def order(*lines: dict[str, Any], number: str = "PO'1/a") -> JsonObject:
    return {
        "eventName": "OrderChangesProposalApprovedByBuyer",
        "singleDeliveryOrderEvent": {"buyerOrder": {"purchaseOrderNumber": number}, "lines": list(lines)},
    }


def deliver(
    erp: Destination,
    merged: JsonObject | None,
    given: ErpEvent = EVENT,
    changes: tuple[Change, ...] = (change(line="10000"), change(line="20000")),
) -> Outcome:
    return erp.deliver(given, merged, changes, BODY)


def sent(central: BusinessCentral) -> list[str]:
    """The calls that change something: what was done to what."""
    return [f"{call.split()[0]} {call.rpartition('/')[2]}" for call in central.changes()]


SPLIT = (line(quantity=Decimal(180)), line(None, "10000", quantity=Decimal("70.125"), date="2026-12-14"))


def as_split(central: BusinessCentral) -> None:
    """The stand-in holds what SPLIT says, once, and is released."""
    assert sorted(central.lines) == [10000, 10001, 20000]
    assert central.lines[10000]["quantity"] == 180
    created = central.lines[10001]
    assert (created["quantity"], created["expectedReceiptDate"]) == (Decimal("70.125"), "2026-12-14")
    assert created["lineObjectNumber"] == "OR-2207"
    assert central.status == "Open"


def test_changed_line_is_written_between_reopening_and_releasing(
    central: BusinessCentral, erp: Destination, tmp_path: Path
) -> None:
    outcome = deliver(erp, order(line(date="2026-12-08", quantity=Decimal("249.990"), price=Decimal("318.45"))))
    assert outcome == Accepted("order PO'1/a: 1 lines written")
    assert sent(central) == [f"POST {REOPEN}", "PATCH purchaseOrderLines(10000)", f"POST {RELEASE}"]
    # Every digit, and nothing that was so already.
    assert central.bodies == [b'{"expectedReceiptDate":"2026-12-08","quantity":249.990,"directUnitCost":31.845}']
    assert central.status == "Open"
    assert list((tmp_path / "notes").iterdir()) == []


def test_order_that_says_nothing_new_is_not_touched(central: BusinessCentral, erp: Destination) -> None:
    assert deliver(erp, order(line(), line("20000"))) == Accepted("all was so already")
    assert sent(central) == []


def test_order_that_was_open_stays_open(central: BusinessCentral, erp: Destination) -> None:
    central.status = "Draft"
    assert isinstance(deliver(erp, order(line(date="2026-12-08"))), Accepted)
    assert sent(central) == ["PATCH purchaseOrderLines(10000)"]
    assert central.status == "Draft"


def test_only_lines_of_the_event_are_written_and_echoes_are_not(central: BusinessCentral, erp: Destination) -> None:
    merged = order(line(date="2026-12-08"), line("20000", date="2026-12-09"))
    deliver(erp, merged, changes=(change(line="20000"), change(line=None)))
    assert central.lines[10000]["expectedReceiptDate"] == "2026-11-30"
    assert central.lines[20000]["expectedReceiptDate"] == "2026-12-09"
    deliver(erp, merged, event(resent=True, echo=("10000",)), ())
    assert central.lines[10000]["expectedReceiptDate"] == "2026-11-30"
    deliver(erp, merged, event(resent=True), ())
    assert central.lines[10000]["expectedReceiptDate"] == "2026-12-08"


def test_split_line_is_created_once_like_its_origin(central: BusinessCentral, erp: Destination) -> None:
    for _ in range(2):
        assert isinstance(deliver(erp, order(*SPLIT)), Accepted)
        as_split(central)
    assert sent(central).count("POST purchaseOrderLines") == 1
    assert {name: central.lines[10001][name] for name in ("lineType", "unitOfMeasureCode")} == {
        "lineType": "Item",
        "unitOfMeasureCode": "PCS",
    }
    assert "itemVariantId" not in central.lines[10001]


def test_split_line_that_changes_later_is_changed_and_a_second_one_is_created(
    central: BusinessCentral, erp: Destination
) -> None:
    deliver(erp, order(*SPLIT))
    moved = line(None, "10000", quantity=Decimal("70.125"), date="2026-12-21")
    more = line(None, "10000", quantity=Decimal(10), date="2026-12-24")
    deliver(erp, order(SPLIT[0], moved, more))
    assert central.lines[10001]["expectedReceiptDate"] == "2026-12-21"
    assert central.lines[10002]["quantity"] == 10
    assert len(central.lines) == 4


def test_split_line_that_tradecloud_knows_by_position_is_not_taken_for_a_new_one(
    central: BusinessCentral, erp: Destination
) -> None:
    deliver(erp, order(*SPLIT))
    known = line("10001", quantity=Decimal("70.125"), date="2026-12-14")
    deliver(erp, order(SPLIT[0], known, SPLIT[1]))
    assert sorted(central.lines) == [10000, 10001, 10002, 20000]


def test_line_that_somebody_put_in_between_is_left_alone(central: BusinessCentral, erp: Destination) -> None:
    central.lines[15000] = dict(LINE)
    central.lines[10001] = dict(LINE) | {"lineObjectNumber": "something else"}
    deliver(erp, order(*SPLIT))
    assert central.lines[15000] == LINE
    assert central.lines[10001]["quantity"] == 250
    assert central.lines[10002]["quantity"] == Decimal("70.125")


# Somebody else, and trouble


def test_line_that_somebody_changed_meanwhile_is_read_and_judged_again(
    central: BusinessCentral, erp: Destination
) -> None:
    def somebody() -> None:
        central.lines[10000]["quantity"] = 180
        central.touch(10000)

    central.faults = [Fault("POST /actions", 412), Fault("PATCH", 412, first=somebody)]
    assert isinstance(deliver(erp, order(*SPLIT)), Accepted)
    as_split(central)


def test_split_line_that_appears_between_looking_and_creating_is_not_created_twice(
    central: BusinessCentral, erp: Destination
) -> None:
    def late() -> None:
        central.lines[10001] = LINE | {"quantity": Decimal("70.125"), "expectedReceiptDate": "2026-12-14"}

    central.faults = [Fault("POST /api", None, first=late)]
    assert isinstance(deliver(erp, order(*SPLIT)), Accepted)
    as_split(central)


@pytest.mark.parametrize("status", [404, 409, 412])
def test_line_that_is_always_changed_by_somebody_else_is_unavailable_and_the_order_released(
    central: BusinessCentral, erp: Destination, status: int
) -> None:
    central.faults = [Fault("PATCH", status) for _ in range(9)]
    outcome = deliver(erp, order(*SPLIT))
    assert outcome == Unavailable("order PO'1/a is being changed by somebody else")
    assert central.status == "Open"


@pytest.mark.parametrize("status", [0, 400, 401, 404, 409, 412, 429, 500, 503])
@pytest.mark.parametrize(
    "call",
    [
        "GET /api/companies",
        f"GET {LINES}({COMPANY})/purchaseOrders(",
        "GET /actions",
        "POST /actions",
        "PATCH",
        "POST /api",
    ],
)
def test_fault_at_any_step_leaves_the_order_released_and_the_next_attempt_finishes(
    central: BusinessCentral, erp: Destination, call: str, status: int
) -> None:
    central.faults = [Fault(call, status, b'{"error": {"message": "no"}}')]
    first = deliver(erp, order(*SPLIT))
    assert central.faults == []
    assert central.status == "Open"
    assert isinstance(first, Accepted | Refused | Unavailable)
    assert isinstance(deliver(erp, order(*SPLIT)), Accepted)
    as_split(central)


@pytest.mark.parametrize("status", [0, 400, 401, 404, 409, 412, 500, 503])
def test_fault_while_releasing_is_told_and_the_next_attempt_releases(
    central: BusinessCentral, erp: Destination, status: int
) -> None:
    fault = Fault(f"POST /actions/companies({COMPANY})/purchaseOrders('PO''1/a')/{RELEASE}", status)
    central.faults = [copy.copy(fault) for _ in range(9)]
    outcome = deliver(erp, order(*SPLIT))
    if status == 0:
        # It was carried out, and only the answer got lost.
        assert isinstance(outcome, Unavailable)
    else:
        assert isinstance(outcome, Refused | Unavailable)
        assert outcome.reason.startswith("order PO'1/a is not released again: ")
        assert central.status == "Draft"
    central.faults = []
    assert isinstance(deliver(erp, order(*SPLIT)), Accepted)
    as_split(central)


def test_order_that_a_crash_left_open_is_released_by_the_next_attempt(
    central: BusinessCentral, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    first = make(central, tmp_path)

    def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(first, "_write", killed)
        patch.setattr(first, "_release", killed)
        with pytest.raises(Killed):
            deliver(first, order(*SPLIT))
    first.close()
    assert central.status == "Draft"
    second = make(central, tmp_path)
    assert isinstance(deliver(second, order(*SPLIT)), Accepted)
    second.close()
    as_split(central)


def test_error_in_the_code_releases_the_order_too(
    central: BusinessCentral, erp: Destination, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(erp, "_write", broken)
    with pytest.raises(ZeroDivisionError):
        deliver(erp, order(*SPLIT))
    assert central.status == "Open"


# What cannot be


def test_order_that_is_not_there_is_unknown(erp: Destination) -> None:
    assert deliver(erp, order(line(), number="PO2")) == Refused("there is no order PO2", unknown_order=True)


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ((line("30000"),), "order PO'1/a has no line 30000"),
        ((line(None, "30000"),), "order PO'1/a has no line 30000"),
        ((line("A-1"),), "position 'A-1' is no line number of Business Central"),
        ((line(None),), "a line has neither a position nor an original position"),
    ],
)
def test_line_that_cannot_be_is_refused_by_name(
    central: BusinessCentral, erp: Destination, lines: tuple[dict[str, Any], ...], reason: str
) -> None:
    assert deliver(erp, order(*lines), event(resent=True)) == Refused(reason)
    assert central.status == "Open"


def test_money_that_is_not_the_same_money_is_refused(central: BusinessCentral, erp: Destination) -> None:
    per_box = line(price=Decimal(1))
    per_box["statusLine"]["prices"]["priceUnitOfMeasureIso"] = "BX"
    assert deliver(erp, order(per_box)) == Refused("the price is per BX and the quantity in PCE")
    central.order["currencyCode"] = "USD"
    assert deliver(erp, order(line())) == Refused("order PO'1/a is in USD, and its prices in EUR")
    central.order |= {"currencyCode": "EUR", "pricesIncludeTax": True}
    outcome = deliver(erp, order(line()))
    assert isinstance(outcome, Refused)
    assert "include tax" in outcome.reason


def test_price_per_hundred_becomes_a_price_per_unit_with_the_digits_of_business_central(
    central: BusinessCentral, erp: Destination
) -> None:
    deliver(erp, order(line(price=Decimal("10"), per=Decimal(3))))
    assert b'"directUnitCost":3.33333' in central.bodies[0]
    gross = line()
    gross["statusLine"]["prices"] |= {
        "grossPrice": {"priceInTransactionCurrency": {"value": Decimal("331.667"), "currencyIso": "EUR"}},
        "discountPercentage": Decimal("4.0"),
    }
    deliver(erp, order(gross))
    assert b'"directUnitCost":33.1667' in central.bodies[1]
    assert b'"discountPercent":4.0' in central.bodies[1]


def test_order_in_review_is_refused_and_not_touched(central: BusinessCentral, erp: Destination) -> None:
    central.status = "In Review"
    outcome = deliver(erp, order(*SPLIT))
    assert outcome == Refused("order PO'1/a is neither open nor released: 'In Review'")
    assert sent(central) == []


def test_released_order_without_an_address_for_actions_is_refused(central: BusinessCentral, tmp_path: Path) -> None:
    plain = make(central, tmp_path, actions_url="", notes_folder="")
    outcome = deliver(plain, order(*SPLIT))
    assert isinstance(outcome, Refused)
    assert "without actions_url it cannot be reopened" in outcome.reason
    central.status = "Draft"
    assert isinstance(deliver(plain, order(*SPLIT)), Accepted)
    plain.close()
    assert central.status == "Draft"


def test_line_with_several_deliveries_is_refused(erp: Destination) -> None:
    several: JsonObject = {
        "buyerLine": {"position": "10000"},
        "deliverySchedule": [{"quantity": 1}, {"quantity": 2}],
    }
    merged: JsonObject = {"orderEvent": {"buyerOrder": {"purchaseOrderNumber": "PO'1/a"}, "lines": [several]}}
    outcome = deliver(erp, merged)
    assert isinstance(outcome, Refused)
    assert "several deliveries" in outcome.reason


@pytest.mark.parametrize(
    "merged",
    [
        None,
        {},
        {"shipment": {"lines": []}},
        {"singleDeliveryOrderEvent": None},
        {"singleDeliveryOrderEvent": {"buyerOrder": [], "lines": [1]}},
        {"orderEvent": {"buyerOrder": {"purchaseOrderNumber": 7}, "lines": "x"}},
    ],
)
def test_event_without_an_order_is_accepted_and_nothing_done(
    central: BusinessCentral, erp: Destination, merged: JsonObject | None
) -> None:
    assert deliver(erp, merged) == Accepted("nothing for a purchase order")
    assert central.calls == []


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"buyerLine": {"position": "10000"}},
        {"buyerLine": {"position": "10000"}, "statusLine": {"scheduledDelivery": {"date": 5, "quantity": "many"}}},
        {"buyerLine": {"position": "10000"}, "statusLine": None, "deliverySchedule": [None], "prices": []},
        {"buyerLine": {"position": "10000"}, "prices": {"netPrice": {"priceInTransactionCurrency": 1}}},
    ],
)
def test_values_that_are_absent_or_unexpected_are_not_written(
    central: BusinessCentral, erp: Destination, odd: dict[str, Any]
) -> None:
    assert isinstance(deliver(erp, order(odd)), Accepted | Refused)
    assert sent(central) == []


def test_lines_of_all_pages_are_seen_and_a_page_elsewhere_is_not_fetched(
    central: BusinessCentral, erp: Destination
) -> None:
    central.page_size = 1
    assert isinstance(deliver(erp, order(line("20000", date="2026-12-09"))), Accepted)
    assert central.lines[20000]["expectedReceiptDate"] == "2026-12-09"
    page = b'{"value": [], "@odata.nextLink": "http://elsewhere.example/x"}'
    central.faults = [Fault("GET /api", 200, page)]
    assert deliver(erp, order(line())) == Refused("the next page of an answer is at another place")


def test_answer_that_asks_for_patience_is_passed_on(central: BusinessCentral, erp: Destination) -> None:
    central.faults = [Fault("GET /api", 429, headers={"Retry-After": "7"})]
    outcome = deliver(erp, order(line()))
    assert isinstance(outcome, Unavailable)
    assert outcome.retry_after == 7
