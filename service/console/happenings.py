"""What happened to an event after it was stored: what it changed, who got it, what operators did."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from handlers.interface import Change, ChangeKind
from service.console.text import escaped, minute

#: Of one handover; a destination that is away for a week is tried hundreds of times.
_MAX_ATTEMPTS = 10
#: Of one event.
_MAX_CHANGES = 100
#: What comes after dates, quantities, prices, status and requests.
_LATER = {ChangeKind.ITEM: 1, ChangeKind.DOCUMENT: 1, ChangeKind.OTHER: 2}


def what_happened(row: Mapping[str, Any]) -> Iterator[str]:
    """Lines about one event, each part with an empty line before it."""
    if row["effect"]:
        for line in effect_lines(row["effect"], limit=_MAX_CHANGES):
            yield line if line.startswith(" ") else f"\n{line}"
    for one in row["handovers"]:
        yield f"\nto {escaped(one['destination'])}{_round(one)}: {escaped(_standing(one))}"
        yield from _attempts(one["attempts"])
    if row["held_up_by"]:
        yield ""
    for one in row["held_up_by"]:
        yield escaped(held_up(one))
    yield from audit_lines(row["audit"])


def held_up(one: Mapping[str, Any]) -> str:
    """What an event waits for at one destination."""
    if one["how"] == "behind":
        return f"waits at {one['destination']} behind {one['behind']}"
    return f"waits for {one['destination']}, {one['how']} since {minute(one['since'])}"


def effect_lines(effect: Mapping[str, Any], *, limit: int) -> Iterator[str]:
    """What merging an event came to: changes as sentences, parts that were too old, remarks, own requests."""
    # What a planner looks for goes first, because the rest may be long and is cut.
    changes = sorted(effect["changes"], key=lambda change: _LATER.get(change.kind, 0))
    if changes:
        yield "changed:"
    elif not effect["news"]:
        yield "changed nothing: all of it was known"
    for change in changes[:limit]:
        yield f"  {escaped(change.sentence)}"
    if len(changes) > limit:
        yield f"  and {len(changes) - limit} more; --json shows them"
    if effect["stale"]:
        yield "left out, because something newer is known:"
        yield f"  {escaped(', '.join(effect['stale']))}"
    if effect["flags"]:
        yield "to be looked at:"
        for flag in effect["flags"]:
            yield f"  {escaped(flag)}"
    if effect["echo"]:
        yield "gives back open requests of our own:"
        yield f"  line {escaped(', '.join(effect['echo']))}"


def audit_lines(rows: list[Mapping[str, Any]]) -> Iterator[str]:
    """What operators did."""
    if rows:
        yield "\nby operators:"
    for row in rows:
        detail = f" ({escaped(row['detail'])})" if row["detail"] else ""
        yield f"  {minute(row['at'])} {escaped(row['user'])}: {row['action']}{detail}: {escaped(row['reason'])}"


def public_change(change: Change) -> dict[str, object]:
    """One change for a program."""
    return {
        "kind": change.kind.value,
        "line": change.line,
        "member": change.member,
        "old": change.old,
        "new": change.new,
        "sentence": change.sentence,
    }


def _round(one: Mapping[str, Any]) -> str:
    return f", round {one['round']}" if one["round"] > 1 else ""


def _standing(one: Mapping[str, Any]) -> str:
    state = one["state"]
    if one["started_at"]:
        return f"an attempt is under way since {one['started_at']}"
    if state == "waiting":
        return f"waiting until {one['due_at']}: {one['reason'] or one['outcome'] or 'no reason'}"
    said = state if one["finished_at"] is None else f"{state} at {one['finished_at']}"
    if state == "dead":
        said += ", holds its order" if one["open"] else ", holds nothing up"
    return f"{said}: {one['reason']}" if one["reason"] else said


def _attempts(attempts: list[Mapping[str, Any]]) -> Iterator[str]:
    if (earlier := len(attempts) - _MAX_ATTEMPTS) > 0:
        yield f"  {earlier} earlier attempts; --json shows them"
    for one in attempts[-_MAX_ATTEMPTS:]:
        reason = f": {escaped(one['reason'])}" if one["reason"] else ""
        yield f"  {one['started_at']} {one['outcome']}{reason}"
