"""`webhooks destinations status`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from service.console.text import camel, escaped, json_text, minute, table, wrapped
from service.inbox.reader import Row


def destinations_json(rows: Sequence[Row]) -> str:
    """The destinations for a program: an array of objects."""
    return json_text([camel(row) | {"state": _state(row)} for row in rows])


def destinations_text(rows: Sequence[Row], width: int | None = None) -> str:
    """The destinations for the eye; below each why it stands still."""
    if not rows:
        return "There are no destinations: add [destinations.NAME] to the settings."
    cells = [
        [row["name"], _state(row), row["open"], row["ready"], row["dead"], minute(row["oldest_waiting_since"])]
        for row in rows
    ]
    header, *lines = table(
        ["NAME", "STATE", "WAITING", "DUE", "DEAD", "OLDEST SINCE"], cells, width=width, flexible=[0]
    ).splitlines()
    shown = [header]
    for row, line in zip(rows, lines, strict=True):
        shown.append(line)
        shown += [wrapped(sentence, width, "    ") for sentence in _why(row)]
    return "\n".join(shown)


def _state(row: Row) -> str:
    if row["paused_at"] is not None:
        return "paused"
    if row["unavailable_since"] is not None:
        return "unavailable"
    return "available" if row["configured"] else "not configured"


def _why(row: Row) -> Iterator[str]:
    if row["paused_at"] is not None:
        by = f" by {escaped(row['paused_by'])}" if row["paused_by"] else ""
        yield f"paused{by} since {minute(row['paused_at'])}: {escaped(row['paused_reason'])}"
    if row["unavailable_since"] is not None:
        reason = f": {escaped(row['unavailable_reason'])}" if row["unavailable_reason"] else ""
        yield f"unavailable since {minute(row['unavailable_since'])}{reason}"
        if row["next_attempt_at"] is not None and row["paused_at"] is None:
            yield f"next attempt at {row['next_attempt_at']}"
    if row["later"]:
        yield f"tried again later: {row['later']}, the next at {row['next_due_at']}"
    if row["behind"]:
        yield f"behind earlier events of their orders, or for their documents: {row['behind']}"
    if not row["configured"]:
        yield "not in the settings, so nothing is handed over to it"
