"""Runs the generated phase: frozen findings first, then Schemathesis for each endpoint, then the judgement."""

from __future__ import annotations

import json
import secrets
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from conformance.generative.contract import ServedContract
from conformance.generative.credentials import KnownCredentials
from conformance.generative.frozen import frozen, over_network, replay
from conformance.generative.hook_settings import AUTHORIZATION_VARIABLE, SETTINGS_VARIABLE
from conformance.generative.identity import order_numbers
from conformance.generative.journal import Recorded, calls
from conformance.generative.judging import Wrong, wrongs
from conformance.generative.mapping import case_of
from conformance.generative.process import Ended, configuration, load, prepared, start, written_report
from conformance.generative.values import (
    Call,
    Expectation,
    Finding,
    GeneratedOutcome,
    GenerativeSettings,
    Keywords,
)
from conformance.oracle import Consequence, consequence

# Schemathesis' warnings that say that something was not tested as meant. Those about rates compare its own labels.
_WARNINGS_OF_NOTE = frozenset(
    {
        "missing_auth",
        "base_url_mismatch",
        "unsupported_regex",
        "unresolvable_reference",
        "rate_limited",
        "missing_deserializer",
    }
)
_LONGEST_NOTE = 500
_USED_CHECKS = ("response_schema_conformance",)
_OTHER_CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "positive_data_acceptance",
    "negative_data_rejection",
    "use_after_free",
    "ensure_resource_availability",
    "missing_required_header",
    "ignored_auth",
    "object_level_authorization",
    "unsupported_method",
    "allow_header_conformance",
)


def run_generated_phase(settings: GenerativeSettings) -> GeneratedOutcome:
    """Generates, sends, judges. Findings are results; raises GenerativeError when nothing could be generated.

    Nothing is left on disk: what Schemathesis writes, answers and all, was not made with secrets in mind.
    """
    started = time.monotonic()
    seed = settings.seed
    if settings.deterministic:
        seed = None
    elif seed is None:
        seed = secrets.randbits(32)
    gathered = _Gathered()
    replayed = _replay_frozen(settings, gathered)
    endpoints = list(settings.contracts)
    for n, endpoint in enumerate(endpoints):
        left = None
        if settings.time_budget is not None:
            spent = time.monotonic() - started
            left = max(1.0, (settings.time_budget - spent) / (len(endpoints) - n))
        with tempfile.TemporaryDirectory(prefix="tcconf-") as folder:
            _generate(settings, endpoint, Path(folder), seed, left, gathered)
    return GeneratedOutcome(
        findings=gathered.findings(),
        calls=tuple(gathered.calls),
        warnings=tuple(gathered.warnings),
        errors=tuple(gathered.errors),
        executed=len(gathered.calls),
        seconds=time.monotonic() - started,
        keywords=Keywords(dict(gathered.met), dict(gathered.broken)),
        complete=gathered.complete,
        seed=seed,
        replayed=replayed,
        notes=tuple(gathered.notes),
        orders=tuple(gathered.orders),
    )


@dataclass(slots=True)
class _Gathered:
    """What has been seen so far."""

    calls: list[Call] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    orders: dict[str, None] = field(default_factory=dict)
    """In order, each once."""
    met: Counter[str] = field(default_factory=Counter)
    broken: Counter[str] = field(default_factory=Counter)
    complete: bool = True
    _findings: dict[tuple[object, ...], Finding] = field(default_factory=dict)

    def add(self, finding: Finding) -> None:
        """One finding for each kind of wrong answer, shown by its smallest request."""
        key = (finding.case_id, finding.operation, finding.check, finding.status, finding.advisory, finding.weak)
        known = self._findings.get(key)
        if known is None:
            self._findings[key] = finding
            return
        smaller = finding if len(finding.request) < len(known.request) else known
        self._findings[key] = replace(smaller, occurrences=known.occurrences + finding.occurrences)

    def findings(self) -> tuple[Finding, ...]:
        """Firm ones first."""
        return tuple(sorted(self._findings.values(), key=lambda f: (f.weak, f.advisory, f.case_id, f.operation)))


def _generate(
    settings: GenerativeSettings,
    endpoint: str,
    folder: Path,
    seed: int | None,
    time_limit: float | None,
    gathered: _Gathered,
) -> None:
    contract = load(settings.contracts[endpoint])
    served = ServedContract(contract)
    path, authorization = settings.paths[endpoint], settings.authorization(endpoint)
    claimed = prepared(contract, path, settings.formats[endpoint], thorough=settings.thorough)
    (folder / "contract.json").write_text(json.dumps(claimed), encoding="utf-8")
    (folder / "schemathesis.toml").write_text(configuration(_configured(settings)), encoding="utf-8")
    journal, report = folder / "journal.ndjson", folder / "report.json"
    arguments = ["--config-file", "schemathesis.toml", "run", "contract.json", "--url", settings.base_url]
    arguments += ["--report-json-path", report.name, "--phases", ",".join(settings.phases)]
    if seed is not None:
        arguments += ["--seed", str(seed)]
    handed: dict[str, Any] = {"endpoint": endpoint, "run": settings.run, "thorough": settings.thorough}
    handed["journal"] = str(journal.resolve())
    environment = {SETTINGS_VARIABLE: json.dumps(handed), AUTHORIZATION_VARIABLE: authorization}
    ended = start(arguments, folder, environment, time_limit)
    before = len(gathered.calls)
    for call in calls(journal, endpoint):
        gathered.orders.update(dict.fromkeys(order_numbers(call.body)))
        _judge(call, served, settings, gathered)
    known = KnownCredentials(authorization)
    _account_for(ended, report, endpoint, len(gathered.calls) - before, gathered, known)


