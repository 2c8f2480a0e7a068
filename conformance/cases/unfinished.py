"""RET: events whose processing did not succeed: what becomes of them, and of those that come after them."""

from __future__ import annotations

from conformance.cases.messages import BOTH_AT_BEST, EXACTLY_ONE, ONE_AT_BEST, another_message
from conformance.cases.retry import named_requests, trouble
from conformance.catalogue import case
from conformance.checks import retry_after
from conformance.contract.reading import Endpoint, Payload
from conformance.oracle import ANY, Consequence, consequence
from conformance.steps import Blocked, Case, Control, Effects, Enter, Leave, NotApplicable, Probe, Send, answer_of
from conformance.subject import Subject
from conformance.vectors import vector
from conformance.verdict import Expect, Level, accepted, delivered_at_best

_T = Consequence.RETRIED
_DELIVERED = accepted()
#: For the SHOULD cases: how the repetition is answered is judged by RET-08.
_DELIVERED_AT_BEST = delivered_at_best()


@case(
    "RET-12",
    "Repetitions while the ERP is away, and one when it is back: delivered, with one effect",
    level=Level.MUST,
    wave=2,
    requirements=("R-RSP-4", "P-3"),
    needs=("erp-down", "observer"),
    consequence="An outage brings many repetitions: the event is thrown away at one of them, or booked twice.",
    fix="Keep what is known of an event through all failed attempts, and finish it at the first that succeeds.",
    hints={"dotnet": "A retry counter that ends in 'handled' must not make the next delivery a duplicate."},
    since="1.1",
)
def repeated_while_away(subject: Subject) -> Case:
    in_trouble = trouble(subject, 502)
    for request in subject.goldens_in_each_form():
        yield Control(request)
    yield Enter("erp-down")
    for name, request in named_requests(subject):
        for number in (1, 2, 3):
            yield Probe(f"{name} in trouble {number}", request, in_trouble)
    yield Leave("erp-down")
    for name, request in named_requests(subject):
        yield Probe(f"{name} again", request, _DELIVERED)
        yield Effects(f"{name}: effects", name, EXACTLY_ONE)


@case(
    "RET-13",
    "An event does not overtake an unfinished one of its order",
    level=Level.SHOULD,
    wave=2,
    requirements=("P-4", "R-RSP-7"),
    needs=("erp-down", "observer"),
    consequence="The ERP gets the newer state of an order first, and then the older one, at its repetition.",
    fix="Answer 503 while an earlier event of the order waits for its repetition, or queue both in their order.",
    since="1.1",
)
def earlier_one_unfinished(subject: Subject) -> Case:
    if Payload.ORDER_EVENT not in subject.payloads:
        yield NotApplicable("two events of one order", "the profile does not claim orderEvent")
        return
    form = subject.forms(Endpoint.ORDER)[0]
    first = subject.request(Payload.ORDER_EVENT, vector("three-lines"), form).named("order")
    later = subject.request(Payload.ORDER_EVENT, another_message(vector("one-line")), form).named("order")
    yield Control(subject.golden(Payload.ORDER_EVENT, form))
    yield Enter("erp-down")
    yield Probe("the earlier one in trouble", first, _at_best(trouble(subject, 502)))
    yield Leave("erp-down")
    yield Probe("the later one before it", later, _at_best(trouble(subject, 503, checks=(retry_after(),))))
    yield Probe("the earlier one again", first, _DELIVERED_AT_BEST)
    yield Probe("the later one again", later, _DELIVERED_AT_BEST)
    yield Effects("effects of the two", "order", BOTH_AT_BEST)


def _at_best(expect: Expect) -> Expect:
    """The same as a recommendation."""
    return Expect(must=ANY, should=expect.wanted, codes=expect.codes, checks=expect.checks)


_FINAL_TROUBLE = ("unknown-supplier", "unknown-order", "poison")


@case(
    "RET-14",
    "What the processing refused for good is kept",
    level=Level.SHOULD,
    wave=2,
    requirements=("R-RSP-2", "R-RSP-3", "P-4"),
    needs=("unknown-supplier", "poison", "observer"),
    consequence="After a 4xx or 500 Tradecloud never sends the event again: without a copy it is lost for good.",
    fix="Put the event on disk before it is processed, and leave it there when the processing fails.",
    since="1.1",
)
def kept_for_a_person(subject: Subject) -> Case:
    known = [state for state in _FINAL_TROUBLE if state in subject.profile.states]
    if not known:
        needed = ", ".join(f"states.{state}" for state in _FINAL_TROUBLE)
        yield Blocked("all", "the receiver can be put into no state in which it refuses for good", needed)
        return
    for request in subject.goldens_in_each_form():
        yield Control(request)
    for state in known:
        yield Enter(state)
        refused = []
        for name, request in named_requests(subject):
            label = f"{state} {name}"
            answer = yield from answer_of(Send(request.named(label)))
            # That nothing is lost at a 5xx above 500 is the sender's business.
            if consequence(answer.status) is not _T:
                refused.append(label)
        yield Leave(state)
        for label in refused:
            yield Effects(f"{label} is kept", label, ONE_AT_BEST)
