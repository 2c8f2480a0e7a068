"""What the inbox keeps over all events, on a real database file: drift, last uses, and the step that added them."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from handlers.interface import Endpoint, JsonValue
from service.inbox import migrate
from service.inbox.drift_ledger import MAX_ROWS, NOT_TOLD_APART
from service.inbox.grouped import GroupedInbox
from service.inbox.instant import instant
from service.inbox.interface import CredentialUse, InboxUnavailableError, NewEvent
from service.inbox.local import LocalInbox
from service.inbox.place import Place
from service.inbox.reader import InboxReader
from service.inbox.schema import VERSION
from service.inbox.sqlite import writing_engine
from service.logins import LoginCounter
from tests.integration.test_inbox import accept_all, event, inbox_at, inbox_in, use
from tests.stores import execute

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)


def with_drift(
    message_id: str | None, *details: str, at: datetime = NOW, endpoint: Endpoint = Endpoint.ORDER, total: int = 0
) -> NewEvent:
    """An event with unknown members of these names; `total` counts things that are not kept with it, too."""
    new = event(message_id, b"".join(detail.encode() for detail in details), endpoint=endpoint)
    items: tuple[dict[str, JsonValue], ...] = tuple(
        {"kind": "unknown member", "place": "/orderEvent", "detail": one, "count": 2} for one in details
    )
    return replace(
        new,
        delivery=replace(new.delivery, received_at=at),
        drift=items,
        drift_count=max(total, 2 * len(items)),
    )


def drift_in(path: Place, **filters: Any) -> dict[str, tuple[str, str, int, str]]:
    """Detail (or the kind of the row for all the rest) -> since, last, events, example."""
    return {
        row["detail"] or row["kind"]: (row["first_at"], row["last_at"], row["events"], row["example_event_id"])
        for row in InboxReader(path).drift(**filters)
    }


def test_drift_is_one_row_with_since_last_how_many_events_and_the_latest_of_them(place: Place) -> None:
    path = place
    first = with_drift("m1", "a", "b")
    last = with_drift("m2", "a", at=NOW + timedelta(hours=1))
    accept_all(path, first, last)
    assert drift_in(path) == {
        "a": (instant(NOW), instant(NOW + timedelta(hours=1)), 2, last.id),
        "b": (instant(NOW), instant(NOW), 1, first.id),
    }


def test_events_of_one_transaction_add_up_as_those_of_several_do(place: Place) -> None:
    path = place

    async def at_once(inbox: GroupedInbox) -> None:
        await asyncio.gather(*(inbox.accept(with_drift(f"m{i}", "a", f"b{i % 3}")) for i in range(30)))

    use(inbox_in(path), at_once)
    use(inbox_in(path), lambda inbox: inbox.accept(with_drift("after a restart", "a")))
    counts = {detail: row[2] for detail, row in drift_in(path).items()}
    assert counts == {"a": 31, "b0": 10, "b1": 10, "b2": 10}


def test_duplicate_does_not_count_again(place: Place) -> None:
    path = place
    first = with_drift("m1", "a")

    async def copies(inbox: GroupedInbox) -> None:
        await inbox.accept(first)
        await asyncio.gather(*(inbox.accept(with_drift("m1", "a", at=NOW + timedelta(1))) for _ in range(5)))

    use(inbox_in(path), copies)
    assert drift_in(path) == {"a": (instant(NOW), instant(NOW), 1, first.id)}


def test_event_without_drift_leaves_no_row(place: Place) -> None:
    accept_all(place, event("m1"))
    assert drift_in(place) == {}


def test_drift_is_told_apart_by_endpoint_and_by_time(place: Place) -> None:
    path = place
    later = NOW + timedelta(hours=1)
    accept_all(
        path,
        with_drift("m1", "a"),
        with_drift("m2", "b", at=later),
        with_drift("m3", "a", endpoint=Endpoint.SHIPMENT),
    )
    assert drift_in(path, endpoint=Endpoint.ORDER).keys() == {"a", "b"}
    assert drift_in(path, endpoint=Endpoint.SHIPMENT)["a"][2] == 1
    assert drift_in(path, since=later).keys() == {"b"}
    assert drift_in(path, since=later + timedelta(seconds=1)) == {}


def test_event_with_more_than_is_kept_of_it_is_counted_as_not_told_apart(place: Place) -> None:
    path = place
    new = with_drift("m1", "a", total=500)
    accept_all(path, new, with_drift("m2", "a"))
    assert drift_in(path)[NOT_TOLD_APART] == (instant(NOW), instant(NOW), 1, new.id)
    assert drift_in(path)["a"][2] == 2


def fill(place: Place, rows: int) -> None:
    """An order endpoint with so many different things."""
    accept_all(place)
    execute(
        place,
        "INSERT INTO drift (endpoint, kind, place, first_at, last_at, events, example_event_id, detail)"
        " WITH RECURSIVE number(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM number WHERE n + 1 < ?)"
        " SELECT 'order', 'unknown member', '', ?, ?, 1, 'id', 'member ' || n FROM number",
        rows,
        instant(NOW),
        instant(NOW),
    )


def test_ledger_that_is_full_counts_what_is_new_in_one_row_and_what_it_knows_in_its_own(place: Place) -> None:
    path = place
    fill(path, MAX_ROWS - 3)

    async def endless(inbox: GroupedInbox) -> None:
        for i in range(4):
            await inbox.accept(with_drift(f"m{i}", *(f"new {i} {j}" for j in range(50))))
        await asyncio.gather(*(inbox.accept(with_drift(f"n{i}", f"newer {i}")) for i in range(40)))
        await inbox.accept(with_drift("old", "new 0 0"))
        await inbox.accept(with_drift("elsewhere", "new 9", endpoint=Endpoint.SHIPMENT))

    use(inbox_in(path), endless)
    found = drift_in(path, endpoint=Endpoint.ORDER)
    assert len(found) == MAX_ROWS + 1
    assert found[NOT_TOLD_APART][2] == 44
    assert sum(name.startswith("new ") for name in found) == 3
    assert max(row[2] for name, row in found.items() if name.startswith("new ")) <= 2
    assert drift_in(path, endpoint=Endpoint.SHIPMENT).keys() == {"new 9"}


def test_last_use_of_a_credential_is_kept_for_each_endpoint(place: Place) -> None:
    path = place

    async def report(inbox: GroupedInbox) -> None:
        for hour in (0, 1):
            at = NOW + timedelta(hours=hour)
            await inbox.report_used((CredentialUse("main", Endpoint.ORDER, at),))
        await inbox.report_used((CredentialUse("main", Endpoint.SHIPMENT, NOW),))

    use(inbox_in(path), report)
    assert {(row["endpoint"], row["last_used_at"]) for row in InboxReader(path).credential_uses()} == {
        ("order", instant(NOW + timedelta(hours=1))),
        ("shipment", instant(NOW)),
    }


def test_use_that_could_not_be_written_is_written_the_next_time(tmp_path: Path) -> None:
    path = tmp_path / "inbox.db"

    async def report(inbox: LocalInbox) -> None:
        counter = LoginCounter(inbox)
        counter.used("main", Endpoint.ORDER)
        counter.rejected("main", Endpoint.ORDER, "password")
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            await counter.report()
            assert InboxReader(path).credential_uses() == []
        await counter.report()

    use(inbox_at(path), report)
    assert [row["credential"] for row in InboxReader(path).credential_uses()] == ["main"]
    assert [row["count"] for row in InboxReader(path).rejected_logins()] == [1]


# The step from the version before


def of_version_0001(path: Path) -> None:
    """An inbox as the version before made it."""
    engine = writing_engine(path, 1.0)
    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).with_name("migrations")))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    engine.dispose()


def add_event(path: Path, event_id: str, received_at: str, drift: list[dict[str, Any]] | None, **more: Any) -> None:
    """An event as the version before stored it."""
    row = {
        "id": event_id,
        "received_at": received_at,
        "endpoint": "order",
        "credential": "main",
        "content_type": "application/json",
        "content_encoding": "",
        "state": "received",
        "deliveries": 1,
        "last_delivered_at": received_at,
        "kept_length": 2,
        "truncated": False,
        "message_id": event_id,
        "content_hash": b"content",
        "drift": json.dumps(drift),
        "drift_count": sum(item["count"] for item in drift or ()),
    } | more
    with closing(sqlite3.connect(path)) as connection, connection:
        places = ", ".join("?" * len(row))
        connection.execute(f"INSERT INTO event ({', '.join(row)}) VALUES ({places})", list(row.values()))  # noqa: S608
        connection.execute("INSERT INTO event_body VALUES (?, ?)", (event_id, b"{}"))


def item(detail: str, count: int = 1) -> dict[str, Any]:
    return {"kind": "unknown member", "place": "/orderEvent", "detail": detail, "count": count}


def test_inbox_of_the_version_before_is_brought_up_to_date_with_all_that_its_events_tell(tmp_path: Path) -> None:
    path = tmp_path / "inbox.db"
    of_version_0001(path)
    days = [instant(NOW + timedelta(days=day)) for day in range(5)]
    add_event(path, "e0", days[0], [item("a", 7), item("b")])
    add_event(path, "e1", days[1], None)
    add_event(path, "e2", days[2], [item("a")], credential="old")
    add_event(path, "e3", days[3], [item("a")], endpoint="shipment")
    add_event(path, "e4", days[4], [item("c")], drift_count=101)
    accept_all(path, with_drift("new", "a", at=NOW + timedelta(days=9)))
    (new,) = (row for row in InboxReader(path).drift(endpoint="order") if row["detail"] == "a")
    assert (new["first_at"], new["last_at"], new["events"]) == (days[0], instant(NOW + timedelta(days=9)), 3)
    found = drift_in(path, endpoint=Endpoint.ORDER)
    assert found["b"] == (days[0], days[0], 1, "e0")
    assert found["c"] == (days[4], days[4], 1, "e4")
    # 101 at the place, but only one kept with the event
    assert found[NOT_TOLD_APART] == (days[4], days[4], 1, "e4")
    assert drift_in(path, endpoint=Endpoint.SHIPMENT) == {"a": (days[3], days[3], 1, "e3")}
    uses = {
        (row["credential"], row["endpoint"]): row["last_used_at"] for row in InboxReader(path).credential_uses()
    }
    assert uses == {("main", "order"): days[4], ("main", "shipment"): days[3], ("old", "order"): days[2]}
    old = InboxReader(path).event("e0")
    assert (old["source_address"], old["source_listed"]) == (None, None)
    assert InboxReader(path).body("e0") == b"{}"


def test_ledger_made_from_stored_events_is_bounded_too(tmp_path: Path) -> None:
    path = tmp_path / "inbox.db"
    of_version_0001(path)
    for i in range(MAX_ROWS // 100 + 2):
        add_event(path, f"e{i}", instant(NOW), [item(f"member {i} {j}") for j in range(100)])
    accept_all(path)
    found = drift_in(path)
    assert len(found) == MAX_ROWS + 1
    assert found[NOT_TOLD_APART][2] == 2


def test_command_on_an_inbox_of_the_version_before_says_what_to_do(tmp_path: Path) -> None:
    of_version_0001(tmp_path / "inbox.db")
    with pytest.raises(InboxUnavailableError, match="`webhooks serve` brings it up to date"):
        InboxReader(tmp_path / "inbox.db")


def test_version_in_the_code_is_the_last_migration() -> None:
    script = ScriptDirectory(str(Path(migrate.__file__).with_name("migrations")))
    assert script.get_current_head() == VERSION
