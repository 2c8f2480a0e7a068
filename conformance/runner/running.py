"""One run: preflight, the named cases, the generated phase, the verdict."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from datetime import UTC, date, datetime
from pathlib import Path

from conformance import baseline, codes, preflight
from conformance.catalogue import CaseInfo
from conformance.generative import GeneratedOutcome, GenerativeError
from conformance.profile import Profile
from conformance.redaction import Redactor
from conformance.report.records import RunWriter
from conformance.results import Result
from conformance.runner.canary import Canary
from conformance.runner.concluding import RunOutcome, blocked, conclude
from conformance.runner.driving import Driver
from conformance.runner.generated import run_generated
from conformance.runner.issuer import TokenIssuer
from conformance.runner.laboratory import WELL, Laboratory
from conformance.runner.options import Options, chosen
from conformance.subject import Subject
from conformance.verdict import Level, Outcome
from conformance.wire.address import Address

SUITE = "1.1"
#: Requests a second to a receiver on another machine.
PACE_ELSEWHERE = 5.0
#: What can be judged of a receiver that takes no event: handshakes, and that it redirects.
_WITHOUT_DELIVERY = (*(f"TLS-{number:02d}" for number in (1, 2, 3, 4, 5, 6, 7, 9, 10)), "RSP-02")


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
    orders: list[str] = []

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
        address, findings = _look_before(address, profile, options, canary)
        pace = _pace(address, profile, options)
        laboratory = Laboratory(profile, address, run_id, orders, pace=pace, issuer=issuer, canary=canary)
        if all(finding.ok or not finding.fatal for finding in findings):
            findings += preflight.golden_events(subject, laboratory)
        for finding in findings:
            writer.write("preflight", **asdict(finding))
            if not finding.ok:
                tell(redactor.clean_text(f"{finding.id} {finding.title}: {finding.reason}"))
        cases = _worth_trying(chosen(options), findings)

        def drive(info: CaseInfo, when: str = "") -> bool:
            """Whether the run goes on."""
            progress(info)
            before = len(results)

            def told(result: Result) -> None:
                report(replace(result, variant=f"{when}{result.variant}"))

            Driver(info, subject, laboratory, told, sample=options.sample, ends=options.case_ends).run()
            return not any(options.run_ends(result) for result in results[before:])

        _drive_all(cases, drive, by_area=options.shuffle is None)
        laboratory.close()
        generated = None
        if cases == chosen(options) and options.generated and not options.only:
            try:
                generated = run_generated(
                    subject,
                    address,
                    options.generated,
                    fresh=options.fresh_seed,
                    seed=options.seed,
                    pace=pace,
                    run=run_id,
                    keep_in=options.keep_findings_in,
                    report=report,
                )
                orders += generated.orders
                writer.write("generated", **summary(generated))
            except GenerativeError as error:
                report(Result("GEN-000", "the generator", Level.MUST, Outcome.ERROR, str(error)))
        for info in cases:
            if info.id == WELL:
                drive(info, "at the end: ")
                laboratory.close()
        rows = codes.table(profile.contracts, results, _seen(generated))
        writer.write("codes", rows=[asdict(row) for row in rows])
        outcome = conclude(profile, options, folder, results, rows, preflight=findings, cases=cases)
        writer.write(
            "end",
            verdict=outcome.verdict,
            exit_status=outcome.exit_status,
            counts={one.value: count for one, count in outcome.counts.items()},
            cases=len({result.case for result in results}),
            seconds=round(time.monotonic() - started, 1),
            blocked=blocked(profile, results),
            surprises=list(outcome.surprises),
            baseline=asdict(baseline.apply(options.baseline, results, date.today())),
            orders=len(orders),
        )
        return outcome
    finally:
        (folder / "orders.txt").write_text("".join(f"{order}\n" for order in orders), encoding="utf-8")
        writer.close()
        for server in (issuer, canary):
            if server is not None:
                server.stop()


def _drive_all(cases: Sequence[CaseInfo], drive: Callable[[CaseInfo, str], bool], *, by_area: bool) -> None:
    """One case after the other, and after each area the one that asks whether the receiver is well."""
    well = next((info for info in cases if info.id == WELL), None)
    area = ""
    for info in cases:
        if info is well:
            continue
        if well is not None and by_area and area not in ("", info.area) and not drive(well, f"after {area}: "):
            return
        area = info.area
        if not drive(info, ""):
            return


def _worth_trying(cases: list[CaseInfo], findings: Sequence[preflight.Finding]) -> list[CaseInfo]:
    if any(not finding.ok and finding.id in ("PRE-1", "PRE-2", "PRE-4") for finding in findings):
        return []
    if all(finding.ok or not finding.fatal for finding in findings):
        return cases
    # A receiver whose TLS alone is broken, or that redirects everything, can still be told so.
    return [info for info in cases if info.id in _WITHOUT_DELIVERY]


def _pace(address: Address, profile: Profile, options: Options) -> float | None:
    nodes = [address] if profile.second_url is None else [address, Address.of(profile.second_url, profile.ca_file)]
    if options.pace is not None or all(node.on_loopback for node in nodes):
        return options.pace
    return PACE_ELSEWHERE


def summary(generated: GeneratedOutcome) -> dict[str, object]:
    """What the run keeps of its generated phase; the bytes of findings are kept beside."""
    return {
        "executed": generated.executed,
        "seconds": round(generated.seconds, 1),
        "findings": len(generated.findings),
        "warnings": list(generated.warnings),
        "errors": list(generated.errors),
        "notes": list(generated.notes),
        "seed": generated.seed,
        "complete": generated.complete,
        "replayed": generated.replayed,
        "keywords": {"valid": dict(generated.keywords.valid), "invalid": dict(generated.keywords.invalid)},
    }


def _look_before(
    address: Address, profile: Profile, options: Options, canary: Canary | None
) -> tuple[Address, list[preflight.Finding]]:
    nodes = [address] if profile.second_url is None else [address, Address.of(profile.second_url, profile.ca_file)]
    findings = [preflight.permission(node, options.allowed) for node in nodes]
    if not all(finding.ok for finding in findings):
        return address, findings
    findings.append(preflight.reachable(address))
    if not findings[-1].ok:
        return address, findings
    findings += [preflight.instruments(canary), preflight.hooks_answer(profile)]
    findings.append(preflight.contracts(profile))
    certificate = preflight.certificate(address)
    findings.append(certificate)
    if not certificate.ok and address.on_loopback:
        address = replace(address, verify=False)
    return address, findings


def _seen(generated: GeneratedOutcome | None) -> set[tuple[str, int]]:
    if generated is None:
        return set()
    return {(call.operation, call.status) for call in generated.calls if call.status is not None}


__all__ = ["Options", "RunOutcome", "chosen", "run", "summary"]
