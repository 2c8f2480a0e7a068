"""The table of response codes: which codes of the served contracts were elicited for their intended cause."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from conformance import yaml_text
from conformance.contract.reading import Endpoint
from conformance.results import Result
from conformance.verdict import Outcome


@dataclass(frozen=True, slots=True)
class CodeRow:
    """One code of one endpoint."""

    endpoint: str
    code: int
    state: str
    """`elicited`: a case wanted exactly this code and got it; `seen`: it came up otherwise; `not seen`."""
    by: tuple[str, ...]
    """Up to five cases that elicited it."""


@cache
def declared_codes(contract: Path) -> tuple[int, ...]:
    """The codes that a served OpenAPI document declares for its only operation."""
    document = yaml_text.read(contract.read_text(encoding="utf-8"))
    codes = {
        int(code) for item in document["paths"].values() for code in item["post"]["responses"] if code.isdigit()
    }
    return tuple(sorted(codes))


def table(
    contracts: Mapping[Endpoint, Path], results: Iterable[Result], also_seen: Iterable[tuple[str, int]] = ()
) -> tuple[CodeRow, ...]:
    """One row for each code of each contract; `also_seen` are (endpoint, code) pairs of the generated phase."""
    elicited: dict[tuple[str, int], list[str]] = {}
    seen = set(also_seen)
    for result in results:
        if result.status is None:
            continue
        key = (result.endpoint, result.status)
        seen.add(key)
        wanted = result.codes or ((200, 202) if result.status in (200, 202) else ())
        if result.outcome is Outcome.PASS and result.status in wanted:
            cases = elicited.setdefault(key, [])
            if result.case not in cases:
                cases.append(result.case)
    rows = []
    for endpoint, contract in contracts.items():
        for code in declared_codes(contract):
            key = (endpoint.value, code)
            state = "elicited" if key in elicited else "seen" if key in seen else "not seen"
            rows.append(CodeRow(endpoint.value, code, state, tuple(elicited.get(key, ())[:5])))
    return tuple(rows)
