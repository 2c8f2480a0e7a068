"""One HTML file that needs nothing else: a matrix of cases and variants, with the evidence behind each.

What the matrix shows is embedded as JSON. The evidence is much more; it lies compressed in blocks of some results,
and a block is unpacked when somebody opens one of its results: so a run of thousands of results opens at once.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterator
from html import escape
from typing import Any

from conformance.oracle import consequence
from conformance.report import tables
from conformance.report.commands import INSTALLED, curl_call
from conformance.report.coverage import sentence_of
from conformance.report.curl import command_of, notes_of
from conformance.report.lookup import Record, answered_by, judged
from conformance.report.overview import SEVERITY, CaseReport, Overview, area_title, fate, overview
from conformance.report.page import filled, text_of
from conformance.report.records import RunReader
from conformance.verdict import Outcome

#: Of a body at most so many bytes are shown; of one that passed, few will look at more.
SHOWN_OF_PASS = 2_048
SHOWN = 65_536
_SHOWN_OF_HEAD = 16_384
#: So many variants of a case are told one by one on top.
_TOLD = 3
#: Results and bytes in one block of evidence.
_BLOCK_RESULTS = 60
_BLOCK_BYTES = 2_000_000


def render(run: RunReader) -> str:
    """The HTML document."""
    seen = overview(run)
    blocks = list(_blocks(run, seen))
    block_of = {id: n for n, block in enumerate(blocks) for id in block["results"]}
    parts = {
        "title": escape(f"{seen.verdict}: {seen.run.get('target', '')}"),
        "js": text_of("report.js"),
        "head": _head(seen),
        "failed": _failed(seen),
        "tables": tables.render(run, seen),
        "rows": script_json(_rows(seen, block_of)),
        "evidence": "\n".join(
            f'<script type="text/plain" id="evidence-{n}">{_packed(block)}</script>'
            for n, block in enumerate(blocks)
        ),
    }
    return filled("report.html", parts)


def script_json(value: Any) -> str:
    """JSON that can stand in a script element: nothing in it ends the element or begins a comment."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for char in "<>&\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text


