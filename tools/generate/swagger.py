"""Swagger 2.0 to OpenAPI 3.0.3, for the constructs that Tradecloud's webhook specs use.

Every construct is either carried over or refused by name: a keyword that this step does not know could change
what the contract accepts, so dropping it in silence is not an option. Extensions (`x-…`) are carried over as
they are.
"""

from __future__ import annotations

from typing import Any

Json = Any

_ROOT = {"swagger", "info", "host", "basePath", "schemes", "tags", "paths", "definitions", "externalDocs"}
_OPERATION = {"tags", "summary", "description", "operationId", "consumes", "parameters", "responses"}
_BODY_PARAMETER = {"name", "in", "description", "required", "schema"}
_RESPONSE = {"description"}
_SCHEMA = {
    "$ref", "additionalProperties", "allOf", "default", "description", "enum", "example", "format", "items",
    "maxItems", "maxLength", "maximum", "minItems", "minLength", "minimum", "pattern", "properties", "required",
    "title", "type", "xml",
}  # fmt: skip
_TYPES = {"array", "boolean", "integer", "number", "object", "string"}


class UnsupportedConstructError(ValueError):
    """The Swagger file holds something that this step cannot carry over; the text names it and its place."""

    def __init__(self, what: str, where: str) -> None:
        super().__init__(f"{what} at {where} is not supported by the Swagger step; teach it or change the file")


def to_openapi(swagger: Json) -> Json:
    """The same contract as an OpenAPI 3.0.3 document.

    Raises:
        UnsupportedConstructError: for any keyword that is not carried over, with its JSON pointer.
    """
    if swagger.get("swagger") != "2.0":
        raise UnsupportedConstructError(f"version {swagger.get('swagger')!r}", "#/swagger")
    _refuse_unknown(swagger, _ROOT, "#")
    scheme = (swagger.get("schemes") or ["https"])[0]
    document: dict[str, Json] = {
        "openapi": "3.0.3",
        "info": swagger["info"],
        "servers": [{"url": f"{scheme}://{swagger['host']}{swagger.get('basePath', '')}"}],
    }
    for key in ("tags", "externalDocs"):
        if key in swagger:
            document[key] = swagger[key]
    document |= _extensions(swagger)
    document["paths"] = {path: _path(item, f"#/paths/{path}") for path, item in swagger["paths"].items()}
    document["components"] = {
        "schemas": {
            name: _schema(schema, f"#/definitions/{name}") for name, schema in swagger["definitions"].items()
        }
    }
    return document


def _path(item: Json, where: str) -> Json:
    _refuse_unknown(item, {"post"}, where)
    return {method: _operation(operation, f"{where}/{method}") for method, operation in item.items()}


def _operation(operation: Json, where: str) -> Json:
    _refuse_unknown(operation, _OPERATION, where)
    converted = {
        key: value for key, value in operation.items() if key not in ("consumes", "parameters", "responses")
    }
    body, *others = operation["parameters"]
    if others or body.get("in") != "body":
        raise UnsupportedConstructError("a parameter that is not the one body", f"{where}/parameters")
    _refuse_unknown(body, _BODY_PARAMETER, f"{where}/parameters/0")
    schema = _schema(body["schema"], f"{where}/parameters/0/schema")
    converted["requestBody"] = {
        "required": body.get("required", False),
        "content": {media_type: {"schema": schema} for media_type in operation["consumes"]},
    }
    if "description" in body:
        converted["requestBody"]["description"] = body["description"]
    converted["responses"] = {}
    for status, response in operation["responses"].items():
        _refuse_unknown(response, _RESPONSE, f"{where}/responses/{status}")
        converted["responses"][str(status)] = dict(response)
    return converted


def _schema(schema: Json, where: str) -> Json:
    _refuse_unknown(schema, _SCHEMA, where)
    if "type" in schema and schema["type"] not in _TYPES:
        raise UnsupportedConstructError(f"type {schema['type']!r}", where)
    converted: dict[str, Json] = {}
    for key, value in schema.items():
        if key == "$ref":
            converted[key] = _reference(value, where)
        elif key == "allOf":
            if len(value) != 1 or set(value[0]) != {"$ref"}:
                raise UnsupportedConstructError("an allOf of anything but one reference", where)
            converted[key] = [{"$ref": _reference(value[0]["$ref"], where)}]
        elif key == "properties":
            converted[key] = {name: _schema(member, f"{where}/properties/{name}") for name, member in value.items()}
        elif key == "items":
            converted[key] = _schema(value, f"{where}/items")
        elif key == "additionalProperties":
            if value is not True:
                raise UnsupportedConstructError("additionalProperties other than true", where)
            converted[key] = value
        elif key == "x-nullable":
            converted["nullable"] = value
        else:
            converted[key] = value
    return converted


def _reference(reference: str, where: str) -> str:
    prefix = "#/definitions/"
    if not reference.startswith(prefix):
        raise UnsupportedConstructError(f"the reference {reference!r}", where)
    return "#/components/schemas/" + reference.removeprefix(prefix)


def _refuse_unknown(node: Json, known: set[str], where: str) -> None:
    for key in node:
        if key not in known and not key.startswith("x-"):
            raise UnsupportedConstructError(f"the keyword {key!r}", where)


def _extensions(node: Json) -> dict[str, Json]:
    return {key: value for key, value in node.items() if key.startswith("x-")}
