"""Swagger files of other forms than ours: what the generator makes of them."""

from __future__ import annotations

import ast
import contextlib
import copy
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.live_swagger import as_bytes, ours, published
from tools.generate import element_names, overlay, swagger, tolerance, upstream
from tools.generate.composition import UnsupportedConstructError
from tools.generate.pipeline import CONTRACTS, SPECS, generate_into, served_contract, upstream_file
from tools.specs.comparison import compare


def swagger_with(body: Any, **definitions: Any) -> dict[str, Any]:
    """A document whose webhook has that body."""
    parameter = {"name": "body", "in": "body", "schema": body}
    return {
        "swagger": "2.0",
        "info": {"title": "T", "version": "v2"},
        "paths": {"/x": {"post": {"parameters": [parameter], "responses": {}}}},
        "definitions": definitions,
    }


def with_members(**definitions: Any) -> dict[str, Any]:
    """A document whose body has a member for each definition."""
    members = {name.lower(): {"$ref": f"#/definitions/{name}"} for name in definitions}
    return swagger_with({"type": "object", "properties": members}, **definitions)


def schemas_of(document: Any, *indispensable: str) -> Any:
    """The named schemas after the Swagger step and the tolerance rules."""
    converted = swagger.to_openapi(document)
    tolerance.tolerate(converted, indispensable)
    return converted["components"]["schemas"]


def test_body_is_called_webhook_body_whatever_the_file_calls_it() -> None:
    definition = {"type": "object", "properties": {"again": {"$ref": "#/definitions/Event"}}}
    schemas = schemas_of(swagger_with({"$ref": "#/definitions/Event"}, Event=definition))
    assert schemas["WebhookBody"]["properties"]["again"]["allOf"] == [{"$ref": "#/components/schemas/WebhookBody"}]
    assert schemas["WebhookBody"]["xml"] == {"name": "Event"}
    assert list(schemas) == ["WebhookBody"]


def test_body_that_is_written_inline_is_called_webhook_body() -> None:
    schemas = schemas_of(swagger_with({"properties": {"a": {"type": "string"}}}))
    assert schemas == {"WebhookBody": {"type": "object", "properties": {"a": {"type": "string", "nullable": True}}}}


def test_second_schema_with_the_name_of_the_body_is_refused() -> None:
    other = {"type": "object", "properties": {"a": {"$ref": "#/definitions/WebhookBody"}}}
    document = swagger_with({"$ref": "#/definitions/Event"}, Event=other, WebhookBody={"type": "object"})
    with pytest.raises(UnsupportedConstructError, match="a second schema with the name 'WebhookBody'"):
        swagger.to_openapi(document)


