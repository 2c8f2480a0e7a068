"""What makes the served contract as tolerant as the platform's promise demands.

Tradecloud promises only that fields are not removed; new members, values and longer lists may come any day, and
a 400 is final for the sender: whatever is refused is lost. So nothing is asserted but JSON types and structure, and
a file that is stricter is made as tolerant as ours, in the open:

- `required`: only what an event cannot be handled without, the names that are given to `tolerate`; the file's own
  list becomes `x-documented-required`. A file whose body lacks one of them is refused: every event would be.
- every other member may be null, whether the file says `x-nullable` or not;
- `enum` becomes `x-known-values`, without null;
- `additionalProperties`: false closes nothing (an object without the keyword is open, and what is not described
  counts as drift); a schema for the members of a map is not enforced, the map is open;
- limits (lengths, ranges, patterns, counts, `uniqueItems`, `multipleOf`) become `x-documented-…`. All of these are
  shown; the service counts values, members and lengths of arrays beyond them as drift, and enforces none;
- formats are not asserted. A number is an exact decimal, whatever its `format` (which becomes
  `x-documented-format`): a quantity must never pass through a binary float;
- `default` becomes `x-documented-default`: a member that was not sent must not look as if it was; `readOnly` and
  `discriminator` say nothing about a body that is received, and have another form or meaning in OpenAPI 3.0.

What stays is `type`: a text where the contract has a number is refused, by the README's promise to answer 400 only
when it is really the sender's fault. Our own upstream files already follow all this.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tools.generate.composition import UnsupportedConstructError
from tools.generate.swagger import ROOT

Json = Any

_NOT_ENFORCED = {
    "default": "x-documented-default",
    "discriminator": "x-documented-discriminator",
    "enum": "x-known-values",
    "exclusiveMaximum": "x-documented-exclusive-maximum",
    "exclusiveMinimum": "x-documented-exclusive-minimum",
    "maxItems": "x-documented-limit",
    "maxLength": "x-documented-max-length",
    "maxProperties": "x-documented-max-properties",
    "maximum": "x-documented-maximum",
    "minItems": "x-documented-min-items",
    "minLength": "x-documented-min-length",
    "minProperties": "x-documented-min-properties",
    "minimum": "x-documented-minimum",
    "multipleOf": "x-documented-multiple-of",
    "pattern": "x-documented-pattern",
    "readOnly": "x-documented-read-only",
    "uniqueItems": "x-documented-unique-items",
}


def tolerate(document: Json, indispensable: Sequence[str]) -> None:
    """Change the OpenAPI 3.0 `document` in place as described at the head of this module.

    `indispensable` are the members of the body without which the service refuses an event.

    Raises:
        UnsupportedConstructError: the body of the document has no such member.
    """
    for name, schema in document["components"]["schemas"].items():
        _tolerate(schema, indispensable if name == ROOT else ())
    body = document["components"]["schemas"][ROOT]
    for member in indispensable:
        if member not in body.get("properties", {}):
            raise UnsupportedConstructError(f"a body without {member!r}, which the service cannot do without,", "#")


def _tolerate(schema: Json, indispensable: Sequence[str] = ()) -> None:
    for keyword, extension in _NOT_ENFORCED.items():
        if keyword in schema:
            schema[extension] = schema.pop(keyword)
    if isinstance(schema.get("x-known-values"), list):
        schema["x-known-values"] = [value for value in schema["x-known-values"] if value is not None]
    if schema.get("type") == "number" and schema.get("format") != "decimal":
        if "format" in schema:
            schema["x-documented-format"] = schema["format"]
        schema["format"] = "decimal"
    _require_only(schema, indispensable)
    _open(schema)
    for name, member in schema.get("properties", {}).items():
        _tolerate(member)
        if name in indispensable:
            member.pop("nullable", None)
        else:
            member["nullable"] = True
    if "items" in schema:
        _tolerate(schema["items"])


def _require_only(schema: Json, indispensable: Sequence[str]) -> None:
    if schema.get("required", []) == list(indispensable):
        return
    if "required" in schema:
        schema["x-documented-required"] = schema.pop("required")
    if indispensable:
        schema["required"] = list(indispensable)


def _open(schema: Json) -> None:
    if "additionalProperties" in schema and schema["additionalProperties"] is not True:
        described = schema.pop("additionalProperties")
        schema["x-documented-additional-properties"] = described
        if described is not False:
            schema["additionalProperties"] = True
