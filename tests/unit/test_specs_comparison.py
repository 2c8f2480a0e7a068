"""What differs between our Swagger files and other ones."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.live_swagger import as_bytes, ours, published
from tools.generate import upstream
from tools.generate.composition import UnsupportedConstructError
from tools.specs.changes import Change, Kind, Severity
from tools.specs.comparison import compare

OURS: dict[str, Any] = {
    "swagger": "2.0",
    "info": {"title": "T", "version": "v2"},
    "paths": {
        "/ours": {
            "post": {
                "consumes": ["application/json", "application/xml"],
                "parameters": [{"name": "body", "in": "body", "schema": {"$ref": "#/definitions/WebhookBody"}}],
                "responses": {"200": {"description": "ok"}},
                "x-confidence": "ex",
            }
        }
    },
    "definitions": {
        "WebhookBody": {
            "type": "object",
            "xml": {"name": "WebhookBody"},
            "required": ["eventName"],
            "properties": {
                "eventName": {"type": "string", "x-known-values": ["A", "B"]},
                "buyer": {"allOf": [{"$ref": "#/definitions/Party"}], "x-nullable": True},
                "supplier": {"$ref": "#/definitions/Party"},
                "lines": {
                    "type": "array",
                    "items": {"allOf": [{"$ref": "#/definitions/Line"}], "xml": {"name": "line"}},
                },
            },
        },
        "Party": {
            "type": "object",
            "properties": {
                "id": {"type": "string", "x-confidence": "inf"},
                "kind": {"type": "string", "x-known-values": ["Big"]},
            },
        },
        "Line": {
            "type": "object",
            "properties": {
                "date": {"type": "string", "format": "date"},
                "position": {"type": "string", "format": "uuid"},
                "quantity": {"type": "number", "format": "decimal"},
                "count": {"type": "integer"},
                "parent": {"$ref": "#/definitions/Line"},
            },
        },
    },
}

REQUIRED = ("eventName",)
BODY = ("definitions", "WebhookBody", "properties")
LINE = ("definitions", "Line", "properties")
PARTY = ("definitions", "Party", "properties")
OPERATION = ("paths", "/ours", "post")


def changed(*path: Any, value: Any = None, remove: bool = False) -> dict[str, Any]:
    """Our document with one thing put in or taken out."""
    document = copy.deepcopy(OURS)
    node: Any = document
    for part in path[:-1]:
        node = node[part]
    if remove:
        del node[path[-1]]
    else:
        node[path[-1]] = value
    return document


def only_change(live: Any) -> Change:
    (change,) = compare(OURS, live, REQUIRED).changes
    return change


@pytest.mark.parametrize(
    ("live", "kind", "severity", "place", "told"),
    [
        (
            changed(*LINE, "new", value={"type": "boolean"}),
            "member added", "additive", "lines[].new", (None, "boolean"),
        ),
        (changed(*LINE, "count", remove=True), "member removed", "breaking", "lines[].count", ("integer", None)),
        (
            changed(*LINE, "count", value={"type": "string"}),
            "type changed", "breaking", "lines[].count", ("integer", "string"),
        ),
        (
            changed(*LINE, "count", value={"type": "number"}),
            "type changed", "breaking", "lines[].count", ("integer", "number"),
        ),
        (
            changed(*LINE, "quantity", value={"type": "integer"}),
            "type changed", "additive", "lines[].quantity", ("number (decimal)", "integer"),
        ),
        (
            changed(*LINE, "count", value={"type": "array", "items": {"type": "integer"}}),
            "type changed", "breaking", "lines[].count", ("integer", "array of integer"),
        ),
        (
            changed(*LINE, "date", "format", value="date-time"),
            "format changed", "breaking", "lines[].date", ("date", "date-time"),
        ),
        (
            changed(*LINE, "date", "format", remove=True),
            "format changed", "additive", "lines[].date", ("date", None),
        ),
        (
            changed(*LINE, "position", "format", value="hex"),
            "format changed", "additive", "lines[].position", ("uuid", "hex"),
        ),
        (
            changed("definitions", "Line", "required", value=["date", "count"]),
            "now required", "additive", "lines[]", (None, ("date", "count")),
        ),
        (
            changed("definitions", "WebhookBody", "required", remove=True),
            "no longer required", "breaking", "eventName", (None, None),
        ),
        (
            changed(*LINE, "count", value={"type": "integer", "x-nullable": True}),
            "nullable changed", "additive", "lines[].count", ("not null", "nullable"),
        ),
        (
            changed(*BODY, "eventName", value={**OURS["definitions"]["WebhookBody"]["properties"]["eventName"],
                                               "x-nullable": True}),
            "nullable changed", "breaking", "eventName", ("not null", "nullable"),
        ),
        (
            changed(*BODY, "eventName", "x-known-values", value=["A", "B", "C"]),
            "event added", "additive", "eventName", (None, ("C",)),
        ),
        (
            changed(*BODY, "eventName", "x-known-values", value=["A"]),
            "event removed", "breaking", "eventName", (("B",), None),
        ),
        (
            changed(*BODY, "eventName", value={"type": "string", "enum": ["A", "B"]}),
            "value list closed", "additive", "eventName", ("open", "closed"),
        ),
        (
            changed(*BODY, "eventName", value={"type": "string"}),
            "value list removed", "additive", "eventName", (("A", "B"), None),
        ),
        (
            changed(*LINE, "position", value={"type": "string", "format": "uuid", "enum": ["X", None]}),
            "value list added", "additive", "lines[].position", (None, ("X",)),
        ),
        (
            changed(*BODY, "lines", "items", "xml", "name", value="row"),
            "xml name changed", "breaking", "lines", ("line", "row"),
        ),
        (
            changed(*BODY, "lines", "xml", value={"wrapped": True}),
            "xml name changed", "breaking", "lines", ("line", "line (wrapped)"),
        ),
        (
            changed(*BODY, "lines", "items", "xml", remove=True),
            "xml name changed", "additive", "lines", ("line", "lines"),
        ),
        (
            changed("definitions", "WebhookBody", "xml", "name", value="Event"),
            "xml name changed", "breaking", None, ("WebhookBody", "Event"),
        ),
    ],
)  # fmt: skip
def test_each_difference_is_told_with_its_place_and_what_it_means_to_a_receiver(
    live: Any, kind: str, severity: str, place: str | None, told: tuple[Any, Any]
) -> None:
    change = only_change(live)
    assert (change.kind, change.severity) == (kind, severity)
    assert change.place == ".".join(filter(None, ("WebhookBody", place)))
    assert (change.ours, change.live) == told


def test_difference_in_a_shared_definition_is_one_with_all_its_places() -> None:
    change = only_change(changed(*PARTY, "id", remove=True))
    assert (change.place, change.also_at) == ("WebhookBody.buyer.id", ("WebhookBody.supplier.id",))
    assert (change.ours, change.confidence) == ("string", "inf")


def test_the_same_difference_in_inline_copies_is_one_with_all_its_places() -> None:
    live = copy.deepcopy(OURS)
    party = live["definitions"].pop("Party")
    del party["properties"]["id"]
    live["definitions"]["WebhookBody"]["properties"]["buyer"] = {**copy.deepcopy(party), "x-nullable": True}
    live["definitions"]["WebhookBody"]["properties"]["supplier"] = party
    change = only_change(live)
    assert (change.place, change.also_at) == ("WebhookBody.buyer.id", ("WebhookBody.supplier.id",))


def test_difference_in_one_of_two_inline_copies_has_one_place() -> None:
    live = copy.deepcopy(OURS)
    party = copy.deepcopy(live["definitions"]["Party"])
    del party["properties"]["id"]
    live["definitions"]["WebhookBody"]["properties"]["supplier"] = party
    change = only_change(live)
    assert (change.place, change.also_at) == ("WebhookBody.supplier.id", ())


@pytest.mark.parametrize(
    ("live", "kind", "severity", "told"),
    [
        (changed(*OPERATION, "consumes", value=["application/json"]),
         Kind.MEDIA_TYPE_REMOVED, Severity.BREAKING, ("application/xml", None)),
        (changed(*OPERATION, "consumes", value=["application/json", "application/xml", "text/csv; charset=x"]),
         Kind.MEDIA_TYPE_ADDED, Severity.ADDITIVE, (None, "text/csv")),
        (changed("paths", "/settings", value={"put": {}}), Kind.OPERATION_ADDED, Severity.ADDITIVE, (None, "PUT")),
        (changed("paths", value={"/ours": {"get": {}}}), Kind.OPERATION_REMOVED, Severity.BREAKING, None),
    ],
)  # fmt: skip
def test_operations_and_media_types_are_compared(live: Any, kind: Kind, severity: Severity, told: Any) -> None:
    changes = {change.kind: change for change in compare(OURS, live, REQUIRED).changes}
    assert changes[kind].severity is severity
    if told:
        assert (changes[kind].ours, changes[kind].live) == told


def test_media_types_of_the_whole_document_count_where_the_operation_names_none() -> None:
    live = changed("consumes", value=["application/xml", "application/JSON"])
    del live["paths"]["/ours"]["post"]["consumes"]
    assert compare(OURS, live, REQUIRED).changes == ()


def test_breaking_differences_come_first() -> None:
    live = changed(*LINE, "new", value={"type": "string"})
    del live["definitions"]["Line"]["properties"]["count"]
    assert [change.severity for change in compare(OURS, live, REQUIRED).changes] == [
        Severity.BREAKING,
        Severity.ADDITIVE,
    ]
    assert compare(OURS, live, REQUIRED).severity is Severity.BREAKING


def test_file_that_says_nothing_of_null_and_xml_contradicts_nothing() -> None:
    live = copy.deepcopy(OURS)
    body = live["definitions"]["WebhookBody"]
    del body["xml"], body["properties"]["buyer"]["x-nullable"], body["properties"]["lines"]["items"]["xml"]
    comparison = compare(OURS, live, REQUIRED)
    assert comparison.changes == ()
    assert [note for note in comparison.notes if "x-nullable" in note or "XML" in note] == list(comparison.notes)


def test_renamed_path_and_definitions_are_no_difference_but_a_remark() -> None:
    live = copy.deepcopy(OURS)
    live["paths"]["/theirs"] = live["paths"].pop("/ours")
    live["definitions"]["Row"] = live["definitions"].pop("Line")
    for place in (live["definitions"]["WebhookBody"]["properties"]["lines"]["items"]["allOf"][0],
                  live["definitions"]["Row"]["properties"]["parent"]):  # fmt: skip
        place["$ref"] = "#/definitions/Row"
    comparison = compare(OURS, live, REQUIRED)
    assert comparison.changes == ()
    assert comparison.notes == (
        "the webhook's path is called /theirs, ours /ours; it stands for any address",
        "definitions with another name: Line -> Row",
    )


@pytest.mark.parametrize("contract", ["order", "shipment"])
def test_the_same_facts_written_in_another_way_are_only_stricter_for_the_sender(contract: str) -> None:
    live = upstream.read(as_bytes(published(contract)))
    comparison = compare(ours(contract), live, REQUIRED)
    kinds = {change.kind for change in comparison.changes}
    assert kinds == {Kind.LIST_CLOSED, Kind.REQUIRED, Kind.OPERATION_ADDED}
    assert comparison.severity is Severity.ADDITIVE
    # The other way round: what they demand and we do not is gone, but the service never asked for it.
    looser = [one for one in compare(live, ours(contract), REQUIRED).changes if one.kind is Kind.NO_LONGER_REQUIRED]
    assert looser
    assert {one.severity for one in looser} == {Severity.ADDITIVE}


@pytest.mark.parametrize("contract", ["order", "shipment"])
def test_a_file_does_not_differ_from_itself(contract: str) -> None:
    for document in (ours(contract), published(contract)):
        comparison = compare(document, document, REQUIRED)
        assert (comparison.changes, comparison.severity) == ((), None)
        assert comparison.notes == ()


def test_definitions_that_double_at_every_step_are_compared_at_once() -> None:
    """Written out they would be 2^60 places."""
    document = copy.deepcopy(OURS)
    for i in range(60):
        reference = {"$ref": f"#/definitions/D{i + 1}"}
        document["definitions"][f"D{i}"] = {"type": "object", "properties": {"a": reference, "b": reference}}
    document["definitions"]["D60"] = {"type": "object", "properties": {"end": {"type": "string"}}}
    document["definitions"]["WebhookBody"]["properties"]["deep"] = {"$ref": "#/definitions/D0"}
    live = copy.deepcopy(document)
    del live["definitions"]["D60"]["properties"]["end"]
    (change,) = compare(document, live, REQUIRED).changes
    assert change.place == "WebhookBody.deep" + ".a" * 60 + ".end"


def test_body_that_cannot_be_followed_is_an_error_that_names_the_place() -> None:
    live = changed(*LINE, "parent", value={"$ref": "#/definitions/Gone"})
    with pytest.raises(UnsupportedConstructError, match="'#/definitions/Gone' at WebhookBody"):
        compare(OURS, live, REQUIRED)
