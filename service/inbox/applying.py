"""Writing what merging came to: the mirror, what each event did to it, and the handovers that follow.

In two steps: all that costs time is composed first, outside of the transaction, because the receiver waits as long
as that lasts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Insert, TextClause, insert

from handlers.interface import DOCUMENTS, Merged
from service.inbox import handovers
from service.inbox import work_queries as sql
from service.inbox.changes import changes_to_store
from service.inbox.document_rows import named_row
from service.inbox.instant import instant
from service.inbox.interface import State
from service.inbox.packed import pack
from service.inbox.schema import effect, snapshot
from service.inbox.work_values import Applied

Row = dict[str, Any]


class ChangedMeanwhileError(Exception):
    """An operator changed an event while it was merged: nothing was written, all of it is to be done again."""


@dataclass(frozen=True, slots=True)
class ToWrite:
    """The rows of a batch, in the order of its events."""

    batch: Sequence[Applied]
    at: str
    applied: list[Row] = field(default_factory=list)
    faults: list[Row] = field(default_factory=list)
    behind: list[Row] = field(default_factory=list)
    forgotten_effects: list[Row] = field(default_factory=list)
    effects: list[Row] = field(default_factory=list)
    snapshots: list[Row] = field(default_factory=list)
    mirrors: list[Row] = field(default_factory=list)
    orders: list[Row] = field(default_factory=list)
    handovers: list[Row] = field(default_factory=list)
    documents: list[Row] = field(default_factory=list)


def to_write(batch: Sequence[Applied], moment: datetime) -> ToWrite:
    """What `write_applied` is to write of this batch; to be asked before the transaction begins."""
    now = instant(moment)
    rows = ToWrite(batch, now)
    passed = [applied for applied in batch if applied.passed]
    rows.applied.extend(_applied_row(applied, now) for applied in passed)
    rows.faults.extend(_fault_row(applied, now) for applied in batch if applied.fault)
    rows.behind.extend(
        {"id": applied.event.id, "reason": f"behind {applied.behind}"}
        for applied in batch
        if applied.behind is not None
    )
    for applied in passed:
        _add_effect(rows, applied)
        rows.handovers.extend(
            {
                "event_id": applied.event.id,
                "destination": destination,
                # Documents are fetched in any order: only their own event waits for them.
                "key": None if destination == DOCUMENTS else applied.event.key,
                "due_at": now,
                "apply_at": applied.event.apply_at,
                "holds_event": destination == DOCUMENTS and applied.documents_first,
            }
            for destination in applied.destinations
        )
        rows.documents.extend(
            named_row(applied.event.id, named) | {"state": state.value, "reason": reason}
            for named, state, reason in applied.documents
        )
    _add_mirrors(rows, passed)
    return rows


def write_applied(connection: Connection, rows: ToWrite) -> None:
    """Write all of it or nothing; one statement for all rows of a kind.

    Raises:
        ChangedMeanwhileError: an operator changed one of the events.
    """
    ids = [applied.event.id for applied in rows.batch]
    present = {row.id: row.apply_at for row in connection.execute(sql.STILL_TO_APPLY, {"ids": ids})}
    if any(present.get(applied.event.id) != applied.event.apply_at for applied in rows.batch):
        raise ChangedMeanwhileError
    _run(connection, sql.MARK_APPLIED, rows.applied)
    _run(connection, sql.MARK_FAULT, rows.faults)
    again = [applied for applied in rows.batch if applied.passed and applied.event.replayed]
    _run(connection, sql.FORGET_SNAPSHOT, [{"id": applied.event.id} for applied in again])
    _run(connection, sql.FORGET_EFFECT, rows.forgotten_effects)
    _run(connection, insert(effect), rows.effects)
    _run(connection, insert(snapshot), rows.snapshots)
    _run(connection, sql.STORE_MIRROR, rows.mirrors)
    _run(connection, sql.MIRROR_ORDER, rows.orders)
    _run(connection, sql.NAME_DOCUMENT, rows.documents)
    _run(connection, sql.HAND_OVER, rows.handovers)
    _settle_replayed(connection, again)
    # First those that wait, then those that they may have waited for.
    _run(connection, sql.MARK_BEHIND, rows.behind)
    # An operator may have cancelled the one that an event waits for, since it was found to be in the way: then no
    # other moment would come to let this one go on.
    keys = {applied.event.key for applied in rows.batch if applied.event.key is not None}
    handovers.release_keys(connection, keys, rows.at)


def _run(connection: Connection, statement: TextClause | Insert, rows: Sequence[Row]) -> None:
    if rows:
        connection.execute(statement, rows)


def _applied_row(applied: Applied, now: str) -> Row:
    # Of one that is replayed handovers may be open that are not wanted any more.
    state = State.PROCESSING if applied.destinations or applied.event.replayed else State.DONE
    return {"id": applied.event.id, "state": state.value, "now": now, "reason": applied.reason}


def _fault_row(applied: Applied, now: str) -> Row:
    return {
        "id": applied.event.id,
        "reason": applied.reason,
        "applied_at": None if applied.holds else now,
    }


def _add_effect(rows: ToWrite, applied: Applied) -> None:
    event, merged = applied.event, applied.merged
    if merged is None or event.subject_id is None:
        return
    if applied.destinations or event.replayed:
        rows.snapshots.append({"event_id": event.id, "current": pack(merged.current)})
    # A replay mostly finds nothing new: what the event did the first time stays to be seen.
    if event.applied_before and not merged.news:
        return
    if event.applied_before:
        rows.forgotten_effects.append({"id": event.id})
    rows.effects.append(
        {
            "event_id": event.id,
            "endpoint": event.endpoint.value,
            "subject_id": event.subject_id,
            "news": merged.news,
            "changes": changes_to_store(merged.changes),
            "stale": list(merged.stale),
            "flags": list(merged.flags),
            "echo": list(merged.echo),
        }
    )


def _add_mirrors(rows: ToWrite, passed: Sequence[Applied]) -> None:
    mirrors: dict[tuple[str, str], tuple[Applied, Merged, int]] = {}
    orders: dict[tuple[str, str, str], Row] = {}
    for applied in passed:
        event, merged = applied.event, applied.merged
        if merged is None or event.subject_id is None or not merged.news:
            continue
        key = event.endpoint.value, event.subject_id
        # Of several events of one order only the last state is stored.
        mirrors[key] = applied, merged, mirrors[key][2] + 1 if key in mirrors else 1
        for number in merged.summary.purchase_order_numbers:
            orders[number, *key] = {"purchase_order_number": number, "endpoint": key[0], "subject_id": key[1]}
    for (endpoint, subject_id), (applied, merged, events) in mirrors.items():
        rows.mirrors.append(
            _mirror_row(merged, events)
            | {
                "endpoint": endpoint,
                "subject_id": subject_id,
                "state": pack(merged.state),
                "last_event_id": applied.event.id,
                "changed_at": rows.at,
            }
        )
    rows.orders.extend(orders.values())


def _mirror_row(merged: Merged, events: int) -> Row:
    summary = merged.summary
    return {
        "purchase_order_number": next(iter(summary.purchase_order_numbers), None),
        "shipment_number": summary.shipment_number,
        "supplier_account_number": summary.supplier_account_number,
        "buyer_account_number": summary.buyer_account_number,
        "process_status": summary.process_status,
        "logistics_status": summary.logistics_status,
        "version": summary.version,
        "last_updated_at": summary.last_updated_at,
        "lines": summary.lines,
        "events": events,
    }


def _settle_replayed(connection: Connection, again: Sequence[Applied]) -> None:
    settled = handovers.settle_all(connection, [applied.event.id for applied in again])
    reasons = [
        {"id": applied.event.id, "reason": applied.reason}
        for applied in again
        if applied.reason is not None and settled[applied.event.id] is State.DONE
    ]
    _run(connection, sql.GIVE_REASON, reasons)
