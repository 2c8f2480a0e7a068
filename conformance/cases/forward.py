"""FWD: tomorrow's Tradecloud, with members, values and events that nobody knows today."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator
from decimal import Decimal
from typing import TypeVar

from lxml import etree

from conformance.cases.evolved import evolved_bodies
from conformance.catalogue import case
from conformance.contract.reading import (
    Endpoint,
    Payload,
    Place,
    body_schema,
    event_names,
    former_event_names,
    objects,
    places,
)
from conformance.contract.samples import full_body, minimal_body
from conformance.contract.text import JsonValue, pointers
from conformance.oracle import ANY, Consequence
from conformance.requests.changes import Change, add_member, change_values, edit_text, remove, set_value
from conformance.requests.request import Form
from conformance.steps import Case, NotApplicable, Twin
from conformance.subject import Subject
from conformance.verdict import Expect, Level, accepted, noted

_DELIVERED = accepted()
_BEST_DELIVERED = Expect(must=ANY, should=frozenset({Consequence.DELIVERED}))
#: What an event is found by may be missed: a 4xx is a matter of taste, a 500 or a repetition without end is not.
_FOUND_BY = Expect(
    must=frozenset({Consequence.DELIVERED, Consequence.REFUSED}), should=frozenset({Consequence.DELIVERED})
)
_NOTED = noted()
_LOST = "On the day that Tradecloud adds it, every event that has it is lost; such additions are not announced."
_READ_WHAT_YOU_USE = "Read the members that you use, and pass over all others."
_TOLERANT = {
    "dotnet": "No `JsonUnmappedMemberHandling.Disallow` (System.Text.Json), no `MissingMemberHandling.Error` (Newtonsoft).",
    "node": "Validate with `additionalProperties` true (ajv), `.passthrough()` (zod), `allowUnknown` (joi).",
    "sap": "Transform with `CALL TRANSFORMATION ... OPTIONS` that ignore unknown elements, or with /UI2/CL_JSON.",
}

_T = TypeVar("_T")


def _in_each_body(subject: Subject, forms: Iterable[Form] = tuple(Form)) -> Iterator[tuple[Payload, Form]]:
    for payload in subject.payloads:
        for form in forms:
            if form in subject.forms(payload.endpoint):
                yield payload, form


def _quick(
    subject: Subject, items: Iterable[_T], kind: Callable[[_T], Hashable], seen: set[Hashable]
) -> Iterator[_T]:
    """All of them; in the quick set the first one of each kind."""
    for item in items:
        if subject.full or kind(item) not in seen:
            seen.add(kind(item))
            yield item


@case(
    "FWD-01",
    "An unknown member at the root is passed over",
    level=Level.MUST,
    wave=1,
    requirements=("R-FWD-1",),
    consequence=_LOST,
    fix=_READ_WHAT_YOU_USE,
    hints=_TOLERANT,
)
def unknown_at_the_root(subject: Subject) -> Case:
    for payload in subject.payloads:
        yield Twin(payload.value, subject.golden(payload), add_member("", "futureField", "new"), _DELIVERED)


@case(
    "FWD-02",
    "An unknown member in any object is passed over",
    level=Level.MUST,
    wave=1,
    requirements=("R-FWD-1",),
    consequence=_LOST,
    fix=_READ_WHAT_YOU_USE,
    hints=_TOLERANT,
)
def unknown_in_every_object(subject: Subject) -> Case:
    seen: set[Hashable] = set()
    for payload in subject.payloads:
        control = subject.request(payload, full_body(payload), name="full body")
        for place in _quick(subject, objects(payload), lambda one: one.schema_name, seen):
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
    consequence=_LOST,
    fix=_READ_WHAT_YOU_USE,
    hints={**_TOLERANT, "dotnet": "`$type` must not choose a class: no `TypeNameHandling` but None (Newtonsoft)."},
)
def unknown_of_every_type(subject: Subject) -> Case:
    for payload in subject.payloads:
        control = subject.golden(payload)
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
    seen: set[Hashable] = set()
    for payload, form in _in_each_body(subject):
        control = subject.request(payload, full_body(payload), form, name="full body")
        enumerated = [one for one in places(payload) if one.member.known_values and one.member.name != "eventName"]
        for place in _quick(subject, enumerated, lambda one: (one.schema_name, one.member.name, form), seen):
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
    for payload, form in _in_each_body(subject):
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


# Order.


def _ordered(order: Callable[[list[str]], list[str]]) -> Callable[[JsonValue], JsonValue]:
    def reordered(value: JsonValue) -> JsonValue:
        if isinstance(value, dict):
            return {name: reordered(value[name]) for name in order(list(value))}
        if isinstance(value, list):
            return [reordered(item) for item in value]
        return value

    return reordered


def _shuffled(seed: str) -> Callable[[list[str]], list[str]]:
    return lambda names: sorted(names, key=lambda name: hashlib.sha256(f"{seed} {name}".encode()).digest())


_PERMUTATIONS: tuple[Change, ...] = (
    change_values("reversed", _ordered(lambda names: names[::-1])),
    change_values("sorted", _ordered(lambda names: sorted(names))),
    change_values("shuffled 1", _ordered(_shuffled("1"))),
    change_values("shuffled 2", _ordered(_shuffled("2"))),
    change_values("shuffled 3", _ordered(_shuffled("3"))),
)


@case(
    "FWD-07",
    "JSON members in any order are read alike",
    level=Level.MUST,
    wave=1,
    requirements=("R-FWD-5", "R-FMT-6"),
    consequence="Events are lost on the day that a new version writes members in another order.",
    fix="Read members by name, never by place.",
)
def json_in_any_order(subject: Subject) -> Case:
    for payload in subject.payloads:
        control = subject.request(payload, full_body(payload), name="full body")
        for change in _PERMUTATIONS:
            yield Twin(f"{payload} {change.name}", control, change, _DELIVERED)


@case(
    "FWD-08",
    "tXML elements in any order are read alike",
    level=Level.MUST,
    wave=1,
    requirements=("R-FWD-5", "R-FMT-6"),
    consequence="Events are lost on the day that a new version writes elements in another order.",
    fix="Read elements by name: no `xs:sequence` in a schema that you validate with.",
    hints={
        "dotnet": "`XmlSerializer` with `Order=` skips what comes in another order: leave `Order` out.",
        "sap": "A proxy made from an XSD expects its sequence: use `xs:all`, or a transformation by name.",
    },
)
def txml_in_any_order(subject: Subject) -> Case:
    bodies = list(_in_each_body(subject, (Form.TXML,)))
    for payload, form in bodies:
        control = subject.request(payload, full_body(payload), form, name="full body")
        for change in (*_PERMUTATIONS, edit_text("items apart", _items_apart)):
            yield Twin(f"{payload} {change.name}", control, change, _DELIVERED)
    if not bodies:
        yield NotApplicable("all", _NO_TXML)


_NO_TXML = "the profile does not claim tXML"


def _items_apart(text: str) -> str:
    """The first element of every name, then the second of every name: the items of an array are not neighbours."""
    root = etree.fromstring(text.encode())
    for parent in list(root.iter()):
        count: Counter[str] = Counter()
        ranked = []
        for child in parent:
            count[str(child.tag)] += 1
            ranked.append((count[str(child.tag)], child))
        parent[:] = [child for _, child in sorted(ranked, key=lambda pair: pair[0])]
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8").decode()


@case(
    "FWD-09",
    "Unknown tXML elements, attributes and namespaces are passed over",
    level=Level.MUST,
    wave=1,
    requirements=("R-FWD-1",),
    consequence=_LOST,
    fix="Read the elements that you use, and pass over everything else.",
    hints={
        "dotnet": "Do not throw in `XmlSerializer.UnknownElement`; no validation against a closed XSD.",
        "sap": "A strict simple transformation raises at unknown elements: use `tt:skip` or a tolerant one.",
    },
)
def unknown_in_txml(subject: Subject) -> Case:
    bodies = list(_in_each_body(subject, (Form.TXML,)))
    seen: set[Hashable] = set()
    for payload, form in bodies:
        control = subject.request(payload, full_body(payload), form, name="full body")
        for place in _quick(subject, objects(payload), lambda one: one.schema_name, seen):
            change = add_member(place.pointer, "futureField", "new")
            yield Twin(f"{payload} {place.pointer or '/'}", control, change, _DELIVERED)
        for change in _foreign_markup(payload):
            yield Twin(f"{payload} {change.name}", subject.golden(payload, form), change, _DELIVERED)
    if not bodies:
        yield NotApplicable("all", _NO_TXML)


def _foreign_markup(payload: Payload) -> Iterator[Change]:
    schema = body_schema(payload.endpoint)
    root = schema.element or schema.name
    foreign = '<f:future xmlns:f="urn:example:future" f:kind="new">new<f:part/></f:future>'
    for name, old, new in (
        ("attribute at the root", f"<{root}>", f'<{root} future="new">'),
        ("attribute at an object", f"<{payload}>", f'<{payload} future="new">'),
        ("attribute at a text", "<eventName>", '<eventName future="new">'),
        ("language of a text", "<eventName>", '<eventName xml:lang="en">'),
        ("namespace declared", f"<{root}>", f'<{root} xmlns:f="urn:example:future">'),
        ("foreign element at the root", f"</{root}>", f"{foreign}</{root}>"),
        ("foreign element in an object", f"<{payload}>", f"<{payload}>{foreign}"),
        ("empty element", f"</{payload}>", f"<futureField/></{payload}>"),
    ):
        yield edit_text(name, _replacing(old, new))


def _replacing(old: str, new: str) -> Callable[[str], str]:
    return lambda text: text.replace(old, new, 1)


# What may be absent.


def _optional(payload: Payload) -> list[Place]:
    """All but the event's name and the content as a whole, without which there is no event."""
    return [one for one in places(payload) if not one.member.required and one.pointer != f"/{payload}"]


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
    for payload, form in _in_each_body(subject):
        found_by = {pointer for pointer, _ in pointers(minimal_body(payload)) if not pointer.startswith("/meta")}
        control = subject.request(payload, full_body(payload), form, name="full body")
        for place in _quick(
            subject, _optional(payload), lambda one: (one.schema_name, one.member.name, form), seen
        ):
            expect = _FOUND_BY if place.pointer in found_by else _DELIVERED
            yield Twin(f"{payload} {form} {place.pointer}", control, remove(place.pointer), expect)
        everything = change_values("without all that may be absent", _minimal(payload))
        yield Twin(f"{payload} {form} all at once", control, everything, _DELIVERED)


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
    for payload in subject.payloads:
        control = subject.request(payload, full_body(payload), name="full body")
        for place in _quick(subject, _optional(payload), lambda one: (one.schema_name, one.member.name), seen):
            yield Twin(f"{payload} {place.pointer}", control, set_value(place.pointer, None), _NOTED)


@case(
    "FWD-16",
    "Bodies of an evolved contract are delivered: additions of all kinds together",
    level=Level.MUST,
    wave=2,
    requirements=("R-FWD-1", "R-FWD-2", "R-FWD-3"),
    consequence=_LOST,
    fix="Read the members that you use; let unknown members, values and events pass.",
    hints=_TOLERANT,
)
def evolved_contract(subject: Subject) -> Case:
    for number, body in enumerate(evolved_bodies()):
        if body.payload not in subject.payloads:
            yield NotApplicable(body.name, f"the profile does not claim {body.payload}")
            continue
        forms = subject.forms(body.payload.endpoint)
        # Every third round of the payloads goes as tXML, where it is claimed.
        form = Form.TXML if Form.TXML in forms and (number // 4) % 3 == 2 else forms[0]
        change = change_values("a body of the evolved contract", _always(body.values))
        yield Twin(body.name, subject.golden(body.payload, form), change, _DELIVERED)


def _always(values: JsonValue) -> Callable[[JsonValue], JsonValue]:
    return lambda _: values
