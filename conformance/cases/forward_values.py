"""FWD: values and header fields in every spelling that the standards allow."""

from __future__ import annotations

from collections.abc import Hashable, Iterator

from conformance.cases.variants import (
    in_each_body,
    kind_of_place,
    places_in,
    request_with_each_member,
    some_in_the_quick_set,
)
from conformance.catalogue import case
from conformance.contract.reading import Place
from conformance.contract.text import JsonValue, Literal, get
from conformance.oracle import Consequence
from conformance.requests.changes import add_member, header, set_value
from conformance.requests.request import Form
from conformance.steps import Case, Twin
from conformance.subject import Subject
from conformance.verdict import Expect, Level, accepted

_DELIVERED = accepted()

#: Spellings of a number; tXML has no exponents.
_NUMBERS = {
    "10": Literal("10"),
    "10.0": Literal("10.0"),
    "10.000": Literal("10.000"),
    "1e1": Literal("1e1"),
    "1234.56": Literal("1234.56"),
}
#: More digits than whoever uses a quantity or a price has promised to keep: only in members that nobody uses.
_UNUSED_NUMBERS = {
    "integer beyond 2^53": Literal("9007199254740993"),
    "18 digits": Literal("123456789.123456789"),
    "integer beyond 2^64": Literal("18446744073709551617"),
    "30 digits": Literal("0.123456789012345678901234567890"),
    "small exponent": Literal("1E-7"),
}


@case(
    "FWD-12",
    "Numbers are read in every spelling: 10, 10.0, 1e1, 10.000",
    level=Level.MUST,
    wave=1,
    requirements=("RFC 8259 6",),
    consequence="Orders with decimal places in quantities or prices are lost.",
    fix="Read numbers as decimals; never as integers or binary floating point.",
    hints={
        "dotnet": "`decimal`, never `int` or `double`; `GetInt32()` throws at 10.0.",
        "node": "`JSON.parse` rounds beyond 2^53: use a parser that keeps the digits where it matters.",
        "sap": "A packed number with enough decimals, or DECFLOAT34.",
    },
)
def spellings_of_numbers(subject: Subject) -> Case:
    for payload in subject.payloads:
        for form in subject.forms(payload.endpoint):
            golden = subject.golden(payload, form)
            for name, number in _UNUSED_NUMBERS.items():
                change = add_member(f"/{payload}", "futureNumber", number, f"an unknown member is {number.text}")
                yield Twin(f"{payload} {form} unused {name}", golden, change, _DELIVERED)
    # The formats are read by different means, so the quick set has each kind of place in both.
    seen: dict[Form, set[Hashable]] = {form: set() for form in Form}
    for payload in subject.payloads:
        for form in subject.forms(payload.endpoint):
            control = request_with_each_member(subject, payload, form)
            decimals = [place for place in places_in(control) if place.member.schema.type == "decimal"]
            for place in some_in_the_quick_set(subject, decimals, kind_of_place, seen[form]):
                for name, number in _NUMBERS.items():
                    if form is Form.JSON or name != "1e1":
                        change = set_value(place.pointer, number, f"{place.pointer} is {number.text}")
                        yield Twin(f"{payload} {form} {place.pointer} {name}", control, change, _DELIVERED)


_MEDIA_TYPES = {
    "charset": "{}; charset=utf-8",
    "charset without space": "{};charset=UTF-8",
    "charset in quotes": '{}; charset="utf-8"',
    "space before the semicolon": "{} ; charset=utf-8",
    "unknown parameter": "{}; version=2",
    "two parameters": "{}; charset=utf-8; profile=future",
}


@case(
    "FWD-13",
    "The media type is recognised in every spelling",
    level=Level.MUST,
    wave=1,
    requirements=("RFC 9110 8.3.1",),
    consequence="All events are lost on the day that the sender's library writes a parameter.",
    fix="Compare type and subtype without regard to letter case, and parameters by name.",
    hints={
        "dotnet": "`MediaTypeHeaderValue.TryParse`, then compare `MediaType`; not `Request.ContentType == ...`.",
        "node": "`req.is('application/json')`, not `req.headers['content-type'] ===`.",
    },
)
def spellings_of_media_types(subject: Subject) -> Case:
    for control in subject.goldens_in_each_form():
        plain = control.form.media_type
        spellings = {name: template.format(plain) for name, template in _MEDIA_TYPES.items()}
        spellings |= {"capitals": plain.upper(), "mixed case": plain.title()}
        for name, value in spellings.items():
            yield Twin(
                f"{control.endpoint} {control.form} {name}", control, header("Content-Type", value), _DELIVERED
            )


