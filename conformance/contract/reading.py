"""What the specs say about the bodies: schemas, event names, and every place where a member can stand.

Only the documents below `specs/upstream` are read, by this module's own rules; nothing generated from them is used,
so that a mistake of a generator cannot hide itself.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from conformance import yaml_text
from conformance.contract.text import escaped


class Endpoint(StrEnum):
    """One of the two webhooks that a receiver can offer."""

    ORDER = "order"
    SHIPMENT = "shipment"


class Payload(StrEnum):
    """One form of body, named after the member that holds its content."""

    ORDER_EVENT = "orderEvent"
    SINGLE_DELIVERY = "singleDeliveryOrderEvent"
    DOCUMENTS = "orderDocumentsEvent"
    SHIPMENT = "shipment"

    @property
    def endpoint(self) -> Endpoint:
        """The webhook that receives this payload."""
        return Endpoint.SHIPMENT if self is Payload.SHIPMENT else Endpoint.ORDER


@dataclass(frozen=True, eq=False, slots=True)
class Schema:
    """What may stand in one place.

    `type` is object, array, string, integer, decimal or boolean. `name` is the name of the definition, or
    `Definition.member` for what has no definition of its own. An object without `members` is an open one: its
    members are documented nowhere. `element` is the tXML element of one item of an array (at the body: of the
    root), and `also_read` are further names that a reader should take for it.
    """

    name: str
    type: str
    format: str | None
    members: Mapping[str, "Member"]
    items: "Schema | None"
    element: str | None
    also_read: tuple[str, ...]


@dataclass(frozen=True, eq=False, slots=True)
class Member:
    """A documented member of an object. `required` is what a receiver may insist on, not what senders promise."""

    name: str
    schema: Schema
    required: bool
    known_values: tuple[str, ...]
    limit: int | None
    nullable: bool


@dataclass(frozen=True, eq=False, slots=True)
class Place:
    """One member of one kind of object, at a place where it stands in the full body of a payload."""

    pointer: str
    object_pointer: str
    member: Member
    schema_name: str


@dataclass(frozen=True, slots=True)
class ObjectPlace:
    """A place of the full body at which an object stands, with the name of its schema."""

    pointer: str
    schema_name: str


# The former name of singleDeliveryOrderEvent: the spec names it so that it is recognised, but it is sent no more.
_FORMER_PAYLOADS = frozenset({"simpleOrderEvent"})
_SPECS = {
    Endpoint.ORDER: "order-webhook-connector.yaml",
    Endpoint.SHIPMENT: "shipment-webhook-connector.yaml",
}
_EVENT_KINDS = {
    Payload.ORDER_EVENT: "order",
    Payload.SINGLE_DELIVERY: "order",
    Payload.DOCUMENTS: "documents",
    Payload.SHIPMENT: "shipment",
}


@cache
def body_schema(endpoint: Endpoint) -> Schema:
    """The schema of the request body of a webhook."""
    spec = yaml_text.read(files("specs").joinpath("upstream", _SPECS[endpoint]).read_text("utf-8"))
    (path,) = spec["paths"].values()
    (body,) = (parameter for parameter in path["post"]["parameters"] if parameter["in"] == "body")
    return _Definitions(spec["definitions"]).schema(body["schema"], "body")


@cache
def event_names(payload: Payload) -> tuple[str, ...]:
    """The names of today's manual for events that bring this payload."""
    return tuple(_event_names()[_EVENT_KINDS[payload]]["current"])


@cache
def former_event_names(payload: Payload) -> tuple[str, ...]:
    """Names of older manuals and samples for events that bring this payload; they may still arrive."""
    return tuple(_event_names()[_EVENT_KINDS[payload]]["former"])


def payload_members(payload: Payload) -> tuple[Member, ...]:
    """The members of the body that go with a payload: those of the other payloads are left out."""
    others = {other.value for other in Payload if other is not payload} | _FORMER_PAYLOADS
    return tuple(m for name, m in body_schema(payload.endpoint).members.items() if name not in others)


