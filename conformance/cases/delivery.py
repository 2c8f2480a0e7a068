"""DEL: documented payloads are delivered."""

from __future__ import annotations

import json
from collections.abc import Hashable
from dataclasses import replace
from functools import cache
from pathlib import Path

from conformance.cases.messages import EXACTLY_ONE, another_message
from conformance.cases.variants import full_request, kind_of_place, places_in, request_with_each_member
from conformance.catalogue import case
from conformance.checks import declared_media_type
from conformance.contract.answers import success_schema
from conformance.contract.reading import Endpoint, Payload, event_names
from conformance.contract.samples import minimal_body
from conformance.contract.text import JsonValue, added, get, parse_object, removed, write
from conformance.requests.changes import nothing, set_value
from conformance.requests.request import Form, Request
from conformance.steps import (
    Blocked,
    Case,
    Control,
    Effects,
    Judge,
    Mirror,
    NotApplicable,
    Probe,
    Twin,
    fact_of,
)
from conformance.subject import Subject
from conformance.vectors import payload_of, vector
from conformance.verdict import Check, ExpectFact, Level, accepted, delivered_at_best
from conformance.wire.answer import Answer, Fact

_DELIVERED = accepted()
_LOST = "Tradecloud drops the event: the change never reaches the ERP, and nobody is told."
_GOLDEN = (
    ("DEL-01", Payload.ORDER_EVENT, Form.JSON, ("R-EVT-1", "R-RSP-1")),
    ("DEL-02", Payload.SINGLE_DELIVERY, Form.JSON, ("R-EVT-1", "R-RSP-1")),
    ("DEL-03", Payload.DOCUMENTS, Form.JSON, ("R-EVT-1", "R-RSP-1")),
    ("DEL-04", Payload.SHIPMENT, Form.JSON, ("R-EVT-2", "R-RSP-1")),
    ("DEL-05", Payload.ORDER_EVENT, Form.TXML, ("R-FMT-1", "R-FMT-3")),
    ("DEL-06", Payload.SINGLE_DELIVERY, Form.TXML, ("R-FMT-1", "R-FMT-3")),
    ("DEL-07", Payload.DOCUMENTS, Form.TXML, ("R-FMT-1", "R-FMT-3")),
    ("DEL-08", Payload.SHIPMENT, Form.TXML, ("R-FMT-1",)),
)


def _golden_case(id: str, payload: Payload, form: Form, requirements: tuple[str, ...]) -> None:
    @case(
        id,
        f"A typical {payload.value} in {'JSON' if form is Form.JSON else 'tXML'} is delivered",
        level=Level.MUST,
        wave=1,
        requirements=requirements,
        consequence=_LOST,
        fix=f"Accept `{payload.value}` as the contract describes it and answer 200 or 202.",
    )
    def golden(subject: Subject) -> Case:
        if payload not in subject.payloads or form not in subject.forms(payload.endpoint):
            yield NotApplicable(payload.value, "the profile does not claim it")
            return
        yield Probe(payload.value, subject.golden(payload, form).named("event"), _DELIVERED)
        if id == "DEL-05" and subject.profile.observer is not None:
            # The same effect as in JSON: the event is found by its purchase order number.
            yield Effects("has its effect", "event", EXACTLY_ONE)


for _row in _GOLDEN:
    _golden_case(*_row)


@case(
    "DEL-09",
    "Each of the 43 order event names is delivered",
    level=Level.MUST,
    wave=1,
    requirements=("R-EVT-1",),
    consequence="Events of that name are dropped for good.",
    fix="Do not compare event names with a closed list; accept those that you do not use and do nothing.",
)
def order_event_names(subject: Subject) -> Case:
    yield from _names_of(subject, Payload.ORDER_EVENT, Payload.SINGLE_DELIVERY)


@case(
    "DEL-10",
    "Each of the 8 shipment and 2 document event names is delivered",
    level=Level.MUST,
    wave=1,
    requirements=("R-EVT-1",),
    consequence="Events of that name are dropped for good.",
    fix="Do not compare event names with a closed list; accept those that you do not use and do nothing.",
)
def other_event_names(subject: Subject) -> Case:
    yield from _names_of(subject, Payload.SHIPMENT, Payload.DOCUMENTS)


def _names_of(subject: Subject, *payloads: Payload) -> Case:
    for payload in payloads:
        if payload in subject.payloads:
            yield from _each_name(subject, payload)
        else:
            yield NotApplicable(payload.value, "the profile does not claim it")


