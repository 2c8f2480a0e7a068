"""The inbox on a real database file."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from handlers.interface import Endpoint, EventFacts
from service.inbox import sqlite
from service.inbox.grouped import GroupedInbox
from service.inbox.interface import (
    Delivery,
    InboxUnavailableError,
    NewEvent,
    RefusedBody,
    RejectedLogin,
    State,
    Stored,
    new_id,
)
from service.inbox.local import LocalInbox
from service.inbox.place import DatabaseServer, Place
from service.inbox.reader import EventFilter, InboxReader
from service.inbox.schema import metadata
from service.inbox.shared import SharedInbox
from service.inbox.sqlite import writing_engine
from service.inbox.transaction import QuarantineBudget


def inbox_in(place: Place, **changes: Any) -> GroupedInbox:
    """An inbox in either store."""
    if not isinstance(place, DatabaseServer):
        return inbox_at(place, **changes)
    settings: dict[str, Any] = {
        "budget": QuarantineBudget(1_000_000, 100),
        "busy_timeout": 2.0,
        "commit_timeout": 5.0,
    }
    return SharedInbox(place, **(settings | changes))


def inbox_at(path: Path, **changes: Any) -> LocalInbox:
    settings: dict[str, Any] = {
        "budget": QuarantineBudget(1_000_000, 100),
        "wal_max_bytes": 1 << 30,
        "min_free_bytes": 1,
        "busy_timeout": 0.3,
        "commit_timeout": 2.0,
    }
    return LocalInbox(path, **(settings | changes))


def delivery(body: bytes = b"{}", endpoint: Endpoint = Endpoint.ORDER) -> Delivery:
    return Delivery(datetime.now(UTC), endpoint, "main", "application/json", "", body, len(body))


def event(
    message_id: str | None = None,
    content: bytes = b"content",
    *,
    endpoint: Endpoint = Endpoint.ORDER,
    version: str | None = "1",
    name: str = "OrderIssuedByBuyer",
    body: bytes = b"{}",
) -> NewEvent:
    facts = EventFacts(
        event_name=name,
        payload_kind="orderEvent",
        message_id=message_id,
        trace_id=None,
        subject_id="order-1",
        purchase_order_numbers=("PO1", "PO2"),
        version=version,
        last_updated_at=None,
        content={},
    )
    return NewEvent(new_id(), delivery(body, endpoint), facts, content, (), 0)


def refused(body: bytes = b"nonsense", endpoint: Endpoint = Endpoint.ORDER) -> RefusedBody:
    return RefusedBody(new_id(), delivery(body, endpoint), 400, "body-refused", "no JSON", (), 0)


def use(inbox: GroupedInbox, what: Callable[[Any], Awaitable[Any]]) -> Any:
    """Start the inbox, do something with it, stop it."""

    async def whole() -> Any:
        inbox.open()
        await inbox.start()
        try:
            return await what(inbox)
        finally:
            await inbox.stop()

    return asyncio.run(whole())


def accept_all(place: Place, *events: NewEvent) -> list[Stored]:
    async def accept(inbox: GroupedInbox) -> list[Stored]:
        return [await inbox.accept(one) for one in events]

    stored: list[Stored] = use(inbox_in(place), accept)
    return stored


def test_same_message_with_same_content_is_a_duplicate_and_keeps_the_first_id(place: Place) -> None:
    first, again = event("m1"), event("m1")
    stored = accept_all(place, first, again)
    assert stored == [Stored(first.id), Stored(first.id, duplicate=True)]
    (row,) = InboxReader(place).events(EventFilter())
    assert row["deliveries"] == 2


def test_duplicates_are_recognised_after_a_restart(place: Place) -> None:
    first, again = event("m1"), event("m1")
    accept_all(place, first)
    assert accept_all(place, again) == [Stored(first.id, duplicate=True)]


def test_ten_copies_at_once_become_one_event(place: Place) -> None:
    async def at_once(inbox: GroupedInbox) -> list[Stored]:
        return list(await asyncio.gather(*(inbox.accept(event("m1")) for _ in range(10))))

    stored = use(inbox_in(place), at_once)
    assert len({one.id for one in stored}) == 1
    assert sum(not one.duplicate for one in stored) == 1


def test_same_message_at_another_endpoint_is_another_event(place: Place) -> None:
    stored = accept_all(place, event("m1"), event("m1", endpoint=Endpoint.SHIPMENT))
    assert not stored[1].duplicate
    assert stored[1].other_content_as is None


def test_same_message_with_other_content_is_stored_and_points_to_the_earlier_event(place: Place) -> None:
    first, other, other_again = event("m1", b"a"), event("m1", b"b"), event("m1", b"b")
    stored = accept_all(place, first, other, other_again)
    assert stored[1] == Stored(other.id, other_content_as=first.id)
    assert stored[2] == Stored(other.id, duplicate=True)


def test_content_seen_before_without_message_id_is_stored_and_marked(place: Place) -> None:
    first, again = event(None), event(None)
    stored = accept_all(place, first, again)
    assert stored[1] == Stored(again.id, repeat_of=first.id)


@pytest.mark.parametrize(
    "changes", [{"name": "OrderResentByBuyer"}, {"version": None}], ids=["a resend", "no version in it"]
)
def test_content_seen_before_is_not_marked_for(place: Place, changes: dict[str, Any]) -> None:
    stored = accept_all(place, event(None, **changes), event(None, **changes))
    assert stored[1].repeat_of is None
    assert stored[0].id != stored[1].id


def test_a_shipment_is_found_by_each_of_its_order_numbers(place: Place) -> None:
    (stored,) = accept_all(place, event("m1"))
    reader = InboxReader(place)
    for number in ("PO1", "PO2"):
        assert [row["id"] for row in reader.events(EventFilter(purchase_order_number=number))] == [stored.id]
    assert reader.events(EventFilter(purchase_order_number="PO")) == []


@pytest.mark.parametrize(
    ("name", "found"),
    [("Order*", 2), ("*BySupplier", 1), ("Order_*", 0), ("OrderIssued", 0), ("Order%", 0), ("*", 3)],
)
def test_star_in_an_event_name_stands_for_anything(place: Place, name: str, found: int) -> None:
    accept_all(
        place,
        event("m1"),
        event("m2", name="OrderRejectedBySupplier"),
        event("m3", name="ShipmentIssued", endpoint=Endpoint.SHIPMENT),
    )
    assert len(InboxReader(place).events(EventFilter(event_name=name))) == found


def test_same_refused_body_keeps_its_id(place: Place) -> None:
    async def twice(inbox: GroupedInbox) -> list[Stored]:
        return [await inbox.quarantine(refused()), await inbox.quarantine(refused())]

    first, again = use(inbox_in(place), twice)
    assert again == Stored(first.id, duplicate=True)
    (row,) = InboxReader(place).events(EventFilter(state=State.QUARANTINED))
    assert row["deliveries"] == 2


@pytest.mark.parametrize("budget", [QuarantineBudget(100, 3), QuarantineBudget(25, 100)], ids=["bodies", "bytes"])
def test_a_full_quarantine_refuses_and_never_evicts(place: Place, budget: QuarantineBudget) -> None:
    async def fill(inbox: GroupedInbox) -> None:
        kept = [await inbox.quarantine(refused(b"body %d." % i)) for i in range(3)]
        with pytest.raises(InboxUnavailableError, match="quarantine is full"):
            await inbox.quarantine(refused(b"body 9."))
        assert (await inbox.quarantine(refused(b"body 0."))).id == kept[0].id
        assert not (await inbox.accept(event("m1"))).duplicate

    use(inbox_in(place, budget=budget), fill)
    assert len(InboxReader(place).events(EventFilter(state=State.QUARANTINED))) == 3


def test_one_bad_job_does_not_fail_the_others_of_its_transaction(place: Place) -> None:
    bad = event("m\ud800")  # no database can store half a character

    async def together(inbox: GroupedInbox) -> list[Any]:
        jobs = (event("m1"), bad, event("m2"))
        return list(await asyncio.gather(*(inbox.accept(job) for job in jobs), return_exceptions=True))

    first, failed, last = use(inbox_in(place), together)
    assert isinstance(failed, Exception)
    assert not isinstance(failed, InboxUnavailableError)
    assert {first.duplicate, last.duplicate} == {False}
    assert len(InboxReader(place).events(EventFilter())) == 2


def test_locked_database_fails_the_waiters_and_recovers(tmp_path: Path) -> None:
    path = tmp_path / "inbox.db"

    async def while_locked(inbox: LocalInbox) -> None:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(InboxUnavailableError, match="locked"):
            await inbox.accept(event("m1"))
        with pytest.raises(InboxUnavailableError):
            await inbox.check()
        other.execute("ROLLBACK")
        assert not (await inbox.accept(event("m1"))).duplicate
        await inbox.check()

    use(inbox_at(path), while_locked)


def test_stuck_writer_fails_its_waiters_at_once_and_recovers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox = inbox_at(tmp_path / "inbox.db", commit_timeout=0.4)
    disk_answers = threading.Event()
    check = inbox._file.check

    def hang() -> None:
        disk_answers.wait(10)
        check()

    async def while_stuck(_: LocalInbox) -> None:
        monkeypatch.setattr(inbox._file, "check", hang)
        started = time.monotonic()
        waiting = [asyncio.create_task(inbox.accept(event(f"m{i}"))) for i in range(3)]
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        assert all(isinstance(outcome, InboxUnavailableError) for outcome in outcomes), outcomes
        assert time.monotonic() - started < 2
        with pytest.raises(InboxUnavailableError, match="waiting for the disk"):
            await inbox.check()
        monkeypatch.setattr(inbox._file, "check", check)
        disk_answers.set()
        await asyncio.sleep(0.5)
        await inbox.check()

    use(inbox, while_stuck)


def test_dead_writer_fails_its_waiters_and_is_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox = inbox_at(tmp_path / "inbox.db")

    def die() -> None:
        raise SystemExit

    async def after_death(_: LocalInbox) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(inbox._file, "check", die)
            with pytest.raises(InboxUnavailableError, match="died"):
                await inbox.accept(event("m1"))
        assert not (await inbox.accept(event("m1"))).duplicate

    use(inbox, after_death)


@pytest.mark.parametrize("replace", [False, True], ids=["removed", "replaced"])
def test_a_database_file_that_is_gone_is_not_written_to(tmp_path: Path, replace: bool) -> None:
    path = tmp_path / "inbox.db"

    async def after_removal(inbox: LocalInbox) -> None:
        await inbox.accept(event("m1"))
        path.rename(tmp_path / "elsewhere.db")
        if replace:
            path.touch()
        with pytest.raises(InboxUnavailableError, match="removed or replaced"):
            await inbox.accept(event("m2"))

    use(inbox_at(path), after_removal)


def test_write_transaction_takes_the_lock_at_its_beginning(tmp_path: Path) -> None:
    accept_all(tmp_path / "inbox.db")
    other = sqlite3.connect(tmp_path / "inbox.db", isolation_level=None, timeout=0.1)
    engine = writing_engine(tmp_path / "inbox.db", 1.0)
    with engine.begin() as connection:
        connection.exec_driver_sql("SELECT count(*) FROM event")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
    other.close()
    engine.dispose()


@pytest.mark.parametrize("elsewhere_open", [False, True], ids=["alone", "open elsewhere too"])
def test_log_that_somebody_removed_is_noticed_and_nothing_in_it_is_lost(
    tmp_path: Path, elsewhere_open: bool
) -> None:
    path = tmp_path / "inbox.db"

    async def remove_log(inbox: LocalInbox) -> None:
        await inbox.accept(event("m1"))
        with contextlib.ExitStack() as stack:
            if elsewhere_open:
                stack.enter_context(opened_by_another_process(path))
            path.with_name("inbox.db-wal").unlink()
            # Stored, or refused as long as the other program has it open: both keep the promise.
            with contextlib.suppress(InboxUnavailableError):
                await inbox.accept(event("m2"))
        await inbox.accept(event("m2"))
        # A copy of what is on the disk now is what a power cut would leave.
        for name in ("inbox.db", "inbox.db-wal"):
            (tmp_path / f"copy-{name}").write_bytes((tmp_path / name).read_bytes())

    use(inbox_at(path), remove_log)
    (tmp_path / "copy-inbox.db-wal").rename(tmp_path / "copy.db-wal")
    (tmp_path / "copy-inbox.db").rename(tmp_path / "copy.db")
    messages = {row["message_id"] for row in InboxReader(tmp_path / "copy.db").events(EventFilter())}
    assert messages == {"m1", "m2"}


@contextlib.contextmanager
def opened_by_another_process(path: Path) -> Iterator[None]:
    """Somebody looks at the inbox with another program, and leaves it open."""
    program = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); "
        "c.execute('SELECT count(*) FROM event').fetchall(); print('open', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", program, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"open\n"
        yield
        process.communicate()


def test_removed_log_that_cannot_be_saved_now_is_kept_for_the_next_attempt(tmp_path: Path) -> None:
    path = tmp_path / "inbox.db"

    async def remove_log(inbox: LocalInbox) -> None:
        await inbox.accept(event("m1"))
        reader = sqlite3.connect(path, isolation_level=None)
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM event").fetchall()
        path.with_name("inbox.db-wal").unlink()
        with pytest.raises(InboxUnavailableError, match="cannot be saved yet"):
            await inbox.accept(event("m2"))
        reader.execute("ROLLBACK")
        reader.close()
        await inbox.accept(event("m2"))

    use(inbox_at(path), remove_log)
    assert {row["message_id"] for row in InboxReader(path).events(EventFilter())} == {"m1", "m2"}


def test_inbox_and_its_log_are_for_their_owners_eyes_only(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:

        async def look(inbox: LocalInbox) -> None:
            await inbox.accept(event("m1"))
            for name in ("inbox.db", "inbox.db-wal", "inbox.db-shm"):
                assert (tmp_path / "a" / "b" / name).stat().st_mode & 0o077 == 0, name

        use(inbox_at(tmp_path / "a" / "b" / "inbox.db"), look)
    finally:
        os.umask(before)


def test_inbox_of_a_newer_version_is_refused_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "inbox.db"
    accept_all(path)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(InboxUnavailableError, match="newer version"):
        inbox_at(path).open()


def test_waiters_of_a_dead_writer_are_failed_and_those_behind_them_are_served(place: Place) -> None:
    inbox = inbox_in(place)
    commit, died = inbox._commit, threading.Event()

    def die_once(jobs: Any) -> Any:
        if not died.is_set():
            died.set()
            time.sleep(0.2)  # the others queue up behind
            raise SystemExit
        return commit(jobs)

    inbox._writer._commit = die_once

    async def together(_: LocalInbox) -> list[Any]:
        first = asyncio.create_task(inbox.accept(event("m0")))
        await asyncio.sleep(0.05)
        others = [asyncio.create_task(inbox.accept(event(f"m{i}"))) for i in range(1, 4)]
        return list(await asyncio.wait_for(asyncio.gather(first, *others, return_exceptions=True), 5))

    first, *others = use(inbox, together)
    assert isinstance(first, InboxUnavailableError)
    assert all(isinstance(other, Stored) for other in others), others


def test_log_of_the_database_stays_bounded_under_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "WAL_CHECKPOINT_BYTES", 256 * 1024)
    monkeypatch.setattr(sqlite, "WAL_RESTART_BYTES", 2 * 1024 * 1024)
    path = tmp_path / "inbox.db"

    async def load(inbox: LocalInbox) -> int:
        largest = 0
        for _ in range(60):
            await asyncio.gather(*(inbox.accept(event(new_id(), body=b"x" * 50_000)) for _ in range(10)))
            largest = max(largest, path.with_name("inbox.db-wal").stat().st_size)
        return largest

    assert use(inbox_at(path), load) < 4 * 1024 * 1024


def test_a_reader_that_never_lets_go_leads_to_503_not_to_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "WAL_RESTART_BYTES", 256 * 1024)
    path = tmp_path / "inbox.db"

    async def load(inbox: LocalInbox) -> None:
        await inbox.accept(event("m0"))
        reader = sqlite3.connect(path, isolation_level=None)
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM event").fetchall()

        async def fill() -> None:
            for _ in range(100):
                await inbox.accept(event(new_id(), body=b"x" * 50_000))

        with pytest.raises(InboxUnavailableError, match="wal_max_bytes"):
            await fill()
        reader.execute("ROLLBACK")
        await asyncio.sleep(1.1)  # emptying is tried once a second
        await inbox.check()

    use(inbox_at(path, wal_max_bytes=1024 * 1024), load)


def test_rejected_logins_add_up(place: Place) -> None:
    login = RejectedLogin("main", Endpoint.ORDER, 2, datetime.now(UTC))

    async def report(inbox: GroupedInbox) -> None:
        await inbox.report_rejected((login,))
        await inbox.report_rejected((login,))

    use(inbox_in(place), report)
    (row,) = InboxReader(place).rejected_logins()
    assert row["count"] == 4


def test_migrations_lead_to_the_schema_in_the_code(tmp_path: Path) -> None:
    accept_all(tmp_path / "inbox.db")
    with writing_engine(tmp_path / "inbox.db", 1.0).connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_stopped_inbox_stores_what_waits_and_refuses_what_comes_later(place: Place) -> None:
    inbox = inbox_in(place)

    async def stop_with_waiters() -> list[Any]:
        inbox.open()
        await inbox.start()
        waiting = [asyncio.create_task(inbox.accept(event(f"m{i}"))) for i in range(20)]
        await asyncio.sleep(0)
        await inbox.stop()
        with pytest.raises(InboxUnavailableError, match="shutting down"):
            await inbox.accept(event("late"))
        return list(await asyncio.gather(*waiting, return_exceptions=True))

    outcomes = asyncio.run(stop_with_waiters())
    assert all(isinstance(outcome, Stored) for outcome in outcomes)
    assert len(InboxReader(place).events(EventFilter())) == 20
