"""A PostgreSQL server in trouble, or behind something that is: refused at once, and taken up without a restart."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from psycopg import sql
from sqlalchemy import text
from sqlalchemy.exc import InternalError

from service.inbox.interface import InboxUnavailableError, State
from service.inbox.place import DatabaseServer
from service.inbox.postgresql import somebody_works
from service.inbox.reader import EventFilter, InboxReader
from tests.integration.taking import Erp, order
from tests.integration.test_inbox import accept_all, event, inbox_in, use
from tests.integration.working import House, eventually
from tests.postgresql import Databases, cluster, connection_to, rows


@pytest.fixture
def server(servers: Databases) -> Iterator[DatabaseServer]:
    made = servers.new()
    yield made
    servers.drop(made)


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
    with pytest.raises(InternalError, match="read-only"), reader._engine.begin() as connection:
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