def _each_name(subject: Subject, payload: Payload) -> Case:
    for form in subject.forms(payload.endpoint):
        control = subject.golden(payload, form)
        for name in event_names(payload):
            # One of the names is the control's own.
            same = control.values["eventName"] == name
            change = nothing() if same else set_value("/eventName", name)
            yield Twin(f"{name} {payload.value} {form}", control, change, _DELIVERED)


@case(
    "DEL-11",
    "The smallest legal body of each payload is delivered",
    level=Level.MUST,
    wave=1,
    requirements=("R-FWD-4",),
    consequence=_LOST,
    fix="Insist on nothing but the event's name and the order's id: every other member may be absent.",
    hints={
        "dotnet": "Make members nullable; `required` and `[Required]` on anything else refuse good events.",
        "sap": "Give optional elements `minOccurs=0` in the service definition.",
    },
)
def smallest_bodies(subject: Subject) -> Case:
    for payload in subject.payloads:
        for form in subject.forms(payload.endpoint):
            smallest = subject.request(payload, minimal_body(payload), form, name="smallest body")
            yield Probe(f"{payload} {form}", smallest, _DELIVERED)
            if payload.endpoint is Endpoint.ORDER:
                alone = removed(removed(smallest.values, f"/{payload}/buyerOrder"), "/meta")
                yield Probe(f"{payload} {form} order id alone", smallest.with_values(alone), _DELIVERED)


@case(
    "DEL-12",
    "A body with every documented member filled, in several scripts, and every documented value is delivered",
    level=Level.MUST,
    wave=1,
    requirements=("R-FMT-4",),
    consequence=_LOST,
    fix="Read bodies as UTF-8, and give text columns a type that holds every letter.",
    hints={
        "dotnet": "Use `nvarchar` for text, and do not read the body with `Encoding.Default`.",
        "sap": "Store text in a Unicode system; characters beyond the basic plane take two code units.",
        "node": "Raise the limit of `express.json()`: its default of 100 kB is too small for large orders.",
    },
)
def largest_bodies(subject: Subject) -> Case:
    seen: dict[Form, set[Hashable]] = {form: set() for form in Form}
    for payload in subject.payloads:
        for form in subject.forms(payload.endpoint):
            yield Probe(f"{payload} {form}", full_request(subject, payload, form), _DELIVERED)
            yield from _documented_values(subject, payload, form, seen[form])


def _documented_values(subject: Subject, payload: Payload, form: Form, seen: set[Hashable]) -> Case:
    """Each value that the contract names for a member, at one place of each kind that was not seen before."""
    control = request_with_each_member(subject, payload, form)
    for place in places_in(control):
        if place.member.name != "eventName" and kind_of_place(place) not in seen:
            seen.add(kind_of_place(place))
            for value in place.member.known_values:
                variant = f"{payload} {form} {place.pointer} {value}"
                if value == get(control.values, place.pointer):
                    yield Probe(variant, control, _DELIVERED)
                else:
                    yield Twin(variant, control, set_value(place.pointer, value), _DELIVERED)


@case(
    "DEL-13",
    "An event with one line of an order with three leaves the other lines as they are",
    level=Level.MUST,
    wave=2,
    requirements=("R-EVT-2",),
    needs=("observer.mirror",),
    consequence="Lines that the event does not name vanish from the order: events bring only what they touched.",
    fix="Merge lines by their position; never replace all lines by those of the event.",
    hints={
        "dotnet": "Do not assign the collection of lines: Entity Framework then deletes those that are missing."
    },
)
def lines_that_are_not_sent(subject: Subject) -> Case:
    if Payload.ORDER_EVENT not in subject.payloads:
        yield NotApplicable("one line of three", "the profile does not claim orderEvent")
        return
    form = subject.forms(Endpoint.ORDER)[0]
    three = subject.request(Payload.ORDER_EVENT, vector("three-lines"), form)
    one = subject.request(Payload.ORDER_EVENT, another_message(vector("one-line")), form)
    yield Control(three.named("order"))
    before = yield from fact_of(Mirror("order"))
    yield Probe("one line of three", one.named("order"), _DELIVERED)
    after = yield from fact_of(Mirror("order"))
    lines, lines_after = _lines(before.detail), _lines(after.detail)
    if lines is None or lines_after is None or len(lines) != 3:
        yield Blocked(
            "the other two lines",
            "the observer's mirror does not print a JSON object with the three `lines` of the order",
            "observer.mirror",
        )
        return
    yield Judge("the other two lines", _what_became_of(lines, lines_after), _UNTOUCHED)


_UNTOUCHED = ExpectFact(("untouched", "changed", "other lines"), must=frozenset({"untouched"}))
#: The line that the event brings.
_SENT = "0020"


