"""RET: what is answered in trouble, and that nothing is lost when Tradecloud comes again."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.cases.messages import EXACTLY_ONE
from conformance.cases.timing import answered_within
from conformance.catalogue import case
from conformance.checks import retry_after
from conformance.oracle import Consequence, consequence
from conformance.requests.changes import Change, edit_text, remove
from conformance.requests.request import Request
from conformance.steps import (
    Act,
    Case,
    Control,
    Effects,
    Enter,
    Judge,
    Leave,
    Probe,
    Twin,
    answer_of,
    answers_of,
)
from conformance.subject import Subject
from conformance.verdict import Check, Expect, ExpectFact, Level, accepted, refused_as_malformed, retried
from conformance.wire.answer import Answer, Fact

_D, _R, _C, _T = Consequence.DELIVERED, Consequence.REFUSED, Consequence.FAILED, Consequence.RETRIED
_DELIVERED = accepted()
_REFUSED = refused_as_malformed()
_UNAVAILABLE = retried(503, checks=(retry_after(),))
_RETRIED = retried()
_LOST = "The event is lost for good although the trouble passes: only 501 and above make Tradecloud come again."


def named_requests(subject: Subject) -> Iterator[tuple[str, Request]]:
    """One golden event for each endpoint and format, with its name in the report, which is its label too."""
    for request in subject.goldens_in_each_form():
        name = f"{request.endpoint} {request.form}"
        yield name, request.named(name)


def _in_trouble(subject: Subject, state: str, expect: Expect) -> Case:
    """In the state every answer is as expected; what was accepted in it all the same is kept."""
    for request in subject.goldens_in_each_form():
        yield Control(request)
    yield Enter(state)
    accepted_there = []
    for name, request in named_requests(subject):
        answer = yield from answer_of(Probe(name, request, expect))
        if _D in expect.must and consequence(answer.status) is _D:
            accepted_there.append(name)
    yield Leave(state)
    for name in accepted_there:
        yield Effects(f"{name} is kept", name, EXACTLY_ONE)


def trouble(subject: Subject, *codes: int, checks: tuple[Check, ...] = ()) -> Expect:
    """To be retried; a receiver with a durable queue may accept."""
    if subject.claims.durable_queue:
        return Expect(must=frozenset({_T, _D}), codes=(*codes, 202, 200), checks=checks)
    return retried(*codes, checks=checks)


@case(
    "RET-01",
    "ERP unreachable: the event is to be retried",
    level=Level.MUST,
    wave=2,
    requirements=("R-RSP-4", "R-RSP-7"),
    needs=("erp-down",),
    consequence=_LOST,
    fix="Answer 502 while the ERP cannot be reached, or keep the event on disk before you answer 202.",
    hints={
        "dotnet": "Catch `HttpRequestException` around the ERP call; unhandled it becomes 500, and is final.",
        "node": "Catch `ECONNREFUSED` and answer 502; the default error handler answers 500.",
        "sap": "A failing RFC destination must not end in 500; set the status in the exit of the service.",
        "nginx": "502 and 504 of `proxy_pass` are retried: do not turn them into 500 with `error_page`.",
    },
)
def erp_unreachable(subject: Subject) -> Case:
    yield from _in_trouble(subject, "erp-down", trouble(subject, 502))


@case(
    "RET-02",
    "ERP hangs: the event is to be retried, and the answer comes in time",
    level=Level.MUST,
    wave=2,
    requirements=("R-RSP-4", "R-RSP-7"),
    needs=("erp-slow",),
    consequence="What Tradecloud does after its own time is up is not documented: the event may be lost.",
    fix="Give the ERP less time than you have yourself, and answer 504 when it is up.",
    hints={
        "dotnet": "`HttpClient.Timeout` is 100 s by default.",
        "nginx": "Set `proxy_read_timeout` below Tradecloud's patience; it answers 504, which is retried.",
        "iis": "ARR has a proxy time-out of 120 s by default, and answers 502.",
    },
)
def erp_hangs(subject: Subject) -> Case:
    in_time = answered_within(subject.profile.answer_seconds, Level.MUST)
    yield from _in_trouble(subject, "erp-slow", trouble(subject, 504, checks=(in_time,)))


@case(
    "RET-03",
    "Overload or maintenance: 503, never a 4xx",
    level=Level.MUST,
    wave=2,
    requirements=("R-RSP-2", "R-RSP-4"),
    needs=("overloaded",),
    consequence="429, 408, 409 and 425 are 4xx: Tradecloud drops the event for good.",
    fix="Answer 503 with Retry-After; configure rate limiters and gateways to do the same.",
    hints={
        "dotnet": "`RateLimiterOptions.RejectionStatusCode = 503`.",
        "nginx": "`limit_req_status 503;` is the default; many templates set 429.",
        "iis": "`app_offline.htm` answers 503, which is right; web application firewalls answer 403 or 429.",
        "node": "express-rate-limit answers 429 unless `statusCode: 503` is given.",
        "sap": "API Management's spike arrest answers 429: raise a fault with 503 instead.",
    },
)
def overloaded(subject: Subject) -> Case:
    yield from _in_trouble(subject, "overloaded", _UNAVAILABLE)


@case(
    "RET-04",
    "A functional error that lasts (unknown supplier) is refused",
    level=Level.MUST,
    wave=2,
    requirements=("R-RSP-4", "R-RSP-6"),
    needs=("unknown-supplier",),
    consequence="Above 500 Tradecloud repeats the event without end; at a 2xx nobody learns of the error.",
    fix="Answer 400 to what no repetition can heal; or keep the event where a person finds it.",
    hints={
        "dotnet": "Map your own functional exceptions to 400, before the handler that answers 5xx sees them.",
        "sap": "A functional BAPI return of type E is a 400, not a 503.",
    },
)
def functional_error(subject: Subject) -> Case:
    yield from _in_trouble(subject, "unknown-supplier", functional(subject, 400))


def functional(subject: Subject, *codes: int) -> Expect:
    """A functional error: 4xx; a durable queue may accept."""
    if subject.claims.durable_queue:
        return Expect(must=frozenset({_R, _D}), codes=(*codes, 202, 200))
    return Expect(must=frozenset({_R}), codes=codes)


@case(
    "RET-05",
    "An event that crashes the processing is answered 500, never above",
    level=Level.MUST,
    wave=2,
    requirements=("R-RSP-3", "R-RSP-7"),
    needs=("poison",),
    consequence="Above 500 the event that crashes the receiver comes again without end.",
    fix="Catch what nobody expected and answer 500; see that no proxy makes 502 of it.",
    hints={
        "nginx": "A worker that dies makes nginx answer 502: catch the error in the application.",
        "node": "An error outside the request's promise ends the process, and the proxy answers 502.",
        "iis": "A crash of the worker process makes ANCM answer 502.",
    },
)
def poison(subject: Subject) -> Case:
    if subject.claims.durable_queue:
        expect = Expect(must=frozenset({_C, _D}), codes=(500, 202, 200))
    else:
        expect = Expect(must=frozenset({_C}))
    yield from _in_trouble(subject, "poison", expect)


@case(
    "RET-06",
    "The receiver's own store is down: the event is to be retried",
    level=Level.MUST,
    wave=2,
    requirements=("R-RSP-5",),
    needs=("store-down",),
    consequence="At a 2xx the event is gone: Tradecloud takes it as delivered, and nobody has it.",
    fix="Answer 2xx only after the event is on disk; answer 503 with Retry-After when it cannot be written.",
    hints={
        "dotnet": "Await `SaveChangesAsync` before `Accepted()`; catch `DbException` and answer 503, not 500.",
        "node": "Wait for the broker's confirmation (`waitForConfirms`) before you answer.",
    },
)
def store_down(subject: Subject) -> Case:
    yield from _in_trouble(subject, "store-down", _UNAVAILABLE)


@case(
    "RET-07",
    "What was accepted outlives a hard kill, and has one effect",
    level=Level.MUST,
    wave=2,
    requirements=("R-RSP-5",),
    needs=("kill", "observer"),
    consequence="Every crash and every deployment loses the events that were accepted and not yet processed.",
    fix="Put the event on disk before you answer 202; a queue in memory is no queue.",
    hints={
        "dotnet": "`Channel<T>` with a `BackgroundService` loses what it holds when the process ends.",
        "iis": "The application pool is recycled by default every 29 hours, and when it is idle.",
        "node": "`setImmediate` and promises that nobody awaits die with the process.",
    },
)
def hard_kill(subject: Subject) -> Case:
    for _, request in named_requests(subject):
        yield Control(request)
    yield Act("kill")
    for name, _ in named_requests(subject):
        yield Effects(f"{name} accepted before", name, EXACTLY_ONE)
    golden = next(subject.goldens_in_each_form())
    labels = [f"during the kill {number:02}" for number in range(1, 11)]
    answers = yield from answers_of(Act("kill", tuple(golden.named(label) for label in labels)))
    yield from _accepted_ones_are_kept(labels, answers)


def _accepted_ones_are_kept(labels: list[str], answers: tuple[Answer, ...]) -> Case:
    for label, answer in zip(labels, answers, strict=True):
        if consequence(answer.status) is _D:
            yield Effects(f"{label} is kept", label, EXACTLY_ONE)


@case(
    "RET-08",
    "After trouble and repair the identical bytes are delivered",
    level=Level.MUST,
    wave=2,
    requirements=("R-RSP-4",),
    needs=("store-down",),
    consequence="The repetition that should heal the trouble is refused, and the event is lost.",
    fix="Let nothing of a failed attempt stay behind that the next one stumbles over.",
)
def repaired(subject: Subject) -> Case:
    yield from _repetition_after_repair(subject, count=False)


@case(
    "RET-09",
    "A delivery that was to be retried is not taken for seen: its repetition has its effect",
    level=Level.MUST,
    wave=2,
    requirements=("R-RSP-4", "P-3"),
    needs=("store-down", "observer"),
    consequence="The repetition is answered 2xx and thrown away as a duplicate: the event is lost without a trace.",
    fix="Write the message's id and its effect in one transaction; never note the id first.",
)
def not_taken_for_seen(subject: Subject) -> Case:
    yield from _repetition_after_repair(subject, count=True)


def _repetition_after_repair(subject: Subject, *, count: bool) -> Case:
    for request in subject.goldens_in_each_form():
        yield Control(request)
    for state in _troubles(subject):
        yield Enter(state)
        for name, request in named_requests(subject):
            yield Probe(f"{state} {name} in trouble", request.named(f"{state} {name}"), _RETRIED)
        yield Leave(state)
        for name, request in named_requests(subject):
            yield Probe(f"{state} {name} again", request.named(f"{state} {name}"), _DELIVERED)
            if count:
                yield Effects(f"{state} {name}: effects", f"{state} {name}", EXACTLY_ONE)


def _troubles(subject: Subject) -> tuple[str, ...]:
    """States that end in a repetition; a durable queue takes events while the ERP is away."""
    if subject.claims.durable_queue or "erp-down" not in subject.profile.states:
        return ("store-down",)
    return ("store-down", "erp-down")


_INVALID: tuple[Change, ...] = (
    edit_text("body cut in half", lambda text: text[: len(text) // 2]),
    remove("/eventName", "no event name"),
)
_SAME = ExpectFact(("the same", "different"), must=frozenset({"the same"}))


@case(
    "RET-10",
    "An invalid event is refused in the same way every time",
    level=Level.MUST,
    wave=1,
    requirements=("R-RSP-4",),
    consequence="One answer above 500 to an event that is wrong for ever starts a repetition without end.",
    fix="Decide by the body alone whether it is valid, before anything that can be in trouble.",
)
def invalid_three_times(subject: Subject) -> Case:
    for request in subject.goldens_in_each_form():
        for broken in _INVALID:
            name = f"{request.endpoint} {request.form} {broken.name}"
            if broken.name == "no event name" and not subject.claims.required_checked:
                continue
            answers = []
            for number in (1, 2, 3):
                answer = yield from answer_of(Twin(f"{name} {number}", request, _labelled(broken, name), _REFUSED))
                answers.append(answer)
            classes = [consequence(answer.status) for answer in answers]
            said = ", ".join(str(answer.status or answer.failure) for answer in answers)
            yield Judge(
                f"{name}: all three", Fact("the same" if len(set(classes)) == 1 else "different", said), _SAME
            )


def _labelled(change: Change, label: str) -> Change:
    """The change, and the same message each time."""
    return Change(change.name, change.touches, lambda request: change.apply(request).named(label))


_LETTERS = tuple(one.value for one in Consequence)
#: Nobody listens for a moment, which a single process cannot avoid. The documents are silent about refused
#: connections; that such events are sent again is inferred from an earlier text of the manual.
_REFUSED_CONNECTION = "nobody listened"
_NOTHING_LOST = ExpectFact(
    (*_LETTERS, _REFUSED_CONNECTION),
    must=frozenset({_D.value, _T.value, Consequence.NO_ANSWER.value, _REFUSED_CONNECTION}),
    should=frozenset({_D.value, _T.value, _REFUSED_CONNECTION}),
)


def _during_restart(answer: Answer) -> str:
    if answer.status is None and answer.failure.startswith("no connection"):
        return _REFUSED_CONNECTION
    return consequence(answer.status).value


@case(
    "RET-11",
    "During an orderly restart nothing is refused, and what is accepted is kept",
    level=Level.MUST,
    wave=2,
    requirements=("R-RSP-4",),
    needs=("restart", "observer"),
    consequence="Every deployment loses the events that arrive while it runs.",
    fix="Finish what is under way, then close; answer 503 while you start, and let a proxy answer 502 or 503.",
    hints={
        "nginx": "`proxy_next_upstream` to a second instance avoids the gap; without one its 502 is retried.",
        "iis": "An application that starts or stops must answer 503, not 404 or 500.",
        "dotnet": "Raise `HostOptions.ShutdownTimeout` until requests under way are done.",
        "node": "`server.close()` on SIGTERM, then wait for the open requests.",
    },
)
def restart(subject: Subject) -> Case:
    golden = next(subject.goldens_in_each_form())
    labels = [f"delivery {number:02}" for number in range(1, 21)]
    yield Control(golden)
    answers = yield from answers_of(Act("restart", tuple(golden.named(label) for label in labels)))
    for label, answer in zip(labels, answers, strict=True):
        said = str(answer.status or answer.failure)
        yield Judge(label, Fact(_during_restart(answer), said), _NOTHING_LOST)
    yield Probe("afterwards", golden, _DELIVERED)
    yield from _accepted_ones_are_kept(labels, answers)
