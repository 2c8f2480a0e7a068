"""LIM: the largest events that Tradecloud makes are delivered, and what is larger gets a final answer."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from functools import partial

from conformance.catalogue import Safety, case
from conformance.contract import text
from conformance.contract.reading import Endpoint, Payload
from conformance.contract.samples import full_body, with_lines, with_lines_in_carriers
from conformance.contract.text import JsonObject, JsonValue
from conformance.oracle import Consequence, consequence
from conformance.requests.changes import (
    Change,
    both,
    change_values,
    edit_bytes,
    edit_text,
    framing,
    header,
    set_value,
)
from conformance.requests.request import Form, Framing, Request
from conformance.steps import Case, Control, Judge, NotApplicable, Probe, Together, Twin, answers_of
from conformance.subject import Subject
from conformance.verdict import Check, Expect, ExpectFact, Level, accepted, accepted_or_refused
from conformance.wire.answer import Fact

_D, _R, _T = Consequence.DELIVERED, Consequence.REFUSED, Consequence.RETRIED
_LOST = "Tradecloud drops the largest orders for good, and only those."
_AGAIN = "Tradecloud sends the same large event again, without end."
_SIZE_HINTS = {
    "nginx": "client_max_body_size is 1m by default: raise it.",
    "iis": "maxAllowedContentLength (30 MB) answers 404.13; uploadReadAheadSize is 48 KB by default.",
    "node": "express.json({limit: '32mb'}): the default is 100kb.",
    "dotnet": "Kestrel's MaxRequestBodySize is 30 MB by default.",
    "sap": "icm/HTTP/max_request_size_KB.",
}
_ORDERS = (Payload.ORDER_EVENT, Payload.SINGLE_DELIVERY)


def _forms(subject: Subject, payload: Payload) -> Iterator[tuple[Form, Request]]:
    """The golden request of a payload in each format; nothing if it is not claimed."""
    if payload in subject.payloads:
        for form in subject.forms(payload.endpoint):
            yield form, subject.golden(payload, form)


def _body(name: str, body: JsonObject) -> Change:
    return change_values(name, lambda _: body)


def _lines(subject: Subject, numbers: tuple[int, ...], payloads: tuple[Payload, ...], expect: Expect) -> Case:
    found = False
    for payload in payloads:
        for form, control in _forms(subject, payload):
            found = True
            for number in numbers:
                change = _body(f"{number} lines", with_lines(payload, number))
                yield Twin(f"{number}, {payload} {form}", control, change, expect)
                if payload is Payload.SHIPMENT:
                    change = _body(f"{number} lines in load carriers", with_lines_in_carriers(number))
                    yield Twin(f"{number} in load carriers, {payload} {form}", control, change, expect)
    if not found:
        yield NotApplicable("all", f"the profile does not claim {' or '.join(payloads)}")


@case(
    "LIM-01",
    "Orders of 499 and 500 lines are delivered",
    level=Level.MUST,
    wave=1,
    requirements=("R-LIM-2",),
    consequence=_LOST,
    fix="Take at least 500 lines per order; look at the limits of the proxy, the parser and the database.",
    hints=_SIZE_HINTS,
)
def order_lines(subject: Subject) -> Case:
    yield from _lines(subject, (499, 500), _ORDERS, accepted())


@case(
    "LIM-02",
    "Shipments of 499 and 500 lines are delivered",
    level=Level.MUST,
    wave=1,
    requirements=("R-LIM-2",),
    consequence="Tradecloud drops the largest shipments for good, and only those.",
    fix="Take at least 500 lines per shipment, in `lines` and in load carriers.",
    hints=_SIZE_HINTS,
)
def shipment_lines(subject: Subject) -> Case:
    yield from _lines(subject, (499, 500), (Payload.SHIPMENT,), accepted())


@case(
    "LIM-03",
    "100 documents are delivered",
    level=Level.MUST,
    wave=1,
    requirements=("R-LIM-1",),
    consequence=_LOST,
    fix="Take at least 100 documents per order and per line.",
)
def documents(subject: Subject) -> Case:
    yield from _with_documents(subject, 100, accepted())
    if Endpoint.ORDER not in subject.endpoints:
        yield NotApplicable("all", "the profile does not claim the order webhook")


def _with_documents(subject: Subject, count: int, expect: Expect) -> Iterator[Twin]:
    many: list[JsonValue] = [
        {"code": f"DRW-{number:04d}", "revision": "C", "name": f"Zeichnung {number}.pdf", "type": "Drawing"}
        for number in range(count)
    ]
    for payload in (*_ORDERS, Payload.DOCUMENTS):
        # A line of an order event has its documents with the buyer's part of it, that of a documents event itself.
        line = "/lines/0" if payload is Payload.DOCUMENTS else "/lines/0/buyerLine"
        for form, control in _forms(subject, payload):
            for where, pointer in (("order", "/buyerOrder"), ("line", line)):
                change = _many(f"/{payload}{pointer}", "documents", many)
                yield Twin(f"{where}, {payload} {form}", control, change, expect)


def _many(object_pointer: str, member: str, items: list[JsonValue]) -> Change:
    return change_values(
        f"{len(items)} in {object_pointer}/{member}",
        lambda values: text.added(values, object_pointer, member, items),
        f"{object_pointer}/{member}",
    )


@case(
    "LIM-04",
    "100 deliveries in a schedule and in a history are delivered",
    level=Level.MUST,
    wave=1,
    requirements=("R-LIM-1",),
    consequence=_LOST,
    fix="Take at least 100 lines in every delivery schedule and delivery history.",
)
def deliveries(subject: Subject) -> Case:
    if Payload.ORDER_EVENT not in subject.payloads:
        yield NotApplicable("all", "the profile does not claim orderEvent")
    yield from _with_deliveries(subject, 100, accepted())


def _with_deliveries(subject: Subject, count: int, expect: Expect) -> Iterator[Twin]:
    def delivery(number: int, **more: JsonValue) -> JsonValue:
        return {"position": f"{number:04d}", "date": "2026-04-16", "quantity": Decimal("0.5"), **more}

    planned = [delivery(number, status="Open") for number in range(1, count + 1)]
    done = [delivery(number) for number in range(1, count + 1)]
    for form, control in _forms(subject, Payload.ORDER_EVENT):
        for pointer in ("", "/buyerLine", "/confirmedLine"):
            change = _many(f"/orderEvent/lines/0{pointer}", "deliverySchedule", planned)
            yield Twin(f"schedule of {pointer[1:] or 'line'}, {form}", control, change, expect)
        change = _many("/orderEvent/lines/0/buyerLine", "deliveryHistory", done)
        yield Twin(f"history, {form}", control, change, expect)


@case(
    "LIM-05",
    "A body over the limit is refused, and the largest event stays under it",
    level=Level.SHOULD,
    wave=1,
    requirements=("P-1", "RFC 9110 15.5.14"),
    consequence="Without a limit one sender can fill the memory; with a low one the largest orders are lost.",
    fix="Set a limit well over the largest event (32 MiB is plenty), and answer 413 beyond.",
    hints=_SIZE_HINTS,
)
def body_size(subject: Subject) -> Case:
    # How large an event can become is written nowhere: with all members filled, 500 lines are some 11 MB.
    for payload in _large_payloads(subject):
        for form, control in _forms(subject, payload):
            change = _body("500 lines", with_lines(payload, 500))
            yield Twin(f"500 usual lines, {payload} {form}", control, change, accepted())
            if form is Form.JSON:
                yield Probe(f"500 full lines, {payload} {form}", _largest(subject, payload), accepted())
    largest = subject.profile.max_body_bytes
    if largest is None:
        yield NotApplicable("one byte more", "the profile states no largest body (max_body_bytes)")
        return
    expect = Expect(should=frozenset({_R}), codes=(413,))
    for endpoint in subject.endpoints:
        for form in subject.forms(endpoint):
            control = subject.golden_at(endpoint, form)
            change = edit_bytes(f"{largest + 1} bytes", _padding(largest + 1))
            yield Twin(f"one byte more, {endpoint} {form}", control, change, expect)
            change = both("", change, framing("", Framing(chunked=True, chunk_bytes=60_000)))
            yield Twin(f"one byte more in chunks, {endpoint} {form}", control, change, expect)
            if not subject.full:
                break


def _large_payloads(subject: Subject) -> Iterator[Payload]:
    """Every payload that is claimed; in the quick set the first one of each webhook."""
    seen: set[Endpoint] = set()
    for payload in subject.payloads:
        if subject.full or payload.endpoint not in seen:
            seen.add(payload.endpoint)
            yield payload


def _padding(length: int) -> Callable[[bytes], bytes]:
    # White space behind JSON and behind the root element is allowed.
    return lambda data: data.ljust(length)


def _largest(subject: Subject, payload: Payload) -> Request:
    """500 lines with every member filled; put together as text, because the values would take seconds to write."""
    body = text.replaced(full_body(payload), f"/{payload}/lines", _LINES)
    assert isinstance(body, dict)  # noqa: S101 - for the type checker
    return replace(subject.request(payload, body, name="largest"), text_edits=(_FULL_LINES[payload],))


_LINES = "(500 lines)"


def _with_full_lines(payload: Payload, written: str) -> str:
    line = text.write(text.get(full_body(payload), f"/{payload}/lines/0"))
    lines = (line.replace('"0010"', f'"{number * 10:04d}"') for number in range(1, 501))
    return written.replace(f'"{_LINES}"', f"[{','.join(lines)}]")


#: By payload, because equal edits make equal requests.
_FULL_LINES = {payload: partial(_with_full_lines, payload) for payload in Payload}


@case(
    "LIM-06",
    "501 lines, 101 documents and 101 deliveries are a final answer",
    level=Level.MUST,
    wave=1,
    requirements=("R-LIM-2", "R-RSP-4"),
    consequence=_AGAIN,
    fix="Take more than 500 lines, 100 documents and 100 deliveries, or refuse them with 400.",
)
def one_more(subject: Subject) -> Case:
    yield from _lines(subject, (501,), (*_ORDERS, Payload.DOCUMENTS, Payload.SHIPMENT), accepted_or_refused())
    for twin in _with_documents(subject, 101, accepted_or_refused()):
        yield replace(twin, variant=f"101 documents, {twin.variant}")
    for twin in _with_deliveries(subject, 101, accepted_or_refused()):
        yield replace(twin, variant=f"101 deliveries, {twin.variant}")


@case(
    "LIM-07",
    "Texts of 10 000 characters are a final answer",
    level=Level.MUST,
    wave=1,
    requirements=("R-RSP-4",),
    consequence=_AGAIN,
    fix="Cut or refuse (400) what does not fit into a column of your database before you answer.",
    hints={
        "dotnet": "DbUpdateException (string or binary data would be truncated) must not become a 5xx.",
        "sap": "A text longer than its field is cut without an error: check the length if it matters.",
    },
)
def long_texts(subject: Subject) -> Case:
    for control in subject.goldens():
        found: dict[str, str] = {}
        for pointer, value in text.pointers(control.values):
            name = pointer.rstrip("/0123456789").rpartition("/")[2]
            if isinstance(value, str) and (subject.full or name in _KEYS):
                found.setdefault(name, pointer)
        for name, pointer in found.items():
            # The identity stays in front, so that the message can be found again.
            start = text.get(control.values, pointer) if name in _KEYS else ""
            change = set_value(pointer, f"{start}{'ŁX' * 5000}"[:10_000], f"{pointer} has 10000 characters")
            yield Twin(f"{name}, {control.payload} {control.form}", control, change, accepted_or_refused())


_KEYS = {
    "eventName",
    "orderId",
    "purchaseOrderNumber",
    "messageId",
    "shipmentNumber",
    "position",
    "description",
    "name",
}


@case(
    "LIM-08",
    "Expect: 100-continue before a large body is answered",
    level=Level.MUST,
    wave=1,
    requirements=("RFC 9110 10.1.1",),
    consequence="A sender that waits for the go-ahead waits until it gives up; the event may be lost.",
    fix="Answer 100 (Continue) as soon as the head is read, or the final answer at once.",
    hints={
        "nginx": "nginx answers 100 by itself; do not pass Expect on.",
        "node": "http.Server answers 100 by itself, unless there is a listener for `checkContinue`.",
    },
)
def expect_continue(subject: Subject) -> Case:
    for payload in _large_payloads(subject):
        for form in subject.forms(payload.endpoint):
            control = subject.request(payload, with_lines(payload, 500), form, name="500 lines")
            change = framing("Expect: 100-continue", Framing(expect_continue=True))
            yield Twin(f"500 lines, {payload} {form}", control, change, accepted(checks=(_GOES_AHEAD,)))


_GOES_AHEAD = Check(
    "100 Continue comes within a second",
    Level.SHOULD,
    lambda answer: answer.note if "no 100 Continue" in answer.note else None,
    good=lambda answer: replace(answer, note=""),
    bad=lambda answer: replace(answer, note="no 100 Continue came; the body was sent all the same"),
)


@case(
    "LIM-09",
    "A body in chunks is delivered",
    level=Level.MUST,
    wave=1,
    requirements=("RFC 9112 7.1",),
    consequence="As soon as Tradecloud sends in chunks, every event is lost.",
    fix="Read the body to its end instead of as many bytes as Content-Length says.",
    hints={
        "nginx": "proxy_request_buffering on (the default) turns chunks into a length for the server behind.",
        "iis": "Read the stream; Request.ContentLength is 0 or -1.",
        "python": "WSGI: CONTENT_LENGTH is absent; use a server that sets wsgi.input_terminated.",
    },
)
def chunked(subject: Subject) -> Case:
    for size in (1000, 7):
        change = framing(f"chunks of {size} bytes", Framing(chunked=True, chunk_bytes=size))
        for control in subject.goldens():
            yield Twin(f"{size} bytes, {control.payload} {control.form}", control, change, accepted())


@case(
    "LIM-10",
    "A gzip-coded body is a final answer",
    level=Level.MUST,
    wave=1,
    requirements=("RFC 9110 15.5.16",),
    consequence="The coded bytes crash the receiver, or the event is sent again without end.",
    fix="Decode it, with a limit on the decoded size, or answer 415.",
    hints={
        "dotnet": "app.UseRequestDecompression() decodes; without it check Content-Encoding and answer 415.",
        "node": "express.json() decodes gzip and deflate; its limit holds for the decoded size.",
    },
)
def gzip_coded(subject: Subject) -> Case:
    final = accepted_or_refused(200, 202, 415)
    coding = header("Content-Encoding", "gzip")
    for control in subject.goldens_in_each_form():
        variants = (
            both("gzip", coding, edit_bytes("", lambda data: gzip.compress(data, mtime=0))),
            both("gzip declared, plain sent", coding, edit_text("", lambda written: written + " ")),
        )
        for change, expect in zip(variants, (final, accepted_or_refused(200, 202, 415, 400)), strict=True):
            yield Twin(f"{change.name}, {control.endpoint} {control.form}", control, change, expect)


_BURST, _AT_ONCE = 30, 10


@case(
    "LIM-11",
    "A burst of 30 events, 10 at a time, is not refused",
    level=Level.MUST,
    wave=3,
    requirements=("R-RSP-2",),
    consequence="A 429 is a 4xx: Tradecloud drops every event that a rate limiter refuses, for good.",
    fix="No rate limiter for Tradecloud; if the receiver is overloaded, answer 503.",
    safety=Safety.LOAD,
    hints={
        "nginx": "limit_req answers 503 by default: leave limit_req_status alone.",
        "dotnet": "AddRateLimiter: RejectionStatusCode = 503 (it is 503 by default).",
        "node": "express-rate-limit answers 429: statusCode: 503.",
    },
)
def burst(subject: Subject) -> Case:
    letters = tuple(one.value for one in Consequence)
    expect = ExpectFact(letters, frozenset({_D.value, _T.value}))
    for endpoint in subject.endpoints:
        request = subject.golden_at(endpoint, subject.forms(endpoint)[0])
        yield Control(request)
        number = 0
        for _ in range(_BURST // _AT_ONCE):
            answers = yield from answers_of(Together((request,) * _AT_ONCE))
            for answer in answers:
                number += 1
                said = f"answered {answer.status}" if answer.status is not None else answer.failure
                yield Judge(f"event {number}, {endpoint}", Fact(consequence(answer.status).value, said), expect)
