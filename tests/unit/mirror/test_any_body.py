"""Whatever the contract accepts is merged, and nothing given is modified."""

from __future__ import annotations

import copy
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handlers.interface import Merged, Role
from handlers.orders import merge_order_event, receive_order_event
from handlers.shipments import merge_shipment_event
from service.contract import webhook_contracts
from service.json_body import parse
from tests.acceptance.running import EXAMPLES
from tests.unit.generated_bodies import bodies
from tests.unit.mirror.events import ORDER_ID, lines_of, merged, order_event

ORDER, SHIPMENT = webhook_contracts()
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_LIGHT = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


def is_json(value: Any) -> bool:
    if isinstance(value, dict):
        return all(isinstance(name, str) and is_json(each) for name, each in value.items())
    if isinstance(value, list):
        return all(map(is_json, value))
    return value is None or type(value) in (str, int, bool, Decimal)


def checked(state: Any, body: Any) -> Merged:
    before = copy.deepcopy((state, body))
    merge = merge_shipment_event if "shipment" in body else merge_order_event
    result = merge(state, body, role=Role.SUPPLIER)
    assert (state, body) == before
    assert is_json(result.state)
    assert is_json(result.current)
    assert all(is_json(each.old) and is_json(each.new) for each in result.changes)
    assert not any(_CONTROL.search(each.sentence) for each in result.changes)
    return result


@_LIGHT
@given(st.lists(bodies(ORDER), min_size=1, max_size=4))
def test_order_bodies_of_every_kind_are_merged(made: list[dict[str, Any]]) -> None:
    state = None
    for body in made:
        body["eventName"] = "X"
        body.pop("shipment", None)
        state = checked(state, body).state


@_LIGHT
@given(st.lists(bodies(SHIPMENT), min_size=1, max_size=4))
def test_shipment_bodies_of_every_kind_are_merged(made: list[dict[str, Any]]) -> None:
    state = None
    for body in made:
        body["eventName"] = "X"
        if not isinstance(body.get("shipment"), dict):
            body["shipment"] = {}
        state = checked(state, body).state
        assert not checked(state, body).news


@pytest.mark.parametrize("wrong", [None, [], {}, "x", 5, True, [None], [[]], ["x"], {"a": None}])
def test_values_of_any_type_in_any_place_are_merged(wrong: Any) -> None:
    known: list[Any] = [parse(path.read_bytes()).document for path in sorted(Path(EXAMPLES).glob("*.json"))]
    assert known
    for body in known:
        merge = merge_shipment_event if "shipment" in body else merge_order_event
        state = checked(checked(None, body).state, body).state
        for changed in replaced(body, wrong):
            after = merge(state, changed, role=Role.BUYER)
            merge(after.state, body, role=Role.BUYER)
            merge(merge(None, changed, role=Role.BUYER).state, body, role=Role.BUYER)


def replaced(value: Any, wrong: Any) -> list[Any]:
    """The value with each of its parts replaced in turn, those of lists in their first item."""
    found: list[Any] = []
    parts: list[tuple[Any, Any]] = list(value.items()) if isinstance(value, dict) else []
    if isinstance(value, list) and value:
        parts = [(0, value[0])]
    for key, part in parts:
        for other in [wrong, *replaced(part, wrong)]:
            changed = copy.copy(value)
            changed[key] = other
            found.append(changed)
    return found


def test_body_nested_as_deep_as_is_accepted_is_merged() -> None:
    deep: Any = 1
    for _ in range(195):
        deep = {"a": deep}
    other: Any = 2
    for _ in range(195):
        other = {"a": other}
    assert len(merged(order_event(hour=1, deep=deep), order_event(hour=2, deep=other)).changes) == 1


def test_current_is_a_body_of_the_contract_with_name_and_meta_of_the_event() -> None:
    event = order_event({"buyerLine": {"position": "1"}, "lastUpdatedAt": "x"}, hour=1)
    event["meta"] = {"messageId": "m"}
    result = merged(event)
    assert result.current == event
    inside = order_event(hour=2, meta={"messageId": "n"})
    after = merged(event, inside)
    assert after.current["meta"] == {"messageId": "n"}
    assert after.current["eventName"] == inside["eventName"]
    assert lines_of(after) == event["orderEvent"]["lines"]


def test_summary_of_an_order_says_by_what_it_is_found() -> None:
    header: dict[str, Any] = {
        "buyerOrder": {"companyId": "b", "supplierAccountNumber": "7"},
        "supplierOrder": {"companyId": "s", "buyerAccountNumber": "D"},
        "status": {"processStatus": "Issued", "logisticsStatus": "Open"},
    }
    summary = merged(order_event(hour=1, version=3, **header)).summary
    assert (summary.purchase_order_numbers, summary.version, summary.lines) == (("PO-1",), "3", 0)
    assert (summary.buyer_company_id, summary.supplier_company_id) == ("b", "s")
    assert (summary.supplier_account_number, summary.buyer_account_number) == ("7", "D")
    assert (summary.process_status, summary.logistics_status) == ("Issued", "Open")


def test_order_without_an_id_is_known_by_company_and_number() -> None:
    def subject(**buyer_order: Any) -> str | None:
        return receive_order_event({"eventName": "X", "orderEvent": {"buyerOrder": buyer_order}}).subject_id

    company, _, number = ORDER_ID.rpartition("-PO")
    assert subject(companyId=company, purchaseOrderNumber=f"PO{number}") == ORDER_ID
    assert subject(companyId=company) is None
    assert subject(purchaseOrderNumber="PO-1") is None