def test_composition_becomes_one_object_with_everything() -> None:
    schemas = schemas_of(
        with_members(
            Base={"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}}},
            Whole={
                "allOf": [
                    {"$ref": "#/definitions/Base"},
                    {"required": ["b"], "properties": {"b": {"type": "number"}}},
                ],
                "properties": {"a": {"description": "more about a"}},
                "description": "The whole.",
            },
        )
    )  # fmt: skip
    assert schemas["Whole"] == {
        "type": "object",
        "description": "The whole.",
        "x-documented-required": ["a", "b"],
        "properties": {
            "a": {"type": "string", "description": "more about a", "nullable": True},
            "b": {"type": "number", "format": "decimal", "nullable": True},
        },
    }


def test_lone_reference_with_annotations_stays_a_reference() -> None:
    member = {"allOf": [{"$ref": "#/definitions/Part"}, {"description": "Words."}], "type": "object"}
    schemas = schemas_of(swagger_with({"properties": {"a": member}}, Part={"type": "object", "x-nullable": True}))
    assert schemas["WebhookBody"]["properties"]["a"] == {
        "allOf": [{"$ref": "#/components/schemas/Part"}],
        "description": "Words.",
        "nullable": True,
    }
    assert schemas["Part"] == {"type": "object"}


def test_references_to_texts_lists_and_aliases_are_replaced_by_what_they_refer_to() -> None:
    schemas = schemas_of(
        with_members(
            Text={"type": "string", "enum": ["A"]},
            List={"type": "array", "items": {"$ref": "#/definitions/Alias"}},
            Alias={"$ref": "#/definitions/Text"},
        )
    )
    text = {"type": "string", "x-known-values": ["A"]}
    assert schemas["WebhookBody"]["properties"] == {
        "text": text | {"nullable": True},
        "list": {"type": "array", "items": text, "nullable": True},
        "alias": text | {"nullable": True},
    }


def test_only_what_the_body_needs_is_looked_at() -> None:
    document = swagger_with({"type": "object"}, Other={"oneOf": []})
    assert list(schemas_of(document)) == ["WebhookBody"]


def test_definition_names_that_are_no_component_names_are_changed() -> None:
    name = "com.example.List«Line/Item»"
    reference = {"$ref": "#/definitions/com.example.List%C2%ABLine~1Item%C2%BB"}
    schemas = schemas_of(swagger_with({"properties": {"a": reference}}, **{name: {"type": "object"}}))
    assert list(schemas) == ["WebhookBody", "com_example_List_Line_Item_"]


@pytest.mark.parametrize(
    ("definitions", "named"),
    [
        ({"List": {"type": "array", "items": {"$ref": "#/definitions/List"}}}, "nesting without end"),
        (
            {"A": {"properties": {"a": {"allOf": [{"$ref": "#/definitions/A"}], "properties": {"b": {}}}}}},
            "nesting without end",
        ),
        ({"A": {"$ref": "#/definitions/B"}, "B": {"$ref": "#/definitions/A"}}, "a composition inside itself"),
        (
            {
                f"D{i}": {
                    "type": "object",
                    "properties": {
                        name: {"allOf": [{"$ref": f"#/definitions/D{i + 1}"}], "properties": {name: {}}}
                        for name in ("a", "b")
                    },
                }
                for i in range(30)
            }
            | {"D30": {"type": "object"}},
            "a composition of very many schemas",
        ),
    ],
)
def test_composition_without_end_is_refused(definitions: Any, named: str) -> None:
    with pytest.raises(UnsupportedConstructError, match=named):
        swagger.to_openapi(with_members(**definitions))


def test_nothing_of_a_strict_schema_is_enforced_but_its_type() -> None:
    schemas = schemas_of(
        with_members(
            Strict={
                "type": "object", "required": ["n"], "additionalProperties": False, "minProperties": 1,
                "maxProperties": 2, "discriminator": "n",
                "properties": {
                    "n": {"type": "number", "format": "double", "multipleOf": 0.5, "exclusiveMaximum": True},
                    "t": {"type": "string", "readOnly": True, "default": "x", "enum": ["x", None], "minLength": 1},
                    "m": {"type": "object", "additionalProperties": {"type": "integer"}},
                    "l": {"type": "array", "uniqueItems": True, "minItems": 1, "items": {"type": "number"}},
                },
            },
        )
    )  # fmt: skip
    assert schemas["Strict"] == {
        "type": "object",
        "x-documented-required": ["n"],
        "x-documented-additional-properties": False,
        "x-documented-min-properties": 1,
        "x-documented-max-properties": 2,
        "x-documented-discriminator": "n",
        "properties": {
            "n": {
                "type": "number",
                "format": "decimal",
                "x-documented-format": "double",
                "x-documented-multiple-of": 0.5,
                "x-documented-exclusive-maximum": True,
                "nullable": True,
            },
            "t": {
                "type": "string",
                "x-documented-read-only": True,
                "x-documented-default": "x",
                "x-known-values": ["x"],
                "x-documented-min-length": 1,
                "nullable": True,
            },
            "m": {
                "type": "object",
                "additionalProperties": True,
                "x-documented-additional-properties": {"type": "integer"},
                "nullable": True,
            },
            "l": {
                "type": "array",
                "x-documented-unique-items": True,
                "x-documented-min-items": 1,
                "items": {"type": "number", "format": "decimal"},
                "nullable": True,
            },
        },
    }


def test_indispensable_members_are_required_and_never_null_whatever_the_file_says() -> None:
    members = {"eventName": {"type": "string", "x-nullable": True}, "more": {"type": "string"}}
    document = swagger_with({"type": "object", "required": ["more"], "properties": members, "x-nullable": True})
    body = schemas_of(document, "eventName")["WebhookBody"]
    assert (body["required"], body["x-documented-required"]) == (["eventName"], ["more"])
    assert "nullable" not in body
    assert "nullable" not in body["properties"]["eventName"]
    assert body["properties"]["more"]["nullable"] is True


def test_body_without_an_indispensable_member_is_refused() -> None:
    with pytest.raises(UnsupportedConstructError, match="a body without 'shipment'"):
        schemas_of(swagger_with({"type": "object", "properties": {"eventName": {"type": "string"}}}), "shipment")


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ({"type": "string", "xml": {"name": "line"}}, {"xml": {"name": "line"}, "x-xml-also-read": ["other"]}),
        (
            {"type": "string", "xml": {"name": "row"}},
            {"xml": {"name": "row"}, "x-xml-also-read": ["line", "other"]},
        ),
        ({"type": "string"}, {"xml": {"name": "line"}, "x-xml-also-read": ["other"]}),
        ({"$ref": "#/definitions/Line"}, {"xml": {"name": "Zeile"}, "x-xml-also-read": ["line", "other"]}),
    ],
)
def test_element_names_of_ours_are_read_beside_those_of_the_file(
    tmp_path: Path, items: Any, expected: dict[str, Any]
) -> None:
    definition = {"type": "object", "xml": {"name": "Zeile"}}
    document = swagger.to_openapi(
        swagger_with({"properties": {"lines": {"type": "array", "items": items}}}, Line=definition)
    )
    action = {"target": "$..properties.lines.items", "update": {"x-xml-also-read": ["line", "other"]}}
    document = overlay.apply(document, {"actions": [action]}, tmp_path)
    element_names.complete(document)
    items = document["components"]["schemas"]["WebhookBody"]["properties"]["lines"]["items"]
    assert {key: items.get(key) for key in expected} == expected


