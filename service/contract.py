"""The served contracts as the service uses them: routing data for connexion, JSON Schemas for the bodies.

Two readings of one contract: the *tolerant* schema decides what is accepted (JSON types and structure, nothing
else), the *documented* schema finds what goes beyond the contract (see `drift.py`). Both are derived from the
same file, so they cannot disagree about what is known.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from typing import Any

import yaml

from handlers.interface import Endpoint

Json = Any

ROOT = "WebhookBody"


@dataclass(frozen=True, slots=True)
class Contract:
    """One served OpenAPI document."""

    document: dict[str, Json]

    def operations(self) -> Iterator[tuple[str, Json]]:
        """Operation ids with their operations."""
        for path in self.document["paths"].values():
            for operation in path.values():
                yield operation["operationId"], operation

    def endpoints(self) -> Iterator[tuple[str, Endpoint]]:
        """Operation ids of the webhooks in this contract, with their endpoints."""
        for operation_id, operation in self.operations():
            if "x-endpoint" in operation:
                yield operation_id, Endpoint(operation["x-endpoint"])

    @property
    def media_types(self) -> tuple[str, ...]:
        """The media types that the webhook takes."""
        for _, operation in self.operations():
            if "requestBody" in operation:
                return tuple(operation["requestBody"]["content"])
        return ()

    @property
    def schemas(self) -> dict[str, Json]:
        """The named schemas."""
        schemas: dict[str, Json] = self.document["components"]["schemas"]
        return schemas


def webhook_contracts() -> tuple[Contract, ...]:
    """The contracts of the two webhooks."""
    folder = resources.files("generated") / "openapi"
    return tuple(_load(folder / f"{name}-webhook.yaml") for name in ("order", "shipment"))


def health_contract() -> Contract:
    """The contract of the health endpoints."""
    return _load(resources.files("specs") / "service" / "health.yaml")


def _load(file: Any) -> Contract:
    # The C loader: the contracts are large, and start-up waits for them.
    return Contract(yaml.load(file.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader))


def tolerant_schema(contract: Contract) -> Json:
    """JSON Schema (2020-12) that accepts every body that the contract accepts."""
    return _Translation(contract.schemas, documented=False).document()


def documented_schema(contract: Contract) -> Json:
    """JSON Schema (2020-12) that accepts only what the contract knows: members, values, limits, forms of dates."""
    return _Translation(contract.schemas, documented=True).document()


#: The forms of text that are looked at; names of our own, because `date-time` of JSON Schema demands a zone and
#: Tradecloud's documents show date-times without one.
DATE_FORMATS = {
    "date": "wire-date",
    "date-time": "wire-timestamp",
    "date-time-local": "wire-timestamp",
    "time-local": "wire-time",
}

_KEPT = ("type", "required", "not")


class _Translation:
    """OpenAPI 3.0 schemas to JSON Schema 2020-12.

    `nullable` becomes part of `type`. A nullable reference becomes a reference to a second, nullable copy of the
    schema, so that a finding deep inside it is still reported with its own pointer; an `anyOf` would hide it.
    """

    def __init__(self, schemas: dict[str, Json], *, documented: bool) -> None:
        self._schemas = schemas
        self._documented = documented
        self._translated: dict[str, Json] = {}

    def document(self) -> Json:
        root = self._reference(ROOT, nullable=False)
        return {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$ref": root,
            "$defs": self._translated,
        }

    def _reference(self, name: str, *, nullable: bool) -> str:
        key = f"{name}-or-null" if nullable else name
        if key not in self._translated:
            self._translated[key] = {}  # a schema may refer to itself
            self._translated[key] = self._schema(self._schemas[name], nullable=nullable)
        return f"#/$defs/{key}"

    def _schema(self, schema: Json, *, nullable: bool = False) -> Json:
        nullable = nullable or schema.get("nullable", False)
        reference = schema.get("$ref") or next((part["$ref"] for part in schema.get("allOf", ())), None)
        if reference is not None:
            return {"$ref": self._reference(reference.rpartition("/")[2], nullable=nullable)}
        translated = {key: schema[key] for key in _KEPT if key in schema}
        if nullable and "type" in translated:
            translated["type"] = [translated["type"], "null"]
        for key in ("properties", "not"):
            if key in schema:
                translated[key] = self._members(schema[key]) if key == "properties" else self._schema(schema[key])
        if "items" in schema:
            translated["items"] = self._schema(schema["items"])
        if "anyOf" in schema:
            translated["anyOf"] = [self._assertion(part) for part in schema["anyOf"]]
        if self._documented:
            translated |= self._documented_only(schema, nullable=nullable)
        return translated

    def _members(self, properties: Json) -> Json:
        return {name: self._schema(member) for name, member in properties.items()}

    def _assertion(self, schema: Json) -> Json:
        """A condition rather than a description: nothing in it makes a member known."""
        return _Translation(self._schemas, documented=False)._schema(schema)

    def _documented_only(self, schema: Json, *, nullable: bool) -> Json:
        extra: dict[str, Json] = {}
        if schema.get("type") == "object" and "additionalProperties" not in schema:
            extra["additionalProperties"] = False
        if "x-known-values" in schema:
            extra["enum"] = [*schema["x-known-values"], *([None] if nullable else [])]
        if schema.get("type") == "array" and "x-documented-limit" in schema:
            extra["maxItems"] = schema["x-documented-limit"]
        if schema.get("format") in DATE_FORMATS:
            extra["format"] = DATE_FORMATS[schema["format"]]
        return extra
