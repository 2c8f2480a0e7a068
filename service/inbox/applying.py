"""Writing what merging came to: the mirror, what each event did to it, and the handovers that follow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, TextClause, insert

from handlers.interface import Merged
from service.inbox import handovers
from service.inbox import work_queries as sql
from service.inbox.changes import changes_to_store
from service.inbox.interface import State
from service.inbox.packed import pack
from service.inbox.schema import effect, snapshot
from service.inbox.work_values import Applied

Row = dict[str, Any]


class ChangedMeanwhileError(Exception):
    """An operator changed an event while it was merged: nothing was written, all of it is to be done again."""


def write_applied(connection: Connection, batch: Sequence[Applied], now: str) -> None:
    """Write a batch in the order of its events, all of it or nothing; one statement for all rows of a kind.

    Raises:
        ChangedMeanwhileError: an operator changed one of the events.
    """
    rows = connection.execute(sql.STILL_TO_APPLY, {"ids": [applied.event.id for applied in batch]})
    present = {row.id: row.apply_at for row in rows}
    if any(present.get(applied.event.id) != applied.event.apply_at for applied in batch):
        raise ChangedMeanwhileError
    passed = [applied for applied in batch if applied.behind is None and not applied.fault]
    faults = [applied for applied in batch if applied.fault]
    _run(connection, sql.MARK_APPLIED, [_applied_row(applied, now) for applied in passed])
    _run(connection, sql.MARK_FAULT, [_fault_row(applied, now) for applied in faults])
    _write_effects(connection, passed)
    _write_mirrors(connection, passed, now)
    _hand_over(connection, passed, now)
    # First those that wait, then those that they may have waited for.
    behind = [{"id": one.event.id, "reason": f"behind {one.behind}"} for one in batch if one.behind is not None]
    _run(connection, sql.MARK_BEHIND, behind)
    # An operator may have cancelled the one that an event waits for, since it was found to be in the way: then no
    # other moment would come to let this one go on.
    keys = {one.event.key for one in batch if one.event.key is not None}
    handovers.release_keys(connection, keys, now)


def _run(connection: Connection, statement: TextClause, rows: Sequence[Row]) -> None:
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


def _write_effects(connection: Connection, passed: Sequence[Applied]) -> None:
    again = [applied for applied in passed if applied.event.replayed]
    _run(connection, sql.FORGET_SNAPSHOT, [{"id": applied.event.id} for applied in again])
    effects, forgotten, snapshots = [], [], []
    for applied in passed:
        event, merged = applied.event, applied.merged
        if merged is None or event.subject_id is None:
            continue
        if applied.destinations or event.replayed:
            snapshots.append({"event_id": event.id, "current": pack(merged.current)})
        # A replay mostly finds nothing new: what the event did the first time stays to be seen.
        if event.applied_before and not merged.news:
            continue
        if event.applied_before:
            forgotten.append({"id": event.id})
        effects.append(
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
    _run(connection, sql.FORGET_EFFECT, forgotten)
    if effects:
        connection.execute(insert(effect), effects)
    if snapshots:
        connection.execute(insert(snapshot), snapshots)


def _write_mirrors(connection: Connection, passed: Sequence[Applied], now: str) -> None:
    mirrors: dict[tuple[str, str], Row] = {}
    orders: dict[tuple[str, str, str], Row] = {}
    for applied in passed:
        event, merged = applied.event, applied.merged
        if merged is None or event.subject_id is None or not merged.news:
            continue
        key = event.endpoint.value, event.subject_id
        earlier = mirrors.get(key, {"events": 0})
        # Of several events of one order only the last state is stored.
        mirrors[key] = _mirror_row(merged, earlier["events"] + 1) | {
            "endpoint": key[0],
            "subject_id": key[1],
            "merged": merged,
            "last_event_id": event.id,
            "changed_at": now,
        }
        for number in merged.summary.purchase_order_numbers:
            orders[number, *key] = {"purchase_order_number": number, "endpoint": key[0], "subject_id": key[1]}
    for row in mirrors.values():
        row["state"] = pack(row.pop("merged").state)
    _run(connection, sql.STORE_MIRROR, list(mirrors.values()))
    _run(connection, sql.MIRROR_ORDER, list(orders.values()))


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


def _hand_over(connection: Connection, passed: Sequence[Applied], now: str) -> None:
    rows = [
        {
            "event_id": applied.event.id,
            "destination": destination,
            "key": applied.event.key,
            "due_at": now,
            "apply_at": applied.event.apply_at,
        }
        for applied in passed
        for destination in applied.destinations
    ]
    _run(connection, sql.HAND_OVER, rows)
    again = [applied for applied in passed if applied.event.replayed]
    settled = handovers.settle_all(connection, [applied.event.id for applied in again])
    reasons = [
        {"id": applied.event.id, "reason": applied.reason}
        for applied in again
        if applied.reason is not None and settled[applied.event.id] is State.DONE
    ]
    _run(connection, sql.GIVE_REASON, reasons)
