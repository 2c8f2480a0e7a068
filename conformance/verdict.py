"""From what was observed to an outcome: by consequence first, by exact code second."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from conformance.oracle import ANY, Consequence, consequence, sentence
from conformance.wire.answer import Answer, Fact


class Outcome(StrEnum):
    """What a report says of one variant of a case."""

    PASS = "PASS"  # noqa: S105 - no password
    WEAK = "WEAK"
    FAIL = "FAIL"
    BLOCKED = "BLOCKED"
    NOT_APPLICABLE = "N/A"
    INFO = "INFO"
    ERROR = "ERROR"


class Level(StrEnum):
    """How binding a sentence is (RFC 2119); INFO observes and never judges."""

    MUST = "MUST"
    SHOULD = "SHOULD"
    INFO = "INFO"


@dataclass(frozen=True, slots=True)
class Judgement:
    """An outcome and why, in one sentence for the reader of a report."""

    outcome: Outcome
    reason: str


@dataclass(frozen=True, slots=True)
class Check:
    """One more sentence that an answer must or should keep, beside its status.

    `good` and `bad` turn an answer into one that keeps it and one that breaks it: the flip test uses them to show
    that the check can fail.
    """

    name: str
    level: Level
    complaint: Callable[[Answer], str | None]
    """What is wrong, in words; None if nothing is."""
    good: Callable[[Answer], Answer]
    bad: Callable[[Answer], Answer]


@dataclass(frozen=True, slots=True)
class Expect:
    """What an answer has to be."""

    must: frozenset[Consequence] = ANY
    """Any other class is a FAIL."""
    should: frozenset[Consequence] = ANY
    """Any other class that is in `must` is WEAK."""
    codes: tuple[int, ...] = ()
    """The preferred codes, the best first; another one is WEAK. Empty: every code of the classes is as good."""
    checks: tuple[Check, ...] = ()
    informative: bool = False
    """No verdict: whatever comes is an INFO."""

    @property
    def wanted(self) -> frozenset[Consequence]:
        """The classes that are not even WEAK."""
        return self.must & self.should

    def in_words(self) -> str:
        """For the report."""
        if self.informative:
            return "whatever comes is noted"
        classes = " or ".join(sorted(_IN_WORDS[one] for one in self.wanted)) or "nothing"
        text = classes if self.wanted != ANY else "any answer"
        if self.codes:
            text += f", best {' or '.join(map(str, self.codes))}"
        if self.must != self.wanted and self.must != ANY:
            text += f" (tolerated: {' or '.join(sorted(_IN_WORDS[one] for one in self.must - self.wanted))})"
        return text + "".join(f"; {check.name}" for check in self.checks)


_IN_WORDS = {
    Consequence.DELIVERED: "2xx",
    Consequence.REFUSED: "4xx",
    Consequence.FAILED: "500",
    Consequence.RETRIED: "501-599",
    Consequence.UNDOCUMENTED: "1xx or 3xx",
    Consequence.NO_ANSWER: "no answer",
}


def judge(answer: Answer, expect: Expect) -> Judgement:
    """The verdict on one answer."""
    found = consequence(answer.status)
    said = f"answered {answer.status}" if answer.status is not None else f"no answer ({answer.failure})"
    if expect.informative:
        return Judgement(Outcome.INFO, said)
    if found not in expect.must:
        return Judgement(Outcome.FAIL, f"{said}; {sentence(found)}")
    complaints = [(check, text) for check in expect.checks if (text := check.complaint(answer)) is not None]
    for check, text in complaints:
        if check.level is Level.MUST:
            return Judgement(Outcome.FAIL, f"{said}, but {text}")
    if found not in expect.should:
        return Judgement(Outcome.WEAK, f"{said}; {sentence(found)}")
    if expect.codes and answer.status not in expect.codes:
        return Judgement(Outcome.WEAK, f"{said}; better {' or '.join(map(str, expect.codes))}")
    for check, text in complaints:
        outcome = Outcome.WEAK if check.level is Level.SHOULD else Outcome.INFO
        return Judgement(outcome, f"{said}, but {text}")
    return Judgement(Outcome.PASS, said)


@dataclass(frozen=True, slots=True)
class ExpectFact:
    """Which values of a fact are right, out of all it can have."""

    universe: tuple[str, ...]
    must: frozenset[str]
    should: frozenset[str] | None = None
    """Of `must`, those that are not WEAK; None: all."""
    informative: bool = False

    @property
    def best(self) -> str:
        """A value that passes."""
        return next(value for value in self.universe if value in self.wanted)

    @property
    def wanted(self) -> frozenset[str]:
        """The values that pass."""
        return self.must if self.should is None else self.must & self.should

    def kept_by(self, fact: Fact) -> bool:
        """Whether nothing can be said against the fact."""
        return self.informative or fact.value in self.wanted

    def in_words(self) -> str:
        """For the report."""
        passing = " or ".join(value for value in self.universe if value in self.wanted)
        return "whatever comes is noted" if self.informative else passing


def judge_fact(fact: Fact, expect: ExpectFact) -> Judgement:
    """The verdict on a fact."""
    said = f"{fact.value}: {fact.detail}" if fact.detail else fact.value
    if expect.informative:
        return Judgement(Outcome.INFO, said)
    if fact.value not in expect.must:
        return Judgement(Outcome.FAIL, said)
    if expect.should is not None and fact.value not in expect.should:
        return Judgement(Outcome.WEAK, said)
    return Judgement(Outcome.PASS, said)


# The expectations that most cases share.

_D, _R, _C, _T = Consequence.DELIVERED, Consequence.REFUSED, Consequence.FAILED, Consequence.RETRIED


def accepted(*codes: int, checks: tuple[Check, ...] = ()) -> Expect:
    """Delivered, whatever the 2xx unless told."""
    return Expect(must=frozenset({_D}), codes=codes, checks=checks)


def delivered_at_best(*codes: int, checks: tuple[Check, ...] = ()) -> Expect:
    """For a SHOULD: delivered, and WEAK if not; that it has to be is for another case to judge."""
    return Expect(must=ANY, should=frozenset({_D}), codes=codes, checks=checks)


def refused(*codes: int, checks: tuple[Check, ...] = ()) -> Expect:
    """The sender's mistake: a 4xx, best one of these."""
    return Expect(must=frozenset({_R}), codes=codes, checks=checks)


def refused_as_malformed(*codes: int, checks: tuple[Check, ...] = ()) -> Expect:
    """A 4xx, best 400; a 500 is tolerated, because it drops the body all the same."""
    return Expect(must=frozenset({_R, _C}), should=frozenset({_R}), codes=codes or (400,), checks=checks)


def not_delivered(*codes: int, checks: tuple[Check, ...] = ()) -> Expect:
    """Anything but a 2xx; a 4xx is right, best one of these codes."""
    return Expect(must=ANY - {_D}, should=frozenset({_R}), codes=codes, checks=checks)


def accepted_or_refused(*codes: int, checks: tuple[Check, ...] = ()) -> Expect:
    """A final answer that is not ours to prefer: 2xx or 4xx, never 500 and never a retry without end."""
    return Expect(must=frozenset({_D, _R}), codes=codes, checks=checks)


def retried(*codes: int, checks: tuple[Check, ...] = ()) -> Expect:
    """Trouble of the receiver's own: Tradecloud has to come again."""
    return Expect(must=frozenset({_T}), codes=codes, checks=checks)


def noted() -> Expect:
    """No verdict."""
    return Expect(informative=True)
