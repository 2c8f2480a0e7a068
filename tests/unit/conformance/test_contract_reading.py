"""The second reading of the contract: exact JSON, schemas, event names, places and the bodies made from them."""

from collections.abc import Iterator
from decimal import Decimal
from importlib.resources import files

import pytest
import yaml

from conformance.contract import samples, text, txml
from conformance.contract.reading import (
    Endpoint,
    Payload,
    Place,
    Schema,
    body_schema,
    event_names,
    former_event_names,
    objects,
    payload_members,
    places,
)
from conformance.contract.text import JsonValue, Literal

TREE: JsonValue = {"a": [{"b/c": 1}, {"~d": Decimal("10.00")}], "e": None}
every_payload = pytest.mark.parametrize("payload", Payload)


def known_names(endpoint: Endpoint) -> set[str]:
    return set(body_schema(endpoint).members["eventName"].known_values)


def members_below(schema: Schema, pointer: str) -> Iterator[str]:
    """Where each member of a schema stands in a body, at every path, by a walk of its own."""
    for name, member in schema.members.items():
        here = f"{pointer}/{name}"
        yield here
        if member.schema.items is not None:
            for index in range(2):
                yield f"{here}/{index}"
                yield from members_below(member.schema.items, f"{here}/{index}")
        yield from members_below(member.schema, here)


@pytest.mark.parametrize(
    "number", ["0", "-0", "10.000", "0.12345678901234567890", "98765432109876543210.123456789", "1" * 5000]
)
def test_number_keeps_its_text_through_parse_and_write(number: str) -> None:
    assert text.write(text.parse(f"[{number}]")) == f"[{number}]"


def test_number_with_exponent_is_written_in_plain_notation() -> None:
    assert text.write(text.parse(b"[1e1, 1.5E-7]")) == "[10,0.00000015]"


def test_literal_is_written_as_it_is() -> None:
    assert text.write({"a": Literal("NaN"), "b": [Literal("1e1")]}) == '{"a":NaN,"b":[1e1]}'


def test_letters_stay_as_they_are_but_a_lone_surrogate_is_escaped() -> None:
    assert text.write(["Łódź 🌊", "\ud800"]) == '["Łódź 🌊","\\ud800"]'


def test_written_with_indent_parses_to_the_same_tree() -> None:
    written = text.write({"a": [1, {}], "b": [], "c": {"d": True}}, indent=2)

    assert written == '{\n  "a": [\n    1,\n    {}\n  ],\n  "b": [],\n  "c": {\n    "d": true\n  }\n}'