def _configured(settings: GenerativeSettings) -> dict[str, Any]:
    values: dict[str, Any] = {
        "hooks": "conformance.generative.hooks",
        "max-redirects": 0,
        # They complain of slow generation and large examples, which end a run and say nothing of the receiver.
        "suppress-health-check": ["all"],
        "continue-on-failure": True,
        "request-timeout": settings.budget_seconds + 2,
        "tls-verify": str(settings.ca_file.resolve()) if settings.ca_file else True,
        "headers": {"Authorization": "${" + AUTHORIZATION_VARIABLE + "}"},
        "generation": {
            "deterministic": settings.deterministic,
            "database": "none",
            "max-examples": settings.max_examples,
            # Of several requests that show a finding the smallest is kept; shrinking would send thousands more.
            "no-shrink": True,
        },
        # The calls are judged from the journal, by the same rules for every phase and with the contract's own word.
        "checks": {name: {"enabled": name in _USED_CHECKS} for name in (*_USED_CHECKS, *_OTHER_CHECKS)},
    }
    if settings.pace is not None:
        per_minute = max(1, int(settings.pace * 60))
        values["rate-limit"] = f"{per_minute}/m" if settings.pace < 1 else f"{int(settings.pace)}/s"
    return values


def _judge(
    call: Recorded,
    served: ServedContract,
    settings: GenerativeSettings,
    gathered: _Gathered,
) -> None:
    media_type = call.header("Content-Type")
    if call.method == "POST":
        verdict = served.judge(media_type, call.body)
        claimed = settings.formats[call.endpoint]
        expectation, features = verdict.expectation, list(verdict.features)
        if expectation is not Expectation.INVALID:
            gathered.met.update(verdict.keywords)
        else:
            gathered.broken.update(verdict.keywords)
        if "xml" in media_type and "txml" not in claimed:
            expectation = Expectation.INVALID
        reason = verdict.reason
    else:
        expectation, features, reason = Expectation.INVALID, [], f"method {call.method}"
    what = call.kind
    if reason or features:
        what += f" [{'; '.join([*filter(None, [reason]), *features])}]"
    gathered.calls.append(
        Call(
            operation=call.endpoint,
            label=call.label,
            expectation=expectation,
            what=what,
            media_type=media_type,
            status=call.status,
            seconds=call.seconds,
            fingerprint=call.fingerprint,
        )
    )
    for wrong in wrongs(call, expectation, settings.budget_seconds):
        gathered.add(_finding(call, wrong, expectation, what, settings))


def _finding(
    call: Recorded,
    wrong: Wrong,
    expectation: Expectation,
    what: str,
    settings: GenerativeSettings,
) -> Finding:
    media_type = call.header("Content-Type")
    case_id = case_of(wrong.check, what, call.endpoint, media_type, call.status)
    return Finding(
        case_id=case_id,
        operation=call.endpoint,
        title=wrong.title,
        what=what,
        request=call.request(urlsplit(settings.base_url).netloc),
        status=call.status,
        response=call.response(),
        check=wrong.check,
        expectation=expectation,
        advisory="xml" in media_type,
        # Nowhere is it said that null stands for absent: that it is refused only informs (FWD-11).
        weak=wrong.weak or (case_id == "FWD-11" and consequence(call.status) is Consequence.REFUSED),
    )


def _account_for(
    ended: Ended, report: Path, endpoint: str, made: int, gathered: _Gathered, known: KnownCredentials
) -> None:
    """Warnings, errors and an early end: what was not tested must be seen."""
    tail = known.clean_text(ended.output).strip()[-2000:]
    if not ended.on_time:
        gathered.complete = False
    written = written_report(report)
    if made == 0:
        gathered.errors.append(f"{endpoint}: nothing was sent. {tail}")
    elif ended.on_time and not written:
        gathered.errors.append(f"{endpoint}: the generator ended with status {ended.status}. {tail}")
    gathered.errors += [f"{endpoint}: {known.clean_text(json.dumps(error))}" for error in written.get("errors", ())]
    for name, about in written.get("warnings", {}).items():
        if about:
            text = f"{endpoint}: {name.replace('_', ' ')}: {known.clean_text(json.dumps(about))}"[:_LONGEST_NOTE]
            (gathered.warnings if name in _WARNINGS_OF_NOTE else gathered.notes).append(text)


def _replay_frozen(settings: GenerativeSettings, gathered: _Gathered) -> int:
    replayed = 0
    for n, kept in enumerate(one for folder in settings.regressions for one in frozen(folder)):
        if kept.operation not in settings.contracts:
            continue
        replayed += 1
        authorization = settings.authorization(kept.operation)
        send = over_network(settings.base_url, settings.ca_file, authorization, settings.budget_seconds + 2)
        addressed = kept.addressed(settings.paths[kept.operation], f"TCCONF-{settings.run}-REG-{n}")
        gathered.orders.update(dict.fromkeys(order_numbers(addressed.request)))
        if settings.pace is not None and replayed > 1:
            time.sleep(1 / settings.pace)
        finding = replay(addressed, send)
        if finding is not None:
            gathered.add(finding)
    return replayed
