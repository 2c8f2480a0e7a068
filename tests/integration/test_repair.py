"""What an operator changes, on a real database; the worker's part of it is written by hand."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from handlers.interface import Endpoint, JsonObject
from service.body import Label
from service.event_reader import event_readers
from service.inbox.instant import instant
from service.inbox.interface import NewEvent, new_id
from service.inbox.packed import pack, unpack
from service.inbox.place import Place
from service.inbox.reader import EventFilter, InboxReader
from service.inbox.repair import MAX_EVENTS, NotPossibleError, Repair, Treated
from service.inbox.repair_rules import Action, Measure
from tests.integration.conftest import SQLITE
from tests.integration.test_inbox import accept_all, delivery, event, inbox_in, refused, use
from tests.stores import execute

LONG_AGO = "2026-01-01T00:00:00.000000Z"
KEY = "order:order-1"


class Desk:
    """An inbox with a few events, and shortcuts to look at it and to play the worker."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.repair = Repair(
            place, user="anna", current_of=lambda endpoint, state, name: {"was": state, "of": name}
        )

    def sql(self, statement: str, *values: object) -> list[dict[str, Any]]:
        return execute(self.place, statement, *values)

    def accept(self, *events: NewEvent) -> list[str]:
        return [stored.id for stored in accept_all(self.place, *events)]

    def applied(self, event_id: str, state: str = "processing") -> str:
        self.sql(
            "UPDATE event SET state = ?, apply_at = NULL, applied_at = ? WHERE id = ?", state, LONG_AGO, event_id
        )
        return event_id

    def handed(
        self, event_id: str, destination: str = "erp", state: str = "received", key: str | None = KEY, **values: Any
    ) -> int:
        row = {
            "event_id": event_id,
            "destination": destination,
            "round": 1,
            "key": key,
            "state": state,
            "open": state not in ("done", "cancelled"),
            "ready": False,
            "due_at": LONG_AGO,
            "attempts": 0,
            "refused_ms": 0,
        } | values
        names, marks = ", ".join(row), ", ".join("?" * len(row))
        (made,) = self.sql(f"INSERT INTO handover ({names}) VALUES ({marks}) RETURNING id", *row.values())  # noqa: S608
        handover_id: int = made["id"]
        return handover_id

    def event(self, event_id: str) -> dict[str, Any]:
        (row,) = self.sql("SELECT * FROM event WHERE id = ?", event_id)
        return row

    def handover(self, handover_id: int) -> dict[str, Any]:
        (row,) = self.sql("SELECT * FROM handover WHERE id = ?", handover_id)
        return row

    def treat(self, action: Action, *ids: str, destination: str | None = None) -> list[str | None]:
        """Why each was left."""
        treated = self.repair.treat(ids, Measure(action, "because", destination))
        return [one.left for one in treated]


@pytest.fixture
def desk(place: Place) -> Any:
    """An empty inbox."""
    accept_all(place)
    made = Desk(place)
    yield made
    made.repair.close()


def three(desk: Desk) -> list[str]:
    return desk.accept(event("m1", b"1"), event("m2", b"2"), event("m3", b"3"))


