"""`conformance prove`: the flip test, each faulty receiver against the case named for it, the benign ones."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from conformance.catalogue import CaseInfo, catalogue
from conformance.generative import StockOutcome, run_stock
from conformance.mutants.faults import Benign, Fault, benign_table, fault_table
from conformance.proof.faulty import NotStartedError, profile_of, receiver
from conformance.proof.flip import flip
from conformance.results import Result
from conformance.runner.issuer import TokenIssuer
from conformance.runner.running import Options, run
from conformance.subject import Subject
from conformance.verdict import Level, Outcome

#: Variants of one case that a benign receiver is tried with.
BENIGN_SAMPLE = 3


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
    stock: StockOutcome | None = None


def prove(
    only: tuple[str, ...],
    *,
    stock: bool,
    benign: bool,
    jobs: int,
    table: Path | None,
    tell: Callable[[str], None],
) -> int:
    """Carry it out and say what was found; 0 if everything was proven, else 1."""
    started = time.monotonic()
    cases = [info for info in catalogue().values() if not only or info.id in only]
    faults = [
        fault
        for fault in fault_table().values()
        if not only or fault.id in only or set(fault.killed_by) & set(only)
    ]
    variants = list(benign_table().values()) if benign and not only else []
    with tempfile.TemporaryDirectory(prefix="conformance-proof-") as name:
        folder = Path(name)
        dead = _flip_all(cases, folder, tell)
        with ProcessPoolExecutor(jobs) as pool:
            clean = pool.submit(
                _try_clean, folder / "clean", sorted({one for fault in faults for one in fault.killed_by})
            )
            running = [pool.submit(_try_fault, folder / fault.id, fault, stock) for fault in faults]
            harmless = [pool.submit(_try_benign, folder / one.id, one) for one in variants]
            tried = []
            for future in running:
                one = future.result()
                tried.append(one)
                if one.kill is not Kill.KILLED:
                    tell(f"{one.kill}: {one.fault} {one.sentence}: {one.detail}")
            unclean = clean.result()
            accused = [complaint for future in harmless for complaint in future.result()]
    for complaint in (*unclean, *accused):
        tell(complaint)
    unproven = without_fault(cases, faults) if not only else []
    for case in unproven:
        tell(f"no faulty receiver for {case}")
    if table is not None:
        table.write_text(kill_table(tried), encoding="utf-8")
    killed = sum(one.kill is Kill.KILLED for one in tried)
    tell(
        f"{killed} of {len(tried)} faulty receivers killed by the named case; {len(variants)} benign ones, "
        f"{len(accused)} complaints; clean reference: {len(unclean)} complaints; {time.monotonic() - started:.0f} s"
    )
    return 1 if dead or unclean or accused or unproven or killed < len(tried) else 0


def _flip_all(cases: Iterable[CaseInfo], folder: Path, tell: Callable[[str], None]) -> int:
    subject = flip_subject(folder)
    tried = failures = 0
    for info in cases:
        lies, dead = flip(info, subject)
        tried += lies
        failures += len(dead)
        for one in dead:
            tell(f"flip test: {one.case}: {one.what}")
    tell(f"flip test: {tried} lies told, {failures} unnoticed or wrongly noticed")
    return failures


def flip_subject(folder: Path) -> Subject:
    """A receiver that claims everything, for cases that are not sent anywhere."""
    profile = profile_of(folder, "http://127.0.0.1:1", None, 1, 1)
    profile = profile.model_copy(update={"second_url": "https://localhost:1"})
    return Subject(
        profile, issuer=TokenIssuer("127.0.0.1:1", "http://localhost:1"), canary_url="http://localhost:1"
    )


def without_fault(cases: Iterable[CaseInfo], faults: Iterable[Fault]) -> list[str]:
    """The MUST cases of wave 1 for which no faulty receiver is named."""
    named = {case for fault in faults for case in fault.killed_by}
    return [info.id for info in cases if info.level is Level.MUST and info.wave == 1 and info.id not in named]


def _try_clean(folder: Path, cases: list[str]) -> list[str]:
    """What a run has against the clean receiver, seen twice: a busy machine makes some answers late."""
    complaints: list[Result] = []
    for only in (tuple(cases), None):
        again = tuple(sorted({one.case for one in complaints})) if only is None else only
        if not again:
            break
        with receiver(folder / ("first" if only else "again")) as (url, profile):
            outcome = run(profile, url, folder / "run", Options(only=again, full=False))
        complaints = [one for one in outcome.results if one.outcome not in _FINE]
    return [f"the clean receiver: {one.case} {one.variant}: {one.outcome} {one.reason}" for one in complaints]


_FINE = (Outcome.PASS, Outcome.INFO, Outcome.NOT_APPLICABLE)


def _try_fault(folder: Path, fault: Fault, stock: bool) -> Tried:
    """With the quick set of variants, and if that sees nothing with all of them."""
    tried = _try_once(folder / "quick", fault, stock, full=False)
    if tried.kill is Kill.KILLED:
        return tried
    return replace(_try_once(folder / "full", fault, stock=False, full=True), stock=tried.stock)


def _try_once(folder: Path, fault: Fault, stock: bool, *, full: bool) -> Tried:
    try:
        with receiver(folder, "--fault", fault.id) as (url, profile):
            options = Options(only=fault.killed_by, full=full, until_failure=True, pace=fault.pace)
            outcome = run(profile, url, folder / "run", options)
            beside = None
            if stock:
                authorization = Subject(profile).authorization(next(iter(profile.operations)), "basic")
                contracts = {endpoint.value: path for endpoint, path in profile.contracts.items()}
                beside = run_stock(contracts, url, profile.ca_file, authorization, 40, 1, 60.0)
    except NotStartedError as error:
        return Tried(fault.id, fault.fault, Kill.VACUOUS, "", f"it did not start: {error}")
    if "PRE-3" in fault.killed_by:
        kill = Kill.KILLED if outcome.verdict == "INCONCLUSIVE" else Kill.SURVIVED
        return Tried(fault.id, fault.fault, kill, "PRE-3", outcome.verdict, beside)
    named = [one for one in outcome.results if one.case in fault.killed_by and _kills(one, fault)]
    if named:
        return Tried(
            fault.id, fault.fault, Kill.KILLED, named[0].case, f"{named[0].variant}: {named[0].reason}", beside
        )
    blocked = [one for one in outcome.results if one.outcome in (Outcome.BLOCKED, Outcome.ERROR)]
    if blocked or outcome.verdict == "INCONCLUSIVE":
        reason = blocked[0].reason if blocked else outcome.verdict
        return Tried(fault.id, fault.fault, Kill.VACUOUS, "", reason, beside)
    said = sorted({f"{one.case} {one.outcome}" for one in outcome.results})
    return Tried(fault.id, fault.fault, Kill.SURVIVED, "", ", ".join(said), beside)


def _kills(result: Result, fault: Fault) -> bool:
    # Some faults break the SHOULD part of a MUST case.
    tolerant = fault.seen_as == Outcome.WEAK or result.level is Level.SHOULD
    return result.outcome is Outcome.FAIL or (result.outcome is Outcome.WEAK and tolerant)


def _try_benign(folder: Path, variant: Benign) -> list[str]:
    """What a run has against a correct receiver, seen twice."""
    accused: list[Result] = []
    for attempt in ("first", "again"):
        only = tuple(sorted({one.case for one in accused}))
        if attempt == "again" and not only:
            break
        try:
            with receiver(folder / attempt, "--benign", variant.id) as (url, profile):
                options = Options(waves=(1,), only=only, full=False, sample=BENIGN_SAMPLE)
                outcome = run(profile, url, folder / "run", options)
        except NotStartedError as error:
            return [f"{variant.id} did not start: {error}"]
        if outcome.verdict == "INCONCLUSIVE" and not outcome.counts[Outcome.ERROR]:
            return [f"{variant.id}: INCONCLUSIVE, nothing was tried"]
        accused = [one for one in outcome.results if one.outcome in (Outcome.FAIL, Outcome.ERROR)]
    return [
        f"{variant.id} ({variant.variant}): {one.case} {one.variant}: {one.outcome} {one.reason}" for one in accused
    ]


def kill_table(tried: Iterable[Tried]) -> str:
    """The table as Markdown."""
    rows = list(tried)
    lines = ["| receiver | fault | named case | stock schemathesis |", "|---|---|---|---|"]
    for one in rows:
        stock = "not tried" if one.stock is None else "killed" if one.stock.killed else "survived"
        lines.append(f"| {one.fault} | {one.sentence} | {one.kill} {one.by} | {stock} |")
    killed = sum(one.kill is Kill.KILLED for one in rows)
    by_stock = sum(one.stock is not None and one.stock.killed for one in rows)
    lines += [
        "",
        f"Killed by the named case: {killed} of {len(rows)}; by stock schemathesis: {by_stock} of {len(rows)}.",
    ]
    return "\n".join(lines) + "\n"
