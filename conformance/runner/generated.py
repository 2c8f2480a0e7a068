"""The generated phase as a part of a run: its findings become results under ids of the catalogue."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

from conformance.catalogue import catalogue
from conformance.generative import (
    Finding,
    GeneratedOutcome,
    GenerativeError,
    GenerativeSettings,
    run_generated_phase,
)
from conformance.requests.rendering import Rendered
from conformance.requests.request import Channel, Framing
from conformance.results import Exchange, Result
from conformance.subject import Subject
from conformance.verdict import Level, Outcome
from conformance.wire.address import Address
from conformance.wire.answer import Answer

#: Where findings are frozen; they are sent first in the next run.
REGRESSIONS = Path(str(files("conformance.vectors"))) / "regressions"
_MAX_EXAMPLES = 1000


def run_generated(
    subject: Subject,
    address: Address,
    folder: Path,
    seconds: float,
    *,
    fresh: bool,
    run: str,
    report: Callable[[Result], None],
) -> GeneratedOutcome:
    """Run it for so many seconds at most and report every finding."""
    profile = subject.profile
    endpoints = [endpoint for endpoint in subject.endpoints if endpoint in profile.contracts]
    outcome = run_generated_phase(
        GenerativeSettings(
            contracts={endpoint.value: profile.contracts[endpoint] for endpoint in endpoints},
            base_url=address.url,
            paths={endpoint.value: subject.operation(endpoint).path for endpoint in endpoints},
            authorization=subject.authorization(endpoints[0], subject.operation(endpoints[0]).schemes[0]),
            ca_file=profile.ca_file,
            formats={
                endpoint.value: tuple(form.value for form in subject.forms(endpoint)) for endpoint in endpoints
            },
            budget_seconds=profile.answer_seconds,
            deterministic=not fresh,
            seed=None,
            time_budget=seconds,
            max_examples=_MAX_EXAMPLES,
            run=run,
            thorough=subject.full,
            regressions=REGRESSIONS,
        ),
        folder / "generated",
    )
    for number, finding in enumerate(outcome.findings):
        report(_result(finding, number))
    for text in (*outcome.warnings, *outcome.errors):
        report(Result("GEN-000", "the generator", Level.MUST, Outcome.ERROR, text))
    return outcome


def _result(finding: Finding, number: int) -> Result:
    info = catalogue().get(finding.case_id)
    level = info.level if info is not None else Level.MUST
    broken = level is Level.MUST and not finding.weak
    outcome = Outcome.INFO if finding.advisory else Outcome.FAIL if broken else Outcome.WEAK
    head, _, body = finding.request.partition(b"\r\n\r\n")
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
        f"generated {number + 1}: {finding.title}"[:120],
        level,
        outcome,
        finding.what,
        change=finding.what,
        endpoint=finding.operation,
        status=finding.status,
        exchanges=(Exchange("probe", answer, rendered),),
    )


__all__ = ["REGRESSIONS", "GenerativeError", "run_generated"]