class TestReplay:
    def test_done_event_is_to_be_applied_again_and_its_handover_stays_on_record(self, desk: Desk) -> None:
        first, *_ = three(desk)
        desk.applied(first, "done")
        handed = desk.handed(first, state="done", finished_at=LONG_AGO, outcome="accepted")
        before = desk.handover(handed)
        assert desk.treat(Action.REPLAY, first) == [None]
        row = desk.event(first)
        assert (row["state"], row["applied_at"]) == ("received", None)
        assert LONG_AGO < row["apply_at"] <= instant(datetime.now(UTC))
        assert desk.handover(handed) == before

    def test_dead_handover_is_put_back_in_its_place_under_another_key(self, desk: Desk) -> None:
        first, second, _ = three(desk)
        desk.applied(first, "dead")
        handed = desk.handed(first, state="dead", attempts=9, refused_ms=99, finished_at=LONG_AGO, reason="no")
        behind = desk.handed(desk.applied(second))
        assert desk.treat(Action.REPLAY, first) == [None]
        row = desk.handover(handed)
        assert (row["state"], row["open"], row["ready"], row["round"]) == ("received", 1, 1, 2)
        assert (row["attempts"], row["refused_ms"], row["finished_at"], row["reason"]) == (0, 0, None, None)
        assert row["due_at"] > LONG_AGO
        assert desk.handover(behind)["ready"] == 0

    def test_event_in_the_second_place_does_not_overtake(self, desk: Desk) -> None:
        first, second, _ = three(desk)
        head = desk.handed(desk.applied(first, "dead"), state="dead")
        handed = desk.handed(desk.applied(second))
        assert desk.treat(Action.REPLAY, second) == [None]
        assert desk.handover(handed)["ready"] == 0
        assert desk.handover(head)["state"] == "dead"

    def test_handover_without_key_is_ready_at_once(self, desk: Desk) -> None:
        first, *_ = three(desk)
        handed = desk.handed(desk.applied(first, "dead"), state="dead", key=None)
        assert desk.treat(Action.REPLAY, first) == [None]
        assert desk.handover(handed)["ready"] == 1

    @pytest.mark.parametrize("action", [Action.REPLAY, Action.CANCEL, Action.SKIP])
    def test_attempt_under_way_ends_first(self, desk: Desk, action: Action) -> None:
        first, *_ = three(desk)
        handed = desk.handed(desk.applied(first), state="processing", started_at=LONG_AGO)
        before = (desk.event(first), desk.handover(handed))
        (left,) = desk.treat(action, first)
        assert left is not None
        assert "under way" in left
        assert (desk.event(first), desk.handover(handed)) == before

    def test_what_is_about_to_be_processed_or_waits_for_another_is_left(self, desk: Desk) -> None:
        first, second, _ = three(desk)
        desk.sql("UPDATE event SET state='waiting', apply_at=NULL, reason=? WHERE id=?", f"behind {first}", second)
        assert desk.treat(Action.REPLAY, first, second) == [
            "it is about to be processed anyway",
            f"it waits behind {first}",
        ]

    def test_event_that_is_left_to_its_sender_is_brought_forward(self, desk: Desk) -> None:
        first, *_ = three(desk)
        later = instant(datetime.now(UTC) + timedelta(hours=1))
        desk.sql("UPDATE event SET apply_at = ? WHERE id = ?", later, first)
        assert desk.treat(Action.REPLAY, first) == [None]
        assert desk.event(first)["apply_at"] < later

    def test_quarantined_body_is_left(self, desk: Desk) -> None:
        (kept,) = quarantine(desk.place)
        (left,) = desk.treat(Action.REPLAY, kept)
        assert left is not None
        assert "release" in left

    def test_one_destination_alone_gets_it_again_with_the_order_as_it_is_now(self, desk: Desk) -> None:
        first, second, _ = three(desk)
        desk.applied(first, "done")
        for destination in ("erp", "archive"):
            desk.handed(first, destination, state="done")
        waits = desk.handed(desk.applied(second), ready=True)
        mirror(desk, "order-1", state={"kind": "now"})
        assert desk.treat(Action.REPLAY, first, destination="erp") == [None]
        rows = desk.sql("SELECT * FROM handover WHERE event_id = ? ORDER BY id", first)
        assert [(row["destination"], row["round"], row["state"]) for row in rows] == [
            ("erp", 1, "done"),
            ("archive", 1, "done"),
            ("erp", 2, "received"),
        ]
        assert (rows[-1]["open"], rows[-1]["ready"]) == (1, 0), "another one of its order has gone ahead"
        assert desk.handover(waits)["ready"] == 1
        row = desk.event(first)
        assert (row["state"], row["apply_at"], row["applied_at"]) == ("processing", None, LONG_AGO)
        (snapshot,) = desk.sql("SELECT * FROM snapshot")
        assert unpack(snapshot["current"]) == {"was": {"kind": "now"}, "of": "OrderIssuedByBuyer"}

    def test_destination_that_never_had_it_gets_nothing(self, desk: Desk) -> None:
        first, *_ = three(desk)
        desk.handed(desk.applied(first, "done"), state="done")
        assert desk.treat(Action.REPLAY, first, destination="archive") == ["it was never on its way to archive"]


