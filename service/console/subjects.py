"""`webhooks orders|shipments list|history`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from handlers.interface import Endpoint, Role
from service.console.happenings import effect_lines, public_change
from service.console.text import camel, escaped, json_text, minute, table, wrapped
from service.inbox.reader import Row

#: Of one event in a history.
_MAX_CHANGES = 20


def subjects_json(rows: Sequence[Row]) -> str:
    """The orders or shipments for a program: an array of objects."""
    return json_text([camel(row) for row in rows])


def subjects_table(endpoint: Endpoint, rows: Sequence[Row], role: Role, width: int | None = None) -> str:
    """The orders or shipments for the eye."""
    if not rows:
        return f"No {endpoint}s fit."
    if endpoint is Endpoint.ORDER:
        header = ["ORDER", _partner(role).upper(), "PROCESS", "LOGISTICS", "LINES", "CHANGED"]
        cells = [
            [
                row["purchase_order_number"] or row["subject_id"],
                account(row, role),
                row["process_status"],
                row["logistics_status"],
                row["lines"],
                minute(row["changed_at"]),
            ]
            for row in rows
        ]
        return table(header, cells, width=width, flexible=[0, 1, 2, 3])
    header = ["SHIPMENT", "ORDER", _partner(role).upper(), "STATUS", "LINES", "CHANGED"]
    cells = [
        [
            row["shipment_number"] or row["subject_id"],
            row["purchase_order_number"],
            account(row, role),
            row["process_status"],
            row["lines"],
            minute(row["changed_at"]),
        ]
        for row in rows
    ]
    return table(header, cells, width=width, flexible=[0, 1, 2, 3])


def account(row: Row, role: Role) -> str | None:
    """The number under which we know the other side."""
    mine, theirs = row["supplier_account_number"], row["buyer_account_number"]
    found: str | None = (mine or theirs) if role is Role.BUYER else (theirs or mine)
    return found


def history_json(subject_id: str, rows: Sequence[Row]) -> str:
    """The events of one order or shipment for a program, oldest first."""
    events = [
        camel(row) | {"changes": [public_change(change) for change in row["changes"]] if _merged(row) else None}
        for row in rows
    ]
    return json_text({"subjectId": subject_id, "events": events})


def history_text(subject_id: str, rows: Sequence[Row], width: int | None = None) -> str:
    """The events of one order or shipment for the eye, oldest first, each with what it changed."""
    lines = [escaped(subject_id)]
    for row in rows:
        lines += ["", *_event(row, width)]
    return "\n".join(lines)


def _event(row: Row, width: int | None) -> Iterator[str]:
    version = f", version {escaped(row['version'])}" if row["version"] else ""
    yield wrapped(f"{minute(row['received_at'])} {escaped(row['event_name'])}{version}", width, "")
    reason = f": {escaped(row['reason'])}" if row["reason"] else ""
    yield wrapped(f"{row['id']}  {row['state']}{reason}", width, "  ")
    if not _merged(row):
        yield "  not merged"
        return
    for line in effect_lines(row, limit=_MAX_CHANGES):
        sentence = line.removeprefix("  ")
        yield wrapped(sentence, width, "    " if line.startswith("  ") else "  ")


def _merged(row: Row) -> bool:
    return row["news"] is not None


def _partner(role: Role) -> str:
    return "supplier" if role is Role.BUYER else "buyer"
