"""From `specs/` to `generated/`."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from tools.generate import overlay, swagger, tolerance
from tools.generate.__main__ import stale_files
from tools.generate.composition import UnsupportedConstructError
from tools.generate.pipeline import CONTRACTS, ROOT, generate_into, served_contract

SWAGGER: dict[str, Any] = {
    "swagger": "2.0",
    "info": {"title": "T", "version": "v2"},
    "host": "example.com",
    "basePath": "/v2",
    "schemes": ["https"],
    "paths": {
        "/x": {
            "post": {
                "operationId": "webhookPost",
                "consumes": ["application/json"],
                "parameters": [
                    {"name": "body", "in": "body", "required": True, "schema": {"$ref": "#/definitions/Body"}}
                ],
                "responses": {"200": {"description": "ok"}},
            }
        }
    },
    "definitions": {
        "Body": {
            "type": "object",
            "required": ["eventName"],
            "properties": {
                "eventName": {"type": "string", "enum": ["A"]},
                "lines": {"type": "array", "maxItems": 500, "items": {"$ref": "#/definitions/Line"}},
                "line": {"$ref": "#/definitions/Line"},
                "code": {"type": "string", "pattern": "^x$", "x-nullable": True},
            },
        },
        "Line": {
            "type": "object",
            "properties": {"quantity": {"type": "number", "format": "decimal", "minimum": 0}},
        },
    },
}


def changed(*path: str | int, value: Any) -> dict[str, Any]:
    """The Swagger document with one thing put in."""
    document = copy.deepcopy(SWAGGER)
    node: Any = document
    for part in path[:-1]:
        node = node[part]
    node[path[-1]] = value
    return document


def other_webhook() -> dict[str, Any]:
    """A second operation with a body of its own that could be an event."""
    schema = {"properties": {"eventName": {"type": "string"}, "other": {"type": "string"}}}
    return {"post": {"parameters": [{"name": "body", "in": "body", "schema": schema}]}}


def test_generation_is_the_same_to_the_byte_each_time(tmp_path: Path) -> None:
    generate_into(tmp_path / "one")
    generate_into(tmp_path / "two")
    assert stale_files(tmp_path / "one", tmp_path / "two") == []
    assert stale_files(ROOT / "generated", tmp_path / "one") == []


def test_stale_and_foreign_files_are_named(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "same.py").write_text("x")
    (tmp_path / "one" / "changed.py").write_text("x")
    (tmp_path / "two" / "changed.py").write_text("y")
    (tmp_path / "one" / "foreign.yaml").write_text("x")
    assert stale_files(tmp_path / "one", tmp_path / "two") == ["changed.py", "foreign.yaml"]


@pytest.mark.parametrize(
    ("document", "named"),
    [
        (changed("components", value={}), "'components' at #"),
        (changed("paths", "/x", "trace", value={}), "'trace' at #/paths//x"),
        (changed("paths", "/x", "post", "callbacks", value={}), "'callbacks' at #/paths//x/post"),
        (changed("definitions", "Line", "oneOf", value=[]), "'oneOf' at #/definitions/Line"),
        (changed("definitions", "Line", "additionalProperties", value="no"), "additionalProperties 'no'"),
        (changed("definitions", "Line", "properties", "quantity", "type", value="file"), "type 'file'"),
        (changed("definitions", "Line", "properties", "quantity", "type", value=["null"]), "type ['null']"),
        (changed("definitions", "Line", "properties", "quantity", value=None), "NoneType where a mapping"),
        (changed("definitions", "Line", "allOf", value=[{"type": "string"}]), "of the types string and object"),
        (changed("definitions", "Line", "allOf", value=[{"$ref": "#/definitions/Line"}]), "inside itself"),
        (changed("definitions", "Line", "allOf", value={}), "dict where a list is expected"),
        (changed("definitions", "Line", "xml", value={"wrapped": True}), "xml with wrapped"),
        (changed("definitions", "Line", "xml", value={"strange": 1}), "'strange'"),
        (changed("definitions", "Line", "x-nullable", value="yes"), "x-nullable 'yes'"),
        (changed("definitions", "Body", "type", value="array"), "a body that is no object"),
        (changed("definitions", "Body", "properties", "line", value={"$ref": "other.yaml"}), "'other.yaml'"),
        (changed("definitions", "Body", "properties", "line", value={"$ref": "#/definitions/No"}), "/No' at"),
        (changed("paths", "/x", "post", "parameters", 0, "in", value="query"), "no POST with a body at #/paths"),
        (changed("paths", "/x", "post", "parameters", 0, "in", value="formData"), "a form at"),
        (changed("paths", "/x", "post", "parameters", 0, "in", value="cookie"), "a parameter in 'cookie'"),
        (changed("paths", "/x", "post", "parameters", 0, value={"$ref": "#/parameters/no"}), "'#/parameters/no'"),
        (changed("paths", "/y", value=other_webhook()), "more than one webhook (/x, /y)"),
        (changed("swagger", value="1.2"), "version '1.2'"),
    ],
)  # fmt: skip
def test_construct_that_is_not_supported_is_refused_by_name(document: dict[str, Any], named: str) -> None:
    with pytest.raises(UnsupportedConstructError) as caught:
        swagger.to_openapi(document)
    assert named in str(caught.value)


def test_tolerance_leaves_nothing_that_could_refuse_an_event_of_tomorrow() -> None:
    document = swagger.to_openapi(SWAGGER)
    tolerance.tolerate(document, ["eventName"])
    body = document["components"]["schemas"]["WebhookBody"]["properties"]
    assert body["eventName"] == {"type": "string", "x-known-values": ["A"]}
    assert body["lines"]["x-documented-limit"] == 500
    assert body["lines"]["nullable"] is True
    assert body["line"] == {"allOf": [{"$ref": "#/components/schemas/Line"}], "nullable": True}
    assert body["code"] == {"type": "string", "x-documented-pattern": "^x$", "nullable": True}
    quantity = document["components"]["schemas"]["Line"]["properties"]["quantity"]
    assert quantity == {"type": "number", "format": "decimal", "x-documented-minimum": 0, "nullable": True}


@pytest.mark.parametrize("name", CONTRACTS.values())
def test_served_contract_is_as_tolerant_as_the_platforms_promise_demands(name: str) -> None:
    schemas = served_contract(name)["components"]["schemas"]
    ours = {"Queued", "Processed", "Problem", "Finding"}
    for schema_name, schema in schemas.items():
        if schema_name in ours:
            continue
        for where, node in walk(schema, schema_name):
            assert not node.keys() & {"enum", "maxItems", "minItems", "maxLength", "minLength", "pattern"}, where
            assert node.get("additionalProperties", True) is True, where
        required = schema.get("required", [])
        assert set(required) <= {"eventName", "shipment"}, schema_name
        for member, described in schema.get("properties", {}).items():
            assert described.get("nullable", False) is (member not in required), f"{schema_name}.{member}"


@pytest.mark.parametrize("name", CONTRACTS.values())
def test_upstream_says_of_every_field_where_it_comes_from(name: str) -> None:
    upstream = yaml.safe_load((ROOT / "specs" / "upstream" / f"{name}-connector.yaml").read_text("utf-8"))
    if "reconstruction" not in upstream["info"]["title"]:
        return  # the vendor's own file, by `make specs ARGS=--replace`
    for schema_name, schema in upstream["definitions"].items():
        for member, described in schema.get("properties", {}).items():
            assert described["description"], f"{schema_name}.{member}"
            assert set(described["x-source"]) <= upstream["x-sources"].keys(), f"{schema_name}.{member}"
            assert described["x-confidence"] in upstream["x-confidence-levels"], f"{schema_name}.{member}"
            if member.lower().endswith(("quantity", "weight", "percentage", "measure")) or member == "value":
                expected = ("string",) if schema_name == "Property" else ("number", "decimal")
                assert (described["type"], *([described["format"]] if len(expected) > 1 else [])) == expected


def test_overlay_action_that_finds_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(overlay.OverlayError, match=r"action 1: nothing .* \$\.paths\.nowhere"):
        overlay.apply({"paths": {}}, {"actions": [{"target": "$.paths.nowhere", "remove": True}]}, tmp_path)


def walk(node: Any, where: str) -> Any:
    if isinstance(node, dict):
        yield where, node
        for key, value in node.items():
            if not key.startswith("x-") and key != "properties":
                yield from walk(value, f"{where}.{key}")
        for key, value in node.get("properties", {}).items():
            yield from walk(value, f"{where}.{key}")
    elif isinstance(node, list):
        for i, value in enumerate(node):
            yield from walk(value, f"{where}[{i}]")
