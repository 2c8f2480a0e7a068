"""Several receivers and workers on one PostgreSQL server, and what happens when the server is in trouble."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from handlers.interface import Accepted, Endpoint
from service.inbox.interface import CredentialUse, InboxUnavailableError, State, Stored
from service.inbox.place import DatabaseServer
from service.inbox.postgresql import somebody_works
from service.inbox.reader import EventFilter, InboxReader
from service.inbox.shared_work import SharedWorkStore
from service.inbox.transaction import QuarantineBudget, store
from service.worker.documents import DocumentStage
from service.worker.inline import InlineAnswer
from tests.integration.taking import Erp, order
from tests.integration.test_inbox import accept_all, event, inbox_in, refused, use
from tests.integration.working import House, eventually
from tests.postgresql import Cluster, Databases, cluster, connection_to, rows

#: "At once", for a sender that waits.
AT_ONCE = 2.0


@pytest.fixture
def own() -> Iterator[tuple[Cluster, DatabaseServer]]:
    """A server for this test alone, which may stop it."""
    with cluster() as one:
        yield one, Databases(one, None).new()


async def refused_at_once(inbox: Any, message: str, seconds: float = AT_ONCE) -> str:
    began = time.monotonic()
    with pytest.raises(InboxUnavailableError) as raised:
        await inbox.accept(event(message))
    assert time.monotonic() - began < seconds
    return str(raised.value)


def test_copies_that_reach_two_receivers_at_once_become_one_event(server: DatabaseServer) -> None:
    one, other = inbox_in(server), inbox_in(server)

    async def both(_: Any) -> list[Stored]:
        other.open()
        await other.start()
        try:
            copies = [inbox.accept(event(f"m{i}")) for i in range(50) for inbox in (one, other)]
            return list(await asyncio.gather(*copies))
        finally:
            await other.stop()

    stored = use(one, both)
    assert sum(not each.duplicate for each in stored) == 50
    assert len({each.id for each in stored}) == 50
    found = InboxReader(server).events(EventFilter(limit=None))
    assert [row["deliveries"] for row in found] == [2] * 50


def test_body_refused_by_two_receivers_at_once_is_kept_once(server: DatabaseServer) -> None:
    one, other = inbox_in(server), inbox_in(server)

    async def both(_: Any) -> list[Stored]:
        other.open()
        await other.start()
        try:
            return list(await asyncio.gather(*(inbox.quarantine(refused()) for inbox in (one, other) * 5)))
        finally:
            await other.stop()

    assert len({each.id for each in use(one, both)}) == 1


def test_nul_in_a_text_is_stored_visibly_and_its_repetition_recognised(server: DatabaseServer) -> None:
    first, again = accept_all(server, event("a\0b"), event("a\0b"))
    assert again == Stored(first.id, duplicate=True)
    (row,) = InboxReader(server).events(EventFilter())
    assert row["message_id"] == "a\u2400b"


def test_two_that_open_an_empty_database_at_once_both_can(server: DatabaseServer) -> None:
    failed: list[Exception] = []

    def open_one() -> None:
        inbox = inbox_in(server)
        try:
            inbox.open()
        except Exception as error:
            failed.append(error)
        inbox._close()

    threads = [threading.Thread(target=open_one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


def test_stopped_server_refuses_at_once_and_started_again_it_stores_without_a_restart_of_ours(
    own: tuple[Cluster, DatabaseServer],
) -> None:
    machine, server = own

    async def through_a_stop(inbox: Any) -> None:
        first = await inbox.accept(event("m1"))
        machine.stop()
        for _ in range(2):
            await refused_at_once(inbox, "m2")
        machine.start()
        assert (await inbox.accept(event("m1"))) == Stored(first.id, duplicate=True)
        assert not (await inbox.accept(event("m2"))).duplicate

    use(inbox_in(server), through_a_stop)


def test_restart_between_two_events_is_not_noticed(own: tuple[Cluster, DatabaseServer]) -> None:
    machine, server = own

    async def through_a_restart(inbox: Any) -> None:
        await inbox.accept(event("m1"))
        machine.stop()
        machine.start()
        assert not (await inbox.accept(event("m2"))).duplicate

    use(inbox_in(server), through_a_restart)


def test_read_only_server_refuses_at_once_until_it_can_be_written_to(server: DatabaseServer) -> None:
    database = server.url.rpartition("/")[2]

    def read_only(switch: str) -> None:
        with connection_to(server) as connection:
            connection.execute("SET default_transaction_read_only = off")
            connection.execute(f'ALTER DATABASE "{database}" SET default_transaction_read_only = {switch}')
        rows(
            server,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = ? AND pid <> pg_backend_pid()",
            database,
        )

    async def through_it(inbox: Any) -> None:
        await inbox.accept(event("m1"))
        read_only("on")
        assert "read-only" in await refused_at_once(inbox, "m2")
        read_only("off")
        assert not (await inbox.accept(event("m2"))).duplicate

    use(inbox_in(server), through_it)


def test_column_that_is_gone_refuses_until_it_is_there_again(server: DatabaseServer) -> None:
    def rename(before: str, after: str) -> None:
        with connection_to(server) as connection:
            connection.execute(f"ALTER TABLE event RENAME COLUMN {before} TO {after}")

    async def through_it(inbox: Any) -> None:
        rename("trace_id", "trace")
        assert "trace_id" in await refused_at_once(inbox, "m1")
        rename("trace", "trace_id")
        assert not (await inbox.accept(event("m1"))).duplicate

    use(inbox_in(server), through_it)


def test_paused_server_refuses_within_the_commit_timeout_and_then_at_once(
    own: tuple[Cluster, DatabaseServer],
) -> None:
    machine, server = own

    async def through_a_pause(inbox: Any) -> None:
        await inbox.accept(event("m1"))
        with machine.paused():
            await refused_at_once(inbox, "m2", seconds=0.6 + AT_ONCE)
            await refused_at_once(inbox, "m3", seconds=0.5)
        deadline = time.monotonic() + 20
        while True:
            try:
                await inbox.accept(event("m3"))
                break
            except InboxUnavailableError:
                assert time.monotonic() < deadline
                await asyncio.sleep(0.1)

    use(inbox_in(server, commit_timeout=0.6), through_a_pause)


def test_workers_share_the_work_and_never_make_two_attempts_of_one_order_at_once(
    server: DatabaseServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    erp = Erp(seconds=0.005)
    houses = [House(tmp_path, server, {"erp": erp}, watched=number == 0) for number in range(3)]
    try:
        ids = houses[0].accept(*(order(f"PO{number}", tick) for tick in range(1, 9) for number in range(12)))
        for each in houses:
            each.start()
        ids += houses[1].accept(*(order(f"PO{number}", tick) for tick in range(9, 13) for number in range(12)))
        houses[0].wait_for_state(State.DONE, *ids, seconds=60.0)
        assert somebody_works(server)
    finally:
        for each in houses:
            each.close()
    assert erp.most_of_one_order == 1
    assert len(erp.calls) == len(ids)
    place_of = {event_id: place for place, event_id in enumerate(ids)}
    for number in range(12):
        places = [place_of[one] for one in erp.ids(f"company-PO{number}")]
        assert places == sorted(places)
    assert not somebody_works(server)
    # None of them was in another one's way: each event was merged once, into the state that the one before it left.
    assert rows(server, "SELECT DISTINCT events FROM mirror") == [{"events": 12}]
    assert [one.message for one in caplog.records if one.name == "service.worker.loop" and one.exc_info] == []


def test_what_a_worker_leaves_under_way_another_one_repeats_within_seconds_under_the_same_key(
    server: DatabaseServer, tmp_path: Path
) -> None:
    hanging, willing = Erp(), Erp()
    hanging.open.clear()
    first = House(tmp_path, server, {"erp": hanging})
    second = House(tmp_path, server, {"erp": willing}, watched=False)
    try:
        ids = first.accept(order("PO1", 1), order("PO1", 2), order("PO2", 1))
        first.start()
        eventually(lambda: len(hanging.calls) == 2)
        second.start()
        time.sleep(2.5)
        assert willing.calls == [], "the other worker is alive"
        first.stop()  # its connection ends, as it does with a process that is killed
        second.wait_for_state(State.DONE, *ids, seconds=10.0)
        keys = {call.event.idempotency_key for call in hanging.calls}
        assert keys <= {call.event.idempotency_key for call in willing.calls}
        assert willing.ids("company-PO1") == ids[:2]
        assert second.outcomes(ids[0]) == ["interrupted", "accepted"]
    finally:
        first.close()
        second.close()


def test_outcome_of_an_attempt_that_another_worker_went_on_with_is_dropped(
    server: DatabaseServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    hanging, refusing = Erp(), Erp(lambda _: Accepted())
    hanging.open.clear()
    first = House(tmp_path, server, {"erp": hanging})
    second = House(tmp_path, server, {"erp": refusing}, watched=False)
    try:
        (event_id,) = first.accept(order("PO1", 1))
        first.start()
        eventually(lambda: len(hanging.calls) == 1)
        second.start()
        # The first worker's connection breaks, and does not come back while the second one takes over.
        store: Any = first._store
        store._connected = lambda: (_ for _ in ()).throw(InboxUnavailableError("cut off"))
        rows(
            server,
            "SELECT pg_terminate_backend(?)",
            store._session.connection.driver_connection.info.backend_pid,
        )
        second.wait_for_state(State.DONE, event_id, seconds=10.0)
        del store._connected
        hanging.open.set()
        eventually(lambda: "outcome_dropped" in caplog.text)
        assert second.outcomes(event_id) == ["interrupted", "accepted"]
        assert second.state(event_id) is State.DONE
    finally:
        first.close()
        second.close()


def test_attempt_that_asks_for_its_documents_gives_back_no_lock_of_its_worker(
    server: DatabaseServer, tmp_path: Path
) -> None:
    at = House(tmp_path, server, {"erp": Erp()}, watched=False)
    at.accept(order("PO1"))
    store = SharedWorkStore(server, busy_timeout=5.0, readers=2)
    locks = "SELECT objid FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ExclusiveLock' AND granted"
    try:
        with store.look() as look:
            (taken,) = look.to_apply(datetime.now(UTC), 10)
            held = rows(server, locks)
            attempt = threading.Thread(target=DocumentStage(store, None).attempt, args=[taken.id])
            attempt.start()
            attempt.join(10)
            assert len(held) == 1
            assert rows(server, locks) == held
    finally:
        store.close()
        at.close()


def test_handover_that_somebody_is_writing_delays_no_other_one(server: DatabaseServer, tmp_path: Path) -> None:
    erp = Erp()
    at = House(tmp_path, server, {"erp": erp}, watched=False)
    try:
        at.repair(lambda repair: repair.pause("erp", "maintenance"))
        at.start()
        held, *others = at.accept(order("HELD"), *(order(f"PO{number}") for number in range(5)))
        at.wait_for_state(State.PROCESSING, held, *others)
        with connection_to(server) as somebody, somebody.transaction():
            somebody.execute("SELECT 1 FROM handover WHERE event_id = %s FOR UPDATE", [held])
            at.repair(lambda repair: repair.resume("erp", "over"))
            at.wait_for_state(State.DONE, *others)
            assert held not in erp.ids()
        at.wait_for_state(State.DONE, held)
    finally:
        at.close()


def test_restart_of_the_server_costs_a_worker_neither_events_nor_its_place(
    own: tuple[Cluster, DatabaseServer], tmp_path: Path
) -> None:
    machine, server = own
    erp = Erp(seconds=0.4)
    one = House(tmp_path, server, {"erp": erp})
    other = House(tmp_path, server, {"erp": erp}, watched=False)
    try:
        ids = one.accept(*(order(f"PO{number}", tick) for tick in (1, 2, 3) for number in range(6)))
        one.start()
        other.start()
        eventually(lambda: len(erp.calls) >= 6)
        machine.stop()
        machine.start()
        one.wait_for_state(State.DONE, *ids, seconds=40.0)
        assert erp.most_of_one_order == 1
        for number in range(6):
            came = list(dict.fromkeys(erp.ids(f"company-PO{number}")))
            assert came == ids[number::6]
    finally:
        one.close()
        other.close()


def test_sender_that_waits_gets_its_answer_when_the_worker_that_is_busy_with_the_order_is_done(
    server: DatabaseServer, tmp_path: Path
) -> None:
    slow, quick = Erp(), Erp()
    slow.open.clear()
    inline = {Endpoint.ORDER: "erp"}
    first = House(tmp_path, server, {"erp": slow}, inline=inline)
    second = House(tmp_path, server, {"erp": quick}, inline=inline, watched=False)
    try:
        one, other, elsewhere = first.accept(
            order("PO1", 1), order("PO1", 2), order("PO2", 1), owned_by_sender=True
        )
        first.start()
        earlier = first.ask(one)
        eventually(lambda: len(slow.calls) == 1)
        second.start()
        later, same, free = second.ask(other), second.ask(one), second.ask(elsewhere)
        assert free.wait()[0] is InlineAnswer.DONE
        assert not later.came
        assert not same.came
        slow.open.set()
        assert [answer.wait()[0] for answer in (earlier, same, later)] == [InlineAnswer.DONE] * 3
        assert quick.ids() == [elsewhere, other]
    finally:
        first.close()
        second.close()


def test_sender_that_waits_is_told_at_once_that_the_server_is_down(
    own: tuple[Cluster, DatabaseServer], tmp_path: Path
) -> None:
    machine, server = own
    at = House(tmp_path, server, {"erp": Erp()}, inline={Endpoint.ORDER: "erp"}, watched=False)
    try:
        (event_id,) = at.accept(order("PO1", 1), owned_by_sender=True)
        at.start()
        machine.stop()
        assert at.ask(event_id).wait(5.0)[0] is InlineAnswer.TROUBLE
        machine.start()
        eventually(lambda: at.ask(event_id).wait()[0] is InlineAnswer.DONE)
    finally:
        at.close()


def test_receivers_that_write_the_same_counts_in_another_order_do_not_lock_each_other_out(
    server: DatabaseServer,
) -> None:
    uses = [CredentialUse(name, Endpoint.ORDER, datetime.now(UTC)) for name in ("one", "other")]
    receivers: list[Any] = [inbox_in(server), inbox_in(server)]
    use(inbox_in(server), lambda inbox: inbox.report_used(tuple(uses)))
    failed: list[Exception] = []

    def report(engine: Any, jobs: list[Any]) -> None:
        try:
            with engine.begin() as connection:
                store(connection, jobs, QuarantineBudget(1, 1))
        except Exception as error:
            failed.append(error)

    threads = [
        threading.Thread(target=report, args=[receiver._engine, jobs])
        for receiver, jobs in zip(receivers, (uses, uses[::-1]), strict=True)
    ]
    with connection_to(server) as connection, connection.transaction():
        connection.execute("SELECT 1 FROM credential_use FOR UPDATE")
        for thread in threads:
            thread.start()
        eventually(
            lambda: (
                rows(
                    server,
                    "SELECT count(*) AS n FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = ?",
                    server.url.rpartition("/")[2],
                )
                == [{"n": 2}]
            )
        )
    for thread in threads:
        thread.join()
    for receiver in receivers:
        receiver._close()
    assert failed == []
