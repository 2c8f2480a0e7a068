"""FWD: tomorrow's Tradecloud, with members, values and events that nobody knows today."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from decimal import Decimal

from conformance.cases.variants import (
    LOST_ON_ADDITION,
    READ_WHAT_YOU_USE,
    TOLERANT,
    in_each_body,
    kind_of_object,
    kind_of_place,
    objects_in,
    places_in,
    request_with_each_member,
    some_in_the_quick_set,
)
from conformance.catalogue import case
from conformance.contract.reading import (
    Endpoint,
    Payload,
    Place,
    event_names,
    former_event_names,
)
from conformance.contract.samples import minimal_body
from conformance.contract.text import JsonValue, pointers
from conformance.oracle import Consequence
from conformance.requests.changes import add_member, change_values, remove, set_value
from conformance.requests.request import Form, Request
from conformance.steps import Case, NotApplicable, Twin
from conformance.subject import Subject
from conformance.verdict import Expect, Level, accepted, delivered_at_best, noted

_DELIVERED = accepted()
_BEST_DELIVERED = delivered_at_best()
#: What an event is found by may be missed: a 4xx is tolerable, a 500 or a repetition without end is not.
_FOUND_BY = Expect(
    must=frozenset({Consequence.DELIVERED, Consequence.REFUSED}), should=frozenset({Consequence.DELIVERED})
)
_NOTED = noted()
#: tXML has neither types nor null, and few of the names; FWD-09 is its own.
_IN_JSON = (Form.JSON,)


@case(
    "FWD-01",
    "An unknown member at the root is passed over",
    level=Level.MUST,
    wave=1,
    requirements=("R-FWD-1",),
    consequence=LOST_ON_ADDITION,
    fix=READ_WHAT_YOU_USE,
    hints=TOLERANT,
)
def unknown_at_the_root(subject: Subject) -> Case:
    for payload in subject.payloads:
        control = subject.golden(payload, subject.forms(payload.endpoint)[0])
        yield Twin(payload.value, control, add_member("", "futureField", "new"), _DELIVERED)


@case(
    "FWD-02",
    "An unknown member in any object is passed over",
    level=Level.MUST,
    wave=1,
    requirements=("R-FWD-1",),
    consequence=LOST_ON_ADDITION,
    fix=READ_WHAT_YOU_USE,
    hints=TOLERANT,
)
def unknown_in_every_object(subject: Subject) -> Case:
    seen: set[Hashable] = set()
    for payload in subject.payloads:
        control = request_with_each_member(subject, payload, subject.forms(payload.endpoint)[0])
        for place in some_in_the_quick_set(subject, objects_in(control), kind_of_object, seen):
            change = add_member(place.pointer, "futureField", "new")
            yield Twin(f"{payload} {place.pointer or '/'}", control, change, _DELIVERED)


#: An unknown member of every type, and names that trip readers up.
_UNKNOWN_MEMBERS: dict[str, tuple[str, JsonValue]] = {
    "text": ("futureField", "new"),
    "empty text": ("futureField", ""),
    "long text": ("futureField", "x" * 20_000),
    "whole number": ("futureField", 7),
    "decimal": ("futureField", Decimal("0.10")),
    "true": ("futureField", True),
    "null": ("futureField", None),
    "empty object": ("futureField", {}),
    "empty array": ("futureField", []),
    "big object": ("futureField", {f"member{n}": {"code": f"{n:04}", "value": n} for n in range(300)}),
    "long array": ("futureField", [{"number": n} for n in range(1000)]),
    "array of everything": ("futureField", ["new", 1, Decimal("1.5"), True, None, {}, []]),
    "ten levels": ("futureField", {"a": {"b": {"c": {"d": {"e": {"f": {"g": {"h": {"i": {"j": 1}}}}}}}}}}),
    "name with dots": ("future.field.name", "new"),
    "name with a space": ("future field", "new"),
    "name in Greek": ("μέλλον", "new"),
    "name with an emoji": ("🚢", "new"),
    "name with a dollar": ("$type", "new"),
    "name with an at sign": ("@id", "new"),
    "name with a slash": ("future/field~1", "new"),
    "empty name": ("", "new"),
    "name __proto__": ("__proto__", {"polluted": True}),
    "long name": ("future" * 50, "new"),
    "known name in capitals": ("EVENTNAME", "new"),
}


@case(
    "FWD-03",
    "An unknown member of any type and name is passed over",
    level=Level.MUST,
    wave=1,
    requirements=("R-FWD-1",),
    consequence=LOST_ON_ADDITION,
    fix=READ_WHAT_YOU_USE,
    hints={**TOLERANT, "dotnet": "`$type` must not choose a class: no `TypeNameHandling` but None (Newtonsoft)."},
)
def unknown_of_every_type(subject: Subject) -> Case:
    for payload, form in in_each_body(subject, _IN_JSON):
        control = subject.golden(payload, form)
        for kind, (name, value) in _UNKNOWN_MEMBERS.items():
            if kind == "known name in capitals":
                # At the root; whether names differ by letter case is RFC 8259's: they do.
                yield Twin(f"{payload} {kind}", control, add_member("", name, value), _DELIVERED)
            else:
                change = add_member(f"/{payload}", name, value, f"an unknown member, {kind}")
                yield Twin(f"{payload} {kind}", control, change, _DELIVERED)


@case(
    "FWD-04",
    "An unknown value of any member with known values is accepted",
    level=Level.MUST,
    wave=1,
    requirements=("R-FWD-2", "R-EVT-4"),
    consequence="On the day that Tradecloud adds a status, every event that has it is lost.",
    fix="Keep statuses and codes as text; map those that you use, and let the others pass.",
    hints={
        "dotnet": "`JsonStringEnumConverter` throws at unknown names: use text, or a converter with a fallback.",
        "node": "No `enum` in the schema (ajv), no `z.enum`.",
        "sap": "No domain with fixed values on the element that receives it.",
    },
)
def unknown_values(subject: Subject) -> Case:
    seen: dict[Form, set[Hashable]] = {form: set() for form in Form}
    for payload, form in in_each_body(subject):
        control = request_with_each_member(subject, payload, form)
        enumerated = [
            one for one in places_in(control) if one.member.known_values and one.member.name != "eventName"
        ]
        for place in some_in_the_quick_set(subject, enumerated, kind_of_place, seen[form]):
            yield Twin(
                f"{payload} {form} {place.pointer}", control, set_value(place.pointer, "FutureValue"), _DELIVERED
            )


@case(
    "FWD-05",
    "An unknown event name with a known body is delivered",
    level=Level.MUST,
    wave=1,
    requirements=("R-FWD-3",),
    consequence="Every event of a name that comes new is lost.",
    fix="Do nothing at events that you do not know, and answer 200 or 202.",
    hints={"dotnet": "A `switch` over the name needs a `default` that accepts."},
)
def unknown_event_names(subject: Subject) -> Case:
    for payload, form in in_each_body(subject):
        control = subject.golden(payload, form)
        for name in ("OrderLinesTransformedByRobot", "future-event.v2", *former_event_names(payload)):
            if name not in event_names(payload):
                yield Twin(f"{payload} {form} {name}", control, set_value("/eventName", name), _DELIVERED)


@case(
    "FWD-06",
    "An unknown event with a content that is unknown too is delivered",
    level=Level.SHOULD,
    wave=1,
    requirements=("R-FWD-3",),
    consequence="A kind of event that comes new is reported as lost, again and again.",
    fix="Insist on nothing but `eventName`; answer 200 or 202 when none of the contents that you know is there.",
)
def unknown_content(subject: Subject) -> Case:
    if Endpoint.ORDER not in subject.endpoints:
        yield NotApplicable("all", "the profile does not claim the order webhook")
        return
    for form in subject.forms(Endpoint.ORDER):
        control = subject.golden_at(Endpoint.ORDER, form)
        yield Twin(f"{form}", control, change_values("an unknown event and content", _forecast), _BEST_DELIVERED)


def _forecast(values: JsonValue) -> JsonValue:
    kept = values["meta"] if isinstance(values, dict) else None
    content: JsonValue = {
        "forecastNumber": "{{order}}",
        "lines": [{"position": "0010", "quantity": Decimal("12.50")}],
    }
    return {"eventName": "ForecastIssuedByBuyer", "forecastEvent": content, "meta": kept}


# What may be absent.


def _optional(payload: Payload, control: Request) -> list[Place]:
    """All but the event's name and the content as a whole, without which there is no event."""
    return [one for one in places_in(control) if not one.member.required and one.pointer != f"/{payload}"]


