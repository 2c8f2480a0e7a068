"""FWD: members and elements in any order, and foreign markup in tXML."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Hashable, Iterator

from lxml import etree

from conformance.cases.variants import (
    LOST_ON_ADDITION,
    full_request,
    in_each_body,
    kind_of_object,
    objects_in,
    request_with_each_member,
    some_in_the_quick_set,
)
from conformance.catalogue import case
from conformance.contract.reading import Payload, body_schema
from conformance.contract.text import JsonValue
from conformance.requests.changes import Change, add_member, change_values, edit_text
from conformance.requests.request import Form
from conformance.steps import Case, NotApplicable, Twin
from conformance.subject import Subject
from conformance.verdict import Level, accepted

_DELIVERED = accepted()


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
    for payload, form in in_each_body(subject, (Form.JSON,)):
        control = full_request(subject, payload, form)
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
    bodies = list(in_each_body(subject, (Form.TXML,)))
    for payload, form in bodies:
        control = full_request(subject, payload, form)
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
    written: bytes = etree.tostring(root, xml_declaration=True, encoding="UTF-8")
    return written.decode()


@case(
    "FWD-09",
    "Unknown tXML elements, attributes and namespaces are passed over",
    level=Level.MUST,
    wave=1,
    requirements=("R-FWD-1",),
    consequence=LOST_ON_ADDITION,
    fix="Read the elements that you use, and pass over everything else.",
    hints={
        "dotnet": "Do not throw in `XmlSerializer.UnknownElement`; no validation against a closed XSD.",
        "sap": "A strict simple transformation raises at unknown elements: use `tt:skip` or a tolerant one.",
    },
)
def unknown_in_txml(subject: Subject) -> Case:
    bodies = list(in_each_body(subject, (Form.TXML,)))
    seen: set[Hashable] = set()
    # The golden events first: a receiver that refuses more than it should may refuse the full bodies too.
    for payload, form in bodies:
        for change in _foreign_markup(payload):
            yield Twin(f"{payload} {change.name}", subject.golden(payload, form), change, _DELIVERED)
    for payload, form in bodies:
        control = request_with_each_member(subject, payload, form)
        for place in some_in_the_quick_set(subject, objects_in(control), kind_of_object, seen):
            change = add_member(place.pointer, "futureField", "new")
            yield Twin(f"{payload} {place.pointer or '/'}", control, change, _DELIVERED)
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
        ("element at the root", f"</{root}>", f"<futureField>new</futureField></{root}>"),
        ("empty element", f"</{payload}>", f"<futureField/></{payload}>"),
    ):
        yield edit_text(name, _replacing(old, new))


def _replacing(old: str, new: str) -> Callable[[str], str]:
    return lambda text: text.replace(old, new, 1)
