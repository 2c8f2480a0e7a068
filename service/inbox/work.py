"""The inbox as the worker writes it: what was merged, what is to be attempted, and what came of it.

Only one worker writes here at a time, so what it reads outside a transaction can be changed by an operator only;
each write looks again at what an operator may have changed.
"""

from __future__ import annotations

import contextlib
import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, insert
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, InterfaceError, ProgrammingError

from handlers.interface import DOCUMENTS, Endpoint
from service.inbox import handovers
from service.inbox import work_queries as sql
from service.inbox.applying import ToWrite, write_applied
from service.inbox.document_rows import noted_row
from service.inbox.instant import instant
from service.inbox.interface import InboxUnavailableError, State
from service.inbox.look import Facts, Look
from service.inbox.opening import open_database
from service.inbox.schema import attempt
from service.inbox.sqlite import Checkpointer, DatabaseFile, checkpoint, standing_reader, unavailable
from service.inbox.work_values import (
    AttemptOutcome,
    Claim,
    EventStanding,
    Finished,
    NotedDocument,
)

log = logging.getLogger(__name__)


class CollisionError(InboxUnavailableError):
    """Two transactions waited for each other, and the server ended this one: it can be done again at once."""


class WorkerStore(ABC):
    """What the worker's loop knows of its store."""

    longest_sleep = 5.0
    """Seconds that the worker may sleep at most."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the database."""

    @abstractmethod
    def write(self) -> AbstractContextManager[Work]:
        """One transaction, on disk when it is left without an exception."""

    @abstractmethod
    def look(self) -> AbstractContextManager[Look]:
        """Questions of the thread that writes, each answered by what is on disk at that moment."""

    @abstractmethod
    def facts(self) -> AbstractContextManager[Facts]:
        """Questions of an attempt, from any thread."""

    @property
    def pause(self) -> float:
        """Seconds until the next turn at least: others may hold what there would be to do."""
        return 0.0

    def tend(self, now: datetime) -> int:
        """Put back what other workers left when they died; how many."""
        return 0


class WorkStore(WorkerStore):
    """The inbox in a file, opened by the one worker."""

    def __init__(self, path: Path, *, busy_timeout: float, wal_max_bytes: int, readers: int) -> None:
        """Open the database.

        Raises:
            InboxUnavailableError: it cannot be opened.
        """
        self._file = DatabaseFile(path, wal_max_bytes)
        self._engine: Engine = open_database(self._file, busy_timeout)
        self._reader: Engine = standing_reader(path, readers + 1)
        self._checkpointer = Checkpointer(self._file)
        self._checkpointer.start()

    def close(self) -> None:
        """Let go of the database."""
        self._reader.dispose()
        self._engine.dispose()
        self._checkpointer.stop()

    @contextlib.contextmanager
    def write(self) -> Iterator[Work]:
        """One transaction, on disk when it is left without an exception.

        Raises:
            InboxUnavailableError: nothing was written.
            ChangedMeanwhileError: see there.
        """
        if self._file.log_is_lost:
            self._reopen()
        if self._file.log_is_full:
            self._checkpointer.empty()
        self._file.check()
        try:
            with self._engine.begin() as connection:
                yield Work(connection)
        except (DataError, IntegrityError, InterfaceError, ProgrammingError):
            raise  # a mistake of ours
        except DBAPIError as error:
            self._engine.dispose()
            self._file.log_closed()
            raise unavailable(error) from error
        self._file.log_opened()
        self._checkpointer.after_commit()

    def _reopen(self) -> None:
        """Save what is in the log that nobody else can find any more, then go on with a new one.

        Raises:
            InboxUnavailableError: not all of it could be saved now.
        """
        log.error("action=log_of_inbox_lost path=%s", self._file.path)
        try:
            saved = checkpoint(self._engine, "TRUNCATE")
        except DBAPIError as error:
            raise unavailable(error) from error
        if not saved:
            raise InboxUnavailableError(f"the log of {self._file.path} was removed while in use, and is being read")
        self._engine.dispose()
        self._reader.dispose()
        self._checkpointer.forget_connections()
        self._file.log_closed()

    @contextlib.contextmanager
    def look(self) -> Iterator[Look]:
        """See `WorkerStore`.

        Raises:
            InboxUnavailableError: it cannot be read.
        """
        with self._reading() as connection:
            yield Look(connection)

    @contextlib.contextmanager
    def facts(self) -> Iterator[Facts]:
        """See `WorkerStore`.

        Raises:
            InboxUnavailableError: it cannot be read.
        """
        with self._reading() as connection:
            yield Facts(connection)

    @contextlib.contextmanager
    def _reading(self) -> Iterator[Connection]:
        try:
            with self._reader.connect() as connection:
                yield connection
        except DBAPIError as error:
            raise InboxUnavailableError(f"the inbox cannot be read: {error.orig}") from error


