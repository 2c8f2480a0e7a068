"""IDM: the same message more than once, and messages out of order."""

from __future__ import annotations

from dataclasses import replace
from functools import wraps

from lxml import etree

from conformance.cases.messages import ANY_NUMBER, BOTH, EXACTLY_ONE, ONE_AT_BEST, another_message
from conformance.catalogue import Steps, case
from conformance.contract.reading import Endpoint, Payload
from conformance.contract.text import JsonObject, JsonValue, get, parse, parse_object, removed, replaced, write
from conformance.oracle import Consequence, consequence
from conformance.requests.changes import Change, change_values, edit_text
from conformance.requests.request import Channel, Form
from conformance.steps import (
    Act,
    Blocked,
    Case,
    Control,
    Effects,
    Enter,
    Judge,
    Leave,
    Mirror,
    NotApplicable,
    Probe,
    Send,
    Together,
    answers_of,
    fact_of,
)
from conformance.subject import Subject
from conformance.vectors import golden
from conformance.verdict import ExpectFact, Level, accepted, delivered_at_best
from conformance.wire.answer import Answer, Fact

_DELIVERED = accepted()
#: For the SHOULD cases: how the repetition is answered is judged by IDM-01.
_DELIVERED_AT_BEST = delivered_at_best()
_TWICE = "Tradecloud repeats what it could not confirm: the change is booked twice."
_RECOGNISE = "Keep the ids of the messages (`meta.messageId`) that had their effect, and do nothing at the second."
_RESENT = {Endpoint.ORDER: "OrderResentByBuyer", Endpoint.SHIPMENT: "ShipmentResentByBuyer"}


def _where_duplicates_are_recognised(steps: Steps) -> Steps:
    """The case, if the profile claims that a repetition has no second effect."""

    @wraps(steps)
    def guarded(subject: Subject) -> Case:
        if subject.claims.duplicates_recognised:
            yield from steps(subject)
        else:
            yield NotApplicable("all", "the profile says that duplicates are not recognised")

    return guarded


@case(
    "IDM-01",
    "An identical delivery is delivered the second time too",
    level=Level.MUST,
    wave=1,
    requirements=("P-3", "R-RSP-4"),
    consequence="A 4xx or 500 reports an event as lost that was stored; above 500 it is repeated without end.",
    fix="Answer the second delivery like the first one: 200 or 202, never 409.",
    hints={
        "dotnet": "Catch the violation of the unique key and answer 200.",
        "sap": "An IDoc with status 'duplicate' has been delivered: answer 200.",
    },
)
def second_delivery(subject: Subject) -> Case:
    for request in subject.goldens():
        label = f"{request.payload} {request.form}"
        yield Control(request.named(label))
        yield Probe(label, request.named(label), _DELIVERED)


@case(
    "IDM-02",
    "An identical delivery has one effect",
    level=Level.MUST,
    wave=2,
    requirements=("P-3",),
    needs=("observer",),
    consequence=_TWICE,
    fix=_RECOGNISE,
    hints={"dotnet": "A unique index on the message's id, written in the transaction of its effect."},
)
@_where_duplicates_are_recognised
def one_effect(subject: Subject) -> Case:
    for request in subject.goldens():
        label = f"{request.payload} {request.form}"
        yield Control(request.named(label))
        yield Send(request.named(label))
        yield Effects(label, label, EXACTLY_ONE)


@case(
    "IDM-03",
    "The same message written differently has one effect",
    level=Level.SHOULD,
    wave=2,
    requirements=("P-3", "R-FMT-6"),
    needs=("observer",),
    consequence=_TWICE,
    fix="Recognise messages by `meta.messageId`, not by a hash of the bytes: members have no order.",
)
@_where_duplicates_are_recognised
def written_differently(subject: Subject) -> Case:
    for request in subject.goldens_in_each_form():
        for change in _REWRITTEN:
            label = f"{request.endpoint} {request.form} {change.name}"
            yield Control(request.named(label))
            yield Probe(f"{label}: answer", change.apply(request.named(label)), _DELIVERED_AT_BEST)
            yield Effects(f"{label}: effects", label, ONE_AT_BEST)


def _spaced(text: str) -> str:
    if text.startswith("<"):
        root = etree.fromstring(text.encode())
        etree.indent(root, "  ")
        written: bytes = etree.tostring(root, xml_declaration=True, encoding="UTF-8")
        return written.decode()
    return write(parse(text), indent=2)


def _reversed(value: JsonValue) -> JsonValue:
    if isinstance(value, dict):
        return {name: _reversed(member) for name, member in reversed(value.items())}
    if isinstance(value, list):
        return [_reversed(item) for item in value]
    return value


_REWRITTEN: tuple[Change, ...] = (
    edit_text("with white space", _spaced),
    change_values("members in reverse", _reversed),
)


