"""A list of excuses that has to become shorter."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from conformance.baseline import BaselineError, Entry, apply, load
from conformance.results import Result
from conformance.verdict import Level, Outcome

TODAY = date(2026, 8, 1)
ENTRY = Entry(case="DEL-09", variant="*", reason="soon", until=TODAY)


def _results(*outcomes: Outcome) -> list[Result]:
    return [Result("DEL-09", f"v{n}", Level.MUST, outcome, "") for n, outcome in enumerate(outcomes)]


@pytest.mark.parametrize(
    ("outcomes", "passed"),
    [
        ((Outcome.PASS,), True),
        ((Outcome.PASS, Outcome.NOT_APPLICABLE, Outcome.INFO), True),
        ((Outcome.NOT_APPLICABLE, Outcome.INFO), False),
        ((Outcome.PASS, Outcome.BLOCKED), False),
        ((Outcome.PASS, Outcome.ERROR), False),
        ((Outcome.PASS, Outcome.FAIL), False),
        ((Outcome.PASS, Outcome.WEAK), False),
        ((), False),
    ],
)
def test_an_entry_is_to_be_removed_when_nothing_is_wrong_and_something_passed(
    outcomes: tuple[Outcome, ...], passed: bool
) -> None:
    found = apply([ENTRY], _results(*outcomes), TODAY)

    assert found.passed == (("DEL-09 *",) if passed else ())
    assert bool(found.accepted) == bool({Outcome.FAIL, Outcome.WEAK} & set(outcomes))


def _file(folder: Path, case: str) -> Path:
    path = folder / "baseline.yaml"
    path.write_text(f'- {{case: {case}, variant: "*", reason: soon, until: 2027-01-31}}\n', encoding="utf-8")
    return path


def test_a_case_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(BaselineError, match="no case is called DEL-90"):
        load(_file(tmp_path, "DEL-90"))


@pytest.mark.parametrize("case", ["DEL-09", "GEN-000"])
def test_a_case_that_exists_is_taken(tmp_path: Path, case: str) -> None:
    assert [entry.case for entry in load(_file(tmp_path, case))] == [case]
