"""`webhooks events list|show`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from service.console.text import escaped, table
from service.inbox.reader import Row
from service.senders import tradecloud_addresses

_COLUMNS = {
    "id": "ID",
    "received_at": "RECEIVED",
    "state": "STATE",
    "endpoint": "ENDPOINT",
    "event_name": "EVENT",
    "purchase_order_number": "ORDER",
    "version": "VERSION",
    "drift_count": "DRIFT",
    "note": "NOTE",
}

#: Names of the fields in JSON: the API's spelling, and nothing that is only of use inside the database.
_INTERNAL = {"seq", "content_hash", "body_hash"}


def events_table(rows: Sequence[Row]) -> str:
    """The events for the eye."""
    if not rows:
        return "No events fit."
    cells = [[_note(row) if key == "note" else row[key] for key in _COLUMNS] for row in rows]
    return table(list(_COLUMNS.values()), cells)


def events_json(rows: Sequence[Row]) -> str:
    """The events for a program: an array of objects."""
    return json.dumps([_public(row) for row in rows], indent=2, ensure_ascii=False)


def event_json(row: Row) -> str:
    """One event for a program."""
    return json.dumps(_public(row), indent=2, ensure_ascii=False)


def event_text(row: Row) -> str:
    """One event for the eye."""
    return "\n".join(_lines(row))


def _lines(row: Row) -> Iterator[str]:
    for label, value in (
        ("id", row["id"]),
        ("state", row["state"]),
        ("received at", row["received_at"]),
        ("endpoint", row["endpoint"]),
        ("credential", row["credential"]),
        ("sender address", _sender(row)),
        ("event", row["event_name"]),
        ("payload", row["payload_kind"]),
        ("order or shipment", row["subject_id"]),
        ("purchase orders", ", ".join(row["purchase_order_numbers"])),
        ("version", row["version"]),
        ("last updated at", row["last_updated_at"]),
        ("message id", row["message_id"]),
        ("trace id", row["trace_id"]),
        ("content type", row["content_type"]),
        ("content coding", row["content_encoding"]),
        ("bytes", _size(row)),
        ("deliveries", row["deliveries"] if row["deliveries"] > 1 else None),
        ("last delivered at", row["last_delivered_at"] if row["deliveries"] > 1 else None),
        ("other content as", row["other_content_as"]),
        ("repeat of", row["repeat_of"]),
    ):
        if value not in (None, ""):
            yield f"{label:<18} {escaped(value)}"
    if row["drift_count"]:
        yield f"\nbeyond the contract ({row['drift_count']}):"
        for item in row["drift"]:
            place, detail = escaped(item["place"] or "the body"), escaped(item["detail"])
            yield f"  {item['kind']} at {place}: {detail} ({item['count']}x)"
    if row["refusal"]:
        refusal = row["refusal"]
        yield f"\nrefused with {refusal['status']} {refusal['problem']}: {escaped(refusal['detail'])}"
        for finding in refusal["findings"]:
            yield f"  {escaped(finding['pointer'] or 'the body')}: {escaped(finding['reason'])}"
        if (more := refusal["findingCount"] - len(refusal["findings"])) > 0:
            yield f"  and {more} more"
    yield f"\nThe body: webhooks events show {row['id']} --raw"


def _sender(row: Row) -> str | None:
    address: str | None = row["source_address"]
    listed: bool | None = row["source_listed"]
    if address is None or listed is None:
        return address
    if listed:
        return f"{address}, listed by Tradecloud"
    known = tradecloud_addresses()
    if address in known:
        return f"{address}, not listed by Tradecloud when it came"
    return f"{address}, not listed by Tradecloud (list of {known.as_of})"


def _size(row: Row) -> str:
    if not row["truncated"]:
        return str(row["kept_length"])
    whole = row["body_length"]
    return f"{row['kept_length']} kept of {whole if whole is not None else 'an unknown number'}"


def _note(row: Row) -> str:
    notes = []
    if row["source_listed"] is False:
        notes.append("sender not listed")
    if row["refusal"]:
        notes.append(f"refused {row['refusal']['status']} {row['refusal']['problem']}")
    if row["other_content_as"]:
        notes.append(f"other content as {row['other_content_as']}")
    if row["repeat_of"]:
        notes.append(f"repeat of {row['repeat_of']}")
    if row["deliveries"] > 1:
        notes.append(f"delivered {row['deliveries']} times")
    return "; ".join(notes)


def _public(row: Row) -> dict[str, object]:
    return {_camel(key): value for key, value in row.items() if key not in _INTERNAL}


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(part.title() for part in others)