@case(
    "FWD-10",
    "Any optional member may be absent",
    level=Level.MUST,
    wave=1,
    requirements=("R-FWD-4",),
    consequence="Events that lack the member, which the contract allows, are lost.",
    fix="Insist only on members without which you cannot do what the event is for.",
    hints={
        "dotnet": "`required` members and `[JsonRequired]` refuse the event; let them be nullable.",
        "node": "Keep `required` of the schema short; read with `?.`.",
        "sap": "`minOccurs=0`, and initial values for what is not there.",
    },
)
def absent_members(subject: Subject) -> Case:
    seen: set[Hashable] = set()
    for payload, form in in_each_body(subject):
        found_by = _found_by(payload)
        control = request_with_each_member(subject, payload, form)
        for place in some_in_the_quick_set(subject, _optional(payload, control), kind_of_place, seen):
            expect = _FOUND_BY if place.pointer in found_by else _DELIVERED
            yield Twin(f"{payload} {form} {place.pointer}", control, remove(place.pointer), expect)
        everything = change_values("without all that may be absent", _minimal(payload))
        yield Twin(f"{payload} {form} all at once", control, everything, _DELIVERED)


def _found_by(payload: Payload) -> set[str]:
    """An order is found by its id alone; a shipment by what the documents call mandatory."""
    if payload is not Payload.SHIPMENT:
        return {f"/{payload}/orderId"}
    return {pointer for pointer, _ in pointers(minimal_body(payload)) if not pointer.startswith("/meta")}


def _minimal(payload: Payload) -> Callable[[JsonValue], JsonValue]:
    return lambda _: minimal_body(payload)


@case(
    "FWD-11",
    "Null instead of an absent member: what the receiver does",
    level=Level.INFO,
    wave=1,
    requirements=("R-FWD-4",),
    consequence="None known: the documents are silent about null.",
    fix="Best treat null like an absent member.",
)
def null_members(subject: Subject) -> Case:
    seen: set[Hashable] = set()
    for payload, form in in_each_body(subject, _IN_JSON):
        control = request_with_each_member(subject, payload, form)
        for place in some_in_the_quick_set(subject, _optional(payload, control), kind_of_place, seen):
            yield Twin(f"{payload} {place.pointer}", control, set_value(place.pointer, None), _NOTED)
