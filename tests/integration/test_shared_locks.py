"""The locks by which several workers on one PostgreSQL server keep out of each other's way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DataError

from service.inbox.applying import ChangedMeanwhileError, to_write
from service.inbox.interface import InboxUnavailableError, State
from service.inbox.place import DatabaseServer
from service.inbox.shared_work import SharedWorkStore
from service.inbox.work_values import Applied, AttemptOutcome, Finished
from tests.integration.taking import Erp, order
from tests.integration.working import House, eventually
from tests.postgresql import connection_to, rows


@pytest.fixture
def store(server: DatabaseServer) -> Iterator[Callable[[], SharedWorkStore]]:
    """Makes the store of one worker among several."""
    made: list[SharedWorkStore] = []

    def new() -> SharedWorkStore:
        made.append(SharedWorkStore(server, busy_timeout=2.0, readers=2))
        return made[-1]

    yield new
    for one in made:
        one.close()


@pytest.fixture
def house(server: DatabaseServer, tmp_path: Path) -> Iterator[House]:
    """Accepts events; its own worker is not started."""
    made = House(tmp_path, server, {}, watched=False)
    yield made
    made.close()


Stores = Callable[[], SharedWorkStore]


def now() -> datetime:
    return datetime.now(UTC)


def lose_session(server: DatabaseServer, one: SharedWorkStore) -> None:
    """As when the server is started again, or the network was gone for a while."""
    assert one._session is not None
    connection: Any = one._session.connection.driver_connection
    rows(server, "SELECT pg_terminate_backend(?)", connection.info.backend_pid)


def test_outcome_is_not_written_while_another_worker_has_the_order(
    house: House, server: DatabaseServer, store: Stores
) -> None:
    first, second = house.accept(order("PO1", 1), order("PO1", 2))
    one, other = store(), store()
    with one.look() as look:
        (event, *_) = look.to_apply(now(), 1)
        with one.write() as work:
            work.apply(to_write([Applied(event, destinations=("erp",))], now()))
            (claim,) = work.claim("erp", now(), 1)
    lose_session(server, one)
    with pytest.raises(InboxUnavailableError):
        one.tend(now())
    with other.look() as look:
        (event,) = look.to_apply(now(), 8)
        assert event.id == second
        with other.write() as work:
            # The one before it is still open: the new one waits for that.
            work.apply(to_write([Applied(event, destinations=("erp",))], now()))
            finished = Finished(claim, now(), AttemptOutcome.ACCEPTED, None, State.DONE)
            with one.write() as late:
                assert not late.finish([finished])
    assert house.handover(first)["state"] == State.PROCESSING
    # What nobody has under way any more is repeated, and then the next one has its turn.
    eventually(lambda: other.tend(now()) == 1)
    with other.look(), other.write() as work:
        (claim,) = work.claim("erp", now(), 8)
        assert claim.event_id == first
    with other.write() as work:
        work.finish([Finished(claim, now(), AttemptOutcome.ACCEPTED, None, State.DONE)])
        assert [each.event_id for each in work.claim("erp", now(), 8)] == [second]


def test_fault_is_not_written_while_another_worker_has_the_order(
    house: House, server: DatabaseServer, store: Stores
) -> None:
    (event_id,) = house.accept(order("PO1", 1))
    one, other = store(), store()
    with one.look() as look:
        (event,) = look.to_apply(now(), 8)
        # As after a statement that failed: from then on nothing is held any more.
        with pytest.raises(DataError), one.write() as work:
            work._connection.execute(text("SELECT 1 / 0"))
        with other.look() as elsewhere:
            assert [each.id for each in elsewhere.to_apply(now(), 8)] == [event_id]
            with pytest.raises(ChangedMeanwhileError), one.write() as work:
                work.apply(to_write([Applied(event, fault=True, reason="a fault")], now()))
    assert house.state(event_id) is State.RECEIVED


def test_worker_that_gave_way_to_another_transaction_goes_on_at_once(
    server: DatabaseServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    at = House(tmp_path, server, {"erp": Erp()}, watched=False, busy_timeout=5.0)
    try:
        one, other = at.accept(order("PO1", 1), order("PO2", 1))
        touch = "UPDATE event SET deliveries = deliveries + 1 WHERE id = %s"
        with connection_to(server) as connection, connection.transaction():
            connection.execute(touch, [other])
            at.start()
            waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = ?"
            eventually(lambda: bool(rows(server, waiting, server.url.rpartition("/")[2])))
            # The worker has the one and wants the other. It has been waiting longer, so the server ends it.
            connection.execute(touch, [one])
        at.wait_for_state(State.DONE, one, other)
        assert "work_unavailable" not in caplog.text
        assert [row["deliveries"] for row in rows(server, "SELECT deliveries FROM event")] == [2, 2]
    finally:
        at.close()