class TestCancel:
    def test_event_that_was_not_merged_lets_the_next_one_pass(self, desk: Desk) -> None:
        first, second, third = three(desk)
        for waiting in (second, third):
            desk.sql(
                "UPDATE event SET state='waiting', apply_at=NULL, reason=? WHERE id=?", f"behind {first}", waiting
            )
        assert desk.treat(Action.CANCEL, first) == [None]
        row = desk.event(first)
        assert (row["state"], row["apply_at"], row["reason"]) == ("cancelled", None, "because")
        assert [desk.event(id)["state"] for id in (second, third)] == ["received", "waiting"]
        assert desk.event(second)["apply_at"] is not None

    def test_open_handovers_are_closed_and_the_next_of_the_order_may_go(self, desk: Desk) -> None:
        first, second, _ = three(desk)
        desk.applied(first, "waiting")
        done = desk.handed(first, "archive", state="done")
        waiting = desk.handed(first, state="waiting", ready=True)
        behind = desk.handed(desk.applied(second))
        assert desk.treat(Action.CANCEL, first) == [None]
        row = desk.handover(waiting)
        assert (row["state"], row["open"], row["ready"], row["reason"]) == ("cancelled", 0, 0, "because")
        assert desk.handover(done)["state"] == "done"
        assert desk.handover(behind)["ready"] == 1

    def test_event_that_nobody_got_is_cancelled_and_its_snapshot_goes(self, desk: Desk) -> None:
        first, *_ = three(desk)
        desk.handed(desk.applied(first, "dead"), state="dead")
        desk.sql("INSERT INTO snapshot VALUES (?, ?)", first, b"\0")
        assert desk.treat(Action.CANCEL, first) == [None]
        assert desk.event(first)["state"] == "cancelled"
        assert desk.sql("SELECT * FROM snapshot") == []

    def test_done_or_cancelled_event_is_left(self, desk: Desk) -> None:
        first, second, _ = three(desk)
        desk.applied(first, "done")
        desk.applied(second, "cancelled")
        assert desk.treat(Action.CANCEL, first, second) == ["it is done already", "it is cancelled already"]

    def test_only_one_destination_is_spared_the_event(self, desk: Desk) -> None:
        first, *_ = three(desk)
        desk.applied(first)
        here, there = desk.handed(first, "erp", ready=True), desk.handed(first, "archive", ready=True)
        assert desk.treat(Action.CANCEL, first, destination="erp") == [None]
        assert desk.handover(here)["state"] == "cancelled"
        assert (desk.handover(there)["state"], desk.handover(there)["ready"]) == ("received", 1)
        assert desk.event(first)["state"] == "processing"
        assert desk.treat(Action.CANCEL, first, destination="erp") == ["nothing of it waits for erp"]

    def test_quarantined_body_is_taken_out_of_the_budget(self, desk: Desk) -> None:
        (kept,) = quarantine(desk.place)
        assert desk.treat(Action.CANCEL, kept) == [None]
        assert desk.event(kept)["state"] == "cancelled"


class TestSkip:
    def test_dead_handover_lets_the_next_one_pass_and_stays_dead(self, desk: Desk) -> None:
        first, second, _ = three(desk)
        dead = desk.handed(desk.applied(first, "dead"), state="dead")
        behind = desk.handed(desk.applied(second))
        assert desk.treat(Action.SKIP, first) == [None]
        assert (desk.handover(dead)["state"], desk.handover(dead)["open"]) == ("dead", 0)
        assert desk.event(first)["state"] == "dead"
        assert desk.handover(behind)["ready"] == 1
        assert desk.treat(Action.SKIP, first) == ["it is dead, but holds up nothing"]

    def test_event_that_died_while_it_was_merged_lets_the_next_one_be_merged(self, desk: Desk) -> None:
        first, second, _ = three(desk)
        desk.sql("UPDATE event SET state='dead', apply_at=NULL, reason='fault' WHERE id=?", first)
        desk.sql("UPDATE event SET state='waiting', apply_at=NULL WHERE id=?", second)
        assert desk.treat(Action.SKIP, first) == [None]
        assert (desk.event(first)["state"], desk.event(first)["reason"]) == ("dead", "fault")
        assert desk.event(second)["state"] == "received"

    def test_only_at_the_destination_that_was_named(self, desk: Desk) -> None:
        first, *_ = three(desk)
        desk.applied(first, "dead")
        here, there = desk.handed(first, "erp", state="dead"), desk.handed(first, "archive", state="dead")
        assert desk.treat(Action.SKIP, first, destination="erp") == [None]
        assert (desk.handover(here)["open"], desk.handover(there)["open"]) == (0, 1)

    def test_event_that_is_not_dead_is_left(self, desk: Desk) -> None:
        first, *_ = three(desk)
        assert desk.treat(Action.SKIP, first) == ["it is received; only a dead event is skipped"]