@cache
def places(payload: Payload) -> tuple[Place, ...]:
    """Every member of every kind of object in a payload's body, each once, at its shortest path."""
    return tuple(
        Place(f"{pointer}/{escaped(member.name)}", pointer, member, schema.name)
        for pointer, schema, members in _kinds_of_object(payload)
        for member in members
    )


@cache
def objects(payload: Payload) -> tuple[ObjectPlace, ...]:
    """Every use of every kind of object in a payload's body, shortest paths first.

    A kind of object has one place for each member that can hold it: `Prices` in a line, in a confirmed line, in a
    request, and so on.
    """
    root = ObjectPlace("", body_schema(payload.endpoint).name)
    uses = (
        ObjectPlace(place, held.name)
        for pointer, _, members in _kinds_of_object(payload)
        for member in members
        for place, held in _object_in(member, pointer)
    )
    return (root, *uses)


def _kinds_of_object(payload: Payload) -> Iterator[tuple[str, Schema, tuple[Member, ...]]]:
    """Each kind of object once, breadth first, which is why the path is a shortest one."""
    body = body_schema(payload.endpoint)
    waiting = deque([("", body, payload_members(payload))])
    seen = {body.name}
    while waiting:
        pointer, schema, members = waiting.popleft()
        yield pointer, schema, members
        for member in members:
            for place, held in _object_in(member, pointer):
                if held.name not in seen:
                    seen.add(held.name)
                    waiting.append((place, held, tuple(held.members.values())))


def _object_in(member: Member, pointer: str) -> Iterator[tuple[str, Schema]]:
    """The object that a member of the object at `pointer` holds, itself or as the first item of its array."""
    place, schema = f"{pointer}/{escaped(member.name)}", member.schema
    if schema.items is not None:
        place, schema = f"{place}/0", schema.items
    if schema.type == "object":
        yield place, schema


@cache
def _event_names() -> Mapping[str, Mapping[str, list[str]]]:
    data: dict[str, dict[str, list[str]]] = yaml_text.read(
        files(__package__).joinpath("event_names.yaml").read_text("utf-8")
    )
    return data


class _Definitions:
    """The definitions of one Swagger file, each turned into a schema once."""

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self._raw = raw
        self._known: dict[str, Schema] = {}
        self._open: list[str] = []

    def schema(self, raw: Mapping[str, Any], name: str) -> Schema:
        """The schema of a node of the file; `name` is used when the node refers to no definition."""
        # The file writes a reference with its own description beside it as `allOf` of that one reference.
        if "allOf" in raw:
            (raw,) = raw["allOf"]
        if "$ref" in raw:
            return self._definition(raw["$ref"].removeprefix("#/definitions/"))
        return self._built(raw, name)

    def _definition(self, name: str) -> Schema:
        if name in self._open:
            raise ValueError(
                f"{name} contains itself ({' > '.join(self._open)}); this reading knows no such bodies"
            )
        if name not in self._known:
            self._open.append(name)
            self._known[name] = self._built(self._raw[name], name)
            self._open.pop()
        return self._known[name]

    def _built(self, raw: Mapping[str, Any], name: str) -> Schema:
        items = raw.get("items")
        required = raw.get("required", ())
        return Schema(
            name=name,
            type=_type(raw),
            format=raw.get("format"),
            members=MappingProxyType(
                {m: self._member(m, node, m in required, name) for m, node in raw.get("properties", {}).items()}
            ),
            items=self.schema(items, f"{name}.item") if items is not None else None,
            element=(items if items is not None else raw).get("xml", {}).get("name"),
            also_read=tuple((items if items is not None else raw).get("x-xml-also-read", ())),
        )

    def _member(self, name: str, raw: Mapping[str, Any], required: bool, owner: str) -> Member:
        return Member(
            name=name,
            schema=self.schema(raw, f"{owner}.{name}"),
            required=required,
            known_values=tuple(raw.get("x-known-values", ())),
            limit=raw.get("x-documented-limit"),
            nullable=raw.get("x-nullable", False),
        )


def _type(raw: Mapping[str, Any]) -> str:
    # The items of customLabels have no type in the spec; a label is taken to be text.
    declared: str = raw.get("type", "string")
    return "decimal" if declared == "number" else declared
