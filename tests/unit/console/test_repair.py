"""What repair says it would do and what it did, and how destinations are shown."""

from __future__ import annotations

import io
import json
import time
from types import SimpleNamespace

import pytest

from service.console.destinations import destinations_json, destinations_text
from service.console.repair import Progress, preview, result
from service.inbox.repair import Treated
from service.inbox.repair_rules import Action, Standing
from tests.unit.console.test_events import AT


def standing(name: str, state: str, *destinations: str) -> Standing:
    event = SimpleNamespace(id="1", event_name=name, state=state)
    return Standing(
        event, tuple(SimpleNamespace(destination=one, state="done", open=False) for one in destinations)
    )


def test_preview_counts_events_by_name_and_state_and_names_who_gets_them_once_more() -> None:
    standings = [standing("A\x1b", "done", "archive"), standing("A\x1b", "done"), standing("B", "dead")]
    left = [Treated("9", "an attempt is under way")]
    text = preview(Action.REPLAY, standings, left, as_json=False)
    assert "Would be replayed: 3 events." in text
    assert "2       done   A\\x1b" in text
    assert "  archive: 1 event" in text
    assert "9 would be left as it is: an attempt is under way" in text
    found = json.loads(preview(Action.REPLAY, standings, left, as_json=True))
    assert found["would"][0] == {"eventName": "A\x1b", "state": "done", "count": 2}
    assert found["again"] == [{"destination": "archive", "count": 1}]
    assert found["left"] == [{"why": "an attempt is under way", "count": 1}]


def test_cancelling_hands_nothing_over_once_more() -> None:
    assert "once more" not in preview(Action.CANCEL, [standing("A", "dead", "archive")], [], as_json=False)


def test_result_names_the_few_that_were_left_and_counts_the_many() -> None:
    done = [Treated(str(i)) for i in range(1200)]
    few = result(Action.REPLAY, [*done, Treated("x", "why")], as_json=False)
    assert few.splitlines() == ["1,200 events replayed.", "x left as it is: why"]
    many = result(Action.CANCEL, [*done, *(Treated(str(i), "why") for i in range(30))], as_json=False)
    assert many.splitlines() == ["1,200 events cancelled.", "30 events left as it is: why"]
    assert result(Action.SKIP, [Treated("x")], as_json=False) == "x is skipped."
    assert result(Action.SKIP, [Treated("x", "why")], as_json=False) == "x left as it is: why"
    assert json.loads(result(Action.SKIP, [Treated("x", "why")], as_json=True)) == {
        "action": "skip",
        "dryRun": False,
        "done": [],
        "left": [{"eventId": "x", "why": "why"}],
    }


class Terminal(io.StringIO):
    """Takes what is written to a terminal."""

    def isatty(self) -> bool:
        return True


def test_progress_counts_on_a_terminal_and_is_wiped_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    with Progress(20_000) as progress:
        progress.count(1)
        time.sleep(0.25)
        progress.count(1250)
    assert terminal.getvalue() == "\r1,250 of 20,000 (6%)\r\x1b[K"


def test_progress_is_silent_in_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.StringIO()
    monkeypatch.setattr("sys.stderr", written)
    with Progress(2) as progress:
        time.sleep(0.25)
        progress.count(1)
    assert written.getvalue() == ""


DESTINATION = {
    "name": "erp",
    "configured": True,
    "paused_at": None,
    "paused_reason": None,
    "paused_by": None,
    "unavailable_since": None,
    "unavailable_reason": None,
    "next_attempt_at": None,
    "open": 3000,
    "ready": 12,
    "later": 2,
    "next_due_at": AT,
    "behind": 2986,
    "dead": 1,
    "oldest_waiting_since": AT,
}


def test_destinations_say_why_they_stand_still_on_80_columns() -> None:
    rows = [
        DESTINATION,
        DESTINATION | {"paused_at": AT, "paused_reason": "stock-taking\x1b", "paused_by": "anna", "name": "n" * 60},
        DESTINATION | {"unavailable_since": AT, "unavailable_reason": "503 " * 40, "next_attempt_at": AT},
        DESTINATION | {"configured": False, "name": "old"},
    ]
    text = destinations_text(rows, 80)
    assert max(map(len, text.splitlines())) <= 80
    assert r"paused by anna since 2026-11-25 18:02Z: stock-taking\x1b" in text
    assert f"next attempt at {AT}" in text
    assert "not in the settings" in text
    assert f"tried again later: 2, the next at {AT}" in text
    assert "behind earlier events of their orders, or for their documents: 2986" in text
    assert [one["state"] for one in json.loads(destinations_json(rows))] == [
        "available",
        "paused",
        "unavailable",
        "not configured",
    ]
    assert "There are no destinations" in destinations_text([])
