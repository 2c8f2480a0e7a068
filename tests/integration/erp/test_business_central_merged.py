"""The worked example with what merging really gives it: an example of the contract, and what follows on it."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from handlers.erp.examples.business_central import BusinessCentral as Destination
from handlers.interface import Accepted, JsonObject, Merged, Role
from handlers.orders import merge_order_event
from tests.erp_events import BODY, EVENT
from tests.integration.erp.business_central_server import LINE, BusinessCentral
from tests.integration.erp.test_business_central import make

EXAMPLE = Path(__file__).resolve().parents[3] / "specs" / "examples" / "order-single-delivery-split.json"


@pytest.fixture
def central() -> Iterator[BusinessCentral]:
    started = BusinessCentral()
    started.number = "NH-2026-00502"
    started.lines = {1: dict(LINE)}
    yield started
    started.stop()


def deliver(erp: Destination, merged: Merged) -> None:
    outcome = erp.deliver(EVENT, merged.current, merged.changes, BODY)
    assert isinstance(outcome, Accepted), outcome


def test_split_of_the_contract_is_written_once_and_kept_when_it_comes_back_with_its_position(
    central: BusinessCentral, tmp_path: Path
) -> None:
    split: JsonObject = json.loads(EXAMPLE.read_bytes(), parse_float=Decimal)
    erp = make(central, tmp_path)
    first = merge_order_event(None, split, role=Role.BUYER)
    for _ in range(2):
        deliver(erp, first)
    assert {number: line["quantity"] for number, line in central.lines.items()} == {1: 180, 2: 70}
    assert central.lines[2]["expectedReceiptDate"] == "2026-12-14"
    assert central.lines[2]["directUnitCost"] == Decimal("31.84")

    later: Any = copy.deepcopy(split)
    order = later["singleDeliveryOrderEvent"]
    order |= {"version": 5, "lastUpdatedAt": "2026-10-21T06:30:00Z"}
    order["lines"] = [order["lines"][1]]
    order["lines"][0]["lastUpdatedAt"] = "2026-10-21T06:30:00Z"
    order["lines"][0]["buyerLine"]["position"] = "2"
    order["lines"][0]["statusLine"]["scheduledDelivery"]["date"] = "2026-12-21"
    deliver(erp, merge_order_event(first.state, later, role=Role.BUYER))
    erp.close()
    assert sorted(central.lines) == [1, 2]
    assert central.lines[2]["expectedReceiptDate"] == "2026-12-21"
    assert central.status == "Open"
