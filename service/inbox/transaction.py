"""What one write transaction does with the jobs that wait: recognise what is known, store what is new."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, bindparam, func, insert, literal_column, select, update
from sqlalchemy.dialects.postgresql import insert as upsert  # SQLite knows it too

from service.inbox import drift_ledger
from service.inbox.instant import instant
from service.inbox.interface import (
    CredentialUse,
    Delivery,
    InboxUnavailableError,
    NewEvent,
    RefusedBody,
    RejectedLogin,
    State,
    Stored,
)
from service.inbox.known_events import KnownEvents, columns_of
from service.inbox.schema import credential_use, event, event_body, event_order, rejected_login, trial


@dataclass(frozen=True, slots=True)
class Trial:
    """Write something, to see whether that is possible."""


Job = NewEvent | RefusedBody | RejectedLogin | CredentialUse | Trial


@dataclass(frozen=True, slots=True)
class QuarantineBudget:
    """How much the quarantine may hold. When it is full, nothing is pushed out: the sender has to wait."""

    max_bytes: int
    max_bodies: int

    def fill(self, bodies: int, size: int) -> float:
        """How full it is, from 0 to 1."""
        return max(bodies / self.max_bodies, size / self.max_bytes)


Row = dict[str, Any]


@dataclass(slots=True)
class _Pending:
    """What this transaction will write."""

    events: list[Row] = field(default_factory=list)
    bodies: list[Row] = field(default_factory=list)
    orders: list[Row] = field(default_factory=list)
    again: list[Row] = field(default_factory=list)
    rejected: list[RejectedLogin] = field(default_factory=list)
    uses: list[CredentialUse] = field(default_factory=list)
    trial: bool = False
    beyond_contract: list[NewEvent] = field(default_factory=list)


def store(
    connection: Connection, jobs: Sequence[Job], budget: QuarantineBudget
) -> Sequence[Stored | InboxUnavailableError]:
    """One result for each job, in the same order; true as soon as the caller has committed."""
    known = KnownEvents(connection, [job for job in jobs if isinstance(job, NewEvent)])
    quarantine = _Quarantine(connection, [job for job in jobs if isinstance(job, RefusedBody)], budget)
    pending = _Pending()
    results: list[Stored | InboxUnavailableError] = []
    for job in jobs:
        match job:
            case NewEvent():
                results.append(_accept(job, known, pending))
            case RefusedBody():
                results.append(_quarantine(job, quarantine, pending))
            case RejectedLogin():
                pending.rejected.append(job)
                results.append(Stored(""))
            case CredentialUse():
                pending.uses.append(job)
                results.append(Stored(""))
            case Trial():
                pending.trial = True
                results.append(Stored(""))
    for table, rows in ((event, pending.events), (event_body, pending.bodies), (event_order, pending.orders)):
        if rows:
            connection.execute(insert(table), rows)
    # What several receivers write comes last, because they wait for each other from here on, and always in the same
    # order, so that no two wait for what the other one has.
    if pending.again:
        connection.execute(_COUNT_DELIVERY, sorted(pending.again, key=lambda row: str(row["event_id"])))
    if pending.beyond_contract:
        drift_ledger.record(connection, pending.beyond_contract)
    for login in sorted(pending.rejected, key=lambda one: (one.credential, one.endpoint)):
        _count_rejected(connection, login)
    for use in sorted(pending.uses, key=lambda one: (one.credential, one.endpoint, one.last_at)):
        _note_use(connection, use)
    if pending.trial:
        _write_trial(connection)
    return results


_COUNT_DELIVERY = (
    update(event)
    .where(event.c.id == bindparam("event_id"))
    .values(deliveries=event.c.deliveries + 1, last_delivered_at=bindparam("delivered_at"))
)


def _accept(new: NewEvent, known: KnownEvents, pending: _Pending) -> Stored:
    stored = known.judge(new)
    if stored.duplicate:
        pending.again.append(_again(stored.id, new.delivery))
        return stored
    known.add(new)
    pending.events.append(
        _row(new.id, new.delivery, State.RECEIVED) | columns_of(new, stored) | {"apply_at": instant(new.apply_at)}
    )
    if new.drift_count:
        pending.beyond_contract.append(new)
    pending.bodies.append({"event_id": new.id, "body": new.delivery.body})
    pending.orders.extend(
        {"purchase_order_number": number, "event_id": new.id} for number in new.facts.purchase_order_numbers
    )
    return stored


def quarantine_usage(connection: Connection) -> tuple[int, int]:
    """Bodies in quarantine, and their bytes."""
    # The state stands here as a literal: with a parameter SQLite would not use the partial index.
    bodies, size = connection.execute(
        select(func.count(), func.coalesce(func.sum(event.c.kept_length), 0)).where(
            event.c.state == literal_column(f"'{State.QUARANTINED}'")
        )
    ).one()
    return bodies, int(size)


class _Quarantine:
    """What is in quarantine, in the database and in this transaction."""

    def __init__(self, connection: Connection, bodies: Sequence[RefusedBody], budget: QuarantineBudget) -> None:
        self._budget = budget
        self._known: dict[bytes, str] = {}
        self._bytes = self._bodies = 0
        if not bodies:
            return
        hashes = [body_hash(body.delivery) for body in bodies]
        rows = connection.execute(select(event.c.body_hash, event.c.id).where(event.c.body_hash.in_(hashes)))
        self._known = {row.body_hash: row.id for row in rows}
        self._bodies, self._bytes = quarantine_usage(connection)

    def id_of(self, fingerprint: bytes) -> str | None:
        return self._known.get(fingerprint)

    def add(self, fingerprint: bytes, body: RefusedBody) -> None:
        size = len(body.delivery.body)
        if self._bodies + 1 > self._budget.max_bodies or self._bytes + size > self._budget.max_bytes:
            raise InboxUnavailableError(
                f"the quarantine is full ({self._bodies} bodies, {self._bytes} bytes); "
                "look through it, or raise inbox.quarantine_max_bytes or inbox.quarantine_max_bodies"
            )
        self._known[fingerprint] = body.id
        self._bodies += 1
        self._bytes += size


def body_hash(delivery: Delivery) -> bytes:
    """Tells whether two refused bodies are the same: at the same endpoint, labelled alike, of the same bytes."""
    digest = hashlib.sha256()
    for part in (delivery.endpoint, delivery.content_type, delivery.content_encoding, str(delivery.length)):
        digest.update(part.encode("utf-8", "surrogateescape") + b"\0")
    digest.update(delivery.body)
    return digest.digest()


def _quarantine(body: RefusedBody, quarantine: _Quarantine, pending: _Pending) -> Stored | InboxUnavailableError:
    fingerprint = body_hash(body.delivery)
    if known := quarantine.id_of(fingerprint):
        pending.again.append(_again(known, body.delivery))
        return Stored(known, duplicate=True)
    try:
        quarantine.add(fingerprint, body)
    except InboxUnavailableError as error:
        return error
    pending.events.append(
        _row(body.id, body.delivery, State.QUARANTINED)
        | {
            "body_hash": fingerprint,
            "refusal": {
                "status": body.status,
                "problem": body.problem,
                "detail": body.detail,
                "findings": list(body.findings),
                "findingCount": body.finding_count,
            },
        }
    )
    pending.bodies.append({"event_id": body.id, "body": body.delivery.body})
    return Stored(body.id)


def _count_rejected(connection: Connection, login: RejectedLogin) -> None:
    statement = upsert(rejected_login).values(
        credential=login.credential,
        endpoint=login.endpoint,
        count=login.count,
        last_at=instant(login.last_at),
    )
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["credential", "endpoint"],
            set_={
                "count": rejected_login.c.count + statement.excluded.count,
                "last_at": statement.excluded.last_at,
            },
        )
    )


def _note_use(connection: Connection, use: CredentialUse) -> None:
    statement = upsert(credential_use).values(
        credential=use.credential, endpoint=use.endpoint, last_used_at=instant(use.last_at)
    )
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["credential", "endpoint"],
            set_={"last_used_at": statement.excluded.last_used_at},
        )
    )


def _write_trial(connection: Connection) -> None:
    now = instant(datetime.now(UTC))
    statement = upsert(trial).values(id=1, written_at=now)
    connection.execute(
        statement.on_conflict_do_update(index_elements=["id"], set_={"written_at": statement.excluded.written_at})
    )


def _again(event_id: str, delivery: Delivery) -> Row:
    return {"event_id": event_id, "delivered_at": instant(delivery.received_at)}


#: Every row names every column, so that all of a transaction's rows go to the database in one statement.
_EMPTY: Mapping[str, None] = {
    column.name: None for column in event.columns if column.nullable and not column.primary_key
}


def _row(event_id: str, delivery: Delivery, state: State) -> Row:
    received_at = instant(delivery.received_at)
    return dict(_EMPTY) | {
        "id": event_id,
        "received_at": received_at,
        "endpoint": delivery.endpoint.value,
        "credential": delivery.credential,
        "source_address": delivery.source_address,
        "source_listed": delivery.source_listed,
        "content_type": delivery.content_type,
        "content_encoding": delivery.content_encoding,
        "state": state.value,
        "deliveries": 1,
        "last_delivered_at": received_at,
        "body_length": delivery.length,
        "kept_length": len(delivery.body),
        "truncated": delivery.length != len(delivery.body),
        "drift_count": 0,
    }
