"""The inbox on a PostgreSQL server as one of several workers sees it.

Whoever changes anything of a key (an order, a shipment) holds the key's advisory lock: a worker from before it
reads an event until nothing of the key is under way any more, an operator's command during its transaction. The
locks belong to the one connection on which the worker writes: when it dies, the server gives them back, and what it
left under way is found by the others. A worker whose connection broke writes nothing: its next transaction fails.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

from service.inbox import work_queries as sql
from service.inbox.applying import ChangedMeanwhileError, ToWrite
from service.inbox.instant import instant
from service.inbox.interface import State
from service.inbox.look import MAX_BYTES, Facts, Look, accepted
from service.inbox.place import DatabaseServer
from service.inbox.postgresql import (
    indexed,
    is_collision,
    is_mistake,
    is_read_only,
    open_server,
    reading_engine,
    say_present,
    session_engine,
    try_locks,
    unavailable,
    unlock,
    unlock_all,
    work_lock,
)
from service.inbox.work import CollisionError, Work, WorkerStore
from service.inbox.work_values import AcceptedEvent, Claim, Finished

log = logging.getLogger(__name__)

T = TypeVar("T")

#: Seconds between two looks for what dead workers left, which is also how long it has to lie there: a worker that
#: lost its connection, because the server was started again, takes its locks anew within that time.
LOOK_EVERY = 1.0
#: Seconds until the next turn where another worker holds what there would be to do.
CONTENDED_PAUSE = 0.05
#: How many candidates are looked at for each one that is wanted: the first may all be another worker's.
CANDIDATES = 8


class SharedWorkStore(WorkerStore):
    """Opened by each worker."""

    longest_sleep = LOOK_EVERY

    def __init__(self, server: DatabaseServer, *, busy_timeout: float, readers: int) -> None:
        """Open the database.

        Raises:
            InboxUnavailableError: it cannot be opened.
        """
        self._engine: Engine = session_engine(server, lock_seconds=busy_timeout, statement_seconds=30.0)
        open_server(server, self._engine)
        self._reader: Engine = reading_engine(server, connections=readers + 1)
        self._session: Connection | None = None
        self._held: set[int] = set()
        self._in_flight: dict[int, int] = {}
        """Handovers with an attempt of ours under way -> the lock of their key."""
        self._left_behind: dict[int, tuple[str, float]] = {}
        """Handovers that are under way nowhere -> since when, and when that was seen first."""
        self._look_at = 0.0
        self._closed = False
        self._contended = False

    def close(self) -> None:
        """Let go of the database."""
        self._closed = True
        self._forget_session()
        self._engine.dispose()
        # What an attempt is reading now comes back to this pool, which is emptied only once.
        pool, until = self._reader.pool, time.monotonic() + 1.0
        while isinstance(pool, QueuePool) and pool.checkedout() and time.monotonic() < until:
            time.sleep(0.002)
        self._reader.dispose()

    @property
    def pause(self) -> float:
        """Seconds until the next turn at least."""
        return CONTENDED_PAUSE if self._contended else 0.0

    @contextlib.contextmanager
    def write(self) -> Iterator[SharedWork]:
        """One transaction, on disk when it is left without an exception.

        Raises:
            InboxUnavailableError: nothing was written.
            ChangedMeanwhileError: see there.
        """
        with self._transaction() as connection:
            work = SharedWork(connection, self)
            yield work
        for claim in work.begun:
            self._in_flight[claim.handover_id] = work_lock(claim.lock_key, claim.event_id)
        for handover_id in work.ended:
            self._in_flight.pop(handover_id, None)
        self._give_back()

    @contextlib.contextmanager
    def look(self) -> Iterator[Look]:
        """Questions to the inbox, each answered by what is on disk at that moment.

        Raises:
            InboxUnavailableError: it cannot be read.
        """
        self._contended = False
        try:
            with self._reading() as connection:
                yield SharedLook(connection, self)
        finally:
            self._give_back()

    @contextlib.contextmanager
    def _reading(self) -> Iterator[Connection]:
        try:
            with self._reader.connect() as connection:
                try:
                    yield connection
                finally:
                    if self._closed:  # an attempt that outlived the worker: the pool is gone
                        connection.detach()
        except DBAPIError as error:
            if is_mistake(error):
                raise
            raise unavailable(error, "be read") from error

    @contextlib.contextmanager
    def facts(self) -> Iterator[Facts]:
        """Questions of an attempt, from any thread: the session and its locks are not touched.

        Raises:
            InboxUnavailableError: it cannot be read.
        """
        with self._reading() as connection:
            yield Facts(connection)

    def tend(self, now: datetime) -> int:
        """Put back what dead workers left under way; how many. To be called in each turn; looks now and then.

        Raises:
            InboxUnavailableError: nothing was written.
        """
        if time.monotonic() < self._look_at:
            return 0
        self._look_at = time.monotonic() + LOOK_EVERY
        with self._transaction() as connection:
            self._take_anew(connection)
            rows = [row for row in connection.execute(sql.IN_FLIGHT) if row.id not in self._in_flight]
            long_enough = self._long_enough(rows)
            locks = {row.id: work_lock(row.lock_key, row.event_id) for row in long_enough}
            ours = self.hold(connection, locks.values())
        dead = [row.id for row in long_enough if locks[row.id] in ours]
        if not dead:
            self._give_back()
            return 0
        with self.write() as work:
            return work.put_back(dead, now)

    def _long_enough(self, rows: Sequence[Any]) -> list[Any]:
        moment, before = time.monotonic(), self._left_behind
        self._left_behind = {}
        for row in rows:
            since, seen = before.get(row.id, (row.started_at, moment))
            self._left_behind[row.id] = (since, seen) if since == row.started_at else (row.started_at, moment)
        return [row for row in rows if moment - self._left_behind[row.id][1] >= LOOK_EVERY * 0.9]

    def is_under_way_here(self, handover_id: int) -> bool:
        """Whether an attempt of ours is."""
        return handover_id in self._in_flight

    def holds(self, lock: int) -> bool:
        """Whether the lock is ours."""
        return lock in self._held

    def take(self, choose: Callable[[Connection], T]) -> T:
        """Choose what to do, and take its locks, in a short transaction.

        Raises:
            InboxUnavailableError: the server does not answer.
        """
        with self._transaction() as connection:
            return choose(connection)

    def hold(self, connection: Connection, locks: Iterable[int]) -> set[int]:
        """Which of these locks are ours, those taken now included."""
        wanted = set(locks)
        taken = try_locks(connection, sorted(wanted - self._held))
        self._held |= taken
        ours = wanted & self._held
        self._contended = self._contended or ours != wanted
        return ours

    def leave_for_next_turn(self) -> None:
        """Somebody else is busy with something that was due; the next turn comes after a pause."""
        self._contended = True

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[Connection]:
        try:
            connection = self._connected()
            with connection.begin():
                yield connection
        except DBAPIError as error:
            # A session that takes no writes may be one with the former primary.
            self._begin_locks_anew(broken=error.connection_invalidated or is_read_only(error))
            if is_mistake(error):
                raise
            if is_collision(error):
                raise CollisionError(str(unavailable(error))) from error
            raise unavailable(error) from error

    def _connected(self) -> Connection:
        if self._session is None or self._session.closed or self._session.invalidated:
            self._forget_session()
            self._session = self._engine.connect()
            with self._session.begin():
                say_present(self._session)
                self._take_anew(self._session)
        return self._session

    def _begin_locks_anew(self, *, broken: bool) -> None:
        """After a statement that failed nobody knows which locks it took: one that is forgotten would keep every
        other worker from its key."""
        if not broken and self._session is not None:
            with contextlib.suppress(DBAPIError):
                with self._session.begin():
                    unlock_all(self._session)
                    self._held = set()
                    say_present(self._session)
                    self._take_anew(self._session)
                return
        self._forget_session()

    def _take_anew(self, connection: Connection) -> None:
        """What is under way here stays ours, unless another worker has gone on with it already."""
        contended = self._contended
        self.hold(connection, self._in_flight.values())
        self._contended = contended

    def _forget_session(self) -> None:
        session, self._session = self._session, None
        self._held = set()
        if session is not None:
            with contextlib.suppress(Exception):
                session.close()

    def _give_back(self) -> None:
        """The locks of all keys of which nothing is under way here."""
        idle = self._held - set(self._in_flight.values())
        if idle:
            with contextlib.suppress(Exception):  # a broken connection: they are given back already
                with self._transaction() as connection:
                    unlock(connection, idle)
                self._held -= idle


class SharedLook(Look):
    """What the worker may ask: events are its own from then on, until its next transaction."""

    def __init__(self, connection: Connection, store: SharedWorkStore) -> None:
        super().__init__(connection)
        self._store = store

    def to_apply(self, now: datetime, limit: int) -> list[AcceptedEvent]:
        """Events to be merged, of keys that no other worker is busy with."""
        wanted = {"now": instant(now), "limit": limit * CANDIDATES}

        def choose(connection: Connection) -> list[str]:
            ids: list[str] = []
            rows = connection.execute(sql.CANDIDATES_TO_APPLY, wanted).all()
            while rows and len(ids) < limit:
                some, rows = rows[:limit], rows[limit:]
                locks = {row.id: work_lock(row.key, row.id) for row in some}
                ours = self._store.hold(connection, locks.values())
                ids += [row.id for row in some if locks[row.id] in ours]
            return ids[:limit]

        # Read only now: what the one before did to the order is there since it gave the lock back.
        ids = self._store.take(choose)
        events: list[AcceptedEvent] = []
        if ids:
            for row in self._ask(sql.THESE_TO_APPLY, {"ids": ids, "now": wanted["now"]}):
                events.append(accepted(row))
                if sum(len(event.body) for event in events) > MAX_BYTES:
                    break
        return events

    def one_to_apply(self, event_id: str) -> AcceptedEvent | None:
        """The event, if it waits to be merged and no other worker is busy with its key."""

        def choose(connection: Connection) -> bool:
            row = connection.execute(sql.KEY_TO_APPLY, {"id": event_id}).first()
            return row is not None and bool(self._store.hold(connection, [work_lock(row.key, event_id)]))

        return super().one_to_apply(event_id) if self._store.take(choose) else None


class SharedWork(Work):
    """One transaction of the worker."""

    def __init__(self, connection: Connection, store: SharedWorkStore) -> None:
        super().__init__(connection)
        self._store = store
        self.begun: list[Claim] = []
        self.ended: list[int] = []

    def recover(self, now: datetime, latest: datetime) -> int:
        """What was planned before the clock was set back is due now. What dead workers left is found by `tend`."""
        self._make_up_for_the_clock(now, latest)
        return 0

    def put_back(self, handover_ids: Sequence[int], now: datetime) -> int:
        """Put back what a dead worker left under way, whose locks are ours; how many."""
        rows = self._connection.execute(sql.STILL_IN_FLIGHT, {"ids": list(handover_ids)}).all()
        self._repeat(rows, now)
        return len(rows)

    def apply(self, rows: ToWrite) -> None:
        """Write what merging came to, all of it or nothing.

        Raises:
            ChangedMeanwhileError: an operator changed one of the events, or another worker is busy with its key.
        """
        # Held since the events were read, except by one that writes a fault after a transaction that failed.
        locks = {work_lock(applied.event.key, applied.event.id) for applied in rows.batch}
        if self._store.hold(self._connection, locks) != locks:
            raise ChangedMeanwhileError
        orders = [{**row, "purchase_order_number": indexed(row["purchase_order_number"])} for row in rows.orders]
        super().apply(replace(rows, orders=orders))

    def claim(self, destination: str, now: datetime, limit: int, *, fresh_first: bool = False) -> list[Claim]:
        """Attempts to make now, of keys that no other worker is busy with."""
        wanted = {"destination": destination, "now": instant(now), "limit": limit * CANDIDATES}
        rows = self._connection.execute(sql.FRESH, wanted).all() if fresh_first else []
        rows = rows or self._connection.execute(sql.READY, wanted).all()
        ids: list[int] = []
        while rows and len(ids) < limit:
            some, rows = rows[:limit], rows[limit:]
            locks = {row.id: work_lock(row.lock_key, row.event_id) for row in some}
            ours = self._store.hold(self._connection, locks.values())
            ids += [row.id for row in some if locks[row.id] in ours]
        if not ids:
            return []
        # Again, because the one who held the lock before may have made the attempt.
        parameters = {"ids": ids[:limit], "now": instant(now)}
        found = self._connection.execute(sql.THESE_READY, parameters).all()
        if len(found) < len(ids[:limit]):
            self._store.leave_for_next_turn()
        return self._begin(found, now)

    def of_event(self, event_id: str, destination: str) -> Any | None:
        """The latest handover of an event to a destination, as a row; its key is ours, if that can be."""
        key = self._connection.execute(sql.KEY_OF, {"id": event_id}).scalar()
        self._store.hold(self._connection, [work_lock(key, event_id)])
        return super().of_event(event_id, destination)

    def is_in_other_hands(self, row: Any) -> bool:
        """Whether another worker is busy with this handover, or with another one of its key."""
        if row.state in (State.DONE, State.CANCELLED):
            return False
        if row.state == State.PROCESSING:
            return not self._store.is_under_way_here(row.id)
        return not self._store.holds(work_lock(row.lock_key, row.event_id))

    def finish(self, batch: Sequence[Finished]) -> Sequence[Finished]:
        """Write what came of attempts, unless another worker has gone on with them, or with anything else of their
        key, meanwhile; what was written."""
        self.ended += [finished.claim.handover_id for finished in batch]
        if not batch:
            return ()
        locks = {each.claim.handover_id: work_lock(each.claim.lock_key, each.claim.event_id) for each in batch}
        # Whoever has the key now may be about to write what waits for this attempt, and would not see its end. What
        # is left as it is nobody has under way any more, so it is repeated.
        held = self._store.hold(self._connection, locks.values())
        present = {row.id: row for row in self._connection.execute(sql.TOKENS, {"ids": list(locks)})}
        ours = []
        for finished in batch:
            claim, row = finished.claim, present.get(finished.claim.handover_id)
            token = (State.PROCESSING, claim.attempt, instant(claim.started_at))
            present_token = None if row is None else (row.state, row.attempts, row.started_at)
            if present_token == token and locks[claim.handover_id] in held:
                ours.append(finished)
            else:
                log.warning(
                    "action=outcome_dropped id=%s destination=%s attempt=%d reason=another worker went on with it",
                    claim.event_id,
                    claim.destination,
                    claim.attempt,
                )
        return super().finish(ours)

    def _begin(self, rows: Sequence[Any], now: datetime) -> list[Claim]:
        claims = super()._begin(rows, now)
        self.begun += claims
        return claims
