"""What an operator changes in the inbox, on record: who, when, why.

Many small transactions with a pause after each, because the receiver and the worker write to the same database and
senders wait for the receiver.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, bindparam, delete, insert, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert  # SQLite knows it too
from sqlalchemy.exc import DBAPIError, IntegrityError, ProgrammingError

from handlers.interface import DOCUMENTS, DocumentState, Endpoint, JsonObject
from service.inbox import drift_ledger, handovers, postgresql
from service.inbox.instant import instant
from service.inbox.interface import NewEvent, State
from service.inbox.known_events import KnownEvents, columns_of
from service.inbox.packed import pack, unpack
from service.inbox.place import DatabaseServer, Place
from service.inbox.repair_rules import (
    IN_FLIGHT,
    Action,
    Measure,
    Standing,
    holds,
    holds_key,
    is_unfinished,
    obstacle,
    standings,
    to_hand_over_again,
)
from service.inbox.schema import (
    audit,
    destination,
    document,
    edited_body,
    event,
    event_order,
    handover,
    mirror,
    snapshot,
)
from service.inbox.shared import TRIES, as_indexed, event_locks
from service.inbox.sqlite import WAL_CHECKPOINT_BYTES, DatabaseFile, checkpoint, unavailable, writing_engine

#: A command has a person in front of it, who rather waits than tries again.
BUSY_SECONDS = 60.0

#: Seconds to wait for a worker that is busy with an event's order.
MOMENT = 2.0

#: Bounds of one transaction: events, and seconds from its beginning to its commit.
MAX_EVENTS = 50
MAX_SECONDS = 0.015
#: Seconds between two transactions, shortest and longest: as many as the last one took, so that others get half
#: of the time.
PAUSE, LONGEST_PAUSE = 0.02, 1.0

T = TypeVar("T")

#: Endpoint, state of the mirror, name of an event -> the whole order or shipment as a body of the contract.
CurrentOf = Callable[[Endpoint, JsonObject, str | None], JsonObject]


class NotPossibleError(Exception):
    """The event or destination is in no state for this; the text says why. Nothing was changed."""


@dataclass(frozen=True, slots=True)
class Treated:
    """What became of one event."""

    event_id: str
    left: str | None = None
    """Why it was left as it is; None if it was done."""


class Repair:
    """Writes to the inbox, beside the receiver and the worker."""

    def __init__(self, place: Place, *, user: str, current_of: CurrentOf) -> None:
        """`place` is an inbox with the present tables; `user` goes on record."""
        self._file = None if isinstance(place, DatabaseServer) else DatabaseFile(place, 0)
        self._engine: Engine = (
            postgresql.writing_engine(place, lock_seconds=BUSY_SECONDS, statement_seconds=BUSY_SECONDS)
            if isinstance(place, DatabaseServer)
            else writing_engine(place, BUSY_SECONDS)
        )
        self._user = user
        self._current_of = current_of

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    def treat(self, ids: Sequence[str], measure: Measure) -> Generator[Treated]:
        """Do it to each of the events that is in a state for it, in this order; what was yielded is on disk.

        Raises:
            InboxUnavailableError: the rest was not done.
        """
        done, pause = 0, 0.0
        while done < len(ids):
            time.sleep(pause)
            some = ids[done : done + MAX_EVENTS]
            began, treated = self._transaction(partial(self._treat_some, ids=some, measure=measure))
            pause = min(max(PAUSE, time.monotonic() - began), LONGEST_PAUSE)
            done += len(treated)
            yield from treated
            self._keep_log_small()

    def release(self, event_id: str, new: NewEvent, edited: tuple[str, bytes] | None, reason: str) -> str | None:
        """Let a body out of quarantine as the event `new`, which was read off it, or off the edited one (its
        content type and bytes); the original is kept. None; or the id of the event that is the same message, and
        nothing was done.

        Raises:
            NotPossibleError: it is not in quarantine.
            InboxUnavailableError: nothing was done.
        """
        return self._transaction(
            lambda connection: self._release(connection, replace(new, id=event_id), edited, reason)
        )

    def pause(self, name: str, reason: str) -> None:
        """Hand nothing over to this destination from now on.

        Raises:
            NotPossibleError: it is paused already.
            InboxUnavailableError: nothing was done.
        """
        self._transaction(lambda connection: self._pause(connection, name, reason))

    def resume(self, name: str, reason: str) -> None:
        """Hand over again.

        Raises:
            NotPossibleError: it is not paused.
            InboxUnavailableError: nothing was done.
        """
        self._transaction(lambda connection: self._resume(connection, name, reason))

    def _transaction(self, work: Callable[[Connection], T]) -> T:
        if self._file is None:
            return self._shared_transaction(work)
        try:
            with self._engine.begin() as connection:
                return work(connection)
        except (IntegrityError, ProgrammingError):
            raise  # a mistake of ours
        except DBAPIError as error:
            raise unavailable(error) from error

    def _shared_transaction(self, work: Callable[[Connection], T]) -> T:
        tries = 0
        while True:
            tries += 1
            try:
                with self._engine.begin() as connection:
                    done = work(connection)
                    postgresql.notify(connection)
            except DBAPIError as error:
                if postgresql.is_mistake(error):
                    raise
                if postgresql.is_collision(error) and tries < TRIES:
                    continue
                raise postgresql.unavailable(error) from error
            return done

    def _held_by_workers(self, connection: Connection, ids: Sequence[str]) -> set[str]:
        """Which of these events a worker is busy with, for longer than a moment; the others are ours until the end
        of the transaction. On a server only: elsewhere a transaction keeps everybody out."""
        if self._file is not None:
            return set()
        rows = connection.execute(select(event.c.id, event.c.key).where(event.c.id.in_(ids)))
        locks = {row.id: postgresql.work_lock(row.key, row.id) for row in rows}
        missing, until = set(locks.values()), time.monotonic() + MOMENT
        while missing:
            missing -= postgresql.try_locks(connection, sorted(missing), transaction=True)
            if missing and time.monotonic() > until:
                break
            time.sleep(0.01 if missing else 0.0)
        return {event_id for event_id, lock in locks.items() if lock in missing}

    def _keep_log_small(self) -> None:
        """Nobody else does, if neither receiver nor worker is running."""
        if self._file is not None and self._file.wal_bytes() > WAL_CHECKPOINT_BYTES:
            with suppress(DBAPIError):  # it stays as it is, and is tried again
                checkpoint(self._engine, "PASSIVE")

    def _treat_some(
        self, connection: Connection, ids: Sequence[str], measure: Measure
    ) -> tuple[float, list[Treated]]:
        """As many as there is time for; and since when others have been waiting for this transaction."""
        held = self._held_by_workers(connection, ids)
        began = time.monotonic()
        now = _now()
        treated, records = [], []
        for standing in standings(connection, ids, measure):
            left = IN_FLIGHT if standing.event.id in held else obstacle(standing, measure, now)
            if left is None:
                _TREATMENTS[measure.action](self, connection, standing, measure, now)
                records.append(self._record(measure.action, standing.event.id, measure.reason, measure.destination))
            treated.append(Treated(standing.event.id, left))
            if time.monotonic() - began > MAX_SECONDS:
                break
        if records:
            connection.execute(_RECORD, records)
        return began, treated

    def _replay(self, connection: Connection, standing: Standing, measure: Measure, now: str) -> None:
        again = to_hand_over_again(standing, measure.destination)
        if any(row.destination == DOCUMENTS for row in again):
            connection.execute(_AWAIT_DOCUMENTS, {"of_event": standing.event.id})
        for row in again:
            if row.open:
                _put_back(connection, row, now)
            else:
                self._hand_over_again(connection, standing.event, row, now)
        if again:
            handovers.promote_events(connection, [standing.event.id])
            handovers.settle(connection, standing.event.id)
            return
        # Processed once more as a whole: the worker makes the handovers of the next round when it has merged it.
        connection.execute(_APPLY_AGAIN, {"event_id": standing.event.id, "now": now})

    def _hand_over_again(self, connection: Connection, row: Any, earlier: Any, now: str) -> None:
        """This destination gets the event once more: with the order or shipment as it was after the event, as long
        as that is kept, else as it is now."""
        connection.execute(
            insert(handover),
            {
                "event_id": row.id,
                "destination": earlier.destination,
                "round": earlier.round + 1,
                "key": earlier.key,
                "state": State.RECEIVED.value,
                "open": True,
                "ready": False,
                "due_at": now,
                "attempts": 0,
                "refused_ms": 0,
            },
        )
        handovers.promote(connection, earlier.destination, earlier.key)
        kept = connection.execute(select(snapshot.c.event_id).where(snapshot.c.event_id == row.id)).first()
        state = connection.execute(
            select(mirror.c.state).where(mirror.c.endpoint == row.endpoint, mirror.c.subject_id == row.subject_id)
        ).scalar()
        if kept is None and state is not None:
            current = self._current_of(Endpoint(row.endpoint), unpack(state), row.event_name)
            connection.execute(insert(snapshot), {"event_id": row.id, "current": pack(current)})

    def _cancel(self, connection: Connection, standing: Standing, measure: Measure, now: str) -> None:
        row = standing.event
        for one in filter(is_unfinished, standing.handovers):
            _update_handover(
                connection,
                one.id,
                state=State.CANCELLED.value,
                open=False,
                ready=False,
                finished_at=now,
                reason=measure.reason,
            )
            handovers.promote(connection, one.destination, one.key)
        handovers.promote_events(connection, [row.id])
        if row.applied_at is not None and standing.handovers:
            handovers.settle(connection, row.id)
            return
        if measure.destination is None:
            _update_event(
                connection,
                row.id,
                state=State.CANCELLED.value,
                apply_at=None,
                until=None,
                reason=measure.reason,
            )
            connection.execute(delete(snapshot).where(snapshot.c.event_id == row.id))
            handovers.release_key(connection, row.key)

    def _skip(self, connection: Connection, standing: Standing, measure: Measure, now: str) -> None:
        for one in filter(holds, standing.handovers):
            _update_handover(connection, one.id, open=False, ready=False)
            handovers.promote(connection, one.destination, one.key)
        if measure.destination is None and holds_key(standing):
            # It was not merged, but no later event waits for that any more.
            _update_event(connection, standing.event.id, applied_at=now)
            handovers.release_key(connection, standing.event.key)

    def _fetch(self, connection: Connection, standing: Standing, measure: Measure, now: str) -> None:
        connection.execute(_AWAIT_DOCUMENTS, {"of_event": standing.event.id})
        latest = standing.handovers[0] if standing.handovers else None
        if latest is not None and latest.open:
            _put_back(connection, latest, now)
        else:
            # No destination waits for it: they have the event, or had it without these files.
            connection.execute(
                insert(handover),
                {
                    "event_id": standing.event.id,
                    "destination": DOCUMENTS,
                    "round": 1 if latest is None else latest.round + 1,
                    "key": None,
                    "state": State.RECEIVED.value,
                    "open": True,
                    "ready": True,
                    "due_at": now,
                    "attempts": 0,
                    "refused_ms": 0,
                },
            )
        handovers.promote_events(connection, [standing.event.id])
        handovers.settle(connection, standing.event.id)

    def _release(
        self, connection: Connection, new: NewEvent, edited: tuple[str, bytes] | None, reason: str
    ) -> str | None:
        if self._file is None:
            new = as_indexed(new)
            postgresql.take_turns(connection, event_locks(new))
        state = connection.execute(select(event.c.state).where(event.c.id == new.id)).scalar_one()
        if state != State.QUARANTINED:
            raise NotPossibleError(f"{new.id} is {state}, not in quarantine")
        stored = KnownEvents(connection, [new]).judge(new)
        if stored.duplicate:
            return stored.id
        now = _now()
        columns = columns_of(new, stored) | {"state": State.RECEIVED.value, "apply_at": now, "reason": None}
        _update_event(connection, new.id, **columns)
        if new.facts.purchase_order_numbers:
            connection.execute(
                upsert(event_order).on_conflict_do_nothing(),
                [
                    {"purchase_order_number": number, "event_id": new.id}
                    for number in new.facts.purchase_order_numbers
                ],
            )
        if edited is not None:
            content_type, body = edited
            connection.execute(
                insert(edited_body), {"event_id": new.id, "content_type": content_type, "body": body}
            )
        if new.drift_count:
            drift_ledger.record(connection, [new])
        detail = None if edited is None else f"with another body of {len(edited[1])} bytes as {edited[0]}"
        connection.execute(_RECORD, self._record(Action.RELEASE, new.id, reason, detail))
        return None

    def _pause(self, connection: Connection, name: str, reason: str) -> None:
        since = connection.execute(select(destination.c.paused_at).where(destination.c.name == name)).scalar()
        if since is not None:
            raise NotPossibleError(f"{name} is paused already, since {since}")
        statement = upsert(destination).values(name=name, paused_at=_now(), paused_reason=reason)
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=["name"],
                set_={
                    "paused_at": statement.excluded.paused_at,
                    "paused_reason": statement.excluded.paused_reason,
                },
            )
        )
        connection.execute(_RECORD, self._record(Action.PAUSE, name, reason))

    def _resume(self, connection: Connection, name: str, reason: str) -> None:
        resumed = connection.execute(
            update(destination)
            .where(destination.c.name == name, destination.c.paused_at.is_not(None))
            .values(paused_at=None, paused_reason=None)
        )
        if resumed.rowcount == 0:
            raise NotPossibleError(f"{name} is not paused")
        connection.execute(_RECORD, self._record(Action.RESUME, name, reason))

    def _record(self, action: Action, target: str, reason: str, detail: str | None = None) -> dict[str, Any]:
        return {
            "at": _now(),
            "user": self._user,
            "action": action.value,
            "target": target,
            "reason": reason,
            "detail": detail,
        }


#: Made once, because the library takes longer to make a statement than the database to carry it out.
_RECORD = insert(audit)
_APPLY_AGAIN = (
    update(event)
    .where(event.c.id == bindparam("event_id"))
    .values(state=State.RECEIVED.value, apply_at=bindparam("now"), applied_at=None, until=None, reason=None)
)
_AWAIT_DOCUMENTS = (
    update(document)
    .where(
        document.c.event_id == bindparam("of_event"),
        document.c.state != DocumentState.STORED.value,
        or_(document.c.object_id.is_not(None), document.c.url.is_not(None)),
    )
    .values(state=DocumentState.WAITING.value, reason=None)
)
_PUT_BACK = (
    update(handover)
    .where(handover.c.id == bindparam("handover_id"))
    .values(
        state=State.RECEIVED.value,
        round=bindparam("next_round"),
        ready=False,
        due_at=bindparam("now"),
        attempts=0,
        refused_ms=0,
        finished_at=None,
        outcome=None,
        reason=None,
    )
)

_TREATMENTS: dict[Action, Callable[[Repair, Connection, Standing, Measure, str], None]] = {
    Action.REPLAY: Repair._replay,
    Action.CANCEL: Repair._cancel,
    Action.SKIP: Repair._skip,
    Action.FETCH: Repair._fetch,
}


def _put_back(connection: Connection, row: Any, now: str) -> None:
    """In its place, as if it had never been attempted; what was attempted stays on record.

    One that is dead was refused each time, so it gets another key: a destination that remembers its answers by key
    would refuse it for ever. One that waits may have been taken, so it keeps its key.
    """
    next_round = row.round + 1 if row.state == State.DEAD else row.round
    connection.execute(_PUT_BACK, {"handover_id": row.id, "next_round": next_round, "now": now})
    handovers.promote(connection, row.destination, row.key)


def _update_event(connection: Connection, event_id: str, **values: Any) -> None:
    connection.execute(update(event).where(event.c.id == event_id).values(**values))


def _update_handover(connection: Connection, handover_id: int, **values: Any) -> None:
    connection.execute(update(handover).where(handover.c.id == handover_id).values(**values))


def _now() -> str:
    return instant(datetime.now(UTC))
