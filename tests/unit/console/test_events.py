"""Events on a terminal of 80 columns."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from handlers.interface import Change, ChangeKind
from service.console.events import event_json, event_text, events_table

ID = "01a213df-ea63-72ba-b1d7-afa748345273"
AT = "2026-11-25T18:02:51.899173Z"
EMPTY = (
    *("credential", "source_address", "source_listed", "content_type", "content_encoding", "body_length"),
    *("payload_kind", "message_id", "trace_id", "subject_id", "version", "last_updated_at", "other_content_as"),
    *("repeat_of", "drift", "refusal", "apply_at", "applied_at", "until", "reason", "edited", "effect"),
)


def row(**members: Any) -> dict[str, Any]:
    empty = dict.fromkeys(EMPTY)
    return {
        **empty,
        "id": ID,
        "state": "processing",
        "received_at": AT,
        "endpoint": "order",
        "event_name": "OrderLinesReopenRequestApprovedBySupplier",
        "purchase_order_number": "NH-2026-00417",
        "purchase_order_numbers": ["NH-2026-00417"],
        "drift_count": 0,
        "kept_length": 2,
        "truncated": False,
        "deliveries": 1,
        "last_delivered_at": AT,
        "held_up_by": [],
        "handovers": [],
        "audit": [],
        **members,
    }


def test_table_on_80_columns_leaves_nothing_out_and_is_no_wider() -> None:
    rows = [
        row(),
        row(id=ID.replace("ea63", "eb61"), purchase_order_number="P" * 60),
        row(state="waiting", reason="erp: it answers 503 Service Unavailable, and says so in very many words " * 2),
    ]
    text = events_table(rows, 80)
    assert max(map(len, text.splitlines())) <= 80
    for part in (ID[:18], "processing", "OrderLinesReopenRequestApprovedBySupplier", "NH-2026-00417", "very many"):
        assert part in text


def test_table_that_fits_is_the_same_on_a_terminal() -> None:
    rows = [row(event_name="E", purchase_order_number=None)]
    assert events_table(rows, 200) == events_table(rows)
    assert ID in events_table(rows)


def test_beginnings_of_ids_tell_the_events_in_the_list_apart() -> None:
    rows = [row(), row(id=ID[:20] + "0" + ID[21:])]
    lines = [line for line in events_table(rows, 80).splitlines() if line.startswith("01a2")]
    first, second = (line.split()[0] for line in lines)
    assert first != second
    assert ID.startswith(first)


def test_event_in_processing_says_what_all_its_handovers_wait_for() -> None:
    held_up = [
        {"destination": "erp", "how": "paused", "since": AT, "behind": None},
        {"destination": "archive", "how": "behind", "since": None, "behind": "01a213df-0000"},
    ]
    text = events_table([row(held_up_by=held_up)])
    assert "waits for erp, paused since 2026-11-25 18:02Z" in text
    assert "waits at archive behind 01a213df-0000" in text


CHANGE = Change(
    ChangeKind.PRICE, "10", "/prices/net", Decimal("12.50"), Decimal("12.5000"), "Line 10: \x1b[2J price."
)
EFFECT = {
    "news": True,
    "changes": (CHANGE,),
    "stale": ["header"],
    "flags": ["Nothing tells whether line 20 is newer."],
    "echo": ["30"],
}
ATTEMPT = {"started_at": AT, "ended_at": AT, "outcome": "refused", "reason": "it answers\n422"}
HANDOVER = {
    "id": 1,
    "destination": "erp",
    "round": 2,
    "state": "dead",
    "open": True,
    "due_at": AT,
    "started_at": None,
    "finished_at": AT,
    "outcome": "refused",
    "reason": "it answers 422",
    "attempts": [ATTEMPT] * 12,
}
AUDIT = {"at": AT, "user": "anna", "action": "replay", "reason": "erp\x1b mended", "detail": None}


def test_event_shows_changes_handovers_attempts_and_what_operators_did() -> None:
    text = event_text(row(state="dead", reason="erp: no", effect=EFFECT, handovers=[HANDOVER], audit=[AUDIT]))
    for part in (
        "state              dead: erp: no",
        r"Line 10: \x1b[2J price.",
        "left out, because something newer is known:\n  header",
        "to be looked at:\n  Nothing tells whether line 20 is newer.",
        "gives back open requests of our own:\n  line 30",
        f"to erp, round 2: dead at {AT}, holds its order: it answers 422",
        r"refused: it answers\n422",
        "2 earlier attempts; --json shows them",
        r"2026-11-25 18:02Z anna: replay: erp\x1b mended",
    ):
        assert part in text
    assert "\x1b" not in text


def test_event_on_80_columns_is_no_wider_and_leaves_nothing_out() -> None:
    reason = "it answers 503 Service Unavailable, and says so in very many words " * 3
    attempt = ATTEMPT | {"reason": reason}
    found = row(
        state="dead", reason=reason, effect=EFFECT, handovers=[HANDOVER | {"attempts": [attempt]}], audit=[AUDIT]
    )
    narrow = event_text(found, 80)
    assert max(map(len, narrow.splitlines())) <= 80
    assert narrow.split() == event_text(found).split()
    assert narrow.splitlines()[2].startswith(" " * 19)


def test_json_has_exact_old_and_new_values() -> None:
    text = event_json(row(effect=EFFECT, handovers=[HANDOVER], audit=[AUDIT]))
    assert '"old": 12.50,' in text
    assert '"new": 12.5000,' in text
    found = json.loads(text)
    assert found["effect"]["changes"][0]["sentence"] == CHANGE.sentence
    assert len(found["handovers"][0]["attempts"]) == 12
    assert found["handovers"][0]["dueAt"] == AT
    assert found["audit"][0]["user"] == "anna"


def test_event_that_brought_nothing_new_says_so() -> None:
    nothing = {"news": False, "changes": (), "stale": [], "flags": [], "echo": []}
    assert "changed nothing: all of it was known" in event_text(row(state="done", effect=nothing))
