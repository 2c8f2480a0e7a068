"""Several runs side by side: a row for each case, a column for each run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from conformance.report.markdown import plain
from conformance.report.overview import CaseReport, Overview, overview, place
from conformance.report.page import filled
from conformance.report.records import RunReader

NOT_RUN = "not run"


@dataclass(frozen=True, slots=True)
class Comparison:
    """What the columns and rows say."""

    names: tuple[str, ...]
    """Of the runs: profile and target; with the folder too where two runs have the same."""
    facts: tuple[tuple[str, tuple[str, ...]], ...]
    """Rows about the runs as a whole, each with its name."""
    cases: tuple[tuple[CaseReport, tuple[str, ...]], ...]
    """Of each case that one of the runs has, the worst outcome in each of them."""


def compare(runs: Sequence[RunReader]) -> Comparison:
    """Read the runs; the columns keep their order."""
    seen = [overview(run) for run in runs]
    columns = [{case.id: case for case in one.cases} for one in seen]
    known = {id: case for column in reversed(columns) for id, case in column.items()}
    facts = (
        ("verdict", tuple(one.verdict_line for one in seen)),
        ("suite", tuple(str(one.run.get("suite", "")) for one in seen)),
        ("contract", tuple(one.contract for one in seen)),
    )
    cases = tuple(
        (case, tuple(str(column[case.id].worst) if case.id in column else NOT_RUN for column in columns))
        for case in sorted(known.values(), key=place)
    )
    return Comparison(_names(runs, seen), facts, cases)


def to_markdown(found: Comparison) -> str:
    """The matrix as a table of Markdown."""
    lines = [_row(["case", "level", *found.names]), _row(["---"] * (2 + len(found.names)), raw=True)]
    lines += [_row([name, "", *values]) for name, values in found.facts]
    lines += [_row([case.name, case.level, *outcomes]) for case, outcomes in found.cases]
    return "\n".join(lines) + "\n"


def to_html(found: Comparison) -> str:
    """The matrix as one HTML file that needs nothing else."""
    rows = [
        _cells("th", [name, ""])
        + "".join(_cell(name_of_run, escape(one)) for name_of_run, one in zip(found.names, values, strict=True))
        for name, values in found.facts
    ]
    table = [f"<tr>{row}</tr>" for row in rows]
    for case, outcomes in found.cases:
        kind = "same" if len(set(outcomes)) == 1 else "differs"
        cells = "".join(
            _cell(name, f'<span class="badge {one.replace("/", "").replace(" ", "-")}">{escape(one)}</span>')
            for name, one in zip(found.names, outcomes, strict=True)
        )
        table.append(f'<tr class="{kind}">{_cells("th", [case.name])}{_cell("level", case.level)}{cells}</tr>')
    return filled(
        "comparison.html",
        {
            "title": escape(f"{len(found.names)} runs side by side"),
            "head": _cells("th", ["case", "level", *found.names]),
            "rows": "\n".join(table),
        },
    )


def _names(runs: Sequence[RunReader], seen: Sequence[Overview]) -> tuple[str, ...]:
    names = [f"{one.run.get('profile', '?')} at {one.run.get('target', '?')}" for one in seen]
    return tuple(
        name if names.count(name) == 1 else f"{name} ({run.folder.name})"
        for name, run in zip(names, runs, strict=True)
    )


def _row(cells: Sequence[str], *, raw: bool = False) -> str:
    return f"| {' | '.join(cells if raw else map(plain, cells))} |"


def _cell(head: str, content: str) -> str:
    """A cell that says on a narrow screen, where there is no head, which column it is of."""
    return f'<td data-head="{escape(head)}">{content}</td>'


def _cells(tag: str, texts: Sequence[str]) -> str:
    return "".join(f"<{tag}>{escape(text)}</{tag}>" for text in texts)
