"""What the served contract says of a request: an independent judge of what was generated.

Schemathesis' own label is not enough. It counts a text that is no date as a violation, while the contract only
describes it; it cannot know that a number in tXML may stand where a text is expected.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import jsonschema_rs

from conformance.generative.schemas import resolved
from conformance.generative.txml import TxmlReadError, read
from conformance.generative.values import Expectation

_KEYWORDS = (
    "type",
    "enum",
    "required",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "uniqueItems",
    "pattern",
    "multipleOf",
    "minProperties",
    "maxProperties",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "format",
)
_SINGLE = ("not", "items", "additionalProperties")
_SEVERAL = ("allOf", "anyOf", "oneOf")
#: The members that hold the content of an order event; none or several of them leave the outcome open (MAL-07).
_ORDER_PAYLOADS = ("orderEvent", "singleDeliveryOrderEvent", "orderDocumentsEvent")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the contract says of one body, and why."""

    expectation: Expectation
    reason: str = ""
    features: tuple[str, ...] = ()
    """What is unusual about a valid body: unknown members, nulls."""
    keywords: tuple[str, ...] = field(default=(), compare=False)
    """Schema keywords that the body met; for an invalid body, those that it broke."""


class ServedContract:
    """The contract of one endpoint, compiled once."""

    def __init__(self, document: dict[str, Any]) -> None:
        (item,) = document["paths"].values()
        content = item["post"]["requestBody"]["content"]
        self.media_types = frozenset(content)
        self._definitions: dict[str, Any] = document["components"]["schemas"]
        self._root = next(iter(content.values()))["schema"]
        schema = {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$defs": {name: _translated(schema) for name, schema in self._definitions.items()},
            **_translated(self._root),
        }
        self._structure = jsonschema_rs.Draft202012Validator(schema, validate_formats=False)
        self._with_formats = jsonschema_rs.Draft202012Validator(schema, validate_formats=True)

    def judge(self, media_type: str, body: bytes) -> Verdict:
        """What must become of a body of this media type, sent by POST with credentials in force."""
        essence = media_type.partition(";")[0].strip().lower()
        if essence not in self.media_types:
            return Verdict(Expectation.INVALID, f"media type {essence or 'absent'}")
        try:
            document = (
                json.loads(body) if essence == "application/json" else read(body, self._root, self._definitions)
            )
        except (ValueError, TxmlReadError) as error:
            return Verdict(Expectation.INVALID, f"syntax: {error}")
        return self.judge_document(document)

    def judge_document(self, document: Any) -> Verdict:
        """What must become of a body that has been read."""
        errors = list(self._structure.iter_errors(document))
        if errors:
            first = min(errors, key=lambda error: len(error.instance_path))
            place = "/".join(str(part) for part in first.instance_path)
            broken = tuple(str(error.schema_path[-1]) for error in errors)
            return Verdict(Expectation.INVALID, f"{first.schema_path[-1]} at /{place}", keywords=broken)
        walk = _Walk(self._definitions)
        walk.visit(self._root, document)
        features, keywords = tuple(sorted(walk.features)), tuple(walk.keywords.elements())
        open_reason = self._left_open(document)
        if open_reason:
            return Verdict(Expectation.EITHER, open_reason, features, keywords)
        return Verdict(Expectation.VALID, "", features, keywords)

    def _left_open(self, document: dict[str, Any]) -> str:
        """Why accepting and refusing are both right, for a body of the right structure; empty if they are not."""
        if not self._with_formats.is_valid(document):
            return "a text is not of its described format"
        if not document.get("eventName"):
            return "the event name is empty"
        text = json.dumps(document)
        if "\\u0000" in text or re.search(r"\\ud[89ab][0-9a-f]{2}(?!\\ud[c-f])", text):
            return "a text holds NUL or half a character"
        if "orderEvent" in _properties(self._root, self._definitions):
            payloads = sum(isinstance(document.get(name), dict) for name in _ORDER_PAYLOADS)
            if payloads != 1:
                return f"{payloads} event blocks"
        return ""


class _Walk:
    """Follows a valid value through the schema: which keywords it met, what of it the contract does not know."""

    def __init__(self, definitions: dict[str, Any]) -> None:
        self._definitions = definitions
        self.features: set[str] = set()
        self.keywords: Counter[str] = Counter()

    def visit(self, schema: dict[str, Any], value: Any) -> None:
        schema = resolved(schema, self._definitions)
        self.keywords.update(key for key in schema if key in _KEYWORDS or key in _SINGLE or key in _SEVERAL)
        if value is None:
            self.features.add("null")
            self.keywords["nullable"] += 1
        elif isinstance(value, dict):
            known = schema.get("properties", {})
            for name, member in value.items():
                if name in known:
                    self.visit(known[name], member)
                elif schema.get("additionalProperties") is None:
                    self.features.add("unknown member")
        elif isinstance(value, list):
            for item in value:
                self.visit(schema.get("items", {}), item)
        elif "x-known-values" in schema and value not in schema["x-known-values"]:
            self.features.add(
                "unknown event name" if "OrderSynced" in schema["x-known-values"] else "unknown value"
            )


def _properties(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    members: dict[str, Any] = resolved(schema, definitions).get("properties", {})
    return members


def _translated(schema: dict[str, Any]) -> dict[str, Any]:
    """An OpenAPI 3.0 schema as JSON Schema: `nullable` becomes an alternative, the rest of its words go."""
    if "$ref" in schema:
        return {"$ref": f"#/$defs/{schema['$ref'].rpartition('/')[2]}"}
    made = {key: schema[key] for key in _KEYWORDS if key in schema}
    if "properties" in schema:
        made["properties"] = {name: _translated(member) for name, member in schema["properties"].items()}
    made |= dict(_composed(schema))
    if schema.get("nullable") and "type" in made and "enum" not in made:
        return made | {"type": [made["type"], "null"]}
    if schema.get("nullable"):
        return {"anyOf": [made, {"type": "null"}]}
    return made


def _composed(schema: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for key in _SINGLE:
        if key in schema:
            yield key, schema[key] if isinstance(schema[key], bool) else _translated(schema[key])
    for key in _SEVERAL:
        if key in schema:
            yield key, [_translated(part) for part in schema[key]]
