"""The four facts: accounted for, known member by member, in order, and none lost.

Each function gives one sentence for each thing that is wrong.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from handlers.interface import JsonObject
from tests.lifecycle.erp import Arrival, Fault
from tests.lifecycle.history import payload_of
from tests.lifecycle.merging import PlainMerge
from tests.lifecycle.order import Order, Told
from tests.lifecycle.sending import Sent
from tests.lifecycle.truth import differences

Row = dict[str, Any]
"""An event as `webhooks events list --json` shows it."""

#: Between the ERP's answer and the moment in which the worker has written it down, on a busy machine.
UNWRITTEN_SECONDS = 3.0


def unaccounted(rows: Sequence[Row], sent: Sent) -> Iterator[str]:
    """Events that were accepted and are not in the list, or not done; messages that became two events."""
    for answer in sent.unexpected:
        yield f"a valid event was answered {answer}"
    listed = {row["id"]: row for row in rows}
    for event_id in sent.event_ids - listed.keys():
        yield f"{event_id} was accepted and is not there"
    for row in rows:
        if row["state"] != "done":
            yield f"{row['id']} ({row['eventName']}) is {row['state']}: {row.get('reason')}"
    for message_id, count in Counter(row["messageId"] for row in rows if row["messageId"]).items():
        if count > 1:
            yield f"message {message_id} is {count} events"
    for answer_id, message_id in ((answer.event_id, answer.message.told.message_id) for answer in sent.answers):
        if answer_id in listed and listed[answer_id]["messageId"] != message_id:
            yield f"{answer_id} was answered for message {message_id}, and is {listed[answer_id]['messageId']}"
    expected = {answer.message.told.message_id for answer in sent.answers} - {None}
    for message_id in {row["messageId"] for row in rows} - {None} - expected:
        yield f"message {message_id} was never answered 202, but is there"


def unknown_members(orders: Sequence[Order], known: Mapping[str, JsonObject]) -> Iterator[str]:
    """What differs between the script's own final state and what is known, by id of the order; all orders."""
    for order in orders:
        if order.id not in known:
            yield f"{order.id} is not known"
            continue
        for difference in differences(order.final(), payload_of(known[order.id])):
            yield f"{order.id} {_traits(order)}: {difference}"


def _traits(order: Order) -> str:
    traits = order.traits
    words = {
        "single": traits.single,
        "schedule": not traits.single,
        "xml": traits.xml,
        "no timestamps": not traits.timestamps,
    }
    return f"({', '.join(word for word, given in words.items() if given)})"


def lost_or_superfluous(rows: Sequence[Row], orders: Sequence[Order], taken: Sequence[Arrival]) -> Iterator[str]:
    """Events that the ERP had to get and did not take, and events that it should not have got.

    What is news follows from the order of acceptance alone: the script merges the events in that order by its own
    marks. Without news only a resend is handed over.
    """
    by_message, by_version = _script(orders)
    at_erp = {arrival.event_id for arrival in taken}
    merges: dict[str, PlainMerge] = defaultdict(PlainMerge)
    for row in reversed(rows):
        told = by_message.get(row["messageId"]) or by_version.get(
            (row["subjectId"], row["version"], row["eventName"])
        )
        if told is None:
            yield f"{row['id']} ({row['eventName']}) is not of the script"
            continue
        wanted = merges[told.order_id].take(told) or told.resent
        where = f"{row['id']} ({told.order_id}, event {told.number}, {told.name})"
        if wanted and row["id"] not in at_erp:
            yield f"{where} never came to the ERP: {row['state']}, {row.get('reason')}"
        elif not wanted and row["id"] in at_erp:
            yield f"{where} came to the ERP, but had no news"
        elif not wanted and row["state"] == "done" and not row.get("reason"):
            yield f"{where} was done without a delivery, and nothing says why"


def _script(orders: Sequence[Order]) -> tuple[dict[str, Told], dict[tuple[str, str, str], Told]]:
    history = [told for order in orders for told in order.history]
    by_message = {told.message_id: told for told in history if told.message_id}
    return by_message, {(told.order_id, str(told.version), told.name): told for told in history}


def last_bodies(taken: Sequence[Arrival]) -> dict[str, JsonObject]:
    """What the ERP was told last of each order."""
    return {arrival.order_id: arrival.body for arrival in taken}


def superfluous_repetitions(arrivals: Sequence[Arrival], cuts: Sequence[float]) -> Iterator[str]:
    """Events that came again although the ERP had taken them, answered in time, and the answer was written down;
    `cuts` are the moments in which a process or a connection was killed, and what was in flight with it."""
    taken: dict[str, Arrival] = {}
    for arrival in arrivals:
        before = taken.get(arrival.key)
        if before is not None and before.fault is not Fault.HANG:
            until = (before.ended_at or before.at) + UNWRITTEN_SECONDS
            if not any(before.at <= cut <= until for cut in cuts):
                yield f"{arrival.event_id} came again {arrival.at - before.at:.2f} s after it had been taken"
        if arrival.accepted:
            taken[arrival.key] = arrival
