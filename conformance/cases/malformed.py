"""MAL: what is no event is refused for good, neither taken as delivered nor asked for again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from conformance import vectors
from conformance.catalogue import case
from conformance.contract.reading import Endpoint, Payload
from conformance.oracle import Consequence
from conformance.requests.changes import Change, add_member, edit_bytes, edit_text, remove, set_value, whole_body
from conformance.requests.request import Form, Request
from conformance.steps import Case, Effects, NotApplicable, Probe, Twin, answer_of
from conformance.subject import Subject
from conformance.verdict import Expect, ExpectFact, Level, accepted, accepted_or_refused, refused_as_malformed
from conformance.wire.answer import Answer

_D, _R, _C = Consequence.DELIVERED, Consequence.REFUSED, Consequence.FAILED
WRONG_ANSWER = (
    "After a 2xx the event counts as delivered although nobody understood it; after a 501-599 Tradecloud sends the"
    " same broken body again, without end."
)
CRASH = (
    "A body that the receiver cannot digest is sent again without end, or takes the worker down with all others."
)
_PARSE_FIRST = "Read the whole body before anything else, catch every error of the parser, and answer 400."
_PARSER_HINTS = {
    "dotnet": "Catch JsonException (System.Text.Json) or JsonReaderException around the reading, not in a filter"
    " that answers 500; [ApiController] answers 400 by itself.",
    "node": "express.json() calls next(error) with status 400: an own error handler has to keep `err.status`.",
    "sap": "Catch CX_SY_CONVERSION_ERROR and CX_SXML_PARSE_ERROR around the transformation and set status 400.",
}
#: Taken or refused; a 500 is tolerated, because it drops the body all the same.
FINAL = Expect(must=frozenset({_D, _R, _C}), should=frozenset({_D, _R}))
#: Read leniently it is understood all the same.
STRICT_READER = Expect(must=frozenset({_D, _R, _C}), should=frozenset({_R}), codes=(400,))


def in_json(subject: Subject, changes: Sequence[Change], expect: Expect) -> Case:
    """The golden event of each endpoint that takes JSON, with each of the changes."""
    controls = tuple(subject.goldens_at_endpoints(Form.JSON))
    if not controls:
        yield NotApplicable("all", "the profile does not claim JSON")
    yield from with_changes(controls, lambda _: changes, expect)


def with_changes(
    controls: Iterable[Request], changes: Callable[[Request], Iterable[Change]], expect: Expect
) -> Case:
    """Each of the changes of each of the requests."""
    for control in controls:
        for change in changes(control):
            yield Twin(variant_of(change, control), control, change, expect)


def variant_of(change: Change, control: Request) -> str:
    """What a changed request is called in a report."""
    return f"{change.name}, {control.endpoint} {control.form}"


@case(
    "MAL-01",
    "A body without content is refused",
    level=Level.MUST,
    wave=1,
    requirements=("R-RSP-6",),
    consequence=WRONG_ANSWER,
    fix=_PARSE_FIRST,
    hints=_PARSER_HINTS,
)
def empty_body(subject: Subject) -> Case:
    blank = (whole_body("empty", b""), whole_body("white space", b" \r\n\t "))
    yield from with_changes(subject.goldens_in_each_form(), lambda _: blank, refused_as_malformed())


@case(
    "MAL-02",
    "JSON that breaks off is refused",
    level=Level.MUST,
    wave=1,
    requirements=("R-RSP-6",),
    consequence=WRONG_ANSWER,
    fix=_PARSE_FIRST,
    hints=_PARSER_HINTS,
)
def cut_json(subject: Subject) -> Case:
    yield from in_json(subject, _CUTS, refused_as_malformed())


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
    consequence="Two readers understand such a body in two ways: what one of them checked the other does not.",
    fix="Read JSON strictly as RFC 8259 has it: no comments, no trailing commas, no NaN.",
    hints={
        "dotnet": "System.Text.Json is strict by default: leave AllowTrailingCommas and ReadCommentHandling alone.",
        "node": "Use JSON.parse, not JSON5 or eval.",
        "python": "json.loads takes NaN and Infinity: give it `parse_constant` that raises.",
    },
)
def no_json(subject: Subject) -> Case:
    yield from in_json(subject, _LENIENT, STRICT_READER)


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
    consequence=WRONG_ANSWER,
    fix="Look at the type of the whole value before you look into it.",
    hints={"dotnet": "`null` deserialises to a null reference without an error: check for it.", **_PARSER_HINTS},
)
def other_top_level(subject: Subject) -> Case:
    values = {"text": '"order"', "number": "42", "true": "true", "null": "null", "empty array": "[]"}
    changes = [whole_body(name, written) for name, written in values.items()]
    changes.append(edit_text("event in an array", lambda text: f"[{text}]"))
    yield from in_json(subject, changes, refused_as_malformed())


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
        if form is Form.JSON:
            # An absent block and one that is null are two cases to many readers; tXML has no null.
            changes.append(set_value(f"/{mine}", None, "block is null"))
        for change in changes:
            yield Twin(f"{change.name}, {form}", control, change, accepted_or_refused())


@case(
    "MAL-08",
    "A member that stands there twice is a final answer",
    level=Level.MUST,
    wave=1,
    requirements=("RFC 8259 4",),
    consequence=CRASH,
    fix="Refuse such a body with 400, or let one of the two count, always the same.",
)
def member_twice(subject: Subject) -> Case:
    for control in subject.goldens_at_endpoints(Form.JSON):
        for change in (_TWICE_EVENT_NAME, _TWICE_ORDER_NUMBER, _TWICE_META, _TWICE_UNKNOWN):
            twin = Twin(variant_of(change, control), control, change, FINAL)
            answer = yield from answer_of(twin)
            if change is _TWICE_ORDER_NUMBER and control.endpoint is Endpoint.ORDER and _taken(answer):
                yield from _which_one_counts(subject, change.apply(control))


def _taken(answer: Answer) -> bool:
    return answer.status is not None and 200 <= answer.status <= 299


def _which_one_counts(subject: Subject, request: Request) -> Case:
    if subject.profile.observer is None:
        return
    yield Probe("order number twice, observed", request.named("twice"), FINAL)
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
    yield from in_json(subject, _BAD_BYTES, refused_as_malformed())
    mark = edit_bytes("UTF-8 with byte order mark", lambda data: b"\xef\xbb\xbf" + data)
    for control in subject.goldens_at_endpoints(Form.JSON):
        yield Twin(variant_of(mark, control), control, mark, FINAL)


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
    for control in subject.goldens_at_endpoints(Form.JSON):
        for change in whole:
            yield Twin(variant_of(change, control), control, change, refused_as_malformed())
        for change in hidden:
            yield Twin(variant_of(change, control), control, change, FINAL)
        yield Probe(f"alive after, {control.endpoint}", control, accepted())
