"""MAL-13 to MAL-16 and MAL-18: bodies that are not what their head says, or that stand at the wrong address."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from conformance import vectors
from conformance.cases.malformed import FINAL, STRICT_READER, WRONG_ANSWER, variant_of, with_changes
from conformance.catalogue import Safety, case
from conformance.contract.reading import Endpoint, Payload
from conformance.oracle import Consequence
from conformance.requests.changes import Change, both, edit_bytes, framing, header, whole_body
from conformance.requests.request import Form, Framing, Request, Values
from conformance.steps import Case, NotApplicable, Probe, Twin
from conformance.subject import Subject
from conformance.verdict import (
    Check,
    Expect,
    Level,
    accepted,
    not_delivered,
    refused_as_malformed,
)

_D, _R, _C, _N = Consequence.DELIVERED, Consequence.REFUSED, Consequence.FAILED, Consequence.NO_ANSWER


@case(
    "MAL-13",
    "A body in the other format than declared is refused",
    level=Level.MUST,
    wave=1,
    requirements=("R-FMT-2",),
    consequence=WRONG_ANSWER,
    fix="Choose the parser by Content-Type, and answer 400 when it cannot read the body.",
)
def other_format(subject: Subject) -> Case:
    for control in subject.goldens_in_each_form():
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
    controls = subject.goldens_in_each_form() if subject.full else subject.goldens_at_endpoints()
    yield from with_changes(controls, lambda _: changes, not_delivered(415))


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
    def changes(control: Request) -> Iterator[Change]:
        for charset in ("utf-16", "iso-8859-1", "x-tcconf"):
            value = f"{control.form.media_type}; charset={charset}"
            yield header("Content-Type", value, f"{charset} declared")
        recoded = edit_bytes("", lambda data: data.decode().encode("utf-16"))
        declared = header("Content-Type", f"{control.form.media_type}; charset=utf-16")
        yield both("utf-16 declared and sent", declared, recoded)

    for control in subject.goldens_in_each_form():
        # JSON has no other encoding; for XML the parameter counts (RFC 7303, section 3), or the bytes do.
        refused = replace(STRICT_READER, codes=(415, 400))
        for change in changes(control):
            expect = refused if control.form is Form.JSON else FINAL
            yield Twin(variant_of(change, control), control, change, expect)


@case(
    "MAL-16",
    "A request whose end is ambiguous is refused, and the connection closed",
    level=Level.MUST,
    wave=3,
    requirements=("RFC 9112 6.3",),
    consequence="Behind a proxy that finds another end, one sender can put requests into another's connection.",
    fix="Let the server refuse such requests with 400 and close; keep proxy and server up to date.",
    safety=Safety.INTRUSIVE,
    hints={
        "nginx": "nginx refuses them by itself since 1.21.1.",
        "node": "Never start node with --insecure-http-parser.",
        "iis": "http.sys refuses them; look at what stands in front of it.",
    },
)
def ambiguous_end(subject: Subject) -> Case:
    checks = (_NO_SECOND_ANSWER, _CLOSES)
    # Two lengths must be answered (RFC 9112, section 6.3); nobody promises an answer to a chunk that is none.
    chunks = Expect(must=frozenset({_R, _C, _N}), should=frozenset({_R}), codes=(400,), checks=checks)
    both_fields = Expect(must=frozenset({_D, _R, _C}), should=frozenset({_R}), codes=(400,), checks=checks)
    for endpoint in subject.endpoints:
        control = replace(subject.golden_at(endpoint, subject.forms(endpoint)[0]), byte_edits=(_padded,))
        for change in _TWO_LENGTHS:
            yield Twin(variant_of(change, control), control, change, refused_as_malformed(checks=checks))
        for change in _LENGTH_AND_CHUNKS:
            # It may take the chunks, but then it must close too (RFC 9112, section 6.1).
            yield Twin(variant_of(change, control), control, change, both_fields)
        for name, size in _BAD_SIZES.items():
            change = framing(
                name, Framing(chunked=True, raw_body=_chunks_up_to(_SMALLEST[control.form][endpoint], size))
            )
            yield Twin(variant_of(change, control), control, change, chunks)
        yield Probe(f"alive after, {endpoint}", control, accepted())


_LENGTH = 20_000
_SMUGGLED = b"GET /tcconf-smuggled HTTP/1.1\r\nHost: tcconf.example\r\n\r\n"


def _padded(data: bytes) -> bytes:
    # White space behind the body is allowed: so the length is known before the identity is.
    return data.ljust(_LENGTH)


def _two_lengths(name: str, lengths: str) -> Change:
    longer = edit_bytes("", lambda data: data + _SMUGGLED)
    return both(name, longer, framing("", Framing(content_length=lengths)))


_TWO_LENGTHS = (
    _two_lengths("two lengths, the first one true", f"{_LENGTH},{_LENGTH + len(_SMUGGLED)}"),
    _two_lengths("two lengths, the last one true", f"{_LENGTH + len(_SMUGGLED)},{_LENGTH}"),
)
_LENGTH_AND_CHUNKS = (
    framing("length and chunks", Framing(chunked=True, content_length=str(_LENGTH))),
    framing("length of 4 and chunks", Framing(chunked=True, content_length="4")),
)
_BAD_SIZES = {
    "chunk size is no number": b"zz",
    "chunk size is negative": b"-2",
    "chunk size overflows": b"10000000000000002",
    "chunk size is empty": b"",
}
# Valid as far as it goes: who takes the bad size for the end of the body accepts it.
_SMALLEST = {
    Form.JSON: {
        Endpoint.ORDER: b'{"eventName":"OrderIssuedByBuyer"}',
        Endpoint.SHIPMENT: b'{"eventName":"ShipmentIssuedBySupplier","shipment":{"id":"TCCONF"}}',
    },
    Form.TXML: {
        Endpoint.ORDER: b"<WebhookBody><eventName>OrderIssuedByBuyer</eventName></WebhookBody>",
        Endpoint.SHIPMENT: b"<WebhookBody><eventName>ShipmentIssuedBySupplier</eventName>"
        b"<shipment><id>TCCONF</id></shipment></WebhookBody>",
    },
}


def _chunks_up_to(body: bytes, bad_size: bytes) -> bytes:
    return b"%x\r\n%b\r\n%b\r\n  \r\n0\r\n\r\n" % (len(body), body, bad_size)


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
_CLOSES = Check(
    "closes the connection",
    Level.MUST,
    lambda answer: None if answer.closes or answer.status is None else "the connection stays open",
    good=lambda answer: replace(answer, closes=True),
    bad=lambda answer: replace(answer, closes=False),
)


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
    for control in subject.goldens_in_each_form():
        payload = Payload.ORDER_EVENT if control.endpoint is Endpoint.SHIPMENT else Payload.SHIPMENT
        body = Values(payload.endpoint, control.form, vectors.golden(payload)).text()
        change = whole_body(f"{payload} at the {control.endpoint} webhook", body)
        yield Twin(f"{change.name}, {control.form}", control, change, refused_as_malformed())
