"""From the results of a run to its verdict, its exit status and what is told beside them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from conformance import baseline, codes
from conformance.catalogue import CaseInfo, catalogue
from conformance.preflight import Finding
from conformance.profile import Profile
from conformance.results import Result
from conformance.runner.options import INTRUSIVE, Options
from conformance.verdict import Level, Outcome


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """How it ended."""

    verdict: str
    exit_status: int
    folder: Path
    counts: Counter[Outcome]
    results: tuple[Result, ...] = field(repr=False, default=())
    codes: tuple[codes.CodeRow, ...] = ()
    surprises: tuple[str, ...] = ()
    """Cases that are BLOCKED against the profile's expectation, or not BLOCKED against it."""
    not_ready: tuple[str, ...] = ()
    """Questions of the preflight that ended the run before it began, such as `PRE-3`."""


def conclude(
    profile: Profile,
    options: Options,
    folder: Path,
    results: Sequence[Result],
    rows: tuple[codes.CodeRow, ...],
    *,
    preflight: Sequence[Finding],
    cases: Sequence[CaseInfo],
) -> RunOutcome:
    """The outcome of a run of these cases."""
    not_ready = tuple(finding.id for finding in preflight if finding.fatal and not finding.ok)
    counts = Counter(result.outcome for result in results)
    known = baseline.apply(options.baseline, results, date.today())
    failures = [
        result
        for result in results
        if (result.outcome is Outcome.FAIL or (options.strict and result.outcome is Outcome.WEAK))
        and f"{result.case} {result.variant}" not in known.accepted
    ]
    surprises = tuple(_surprises(profile, results, cases))
    blocked_must = {r.case for r in results if r.outcome is Outcome.BLOCKED and r.level is Level.MUST}
    ran = {info.id for info in cases}
    left_out = [
        info.id
        for info in catalogue().values()
        if info.level is Level.MUST and info.wave != INTRUSIVE and info.id not in ran
    ]
    judged = sum(counts[one] for one in (Outcome.PASS, Outcome.WEAK, Outcome.FAIL))
    if not_ready or not judged or counts[Outcome.ERROR]:
        verdict = "INCONCLUSIVE"
    elif counts[Outcome.FAIL]:
        verdict = "NOT CONFORMANT"
    elif blocked_must or left_out:
        missing = [f"{len(blocked_must)} MUST blocked"] if blocked_must else []
        missing += [f"{len(left_out)} MUST not run"] if left_out else []
        verdict = f"CONFORMANT AS FAR AS TESTED ({', '.join(missing)})"
    else:
        verdict = "CONFORMANT"
    unexpected = (
        surprises if profile.expected_blocked else tuple(r.case for r in results if r.outcome is Outcome.BLOCKED)
    )
    if counts[Outcome.ERROR]:
        status = 2
    elif not_ready:
        status = 3
    elif failures:
        status = 1
    elif known.passed or known.ended:
        status = 4
    elif verdict == "INCONCLUSIVE" or unexpected:
        status = 3
    else:
        status = 0
    return RunOutcome(verdict, status, folder, counts, tuple(results), rows, surprises, not_ready)


def _surprises(profile: Profile, results: Iterable[Result], cases: Sequence[CaseInfo]) -> list[str]:
    """What is BLOCKED and was not expected to be, and the reverse; only of cases that were tried."""
    blocked = {result.case for result in results if result.outcome is Outcome.BLOCKED}
    tried = {info.id for info in cases}
    expected = set(profile.expected_blocked) & tried
    if not profile.expected_blocked:
        return []
    return [f"{one} is blocked, which the profile does not expect" for one in sorted(blocked - expected)] + [
        f"{one} is not blocked any more; remove it from expected_blocked" for one in sorted(expected - blocked)
    ]


def blocked(profile: Profile, results: Iterable[Result]) -> list[dict[str, object]]:
    rows: dict[str, dict[str, object]] = {}
    for result in results:
        if result.outcome is Outcome.BLOCKED and result.case not in rows:
            rows[result.case] = {
                "case": result.case,
                "needs": result.needs,
                "reason": result.reason,
                "level": result.level.value,
                "expected": result.case in profile.expected_blocked,
                "because": profile.expected_blocked.get(result.case, ""),
            }
    return list(rows.values())