def _lines(state: str) -> list[str] | None:
    """The lines of a mirrored order, each in one spelling."""
    try:
        lines = parse_object(state).get("lines")
    except ValueError:
        return None
    return [_spelling(line) for line in lines] if isinstance(lines, list) else None


def _spelling(value: JsonValue) -> str:
    if isinstance(value, dict):
        return f"{{{','.join(f'{write(name)}:{_spelling(value[name])}' for name in sorted(value))}}}"
    if isinstance(value, list):
        return f"[{','.join(map(_spelling, value))}]"
    return write(value)


def _what_became_of(before: list[str], after: list[str]) -> Fact:
    if len(after) != 3:
        return Fact("other lines", f"the order has {len(after)} lines afterwards")
    changed = [line for line in before if line not in after]
    # A receiver that shows no positions may have changed any one of them.
    named = sum(_SENT in line for line in before) == 1
    if len(changed) > 1 or (named and any(_SENT not in line for line in changed)):
        return Fact("changed", f"lines that were not sent: {', '.join(changed)[:200]}")
    return Fact("untouched", "the lines that were not sent are as they were")


@case(
    "DEL-14",
    "Lines and deliveries that the supplier split off, which have no position yet, are delivered",
    level=Level.MUST,
    wave=1,
    requirements=("R-EVT-3",),
    consequence="Every order that a supplier splits is lost: it is the buyer who gives the new position.",
    fix="Take an absent or empty `position` as a new delivery or line, and give it a position of your own.",
    hints={
        "dotnet": "`int.Parse(position)` throws for the empty text; positions are text, with leading zeros.",
        "sap": "Do not use the position as a key before it has one; `originalPosition` names the line before.",
    },
)
def split_lines(subject: Subject) -> Case:
    for name, places in _SPLIT.items():
        payload = payload_of(name)
        if payload not in subject.payloads:
            yield NotApplicable(name, f"the profile does not claim {payload}")
            continue
        for form in subject.forms(payload.endpoint):
            control = subject.golden(payload, form)
            split = subject.request(payload, vector(name), form, name=name)
            yield Control(control)
            yield Probe(f"{name} {form} no position", split, _DELIVERED)
            yield Probe(f"{name} {form} empty position", _with_position(split, places, ""), _DELIVERED)
            if form is Form.JSON and payload is Payload.SINGLE_DELIVERY:
                # The specs call this one member nullable; tXML has no null.
                yield Probe(f"{name} {form} null position", _with_position(split, places, None), _DELIVERED)


#: The objects of the vectors that have no position.
_SPLIT = {
    "split-schedule": (
        "/orderEvent/lines/0/confirmedLine/deliverySchedule/1",
        "/orderEvent/lines/0/deliverySchedule/1",
    ),
    "split-single": ("/singleDeliveryOrderEvent/lines/1/buyerLine",),
}


def _with_position(request: Request, places: tuple[str, ...], position: str | None) -> Request:
    values: JsonValue = request.values
    for place in places:
        values = added(values, place, "position", position)
    return request.with_values(values)


@case(
    "DEL-15",
    "Delivery is confirmed with 200 or 202, and a body that is what its Content-Type says",
    level=Level.SHOULD,
    wave=1,
    requirements=("R-RSP-5", "P-1"),
    consequence="The event counts as delivered, but whoever reads the answer cannot tell stored from processed.",
    fix="Answer 200 when the event was processed, 202 when it was checked and queued; both may have no body.",
)
def confirmation(subject: Subject) -> Case:
    for control in subject.goldens():
        checks = [declared_media_type()]
        contract = subject.profile.contracts.get(control.endpoint)
        if contract is not None:
            checks.append(_keeps_schema(contract))
        expect = delivered_at_best(200, 202, checks=tuple(checks))
        yield Probe(f"{control.payload} {control.form}", control, expect)


@cache
def _keeps_schema(contract: Path) -> Check:
    """A body in JSON is what the contract declares for that status."""

    def complaint(answer: Answer) -> str | None:
        if not answer.body or answer.status is None or answer.media_type != "application/json":
            return None
        schema = success_schema(contract, answer.status)
        try:
            body = json.loads(answer.body)
        except (ValueError, RecursionError):
            return None  # another check says so
        trouble = None if schema is None else next(schema.iter_errors(body), None)
        return None if trouble is None else f"the body is not as the contract declares it: {trouble.message[:80]}"

    def good(answer: Answer) -> Answer:
        return replace(answer, body=b"", raw=b"") if complaint(answer) else answer

    def bad(answer: Answer) -> Answer:
        made = replace(answer, status=202, body=b'["tcconf"]')
        return made.with_header("content-type", "application/json")

    return Check("a body is of the schema that the contract declares", Level.SHOULD, complaint, good, bad)
