"""The names of elements in tXML, so that a reader finds them in one place.

Every array gets `xml.name` at its items, and `x-xml-also-read` (from `specs/overlays/txml.overlay.yaml`, the names
that the vendor's samples show) holds only further names. A file that names no elements is read by ours.
"""

from __future__ import annotations

from typing import Any

from tools.generate.swagger import ROOT

Json = Any


def complete(document: Json) -> None:
    """Change the OpenAPI 3.0 `document` in place as described at the head of this module."""
    schemas = document["components"]["schemas"]
    if ROOT in schemas:
        _settle(schemas[ROOT], ROOT)
    for schema in schemas.values():
        _complete(schema)


def _complete(schema: Json) -> None:
    for name, member in schema.get("properties", {}).items():
        if "items" in member:
            _settle(member["items"], name)
        _complete(member)
    if "items" in schema:
        _complete(schema["items"])


def _settle(schema: Json, otherwise: str) -> None:
    """Name the element: as the contract does, else by the first name of ours, else by `otherwise`."""
    also_read = list(schema.pop("x-xml-also-read", ()))
    name = schema.get("xml", {}).get("name") or next(iter(also_read), otherwise)
    schema["xml"] = schema.get("xml", {}) | {"name": name}
    further = [one for one in dict.fromkeys(also_read) if one != name]
    if further:
        schema["x-xml-also-read"] = further
