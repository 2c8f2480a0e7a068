"""`webhooks drift`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from service.console.text import cut, escaped, minute
from service.drift import Kind
from service.inbox.drift_ledger import MAX_ROWS, NOT_TOLD_APART
from service.inbox.reader import Row

#: Of one place; a date in a wrong form is a new one each time.
_MAX_SHOWN = 10
_WIDTH = 34


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that came beyond the contract."""

    row: Row
    """As the inbox keeps it."""
    known_now: bool
    """The present contract has it."""

    @property
    def kind(self) -> str:
        """In the words of the reader."""
        kind: str = self.row["kind"]
        is_name = kind == Kind.VALUE and self.row["place"] == "/eventName"
        return "event name" if is_name else kind


def drift_json(findings: Sequence[Finding]) -> str:
    """The findings for a program: an array of objects."""
    return json.dumps([_public(finding) for finding in findings], indent=2, ensure_ascii=False)


def drift_text(findings: Sequence[Finding], *, left_out: int) -> str:
    """The findings for the eye; `left_out` were not asked for, because the contract knows them by now."""
    lines = list(_lines(findings)) if findings else ["Nothing beyond the contract was received."]
    if left_out:
        are, them = ("1 thing is", "it") if left_out == 1 else (f"{left_out} things are", "them")
        lines += ["", f"{are} left out, because the contract knows {them} by now; --all shows {them}."]
    return "\n".join(lines)


def _lines(findings: Sequence[Finding]) -> Iterator[str]:
    yield _line("NAME OR VALUE", "EVENTS", "SINCE", "LAST", "EXAMPLE: webhooks events show …")
    for heading, group in groupby(sorted(findings, key=_heading), key=_heading):
        rows = [finding.row for finding in group]
        yield heading
        for row in rows[:_MAX_SHOWN]:
            detail = cut(escaped(row["detail"]), _WIDTH) or "everything else"
            yield _line(
                f"  {detail}",
                row["events"],
                minute(row["first_at"]),
                minute(row["last_at"]),
                row["example_event_id"],
            )
        if len(rows) > _MAX_SHOWN:
            yield f"  and {len(rows) - _MAX_SHOWN} more; --json shows them"


def _heading(finding: Finding) -> str:
    row = finding.row
    by_now = ", known now" if finding.known_now else ""
    if row["kind"] == NOT_TOLD_APART:
        return f"{row['endpoint']}: not told apart, over {MAX_ROWS} different things here or 100 in one event"
    if finding.kind == "event name":
        return f"{row['endpoint']}: event name{by_now}"
    return f"{row['endpoint']}: {escaped(row['kind'])} at {escaped(row['place'] or 'the body')}{by_now}"


def _line(what: str, events: object, since: str, last: str, example: str) -> str:
    return f"{what:<{_WIDTH + 2}}  {events:>6}  {since:<17}  {last:<17}  {example}"


def _public(finding: Finding) -> dict[str, object]:
    row = finding.row
    return {
        "endpoint": row["endpoint"],
        "kind": finding.kind,
        "place": row["place"],
        "detail": row["detail"],
        "firstAt": row["first_at"],
        "lastAt": row["last_at"],
        "events": row["events"],
        "exampleEventId": row["example_event_id"],
        "knownNow": finding.known_now,
    }
