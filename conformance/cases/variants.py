"""What the cases about tomorrow share: which bodies and which of their places are tried, and what to do then."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from functools import cache
from typing import TypeVar

from conformance.contract.reading import ObjectPlace, Payload, Place, objects, places
from conformance.contract.samples import full_body
from conformance.contract.text import JsonObject, JsonValue, pointers, removed
from conformance.requests.request import Form, Request
from conformance.subject import Subject

_T = TypeVar("_T")

#: In tXML this former member of a shipment has the element name of an item of `destinations`.
FORMER_DESTINATION = "/shipment/locations/destination"

LOST_ON_ADDITION = (
    "On the day that Tradecloud adds it, every event that has it is lost; such additions are not announced."
)
READ_WHAT_YOU_USE = "Read the members that you use, and pass over all others."
TOLERANT = {
    "dotnet": "No `JsonUnmappedMemberHandling.Disallow`; with Newtonsoft no `MissingMemberHandling.Error`.",
    "node": "Validate with `additionalProperties` true (ajv), `.passthrough()` (zod), `allowUnknown` (joi).",
    "sap": "Transform with `CALL TRANSFORMATION ... OPTIONS` that ignore unknown elements, or with /UI2/CL_JSON.",
}


def in_each_body(subject: Subject, forms: Iterable[Form] = tuple(Form)) -> Iterator[tuple[Payload, Form]]:
    """Every payload in every one of these formats that is claimed."""
    for payload in subject.payloads:
        for form in forms:
            if form in subject.forms(payload.endpoint):
                yield payload, form


def some_in_the_quick_set(
    subject: Subject, items: Iterable[_T], kind: Callable[[_T], Hashable], seen: set[Hashable]
) -> Iterator[_T]:
    """All items; in the quick set the first one of each kind that was not seen before."""
    for item in items:
        if subject.full or kind(item) not in seen:
            seen.add(kind(item))
            yield item


def kind_of_object(place: ObjectPlace) -> Hashable:
    """The same for all places of one kind of object."""
    return place.schema_name


def kind_of_place(place: Place) -> Hashable:
    """The same for all places of one member of one kind of object."""
    return place.schema_name, place.member.name


def full_request(subject: Subject, payload: Payload, form: Form) -> Request:
    """A delivery with every documented member, as far as the format can tell them apart, and with arrays of two."""
    return subject.request(payload, _told_apart(full_body(payload), payload, form), form, name="full body")


def request_with_each_member(subject: Subject, payload: Payload, form: Form) -> Request:
    """A delivery with every documented member, and one item in every array: a third of the full one."""
    return subject.request(payload, one_of_each(payload, form), form, name="one of each")


@cache
def one_of_each(payload: Payload, form: Form) -> JsonObject:
    """A body with every documented member of the payload, and one item in every array; not to be changed."""
    body = _first_items(full_body(payload))
    assert isinstance(body, dict)  # noqa: S101 - it was one
    return _told_apart(body, payload, form)


def _first_items(value: JsonValue) -> JsonValue:
    if isinstance(value, dict):
        return {name: _first_items(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_first_items(item) for item in value[:1]]
    return value


def _told_apart(body: JsonObject, payload: Payload, form: Form) -> JsonObject:
    if form is not Form.TXML or payload is not Payload.SHIPMENT:
        return body
    shorter = removed(body, FORMER_DESTINATION)
    assert isinstance(shorter, dict)  # noqa: S101 - it was one
    return shorter


def places_in(request: Request) -> list[Place]:
    """Every member of every kind of object that stands in a such a request."""
    assert request.payload is not None  # noqa: S101 - a full request has one
    standing = {pointer for pointer, _ in pointers(request.values)}
    return [place for place in places(request.payload) if place.pointer in standing]


def objects_in(request: Request) -> list[ObjectPlace]:
    """Every object that stands in a such a request."""
    assert request.payload is not None  # noqa: S101 - a full request has one
    standing = {pointer for pointer, _ in pointers(request.values)}
    return [place for place in objects(request.payload) if place.pointer in standing]
