"""Which recorded drift the present contract knows."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from handlers.interface import Endpoint, JsonValue
from service.contract import Contract, webhook_contracts
from service.drift import Drift, DriftFinder
from service.learnt import PresentContracts
from service.parsed_body import ParsedBody
from tests.acceptance.running import example

ORDER, _ = webhook_contracts()
LINES = ("orderEvent", "lines")


def drift_of(contract: Contract, document: Any) -> Drift:
    finder = DriftFinder(contract)
    body = ParsedBody(document, values=0)
    beyond = finder.beyond(body)
    return finder.summary(beyond, body, payload_kind="orderEvent")


def changed(path: tuple[str | int, ...], value: Any) -> Any:
    document = json.loads(example("order-issued"))
    node = document
    for part in path[:-1]:
        node = node[part]
    node[path[-1]] = value
    return document


def knows(contract: Contract, item: Any) -> bool:
    return PresentContracts([contract]).know("order", item["kind"], item["place"], item["detail"])


def with_change(change: Callable[[dict[str, Any]], object]) -> Contract:
    """The order contract after an update."""
    document = copy.deepcopy(ORDER.document)
    change(document["components"]["schemas"])
    return Contract(document)


def line_of(schemas: dict[str, Any]) -> dict[str, Any]:
    members: dict[str, Any] = schemas["OrderLine"]["properties"]
    return members


CASES: dict[str, tuple[tuple[str | int, ...], Any, Callable[[dict[str, Any]], object]]] = {
    "a member": ((*LINES, 0, "new~/name"), 1, lambda s: line_of(s).update({"new~/name": {}})),
    "a member with a long name": ((*LINES, 0, "n" * 90), 1, lambda s: line_of(s).update({"n" * 90: {}})),
    "a member at the root": (("newEvent",), {}, lambda s: s["WebhookBody"]["properties"].update(newEvent={})),
    "an object that was opened": (
        (*LINES, 0, "buyerLine", "new"),
        1,
        lambda s: line_of(s).update(buyerLine={"type": "object", "additionalProperties": True}),
    ),
    "a place inside of what was opened": (
        (*LINES, 0, "buyerLine", "item", "new"),
        1,
        lambda s: line_of(s).update(buyerLine={"type": "object", "additionalProperties": True}),
    ),
    "an event name": (
        ("eventName",),
        "OrderEatenByDog",
        lambda s: s["WebhookBody"]["properties"]["eventName"]["x-known-values"].append("OrderEatenByDog"),
    ),
    "a value that is no longer listed": (
        (*LINES, 0, "lineType"),
        "Eaten",
        lambda s: line_of(s).update(lineType={"type": "string"}),
    ),
    "a longer list": (
        LINES,
        [{}] * 501,
        lambda s: s["OrderEvent"]["properties"]["lines"].update({"x-documented-limit": 501}),
    ),
    "a form that is no longer asked for": (
        ("orderEvent", "lastUpdatedAt"),
        "yesterday is no day",
        lambda s: s["OrderEvent"]["properties"].update(lastUpdatedAt={"type": "string"}),
    ),
    "another form": (
        ("orderEvent", "lastUpdatedAt"),
        "2026-11-23",
        lambda s: s["OrderEvent"]["properties"]["lastUpdatedAt"].update(format="date"),
    ),
}


@pytest.mark.parametrize(("path", "value", "update"), CASES.values(), ids=CASES.keys())
def test_drift_is_known_by_the_contract_that_learnt_it_and_not_before(
    path: tuple[str | int, ...], value: Any, update: Callable[[dict[str, Any]], object]
) -> None:
    document = changed(path, value)
    (item,) = drift_of(ORDER, document).items
    after = with_change(update)
    assert drift_of(after, document).count == 0
    assert not knows(ORDER, item)
    assert knows(after, item)


def test_nothing_that_is_drift_now_is_known_now() -> None:
    document = json.loads(example("order-from-the-future"))
    items = drift_of(ORDER, document).items
    assert len(items) > 20
    assert [item for item in items if knows(ORDER, item)] == []


def test_longer_list_than_the_new_limit_is_still_not_known() -> None:
    (item,) = drift_of(ORDER, changed(LINES, [{}] * 700)).items
    contract = with_change(lambda s: s["OrderEvent"]["properties"]["lines"].update({"x-documented-limit": 600}))
    assert not knows(contract, item)


@pytest.mark.parametrize(
    ("kind", "place", "detail"),
    [
        ("no known payload", "", "none of the payload members that the contract knows"),
        ("unknown attribute", "/orderEvent", "a kind of some other version"),
        ("unknown member", "/gone/from/the/contract", "name"),
        ("unknown member", "/orderEvent/lines/*/*", "name"),
    ],
)
def test_what_a_contract_does_not_decide_is_never_known(kind: str, place: str, detail: str) -> None:
    assert not PresentContracts([ORDER]).know(Endpoint.ORDER, kind, place, detail)
    assert not PresentContracts([]).know(Endpoint.ORDER, "unknown member", "", "eventName")


def test_member_that_the_contract_always_had_is_known() -> None:
    item: dict[str, JsonValue] = {"kind": "unknown member", "place": "/orderEvent/lines/*", "detail": "buyerLine"}
    assert knows(ORDER, item)


def test_place_is_found_below_a_name_that_a_pointer_has_to_escape() -> None:
    odd = {"type": "object", "properties": {"learnt": {}}}
    contract = with_change(lambda s: s["OrderEvent"]["properties"].update({"a~/b": odd}))
    item: dict[str, JsonValue] = {"kind": "unknown member", "place": "/orderEvent/a~0~1b", "detail": "learnt"}
    assert knows(contract, item)
    assert not knows(contract, item | {"detail": "new"})
