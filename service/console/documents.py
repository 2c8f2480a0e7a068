"""`webhooks documents list`."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from service.console.text import camel, escaped, json_text, table, wrapped
from service.inbox.reader import Row

#: Characters of an event's id that are shown where the line is short; enough to name it.
_SHORT_ID = 18


def documents_json(rows: Sequence[Row]) -> str:
    """The documents for a program: an array of objects."""
    return json_text([{"id": _id(row), **camel(row)} for row in rows])


def documents_text(rows: Sequence[Row], width: int | None = None) -> str:
    """The documents for the eye; below each where it stands in its event, and its file or why there is none."""
    if not rows:
        return "No documents fit."
    cells = [
        [
            _id(row, None if width is None else _SHORT_ID),
            row["state"],
            "" if row["size"] is None else f"{row['size']:,}",
            row["purchase_order_number"],
            row["name"],
        ]
        for row in rows
    ]
    header, *lines = table(
        ["DOCUMENT", "STATE", "BYTES", "ORDER", "NAME"], cells, width=width, flexible=[3, 4]
    ).splitlines()
    shown = [header]
    for row, line in zip(rows, lines, strict=True):
        shown.append(line)
        if row["path"]:
            # Not broken into lines: it is there to be copied.
            shown += [wrapped(escaped(_place(row)), width, "    "), f"    {escaped(row['path'])}"]
        else:
            shown.append(wrapped(escaped(f"{_place(row)}: {_source(row)}"), width, "    "))
    return "\n".join(shown)


def _id(row: Row, length: int | None = None) -> str:
    return f"{row['event_id'][:length]}.{row['number']}"


def _place(row: Row) -> str:
    place = row["place"] or "document"
    if row["line"] is None:
        return str(place)
    return f"{place} of line {row['line']}" if row["line"] else f"{place} of a line without position"


def _source(row: Row) -> str:
    # Without its query, which may be what lets somebody in.
    source = f"object {row['object_id']}" if row["object_id"] else _shown_url(row["url"])
    return "; ".join(part for part in (source, row["reason"]) if part) or "to be fetched"


def _shown_url(url: str | None) -> str:
    if not url:
        return ""
    try:
        parts = urlsplit(url)
        place = f"{parts.hostname}:{parts.port}" if parts.port else parts.hostname
    except ValueError:
        place = None
    # Whatever else it is may hold a password at any place.
    return f"{parts.scheme}://{place}{parts.path}" if place else "a url that is no address"
