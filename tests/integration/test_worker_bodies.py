"""The body that a destination gets: merged or as received, as JSON or tXML, with every digit."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

from handlers.interface import Endpoint
from service.inbox.interface import State
from tests.integration.taking import Call, Erp, order
from tests.integration.working import QUICK, READERS, Build

DIGITS = Decimal("1234567890123456789.0123456789012345678900")


def delivered(house: Build, *, merged: bool, as_xml: bool) -> tuple[Call, Call]:
    """Two events of one order, the first with a quantity of many digits, the second about another line."""
    erp = Erp()
    at = house(destinations={"erp": erp}, terms={"erp": replace(QUICK, merged=merged, as_xml=as_xml)})
    at.start()
    first, second = order("PO1", 1), order("PO1", 2)
    line(first)["deliverySchedule"][0]["quantity"] = DIGITS
    line(second)["buyerLine"]["position"] = "20"
    at.wait_for_state(State.DONE, *at.accept(first, second))
    one, two = erp.calls
    return one, two


def line(event: Any) -> Any:
    """Its one line."""
    return event["orderEvent"]["lines"][0]


def quantities(document: Any) -> list[object]:
    """Of each line's first delivery."""
    return [each["deliverySchedule"][0]["quantity"] for each in document["orderEvent"]["lines"]]


def test_merged_json_is_the_whole_order_after_each_event(house: Build) -> None:
    first, second = delivered(house, merged=True, as_xml=False)
    assert (first.body.media_type, second.body.media_type) == ("application/json", "application/json")
    assert quantities(json.loads(first.body.content, parse_float=Decimal)) == [DIGITS]
    whole = json.loads(second.body.content, parse_float=Decimal)
    assert quantities(whole) == [DIGITS, 2]
    assert str(DIGITS).encode() in second.body.content, "a digit was lost"
    assert second.merged == whole


def test_merged_xml_says_the_same(house: Build) -> None:
    _, second = delivered(house, merged=True, as_xml=True)
    assert second.body.media_type == "application/xml; charset=utf-8"
    document, _ = READERS[Endpoint.ORDER].read_again(second.body.content, second.body.media_type)
    assert quantities(document) == [DIGITS, 2]


def test_original_json_is_what_was_received(house: Build) -> None:
    first, second = delivered(house, merged=False, as_xml=False)
    assert str(DIGITS).encode() in first.body.content
    assert quantities(json.loads(second.body.content)) == [2], "only the line of the event"


def test_original_as_xml_where_json_was_received(house: Build) -> None:
    first, second = delivered(house, merged=False, as_xml=True)
    document, facts = READERS[Endpoint.ORDER].read_again(first.body.content, first.body.media_type)
    assert quantities(document) == [DIGITS]
    assert facts.message_id == first.event.message_id
    document, _ = READERS[Endpoint.ORDER].read_again(second.body.content, second.body.media_type)
    assert quantities(document) == [2]
