"""Swagger 2.0 to OpenAPI 3.0.3, for the body of the webhook.

Every construct is carried over, left out below with the reason, or refused by name: a keyword that this step does
not know could change what the contract accepts, so dropping it in silence is not an option. Extensions (`x-…`) are
carried over as they are. What comes out has one form, whatever the file looks like:

- one operation, that of the webhook; its body is the schema `WebhookBody`, whatever the file calls it;
- every other named schema is an object that can be reached from there. References to anything else (a text with a
  list of values, an array) are replaced by what they refer to, and every composition (`allOf`) by its sum, except
  for a lone reference with annotations beside it;
- the `xml` of array items stands at the items, even where the file says it at the definition.

Left out is what the service says for itself (authentication, answers, address), other operations, and parameters
beside the body, which the service does not read.
"""

from __future__ import annotations

import re
from typing import Any

from tools.generate.composition import Definitions, UnsupportedConstructError, listing, mapping
from tools.generate.operation import WebhookOperation, shared_response, webhook_operation

Json = Any

#: The name of the body's schema in every served contract.
ROOT = "WebhookBody"

_ROOT = {
    "basePath", "consumes", "definitions", "externalDocs", "host", "info", "parameters", "paths", "produces",
    "responses", "schemes", "security", "securityDefinitions", "swagger", "tags",
}  # fmt: skip
_PATH = {"delete", "get", "head", "options", "parameters", "patch", "post", "put"}
_OPERATION = {"description", "externalDocs", "operationId", "summary", "tags"}
_OPERATION_LEFT_OUT = {"consumes", "deprecated", "parameters", "produces", "responses", "schemes", "security"}
_BODY_PARAMETER = {"description", "in", "name", "required", "schema"}
_RESPONSE = {"description", "examples", "headers", "schema"}
_SCHEMA = {
    "additionalProperties", "default", "description", "discriminator", "enum", "example",
    "exclusiveMaximum", "exclusiveMinimum", "externalDocs", "format", "items", "maxItems", "maxLength",
    "maxProperties", "maximum", "minItems", "minLength", "minProperties", "minimum", "multipleOf", "pattern",
    "properties", "readOnly", "required", "title", "type", "uniqueItems", "xml",
}  # fmt: skip
_TYPES = ("array", "boolean", "integer", "number", "object", "string")

#: Schemas inside each other without a name between them.
_MAX_DEPTH = 60
#: Schemas in all: compositions are written out, and a small file can be large when it is.
_MAX_SCHEMAS = 100_000


def to_openapi(swagger: Json) -> Json:
    """The webhook of the Swagger document as an OpenAPI 3.0.3 document.

    Raises:
        UnsupportedConstructError: for any keyword that is not carried over, with its JSON pointer.
    """
    if str(swagger.get("swagger")) != "2.0":
        raise UnsupportedConstructError(f"version {swagger.get('swagger')!r}", "#/swagger")
    _refuse_unknown(swagger, _ROOT, "#")
    definitions = Definitions(swagger)
    operation = webhook_operation(swagger, definitions)
    if operation is None:
        raise UnsupportedConstructError("no POST with a body", "#/paths")
    _refuse_unknown(swagger["paths"][operation.path], _PATH, f"#/paths/{operation.path}")
    document: dict[str, Json] = {
        "openapi": "3.0.3",
        "info": _info(swagger),
        "servers": [{"url": _server(swagger)}],
    }
    for key in ("tags", "externalDocs"):
        if key in swagger:
            document[key] = swagger[key]
    document |= _extensions(swagger)
    document["paths"] = {operation.path: {"post": _operation(swagger, operation)}}
    document["components"] = {"schemas": _Schemas(definitions).reachable_from(operation)}
    return document


def _info(swagger: Json) -> Json:
    info = dict(mapping(swagger.get("info"), "#/info"))
    return info | {"version": str(info.get("version", ""))}


def _server(swagger: Json) -> str:
    base = str(swagger.get("basePath", ""))
    scheme = next(iter(listing(swagger.get("schemes", []), "#/schemes")), "https")
    return f"{scheme}://{swagger['host']}{base}" if "host" in swagger else base or "/"


def _operation(swagger: Json, operation: WebhookOperation) -> Json:
    where = operation.where
    _refuse_unknown(operation.description, _OPERATION | _OPERATION_LEFT_OUT, where)
    _refuse_unknown(operation.body, _BODY_PARAMETER, f"{where}/parameters/body")
    converted = {key: value for key, value in operation.description.items() if key not in _OPERATION_LEFT_OUT}
    converted["requestBody"] = {
        "required": operation.body.get("required", False),
        "content": {
            media_type: {"schema": {"$ref": f"#/components/schemas/{ROOT}"}}
            for media_type in operation.media_types or ("application/json",)
        },
    }
    if "description" in operation.body:
        converted["requestBody"]["description"] = operation.body["description"]
    converted["responses"] = {}
    for status, response in mapping(operation.description.get("responses", {}), f"{where}/responses").items():
        response = shared_response(swagger, response, f"{where}/responses/{status}")
        _refuse_unknown(response, _RESPONSE, f"{where}/responses/{status}")
        converted["responses"][str(status)] = {"description": str(response.get("description", ""))}
    return converted


