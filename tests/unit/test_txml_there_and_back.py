"""JSON to tXML and back is the same body, up to the losses that the writer's table names."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service import txml
from service.contract import webhook_contracts
from service.json_body import parse
from service.txml.mapping import Member, Members, trimmed
from tests.acceptance.running import EXAMPLES
from tests.unit.generated_bodies import bodies

CONTRACTS = dict(zip(("order", "shipment"), webhook_contracts(), strict=True))
MAPPINGS = {name: txml.Mapping(contract) for name, contract in CONTRACTS.items()}
_NOTHING = Members()
_LOST = object()


def there_and_back(name: str, document: Any) -> Any:
    return txml.read(txml.write(document, MAPPINGS[name]), MAPPINGS[name]).document


def left_of(document: dict[str, Any], members: Members) -> dict[str, Any]:
    """What `txml.LOSSES` leaves of an object: a second reading of that table, in other words."""
    left: dict[str, Any] = {}
    for name, value in document.items():
        known = members.by_name.get(name)
        if name == "@note" and isinstance(value, str):
            left[name] = characters(value)
            continue
        if known is None and not re.fullmatch(r"(\{urn:x\})?[a-zü][\w.-]*", name):
            continue
        for item in flat(value):
            # A former form of a list comes back as one of its items.
            read_as = members.by_element.get(known.element) if known else None
            kept = left_of_value(item, known, read_as)
            if kept is _LOST:
                continue
            if read_as is not None and not read_as.repeated:
                left[name] = kept
            elif read_as is not None:
                left.setdefault(read_as.name, []).append(kept)
            else:
                left.setdefault(name, []).append(kept)
        if known is None and name in left and len(left[name]) == 1:
            left[name] = left[name][0]
    return left


def left_of_value(value: Any, written_as: Member | None, read_as: Member | None) -> Any:
    if value in (None, "", {}, []) and value is not False and not is_number(value):
        return _LOST
    if isinstance(value, dict):
        inner = (read_as and read_as.members) or _NOTHING
        kept = left_of(value, inner if written_as is read_as else _NOTHING)
        return kept or _LOST
    if isinstance(value, bool) or is_number(value):
        if read_as is not None:
            return value
        return str(value).lower() if isinstance(value, bool) else text_of(value)
    text = characters(value)
    if read_as is not None and read_as.convert is trimmed:
        return text.strip(" \t\r\n") or _LOST
    return text


def flat(value: Any) -> list[Any]:
    return [part for item in value for part in flat(item)] if isinstance(value, list) else [value]


def is_number(value: Any) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def text_of(value: Any) -> str:
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def characters(text: str) -> str:
    return "".join("\ufffd" if unstorable(ord(one)) else one for one in text)


def unstorable(code: int) -> bool:
    return (code < 32 and code not in (9, 10, 13)) or 0xD800 <= code <= 0xDFFF or code in (0xFFFE, 0xFFFF)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.json")), ids=lambda path: path.stem)
def test_example_body_comes_back_up_to_the_losses_of_the_table(path: Path) -> None:
    name = "shipment" if path.name.startswith("shipment") else "order"
    document: Any = parse(path.read_bytes()).document
    assert there_and_back(name, document) == left_of(document, MAPPINGS[name].members)


@pytest.mark.parametrize(
    "name", ["order-issued", "order-single-delivery-split", "order-documents", "shipment-issued"]
)
def test_example_without_anything_that_can_be_lost_comes_back_whole(name: str) -> None:
    document = parse((EXAMPLES / f"{name}.json").read_bytes()).document
    assert there_and_back(name.partition("-")[0], document) == document


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.xml")), ids=lambda path: path.stem)
def test_example_in_txml_says_the_same_as_its_twin_in_json(path: Path) -> None:
    name = "shipment" if path.name.startswith("shipment") else "order"
    read = txml.read(path.read_bytes(), MAPPINGS[name]).document
    assert read == parse(path.with_suffix(".json").read_bytes()).document


@pytest.mark.parametrize("name", ["order", "shipment"])
@given(data=st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_body_of_the_contract_comes_back_up_to_the_losses_of_the_table(name: str, data: st.DataObject) -> None:
    document = data.draw(bodies(CONTRACTS[name]))
    assert there_and_back(name, document) == left_of(document, MAPPINGS[name].members)


@pytest.mark.parametrize(
    ("loss", "sent", "left"),
    [
        ("null", {"orderEvent": {"orderId": None, "version": 1}}, {"orderEvent": {"version": 1}}),
        (
            "an empty text, list or object, also one that is empty because of another loss",
            {"orderEvent": {"orderId": "", "lines": [], "buyerOrder": {"terms": {"incoterms": None}}}},
            {},
        ),
        (
            "a number or a truth value that the contract does not know",
            {"newNumber": Decimal("1.50"), "newFlag": True},
            {"newNumber": "1.50", "newFlag": "true"},
        ),
        ("a list that the contract does not know, with one item", {"newList": ["x"]}, {"newList": "x"}),
        ("a list directly in a list", {"newList": [["a"], ["b", "c"]]}, {"newList": ["a", "b", "c"]}),
        (
            "a member whose name cannot be the name of an element",
            {"two words": "x", "eventName": "E"},
            {"eventName": "E"},
        ),
        ("a character that XML cannot hold", {"eventName": "a\x01b"}, {"eventName": "a\ufffdb"}),
        (
            "white space around a date or time",
            {"orderEvent": {"lastUpdatedAt": " 2026-07-04T07:15:00.5Z\n"}},
            {"orderEvent": {"lastUpdatedAt": "2026-07-04T07:15:00.5Z"}},
        ),
        (
            "the way a number is written",
            {"orderEvent": {"version": Decimal("1E+2")}},
            {"orderEvent": {"version": 100}},
        ),
    ],
)
def test_each_loss_of_an_order_is_as_the_table_says(loss: str, sent: Any, left: Any) -> None:
    assert loss in txml.LOSSES
    assert there_and_back("order", sent) == left


def test_former_form_of_a_list_comes_back_as_an_item_of_the_list() -> None:
    former = {"shipment": {"locations": {"destination": {"code": "1"}}}}
    lists = MAPPINGS["shipment"].members.by_name["shipment"].members
    assert lists is not None
    name = next(
        name
        for name, member in lists.by_name.items()
        if member.members and "destinations" in member.members.by_name
    )
    former = {"shipment": {name: {"destination": {"newMember": "1"}}}}
    assert there_and_back("shipment", former) == {"shipment": {name: {"destinations": [{"newMember": "1"}]}}}


def test_every_loss_of_the_table_has_a_test() -> None:
    source = Path(__file__).read_text(encoding="utf-8")
    former = "a member with the name of the items of a list beside it (a former form of that list)"
    assert [loss for loss in txml.LOSSES if f'"{loss}"' not in source and loss != former] == []
