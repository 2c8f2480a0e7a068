"""TIM: how long answers take, and that the receiver is well."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from conformance.catalogue import Safety, case
from conformance.contract.samples import with_lines
from conformance.oracle import Consequence, consequence
from conformance.requests.changes import edit_text, header
from conformance.requests.request import Form, Framing, Request, Text
from conformance.steps import Case, Control, Enter, Judge, Leave, Probe, Send, Together, answer_of, answers_of
from conformance.subject import Subject
from conformance.verdict import Check, Expect, ExpectFact, Level, accepted, delivered_at_best
from conformance.wire.answer import Answer, Fact

_DELIVERED = accepted()
_PATIENCE = "Tradecloud's patience is not documented; when it is over the event may be lost or come twice."


def answered_within(seconds: float, level: Level) -> Check:
    """An answer that takes longer breaks it."""
    return Check(
        f"within {seconds:g} s",
        level,
        lambda answer: None if answer.seconds <= seconds else f"it took {answer.seconds:.1f} s",
        lambda answer: replace(answer, seconds=seconds / 2),
        lambda answer: replace(answer, seconds=seconds * 2),
    )


@case(
    "TIM-01",
    "Fifty small events one after the other: 95 in 100 are answered in time",
    level=Level.SHOULD,
    wave=1,
    requirements=("P-2",),
    consequence=_PATIENCE,
    fix="Store the event, answer 202, and process it afterwards.",
    hints={
        "dotnet": "Do not wait for the ERP inside the request: write to a table, and let a worker read it.",
        "sap": "Hand the event to bgRFC or an IDoc and answer.",
    },
)
def fifty_events(subject: Subject) -> Case:
    budget = subject.profile.answer_seconds
    for control in subject.goldens_at_endpoints():
        yield Control(control)
        answers: list[Answer] = []
        while len(answers) < 50 and sum(answer.seconds > budget for answer in answers) < _SURELY_LATE:
            answer = yield from answer_of(Send(control))
            answers.append(answer)
        yield Judge(f"{control.endpoint}", _pace(answers, budget), _IN_TIME)


#: With three late ones of fifty, 95 in 100 cannot be in time any more.
_SURELY_LATE = 3
_PACES = ("in time", "late", "not delivered")
_IN_TIME = ExpectFact(_PACES, must=frozenset(_PACES), should=frozenset({"in time"}))


def _pace(answers: Sequence[Answer], budget: float) -> Fact:
    times = sorted(answer.seconds for answer in answers)
    middle, most = times[len(times) // 2], times[len(times) * 95 // 100]
    said = f"median {_shown(middle)}, 95 in 100 within {_shown(most)}, slowest {_shown(times[-1])}"
    lost = [answer for answer in answers if consequence(answer.status) is not Consequence.DELIVERED]
    if lost:
        return Fact(
            "not delivered", f"{len(lost)} of {len(answers)}, the first {lost[0].status or lost[0].failure}"
        )
    return Fact("in time" if most <= budget else "late", said)


def _shown(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"


@case(
    "TIM-02",
    "An event with 500 lines is answered in time",
    level=Level.SHOULD,
    wave=1,
    requirements=("P-2",),
    consequence=_PATIENCE,
    fix="Store the event, answer 202, and process it afterwards.",
)
def large_event(subject: Subject) -> Case:
    in_time = answered_within(subject.profile.answer_seconds, Level.SHOULD)
    expect = delivered_at_best(checks=(in_time,))
    for payload in subject.payloads:
        for form in subject.forms(payload.endpoint):
            yield Probe(f"{payload} {form}", subject.request(payload, with_lines(payload, 500), form), expect)


@case(
    "TIM-03",
    "Slow senders are cut off, and do not hold up other deliveries",
    level=Level.SHOULD,
    wave=3,
    safety=Safety.INTRUSIVE,
    requirements=("RFC 9110 15.5.9",),
    consequence="A few slow clients, friendly or not, keep every order out.",
    fix="Give a request's body a time limit, and serve more than one connection at a time.",
    hints={
        "nginx": "`client_body_timeout`; `proxy_request_buffering on` keeps slow senders from the application.",
        "dotnet": "Kestrel's `MinRequestBodyDataRate` cuts slow bodies.",
        "node": "`server.requestTimeout` is five minutes by default.",
        "iis": "`minBytesPerSecond` in `webLimits`.",
    },
)
def slow_senders(subject: Subject) -> Case:
    # One endpoint shows it, and the suite's patience with slow senders is long.
    for control in list(subject.goldens_at_endpoints())[:1]:
        yield Control(control)
        quick = replace(control, channel=replace(control.channel, fresh=True))
        answers = yield from answers_of(Together((_slow(control),) * 5 + (quick,) * 5, spread=0.2))
        slow, others = answers[:5], answers[5:]
        yield Judge(f"{control.endpoint} others", _pace(others, subject.profile.answer_seconds), _IN_TIME)
        held = [answer for answer in slow if answer.status is None and answer.failure.startswith("nothing within")]
        said = ", ".join(str(answer.status or answer.failure) for answer in slow)
        yield Judge(f"{control.endpoint} slow ones", Fact("held" if held else "cut", said), _CUT)
        yield Control(control)


def _slow(control: Request) -> Request:
    """A byte a second for a minute, of a body that is longer; then the suite waits a little more."""
    return replace(
        control,
        body=Text(("{" if control.form is Form.JSON else "<WebhookBody>").ljust(60)),
        framing=Framing(bytes_per_second=1.0, content_length="100000"),
        name="slow sender",
    )


_CUT = ExpectFact(("cut", "held"), must=frozenset({"cut", "held"}), should=frozenset({"cut"}))


@case(
    "TIM-04",
    "ERP slow by half a minute: the answer comes in time all the same",
    level=Level.MUST,
    wave=2,
    requirements=("R-RSP-7", "P-2"),
    needs=("erp-slow",),
    consequence=_PATIENCE,
    fix="Give the ERP less time than you have yourself: answer 504 when it is up, or 202 before you ask it.",
)
def slow_erp(subject: Subject) -> Case:
    expect = Expect(
        must=frozenset({Consequence.DELIVERED, Consequence.RETRIED}),
        checks=(answered_within(subject.profile.answer_seconds, Level.MUST),),
    )
    for control in subject.goldens_in_each_form():
        yield Control(control)
    yield Enter("erp-slow")
    for control in subject.goldens_in_each_form():
        yield Probe(f"{control.endpoint} {control.form}", control, expect)
    yield Leave("erp-slow")


@case(
    "TIM-05",
    "The golden events are delivered again at the end",
    level=Level.MUST,
    wave=1,
    requirements=("R-RSP-1",),
    consequence="Something that was sent before has put the receiver out of order.",
    fix="Look in the receiver's log for the first case after which it changed its mind.",
)
def well_at_the_end(subject: Subject) -> Case:
    for control in subject.goldens():
        yield Probe(f"{control.payload} {control.form}", control, _DELIVERED)


@case(
    "TIM-06",
    "How long TLS and refusals take",
    level=Level.INFO,
    wave=1,
    requirements=("P-2",),
    consequence="None: it is measured for the reader.",
    fix="Nothing has to be done.",
)
def refusals(subject: Subject) -> Case:
    for control in subject.goldens_at_endpoints():
        yield Control(control)
        openings = []
        for _ in range(5):
            answer = yield from answer_of(Send(replace(control, channel=replace(control.channel, fresh=True))))
            openings.append(answer.opening)
        fact = Fact("measured", f"median of five {_shown(sorted(openings)[2])} for TCP and TLS")
        yield Judge(f"{control.endpoint} connection", fact, _MEASURED)
        for name, change in _REFUSALS.items():
            answers = []
            for _ in range(5):
                answer = yield from answer_of(Send(change.apply(control)))
                answers.append(answer)
            times = sorted(answer.seconds for answer in answers)
            statuses = sorted({str(answer.status or answer.failure) for answer in answers})
            fact = Fact("measured", f"{' or '.join(statuses)}, median of five {_shown(times[2])}")
            yield Judge(f"{control.endpoint} {name}", fact, _MEASURED)


_REFUSALS = {
    "without credentials": header("Authorization", None),
    "malformed body": edit_text("cut in half", lambda text: text[: len(text) // 2]),
}
_MEASURED = ExpectFact(("measured",), must=frozenset({"measured"}), informative=True)
