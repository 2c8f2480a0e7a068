"""`webhooks events list|show`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from service.console.happenings import held_up, public_change, what_happened
from service.console.text import camel, escaped, hanging, json_text, minute, table, wrapped
from service.inbox.interface import State
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

#: Only of use inside the database.
_INTERNAL = {"seq", "content_hash", "body_hash", "key"}

#: Characters of the name of a fact.
_LABEL = 18
#: Characters of an id that tell events apart which came in different milliseconds, and most others.
_SHORT_ID = 18


def events_table(rows: Sequence[Row], width: int | None = None) -> str:
    """The events for the eye: one line each, or where that is wider than `width`, two or more."""
    if not rows:
        return "No events fit."
    cells = [[note(row) if key == "note" else row[key] for key in _COLUMNS] for row in rows]
    whole = table(list(_COLUMNS.values()), cells)
    if width is None or max(map(len, whole.splitlines())) <= width:
        return whole
    return _narrow(rows, width)


def _narrow(rows: Sequence[Row], width: int) -> str:
    """Beginning of the id, minute, state and order in the first line; event name and note below it."""
    length = _telling_length([row["id"] for row in rows])
    cells = [
        [row["id"][:length], minute(row["received_at"]), row["state"], row["purchase_order_number"]] for row in rows
    ]
    header, *lines = table(["ID", "RECEIVED", "STATE", "ORDER"], cells, width=width, flexible=[3]).splitlines()
    shown = [header]
    for row, line in zip(rows, lines, strict=True):
        shown.append(line)
        for text in (row["event_name"], note(row)):
            if text:
                shown.append(wrapped(escaped(text), width, "    "))
    return "\n".join(shown)


def _telling_length(ids: Sequence[str]) -> int:
    length = _SHORT_ID
    while len({id[:length] for id in ids}) < len(set(ids)):
        length += 1
    return length


def events_json(rows: Sequence[Row]) -> str:
    """The events for a program: an array of objects."""
    return json_text([_public(row) for row in rows])


def event_json(row: Row) -> str:
    """One event for a program, with everything that is known of it."""
    effect = row["effect"]
    return json_text(
        _public(row)
        | {
            "effect": effect and camel(effect) | {"changes": [public_change(one) for one in effect["changes"]]},
            "handovers": [
                camel(one) | {"attempts": [camel(attempt) for attempt in one["attempts"]]}
                for one in row["handovers"]
            ],
            "edited": row["edited"] and camel(row["edited"]),
        }
    )


def event_text(row: Row, width: int | None = None) -> str:
    """One event for the eye."""
    facts = [hanging(line, width, _LABEL + 1) for line in _facts(row)]
    rest = "\n".join(_more(row)).split("\n")
    return "\n".join([*facts, *(hanging(line, width, len(line) - len(line.lstrip(" ")) + 4) for line in rest)])


def _facts(row: Row) -> Iterator[str]:
    for label, value in (
        ("id", row["id"]),
        ("state", _state(row)),
        ("merged at", row["applied_at"] if row["state"] != State.DEAD or row["effect"] else None),
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
        ("released as", row["edited"] and f"another body, {row['edited']['content_type']}"),
    ):
        if value not in (None, ""):
            yield f"{label:<{_LABEL}} {escaped(value)}"


def _more(row: Row) -> Iterator[str]:
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
    yield from what_happened(row)
    yield f"\nThe body: webhooks events show {row['id']} --raw"
    if row["edited"]:
        yield f"What it was released with: webhooks events show {row['id']} --raw --edited"


def _state(row: Row) -> str:
    parts = [str(row["state"])]
    if row["until"]:
        parts.append(f"until {row['until']}")
    if row["reason"]:
        parts.append(str(row["reason"]))
    return ": ".join([" ".join(parts[:-1]), parts[-1]]) if row["reason"] else " ".join(parts)


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


def note(row: Row) -> str:
    """What is remarkable about an event, in a few words."""
    notes = []
    if row["reason"]:
        notes.append(row["reason"])
    notes += [held_up(one) for one in row["held_up_by"]]
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
    return camel({key: value for key, value in row.items() if key not in _INTERNAL})
