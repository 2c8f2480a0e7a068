"""The generated phase as a part of a run: its findings become results under ids of the catalogue."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

from conformance.catalogue import catalogue
from conformance.contract.reading import Endpoint
from conformance.generative import (
    Finding,
    GeneratedOutcome,
    GenerativeError,
    GenerativeSettings,
    freeze,
    run_generated_phase,
)
from conformance.generative.values import AUTHORIZATION
from conformance.requests.rendering import Rendered
from conformance.requests.request import Channel, Framing
from conformance.results import Exchange, Result
from conformance.subject import Subject
from conformance.verdict import Level, Outcome
from conformance.wire.address import Address
from conformance.wire.answer import Answer

#: Findings that everybody's receiver is tried with.
REGRESSIONS = Path(str(files("conformance.vectors"))) / "regressions"
_MAX_EXAMPLES = 1000
_LONGEST_NAME = 120
#: The credentials of each scheme, as the subject has them shown.
_SHOWN = {"basic": "Basic [basic credentials]", "bearer": "Bearer [token]", "oauth": "Bearer [access token]"}


def run_generated(
    subject: Subject,
    address: Address,
    seconds: float,
    *,
    fresh: bool,
    seed: int | None = None,
    pace: float | None = None,
    run: str,
    keep_in: Path | None,
    report: Callable[[Result], None],
) -> GeneratedOutcome:
    """Run it for so many seconds at most and report every finding.

    Findings of earlier runs, kept as bytes in `keep_in`, are sent first; new ones are kept there. A fresh phase has
    the given seed, or one that nobody had.
    """
    profile = subject.profile

    def authorization(endpoint: str) -> str:
        mine = Endpoint(endpoint)
        return subject.authorization(mine, subject.operation(mine).schemes[0])

    endpoints = [endpoint for endpoint in subject.endpoints if endpoint in profile.contracts]
    outcome = run_generated_phase(
        GenerativeSettings(
            contracts={endpoint.value: profile.contracts[endpoint] for endpoint in endpoints},
            base_url=address.url,
            paths={endpoint.value: subject.operation(endpoint).path for endpoint in endpoints},
            authorization=authorization,
            ca_file=profile.ca_file,
            formats={
                endpoint.value: tuple(form.value for form in subject.forms(endpoint)) for endpoint in endpoints
            },
            budget_seconds=profile.answer_seconds,
            deterministic=not fresh and seed is None,
            seed=seed,
            time_budget=seconds,
            max_examples=_MAX_EXAMPLES,
            pace=pace,
            run=run,
            thorough=subject.full,
            regressions=(REGRESSIONS,) if keep_in is None else (REGRESSIONS, keep_in),
        ),
    )
    for variant, finding in zip(_variants(outcome.findings), outcome.findings, strict=True):
        mine = Endpoint(finding.operation)
        report(_result(finding, variant, _SHOWN[subject.operation(mine).schemes[0]]))
    if keep_in is not None:
        for finding in outcome.findings:
            if not finding.frozen and not finding.advisory:
                # A generated body can hold what an answer said before.
                request = subject.redactor.clean(finding.request)
                freeze(replace(finding, request=request), keep_in)
    for text in (*outcome.warnings, *outcome.errors):
        report(Result("GEN-000", "the generator", Level.MUST, Outcome.ERROR, text))
    return outcome


def _variants(findings: Iterable[Finding]) -> list[str]:
    """What each finding is, in words that are the same in every run, so that a baseline can name it; each once."""
    names: list[str] = []
    taken: set[tuple[str, str]] = set()
    for finding in findings:
        where = f"{finding.operation} as tXML" if finding.advisory else finding.operation
        name = f"generated: {where}, answer {finding.status or 'none'}: {finding.title}"[:_LONGEST_NAME]
        # Two checks can complain in the same words.
        for more in (f" ({finding.check})", f" ({finding.check}, {'weak' if finding.weak else 'firm'})"):
            if (finding.case_id, name) in taken:
                name = name.partition(" (")[0] + more
        taken.add((finding.case_id, name))
        names.append(name)
    return names


def _result(finding: Finding, variant: str, shown: str) -> Result:
    """`shown` stands for the credentials as the redactor would show them, so that they can be given back."""
    info = catalogue().get(finding.case_id)
    level = info.level if info is not None else Level.MUST
    broken = level is Level.MUST and not finding.weak
    outcome = Outcome.INFO if finding.advisory else Outcome.FAIL if broken else Outcome.WEAK
    head, _, body = finding.request.partition(b"\r\n\r\n")
    head = head.replace(AUTHORIZATION.encode(), shown.encode())
    line, *_ = head.decode("latin-1").split("\r\n")
    method, target = [*line.split(" "), "", ""][:2]
    fields = tuple(
        (name, value.strip())
        for name, _, value in (row.partition(":") for row in head.decode("latin-1").split("\r\n")[1:])
    )
    rendered = Rendered(method, target, fields, body, Framing(content_length=""), Channel(), "")
    body_of_answer = finding.response.partition(b"\r\n\r\n")[2]
    answer = Answer(
        finding.status,
        body=body_of_answer,
        raw=finding.response,
        failure="" if finding.status else "no answer",
    )
    return Result(
        finding.case_id,
        variant,
        level,
        outcome,
        finding.what,
        change=finding.what,
        endpoint=finding.operation,
        status=finding.status,
        exchanges=(Exchange("probe", answer, rendered),),
    )


__all__ = ["REGRESSIONS", "GenerativeError", "run_generated"]