def test_array_that_nobody_names_goes_by_its_own_name() -> None:
    document = swagger.to_openapi(swagger_with({"properties": {"news": {"type": "array"}}}))
    element_names.complete(document)
    assert document["components"]["schemas"]["WebhookBody"]["properties"]["news"]["items"] == {
        "xml": {"name": "news"}
    }


def test_optional_overlay_action_without_a_target_does_nothing(tmp_path: Path) -> None:
    action = {"target": "$.nowhere", "x-optional": True, "update": {"a": 1}}
    assert overlay.apply({"paths": {}}, {"actions": [action]}, tmp_path) == {"paths": {}}


def specs_with(folder: Path, **documents: Any) -> Path:
    """A copy of `specs/` with other upstream files."""
    shutil.copytree(SPECS, folder / "specs")
    for contract, document in documents.items():
        upstream_file(CONTRACTS[contract], folder / "specs").write_bytes(as_bytes(document))
    return folder / "specs"


@pytest.mark.parametrize("contract", ["order", "shipment"])
def test_the_same_facts_written_in_another_way_serve_the_same_members_values_and_elements(
    contract: str, tmp_path: Path
) -> None:
    specs = specs_with(tmp_path, **{contract: published(contract)})
    theirs, own = served_contract(CONTRACTS[contract], specs), served_contract(CONTRACTS[contract])
    for document in (theirs, own):
        assert list(document["paths"]) == [f"/webhooks/tradecloud/{contract}"]
    assert places(theirs) == places(own)


def places(contract: Any) -> dict[str, Any]:
    """What is said of each place of a body."""
    schemas = contract["components"]["schemas"]
    found: dict[str, Any] = {}

    def look(place: str, schema: Any, inside: tuple[str, ...]) -> None:
        for name in [part["$ref"].rpartition("/")[2] for part in schema.get("allOf", ())]:
            if name in inside:
                return
            inside = (*inside, name)
            schema = schemas[name] | {key: value for key, value in schema.items() if key != "allOf"}
        exact = schema.get("format") if schema.get("type") == "number" else None
        said = [schema.get(key) for key in ("type", "x-known-values", "nullable", "required", "x-xml-also-read")]
        element = schema.get("xml", {}).get("name") if place.endswith("[]") else None
        found[place] = (*said, exact, element)
        for name, member in schema.get("properties", {}).items():
            look(f"{place}.{name}", member, inside)
        if "items" in schema:
            look(f"{place}[]", schema["items"], inside)

    look("", schemas["WebhookBody"], ())
    return found


@pytest.mark.parametrize("name", ["Problem", "Queued", "Finding"])
def test_definition_with_the_name_of_a_schema_of_ours_is_refused(name: str, tmp_path: Path) -> None:
    document = copy.deepcopy(ours("order"))
    document["definitions"][name] = {"type": "object"}
    document["definitions"]["WebhookBody"]["properties"]["new"] = {"$ref": f"#/definitions/{name}"}
    with pytest.raises(UnsupportedConstructError, match=f"#/definitions/{name}"):
        served_contract(CONTRACTS["order"], specs_with(tmp_path, order=document))


