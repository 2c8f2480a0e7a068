"""The inbox as the worker sees it: what is to be merged, what is to be attempted, and what came of it.

Only one worker writes here at a time, so what it reads outside a transaction can be changed by an operator only;
each write looks again at what an operator may have changed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import jiter
from sqlalchemy import Connection, Engine, bindparam, insert, text
from sqlalchemy.exc import DBAPIError, IntegrityError, ProgrammingError

from handlers.interface import Endpoint, JsonObject
from service.inbox import handovers
from service.inbox.changes import changes_to_store, stored_changes
from service.inbox.instant import instant
from service.inbox.interface import InboxUnavailableError, State
from service.inbox.opening import open_database
from service.inbox.packed import pack, unpack
from service.inbox.schema import attempt, effect, snapshot
from service.inbox.sqlite import Checkpointer, DatabaseFile, standing_reader, unavailable
from service.inbox.work_values import (
    AcceptedEvent,
    Applied,
    AttemptOutcome,
    Claim,
    Finished,
    Material,
    Standing,
)

_EVENT_TO_APPLY = (
    "SELECT event.seq, event.id, event.endpoint, event.key, event.apply_at, event.event_name, event.payload_kind,"
    " event.subject_id, coalesce(edited_body.content_type, event.content_type) AS content_type,"
    " CASE WHEN edited_body.body IS NULL THEN event.content_encoding ELSE '' END AS content_encoding,"
    " coalesce(edited_body.body, event_body.body) AS body, effect.event_id IS NOT NULL AS applied_before"
    " FROM event JOIN event_body ON event_body.event_id = event.id"
    " LEFT JOIN edited_body ON edited_body.event_id = event.id"
    " LEFT JOIN effect ON effect.event_id = event.id"
)
_TO_APPLY = text(
    f"{_EVENT_TO_APPLY} WHERE event.apply_at IS NOT NULL AND event.apply_at <= :now"
    " ORDER BY event.apply_at, event.seq LIMIT :limit"
)
_ONE_TO_APPLY = text(f"{_EVENT_TO_APPLY} WHERE event.id = :id AND event.apply_at IS NOT NULL")
_NEXT_TO_APPLY = text("SELECT min(apply_at) FROM event WHERE apply_at IS NOT NULL")
_EARLIER = text(
    "SELECT id FROM event WHERE key = :key AND seq < :seq AND applied_at IS NULL"
    " AND state IN ('received', 'waiting', 'dead') ORDER BY seq LIMIT :limit"
)
_MIRROR = text("SELECT state FROM mirror WHERE endpoint = :endpoint AND subject_id = :subject_id")
_DUE = text("SELECT 1 FROM handover WHERE ready AND destination = :destination AND due_at <= :now LIMIT 1")
_NEXT_DUE = text("SELECT min(due_at) FROM handover WHERE ready AND destination = :destination")
_DESTINATIONS = text("SELECT name, paused_at, unavailable_since FROM destination")
_MATERIAL = text(
    "SELECT event.id, event.endpoint, event.event_name, event.received_at, event.subject_id, event.message_id,"
    " event.purchase_order_number, coalesce(edited_body.content_type, event.content_type) AS content_type,"
    " CASE WHEN edited_body.body IS NULL THEN event.content_encoding ELSE '' END AS content_encoding,"
    " coalesce(edited_body.body, event_body.body) AS body, snapshot.current, effect.changes, effect.stale,"
    " effect.flags, effect.echo"
    " FROM event JOIN event_body ON event_body.event_id = event.id"
    " LEFT JOIN edited_body ON edited_body.event_id = event.id"
    " LEFT JOIN snapshot ON snapshot.event_id = event.id"
    " LEFT JOIN effect ON effect.event_id = event.id"
    " WHERE event.id = :event_id"
)
_ORDERS = text("SELECT purchase_order_number FROM event_order WHERE event_id = :event_id")

_STILL_TO_APPLY = text("SELECT id, apply_at FROM event WHERE id IN :ids").bindparams(
    bindparam("ids", expanding=True)
)
_MARK_BEHIND = text("UPDATE event SET state = 'waiting', apply_at = NULL, reason = :reason WHERE id = :id")
_MARK_FAULT = text(
    "UPDATE event SET state = 'dead', apply_at = NULL, applied_at = :applied_at, reason = :reason WHERE id = :id"
)
_MARK_APPLIED = text(
    "UPDATE event SET state = :state, apply_at = NULL, applied_at = :now, until = NULL, reason = :reason"
    " WHERE id = :id"
)
_STORE_MIRROR = text(
    "INSERT INTO mirror (endpoint, subject_id, state, purchase_order_number, shipment_number,"
    " supplier_account_number, buyer_account_number, process_status, logistics_status, version, last_updated_at,"
    " lines, events, last_event_id, changed_at) VALUES (:endpoint, :subject_id, :state, :purchase_order_number,"
    " :shipment_number, :supplier_account_number, :buyer_account_number, :process_status, :logistics_status,"
    " :version, :last_updated_at, :lines, 1, :last_event_id, :changed_at)"
    " ON CONFLICT (endpoint, subject_id) DO UPDATE SET state = excluded.state,"
    " purchase_order_number = excluded.purchase_order_number, shipment_number = excluded.shipment_number,"
    " supplier_account_number = excluded.supplier_account_number,"
    " buyer_account_number = excluded.buyer_account_number, process_status = excluded.process_status,"
    " logistics_status = excluded.logistics_status, version = excluded.version,"
    " last_updated_at = excluded.last_updated_at, lines = excluded.lines, events = mirror.events + 1,"
    " last_event_id = excluded.last_event_id, changed_at = excluded.changed_at"
)
_MIRROR_ORDER = text(
    "INSERT INTO mirror_order (purchase_order_number, endpoint, subject_id)"
    " VALUES (:purchase_order_number, :endpoint, :subject_id) ON CONFLICT DO NOTHING"
)
_FORGET_EFFECT = text("DELETE FROM effect WHERE event_id = :id")
_FORGET_SNAPSHOT = text("DELETE FROM snapshot WHERE event_id = :id")
#: A replayed event keeps the handovers that are still open (or were, when it was replayed, and reached their
#: destination before it was merged again); what was closed gets a new round.
_HAND_OVER = text(
    "INSERT INTO handover (event_id, destination, round, key, state, open, ready, due_at, attempts, refused_ms)"
    " SELECT :event_id, :destination,"
    " coalesce((SELECT max(round) FROM handover WHERE event_id = :event_id AND destination = :destination), 0) + 1,"
    " :key, 'received', TRUE,"
    " NOT EXISTS (SELECT 1 FROM handover WHERE open AND destination = :destination AND key = :key),"
    " :due_at, 0, 0"
    " WHERE NOT EXISTS"
    " (SELECT 1 FROM handover WHERE event_id = :event_id AND destination = :destination"
    " AND (open OR finished_at >= :apply_at))"
)
_READY = text(
    "SELECT id, event_id, destination, round, key, attempts, refused_ms FROM handover"
    " WHERE ready AND destination = :destination AND due_at <= :now ORDER BY due_at, id LIMIT :limit"
)
_OF_EVENT = text(
    "SELECT id, event_id, destination, round, key, attempts, refused_ms, state,"
    " EXISTS (SELECT 1 FROM handover AS other WHERE other.open AND other.destination = one.destination"
    " AND other.key = one.key AND other.id <> one.id AND (other.id < one.id OR NOT one.open)) AS blocked"
    " FROM handover AS one WHERE event_id = :event_id AND destination = :destination ORDER BY round DESC LIMIT 1"
)
_BEGIN = text(
    "UPDATE handover SET state = 'processing', open = TRUE, ready = FALSE, started_at = :now,"
    " attempts = attempts + 1 WHERE id = :id"
)
_FINISH = text(
    "UPDATE handover SET state = :state, open = :open, ready = :ready, due_at = coalesce(:due_at, due_at),"
    " refused_ms = :refused_ms, started_at = NULL, finished_at = :finished_at, outcome = :outcome,"
    " reason = :reason WHERE id = :id AND state = 'processing'"
)
_IN_FLIGHT = text("SELECT id, event_id, destination, key, started_at FROM handover WHERE started_at IS NOT NULL")
_REPEAT = text(
    "UPDATE handover SET state = 'received', ready = TRUE, due_at = :now, started_at = NULL, outcome = :outcome"
    " WHERE id = :id"
)
_BRING_FORWARD = text(
    "UPDATE handover SET due_at = :now WHERE ready AND destination = :destination AND due_at > :now"
    " AND outcome IN ('unavailable', 'timed out')"
)
_LEAVE_TO_SENDER = text(
    "UPDATE handover SET due_at = :due_at WHERE event_id = :event_id AND destination = :destination AND open"
)
_EXTEND_SENDER = text("UPDATE event SET apply_at = :apply_at WHERE id = :id AND apply_at IS NOT NULL")
_NOTE_DESTINATION = text(
    "INSERT INTO destination (name, unavailable_since, unavailable_reason, next_attempt_at)"
    " VALUES (:name, :since, :reason, :next_attempt_at)"
    " ON CONFLICT (name) DO UPDATE SET unavailable_since = CASE WHEN excluded.unavailable_since IS NULL"
    " THEN NULL ELSE coalesce(destination.unavailable_since, excluded.unavailable_since) END,"
    " unavailable_reason = excluded.unavailable_reason, next_attempt_at = excluded.next_attempt_at"
)
_STANDING = text("SELECT endpoint, state, reason FROM event WHERE id = :id")


#: Bytes of the bodies that are merged in one go; a single larger one still goes alone.
MAX_BYTES = 4 * 1024 * 1024


class ChangedMeanwhileError(Exception):
    """An operator changed an event while it was merged: nothing was written, all of it is to be done again."""


class WorkStore:
    """Opened by the one worker."""

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
        self._file.check()
        try:
            with self._engine.begin() as connection:
                yield Work(connection)
        except (IntegrityError, ProgrammingError):
            raise  # a mistake of ours
        except DBAPIError as error:
            self._engine.dispose()
            self._file.log_closed()
            raise unavailable(error) from error
        self._file.log_opened()
        self._checkpointer.after_commit()

    def to_apply(self, now: datetime, limit: int) -> list[AcceptedEvent]:
        """Events to be merged, in the order of their time: at most `limit`, and no more than fit into memory."""
        events: list[AcceptedEvent] = []
        with self._reading() as connection:
            for row in connection.execute(_TO_APPLY, {"now": instant(now), "limit": limit}):
                events.append(_accepted(row))
                if sum(len(event.body) for event in events) > MAX_BYTES:
                    break
        return events

    def one_to_apply(self, event_id: str) -> AcceptedEvent | None:
        """The event, if it waits to be merged, now or later."""
        with self._reading() as connection:
            row = connection.execute(_ONE_TO_APPLY, {"id": event_id}).first()
            return None if row is None else _accepted(row)

    def next_to_apply(self) -> str | None:
        """When the next event is to be merged."""
        with self._reading() as connection:
            moment: str | None = connection.execute(_NEXT_TO_APPLY).scalar()
            return moment

    def earlier(self, event: AcceptedEvent, limit: int) -> list[str]:
        """Ids of events of the same key that have to be merged before; the first of them."""
        if event.key is None:
            return []
        with self._reading() as connection:
            found = connection.execute(_EARLIER, {"key": event.key, "seq": event.seq, "limit": limit})
            return list(found.scalars())

    def mirror_state(self, endpoint: Endpoint, subject_id: str) -> JsonObject | None:
        """The mirror of an order or shipment."""
        with self._reading() as connection:
            state = connection.execute(_MIRROR, {"endpoint": endpoint.value, "subject_id": subject_id}).scalar()
        return None if state is None else unpack(state)

    def is_due(self, destination: str, now: datetime) -> bool:
        """Whether anything could be attempted at this destination now."""
        with self._reading() as connection:
            found = connection.execute(_DUE, {"destination": destination, "now": instant(now)}).first()
            return found is not None

    def next_due(self, destination: str) -> str | None:
        """When the next attempt at this destination is due."""
        with self._reading() as connection:
            moment: str | None = connection.execute(_NEXT_DUE, {"destination": destination}).scalar()
            return moment

    def standings(self) -> dict[str, Standing]:
        """What operators and earlier workers left to say of each destination."""
        with self._reading() as connection:
            return {
                row.name: Standing(row.paused_at is not None, row.unavailable_since is not None)
                for row in connection.execute(_DESTINATIONS)
            }

    def material(self, event_id: str) -> Material:
        """What an attempt needs; may be asked from any thread."""
        with self._reading() as connection:
            row = connection.execute(_MATERIAL, {"event_id": event_id}).one()
            numbers = connection.execute(_ORDERS, {"event_id": event_id}).scalars().all()
        return _material(row, numbers)

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

    def recover(self, now: datetime) -> int:
        """Put back what was in flight when the last worker ended; how many."""
        rows = self._connection.execute(_IN_FLIGHT).all()
        for row in rows:
            self._connection.execute(
                _REPEAT, {"id": row.id, "now": instant(now), "outcome": AttemptOutcome.INTERRUPTED.value}
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
        return len(rows)

    def apply(self, batch: Sequence[Applied], now: datetime) -> None:
        """Write what merging came to, all of it or nothing.

        Raises:
            ChangedMeanwhileError: an operator changed one of the events.
        """
        rows = self._connection.execute(_STILL_TO_APPLY, {"ids": [applied.event.id for applied in batch]})
        present = {row.id: row.apply_at for row in rows}
        if any(present.get(applied.event.id) != applied.event.apply_at for applied in batch):
            raise ChangedMeanwhileError
        for applied in batch:
            self._apply(applied, instant(now))

    def _apply(self, applied: Applied, now: str) -> None:
        event = applied.event
        if applied.behind is not None:
            self._connection.execute(_MARK_BEHIND, {"id": event.id, "reason": f"behind {applied.behind}"})
            return
        if applied.fault:
            applied_at = None if applied.holds else now
            self._connection.execute(
                _MARK_FAULT, {"id": event.id, "reason": applied.reason, "applied_at": applied_at}
            )
            if not applied.holds:
                handovers.release_key(self._connection, event.key)
            return
        if event.applied_before:
            self._connection.execute(_FORGET_SNAPSHOT, {"id": event.id})
        state = State.PROCESSING if applied.destinations else State.DONE
        self._connection.execute(
            _MARK_APPLIED, {"id": event.id, "state": state.value, "now": now, "reason": applied.reason}
        )
        if applied.merged is not None and event.subject_id is not None:
            self._store_merged(applied, event.subject_id, now)
        for destination in applied.destinations:
            self._connection.execute(
                _HAND_OVER,
                {
                    "event_id": event.id,
                    "destination": destination,
                    "key": event.key,
                    "due_at": now,
                    "apply_at": event.apply_at,
                },
            )
        if event.applied_before:
            handovers.settle(self._connection, event.id)
        handovers.release_key(self._connection, event.key)

    def _store_merged(self, applied: Applied, subject_id: str, now: str) -> None:
        event, merged = applied.event, applied.merged
        assert merged is not None  # noqa: S101 - the caller looked
        summary = merged.summary
        endpoint = event.endpoint.value
        if event.applied_before and merged.news:
            self._connection.execute(_FORGET_EFFECT, {"id": event.id})
        # A replay mostly finds nothing new: what the event did the first time stays to be seen.
        if merged.news or not event.applied_before:
            self._connection.execute(
                insert(effect),
                {
                    "event_id": event.id,
                    "endpoint": endpoint,
                    "subject_id": subject_id,
                    "news": merged.news,
                    "changes": changes_to_store(merged.changes),
                    "stale": list(merged.stale),
                    "flags": list(merged.flags),
                    "echo": list(merged.echo),
                },
            )
        if applied.destinations:
            self._connection.execute(insert(snapshot), {"event_id": event.id, "current": pack(merged.current)})
        if not merged.news:
            return
        self._connection.execute(
            _STORE_MIRROR,
            {
                "endpoint": endpoint,
                "subject_id": subject_id,
                "state": pack(merged.state),
                "purchase_order_number": next(iter(summary.purchase_order_numbers), None),
                "shipment_number": summary.shipment_number,
                "supplier_account_number": summary.supplier_account_number,
                "buyer_account_number": summary.buyer_account_number,
                "process_status": summary.process_status,
                "logistics_status": summary.logistics_status,
                "version": summary.version,
                "last_updated_at": summary.last_updated_at,
                "lines": summary.lines,
                "last_event_id": event.id,
                "changed_at": now,
            },
        )
        orders = [
            {"purchase_order_number": number, "endpoint": endpoint, "subject_id": subject_id}
            for number in summary.purchase_order_numbers
        ]
        if orders:
            self._connection.execute(_MIRROR_ORDER, orders)

    def claim(self, destination: str, now: datetime, limit: int) -> list[Claim]:
        """Attempts to make now; from here on they are in flight."""
        rows = self._connection.execute(
            _READY, {"destination": destination, "now": instant(now), "limit": limit}
        ).all()
        return [self._begin(row, now) for row in rows]

    def of_event(self, event_id: str, destination: str) -> Any | None:
        """The latest handover of an event to a destination, as a row."""
        return self._connection.execute(_OF_EVENT, {"event_id": event_id, "destination": destination}).first()

    def claim_one(self, row: Any, now: datetime) -> Claim:
        """This very handover, whatever its time."""
        return self._begin(row, now)

    def _begin(self, row: Any, now: datetime) -> Claim:
        self._connection.execute(_BEGIN, {"id": row.id, "now": instant(now)})
        return Claim(
            row.id, row.event_id, row.destination, row.round, row.key, row.attempts + 1, row.refused_ms, now
        )

    def finish(self, finished: Finished) -> State:
        """Write what came of an attempt; where the event stands now."""
        claim = finished.claim
        is_open = finished.state is State.WAITING or finished.holds
        self._connection.execute(
            _FINISH,
            {
                "id": claim.handover_id,
                "state": finished.state.value,
                "open": is_open,
                "ready": finished.state is State.WAITING,
                "due_at": None if finished.due_at is None else instant(finished.due_at),
                "refused_ms": finished.refused_ms,
                "finished_at": None if finished.state is State.WAITING else instant(finished.ended_at),
                "outcome": finished.outcome.value,
                "reason": finished.reason,
            },
        )
        self._connection.execute(
            insert(attempt),
            {
                "handover_id": claim.handover_id,
                "started_at": instant(claim.started_at),
                "ended_at": instant(finished.ended_at),
                "outcome": finished.outcome.value,
                "reason": finished.reason,
            },
        )
        if not is_open:
            handovers.promote(self._connection, claim.destination, claim.key)
        return handovers.settle(self._connection, claim.event_id)

    def bring_forward(self, destination: str, now: datetime) -> None:
        """The destination takes events again: whatever waited only for that is due now."""
        self._connection.execute(_BRING_FORWARD, {"destination": destination, "now": instant(now)})

    def leave_to_sender(self, event_id: str, destinations: Sequence[str], until: datetime) -> None:
        """Until then nobody but the sender, by repeating the event, makes the worker attempt it there."""
        self._connection.execute(_EXTEND_SENDER, {"id": event_id, "apply_at": instant(until)})
        for destination in destinations:
            self._connection.execute(
                _LEAVE_TO_SENDER,
                {"event_id": event_id, "destination": destination, "due_at": instant(until)},
            )

    def note_destination(
        self, name: str, since: datetime | None, reason: str | None, next_attempt_at: datetime | None
    ) -> None:
        """Write whether a destination takes events, for whoever looks."""
        self._connection.execute(
            _NOTE_DESTINATION,
            {
                "name": name,
                "since": None if since is None else instant(since),
                "reason": reason,
                "next_attempt_at": None if next_attempt_at is None else instant(next_attempt_at),
            },
        )

    def standing(self, event_id: str) -> tuple[Endpoint, State, str | None]:
        """Where an event came in, where it stands and why."""
        row = self._connection.execute(_STANDING, {"id": event_id}).one()
        return Endpoint(row.endpoint), State(row.state), row.reason


def _accepted(row: Any) -> AcceptedEvent:
    return AcceptedEvent(
        seq=row.seq,
        id=row.id,
        endpoint=Endpoint(row.endpoint),
        key=row.key,
        apply_at=row.apply_at,
        event_name=row.event_name,
        payload_kind=row.payload_kind,
        subject_id=row.subject_id,
        content_type=row.content_type,
        content_encoding=row.content_encoding,
        body=row.body,
        applied_before=bool(row.applied_before),
    )


def _material(row: Any, numbers: Sequence[str]) -> Material:
    first = row.purchase_order_number
    return Material(
        id=row.id,
        endpoint=Endpoint(row.endpoint),
        event_name=row.event_name,
        received_at=datetime.fromisoformat(row.received_at),
        subject_id=row.subject_id,
        message_id=row.message_id,
        # The index of orders has them in its own order; the first one of the body stays the first.
        purchase_order_numbers=tuple(sorted(numbers, key=lambda number: number != first)),
        content_type=row.content_type,
        content_encoding=row.content_encoding,
        body=row.body,
        current=row.current,
        changes=stored_changes(row.changes),
        stale=tuple(_json(row.stale)),
        flags=tuple(_json(row.flags)),
        echo=tuple(_json(row.echo)),
    )


def _json(text: str | None) -> Any:
    return [] if text is None else jiter.from_json(text.encode(), float_mode="decimal")