def _packed(block: dict[str, Any]) -> str:
    text = json.dumps(block, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    return base64.b64encode(zlib.compress(text, 9)).decode()


# The matrix.


def _rows(seen: Overview, block_of: dict[str, int]) -> dict[str, Any]:
    return {
        "outcomes": [str(one) for one in SEVERITY],
        "areas": [
            {"id": area, "title": area_title(area), "cases": [_case(seen, case, block_of) for case in cases]}
            for area, cases in seen.areas().items()
        ],
    }


def _case(seen: Overview, case: CaseReport, block_of: dict[str, int]) -> dict[str, Any]:
    return {
        "id": case.id,
        "title": case.title,
        "level": case.level,
        "requirements": [[key, sentence_of(key)] for key in case.requirements],
        "consequence": case.consequence,
        "fix": case.fix,
        "hints": dict(case.hints),
        "variants": [
            [
                record["id"],
                record["variant"],
                SEVERITY.index(record["outcome"]),
                record["status"],
                record["reason"],
                record["change"],
                " ".join(record[name] for name in ("endpoint", "payload", "form", "scheme") if record[name]),
                block_of[record["id"]],
                int(seen.baselined(record)),
            ]
            for record in case.results
        ],
    }


# The evidence.


def _blocks(run: RunReader, seen: Overview) -> Iterator[dict[str, Any]]:
    results: dict[str, Any] = {}
    bodies = _Bodies(run)
    for record in seen.results:
        results[record["id"]] = _evidence(run, seen, record, bodies)
        if len(results) >= _BLOCK_RESULTS or bodies.bytes > _BLOCK_BYTES:
            yield {"results": results, "bodies": bodies.shown}
            results, bodies = {}, _Bodies(run)
    if results:
        yield {"results": results, "bodies": bodies.shown}


def _evidence(run: RunReader, seen: Overview, record: Record, bodies: _Bodies) -> dict[str, Any]:
    passed = record["outcome"] == "PASS"
    room = SHOWN_OF_PASS if passed else SHOWN
    command = None if passed else command_of(run, seen.run, record)
    if (command is None and judged(record) is not None) or (command is not None and len(command) > SHOWN):
        command = curl_call(run.folder, record["id"], INSTALLED)
    if command is not None:
        command = "\n".join([*notes_of(seen.run, record, INSTALLED), command])
    return {
        "expected": record["expected"],
        "needs": record["needs"],
        "fate": fate(record),
        "class": None if judged(record) is None else consequence(record["status"]).value,
        "by": answered_by(record),
        "curl": command,
        "exchanges": [
            {
                "purpose": one["purpose"],
                "order": one["order"],
                "request": None
                if one["request"] is None
                else {
                    "head": one["request"]["head"][:_SHOWN_OF_HEAD],
                    "body": bodies.put(one["request"]["body"], room),
                    "plain": one["request"]["plain"],
                },
                "answer": {
                    **one["answer"],
                    "head": one["answer"]["head"][:_SHOWN_OF_HEAD],
                    "body": bodies.put(one["answer"]["body"], room),
                },
            }
            for one in record["exchanges"]
        ],
    }


class _Bodies:
    """The bodies of one block, each once."""

    def __init__(self, run: RunReader) -> None:
        self._run = run
        self._known: dict[tuple[int, int], int] = {}
        self.shown: list[dict[str, Any]] = []
        self.bytes = 0

    def put(self, place: dict[str, int], room: int) -> int:
        """The number of a body within the block."""
        key = (place["at"], room)
        if key not in self._known:
            data = self._run.body(place)
            self._known[key] = len(self.shown)
            self.shown.append({"length": len(data), **_shown(data[:room])})
            self.bytes += min(len(data), room)
        return self._known[key]


def _shown(data: bytes) -> dict[str, str]:
    for cut in range(4):  # where the cut went through a character of several bytes
        try:
            return {"text": data[: len(data) - cut].decode()}
        except UnicodeDecodeError:
            continue
    return {"base64": base64.b64encode(data).decode()}


# What needs no script.


def _head(seen: Overview) -> str:
    about, end = seen.run, seen.end or {}
    kind = "good" if seen.verdict.startswith("CONFORMANT") else "bad" if seen.conclusive else "unclear"
    facts = [
        ("target", about.get("target")),
        ("profile", about.get("profile")),
        ("run", about.get("id")),
        ("started", about.get("started")),
        ("suite", about.get("suite")),
        ("contract", seen.contract),
        ("seconds", end.get("seconds")),
        ("orders sent", end.get("orders")),
        ("strict", "yes" if seen.strict else "no"),
    ]
    listed = "".join(f"<div><dt>{name}</dt><dd>{escape(str(value))}</dd></div>" for name, value in facts if value)
    _, _, rests_on = seen.verdict_line.partition(" - ")
    broken = seen.verdict_line.partition(" - ")[0].removeprefix(seen.verdict).removeprefix(": ")
    return (
        f'<h1 class="{kind}">{escape(seen.verdict)}</h1>'
        f'<p class="rests">{escape(". ".join(part for part in (broken, rests_on) if part))}.</p>'
        f'<dl class="facts">{listed}</dl>' + _troubles(seen)
    )


def _failed(seen: Overview) -> str:
    cases = seen.worst_first(Outcome.FAIL)
    if not cases:
        return ""
    return (
        f'<details class="failed" open><summary>What failed: {len(cases)}</summary><ol>'
        + "".join(f"<li>{_failure(seen, case)}</li>" for case in cases)
        + "</ol></details>"
    )


def _failure(seen: Overview, case: CaseReport) -> str:
    records = case.having(Outcome.FAIL)
    of_all = f", {len(records)} of {len(case.results)} variants" if len(case.results) > 1 else ""
    lines = [f"<b>{_evidence_link(records[0], case.name)}</b> <small>{case.level}{of_all}</small>"]
    for record in records[:_TOLD]:
        known = " (known: accepted by the baseline)" if seen.baselined(record) else ""
        reason = escape(f": {record['reason']}{known}")
        lines.append(_evidence_link(record, record["variant"] or record["id"]) + reason)
    if len(records) > _TOLD:
        lines.append(f"and {len(records) - _TOLD} more")
    does = fate(records[0])
    if does and does not in records[0]["reason"]:
        lines.append(escape(does))
    if case.consequence:
        lines.append(f"<b>{escape(case.consequence)}</b>")
    if case.fix:
        lines.append(f"Fix: {escape(case.fix)}")
    return "".join(f"<p>{line}</p>" for line in lines)


def _evidence_link(record: Record, text: str) -> str:
    return f'<a href="#{escape(record["id"])}">{escape(text)}</a>'


def _troubles(seen: Overview) -> str:
    end = seen.end or {}
    known = end.get("baseline", {})
    lines = [f"{one['id']} {one['title']}: {one['reason']}" for one in seen.preflight if not one["ok"]]
    lines += [f"Baseline: {text} passes now; remove the entry." for text in known.get("passed", [])]
    lines += [f"Baseline: {text} is past its day and covers nothing." for text in known.get("ended", [])]
    lines += seen.surprises
    part = seen.generated or {}
    lines += [f"Generated phase: {text}" for text in part.get("errors", [])]
    if part.get("complete") is False:
        lines.append("Generated phase: cut short by its time; not everything that it had in mind was sent.")
    return f'<ul class="troubles">{"".join(f"<li>{escape(one)}</li>" for one in lines)}</ul>' if lines else ""