@case(
    "IDM-04",
    "Ten copies at the same time have one effect",
    level=Level.MUST,
    wave=2,
    requirements=("P-3",),
    needs=("observer",),
    consequence=_TWICE,
    fix="Let a unique key decide who is first; looking first and inserting then leaves a gap between the two.",
    hints={
        "dotnet": "A unique index, and catch the violation; `Any()` before `Add()` is no protection.",
        "node": "`INSERT ... ON CONFLICT DO NOTHING`, and look at the number of rows.",
    },
)
@_where_duplicates_are_recognised
def ten_at_once(subject: Subject) -> Case:
    for request in subject.goldens_at_endpoints():
        label = f"{request.endpoint}"
        yield Control(request)
        answers = yield from answers_of(Together((request.named(label),) * 10))
        yield Judge(f"{label}: answers", _of_copies(answers), _COPIES)
        yield Effects(f"{label}: effects", label, EXACTLY_ONE)


_COPIES = ExpectFact(
    ("all delivered", "some to be repeated", "none delivered", "some lost"),
    must=frozenset({"all delivered", "some to be repeated"}),
)


def _of_copies(answers: tuple[Answer, ...]) -> Fact:
    found = {consequence(answer.status) for answer in answers}
    said = ", ".join(str(answer.status or answer.failure) for answer in answers)
    if found <= {Consequence.DELIVERED}:
        return Fact("all delivered", said)
    if Consequence.DELIVERED not in found:
        return Fact("none delivered", said)
    final = found <= {Consequence.DELIVERED, Consequence.RETRIED}
    return Fact("some to be repeated" if final else "some lost", said)


@case(
    "IDM-05",
    "The same content in a message of its own, as after a resend, is not swallowed",
    level=Level.MUST,
    wave=2,
    requirements=("R-EVT-1",),
    needs=("observer",),
    consequence="A resend from the portal, the only way to get lost events back, does nothing.",
    fix="Recognise repetitions by `meta.messageId`, never by their content.",
)
def resent(subject: Subject) -> Case:
    for request in subject.goldens_in_each_form():
        form = f"{request.endpoint} {request.form}"
        again = request.with_values(replaced(request.values, "/eventName", _RESENT[request.endpoint]))
        for label, first in ((f"{form} resent once", request), (f"{form} resent twice", again)):
            yield Control(first.named(label))
            second = again.with_values(another_message(again.values)).named(label)
            yield Probe(f"{label}: answer", second, _DELIVERED)
            yield Effects(f"{label}: effects", label, BOTH)


@case(
    "IDM-06",
    "An older version after a newer one is delivered, and changes nothing",
    level=Level.SHOULD,
    wave=2,
    requirements=("R-EVT-5",),
    needs=("observer.mirror",),
    consequence="The order goes back to an older state: events may arrive in another order than they happened.",
    fix="Compare `version` with that of the state you have, and leave a newer state as it is.",
)
def older_version(subject: Subject) -> Case:
    for payload in (Payload.ORDER_EVENT, Payload.SINGLE_DELIVERY):
        if payload not in subject.payloads:
            yield NotApplicable(payload.value, "the profile does not claim it")
            continue
        newer, older = _of_version(golden(payload), 3), another_message(_of_version(golden(payload), 2))
        form = subject.forms(payload.endpoint)[0]
        yield Control(subject.request(payload, newer, form).named(payload))
        yield Probe(f"{payload}: answer", subject.request(payload, older, form).named(payload), _DELIVERED_AT_BEST)
        state = yield from fact_of(Mirror(payload))
        version = _version(state.detail)
        if version is None:
            yield Blocked(
                f"{payload}: state", "the observer's mirror prints no JSON object with `version`", "observer.mirror"
            )
            continue
        fact = Fact("newer" if version == 3 else "older", f"the order has version {version}; 3 came, then 2")
        yield Judge(
            f"{payload}: state",
            fact,
            ExpectFact(("newer", "older"), must=frozenset({"newer", "older"}), should=frozenset({"newer"})),
        )


def _of_version(values: JsonObject, version: int) -> JsonObject:
    payload = next(one.value for one in Payload if one.value in values)
    return parse_object(write(replaced(values, f"/{payload}/version", version)))


def _version(state: str) -> int | None:
    try:
        version = get(parse_object(state), "/version")
    except (ValueError, LookupError):
        return None
    return version if isinstance(version, int) else None


@case(
    "IDM-07",
    "A duplicate after a restart has no second effect",
    level=Level.SHOULD,
    wave=2,
    requirements=("P-3",),
    needs=("kill", "observer"),
    consequence=_TWICE,
    fix="Keep the ids of seen messages in the store, not in the memory of the process.",
    hints={
        "dotnet": "`IMemoryCache` forgets at every deployment.",
        "iis": "An application pool is recycled by default.",
    },
)
@_where_duplicates_are_recognised
def duplicate_after_restart(subject: Subject) -> Case:
    requests = [(f"{one.endpoint} {one.form}", one) for one in subject.goldens_in_each_form()]
    for label, request in requests:
        yield Control(request.named(label))
    yield Act("kill")
    for label, request in requests:
        yield Probe(f"{label}: answer", request.named(label), _DELIVERED_AT_BEST)
        yield Effects(f"{label}: effects", label, ONE_AT_BEST)


