"""Drives one case: hands its steps to the transport, judges, and keeps to the rule of the twins.

The rule: a verdict on a changed request counts only between two accepted controls. So a receiver that answers 401
to everything, or begins to, is BLOCKED and never green.
"""

from __future__ import annotations

from collections.abc import Callable

from conformance.catalogue import CaseInfo
from conformance.oracle import Consequence, consequence
from conformance.requests.changes import Change
from conformance.requests.request import Request
from conformance.results import Exchange, Result
from conformance.runner.transport import CannotTryError, Transport
from conformance.steps import (
    Act,
    Blocked,
    CanaryHits,
    Case,
    Control,
    Effects,
    Enter,
    Handshake,
    Issuer,
    Judge,
    Leave,
    Mirror,
    NotApplicable,
    Observation,
    Probe,
    Send,
    Step,
    Together,
    Twin,
)
from conformance.subject import Subject
from conformance.verdict import Expect, ExpectFact, Judgement, Outcome, judge, judge_fact
from conformance.wire.answer import Answer, Fact

#: So many verdicts may wait for the control that confirms them.
CONFIRM_EVERY = 20

_D = Consequence.DELIVERED


class _ControlRefusedError(Exception):
    @classmethod
    def by(cls, answer: Answer) -> _ControlRefusedError:
        return cls(f"the control, which must be accepted, was not: {answer.said}")


