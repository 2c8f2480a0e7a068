"""A PostgreSQL server in trouble, or behind something that is: refused at once, and taken up without a restart."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from psycopg import sql
from sqlalchemy import make_url, text
from sqlalchemy.exc import OperationalError

from handlers.interface import Endpoint
from service.inbox.interface import InboxUnavailableError, State, Stored
from service.inbox.mirror_reader import MirrorFilter, MirrorReader
from service.inbox.place import DatabaseServer
from service.inbox.postgresql import GRACE, session_engine, somebody_works, wait_at_most
from service.inbox.reader import EventFilter, InboxReader
from tests.integration.taking import Erp, order
from tests.integration.test_inbox import accept_all, event, inbox_in, use
from tests.integration.working import House, eventually
from tests.postgresql import Databases, cluster, connection_to, rows
from tests.relay import Relay, relay


def end_sessions(server: DatabaseServer) -> None:
    rows(
        server,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = ? AND pid <> pg_backend_pid()",
        server.url.rpartition("/")[2],
    )


def read_only_for_new_sessions(server: DatabaseServer, switch: str) -> None:
    """As with an address that leads to the former primary for a while."""
    with connection_to(server) as connection:
        connection.execute("SET default_transaction_read_only = off")
        database = server.url.rpartition("/")[2]
        connection.execute(f'ALTER DATABASE "{database}" SET default_transaction_read_only = {switch}')


def test_receiver_that_was_connected_to_a_read_only_server_connects_anew(server: DatabaseServer) -> None:
    async def through_it(inbox: Any) -> None:
        await inbox.accept(event("m1"))
        read_only_for_new_sessions(server, "on")
        end_sessions(server)
        with pytest.raises(InboxUnavailableError, match="read-only"):
            await inbox.accept(event("m2"))
        read_only_for_new_sessions(server, "off")
        assert not (await inbox.accept(event("m2"))).duplicate

    use(inbox_in(server), through_it)


def test_worker_that_was_connected_to_a_read_only_server_connects_anew(
    server: DatabaseServer, tmp_path: Path
) -> None:
    erp = Erp()
    erp.open.clear()
    at = House(tmp_path, server, {"erp": erp}, watched=False)
    try:
        (event_id,) = at.accept(order("PO1", 1))
        at.start()
        eventually(lambda: len(erp.calls) == 1)
        read_only_for_new_sessions(server, "on")
        end_sessions(server)
        erp.open.set()
        worker = at.worker
        assert worker is not None
        eventually(lambda: "read-only" in (worker._told_trouble or ""))
        read_only_for_new_sessions(server, "off")
        at.wait_for_state(State.DONE, event_id)
    finally:
        at.close()


def test_address_that_asks_for_a_server_that_takes_writes_can_be_read_too(
    server: DatabaseServer, tmp_path: Path
) -> None:
    asking = replace(server, url=f"{server.url}?target_session_attrs=read-write")
    (stored,) = accept_all(asking, event("m1"))
    assert [row["id"] for row in InboxReader(asking).events(EventFilter())] == [stored.id]
    at = House(tmp_path, asking, {"erp": Erp()}, watched=False)
    try:
        at.start()
        at.wait_for_state(State.DONE, *at.accept(order("PO1", 1)))
        assert somebody_works(asking)
    finally:
        at.close()


def test_what_is_read_cannot_write(server: DatabaseServer) -> None:
    accept_all(server, event("m1"))
    reader = InboxReader(server)
    with pytest.raises(InboxUnavailableError, match="read-only"), reader._engine.begin() as connection:
        connection.execute(text("DELETE FROM event_order"))


def test_of_several_servers_the_one_that_takes_writes_is_used() -> None:
    with cluster("-c", "default_transaction_read_only=on") as standby, cluster() as primary:
        made = Databases(primary, None).new()
        database = made.url.rpartition("/")[2]
        with standby.connect("postgres") as connection:
            connection.execute("SET default_transaction_read_only = off")
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
        hosts = "&".join(f"host=127.0.0.1:{one.port}" for one in (standby, primary))
        user = made.url.partition("@")[0]
        both = DatabaseServer(f"{user}@/{database}?{hosts}")
        assert str(both).endswith(f"//127.0.0.1:{standby.port},127.0.0.1:{primary.port}/{database}")
        (stored,) = accept_all(both, event("m1"))
        assert [row["id"] for row in InboxReader(both).events(EventFilter())] == [stored.id]
        assert [row["id"] for row in InboxReader(made).events(EventFilter())] == [stored.id]


def test_database_that_cannot_hold_every_script_is_refused_in_one_line() -> None:
    with cluster() as machine:
        with machine.connect("postgres") as connection:
            connection.execute(
                "CREATE DATABASE latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
            )
        inbox = inbox_in(DatabaseServer(machine.url("latin")))
        with pytest.raises(InboxUnavailableError, match=r"^cannot open \S+/latin: its encoding is LATIN1, .*$"):
            inbox.open()
        inbox._close()


def test_looking_for_workers_keeps_nobody_from_saying_that_he_is_one(server: DatabaseServer) -> None:
    said: list[bool] = []

    def look() -> None:
        said.extend(somebody_works(server) for _ in range(15))

    lookers = [threading.Thread(target=look) for _ in range(4)]
    for looker in lookers:
        looker.start()
    for looker in lookers:
        looker.join()
    assert not any(said), "one took another for a worker"
    assert len(said) == 60


@pytest.fixture
def between(server: DatabaseServer) -> Iterator[tuple[Relay, DatabaseServer]]:
    """Something in between, and the address of the server through it."""
    url = make_url(server.url)
    with relay(url.port or 5432) as one:
        yield one, DatabaseServer(f"{server.url.rpartition('@')[0]}@127.0.0.1:{one.port}/{url.database}")


def test_connection_that_only_seems_to_be_there_is_given_up_and_made_anew(
    between: tuple[Relay, DatabaseServer],
) -> None:
    proxy, server = between

    async def through_it(inbox: Any) -> None:
        await inbox.accept(event("m1"))
        proxy.mute()
        began = time.monotonic()
        while True:
            try:
                await inbox.accept(event("m2"))
                break
            except InboxUnavailableError:
                assert time.monotonic() < began + 15.0
                await asyncio.sleep(0.1)

    use(inbox_in(server, commit_timeout=0.5), through_it)
    assert rows(server, "SELECT count(*) AS n FROM event") == [{"n": 2}]


def test_session_of_a_worker_that_only_seems_to_be_there_breaks(between: tuple[Relay, DatabaseServer]) -> None:
    proxy, server = between
    engine = session_engine(server, lock_seconds=0.3, statement_seconds=0.3)
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
        proxy.mute()
        with pytest.raises(OperationalError, match="did not answer") as raised:
            connection.execute(text("SELECT 1"))
        assert raised.value.connection_invalidated
    engine.dispose()


def test_connection_that_is_told_to_wait_longer_is_not_given_up(server: DatabaseServer) -> None:
    engine = session_engine(server, lock_seconds=0.3, statement_seconds=0.1)
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL statement_timeout = '10s'"))
        wait_at_most(connection, 10.0)
        connection.execute(text(f"SELECT pg_sleep({GRACE + 0.4})"))
    engine.dispose()


@pytest.mark.parametrize("reaches_server", [True, False])
def test_event_whose_commit_got_no_answer_is_refused_and_its_repetition_becomes_one_event(
    between: tuple[Relay, DatabaseServer], reaches_server: bool
) -> None:
    proxy, server = between
    first, again = event("m1"), event("m1")

    async def through_it(inbox: Any) -> Stored:
        await inbox.accept(event("m0"))
        proxy.cut_at(b"COMMIT\0", reaches_server=reaches_server)
        with pytest.raises(InboxUnavailableError):
            await inbox.accept(first)
        repeated: Stored = await inbox.accept(again)
        return repeated

    stored = use(inbox_in(server), through_it)
    assert stored == (Stored(first.id, duplicate=True) if reaches_server else Stored(again.id))
    assert rows(server, "SELECT count(*) AS n FROM event WHERE message_id = 'm1'") == [{"n": 1}]


def test_reader_whose_server_goes_away_between_two_questions_says_so_in_one_line(
    server: DatabaseServer, servers: Databases
) -> None:
    accept_all(server, event("m1"))
    reader, mirror = InboxReader(server), MirrorReader(server, Endpoint.ORDER)
    assert len(reader.events(EventFilter())) == 1
    servers.drop(server)
    questions: list[Callable[[], object]] = [
        lambda: reader.events(EventFilter()),
        lambda: mirror.subjects(MirrorFilter()),
    ]
    for question in questions:
        with pytest.raises(InboxUnavailableError, match=r"^the inbox cannot be read: .*does not exist$"):
            question()
