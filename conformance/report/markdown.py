"""The report for the summary of a CI job (`$GITHUB_STEP_SUMMARY`)."""

from __future__ import annotations

import html
import re

from conformance.report.commands import INSTALLED
from conformance.report.curl import command_of, notes_of
from conformance.report.lookup import answered_by
from conformance.report.overview import SEVERITY, CaseReport, Overview, area_title, generated_lines, overview
from conformance.report.records import RunReader
from conformance.verdict import Outcome

#: GitHub takes 1 MiB a step and shows nothing of a longer one.
_ROOM = 900_000
_TOLD = 5
_SHORT_COMMAND = 8_000


def render(run: RunReader) -> str:
    """The Markdown text."""
    seen = overview(run)
    about = seen.run
    blocks = [
        f"## {plain(seen.verdict)}",
        plain(seen.verdict_line),
        f"{_code(about.get('target', ''))} as {_code(about.get('profile', ''))}, suite "
        f"{plain(about.get('suite', ''))}, contract {_code(seen.contract)}, "
        f"run {_code(about.get('id', ''))} of {plain(about.get('started', ''))}",
    ]
    refused = [one for one in seen.preflight if not one["ok"]]
    if refused:
        blocks.append(
            "\n".join(f"- **{one['id']}** {plain(one['title'])}: {plain(one['reason'])}" for one in refused)
        )
    blocks.append(_areas(seen))
    if seen.generated is not None:
        told = [f"- {plain(text)}" for text in generated_lines(seen.generated)]
        blocks.append("\n".join(["Generated bodies:", "", *told]))
    blocks += [_failed(run, seen, case) for case in seen.worst_first(Outcome.FAIL)]
    for outcome in (Outcome.ERROR, Outcome.WEAK):
        if cases := seen.worst_first(outcome):
            blocks.append(f"### {outcome}\n\n" + "\n".join(_brief(case, outcome) for case in cases))
    if rows := seen.blocked():
        lines = ["### BLOCKED", "", "| case | needs | reason | expected |", "| --- | --- | --- | --- |"]
        for row in rows:
            expected = plain(row.get("because") or "yes") if row.get("expected") else "no"
            lines.append(f"| {row['case']} | {plain(row['needs'])} | {plain(row['reason'])} | {expected} |")
        blocks.append("\n".join(lines))
    return _fitting(blocks)


def plain(value: object) -> str:
    """Plain text: neither HTML nor Markdown nor a new line."""
    line = html.escape(" ".join(str(value).split()), quote=False)
    return re.sub(r"([\\`*_\[\]|~])", r"\\\1", line)


def _areas(seen: Overview) -> str:
    present = [one for one in SEVERITY if seen.counts[one]]
    lines = [
        "| area | cases | " + " | ".join(present) + " |",
        "| --- | ---: | " + " | ".join("---:" for _ in present) + " |",
    ]
    for area, cases in seen.areas().items():
        counts = " | ".join(str(sum(case.counts[one] for case in cases) or "") for one in present)
        lines.append(f"| {area} {plain(area_title(area))} | {len(cases)} | {counts} |")
    return "\n".join(lines)


def _failed(run: RunReader, seen: Overview, case: CaseReport) -> str:
    records = case.having(Outcome.FAIL)
    lines = [f"### FAIL {plain(case.name)}", ""]
    lines.append(
        f"{case.level}, {', '.join(case.requirements) or 'no requirement'}; {len(records)} of "
        f"{len(case.results)} variants."
    )
    lines.append("")
    for record in records[:_TOLD]:
        by = f" ({plain(by)})" if (by := answered_by(record)) else ""
        known = " - known (baseline)" if seen.baselined(record) else ""
        change = f"; change: {plain(record['change'])}" if record["change"] else ""
        lines.append(f"- **{plain(record['variant'])}**: {plain(record['reason'])}{by}{change}{known}")
    if len(records) > _TOLD:
        lines.append(f"- and {len(records) - _TOLD} more")
    if case.consequence:
        lines += ["", f"**{plain(case.consequence)}**"]
    if case.fix:
        lines += ["", f"Fix: {plain(case.fix)}"]
    command = command_of(run, seen.run, records[0])
    if command is not None and len(command) <= _SHORT_COMMAND:
        notes = notes_of(seen.run, records[0], INSTALLED)
        fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", command)), default=0))
        lines += [
            "",
            "<details><summary>curl</summary>",
            "",
            f"{fence}sh",
            *notes,
            command,
            fence,
            "",
            "</details>",
        ]
    return "\n".join(lines)


def _brief(case: CaseReport, outcome: Outcome) -> str:
    records = case.having(outcome)
    more = f" (and {len(records) - 1} more)" if len(records) > 1 else ""
    return f"- **{plain(case.name)}**: {plain(records[0]['variant'])}: {plain(records[0]['reason'])}{more}"


def _fitting(blocks: list[str]) -> str:
    text = ""
    for n, block in enumerate(blocks):
        if len((text + block).encode()) > _ROOM:
            return text + f"...and {len(blocks) - n} more parts; see the HTML report.\n"
        text += block + "\n\n"
    return text


def _code(value: object) -> str:
    return "`" + str(value).replace("`", "'") + "`"