@case(
    "IDM-09",
    "The same message in JSON and then in tXML: how many effects it has",
    level=Level.INFO,
    wave=2,
    requirements=("P-3",),
    needs=("observer",),
    consequence="None: Tradecloud sends a webhook in one format.",
    fix="Nothing has to be done.",
)
def in_both_formats(subject: Subject) -> Case:
    for payload in subject.payloads:
        if len(subject.forms(payload.endpoint)) < 2:
            yield NotApplicable(payload.value, "the profile claims one format")
            continue
        yield Control(subject.golden(payload, Form.JSON).named(payload))
        yield Send(subject.golden(payload, Form.TXML).named(payload))
        yield Effects(payload.value, payload, ANY_NUMBER)


@case(
    "IDM-10",
    "Two different events without a message id both have their effect",
    level=Level.MUST,
    wave=2,
    requirements=("R-EVT-5",),
    needs=("observer",),
    consequence="Only the first event without an id is ever processed; all later ones are swallowed.",
    fix="Take an event for a repetition only if it has an id, and you have seen it.",
    hints={"dotnet": "A missing id reads as null or as `Guid.Empty`: neither is a key."},
)
def without_message_id(subject: Subject) -> Case:
    for request in subject.goldens_in_each_form():
        form = f"{request.endpoint} {request.form}"
        for what, pointer in (("no id", "/meta/messageId"), ("no meta", "/meta")):
            first = request.with_values(removed(request.values, pointer), name=what)
            second = first.with_values(replaced(first.values, "/eventName", _RESENT[request.endpoint]))
            yield Control(request)
            yield Probe(f"{form} {what}, first order: answer", first.named(f"{form} {what} 1"), _DELIVERED)
            yield Probe(f"{form} {what}, second order: answer", second.named(f"{form} {what} 2"), _DELIVERED)
            yield Effects(f"{form} {what}, first order: effects", f"{form} {what} 1", EXACTLY_ONE)
            yield Effects(f"{form} {what}, second order: effects", f"{form} {what} 2", EXACTLY_ONE)
            one_order = f"{form} {what}, one order"
            yield Send(first.named(one_order))
            yield Send(second.named(one_order))
            yield Effects(f"{one_order}: effects", one_order, BOTH)


@case(
    "IDM-08",
    "A duplicate at the second node has no second effect",
    level=Level.SHOULD,
    wave=2,
    requirements=("P-3",),
    needs=("second_url", "observer"),
    consequence=_TWICE,
    fix="Let all nodes keep the ids of seen messages in one store.",
)
@_where_duplicates_are_recognised
def duplicate_at_second_node(subject: Subject) -> Case:
    if subject.profile.second_url is None:
        yield Blocked("all", "the profile names no second node", "second_url")
        return
    for request in subject.goldens_at_endpoints():
        label = f"{request.endpoint}"
        yield Control(request.named(label))
        there = replace(request, channel=Channel(second_node=True))
        yield Probe(f"{label}: answer", there.named(label), _DELIVERED_AT_BEST)
        yield Effects(f"{label}: effects", label, ONE_AT_BEST)


@case(
    "IDM-11",
    "A repetition that comes after the effect, and after other events, has no second effect",
    level=Level.MUST,
    wave=2,
    requirements=("P-3",),
    needs=("observer",),
    consequence=_TWICE,
    fix="Keep the ids of the messages when their events are done, for as long as Tradecloud may repeat them.",
    hints={"sap": "Deleting a processed entry from the queue must not delete what is known of its message."},
    since="1.1",
)
@_where_duplicates_are_recognised
def repeated_when_done(subject: Subject) -> Case:
    requests = [(f"{one.payload} {one.form}", one) for one in subject.goldens()]
    for label, request in requests:
        yield Control(request.named(label))
    for label, _ in requests:
        yield Effects(f"{label}: the first time", label, EXACTLY_ONE)
    for label, request in requests:
        yield Probe(f"{label}: answer", request.named(label), _DELIVERED)
        yield Effects(f"{label}: effects", label, EXACTLY_ONE)


@case(
    "IDM-12",
    "An event that the ERP took without saying so in time has one effect after its repetition",
    level=Level.SHOULD,
    wave=2,
    requirements=("P-3", "R-RSP-7"),
    needs=("erp-slow", "observer"),
    consequence="Whoever gives up waiting cannot know whether the ERP booked it, and makes it book it twice.",
    fix="Send the ERP a key that is the same at every attempt of an event, and let the ERP pass over what it has.",
    hints={"dotnet": "Make the key of the message's id, not of `Guid.NewGuid()` inside the retry."},
    since="1.1",
)
@_where_duplicates_are_recognised
def taken_without_a_word(subject: Subject) -> Case:
    requests = [(f"{one.endpoint}", one) for one in subject.goldens_at_endpoints()]
    for _, request in requests:
        yield Control(request)
    yield Enter("erp-slow")
    for label, request in requests:
        yield Send(request.named(label))
    yield Leave("erp-slow")
    for label, request in requests:
        yield Probe(f"{label}: answer", request.named(label), _DELIVERED_AT_BEST)
        yield Effects(f"{label}: effects", label, ONE_AT_BEST)
