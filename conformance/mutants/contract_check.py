"""What the published contract says about a body, and no more: types of documented members, and what is required.

Read from `specs/upstream` by this module's own rules. Unknown members, values and event names pass; null and absent
are the same; formats are not looked at.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any

from conformance import yaml_text
from conformance.mutants.credentials import ORDER_PATH, SHIPMENT_PATH
from conformance.mutants.event import ORDER_PAYLOADS

_SPECS = {ORDER_PATH: "order-webhook-connector.yaml", SHIPMENT_PATH: "shipment-webhook-connector.yaml"}


@dataclass
class Shape:
    """What may stand in one place: `kind` is a JSON Schema type, or "any"."""

    kind: str
    name: str
    members: dict[str, Shape] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    item: Shape | None = None
    elements: tuple[str, ...] = ()
    """The tXML elements of an array's items."""

    @property
    def is_open(self) -> bool:
        """True for an object whose members are documented nowhere."""
        return self.kind == "any" or (self.kind == "object" and not self.members)


class ViolationError(Exception):
    """The body contradicts the contract; says where and how."""

    def __init__(self, pointer: str, text: str) -> None:
        super().__init__(f"{pointer or 'the body'}: {text}")
        self.is_missing = "missing" in text


@cache
def shape_of(path: str) -> Shape:
    """The shape of the body at a path."""
    return _Reading(_definitions(path)).definition("WebhookBody")


@cache
def known_event_names(path: str) -> frozenset[str]:
    """The names that the contract mentions; only faults insist on them."""
    names: list[str] = _definitions(path)["WebhookBody"]["properties"]["eventName"]["x-known-values"]
    return frozenset(names)


@cache
def _definitions(path: str) -> dict[str, Any]:
    text = files("specs").joinpath("upstream", _SPECS[path]).read_text("utf-8")
    definitions: dict[str, Any] = yaml_text.read(text)["definitions"]
    return definitions


class _Reading:
    def __init__(self, definitions: dict[str, Any]) -> None:
        self._definitions = definitions
        self._shapes: dict[str, Shape] = {}

    def definition(self, name: str) -> Shape:
        if name not in self._shapes:
            self._shapes[name] = shape = Shape("object", name)
            self._fill(shape, self._definitions[name])
        return self._shapes[name]

    def _shape(self, node: dict[str, Any], name: str) -> Shape:
        for part in node.get("allOf", [node]):
            if "$ref" in part:
                return self.definition(part["$ref"].rpartition("/")[2])
        shape = Shape(node.get("type", "any"), name)
        self._fill(shape, node)
        return shape

    def _fill(self, shape: Shape, node: dict[str, Any]) -> None:
        for member, held in node.get("properties", {}).items():
            shape.members[member] = self._shape(held, f"{shape.name}.{member}")
        shape.required = tuple(node.get("required", ()))
        if "items" in node:
            items = node["items"]
            shape.item = self._shape(items, f"{shape.name}.item")
            shape.elements = (*filter(None, [items.get("xml", {}).get("name")]), *items.get("x-xml-also-read", ()))


def check(path: str, body: dict[str, Any]) -> None:
    """Nothing when the body keeps the contract of its path.

    Raises:
        ViolationError: it does not.
    """
    _check(shape_of(path), body, "")
    if not body["eventName"]:
        raise ViolationError("/eventName", "is empty, which counts as missing")
    is_shipment = isinstance(body.get("shipment"), dict)
    if path == ORDER_PATH and is_shipment and not any(isinstance(body.get(name), dict) for name in ORDER_PAYLOADS):
        raise ViolationError("", "this is a shipment at the address for orders")


def _check(shape: Shape, value: Any, pointer: str) -> None:
    if shape.kind == "any":
        return
    if not _fits(shape.kind, value):
        raise ViolationError(pointer, f"has to be of type {shape.kind}")
    if shape.kind == "object":
        for name in shape.required:
            if value.get(name) is None:
                raise ViolationError(f"{pointer}/{name}", "is missing")
        for name, held in value.items():
            known = shape.members.get(name)
            if known is not None and held is not None:
                _check(known, held, f"{pointer}/{name}")
    elif shape.item is not None:
        for index, one in enumerate(value):
            _check(shape.item, one, f"{pointer}/{index}")


def _fits(kind: str, value: Any) -> bool:
    if kind == "object":
        return isinstance(value, dict)
    if kind == "array":
        return isinstance(value, list)
    if kind == "boolean":
        return isinstance(value, bool)
    if kind == "number":
        return isinstance(value, int | Decimal) and not isinstance(value, bool)
    if kind == "integer":
        return (isinstance(value, int) and not isinstance(value, bool)) or (
            isinstance(value, Decimal) and _is_whole(value)
        )
    return isinstance(value, str)


def _is_whole(value: Decimal) -> bool:
    """10.0 and 1e1 are integers too; nothing is written out for a huge exponent."""
    _, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        return False
    return exponent >= 0 or not any(digits[exponent:] if -exponent < len(digits) else digits)