class _Schemas:
    """Converts the body and every definition that it needs."""

    def __init__(self, definitions: Definitions) -> None:
        self._definitions = definitions
        self._components: dict[str, str] = {}
        self._waiting: list[str] = []
        self._depth = self._count = 0

    def reachable_from(self, operation: WebhookOperation) -> dict[str, Json]:
        """The named schemas, in the order of the file."""
        where = f"{operation.where}/parameters/body/schema"
        body = mapping(operation.body.get("schema"), where)
        converted: dict[str, Json] = {}
        root = self._definitions.object_named(body, where)
        if root is None:
            converted[ROOT] = self._written_out(body, where)
            converted[ROOT].pop("nullable", None)
            if converted[ROOT].get("type") != "object":
                raise UnsupportedConstructError("a body that is no object", where)
        else:
            self._waiting.append(root)
            self._components[root] = ROOT
        while self._waiting:
            name = self._waiting.pop()
            component = self._components[name]
            if component in converted:
                raise UnsupportedConstructError(f"a second schema with the name {component!r}", "#/definitions")
            converted[component] = self._written_out(self._definitions[name], f"#/definitions/{name}")
            converted[component].pop("nullable", None)  # said where the definition is used
        # Without an `xml` the element of a body has the name of its definition.
        if root not in (None, ROOT):
            converted[ROOT].setdefault("xml", {}).setdefault("name", root)
        order = [self._components.get(name) for name in self._definitions.names]
        return {name: converted[name] for name in [*([ROOT] if root is None else []), *order] if name is not None}

    def _component(self, name: str) -> str:
        if name not in self._components:
            # No dots, although OpenAPI allows them: the generator of the models takes a dotted name for a module.
            self._components[name] = re.sub(r"[^A-Za-z0-9_-]", "_", name)
            self._waiting.append(name)
        return self._components[name]

    def _schema(self, schema: Json, where: str) -> dict[str, Json]:
        self._depth += 1
        self._count += 1
        if self._depth > _MAX_DEPTH or self._count > _MAX_SCHEMAS:
            raise UnsupportedConstructError("nesting without end, or a composition of very many schemas", where)
        name = self._definitions.object_named(schema, where)
        converted = self._written_out(schema, where) if name is None else self._reference(schema, name, where)
        self._depth -= 1
        return converted

    def _reference(self, schema: Json, name: str, where: str) -> dict[str, Json]:
        # Inside an allOf, because OpenAPI 3.0 ignores the siblings of a bare $ref.
        described: dict[str, Json] = {}
        for part in (schema, *schema.get("allOf", ())):
            for key, value in part.items():
                if key in ("$ref", "allOf"):
                    described.setdefault("allOf", [{"$ref": f"#/components/schemas/{self._component(name)}"}])
                elif key != "type":
                    described.setdefault(key, value)
        if self._definitions.plain(schema, where).get("x-nullable"):
            described.setdefault("x-nullable", True)
        return dict(_keyword(key, value, where) for key, value in described.items())

    def _written_out(self, schema: Json, where: str) -> dict[str, Json]:
        plain = self._definitions.plain(schema, where)
        _refuse_unknown(plain, _SCHEMA, where)
        if "type" in plain and plain["type"] not in _TYPES:
            raise UnsupportedConstructError(f"type {plain['type']!r}", where)
        converted: dict[str, Json] = {}
        for key, value in plain.items():
            if key == "properties":
                converted[key] = {
                    name: self._schema(member, f"{where}/properties/{name}") for name, member in value.items()
                }
            elif key == "items":
                converted[key] = self._items(value, f"{where}/items")
            elif key == "additionalProperties" and isinstance(value, dict):
                converted[key] = self._schema(value, f"{where}/additionalProperties")
            else:
                keyword, carried = _keyword(key, value, where)
                converted[keyword] = carried
        if converted.get("type") == "array" and "items" not in converted:
            converted["items"] = {}
        return converted

    def _items(self, items: Json, where: str) -> dict[str, Json]:
        converted = self._schema(items, where)
        if xml := self._definitions.item_xml(items, where):
            converted.setdefault("xml", _keyword("xml", xml, where)[1])
        return converted


def _keyword(key: str, value: Json, where: str) -> tuple[str, Json]:
    """A keyword that needs no more than a look at its value."""
    if key == "x-nullable":
        if not isinstance(value, bool):
            raise UnsupportedConstructError(f"x-nullable {value!r}", where)
        return "nullable", value
    if key == "additionalProperties" and not isinstance(value, bool):
        raise UnsupportedConstructError(f"additionalProperties {value!r}", where)
    if key == "xml":
        _refuse_other_xml(mapping(value, where), where)
        return key, {name: value[name] for name in ("name",) if name in value}
    return key, value


def _refuse_other_xml(xml: Json, where: str) -> None:
    """tXML has neither attributes nor wrappers nor namespaces; a file that says otherwise needs a closer look."""
    for key, value in xml.items():
        if key not in ("name", "attribute", "namespace", "prefix", "wrapped") and not key.startswith("x-"):
            raise UnsupportedConstructError(f"the keyword {key!r}", f"{where}/xml")
        if key != "name" and value and not key.startswith("x-"):
            raise UnsupportedConstructError(f"xml with {key}", where)


def _refuse_unknown(node: Json, known: set[str], where: str) -> None:
    for key in mapping(node, where):
        if key not in known and not key.startswith("x-"):
            raise UnsupportedConstructError(f"the keyword {key!r}", where)


def _extensions(node: Json) -> dict[str, Json]:
    return {key: value for key, value in node.items() if key.startswith("x-")}