class Work:
    """One transaction of the worker."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def recover(self, now: datetime, latest: datetime) -> int:
        """Put back what was in flight when the last worker ended; how many.

        What is planned for a time after `latest`, or was received in the future, was so before the clock of the
        machine was set back, and is due now.
        """
        self._make_up_for_the_clock(now, latest)
        rows = self._connection.execute(sql.IN_FLIGHT).all()
        self._repeat(rows, now)
        return len(rows)

    def _make_up_for_the_clock(self, now: datetime, latest: datetime) -> None:
        times = {"now": instant(now), "latest": instant(latest)}
        self._connection.execute(sql.APPLY_WHAT_CAME_IN_THE_FUTURE, {"now": times["now"]})
        self._connection.execute(sql.HAND_OVER_WHAT_IS_TOO_FAR_AWAY, times)

    def _repeat(self, rows: Sequence[Any], now: datetime) -> None:
        for row in rows:
            self._connection.execute(
                sql.REPEAT, {"id": row.id, "now": instant(now), "outcome": AttemptOutcome.INTERRUPTED.value}
            )
            self._connection.execute(
                insert(attempt),
                {
                    "handover_id": row.id,
                    "started_at": row.started_at,
                    "ended_at": instant(now),
                    "outcome": AttemptOutcome.INTERRUPTED.value,
                    "reason": "the worker ended during the attempt",
                },
            )
            handovers.settle(self._connection, row.event_id)

    def take_over(self, endpoints: Sequence[Endpoint], now: datetime) -> None:
        """Go on with what came in there and was left to its sender for a while."""
        for endpoint in endpoints:
            for statement in (sql.TAKE_OVER, sql.TAKE_OVER_HANDOVERS):
                self._connection.execute(statement, {"endpoint": endpoint.value, "now": instant(now)})

    def apply(self, rows: ToWrite) -> None:
        """Write what merging came to, all of it or nothing; `to_write` composes it.

        Raises:
            ChangedMeanwhileError: an operator changed one of the events.
        """
        write_applied(self._connection, rows)

    def claim(self, destination: str, now: datetime, limit: int, *, fresh_first: bool = False) -> list[Claim]:
        """Attempts to make now; from here on they are in flight. `fresh_first`: rather one that was never made."""
        wanted = {"destination": destination, "now": instant(now), "limit": limit}
        rows = self._connection.execute(sql.FRESH, wanted).all() if fresh_first else []
        return self._begin(rows or self._connection.execute(sql.READY, wanted).all(), now)

    def of_event(self, event_id: str, destination: str) -> Any | None:
        """The latest handover of an event to a destination, as a row."""
        return self._connection.execute(sql.OF_EVENT, {"event_id": event_id, "destination": destination}).first()

    def is_in_other_hands(self, row: Any) -> bool:
        """Whether another worker is busy with this handover, or with another one of its key."""
        return False

    def claim_one(self, row: Any, now: datetime) -> Claim:
        """This very handover, whatever its time; it may be dead."""
        (claim,) = self._begin([row], now)
        handovers.settle(self._connection, row.event_id)
        return claim

    def _begin(self, rows: Sequence[Any], now: datetime) -> list[Claim]:
        if rows:
            self._connection.execute(sql.BEGIN, [{"id": row.id, "now": instant(now)} for row in rows])
        return [
            Claim(
                row.id,
                row.event_id,
                row.destination,
                row.round,
                row.key,
                row.lock_key,
                row.attempts + 1,
                row.refused_ms,
                now,
            )
            for row in rows
        ]

    def finish(self, batch: Sequence[Finished]) -> Sequence[Finished]:
        """Write what came of attempts; what was written."""
        if not batch:
            return ()
        self._connection.execute(sql.FINISH, [_finish_row(finished) for finished in batch])
        self._connection.execute(insert(attempt), [_attempt_row(finished) for finished in batch])
        closed = [
            (finished.claim.destination, finished.claim.key)
            for finished in batch
            if not finished.keeps_place and finished.claim.key is not None
        ]
        handovers.promote_all(self._connection, closed)
        documents = [
            finished.claim.event_id
            for finished in batch
            if not finished.keeps_place and finished.claim.destination == DOCUMENTS
        ]
        handovers.promote_events(self._connection, documents)
        handovers.settle_all(self._connection, [finished.claim.event_id for finished in batch])
        return batch

    def note_documents(self, event_id: str, noted: Sequence[NotedDocument], now: datetime) -> None:
        """Write what became of documents."""
        if noted:
            self._connection.execute(sql.NOTE_DOCUMENT, [noted_row(event_id, each, now) for each in noted])

    def bring_forward(self, destination: str, now: datetime) -> None:
        """The destination takes events again: whatever waited only for that is due now."""
        self._connection.execute(sql.BRING_FORWARD, {"destination": destination, "now": instant(now)})

    def leave_to_sender(self, event_id: str, destinations: Sequence[str], until: datetime) -> None:
        """Until then nobody but the sender, by repeating the event, makes the worker attempt it there."""
        self._connection.execute(sql.EXTEND_SENDER, {"id": event_id, "apply_at": instant(until)})
        for destination in destinations:
            self._connection.execute(
                sql.LEAVE_TO_SENDER,
                {"event_id": event_id, "destination": destination, "due_at": instant(until)},
            )

    def note_destination(
        self, name: str, since: datetime | None, reason: str | None, next_attempt_at: datetime | None
    ) -> None:
        """Write whether a destination takes events, for whoever looks."""
        self._connection.execute(
            sql.NOTE_DESTINATION,
            {
                "name": name,
                "since": None if since is None else instant(since),
                "reason": reason,
                "next_attempt_at": None if next_attempt_at is None else instant(next_attempt_at),
            },
        )

    def standing(self, event_id: str) -> EventStanding | None:
        """Where an event stands; None if there is none of this id."""
        row = self._connection.execute(sql.STANDING, {"id": event_id}).first()
        if row is None:
            return None
        return EventStanding(Endpoint(row.endpoint), State(row.state), row.reason, bool(row.handed_over))


def _finish_row(finished: Finished) -> dict[str, Any]:
    waits = finished.state is State.WAITING
    return {
        "id": finished.claim.handover_id,
        "state": finished.state.value,
        "open": finished.keeps_place,
        "ready": waits,
        "due_at": None if finished.due_at is None else instant(finished.due_at),
        "refused_ms": finished.refused_ms,
        "finished_at": None if waits else instant(finished.ended_at),
        "outcome": finished.outcome.value,
        "reason": finished.reason,
    }


def _attempt_row(finished: Finished) -> dict[str, Any]:
    return {
        "handover_id": finished.claim.handover_id,
        "started_at": instant(finished.claim.started_at),
        "ended_at": instant(finished.ended_at),
        "outcome": finished.outcome.value,
        "reason": finished.reason,
    }
