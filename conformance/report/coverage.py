"""What a run covered: sentences of the contract, event names that were sent, keywords of its schemas."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from conformance.catalogue import catalogue
from conformance.contract.reading import Payload, event_names
from conformance.report.overview import Overview
from conformance.report.records import RunReader
from conformance.requirements import requirements
from conformance.verdict import Outcome

_JUDGED = frozenset({Outcome.PASS, Outcome.WEAK, Outcome.FAIL, Outcome.INFO})
_EVENT_NAME = re.compile(rb'"eventName"\s*:\s*"([^"\\]+)"|<eventName[^<>]*>([^<]+)<')


@dataclass(frozen=True, slots=True)
class RequirementRow:
    """One sentence of the contract in one run."""

    key: str
    sentence: str
    state: str
    """`tested`, `blocked`, `not applicable`, `not run`, `not testable` or `no case`."""
    cases: tuple[str, ...]
    """That the catalogue has for it."""
    failed: tuple[str, ...]
    reason: str = ""
    """Why it is blocked or not testable."""


@dataclass(frozen=True, slots=True)
class EventRow:
    """One documented event name in one run."""

    payload: str
    name: str
    sent: int
    """Requests that carried it, controls included."""
    delivered: int
    """Those of them that were answered by a 2xx."""


@dataclass(frozen=True, slots=True)
class KeywordRow:
    """One keyword of JSON Schema in the generated phase of one run."""

    keyword: str
    met: int
    """Times that a valid body met it."""
    broken: int
    """Times that an invalid body broke it."""


def sentence_of(key: str) -> str:
    """The sentence behind a key, empty if it is not known."""
    known = requirements().get(key)
    return "" if known is None else known.sentence


def requirement_rows(seen: Overview) -> list[RequirementRow]:
    """One row for each requirement that the suite knows."""
    cases: dict[str, list[str]] = {key: [] for key in requirements()}
    for info in catalogue().values():
        for key in info.requirements:
            cases.setdefault(key, []).append(info.id)
    reports = {case.id: case for case in seen.cases}
    rows = []
    for key in sorted(cases, key=natural):
        ran = [reports[id] for id in cases[key] if id in reports]
        outcomes = {outcome for case in ran for outcome in case.counts}
        reason = ""
        if outcomes & _JUDGED:
            state = "tested"
        elif Outcome.BLOCKED in outcomes:
            state = "blocked"
            reasons = {record["reason"] for case in ran for record in case.having(Outcome.BLOCKED)}
            reason = "; ".join(sorted(reasons))
        elif Outcome.NOT_APPLICABLE in outcomes:
            state = "not applicable"
        elif not cases[key]:
            reason = requirements()[key].untested
            state = "not testable" if reason else "no case"
        else:
            state = "not run"
        failed = tuple(case.id for case in ran if Outcome.FAIL in case.counts)
        rows.append(RequirementRow(key, sentence_of(key), state, tuple(cases[key]), failed, reason))
    return rows


def event_rows(run: RunReader, seen: Overview) -> list[EventRow]:
    """One row for each documented event name of each payload."""
    sent: Counter[tuple[str, str]] = Counter()
    delivered: Counter[tuple[str, str]] = Counter()
    for payload, name, status in _names_sent(run, seen):
        sent[payload, name] += 1
        delivered[payload, name] += status is not None and 200 <= status <= 299
    return [
        EventRow(payload.value, name, sent[payload, name], delivered[payload, name])
        for payload in Payload
        for name in event_names(payload)
    ]


def keyword_rows(seen: Overview) -> list[KeywordRow]:
    """One row for each keyword that generated bodies met or broke; none if nothing was generated."""
    found = (seen.generated or {}).get("keywords", {"valid": {}, "invalid": {}})
    met, broken = found["valid"], found["invalid"]
    return [KeywordRow(one, met.get(one, 0), broken.get(one, 0)) for one in sorted({*met, *broken})]


def natural(key: str) -> list[tuple[int, str]]:
    """Sorts keys of requirements: R-EVT-2 before R-EVT-10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", key)]


def _names_sent(run: RunReader, seen: Overview) -> Iterator[tuple[str, str, int | None]]:
    names: dict[int, str | None] = {}
    for record in seen.results:
        for exchange in record["exchanges"]:
            request = exchange["request"]
            if request is None:
                continue
            place = request["body"]
            if place["at"] not in names:
                found = _EVENT_NAME.search(run.body(place))
                names[place["at"]] = (found[1] or found[2]).decode("utf-8", "replace") if found else None
            name = names[place["at"]]
            if name is not None:
                yield record["payload"], name, exchange["answer"]["status"]