_UNKNOWN_FIELDS = {
    "traceparent": ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    "tracestate": ("tracestate", "vendor=opaque"),
    "X-Future": ("X-Future", "new"),
    "empty value": ("X-Future", ""),
    "long value": ("X-Future", "x" * 2000),
    "every delimiter": ("X-Future", '"(),/:;<=>?@[]{}'),
    "User-Agent": ("User-Agent", "Tradecloud/99.0 (future)"),
    "Accept-Encoding": ("Accept-Encoding", "zstd"),
    "Signature": ("Signature", "sig1=:Zm9v:"),
    "Idempotency-Key": ("Idempotency-Key", '"future"'),
    "Priority": ("Priority", "u=1"),
}
#: Fields that have a meaning, by which a receiver may refuse; and bytes that no sender should use (RFC 9110, 5.5).
_FIELDS_WITH_A_MEANING = {
    "letters beyond ASCII": ("X-Future", "Łódź"),
    "Accept": ("Accept", "application/vnd.future+json"),
    "Origin": ("Origin", "https://portal.example"),
    "Cookie": ("Cookie", "future=1"),
}
_BEST_DELIVERED = Expect(
    must=frozenset({Consequence.DELIVERED, Consequence.REFUSED}), should=frozenset({Consequence.DELIVERED})
)


@case(
    "FWD-14",
    "Unknown header fields are passed over",
    level=Level.MUST,
    wave=1,
    requirements=("RFC 9110 5.1",),
    consequence="All events are lost on the day that the sender, or a proxy on the way, adds a field.",
    fix="Read the fields that you use, and pass over all others.",
    hints={
        "nginx": "`large_client_header_buffers` of the default size is enough; see to the firewall in front.",
        "dotnet": "An endpoint that insists on `Accept` answers 406: leave `ReturnHttpNotAcceptable` off.",
    },
)
def unknown_header_fields(subject: Subject) -> Case:
    for control in subject.goldens_in_each_form():
        for fields, expect in ((_UNKNOWN_FIELDS, _DELIVERED), (_FIELDS_WITH_A_MEANING, _BEST_DELIVERED)):
            for name, (field, value) in fields.items():
                yield Twin(f"{control.endpoint} {control.form} {name}", control, header(field, value), expect)


#: By the format that the contract names. Only what documents or samples show: offsets and fractions occur.
_TIMES = {
    "date": {"leap day": "2028-02-29", "last day": "2026-12-31"},
    "date-time": {
        "Z": "2026-03-04T05:06:07Z",
        "milliseconds": "2026-03-04T05:06:07.089Z",
        "microseconds": "2026-03-04T05:06:07.089123Z",
        "tenths": "2026-03-04T05:06:07.5Z",
        "offset": "2026-03-04T06:06:07+01:00",
        "negative offset and fraction": "2026-03-04T00:36:07.089-04:30",
    },
    "date-time-local": {"local": "2026-03-02T23:59:59", "leap day": "2028-02-29T00:00:00"},
    "time-local": {"local": "23:59:59", "midnight": "00:00:00"},
}


@case(
    "FWD-15",
    "Dates and times are read in every spelling that the contract allows",
    level=Level.MUST,
    wave=1,
    requirements=("R-FMT-5",),
    consequence="Events are lost when their times happen to have another number of digits, or an offset.",
    fix="Read ISO 8601 with any number of decimal places, with Z and with an offset.",
    hints={
        "dotnet": "`DateTimeOffset.Parse` with the invariant culture; not `ParseExact` with one pattern.",
        "sap": "CONVERT_TIMESTAMP takes no fractions: cut them off before.",
    },
)
def spellings_of_times(subject: Subject) -> Case:
    # The formats are read by different means, so the quick set has each kind of place in both.
    seen: dict[Form, set[Hashable]] = {form: set() for form in Form}
    for payload in subject.payloads:
        for form in subject.forms(payload.endpoint):
            control = request_with_each_member(subject, payload, form)
            for place in some_in_the_quick_set(subject, places_in(control), kind_of_place, seen[form]):
                for name, value in _spellings(place, get(control.values, place.pointer)):
                    yield Twin(
                        f"{payload} {form} {place.pointer} {name}",
                        control,
                        set_value(place.pointer, value),
                        _DELIVERED,
                    )
    # One sample of the manual has a document's time without a zone.
    for payload, form in in_each_body(subject, (Form.JSON,)):
        control = request_with_each_member(subject, payload, form)
        for place in places_in(control):
            if place.schema_name == "DocumentMeta" and place.member.name == "lastUpdatedAt":
                change = set_value(place.pointer, "2026-03-04T05:06:07")
                yield Twin(f"{payload} json {place.pointer} without a zone", control, change, _DELIVERED)


def _spellings(place: Place, present: JsonValue) -> Iterator[tuple[str, str]]:
    for name, value in _TIMES.get(place.member.schema.format or "", {}).items():
        if value != present:
            yield name, value
