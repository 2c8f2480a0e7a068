"""The script itself: what it tells is consistent, varied, and ends where it says."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from handlers.interface import JsonObject
from handlers.orders import receive_order_event
from service.contract import webhook_contracts
from service.formats import parsers
from service.validation import BodyValidator
from tests.lifecycle.actions import ACTIONS
from tests.lifecycle.history import json_text, message, orders, payload_of, sending_order
from tests.lifecycle.merging import PlainMerge
from tests.lifecycle.order import Order
from tests.lifecycle.truth import differences

COUNT = 300


@pytest.fixture(scope="module")
def lived() -> list[Order]:
    return orders(1, COUNT)


def test_same_seed_tells_the_same(lived: list[Order]) -> None:
    again = orders(1, COUNT)
    assert [order.history for order in again] == [order.history for order in lived]
    assert [order.final() for order in again] == [order.final() for order in lived]
    assert [sent.content for sent in sending_order(again, 1)] == [sent.content for sent in sending_order(lived, 1)]


def test_script_has_everything_in_it(lived: list[Order]) -> None:
    names = Counter(told.name for order in lived for told in order.history)
    expected = {action.name for action in ACTIONS if action.name.startswith(("Order", "Cancelled"))}
    assert {name for name in expected if names[name] < 5} == set()
    assert all(5 <= len(order.history) <= 8 for order in lived)
    nameless = [line for order in lived for line in order.lines if line.origin and not line.id]
    assert len(nameless) > 5
    assert sum(line.position is not None for line in nameless) > 2
    in_schedule = [one for order in lived for line in order.lines for one in line.valid.deliveries]
    assert any(one.position is None for one in in_schedule)
    for trait in ("single", "xml", "message_ids", "timestamps", "documents_come_along"):
        values = Counter(getattr(order.traits, trait) for order in lived)
        assert min(values[True], values[False]) >= 10, trait


def test_every_message_is_an_event_of_the_contract_with_the_facts_that_the_script_knows(lived: list[Order]) -> None:
    contract = webhook_contracts()[0]
    known, validator = parsers(contract), BodyValidator(contract)
    for told in (told for order in lived for told in order.history):
        sent = message(told)
        document = validator.validate(known[sent.content_type](sent.content, None), known_to_be_valid=False)
        facts = receive_order_event(document)
        assert facts.subject_id == told.order_id
        assert facts.version == str(told.version)
        assert (facts.message_id, facts.event_name) == (told.message_id, told.name)
        assert facts.resent == told.resent
        assert differences(_with_lines(payload_of(told.body)), _with_lines(payload_of(document))) == []


def _with_lines(payload: JsonObject) -> JsonObject:
    lines = payload.get("lines") or []
    assert isinstance(lines, list)
    named = [
        line if isinstance(line, dict) and "buyerLine" in line else {"buyerLine": line}  # flat lines of documents
        for line in lines
    ]
    return payload | {"lines": list(named)}


def test_final_state_is_what_a_plain_merge_of_any_order_of_arrival_comes_to(lived: list[Order]) -> None:
    random = Random(7)  # noqa: S311 - no secret
    for order in lived:
        for _ in range(3):
            arrived = [*order.history, *random.choices(order.history, k=3)]
            random.shuffle(arrived)
            merge = PlainMerge()
            for told in arrived:
                merge.take(told)
            final = order.final()
            assert differences(_without_documents(final), _without_documents(merge.without_documents())) == []
            assert sorted(merge.documents().values()) == sorted(_revisions(final))


def _without_documents(value: JsonObject) -> JsonObject:
    return {
        name: _without_documents(part)
        if isinstance(part, dict)
        else [_without_documents(one) if isinstance(one, dict) else one for one in part]
        if isinstance(part, list)
        else part
        for name, part in value.items()
        if name != "documents"
    }


def _revisions(value: JsonObject) -> list[str]:
    found = []
    for name, part in value.items():
        for one in part if isinstance(part, list) else [part]:
            if name == "documents" and isinstance(one, dict):
                found.append(str(one["revision"]))
            elif isinstance(one, dict):
                found += _revisions(one)
    return found


def test_plain_merge_finds_no_news_in_what_is_old_or_known(lived: list[Order]) -> None:
    for order in lived:
        merge = PlainMerge()
        assert all(merge.take(told) or told.resent for told in order.history)
        assert not any(merge.take(told) for told in order.history)


def test_messages_come_late_and_again_and_none_is_left_out(lived: list[Order]) -> None:
    sent = sending_order(lived, 1)
    first_places: dict[tuple[str, int], int] = {}
    for place, one in enumerate(sent):
        first_places.setdefault((one.told.order_id, one.told.number), place)
    assert first_places.keys() == {(told.order_id, told.number) for order in lived for told in order.history}
    assert len(sent) > len(first_places) * 1.1
    late = sum(
        first_places[order.id, told.number] > first_places[order.id, told.number + 1]
        for order in lived
        for told in order.history[:-1]
    )
    assert late > len(first_places) * 0.05


def test_json_keeps_every_digit() -> None:
    assert json_text({"a": Decimal("40.00"), "b": 10**25, "c": Decimal("0.123456789012345678")}) == (
        '{"a":40.00,"b":10000000000000000000000000,"c":0.123456789012345678}'
    )


def test_each_kind_of_difference_is_found(lived: list[Order]) -> None:
    final = next(order for order in lived if not order.traits.single).final()

    def spoilt(spoil: Callable[[Any], object]) -> list[str]:
        known = copy.deepcopy(final)
        spoil(known)
        return differences(final, known)

    assert spoilt(lambda known: None) == []
    assert spoilt(lambda known: known.update(version=known["version"] + 1))
    assert spoilt(lambda known: known.pop("greenLabel"))
    assert spoilt(lambda known: known["buyerOrder"].update(documents=[{"code": "X"}]))
    assert spoilt(lambda known: known["indicators"].update(deliveryOverdue=0))
    assert spoilt(lambda known: known["lines"].append(known["lines"][0]))
    assert spoilt(lambda known: known["lines"].pop())
    assert spoilt(lambda known: known["lines"][0]["status"].update(inProgressStatus="New"))
    assert spoilt(lambda known: known["lines"][0]["deliverySchedule"].append({"quantity": 1}))
    assert spoilt(
        lambda known: known["lines"][0]["prices"].update(priceUnitQuantity=Decimal("1.0000000000000000001"))
    )
