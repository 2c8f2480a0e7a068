"""Tries one receiver of which it is known how it is: faulty, correct, or correct but different."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from conformance.generative import StockOutcome, run_stock
from conformance.mutants.faults import Benign, Fault
from conformance.proof.faulty import NotStartedError, receiver
from conformance.results import Result
from conformance.runner.running import Options, RunOutcome, run
from conformance.runner.transport import CannotTryError
from conformance.subject import Subject
from conformance.verdict import Level, Outcome

#: Changed requests of one case that a receiver is tried with where every case is tried.
SAMPLE = 3
_STOCK_EXAMPLES = 40
_STOCK_SECONDS = 180.0
_ALL = (1, 2, 3)
_DIES = frozenset({"kill", "restart"})
_FINE = (Outcome.PASS, Outcome.INFO, Outcome.NOT_APPLICABLE)


class Kill(StrEnum):
    """What became of a faulty receiver; only KILLED proves anything."""

    KILLED = "KILLED"
    MISNAMED = "MISNAMED"
    SURVIVED = "SURVIVED"
    VACUOUS = "VACUOUS"


@dataclass(frozen=True, slots=True)
class Tried:
    """One faulty receiver."""

    fault: str
    sentence: str
    kill: Kill
    by: str
    detail: str
    stray: tuple[str, ...] = ()
    """Cases that failed too, and that the fault's row does not name; known only where every case was tried."""
    stock: StockOutcome | None = None


def try_fault(folder: Path, fault: Fault) -> Tried:
    """With the quick set of variants of the named cases, and if that sees nothing with all of them."""
    tried = _try_named(folder / "quick", fault, full=False)
    return tried if tried.kill is Kill.KILLED else _try_named(folder / "full", fault, full=True)


def _try_named(folder: Path, fault: Fault, *, full: bool) -> Tried:
    def seen(result: Result) -> bool:
        return result.case in fault.killed_by and kills(result, fault)

    options = Options(waves=_ALL, only=fault.killed_by, full=full, case_ends=seen, run_ends=seen, pace=fault.pace)
    try:
        mortal = not _DIES.isdisjoint(fault.needs)
        with receiver(folder, "--fault", fault.id, mortal=mortal) as (url, profile):
            return _verdict(fault, run(profile, url, folder / "run", options))
    except (NotStartedError, CannotTryError) as error:
        return Tried(fault.id, fault.fault, Kill.VACUOUS, "", f"it could not be tried: {error}")


def try_every_case(folder: Path, fault: Fault) -> Tried:
    """With a sample of every case: which others fail too?"""

    def failed(result: Result) -> bool:
        return kills(result, fault)

    waves = (1, 2, 3) if "intrusive" in fault.needs else (1, 2)
    options = Options(waves=waves, full=False, sample=SAMPLE, case_ends=failed, pace=fault.pace)
    try:
        with receiver(folder, "--fault", fault.id) as (url, profile):
            outcome = run(profile, url, folder / "run", options)
    except (NotStartedError, CannotTryError) as error:
        return Tried(fault.id, fault.fault, Kill.VACUOUS, "", f"it could not be tried: {error}")
    failing = {one.case for one in outcome.results if failed(one)}
    stray = tuple(sorted(failing - {*fault.killed_by, *fault.collateral}))
    return replace(_verdict(fault, outcome), stray=stray)