class TestRecord:
    def test_what_was_done_is_on_record_and_what_was_left_is_not(self, desk: Desk) -> None:
        first, second, _ = three(desk)
        desk.applied(first, "done")
        desk.treat(Action.CANCEL, first, second)
        (row,) = desk.sql("SELECT * FROM audit")
        assert (row["user"], row["action"], row["target"], row["reason"]) == ("anna", "cancel", second, "because")
        (shown,) = InboxReader(desk.place).event(second)["audit"]
        assert shown["at"] == row["at"]

    def test_what_was_yielded_is_on_disk_when_the_rest_is_not_done(self, desk: Desk) -> None:
        ids = desk.accept(*(event(f"m{i}", str(i).encode()) for i in range(MAX_EVENTS * 2)))
        treating = desk.repair.treat(ids, Measure(Action.CANCEL, "because"))
        first = next(treating)
        treating.close()
        assert first == Treated(ids[0])
        cancelled = desk.sql("SELECT id FROM event WHERE state = 'cancelled'")
        assert 1 <= len(cancelled) <= MAX_EVENTS
        assert len(desk.sql("SELECT * FROM audit")) == len(cancelled)

    @SQLITE
    def test_another_writer_gets_its_turn_between_two_transactions(self, desk: Desk) -> None:
        ids = desk.accept(*(event(f"m{i}", str(i).encode()) for i in range(MAX_EVENTS * 4)))
        assert isinstance(desk.place, Path)
        other = sqlite3.connect(desk.place, timeout=0)
        turns = 0
        for done, _ in enumerate(desk.repair.treat(ids, Measure(Action.CANCEL, "because"))):
            if done % MAX_EVENTS == 0:
                other.execute("INSERT INTO trial (id, written_at) VALUES (1, '') ON CONFLICT DO NOTHING")
                other.commit()
                turns += 1
        other.close()
        assert turns == 4


def quarantine(path: Place, *bodies: bytes) -> list[str]:
    async def keep(inbox: Any) -> list[str]:
        return [(await inbox.quarantine(refused(body))).id for body in bodies or (b"nonsense",)]

    kept: list[str] = use(inbox_in(path), keep)
    return kept


def mirror(desk: Desk, subject_id: str, state: JsonObject) -> None:
    desk.sql(
        "INSERT INTO mirror (endpoint, subject_id, state, lines, events, last_event_id, changed_at)"
        " VALUES ('order', ?, ?, 0, 1, '', ?)",
        subject_id,
        pack(state),
        LONG_AGO,
    )


BODY = json.dumps(
    {
        "eventName": "OrderIssuedByBuyer",
        "orderEvent": {
            "orderId": "order-7",
            "version": 3,
            "co2": 1,
            "lastUpdatedAt": "2026-10-05T07:42:10.310Z",
            "buyerOrder": {"purchaseOrderNumber": "PO7"},
        },
        "meta": {"messageId": "m7", "source": {"traceId": "t7"}},
    }
).encode()


def read(body: bytes = BODY) -> NewEvent:
    """As the reception reads it."""
    label = Label("application/json", 1, "", "", len(body))
    return event_readers()[Endpoint.ORDER].read(delivery(body), label)


class TestRelease:
    def test_event_is_as_if_it_had_been_accepted(self, desk: Desk, tmp_path: Path) -> None:
        (kept,) = quarantine(desk.place, BODY)
        assert desk.repair.release(kept, read(), None, "mended") is None
        fresh = Desk(tmp_path / "other.db")
        (accepted,) = fresh.accept(read())
        ours, theirs = desk.event(kept), fresh.event(accepted)
        apart = {"seq", "id", "received_at", "last_delivered_at", "apply_at", "body_hash", "refusal"}
        assert {name: ours[name] for name in ours.keys() - apart} == {
            name: theirs[name] for name in theirs.keys() - apart
        }
        assert ours["apply_at"] is not None
        assert json.loads(ours["refusal"])["problem"] == "body-refused"
        orders = "SELECT purchase_order_number FROM event_order WHERE event_id = ?"
        assert desk.sql(orders, kept) == fresh.sql(orders, accepted) == [{"purchase_order_number": "PO7"}]
        (counted,) = desk.sql("SELECT detail, events, example_event_id FROM drift")
        assert counted == {"detail": "co2", "events": 1, "example_event_id": kept}
        fresh.repair.close()

    def test_edited_body_is_kept_beside_the_original(self, desk: Desk) -> None:
        (kept,) = quarantine(desk.place, b"broken")
        assert desk.repair.release(kept, read(), ("application/json", BODY), "mended by hand") is None
        reader = InboxReader(desk.place)
        assert (reader.body(kept), reader.edited_body(kept)) == (b"broken", BODY)
        shown = reader.event(kept)
        assert shown["edited"] == {"content_type": "application/json"}
        assert shown["audit"][0]["detail"] == f"with another body of {len(BODY)} bytes as application/json"

    def test_message_that_was_accepted_meanwhile_is_not_accepted_twice(self, desk: Desk) -> None:
        (kept,) = quarantine(desk.place, BODY)
        (accepted,) = desk.accept(read())
        before = desk.event(kept)
        assert desk.repair.release(kept, read(), ("application/json", BODY), "again") == accepted
        assert desk.event(kept) == before
        assert desk.sql("SELECT * FROM audit") == desk.sql("SELECT * FROM edited_body") == []

    def test_event_that_is_not_in_quarantine_is_left(self, desk: Desk) -> None:
        (kept,) = quarantine(desk.place, BODY)
        desk.repair.release(kept, read(), None, "mended")
        with pytest.raises(NotPossibleError, match="is received, not in quarantine"):
            desk.repair.release(kept, read(), None, "mended")

    def test_same_body_refused_again_keeps_the_id_of_the_released_one(self, desk: Desk) -> None:
        (kept,) = quarantine(desk.place, BODY)
        desk.repair.release(kept, read(), None, "mended")
        assert quarantine(desk.place, BODY) == [kept]


