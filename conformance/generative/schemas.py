"""References in the served contract."""

from __future__ import annotations

from typing import Any


def resolved(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """The schema with its reference followed; references stand alone or as the only part of `allOf`."""
    for _ in range(len(definitions)):
        parts = schema.get("allOf", [])
        reference = schema.get("$ref") or next((part["$ref"] for part in parts if "$ref" in part), None)
        if reference is None:
            return schema
        schema = definitions[reference.rpartition("/")[2]]
    return schema