def _verdict(fault: Fault, outcome: RunOutcome) -> Tried:
    if "PRE-3" in fault.killed_by:
        seen = outcome.verdict == "INCONCLUSIVE" and "PRE-3" in outcome.not_ready
        kill = Kill.KILLED if seen and not outcome.counts[Outcome.ERROR] else Kill.SURVIVED
        return Tried(fault.id, fault.fault, kill, "PRE-3", outcome.verdict)
    named = [one for one in outcome.results if one.case in fault.killed_by and kills(one, fault)]
    if named:
        return Tried(fault.id, fault.fault, Kill.KILLED, named[0].case, f"{named[0].variant}: {named[0].reason}")
    others = sorted({one.case for one in outcome.results if kills(one, fault)})
    if others:
        return Tried(fault.id, fault.fault, Kill.MISNAMED, "", f"seen only by {', '.join(others)}")
    blocked = [one for one in outcome.results if one.outcome in (Outcome.BLOCKED, Outcome.ERROR)]
    if blocked or outcome.verdict == "INCONCLUSIVE":
        reason = blocked[0].reason if blocked else outcome.verdict
        return Tried(fault.id, fault.fault, Kill.VACUOUS, "", reason)
    said = sorted({f"{one.case} {one.outcome}" for one in outcome.results})
    return Tried(fault.id, fault.fault, Kill.SURVIVED, "", ", ".join(said))


def kills(result: Result, fault: Fault) -> bool:
    """Whether the result says that something is wrong; some faults break the SHOULD part of a MUST case."""
    tolerant = fault.seen_as == Outcome.WEAK or result.level is Level.SHOULD
    return result.outcome is Outcome.FAIL or (result.outcome is Outcome.WEAK and tolerant)


def try_stock(folder: Path, fault: Fault | None) -> StockOutcome | None:
    """What stock Schemathesis says of a receiver with a fault, or with none; None: the receiver did not start."""
    arguments = () if fault is None else ("--fault", fault.id)
    try:
        with receiver(folder, *arguments, mortal=False) as (url, profile):
            endpoint = next(iter(profile.operations))
            return run_stock(
                {one.value: path for one, path in profile.contracts.items()},
                {one.value: operation.path for one, operation in profile.operations.items()},
                url,
                profile.ca_file,
                Subject(profile).authorization(endpoint, "basic"),
                _STOCK_EXAMPLES,
                _STOCK_SECONDS,
            )
    except NotStartedError:
        return None


def try_clean(folder: Path, cases: Sequence[str]) -> list[str]:
    """What these cases have against the receiver without a fault."""

    def attempt(only: tuple[str, ...], where: Path) -> Iterable[Result]:
        with receiver(where) as (url, profile):
            return run(profile, url, where / "run", Options(waves=_ALL, only=only, full=False)).results

    complaints = _seen_twice(folder, tuple(cases), attempt, lambda one: one.outcome not in _FINE)
    return [f"the clean receiver: {_said(one)}" for one in complaints]


def try_benign(folder: Path, variant: Benign, cases: tuple[str, ...]) -> list[str]:
    """What a sample of these cases has against a correct receiver."""

    def attempt(only: tuple[str, ...], where: Path) -> Iterable[Result]:
        with receiver(where, "--benign", variant.id) as (url, profile):
            outcome = run(profile, url, where / "run", Options(only=only, full=False, sample=SAMPLE))
        if outcome.verdict == "INCONCLUSIVE" and not outcome.counts[Outcome.ERROR]:
            raise NotStartedError("INCONCLUSIVE, nothing was tried")
        return outcome.results

    try:
        accused = _seen_twice(folder, cases, attempt, lambda one: one.outcome in (Outcome.FAIL, Outcome.ERROR))
    except NotStartedError as error:
        return [f"{variant.id} did not start: {error}"]
    return [f"{variant.id} ({variant.variant}): {_said(one)}" for one in accused]


def _seen_twice(
    folder: Path,
    cases: tuple[str, ...],
    attempt: Callable[[tuple[str, ...], Path], Iterable[Result]],
    complains: Callable[[Result], bool],
) -> list[Result]:
    """A busy machine makes some answers late: what is said of a correct receiver counts when it is said twice."""
    complaints = [one for one in attempt(cases, folder / "first") if complains(one)]
    if not complaints:
        return []
    again = tuple(sorted({one.case for one in complaints}))
    return [one for one in attempt(again, folder / "again") if complains(one)]


def _said(result: Result) -> str:
    return f"{result.case} {result.variant}: {result.outcome} {result.reason}"
