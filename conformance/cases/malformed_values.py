"""MAL-10, MAL-12 and MAL-17: well-formed bodies with values that are hard to hold or cannot be."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from conformance.cases.malformed import CRASH, with_changes
from conformance.cases.malformed_types import body_around
from conformance.catalogue import case
from conformance.contract.reading import Payload, Place, places
from conformance.contract.text import JsonValue, Literal, pointers
from conformance.requests.changes import Change, add_member, set_value
from conformance.requests.request import Form, Request
from conformance.steps import Case, Twin
from conformance.subject import Subject
from conformance.verdict import Level, accepted_or_refused


@case(
    "MAL-10",
    "Letters that are hard to store are a final answer",
    level=Level.MUST,
    wave=1,
    requirements=("RFC 8259 8.2",),
    consequence=CRASH,
    fix="Expect lone surrogates and NUL in every text: refuse them (400), or replace them before you store them.",
    hints={
        "python": "A lone surrogate passes json.loads and breaks `.encode()`: look for it right after the reading.",
        "postgres": "text and jsonb cannot hold U+0000: the INSERT fails.",
    },
)
def hard_letters(subject: Subject) -> Case:
    def changes(control: Request) -> Iterator[Change]:
        places_of = {"event name": "/eventName"} | {
            name: pointer
            for name, token in (("order number", "{{order}}"), ("message id", "{{message}}"))
            if (pointer := _place_of(control, token))
        }
        for where, pointer in places_of.items():
            for name, letters in _HARD_LETTERS.items():
                if control.form is Form.JSON or name == "bidirectional marks":
                    kept = "{{order}}" if where == "order number" else "Order"
                    yield set_value(pointer, kept + letters, f"{name} in the {where}")
        if control.form is Form.JSON:
            yield add_member("", "tc\ud800", 1, "lone surrogate in a name")

    yield from with_changes(subject.goldens_in_each_form(), changes, accepted_or_refused())


_HARD_LETTERS = {
    "high surrogate": "\ud800",
    "low surrogate": "\udc00",
    "surrogates in the wrong order": "\udc00\ud800",
    "NUL": "\x00",
    "control characters": "\x01\x1b\x7f",
    "bidirectional marks": "\u202e\u2066\u200f",
    "noncharacter": "\uffff",
}


def _place_of(control: Request, token: str) -> str | None:
    return next((pointer for pointer, value in pointers(control.values) if value == token), None)


@case(
    "MAL-12",
    "Numbers of any size are a final answer",
    level=Level.MUST,
    wave=1,
    requirements=("RFC 8259 6",),
    consequence=CRASH,
    fix="Read numbers as decimals, catch the overflow, and answer 400 to what you cannot hold.",
    hints={
        "python": "int() of more than 4300 digits raises ValueError, Decimal of a huge one InvalidOperation.",
        "sap": "Catch CX_SY_ARITHMETIC_OVERFLOW around the conversion.",
    },
)
def numbers(subject: Subject) -> Case:
    def changes(control: Request) -> Iterator[Change]:
        found: dict[str, str] = {}
        for pointer, value in pointers(control.values):
            if isinstance(value, Decimal):
                found.setdefault("a decimal", pointer)
            elif isinstance(value, int) and not isinstance(value, bool):
                found.setdefault("an integer", pointer)
        for name, written in _NUMBERS.items():
            for where, pointer in found.items():
                yield set_value(pointer, Literal(written), f"{name} as {where}")
            yield add_member("", "tcconf", Literal(written), f"{name} as an unknown member")

    yield from with_changes(subject.goldens_in_each_form(), changes, accepted_or_refused())


_NUMBERS = {
    "1e400": "1e400",
    "1e-400": "1e-400",
    "1e99999": "1e99999",
    "5000 digits": "9" * 5000,
    "5000 decimals": "0." + "3" * 5000,
}


@case(
    "MAL-17",
    "Values that cannot be are a final answer",
    level=Level.MUST,
    wave=1,
    requirements=("R-FMT-5",),
    consequence=CRASH,
    fix="Expect every value to be nonsense: answer 400, or leave the decision to whoever processes the event.",
    hints={
        "dotnet": "DateTime.Parse throws FormatException: TryParse.",
        "sap": "Move into a DATS field checks nothing; the crash comes later.",
    },
)
def impossible_values(subject: Subject) -> Case:
    for payload in subject.payloads:
        for form in subject.forms(payload.endpoint):
            for place, change in _impossible(payload):
                control = subject.request(payload, body_around(payload, place, form), form, name="one of each")
                yield Twin(f"{change.name}, {payload} {form}", control, change, accepted_or_refused())


def _impossible(payload: Payload) -> Iterator[tuple[Place, Change]]:
    """Each format where it stands first, and each identifier of another name."""
    seen: set[str] = set()
    for place in places(payload):
        name = place.member.name
        kind = place.member.schema.format or ("identifier" if name in _IDENTIFIERS else "")
        key = name if kind == "identifier" else kind
        if kind in _IMPOSSIBLE and key not in seen:
            seen.add(key)
            for what, value in _IMPOSSIBLE[kind].items():
                yield place, set_value(place.pointer, value, f"{key}: {what}")


_IDENTIFIERS = {
    "eventName", "messageId", "orderId", "purchaseOrderNumber", "position", "shipmentNumber", "id",
    "purchaseOrderLinePosition", "despatchAdviceNumber", "companyId", "objectId",
}  # fmt: skip
_IMPOSSIBLE: dict[str, dict[str, JsonValue]] = {
    "date": {"30 February": "2026-02-30", "month 13": "2026-13-01", "year 0": "0000-00-00", "word": "soon"},
    "date-time": {
        "30 February": "2026-02-30T10:00:00Z",
        "hour 25": "2026-03-04T25:61:61Z",
        "no zone": "2026-03-04",
    },
    "date-time-local": {"30 February": "2026-02-30T10:00:00", "year 99999": "99999-01-01T00:00:00"},
    "time-local": {"hour 25": "25:61:61", "word": "noon"},
    "decimal": {"negative": Decimal("-1.5"), "minus zero": Literal("-0"), "zero": 0},
    "uri": {"no address": "::: no address :::", "script": "javascript:alert(1)"},
    "uuid": {"no UUID": "7c0f"},
    "identifier": {"empty": "", "blank": "   "},
}