@pytest.mark.parametrize("wrong", ["NaN", "{", "1e" + "9" * 30, "[" * 100_000, b"\xff"])
def test_text_that_is_no_readable_json_is_a_value_error(wrong: str | bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        text.parse(wrong)


def test_float_has_no_exact_text() -> None:
    with pytest.raises(TypeError, match="float"):
        text.write(0.1)  # type: ignore[arg-type]


def test_pointers_lead_to_every_part() -> None:
    found = dict(text.pointers(TREE))

    assert list(found) == ["", "/a", "/a/0", "/a/0/b~1c", "/a/1", "/a/1/~0d", "/e"]
    assert all(text.get(TREE, pointer) is value for pointer, value in found.items())


@pytest.mark.parametrize("pointer", ["a", "/x", "/a/2", "/a/-1", "/e/f", "/a/0/b~1c/0"])
def test_pointer_to_nothing_is_refused(pointer: str) -> None:
    with pytest.raises(text.PointerError):
        text.get(TREE, pointer)


def test_change_makes_a_new_tree_and_shares_the_rest() -> None:
    before = text.write(TREE)

    changed = text.replaced(TREE, "/a/0/b~1c", "new")

    assert text.write(TREE) == before
    assert text.get(changed, "/a/0/b~1c") == "new"
    assert text.get(changed, "/a/1") is text.get(TREE, "/a/1")


def test_removed_member_and_item_are_gone() -> None:
    assert text.write(text.removed(TREE, "/a/0")) == '{"a":[{"~d":10.00}],"e":null}'
    assert text.write(text.removed(TREE, "/a")) == '{"e":null}'


def test_added_member_comes_last_and_replaces_one_of_its_name() -> None:
    assert text.write(text.added(TREE, "/a/0", "b/c", 2)) == '{"a":[{"b/c":2},{"~d":10.00}],"e":null}'
    assert text.write(text.added({"a": 1, "b": 2}, "", "a", 3)) == '{"b":2,"a":3}'
    assert text.write(text.added({"a": [1, 3]}, "/a", "1", 2)) == '{"a":[1,2,3]}'


def test_differences_are_named_as_deep_as_possible() -> None:
    a: JsonValue = {"same": 1, "number": 10, "gone": {"x": 1}, "list": [1, 2, {"y": "1"}], "kind": "1"}
    b: JsonValue = {"number": Decimal("10.0"), "same": 1, "list": [1, 3, {"y": 1}, 4], "kind": [], "new": None}

    assert text.differences(a, b) == ["/number", "/gone", "/list/1", "/list/2/y", "/list/3", "/kind", "/new"]


def test_there_are_53_current_names_and_14_former_ones() -> None:
    counts = {payload: (len(event_names(payload)), len(former_event_names(payload))) for payload in Payload}

    assert counts == {
        Payload.ORDER_EVENT: (43, 13),
        Payload.SINGLE_DELIVERY: (43, 13),
        Payload.DOCUMENTS: (2, 0),
        Payload.SHIPMENT: (8, 1),
    }
    assert len({name for payload in Payload for name in event_names(payload)}) == 53
    assert len({name for payload in Payload for name in former_event_names(payload)}) == 14


def test_names_are_those_that_the_specs_know() -> None:
    for endpoint in Endpoint:
        payloads = [payload for payload in Payload if payload.endpoint is endpoint]
        listed = {name for p in payloads for name in (*event_names(p), *former_event_names(p))}
        assert listed == known_names(endpoint)


def test_schema_holds_what_the_spec_says() -> None:
    order = body_schema(Endpoint.ORDER).members["orderEvent"].schema
    lines = order.members["lines"]
    assert lines.schema.items is not None
    prices = lines.schema.items.members["prices"].schema

    assert (order.name, lines.limit, lines.schema.element, lines.schema.items.name) == (
        "OrderEvent",
        500,
        "line",
        "OrderLine",
    )
    assert prices.members["discountPercentage"].schema.type == "decimal"
    assert prices.members["discountPercentage"].nullable
    assert order.members["status"].schema.members["processStatus"].known_values[0] == "Issued"
    assert order.members["version"].schema.type == "integer"
    assert [m.name for m in body_schema(Endpoint.SHIPMENT).members.values() if m.required] == [
        "eventName",
        "shipment",
    ]


@every_payload
def test_full_body_holds_every_documented_member_at_every_path(payload: Payload) -> None:
    body = samples.full_body(payload)
    root = {member.name for member in payload_members(payload)}

    documented = {p for p in members_below(body_schema(payload.endpoint), "") if p.split("/")[1] in root}

    filled = dict(text.pointers(body))
    assert documented <= set(filled)
    assert root == set(body)
    assert not [pointer for pointer in documented if filled[pointer] in (None, "", [], {})]


@every_payload
def test_full_body_is_the_same_at_each_call_and_keeps_its_digits(payload: Payload) -> None:
    written = text.write(samples.full_body(payload))

    assert written == text.write(samples.full_body(payload))
    assert text.write(text.parse(written)) == written
    assert "1234567.890000000000000001" in written
    assert not text.differences(samples.full_body(payload), text.parse(written))


@every_payload
def test_values_of_the_full_body_have_the_type_of_their_place(payload: Payload) -> None:
    allowed: dict[str, tuple[type, ...]] = {
        "object": (dict,),
        "array": (list,),
        "string": (str,),
        "integer": (int,),
        "decimal": (int, Decimal),
        "boolean": (bool,),
    }
    body = samples.full_body(payload)
    for place in places(payload):
        value = text.get(body, place.pointer)
        assert isinstance(value, allowed[place.member.schema.type]), place.pointer


def test_positions_that_must_be_unique_in_a_full_shipment_are() -> None:
    found = [v for p, v in text.pointers(samples.full_body(Payload.SHIPMENT)) if p.endswith("AdviceLinePosition")]

    assert found == ["01", "02", "03", "04", "05", "06"]


@every_payload
def test_each_kind_of_member_has_one_place_in_the_full_body(payload: Payload) -> None:
    body = samples.full_body(payload)
    found = [(place.schema_name, place.member.name) for place in places(payload)]

    assert len(set(found)) == len(found)
    for place in places(payload):
        assert place.pointer == f"{place.object_pointer}/{place.member.name}"
        text.get(body, place.pointer)
    assert {place.schema_name for place in places(payload)} <= {o.schema_name for o in objects(payload)}


@every_payload
def test_each_object_place_is_an_object_of_the_full_body(payload: Payload) -> None:
    body = samples.full_body(payload)

    assert objects(payload)[0].pointer == ""
    assert len({o.pointer for o in objects(payload)}) == len(objects(payload))
    assert all(isinstance(text.get(body, o.pointer), dict) for o in objects(payload))


def test_members_of_other_payloads_have_no_place() -> None:
    roots = {p.member.name for p in places(Payload.DOCUMENTS) if not p.object_pointer}

    assert roots == {"eventName", "orderDocumentsEvent", "meta"}


def test_shortest_path_is_taken() -> None:
    def pointer(schema: str, member: str) -> str:
        found: list[Place] = [
            p for p in places(Payload.ORDER_EVENT) if (p.schema_name, p.member.name) == (schema, member)
        ]
        return found[0].pointer

    assert pointer("MessageMeta", "messageId") == "/meta/messageId"
    assert pointer("Prices", "discountPercentage") == "/orderEvent/lines/0/prices/discountPercentage"


def test_minimal_shipment_holds_exactly_the_documented_mandatory_members() -> None:
    """A mandatory member inside an optional object that is absent, such as a location's id, is not needed."""
    shipment = files("specs").joinpath("upstream", "shipment-webhook-connector.yaml").read_text("utf-8")
    mandatory = {
        (definition, name)
        for definition, schema in yaml.safe_load(shipment)["definitions"].items()
        for name, member in schema.get("properties", {}).items()
        if member.get("x-documented-requirement") == "mandatory"
    }
    body = samples.minimal_body(Payload.SHIPMENT)
    present = set(dict(text.pointers(body)))

    # Lines stand at three levels of the body, of which the minimal one fills the plain one.
    in_body = {
        (p.schema_name, p.member.name)
        for p in places(Payload.SHIPMENT)
        if p.pointer in present and p.member.schema.type not in {"object", "array"}
    }
    assert in_body - {("WebhookBody", "eventName"), ("MessageMeta", "messageId")} == mandatory - {
        ("ShipmentLocation", "id")
    }


@pytest.mark.parametrize("payload", [Payload.ORDER_EVENT, Payload.SINGLE_DELIVERY, Payload.DOCUMENTS])
def test_minimal_order_holds_what_is_needed_to_find_it_again(payload: Payload) -> None:
    leaves = {p for p, value in text.pointers(samples.minimal_body(payload)) if not isinstance(value, dict)}

    assert leaves == {
        "/eventName",
        f"/{payload.value}/orderId",
        f"/{payload.value}/buyerOrder/purchaseOrderNumber",
        "/meta/messageId",
    }


@every_payload
@pytest.mark.parametrize("n", [0, 1, 500])
def test_body_with_lines_has_so_many_with_positions_of_their_own(payload: Payload, n: int) -> None:
    lines = text.get(samples.with_lines(payload, n), f"/{payload.value}/lines")

    assert isinstance(lines, list)
    position = "/purchaseOrderLinePosition" if payload is Payload.SHIPMENT else "/buyerLine/position"
    assert len({text.get(line, position) for line in lines}) == len(lines) == n


@pytest.mark.parametrize("payload", [Payload.ORDER_EVENT, Payload.SINGLE_DELIVERY])
def test_order_line_has_a_usual_size(payload: Payload) -> None:
    line = text.get(samples.with_lines(payload, 1), f"/{payload.value}/lines/0")

    assert 1200 < len(text.write(line).encode()) < 1800


def test_lines_in_carriers_are_all_there_and_only_there() -> None:
    body = samples.with_lines_in_carriers(120)

    found = [v for p, v in text.pointers(body) if p.endswith("/purchaseOrderLinePosition")]
    assert len(set(found)) == len(found) == 120
    assert [p for p, _ in text.pointers(body) if p == "/shipment/lines"] == []


@every_payload
def test_bodies_use_only_documented_members(payload: Payload) -> None:
    documented = {
        "/".join("*" if part.isdecimal() else part for part in pointer.split("/"))
        for pointer in members_below(body_schema(payload.endpoint), "")
    }
    bodies = [samples.minimal_body(payload), samples.with_lines(payload, 3)]
    if payload is Payload.SHIPMENT:
        bodies.append(samples.with_lines_in_carriers(3))
    for body in bodies:
        for pointer, _ in text.pointers(body)[1:]:
            assert "/".join("*" if part.isdecimal() else part for part in pointer.split("/")) in documented


def test_txml_writes_what_the_schema_does_not_know_under_its_own_name() -> None:
    written = txml.to_txml(
        Endpoint.ORDER, {"eventName": "X", "new": [1, {"notes": ["a", "b"]}], "n": None, "e": []}
    )

    assert written == (
        '<?xml version="1.0" encoding="UTF-8"?>\n<WebhookBody><eventName>X</eventName><new>1</new>'
        "<new><notes>a</notes><notes>b</notes></new></WebhookBody>\n"
    )


def test_txml_keeps_literals_and_escapes_text() -> None:
    body: text.JsonObject = {
        "eventName": "<&>\"'\r\n",
        "number": Literal("1e1"),
        "flag": True,
        "d": Decimal("1E+2"),
    }

    assert txml.to_txml(Endpoint.SHIPMENT, body).split("\n", 1)[1] == (
        "<WebhookBody><eventName>&lt;&amp;&gt;&quot;&apos;&#13;\n</eventName><number>1e1</number>"
        "<flag>true</flag><d>100</d></WebhookBody>\n"
    )


@pytest.mark.parametrize("value", ["\x00", "\ud800", "\ufffe", [["a"]]])
def test_txml_refuses_what_xml_cannot_hold(value: JsonValue) -> None:
    with pytest.raises(txml.TxmlError):
        txml.to_txml(Endpoint.ORDER, {"eventName": value})


def test_txml_refuses_a_name_that_no_element_can_have() -> None:
    with pytest.raises(txml.TxmlError, match="1 a"):
        txml.to_txml(Endpoint.ORDER, {"1 a": 1})


def test_element_name_is_the_item_name_of_an_array_and_else_the_own_name() -> None:
    names = {p.member.name: txml.element_name(p) for p in places(Payload.SHIPMENT)}

    assert names["loadCarriers"] == "loadCarrier"
    assert names["destinations"] == "destination"
    assert names["transportMode"] == "transportMode"