class TestPause:
    def test_pausing_and_resuming_is_done_once_and_on_record(self, desk: Desk) -> None:
        desk.repair.pause("erp", "stock-taking")
        (row,) = desk.sql("SELECT * FROM destination")
        assert (row["name"], row["paused_reason"]) == ("erp", "stock-taking")
        with pytest.raises(NotPossibleError, match="erp is paused already"):
            desk.repair.pause("erp", "again")
        desk.repair.resume("erp", "counted")
        (row,) = desk.sql("SELECT * FROM destination")
        assert (row["paused_at"], row["paused_reason"]) == (None, None)
        with pytest.raises(NotPossibleError, match="erp is not paused"):
            desk.repair.resume("erp", "again")
        actions = desk.sql("SELECT action, target FROM audit ORDER BY id")
        assert actions == [{"action": "pause", "target": "erp"}, {"action": "resume", "target": "erp"}]

    def test_pausing_keeps_since_when_it_is_unavailable(self, desk: Desk) -> None:
        desk.sql("INSERT INTO destination (name, unavailable_since) VALUES ('erp', ?)", LONG_AGO)
        desk.repair.pause("erp", "stock-taking")
        (row,) = desk.sql("SELECT * FROM destination")
        assert row["unavailable_since"] == LONG_AGO


class TestHeldUp:
    def held_up(self, desk: Desk, event_id: str) -> Sequence[dict[str, Any]]:
        (row,) = [row for row in InboxReader(desk.place).events(EventFilter()) if row["id"] == event_id]
        found: Sequence[dict[str, Any]] = row["held_up_by"]
        return found

    def test_event_that_waits_for_a_paused_destination_says_so(self, desk: Desk) -> None:
        first, *_ = three(desk)
        desk.handed(desk.applied(first), ready=True)
        assert self.held_up(desk, first) == []
        desk.repair.pause("erp", "stock-taking")
        (one,) = self.held_up(desk, first)
        assert (one["destination"], one["how"]) == ("erp", "paused")

    def test_event_that_gets_on_at_another_destination_says_nothing(self, desk: Desk) -> None:
        first, *_ = three(desk)
        desk.applied(first)
        desk.handed(first, "erp", ready=True)
        desk.handed(first, "archive", ready=True)
        desk.sql("INSERT INTO destination (name, unavailable_since) VALUES ('erp', ?)", LONG_AGO)
        assert self.held_up(desk, first) == []

    def test_event_behind_a_dead_one_names_it(self, desk: Desk) -> None:
        first, second, _ = three(desk)
        desk.handed(desk.applied(first, "dead"), state="dead")
        desk.handed(desk.applied(second))
        (one,) = self.held_up(desk, second)
        assert (one["destination"], one["how"], one["behind"]) == ("erp", "behind", first)


def test_filter_by_destination_finds_what_ever_went_there(desk: Desk) -> None:
    first, second, _ = three(desk)
    desk.handed(desk.applied(first, "done"), state="done")
    desk.handed(desk.applied(second), "archive")
    reader = InboxReader(desk.place)
    assert reader.ids(EventFilter(destination="erp", limit=None)) == [first]
    assert reader.ids(EventFilter(limit=None))[:2] == [first, second]


def test_released_event_with_the_message_id_of_another_content_points_to_it(desk: Desk) -> None:
    (accepted,) = desk.accept(replace(read(), id=new_id(), content_hash=b"other"))
    (kept,) = quarantine(desk.place, BODY)
    assert desk.repair.release(kept, read(), None, "mended") is None
    assert desk.event(kept)["other_content_as"] == accepted
