"""MAL: what is no event is refused for good, neither taken as delivered nor asked for again."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from decimal import Decimal

from conformance import vectors
from conformance.cases.malformed_types import one_of_each
from conformance.catalogue import Safety, case
from conformance.contract.reading import Endpoint, Payload, places
from conformance.contract.text import JsonValue, Literal, pointers
from conformance.oracle import Consequence
from conformance.requests.changes import (
    Change,
    add_member,
    both,
    edit_bytes,
    edit_text,
    framing,
    header,
    remove,
    set_value,
    whole_body,
)
from conformance.requests.request import Form, Framing, Request, Values
from conformance.steps import Case, Effects, NotApplicable, Probe, Twin, answer_of
from conformance.subject import Subject
from conformance.verdict import (
    Check,
    Expect,
    ExpectFact,
    Level,
    accepted,
    accepted_or_refused,
    not_delivered,
    refused_as_malformed,
)
from conformance.wire.answer import Answer

_D, _R, _C, _N = Consequence.DELIVERED, Consequence.REFUSED, Consequence.FAILED, Consequence.NO_ANSWER
_WRONG_ANSWER = (
    "After a 2xx the event counts as delivered although nobody understood it; after a 501-599 Tradecloud sends the"
    " same broken body again, without end."
)
_CRASH = (
    "A body that the receiver cannot digest is sent again without end, or takes the worker down with all others."
)
_PARSE_FIRST = "Read the whole body before anything else, catch every error of the parser, and answer 400."
_PARSER_HINTS = {
    "dotnet": "Catch JsonException (System.Text.Json) or JsonReaderException around the reading, not in a filter"
    " that answers 500; [ApiController] answers 400 by itself.",
    "node": "express.json() calls next(error) with status 400: an own error handler has to keep `err.status`.",
    "sap": "Catch CX_SY_CONVERSION_ERROR and CX_SXML_PARSE_ERROR around the transformation and set status 400.",
}
_STRICT_READER = Expect(must=frozenset({_D, _R, _C}), should=frozenset({_R}), codes=(400,))


def _at_endpoints(
    subject: Subject, changes: Callable[[Request], Iterable[Change]], expect: Expect, form: Form | None = Form.JSON
) -> Case:
    controls = tuple(subject.goldens_at_endpoints(form))
    if not controls:
        yield NotApplicable("all", f"the profile does not claim {form}")
    for control in controls:
        for change in changes(control):
            yield Twin(_variant(change, control), control, change, expect)


def _variant(change: Change, control: Request) -> str:
    return f"{change.name}, {control.endpoint} {control.form}"


@case(
    "MAL-01",
    "A body without content is refused",
    level=Level.MUST,
    wave=1,
    requirements=("R-RSP-6",),
    consequence=_WRONG_ANSWER,
    fix=_PARSE_FIRST,
    hints=_PARSER_HINTS,
)
def empty_body(subject: Subject) -> Case:
    blank = (whole_body("empty", b""), whole_body("white space", b" \r\n\t "))
    yield from _at_endpoints(subject, lambda _: blank, refused_as_malformed(), None)


@case(
    "MAL-02",
    "JSON that breaks off is refused",
    level=Level.MUST,
    wave=1,
    requirements=("R-RSP-6",),
    consequence=_WRONG_ANSWER,
    fix=_PARSE_FIRST,
    hints=_PARSER_HINTS,
)
def cut_json(subject: Subject) -> Case:
    yield from _at_endpoints(subject, lambda _: _CUTS, refused_as_malformed())


def _cut(name: str, place: Callable[[bytes], int]) -> Change:
    return edit_bytes(f"cut {name}", lambda data: data[: place(data)])


def _first_letter_beyond_ascii(data: bytes) -> int:
    return next((index for index, byte in enumerate(data) if byte > 0x7F), len(data) // 3)


_CUTS = (
    _cut("after the brace", lambda _: 1),
    _cut("in a name", lambda _: 5),
    _cut("before a colon", lambda data: data.index(b":")),
    _cut("after a colon", lambda data: data.index(b":") + 1),
    _cut("in a text", lambda data: data.index(b":") + 4),
    _cut("after a comma", lambda data: data.index(b",") + 1),
    _cut("in a letter", lambda data: _first_letter_beyond_ascii(data) + 1),
    _cut("in the middle", lambda data: len(data) // 2),
    _cut("before the last brace", lambda data: data.rstrip().rindex(b"}")),
)


@case(
    "MAL-03",
    "What only looks like JSON is refused",
    level=Level.SHOULD,
    wave=1,
    requirements=("RFC 8259 2",),
    consequence="Two readers understand such a body in two ways; what one of them checked is not what the other does.",
    fix="Read JSON strictly as RFC 8259 has it: no comments, no trailing commas, no NaN.",
    hints={
        "dotnet": "System.Text.Json is strict by default: leave AllowTrailingCommas and ReadCommentHandling alone.",
        "node": "Use JSON.parse, not JSON5 or eval.",
        "python": "json.loads takes NaN and Infinity: give it `parse_constant` that raises.",
    },
)
def no_json(subject: Subject) -> Case:
    yield from _at_endpoints(subject, lambda _: _LENIENT, _STRICT_READER)


def _before_the_end(name: str, written: str) -> Change:
    return edit_text(name, lambda text: text.rstrip()[:-1] + written + "}")


_LENIENT = (
    _before_the_end("comma at the end of the object", ","),
    _before_the_end("comma at the end of an array", ',"tcconf":[1,]'),
    _before_the_end("block comment", ',"tcconf":1/* new */'),
    _before_the_end("line comment", ',"tcconf":1// new\n'),
    _before_the_end("NaN", ',"tcconf":NaN'),
    _before_the_end("Infinity", ',"tcconf":Infinity'),
    _before_the_end("minus Infinity", ',"tcconf":-Infinity'),
    _before_the_end("single quotes", ",'tcconf':'1'"),
    _before_the_end("name without quotes", ",tcconf:1"),
    _before_the_end("leading zero", ',"tcconf":010'),
    _before_the_end("plus sign", ',"tcconf":+1'),
    _before_the_end("hexadecimal", ',"tcconf":0x10'),
    _before_the_end("number without digits before the point", ',"tcconf":.5'),
    _before_the_end("raw tab in a text", ',"tcconf":"a\tb"'),
    _before_the_end("unknown escape", r',"tcconf":"\x41"'),
    edit_text("second value behind it", lambda text: text + "{}"),
)


@case(
    "MAL-04",
    "JSON that is no object is refused",
    level=Level.MUST,
    wave=1,
    requirements=("R-RSP-6",),
    consequence=_WRONG_ANSWER,
    fix="Look at the type of the whole value before you look into it.",
    hints={"dotnet": "`null` deserialises to a null reference without an error: check for it.", **_PARSER_HINTS},
)
def other_top_level(subject: Subject) -> Case:
    values = {"text": '"order"', "number": "42", "true": "true", "null": "null", "empty array": "[]"}
    changes = [whole_body(name, written) for name, written in values.items()]
    changes.append(edit_text("event in an array", lambda text: f"[{text}]"))
    yield from _at_endpoints(subject, lambda _: changes, refused_as_malformed())


@case(
    "MAL-07",
    "No event block, or two of them, is a final answer",
    level=Level.SHOULD,
    wave=1,
    requirements=("P-1",),
    consequence="Tradecloud sends the event again without end, or drops it after a crash of the receiver.",
    fix="Expect that a block is absent; answer 400, or take the event if its name is enough for you.",
)
def event_blocks(subject: Subject) -> Case:
    if Endpoint.ORDER not in subject.endpoints:
        yield NotApplicable("order", "the profile does not claim the order webhook")
        return
    for form in subject.forms(Endpoint.ORDER):
        control = subject.golden_at(Endpoint.ORDER, form)
        mine = control.payload
        changes = [remove(f"/{mine}", "no block")]
        changes += [
            add_member("", other, vectors.golden(other)[other], f"{other} too")
            for other in (Payload.ORDER_EVENT, Payload.SINGLE_DELIVERY, Payload.DOCUMENTS)
            if other is not mine
        ]
        for change in changes:
            yield Twin(f"{change.name}, {form}", control, change, accepted_or_refused())


@case(
    "MAL-08",
    "A member that stands there twice is a final answer",
    level=Level.MUST,
    wave=1,
    requirements=("RFC 8259 4",),
    consequence=_CRASH,
    fix="Refuse such a body with 400, or let one of the two count, always the same.",
)
def member_twice(subject: Subject) -> Case:
    for control in subject.goldens_at_endpoints():
        for change in (_TWICE_EVENT_NAME, _TWICE_ORDER_NUMBER, _TWICE_META, _TWICE_UNKNOWN):
            twin = Twin(_variant(change, control), control, change, accepted_or_refused())
            answer = yield from answer_of(twin)
            if change is _TWICE_ORDER_NUMBER and control.endpoint is Endpoint.ORDER and _taken(answer):
                yield from _which_one_counts(subject, change.apply(control))


def _taken(answer: Answer) -> bool:
    return answer.status is not None and 200 <= answer.status <= 299


def _which_one_counts(subject: Subject, request: Request) -> Case:
    if subject.profile.observer is None:
        return
    yield Probe("order number twice, observed", request.named("twice"), accepted_or_refused())
    numbers = ("0", "1", "2")
    yield Effects("1: the last one counts", "twice", ExpectFact(numbers, frozenset(numbers), informative=True))


def _put_first(name: str, written: str) -> Change:
    return edit_text(name, lambda text: "{" + written + "," + text.lstrip()[1:])


_TWICE_EVENT_NAME = _put_first("event name twice", '"eventName":"OtherEventName"')
_TWICE_META = _put_first("meta twice", '"meta":{"messageId":"7c0f0000-0000-4000-8000-000000000001"}')
_TWICE_UNKNOWN = _put_first("unknown member twice", '"tcconf":1,"tcconf":2')
_TWICE_ORDER_NUMBER = edit_text(
    "order number twice",
    lambda text: text.replace(
        '"purchaseOrderNumber":', '"purchaseOrderNumber":"TCCONF-other","purchaseOrderNumber":', 1
    ),
)


@case(
    "MAL-09",
    "JSON in anything but UTF-8 is refused",
    level=Level.MUST,
    wave=1,
    requirements=("RFC 8259 8.1",),
    consequence="Names and addresses are stored as garbage, or the receiver crashes at a letter.",
    fix="Decode the body as UTF-8, strictly, and answer 400 to what is none; pass over a byte order mark.",
    hints={
        "dotnet": "`new UTF8Encoding(false, throwOnInvalidBytes: true)`; StreamReader replaces bad bytes silently.",
        "node": "`new TextDecoder('utf-8', {fatal: true})`; Buffer.toString() replaces bad bytes silently.",
    },
)
def other_encoding(subject: Subject) -> Case:
    yield from _at_endpoints(subject, lambda _: _BAD_BYTES, refused_as_malformed())
    mark = edit_bytes("UTF-8 with byte order mark", lambda data: b"\xef\xbb\xbf" + data)
    for control in subject.goldens_at_endpoints():
        yield Twin(_variant(mark, control), control, mark, accepted_or_refused())


def _in_the_event_name(name: str, bad: bytes) -> Change:
    start = b'"eventName":"'
    return edit_bytes(name, lambda data: data.replace(start, start + bad, 1))


def _recoded(codec: str) -> Callable[[bytes], bytes]:
    return lambda data: data.decode().encode(codec)


_BAD_BYTES = (
    _in_the_event_name("byte FF", b"\xff"),
    _in_the_event_name("continuation byte alone", b"\x80"),
    _in_the_event_name("sequence cut short", b"\xe2\x82"),
    _in_the_event_name("overlong slash", b"\xc0\xaf"),
    _in_the_event_name("overlong NUL", b"\xc0\x80"),
    _in_the_event_name("surrogate in UTF-8", b"\xed\xa0\x80"),
    _in_the_event_name("beyond U+10FFFF", b"\xf4\x90\x80\x80"),
    edit_bytes(
        "bad byte in a name",
        lambda data: data.replace(b'"eventName":', b'"tcconf\xff":1,"eventName":', 1),
    ),
    edit_bytes("UTF-16 with byte order mark", _recoded("utf-16")),
    edit_bytes("UTF-16LE", _recoded("utf-16-le")),
    edit_bytes("UTF-16BE", _recoded("utf-16-be")),
    edit_bytes("UTF-32", _recoded("utf-32")),
)


@case(
    "MAL-10",
    "Letters that are hard to store are a final answer",
    level=Level.MUST,
    wave=1,
    requirements=("RFC 8259 8.2",),
    consequence=_CRASH,
    fix="Expect lone surrogates and NUL in every text: refuse them with 400, or replace them before you store them.",
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

    yield from _at_endpoints(subject, changes, accepted_or_refused(), None)


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
    "MAL-11",
    "Endless nesting is refused, and the receiver lives on",
    level=Level.MUST,
    wave=1,
    requirements=("RFC 8259 9",),
    consequence="One body ends the worker; all deliveries of that moment are lost with it.",
    fix="Limit the depth of nesting (some hundred levels are plenty) and answer 400 beyond.",
    hints={
        "dotnet": "System.Text.Json stops at MaxDepth 64; Newtonsoft.Json before 13 has no limit.",
        "node": "JSON.parse throws a RangeError, which is no SyntaxError: catch both.",
        "python": "json.loads raises RecursionError, which is no ValueError: catch both.",
    },
)
def nesting(subject: Subject) -> Case:
    depth = 100_000
    arrays, objects = "[" * depth + "]" * depth, '{"a":' * depth + "1" + "}" * depth
    whole = (
        whole_body("nested arrays", arrays),
        whole_body("nested objects", objects),
        whole_body("arrays that do not end", "[" * depth),
        whole_body("objects that do not end", '{"a":' * depth),
    )
    hidden = (
        _before_the_end("arrays in an unknown member", f',"tcconf":{arrays}'),
        _before_the_end("objects in an unknown member", f',"tcconf":{objects}'),
    )
    # Who passes over unknown members without recursion may take the event.
    final = Expect(must=frozenset({_D, _R, _C}), should=frozenset({_D, _R}))
    for control in subject.goldens_at_endpoints():
        for change in whole:
            yield Twin(_variant(change, control), control, change, refused_as_malformed())
        for change in hidden:
            yield Twin(_variant(change, control), control, change, final)
        yield Probe(f"alive after, {control.endpoint}", control, accepted())


@case(
    "MAL-12",
    "Numbers of any size are a final answer",
    level=Level.MUST,
    wave=1,
    requirements=("RFC 8259 6",),
    consequence=_CRASH,
    fix="Read numbers as decimals, catch the overflow, and answer 400 to what you cannot hold.",
    hints={
        "python": "int() of more than 4300 digits raises ValueError, Decimal with a huge exponent InvalidOperation.",
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

    yield from _at_endpoints(subject, changes, accepted_or_refused(), None)


_NUMBERS = {
    "1e400": "1e400",
    "1e-400": "1e-400",
    "1e999999999": "1e999999999",
    "5000 digits": "9" * 5000,
    "5000 decimals": "0." + "3" * 5000,
}


@case(
    "MAL-13",
    "A body in the other format than declared is refused",
    level=Level.MUST,
    wave=1,
    requirements=("R-FMT-2",),
    consequence=_WRONG_ANSWER,
    fix="Choose the parser by Content-Type, and answer 400 when it cannot read the body.",
)
def other_format(subject: Subject) -> Case:
    for control in subject.goldens_at_endpoints(None):
        other = Form.JSON if control.form is Form.TXML else Form.TXML
        body = Values(control.endpoint, other, control.values).text()
        change = whole_body(f"{other} declared as {control.form}", body)
        yield Twin(f"{change.name}, {control.endpoint}", control, change, refused_as_malformed(400, 415))
        if Form.TXML not in subject.forms(control.endpoint):
            change = header("Content-Type", "application/xml", "json declared as txml")
            yield Twin(f"{change.name}, {control.endpoint}", control, change, refused_as_malformed(400, 415))


@case(
    "MAL-14",
    "A body of another media type is not delivered",
    level=Level.SHOULD,
    wave=1,
    requirements=("P-1", "RFC 9110 15.5.16"),
    consequence="A receiver that does not look at the media type can be reached from any web page by a plain form.",
    fix="Accept application/json (and application/xml with tXML) only; answer 415 to the rest.",
    hints={
        "dotnet": '[Consumes("application/json")] at the action.',
        "node": "express.json() passes over other types and leaves req.body empty: answer 415 then.",
        "nginx": "Do not set proxy_set_header Content-Type.",
    },
)
def other_media_type(subject: Subject) -> Case:
    types = (
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "application/octet-stream",
        "*/*",
    )
    changes = [header("Content-Type", None), *(header("Content-Type", one, one) for one in types)]
    changes += [header("Content-Type", "", "empty"), header("Content-Type", "json", "no media type at all")]
    yield from _at_endpoints(subject, lambda _: changes, not_delivered(415), None if subject.full else Form.JSON)


@case(
    "MAL-15",
    "A charset other than UTF-8 is not read as UTF-8",
    level=Level.SHOULD,
    wave=1,
    requirements=("RFC 8259 8.1",),
    consequence="Letters beyond ASCII are stored as garbage.",
    fix="Answer 415 to a charset that is not UTF-8 or US-ASCII.",
)
def other_charset(subject: Subject) -> Case:
    expect = Expect(must=frozenset({_D, _R, _C}), should=frozenset({_R}), codes=(415, 400))

    def changes(control: Request) -> Iterator[Change]:
        for charset in ("utf-16", "iso-8859-1", "x-tcconf"):
            value = f"{control.form.media_type}; charset={charset}"
            yield header("Content-Type", value, f"{charset} declared")
        recoded = edit_bytes("", _recoded("utf-16"))
        declared = header("Content-Type", f"{control.form.media_type}; charset=utf-16")
        yield both("utf-16 declared and sent", declared, recoded)

    yield from _at_endpoints(subject, changes, expect, None)


@case(
    "MAL-16",
    "A request whose end is ambiguous is refused, and the connection closed",
    level=Level.MUST,
    wave=3,
    requirements=("RFC 9112 6.3",),
    consequence="Behind a proxy that finds another end, one sender can put requests into the connection of another.",
    fix="Let the server refuse such requests with 400 and close the connection; keep proxy and server up to date.",
    safety=Safety.INTRUSIVE,
    hints={
        "nginx": "nginx refuses them by itself since 1.21.1.",
        "node": "Never start node with --insecure-http-parser.",
        "iis": "http.sys refuses them; look at what stands in front of it.",
    },
)
def ambiguous_end(subject: Subject) -> Case:
    checks = (_NO_SECOND_ANSWER, _CLOSES)
    # Nobody promises an answer to a chunk that is none; two lengths must be answered (RFC 9112, sections 6.3 and 8).
    chunks = Expect(must=frozenset({_R, _C, _N}), should=frozenset({_R}), codes=(400,), checks=checks)
    both_fields = Expect(must=frozenset({_D, _R, _C}), should=frozenset({_R}), codes=(400,), checks=checks)
    for endpoint in subject.endpoints:
        control = replace(subject.golden_at(endpoint, subject.forms(endpoint)[0]), byte_edits=(_padded,))
        for change in _TWO_LENGTHS:
            yield Twin(_variant(change, control), control, change, refused_as_malformed(checks=checks))
        for change in _LENGTH_AND_CHUNKS:
            yield Twin(_variant(change, control), control, change, both_fields)
        for change in _BAD_CHUNKS:
            yield Twin(_variant(change, control), control, change, chunks)
        yield Probe(f"alive after, {endpoint}", control, accepted())


_LENGTH = 20_000
_SMUGGLED = b"GET /tcconf-smuggled HTTP/1.1\r\nHost: tcconf.example\r\n\r\n"


def _padded(data: bytes) -> bytes:
    # White space behind the body is allowed: so the length is known before the identity is.
    return data.ljust(_LENGTH)


def _two_lengths(name: str, lengths: str) -> Change:
    longer = edit_bytes("", lambda data: data + _SMUGGLED)
    return both(name, longer, framing("", Framing(content_length=lengths)))


def _bad_chunks(name: str, body: bytes) -> Change:
    return framing(name, Framing(chunked=True, raw_body=body))


_TWO_LENGTHS = (
    _two_lengths("two lengths, the first one true", f"{_LENGTH},{_LENGTH + len(_SMUGGLED)}"),
    _two_lengths("two lengths, the last one true", f"{_LENGTH + len(_SMUGGLED)},{_LENGTH}"),
)
_LENGTH_AND_CHUNKS = (
    framing("length and chunks", Framing(chunked=True, content_length=str(_LENGTH))),
    framing("length of 4 and chunks", Framing(chunked=True, content_length="4")),
)
_BAD_CHUNKS = (
    _bad_chunks("chunk size is no number", b"zz\r\n{}\r\n0\r\n\r\n"),
    _bad_chunks("chunk size is negative", b"-2\r\n{}\r\n0\r\n\r\n"),
    _bad_chunks("chunk size overflows", b"10000000000000002\r\n{}\r\n0\r\n\r\n"),
    _bad_chunks("chunk longer than its size", b"1\r\n{}\r\n0\r\n\r\n"),
)

_FINAL_STATUS = re.compile(rb"HTTP/1\.[01] [2-5]\d\d")
_NO_SECOND_ANSWER = Check(
    "no second answer",
    Level.MUST,
    lambda answer: (
        "a second answer came: a part of the body was taken for another request"
        if len(_FINAL_STATUS.findall(answer.raw)) > 1
        else None
    ),
    good=lambda answer: replace(answer, raw=b"HTTP/1.1 400 Bad Request\r\n\r\n"),
    bad=lambda answer: replace(answer, raw=b"HTTP/1.1 400 Bad Request\r\n\r\nHTTP/1.1 404 Not Found\r\n\r\n"),
)
# SHOULD, although RFC 9112 says MUST: a server that closes without a word may do so a moment after its answer.
_CLOSES = Check(
    "closes the connection",
    Level.SHOULD,
    lambda answer: None if answer.closes or answer.status is None else "the connection stays open",
    good=lambda answer: replace(answer, closes=True),
    bad=lambda answer: replace(answer, closes=False),
)


@case(
    "MAL-17",
    "Values that cannot be are a final answer",
    level=Level.MUST,
    wave=1,
    requirements=("R-FMT-5",),
    consequence=_CRASH,
    fix="Expect every value to be nonsense: answer 400, or leave the decision to whoever processes the event.",
    hints={
        "dotnet": "DateTime.Parse throws FormatException: TryParse.",
        "sap": "Move into a DATS field checks nothing; the crash comes later.",
    },
)
def impossible_values(subject: Subject) -> Case:
    for payload in subject.payloads:
        for form in subject.forms(payload.endpoint):
            control = subject.request(payload, one_of_each(payload), form, name="one of each")
            for change in _impossible(payload):
                yield Twin(f"{change.name}, {payload} {form}", control, change, accepted_or_refused())


def _impossible(payload: Payload) -> Iterator[Change]:
    seen: set[str] = set()
    for place in places(payload):
        kind = place.member.schema.format or ("identifier" if place.member.name in _IDENTIFIERS else "")
        if kind not in _IMPOSSIBLE or (kind != "identifier" and kind in seen):
            continue
        seen.add(kind)
        for name, value in _IMPOSSIBLE[kind].items():
            shown = f"{name} {place.member.name}" if kind == "identifier" else f"{kind}: {name}"
            yield set_value(place.pointer, value, shown if shown not in seen else f"{shown} at {place.pointer}")
            seen.add(shown)


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


@case(
    "MAL-18",
    "An event at the address of the other webhook is refused",
    level=Level.MUST,
    wave=1,
    requirements=("R-RSP-6",),
    consequence="After one slip in the settings all shipments (or orders) count as delivered, and nobody has them.",
    fix="Refuse bodies without the event block of the webhook, best with 400.",
)
def other_webhook(subject: Subject) -> Case:
    paths = [subject.operation(endpoint).path for endpoint in subject.endpoints]
    if len(set(paths)) < len(paths):
        yield NotApplicable("all", "both webhooks have the same address")
        return
    for control in subject.goldens_at_endpoints(None):
        payload = Payload.ORDER_EVENT if control.endpoint is Endpoint.SHIPMENT else Payload.SHIPMENT
        body = Values(payload.endpoint, control.form, vectors.golden(payload)).text()
        change = whole_body(f"{payload} at the {control.endpoint} webhook", body)
        yield Twin(f"{change.name}, {control.form}", control, change, refused_as_malformed())
