"""What makes the served contract as tolerant as the platform's promise demands.

Tradecloud promises only that fields are not removed; new members, values and longer lists may come any day, and
a 400 is final for the sender. So nothing is asserted but JSON types and structure:

- every optional member may be null;
- value lists become `x-known-values`, limits become `x-documented-…`: they are shown and counted as drift,
  never enforced.

The reconstructed upstream files already follow this; the step makes sure that a live file, which may close a
list or bound an array, cannot make the service refuse an event.
"""

from __future__ import annotations

from typing import Any

Json = Any

_NOT_ENFORCED = {
    "enum": "x-known-values",
    "maxItems": "x-documented-limit",
    "maxLength": "x-documented-max-length",
    "maximum": "x-documented-maximum",
    "minItems": "x-documented-min-items",
    "minLength": "x-documented-min-length",
    "minimum": "x-documented-minimum",
    "pattern": "x-documented-pattern",
}


def tolerate(document: Json) -> None:
    """Change the OpenAPI 3.0 `document` in place as described at the head of this module."""
    for schema in document["components"]["schemas"].values():
        _tolerate(schema)


def _tolerate(schema: Json) -> None:
    for keyword, extension in _NOT_ENFORCED.items():
        if keyword in schema:
            schema[extension] = schema.pop(keyword)
    required = schema.get("required", ())
    for name, member in schema.get("properties", {}).items():
        _tolerate(member)
        if name in required:
            member.pop("nullable", None)
        else:
            _make_nullable(member)
    if "items" in schema:
        _tolerate(schema["items"])


def _make_nullable(member: Json) -> None:
    if "$ref" in member:
        # OpenAPI 3.0 ignores siblings of $ref, so the reference moves into an allOf.
        member["allOf"] = [{"$ref": member.pop("$ref")}]
    member["nullable"] = True
