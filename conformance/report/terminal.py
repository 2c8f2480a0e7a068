"""The report for whoever sits at a terminal: worst first, the verdict last, where the eye is."""

from __future__ import annotations

import io

from rich.console import Console
from rich.table import Table
from rich.text import Text

from conformance.report.commands import curl_call, interpreter
from conformance.report.curl import command_of, notes_of
from conformance.report.lookup import Record, answered_by
from conformance.report.overview import (
    SEVERITY,
    CaseReport,
    Overview,
    area_title,
    first_of,
    generated_lines,
    overview,
)
from conformance.report.records import RunReader
from conformance.verdict import Outcome

WIDTH = 80
#: So many variants of a case are told one by one.
_TOLD = 3
#: So many reasons of blocked cases are told.
_TOLD_BLOCKED = 8
#: A longer command is not printed but called by its name.
_SHORT_COMMAND = 600
_STYLES = {
    Outcome.FAIL: "bold red",
    Outcome.ERROR: "bold magenta",
    Outcome.WEAK: "yellow",
    Outcome.BLOCKED: "cyan",
    Outcome.PASS: "green",
}


def render(run: RunReader) -> str:
    """The report as plain text, 80 columns wide."""
    text = io.StringIO()
    show(run, Console(file=text, width=WIDTH, force_terminal=False, color_system=None, legacy_windows=False))
    return text.getvalue()


def show(run: RunReader, console: Console) -> None:
    """Print the report."""
    seen = overview(run)
    _head(seen, console)
    for finding in seen.preflight:
        if not finding["ok"]:
            _line(console, "", f"{finding['id']} {finding['title']}: {finding['reason']}", "bold red")
    console.print(_areas(seen))
    noted: set[str] = set()
    for case in seen.worst_first(Outcome.FAIL):
        _failed(run, seen, case, console, noted)
    for case in seen.worst_first(Outcome.ERROR):
        _brief(case, Outcome.ERROR, console)
    for case in seen.worst_first(Outcome.WEAK):
        _brief(case, Outcome.WEAK, console)
    _blocked(seen, console)
    _rest(seen, console)
    console.print()
    good = seen.verdict.startswith("CONFORMANT")
    _line(
        console, "", seen.verdict_line, "bold green" if good else "bold red" if seen.conclusive else "bold yellow"
    )


def _head(seen: Overview, console: Console) -> None:
    run = seen.run
    _line(console, "", f"{run.get('target', '')} as {run.get('profile', '')}, suite {run.get('suite', '')}", "bold")
    _line(console, "", f"run {run.get('id', '')}, {run.get('started', '')}, contract {seen.contract}", "dim")


def _areas(seen: Overview) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="dim")
    table.add_column("area", no_wrap=True, overflow="ellipsis", max_width=32)
    present = [one for one in SEVERITY if seen.counts[one]]
    for name in ["cases", *present]:
        table.add_column(str(name), justify="right", no_wrap=True)
    for area, cases in seen.areas().items():
        counts = [sum(case.counts[one] for case in cases) for one in present]
        cells = [
            Text(str(n) if n else ".", style=_STYLES.get(one, "") if n else "dim")
            for one, n in zip(present, counts, strict=True)
        ]
        title = area_title(area)
        table.add_row(area if title == area else f"{area:<4} {title}", str(len(cases)), *cells)
    return table


def _failed(run: RunReader, seen: Overview, case: CaseReport, console: Console, noted: set[str]) -> None:
    records = case.having(Outcome.FAIL)
    console.print()
    of_all = f", {len(records)} of {len(case.results)} variants" if len(case.results) > 1 else ""
    _line(console, "", f"FAIL {case.name} ({case.level}{of_all})", _STYLES[Outcome.FAIL])
    for record in records[:_TOLD]:
        known = " [known: baseline]" if seen.baselined(record) else ""
        by = f" ({by})" if (by := answered_by(record)) else ""
        _line(console, "  ", f"{record['variant']}: {record['reason']}{by}{known}")
        if record["change"]:
            _line(console, "    ", f"change: {record['change']}", "dim")
    if len(records) > _TOLD:
        _line(console, "  ", f"and {len(records) - _TOLD} more")
    if case.consequence:
        _line(console, "  ", case.consequence, "bold")
    if case.fix:
        _line(console, "  ", f"Fix: {case.fix}")
    command = command_of(run, seen.run, records[0])
    if command is not None:
        if len(command) > _SHORT_COMMAND:
            command = curl_call(run.folder, records[0]["id"], interpreter())
        # What a shell has to know first is told once, not with each command.
        notes = [note for note in notes_of(seen.run, records[0], interpreter()) if note not in noted]
        noted.update(notes)
        command = "\n".join([*notes, command])
        # No wrapping: a line that is broken by the terminal itself can still be copied.
        console.print(Text("  " + command.replace("\n", "\n  ")), soft_wrap=True)


def _brief(case: CaseReport, outcome: Outcome, console: Console) -> None:
    records = case.having(outcome)
    more = f" (and {len(records) - 1} more)" if len(records) > 1 else ""
    console.print()
    _line(console, "", f"{outcome} {case.name} ({case.level})", _STYLES[outcome])
    _line(console, "  ", f"{records[0]['variant']}: {records[0]['reason']}{more}")


def _blocked(seen: Overview, console: Console) -> None:
    rows = seen.blocked()
    if not rows:
        return
    console.print()
    _line(console, "", f"BLOCKED: {len(rows)} case{'' if len(rows) == 1 else 's'} could not be tried", "cyan")
    together: dict[tuple[str, str, str], list[Record]] = {}
    for row in rows:
        note = f" [expected: {row.get('because') or 'in the profile'}]" if row.get("expected") else ""
        together.setdefault((row.get("needs") or "-", row["reason"], note), []).append(row)
    groups = sorted(together.items(), key=lambda item: -len(item[1]))
    for (needs, reason, note), some in groups[:_TOLD_BLOCKED]:
        count = f" {len(some)} cases:" if len(some) > _TOLD_BLOCKED else ""
        _line(console, "  ", f"needs {needs}:{count} {first_of([row['case'] for row in some])}", "cyan")
        _line(console, "    ", reason + note, "dim")
    rest = [row["case"] for _, some in groups[_TOLD_BLOCKED:] for row in some]
    if rest:
        _line(console, "  ", f"for other reasons, told in report.html: {len(rest)}: {first_of(rest)}", "cyan")


def _rest(seen: Overview, console: Console) -> None:
    lines = []
    if seen.generated is not None:
        lines += [f"generated: {text}" for text in generated_lines(seen.generated)]
    end = seen.end or {}
    known = end.get("baseline", {})
    lines += [f"baseline: {text} passes now; remove the entry" for text in known.get("passed", [])]
    lines += [f"baseline: {text} is past its day and covers nothing" for text in known.get("ended", [])]
    lines += seen.surprises
    if end.get("orders"):
        lines.append(f"{end['orders']} order numbers went out; they are in orders.txt")
    if lines:
        console.print()
    for line in lines:
        _line(console, "", line)


def _line(console: Console, indent: str, text: str, style: str = "") -> None:
    """One paragraph, wrapped under its own indent; texts of the receiver are no markup."""
    for piece in Text(_visible(text), style=style).wrap(console, max(20, min(console.width, WIDTH) - len(indent))):
        piece.rstrip()
        console.print(Text(indent) + piece, soft_wrap=True)


def _visible(text: str) -> str:
    """Without control characters: an answer must not steer the terminal."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
