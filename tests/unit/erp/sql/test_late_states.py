"""A state of before that comes late, by a replay, takes nothing back: over the stories of the sandbox."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import jiter
import pytest

from handlers.erp.sql.judging import judged, key_of
from handlers.erp.sql.rows import ORDER, SHIPMENT, Row, SubjectRows, rows_of
from handlers.interface import Endpoint, Merged, Role
from handlers.orders import merge_order_event
from handlers.shipments import merge_shipment_event
from sandbox.story.event import Event, Webhook
from sandbox.wire import json_text
from tests.sandbox.reading import stories

Held = dict[str, dict[Any, Row]]


def states(endpoint: Endpoint, events: list[Event]) -> Iterator[SubjectRows]:
    """The whole order or shipment after each event, as the worker hands it over."""
    merge: Callable[..., Merged] = merge_shipment_event if endpoint is Endpoint.SHIPMENT else merge_order_event
    state = None
    for event in events:
        body = jiter.from_json(json_text.write(event.body).encode(), float_mode="decimal")
        merged = merge(state, body, role=Role.BUYER)
        state = merged.state
        yield rows_of(endpoint, event.subject_id, merged.current)


def written(held: Held, new: SubjectRows, number: int) -> None:
    """What the event of this number does to the tables."""
    header = held.get(SHIPMENT if new.endpoint is Endpoint.SHIPMENT else ORDER, {}).get(())
    stored = {table: list(held.get(table, {}).values()) for table in new.parts}
    writes = judged(new, header, stored, f"{number:04}")
    for table, rows in writes.delete.items():
        for row in rows:
            del held[table][key_of(table, row)]
    for how in (writes.insert, writes.update):
        for table, rows in how.items():
            for row in rows:
                held.setdefault(table, {})[key_of(table, row)] = {**row, "event_id": f"{number:04}"}


def told(held: Held) -> Held:
    """The rows without the events that wrote them."""
    return {
        table: {
            key: {column: cell for column, cell in row.items() if column != "event_id"} for key, row in rows.items()
        }
        for table, rows in held.items()
        if rows
    }


def of(state: SubjectRows) -> Held:
    """The rows that the state comes to."""
    held: Held = {}
    written(held, state, 0)
    return told(held)


@pytest.mark.parametrize("shuffled", [False, True])
def test_no_state_of_before_that_comes_late_changes_what_the_tables_say(shuffled: bool) -> None:
    looked_at = 0
    for story in stories(36):
        subjects: dict[tuple[Endpoint, str], list[Event]] = {}
        for event in story.events:
            endpoint = Endpoint.SHIPMENT if event.webhook is Webhook.SHIPMENT else Endpoint.ORDER
            subjects.setdefault((endpoint, event.subject_id), []).append(event)
        for (endpoint, _), events in subjects.items():
            if shuffled:
                Random(1).shuffle(events)  # noqa: S311 - no secret
            after = list(states(endpoint, events))
            held: Held = {}
            for number, state in enumerate(after):
                written(held, state, number)
            assert told(held) == of(after[-1]), story.plot
            for number, state in enumerate(after):
                late = copy.deepcopy(held)
                written(late, state, number)
                assert told(late) == told(held), (story.plot, events[number].name)
                looked_at += 1
    assert looked_at > 300