class Driver:
    """Runs one case and reports a result for each variant."""

    def __init__(
        self,
        info: CaseInfo,
        subject: Subject,
        transport: Transport,
        report: Callable[[Result], None],
        *,
        sample: int | None = None,
        ends: Callable[[Result], bool] = lambda _: False,
    ) -> None:
        """With `sample` at most so many twins are sent; nothing is sent after a result that `ends` the case."""
        self._info = info
        self._subject = subject
        self._transport = transport
        self._report = self._noting(report)
        self._ends = ends
        self._ended = False
        self._evidence: list[Exchange] = []
        self._waiting: list[Result] = []
        self._control: Request | None = None
        self._refused: dict[tuple[object, ...], str] = {}
        self._states: list[str] = []
        self._entered: set[str] = set()
        self._left = sample
        self._silent = True
        self._unsent = ""
        self._fact_since = False

    def run(self) -> None:
        """From the first step to the last; states are left whatever happens."""
        self._transport.begin(self._info.id)
        steps = self._info.steps(self._subject)
        try:
            self._drive(steps)
        except CannotTryError as error:
            self._tell_blocked("", str(error), error.needs)
        except _ControlRefusedError as error:
            self._tell_blocked("", str(error))
        except Exception as error:  # the suite's own fault, whatever it is, belongs into the report
            self._tell("", Judgement(Outcome.ERROR, f"{type(error).__name__}: {error}"))
        finally:
            steps.close()
            self._confirm()
            if self._silent:
                self._tell("", Judgement(Outcome.NOT_APPLICABLE, "the profile claims nothing that this is about"))
            for state in reversed(self._states):
                try:
                    self._transport.leave(state)
                except CannotTryError as error:
                    if state in self._entered:
                        self._tell_blocked(
                            f"leaving {state}", f"the receiver may still be in that state, put it back: {error}"
                        )

    def _noting(self, report: Callable[[Result], None]) -> Callable[[Result], None]:
        def noting(result: Result) -> None:
            self._silent = False
            self._ended = self._ended or self._ends(result)
            report(result)

        return noting

    def _drive(self, steps: Case) -> None:
        observed: Observation = None
        while not self._ended:
            try:
                step = steps.send(observed)
            except StopIteration:
                return
            try:
                observed = self._carry_out(step)
            except CannotTryError as error:
                self._tell_blocked(getattr(step, "variant", ""), str(error), error.needs)
                return
            except _ControlRefusedError as error:
                self._tell_blocked(getattr(step, "variant", ""), str(error))
                if not isinstance(step, Twin):
                    return
                observed = self._not_sent(str(error))

    def _carry_out(self, step: Step) -> Observation:
        match step:
            case Twin():
                return self._twin(step)
            case Control():
                self._confirm()
                return self._accepted(step.request).answer
            case Probe():
                self._confirm()
                exchange = self._deliver(step.request, "probe", step.expect)
                self._judge(step.variant, step.request, None, exchange, step.expect)
                return exchange.answer
            case Send():
                return self._deliver(step.request, "part").answer
            case Together():
                self._confirm()
                exchanges = self._transport.together(step.requests, step.spread)
                self._evidence += exchanges
                return tuple(exchange.answer for exchange in exchanges)
            case Act():
                self._confirm()
                exchanges = self._transport.act(step.action, step.meanwhile)
                self._evidence += exchanges
                return tuple(exchange.answer for exchange in exchanges)
            case Enter():
                self._confirm()
                # Noted first: a hook that fails half way is undone too.
                self._states.append(step.state)
                self._transport.enter(step.state)
                self._entered.add(step.state)
            case Leave():
                self._confirm()
                self._transport.leave(step.state)
                self._states.remove(step.state)
            case Issuer():
                self._transport.issuer(step.change)
            case Mirror():
                return self._transport.mirror(step.label)
            case NotApplicable():
                self._tell(step.variant, Judgement(Outcome.NOT_APPLICABLE, step.reason))
            case Blocked():
                self._tell_blocked(step.variant, step.reason, step.needs)
            case Judge() | CanaryHits() if self._unsent:
                return self._not_judged(step.variant)
            case Judge():
                return self._judge_fact(step.variant, self._transport.judged(step.fact, step.expect), step.expect)
            case Handshake():
                return self._judge_fact(
                    step.variant, self._transport.handshake(step.offer, step.expect), step.expect
                )
            case Effects():
                return self._judge_fact(step.variant, self._transport.effects(step.label, step.expect), step.expect)
            case CanaryHits():
                fact = self._transport.canary(step.mark, step.seconds, step.expect)
                return self._judge_fact(step.variant, fact, step.expect)
        return None

    # Twins.

    def _twin(self, twin: Twin) -> Answer:
        if self._left is not None:
            if self._left == 0:
                return self._not_sent("left out of the sample")
            self._left -= 1
        if self._fact_since:
            self._unsent, self._fact_since = "", False
        control = twin.control
        if self._control is None or self._control.fingerprint() != control.fingerprint():
            self._confirm()
            self._control = None
            self._begin_series(control)
        probe = twin.change.apply(control)
        if trouble := self._other_than_named(control, probe, twin.change):
            self._tell(twin.variant, Judgement(Outcome.ERROR, trouble))
            return Answer(None, failure="not sent")
        exchange = self._deliver(probe, "probe", twin.expect)
        result = self._result(twin.variant, probe, twin.change, exchange, twin.expect)
        self._waiting.append(result)
        doubtful = result.outcome is Outcome.FAIL and consequence(exchange.answer.status) is not _D
        if doubtful or len(self._waiting) >= CONFIRM_EVERY:
            self._confirm()
        return exchange.answer

    def _not_sent(self, reason: str) -> Answer:
        """What is concluded from the answers of several twins cannot be concluded when one of them was not sent."""
        self._unsent, self._fact_since = self._unsent or reason, False
        return Answer(None, failure="not sent")

    def _not_judged(self, variant: str) -> Fact:
        self._fact_since = True
        self._tell_blocked(variant, self._unsent)
        return Fact("")

    def _begin_series(self, control: Request) -> None:
        known = self._refused.get(control.fingerprint())
        if known is not None:
            raise _ControlRefusedError(known)
        self._accepted(control)
        self._control = control

    def _accepted(self, control: Request) -> Exchange:
        exchange = self._deliver(control, "control")
        if consequence(exchange.answer.status) is not _D:
            error = _ControlRefusedError.by(exchange.answer)
            self._refused[control.fingerprint()] = str(error)
            raise error
        return exchange

    def _confirm(self) -> None:
        """Send the control once more for the verdicts that wait for it."""
        waiting, self._waiting = self._waiting, []
        if not waiting or self._control is None:
            return
        confirmation = None
        reason = ""
        gone = False
        if any(result.outcome is not Outcome.PASS or consequence(result.status) is not _D for result in waiting):
            try:
                confirmation = self._transport.deliver(self._control, "control", None)
                gone = confirmation.answer.status is None
                if consequence(confirmation.answer.status) is not _D:
                    reason = f"afterwards {_ControlRefusedError.by(confirmation.answer)}"
            except CannotTryError as error:
                reason = str(error)
        for result in waiting:
            self._report(result if not reason else self._doubted(result, reason, gone=gone))
        if reason:
            self._control = None

    def _doubted(self, result: Result, reason: str, *, gone: bool) -> Result:
        # What was accepted needs no control to vouch for it, and what was wrong in itself stays wrong.
        if result.outcome is Outcome.PASS and consequence(result.status) is _D:
            return result
        if result.outcome is Outcome.FAIL and consequence(result.status) is _D:
            return result
        if result.outcome is Outcome.FAIL and result.status is None and gone:
            return result.turned(Judgement(Outcome.FAIL, f"{result.reason}, and {reason}"))
        return result.turned(Judgement(Outcome.BLOCKED, f"{result.reason}, but {reason}"))

    def _other_than_named(self, control: Request, probe: Request, change: Change) -> str | None:
        aspects = self._transport.differences(control, probe)
        if aspects is None:
            return None
        stray = sorted(aspect for aspect in aspects if not change.allows(aspect))
        if stray:
            return f"{change.name}: the probe differs from its control in {', '.join(stray)} too"
        if change.touches and not aspects:
            return f"{change.name}: the probe does not differ from its control"
        return None

    # Results.

    def _deliver(self, request: Request, purpose: str, expect: Expect | None = None) -> Exchange:
        exchange = self._transport.deliver(request, purpose, expect)
        self._evidence.append(exchange)
        return exchange

    def _judge(
        self, variant: str, request: Request, change: Change | None, exchange: Exchange, expect: Expect
    ) -> None:
        self._report(self._result(variant, request, change, exchange, expect))

    def _result(
        self, variant: str, request: Request, change: Change | None, exchange: Exchange, expect: Expect
    ) -> Result:
        judgement = judge(exchange.answer, expect)
        evidence, self._evidence = tuple(self._evidence), []
        return Result(
            self._info.id,
            variant,
            self._info.level,
            judgement.outcome,
            judgement.reason,
            expect.in_words(),
            "" if change is None else change.name,
            request.endpoint.value,
            "" if request.payload is None else request.payload.value,
            request.form.value,
            request.scheme,
            exchange.answer.status,
            expect.codes,
            exchanges=evidence,
        )

    def _judge_fact(self, variant: str, fact: Fact, expect: ExpectFact) -> Fact:
        self._tell(variant, judge_fact(fact, expect), expect.in_words())
        return fact

    def _tell_blocked(self, variant: str, reason: str, needs: str = "") -> None:
        self._tell(variant, Judgement(Outcome.BLOCKED, reason), needs=needs)

    def _tell(self, variant: str, judgement: Judgement, expected: str = "", needs: str = "") -> None:
        evidence, self._evidence = tuple(self._evidence), []
        self._report(
            Result(
                self._info.id,
                variant or "all",
                self._info.level,
                judgement.outcome,
                judgement.reason,
                expected,
                needs=needs,
                exchanges=evidence,
            )
        )
