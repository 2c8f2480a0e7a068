"""What the cases about tomorrow share: which bodies and which of their places are tried, and what to do then."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import TypeVar

from conformance.contract.reading import ObjectPlace, Payload, Place, objects, places
from conformance.contract.samples import full_body
from conformance.contract.text import JsonObject, pointers, removed
from conformance.requests.request import Form, Request
from conformance.subject import Subject

_T = TypeVar("_T")

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
    """A delivery with every documented member, as far as the format can tell them apart."""
    body = full_body(payload)
    if form is Form.TXML and payload is Payload.SHIPMENT:
        body = _without_former_destination(body)
    return subject.request(payload, body, form, name="full body")


def _without_former_destination(body: JsonObject) -> JsonObject:
    # The former `destination` of a shipment's locations has the element name of an item of `destinations`.
    shorter = removed(body, "/shipment/locations/destination")
    assert isinstance(shorter, dict)  # noqa: S101 - it was one
    return shorter


def places_in(request: Request) -> list[Place]:
    """Every member of every kind of object that stands in a full request."""
    assert request.payload is not None  # noqa: S101 - a full request has one
    standing = {pointer for pointer, _ in pointers(request.values)}
    return [place for place in places(request.payload) if place.pointer in standing]


def objects_in(request: Request) -> list[ObjectPlace]:
    """Every object that stands in a full request."""
    assert request.payload is not None  # noqa: S101 - a full request has one
    standing = {pointer for pointer, _ in pointers(request.values)}
    return [place for place in objects(request.payload) if place.pointer in standing]
