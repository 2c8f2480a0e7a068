"""The flip test: every case against a made-up receiver, first a perfect one, then one that is wrong in one answer.

Nothing is sent. It shows that each assertion is alive; that the probe reaches a real fault is for the faulty
receivers to show.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import TypeVar

from conformance.catalogue import CaseInfo
from conformance.oracle import ANY, TYPICAL_STATUS, Consequence, consequence
from conformance.requests.request import Request
from conformance.results import Exchange, Result
from conformance.runner.driving import Driver
from conformance.subject import Subject
from conformance.verdict import Expect, ExpectFact, Level, Outcome
from conformance.wire.answer import Answer, Fact
from conformance.wire.hello import Offer

_T = TypeVar("_T")
_ACKNOWLEDGED = Answer(
    202, (("content-type", "application/json"),), b'{"status": "queued"}', raw=b"HTTP/1.1 202\r\n\r\n"
)


def perfect(expect: Expect | None) -> Answer:
    """An answer that keeps everything expected."""
    if expect is None or expect.informative:
        return _ACKNOWLEDGED
    answer = _typical(expect.codes[0] if expect.codes else TYPICAL_STATUS[_best(expect.wanted)])
    for check in expect.checks:
        answer = check.good(answer)
    return answer


def _best(classes: frozenset[Consequence]) -> Consequence:
    return next(one for one in Consequence if one in classes)


def _typical(status: int | None) -> Answer:
    if status is None:
        return Answer(None, failure="made up: no answer")
    if consequence(status) is Consequence.DELIVERED:
        return replace(_ACKNOWLEDGED, status=status)
    body = json.dumps({"title": "made up", "status": status}).encode()
    return Answer(status, (("content-type", "application/problem+json"),), body, raw=b"HTTP/1.1 " + body)


PARTS = -1


@dataclass(frozen=True, slots=True)
class Lie:
    """What the made-up receiver does wrong, and where."""

    at: int | None
    """The n-th judged answer or fact; None: every control; PARTS: all answers that are judged together."""
    answer: Answer | None = None
    fact: str | None = None
    must_be: Outcome = Outcome.FAIL


@dataclass
class MadeUpReceiver:
    """A transport that sends nothing and answers as expected, but for one lie."""

    lie: Lie | None = None
    seen: list[Expect | ExpectFact] = field(default_factory=list)
    parts: int = 0
    """Answers that went out to be judged together with others."""
    controls: int = 0
    concluded: int = 0
    """Facts that the case concluded by itself."""

    def begin(self, case_id: str) -> None:
        """Nothing to open."""

    def deliver(self, request: Request, purpose: str, expect: Expect | None = None) -> Exchange:
        """The perfect answer, or the lie."""
        if expect is None:
            self.controls += purpose == "control"
            if self.lie is not None and self.lie.at is None and purpose == "control":
                return Exchange(purpose, self.lie.answer or _typical(401))
            return self._part() if purpose == "part" else Exchange(purpose, _ACKNOWLEDGED)
        self.seen.append(expect)
        return Exchange(purpose, self._lie_here(lambda lie: lie.answer) or perfect(expect))

    def together(self, requests: tuple[Request, ...], spread: float) -> tuple[Exchange, ...]:
        """All accepted, or none."""
        return tuple(self._part() for _ in requests)

    def differences(self, control: Request, probe: Request) -> None:
        """Nothing is sent, so nothing is compared."""

    def handshake(self, offer: Offer, expect: ExpectFact) -> Fact:
        """As expected, or the lie."""
        return self._fact(expect)

    def judged(self, fact: Fact, expect: ExpectFact) -> Fact:
        """As the case found it, or the lie."""
        self.seen.append(expect)
        self.concluded += 1
        told = self._lie_here(lambda lie: lie.fact)
        return fact if told is None else Fact(told)

    def effects(self, label: str, expect: ExpectFact) -> Fact:
        """As expected, or the lie."""
        return self._fact(expect)

    def canary(self, mark: str, seconds: float, expect: ExpectFact) -> Fact:
        """As expected, or the lie."""
        return self._fact(expect)

    def mirror(self, label: str) -> Fact:
        """A state that fits every expectation of the cases: three lines, the newest version."""
        return Fact("state", '{"version": 3, "lines": ["00010", "00020", "00030"]}')

    def enter(self, state: str) -> None:
        """Every state can be entered."""

    def leave(self, state: str) -> None:
        """And left."""

    def act(self, action: str, meanwhile: tuple[Request, ...]) -> tuple[Exchange, ...]:
        """Everything can be done to it."""
        return tuple(self._part() for _ in meanwhile)

    def issuer(self, change: str) -> None:
        """The issuer is not asked."""

    def _part(self) -> Exchange:
        self.parts += 1
        lies = self.lie is not None and self.lie.at == PARTS
        return Exchange("part", self.lie.answer if lies and self.lie and self.lie.answer else _ACKNOWLEDGED)

    def _fact(self, expect: ExpectFact) -> Fact:
        self.seen.append(expect)
        told = self._lie_here(lambda lie: lie.fact)
        return Fact(told if told is not None else expect.best)

    def _lie_here(self, part: Callable[[Lie], _T | None]) -> _T | None:
        if self.lie is None or self.lie.at != len(self.seen) - 1:
            return None
        return part(self.lie)


@dataclass(frozen=True, slots=True)
class Dead:
    """An assertion that did not notice a lie, or saw one where there was none."""

    case: str
    what: str


def flip(info: CaseInfo, subject: Subject) -> tuple[int, list[Dead]]:
    """Try every kind of lie on a case; returns how many were tried, and what went unnoticed."""
    honest = MadeUpReceiver()
    results = _run(info, subject, honest)
    dead = [
        Dead(info.id, f"{result.variant}: {result.outcome} although all was perfect: {result.reason}")
        for result in results
        if result.outcome in (Outcome.FAIL, Outcome.WEAK, Outcome.ERROR)
    ]
    tried = 0
    can_fail = False
    for lie in _lies(honest.seen):
        tried += 1
        outcomes = [result.outcome for result in _run(info, subject, MadeUpReceiver(lie))]
        can_fail = can_fail or lie.must_be is Outcome.FAIL
        # A case may draw a harder conclusion of its own from a weak answer.
        if lie.must_be not in outcomes and Outcome.FAIL not in outcomes:
            said = lie.fact if lie.answer is None else lie.answer.status
            dead.append(
                Dead(info.id, f"a lie ({said} at {lie.at}) should be {lie.must_be}, came out as {set(outcomes)}")
            )
    if honest.controls:
        tried += 1
        refused = _run(info, subject, MadeUpReceiver(Lie(None, _typical(401))))
        green = [one.variant for one in refused if one.change and one.outcome is not Outcome.BLOCKED]
        if green or all(one.outcome is not Outcome.BLOCKED for one in refused):
            dead.append(
                Dead(info.id, f"all controls were refused, and not BLOCKED: {', '.join(green) or 'anything'}")
            )
    if honest.parts and honest.concluded and info.level is not Level.INFO:
        lies = [_run(info, subject, MadeUpReceiver(Lie(PARTS, answer))) for answer in _WRONG_TOGETHER]
        tried += len(lies)
        if not any(result.outcome in (Outcome.FAIL, Outcome.WEAK) for results in lies for result in results):
            dead.append(Dead(info.id, "no lie about the answers that it judges together is noticed"))
    if info.level is Level.MUST and honest.seen and not can_fail:
        dead.append(Dead(info.id, "a MUST that nothing can fail"))
    return tried, dead


def _run(info: CaseInfo, subject: Subject, receiver: MadeUpReceiver) -> list[Result]:
    results: list[Result] = []
    Driver(info, subject, receiver, results.append).run()
    return results


def _lies(seen: list[Expect | ExpectFact]) -> Iterator[Lie]:
    """Each kind of expectation once: where a thousand variants expect the same, one lie shows it for all."""
    done: list[Expect | ExpectFact] = []
    for index, expect in enumerate(seen):
        if any(expect == other for other in done):
            continue
        done.append(expect)
        if isinstance(expect, ExpectFact):
            if not expect.informative:
                for value in expect.universe:
                    if value not in expect.must:
                        yield Lie(index, fact=value)
                    elif expect.should is not None and value not in expect.should:
                        yield Lie(index, fact=value, must_be=Outcome.WEAK)
            continue
        if expect.informative:
            continue
        for wrong in ANY - expect.wanted:
            yield Lie(
                index,
                _typical(TYPICAL_STATUS[wrong]),
                must_be=Outcome.WEAK if wrong in expect.must else Outcome.FAIL,
            )
        good = perfect(expect)
        for check in expect.checks:
            if check.level is not Level.INFO:
                must_be = Outcome.FAIL if check.level is Level.MUST else Outcome.WEAK
                yield Lie(index, check.bad(good), must_be=must_be)
        if expect.codes:
            other = next((code for code in _OTHERS[consequence(expect.codes[0])] if code not in expect.codes), None)
            if other is not None and consequence(other) in expect.wanted:
                yield Lie(index, _typical(other), must_be=Outcome.WEAK)


#: Of every class, too late, and never.
_WRONG_TOGETHER = (
    *(_typical(status) for status in TYPICAL_STATUS.values()),
    replace(_ACKNOWLEDGED, seconds=1000.0),
    Answer(None, seconds=1000.0, failure="nothing within 1000 s"),
)

_OTHERS: dict[Consequence, tuple[int, ...]] = {
    Consequence.DELIVERED: (299,),
    Consequence.REFUSED: (418,),
    Consequence.FAILED: (),
    Consequence.RETRIED: (599,),
    Consequence.UNDOCUMENTED: (),
    Consequence.NO_ANSWER: (),
}