BOMB = b"a0: &a0 [x, x]\n" + b"".join(b"a%d: &a%d [*a%d, *a%d]\n" % (i, i, i - 1, i - 1) for i in range(1, 60))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not a mapping"),
        (b"- swagger", "not a mapping"),
        (b"<html><body>Please log in</body></html>", "not a mapping"),
        (b"openapi: 3.0.3", "it does not say swagger"),
        (b"swagger: '2.0'\nswagger: '2.0'", "line 2: the key 'swagger' stands twice"),
        (b"swagger: '2.0'\ninfo: {a: 1, b: 2, a: 3}", "line 2: the key 'a' stands twice"),
        (b"swagger: '2.0'\ninfo: [", "line 3: did not find"),
        (b"swagger: '2.0'\n? [a]\n: b", "line 2: a key that is no text"),
        (b"swagger: '2.0'\ninfo: !!python/object/apply:os.system [exit]", "line 2: could not determine"),
        (b"swagger: '2.0'\ninfo: &a [*a]", "line 2: a part that contains itself"),
        (b"swagger: '2.0'\ninfo: " + b"[" * 200 + b"]" * 200, "nested deeper than 100"),
        (b"swagger: '2.0'\ninfo: " + b"[" * 1_000_000, "line 2: "),
        (b"swagger: '2.0'\n" + BOMB, "more than 500000 values"),
        (b"#" * (8 * 1024 * 1024 + 1), "longer than 8388608 bytes"),
        (b"swagger: '\xff\xfe\x00'", "no YAML"),
        (b"swagger: '2.0'\nn: " + b"9" * 5000, "no YAML"),
    ],
)
def test_content_that_is_no_swagger_file_is_refused_in_one_line(content: bytes, reason: str) -> None:
    with pytest.raises(upstream.SwaggerFileError) as caught:
        upstream.read(content)
    assert reason in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_scalars_are_read_by_the_rules_of_json() -> None:
    content = b"{swagger: 2.0, enum: [no, 0012, 12:30, 2026-11-24, 1e3, -1, 0.5, true, null, ~, Yes], no: on}"
    assert upstream.read(content) == {
        "swagger": 2.0,
        "enum": ["no", "0012", "12:30", "2026-11-24", 1000.0, -1, 0.5, True, None, None, "Yes"],
        "no": "on",
    }


def anywhere(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path to every value below the root."""
    if path:
        yield path
    for key, value in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        yield from anywhere(value, (*path, key))


def test_value_of_the_wrong_type_anywhere_is_taken_or_refused_by_name() -> None:
    document = swagger_with(
        {"$ref": "#/definitions/Body"},
        Body={
            "allOf": [{"$ref": "#/definitions/Base"}, {"properties": {"id": {"description": "d"}}}],
            "xml": {"name": "Body"},
            "required": ["eventName"],
            "additionalProperties": {"type": "string"},
            "properties": {
                "eventName": {"type": "string", "format": "f", "enum": ["A"], "x-nullable": True},
                "lines": {"type": "array", "items": {"$ref": "#/definitions/Base"}, "xml": {"name": "line"}},
            },
        },
        Base={"type": "object", "properties": {"id": {"type": "string", "x-confidence": "doc"}}},
    )
    document |= {"host": "h", "schemes": ["https"], "consumes": ["a/b"], "parameters": {"P": {"in": "header"}}}
    document["paths"]["/x"]["parameters"] = [{"$ref": "#/parameters/P"}]
    for path in list(anywhere(document)):
        others: tuple[Any, ...] = (
            None,
            1,
            "x",
            [],
            {},
            True,
            [None],
            [[]],
            {"a": None},
            {"$ref": 5},
            {"allOf": [5]},
        )
        for other in others:
            changed = copy.deepcopy(document)
            node: Any = changed
            for part in path[:-1]:
                node = node[part]
            node[path[-1]] = other
            with contextlib.suppress(UnsupportedConstructError):
                converted = swagger.to_openapi(changed)
                tolerance.tolerate(converted, ("eventName",))
                element_names.complete(converted)
            for one, another in ((document, changed), (changed, document)):
                with contextlib.suppress(UnsupportedConstructError):
                    compare(one, another, ("eventName",))


def test_models_follow_no_extension_of_a_foreign_file(tmp_path: Path) -> None:
    document = copy.deepcopy(ours("order"))
    document["definitions"]["Money"]["x-python-import"] = {"module": "os", "name": "system"}
    document["definitions"]["Money"]["properties"]["currencyIso"] |= {
        "x-python-type": "subprocess.Popen",
        "description": '"""\nimport os\n"""',
    }
    generate_into(tmp_path / "generated", specs_with(tmp_path, order=document))
    text = (tmp_path / "generated" / "models" / "order.py").read_text(encoding="utf-8")
    nodes = list(ast.walk(ast.parse(text)))
    assert not [node for node in nodes if isinstance(node, ast.Import)]
    imported = {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    assert imported <= {"__future__", "typing", "pydantic", "generated.models.wire_types"}
