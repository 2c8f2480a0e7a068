"""One run: preflight, the named cases, the generated phase, the verdict."""

from __future__ import annotations

import random
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path

from conformance import baseline, codes, preflight
from conformance.catalogue import CaseInfo, catalogue
from conformance.generative import GeneratedOutcome
from conformance.profile import Profile
from conformance.redaction import Redactor
from conformance.report.records import RunWriter
from conformance.results import Result
from conformance.runner.canary import Canary
from conformance.runner.driving import Driver
from conformance.runner.generated import run_generated
from conformance.runner.issuer import TokenIssuer
from conformance.runner.laboratory import Laboratory
from conformance.subject import Subject
from conformance.verdict import Level, Outcome
from conformance.wire.address import Address

SUITE = "1.0"


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says."""

    waves: tuple[int, ...] = (1, 2)
    only: tuple[str, ...] = ()
    """Ids or beginnings of ids, such as `AUTH` or `MAL-05`."""
    strict: bool = False
    """A WEAK counts as a failure."""
    full: bool = True
    generated: float = 0.0
    """Seconds for the generated phase; 0 leaves it out."""
    fresh_seed: bool = False
    keep_findings_in: Path | None = None
    """Where findings of the generated phase are kept, to be sent first the next time."""
    pace: float | None = None
    allowed: str | None = None
    baseline: tuple[baseline.Entry, ...] = ()
    shuffle: int | None = None
    sample: int | None = None
    """At most so many changed requests of a case; for receivers that only must not be accused."""
    case_ends: Callable[[Result], bool] = lambda _: False
    """After such a result the rest of its case is left out; for receivers that are known to be faulty."""
    run_ends: Callable[[Result], bool] = lambda _: False
    """After such a result all other cases are left out."""


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


def chosen(options: Options) -> list[CaseInfo]:
    """The cases that a run tries, in order."""
    cases = [info for info in catalogue().values() if info.wave in options.waves]
    if options.only:
        cases = [info for info in catalogue().values() if any(info.id.startswith(one) for one in options.only)]
    if options.shuffle is not None:
        random.Random(options.shuffle).shuffle(cases)  # noqa: S311 - an order, no secret
    return cases


def run(
    profile: Profile,
    url: str,
    folder: Path,
    options: Options,
    *,
    tell: Callable[[str], None] = lambda _: None,
    progress: Callable[[CaseInfo], None] = lambda _: None,
) -> RunOutcome:
    """Judge one receiver and write `folder`.

    Raises:
        ValueError: the URL is none.
        ProfileError: a secret that the profile names is not there.
        OSError: the folder cannot be written.
    """
    address = Address.of(url, profile.ca_file)
    # Letters first: a receiver may map the beginnings of order numbers to faults.
    run_id = f"r{secrets.token_hex(4)}"
    redactor = Redactor()
    issuer = None if profile.issuer is None else TokenIssuer(profile.issuer.listen, profile.issuer.url)
    canary = None if profile.canary is None else Canary(profile.canary.listen, profile.canary.url)
    subject = Subject(
        profile, redactor, issuer, None if profile.canary is None else profile.canary.url, options.full
    )
    writer = RunWriter(folder, redactor)
    started = time.monotonic()
    results: list[Result] = []

    def report(result: Result) -> None:
        results.append(replace(result, exchanges=()))
        writer.result(len(results), result)

    try:
        for server in (issuer, canary):
            if server is not None:
                server.start()
        writer.write(
            "run",
            id=run_id,
            started=datetime.now(UTC).isoformat(timespec="seconds"),
            suite=SUITE,
            target=address.url,
            profile=profile.name,
            contract_sha256=preflight.contract_hash(profile),
            ca_file=None if profile.ca_file is None else profile.ca_file.name,
            options={"strict": options.strict, "waves": list(options.waves), "only": list(options.only)},
        )
        pace = options.pace if options.pace is not None or address.on_loopback else 5.0
        address, findings = _look_before(address, profile, options)
        laboratory = Laboratory(profile, address, run_id, pace=pace, issuer=issuer, canary=canary)
        if all(finding.ok or not finding.fatal for finding in findings):
            findings += preflight.golden_events(subject, laboratory)
        for finding in findings:
            writer.write("preflight", **asdict(finding))
            if not finding.ok:
                tell(f"{finding.id} {finding.title}: {finding.reason}")
        ready = all(finding.ok or not finding.fatal for finding in findings)
        # A receiver whose TLS alone is broken, or that redirects everything, can still be told so.
        unreachable = any(not f.ok and f.id in ("PRE-1", "PRE-2", "PRE-4") for f in findings)
        cases = (
            []
            if unreachable
            else chosen(options)
            if ready
            else [c for c in chosen(options) if c.area == "TLS" or c.id == "RSP-02"]
        )
        for info in cases:
            progress(info)
            Driver(info, subject, laboratory, report, sample=options.sample, ends=options.case_ends).run()
            if any(options.run_ends(result) for result in results):
                break
        laboratory.close()
        generated = None
        if ready and options.generated and not options.only:
            generated = run_generated(
                subject,
                address,
                folder,
                options.generated,
                fresh=options.fresh_seed,
                run=run_id,
                keep_in=options.keep_findings_in,
                report=report,
            )
            writer.write("generated", **summary(generated))
        rows = codes.table(profile.contracts, results, _seen(generated))
        writer.write("codes", rows=[asdict(row) for row in rows])
        outcome = _conclude(profile, options, folder, results, rows, ready=ready, cases=cases)
        writer.write(
            "end",
            verdict=outcome.verdict,
            exit_status=outcome.exit_status,
            counts={one.value: count for one, count in outcome.counts.items()},
            cases=len({result.case for result in results}),
            seconds=round(time.monotonic() - started, 1),
            blocked=_blocked(profile, results),
            surprises=list(outcome.surprises),
            baseline=asdict(baseline.apply(options.baseline, results, date.today())),
            orders=len(laboratory.orders),
        )
        (folder / "orders.txt").write_text("\n".join(laboratory.orders) + "\n", encoding="utf-8")
        return outcome
    finally:
        writer.close()
        for server in (issuer, canary):
            if server is not None:
                server.stop()


def summary(generated: GeneratedOutcome) -> dict[str, object]:
    """What the run keeps of its generated phase; the bytes of findings are kept beside."""
    return {
        "executed": generated.executed,
        "seconds": round(generated.seconds, 1),
        "findings": len(generated.findings),
        "warnings": list(generated.warnings),
        "errors": list(generated.errors),
        "keywords": {"valid": dict(generated.keywords.valid), "invalid": dict(generated.keywords.invalid)},
    }


def _look_before(address: Address, profile: Profile, options: Options) -> tuple[Address, list[preflight.Finding]]:
    findings = [preflight.permission(address, options.allowed)]
    if not findings[0].ok:
        return address, findings
    findings += [preflight.reachable(address), preflight.instruments(), preflight.hooks_answer(profile)]
    findings.append(preflight.contracts(profile))
    certificate = preflight.certificate(address)
    findings.append(certificate)
    if not certificate.ok and address.on_loopback:
        address = replace(address, verify=False)
    return address, findings


def _conclude(
    profile: Profile,
    options: Options,
    folder: Path,
    results: Sequence[Result],
    rows: tuple[codes.CodeRow, ...],
    *,
    ready: bool,
    cases: Sequence[CaseInfo],
) -> RunOutcome:
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
    judged = sum(counts[one] for one in (Outcome.PASS, Outcome.WEAK, Outcome.FAIL))
    if not ready or not judged or counts[Outcome.ERROR]:
        verdict = "INCONCLUSIVE"
    elif counts[Outcome.FAIL]:
        verdict = "NOT CONFORMANT"
    elif blocked_must:
        verdict = f"CONFORMANT AS FAR AS TESTED ({len(blocked_must)} MUST blocked)"
    else:
        verdict = "CONFORMANT"
    unexpected = (
        surprises if profile.expected_blocked else tuple(r.case for r in results if r.outcome is Outcome.BLOCKED)
    )
    if counts[Outcome.ERROR]:
        status = 2
    elif failures:
        status = 1
    elif known.passed or known.ended:
        status = 4
    elif verdict == "INCONCLUSIVE" or unexpected:
        status = 3
    else:
        status = 0
    return RunOutcome(verdict, status, folder, counts, tuple(results), rows, surprises)


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


def _blocked(profile: Profile, results: Iterable[Result]) -> list[dict[str, object]]:
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


def _seen(generated: GeneratedOutcome | None) -> set[tuple[str, int]]:
    if generated is None:
        return set()
    return {(call.operation, call.status) for call in generated.calls if call.status is not None}
