"""Findings that are known and accepted for a while: each with its reason and the day on which that ends.

A baselined FAIL stays a FAIL in the report; only the exit status passes over it. One that passes is told too,
because a list of excuses that nobody shortens soon excuses everything.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from conformance import yaml_text
from conformance.catalogue import catalogue
from conformance.results import Result
from conformance.verdict import Outcome

#: What was found by a generated body and fits no case.
_UNMAPPED = "GEN-000"
_HINDERED = frozenset({Outcome.FAIL, Outcome.WEAK, Outcome.BLOCKED, Outcome.ERROR})


class BaselineError(Exception):
    """The file cannot be used."""


class Entry(BaseModel):
    """One accepted finding."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    case: str
    variant: str
    """`*` stands for every variant of the case."""
    reason: str
    until: date
    """The last day on which it is accepted."""

    def covers(self, result: Result) -> bool:
        """Whether it is about this result."""
        return self.case == result.case and self.variant in ("*", result.variant)


@dataclass(frozen=True, slots=True)
class BaselineOutcome:
    """What the baseline did to a run."""

    accepted: tuple[str, ...] = ()
    """`case variant` of the failures that it covers."""
    passed: tuple[str, ...] = ()
    """Entries whose finding is gone: remove them."""
    ended: tuple[str, ...] = ()
    """Entries past their day: they cover nothing any more."""


def load(path: Path) -> tuple[Entry, ...]:
    """The entries of a file.

    Raises:
        BaselineError: it cannot be read, an entry has no reason or no day, or no case is called so.
    """
    try:
        rows = yaml_text.read(path.read_text(encoding="utf-8")) or []
        entries = tuple(Entry.model_validate(row) for row in rows)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, TypeError) as error:
        raise BaselineError(f"{path}: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        raise BaselineError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    for entry in entries:
        if entry.case not in catalogue() and entry.case != _UNMAPPED:
            raise BaselineError(f"{path}: no case is called {entry.case}; `list` shows them all")
    return entries


def apply(entries: Iterable[Entry], results: Iterable[Result], today: date) -> BaselineOutcome:
    """Hold the entries against what a run found."""
    found = list(results)
    accepted: list[str] = []
    passed: list[str] = []
    ended: list[str] = []
    for entry in entries:
        name = f"{entry.case} {entry.variant}"
        about = [result for result in found if entry.covers(result)]
        outcomes = {result.outcome for result in about}
        failures = [result for result in about if result.outcome in (Outcome.FAIL, Outcome.WEAK)]
        if entry.until < today:
            ended.append(name)
        elif failures:
            accepted += [f"{result.case} {result.variant}" for result in failures]
        elif Outcome.PASS in outcomes and not outcomes & _HINDERED:  # N/A and INFO say nothing of the finding
            passed.append(name)
    return BaselineOutcome(tuple(accepted), tuple(passed), tuple(ended))
