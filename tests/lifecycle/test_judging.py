"""Each of the facts can be found wanting."""

from __future__ import annotations

from typing import Any

import pytest

from handlers.interface import JsonObject
from tests.lifecycle.erp import Arrival, Fault
from tests.lifecycle.history import message, orders
from tests.lifecycle.judging import (
    Row,
    last_bodies,
    lost_or_superfluous,
    superfluous_repetitions,
    unaccounted,
    unknown_members,
)
from tests.lifecycle.order import Order
from tests.lifecycle.sending import Answer, Sent

SCRIPT = [order for order in orders(1, 12) if order.traits.message_ids]


def event_id(order: Order, number: int) -> str:
    return f"{order.number}/{number}"


def rows(**changed: Any) -> list[Row]:
    """All events, each accepted once in order, as the service lists them: the newest first."""
    listed = [
        {
            "id": event_id(order, told.number),
            "state": "done",
            "reason": None,
            "messageId": told.message_id,
            "subjectId": order.id,
            "version": str(told.version),
            "eventName": told.name,
        }
        for order in SCRIPT
        for told in order.history
    ]
    listed[0] |= changed
    return listed[::-1]


def sent() -> Sent:
    """All answered."""
    return Sent(
        [
            Answer(message(told), event_id(order, told.number), False, 0.0)
            for order in SCRIPT
            for told in order.history
        ]
    )


def taken() -> list[Arrival]:
    """All that the ERP has to get."""
    return [
        arrival(event_id(order, told.number), order.id, told.body) for order in SCRIPT for told in order.history
    ]


def arrival(event: str, order_id: str, body: JsonObject, at: float = 0.0, **more: Any) -> Arrival:
    return Arrival(event, event, order_id, body, at, 1, accepted=True, ended_at=at, **more)


def test_nothing_is_wrong_with_what_is_right() -> None:
    assert list(unaccounted(rows(), sent())) == []
    assert list(lost_or_superfluous(rows(), SCRIPT, taken())) == []
    whole: dict[str, JsonObject] = {order.id: {"orderEvent": order.final()} for order in SCRIPT}
    assert list(unknown_members(SCRIPT, whole)) == []


@pytest.mark.parametrize("state", ["received", "processing", "waiting", "dead", "cancelled", "quarantined"])
def test_event_that_is_not_done_is_unaccounted(state: str) -> None:
    assert len(list(unaccounted(rows(state=state), sent()))) == 1


def test_event_that_was_accepted_but_is_not_there_is_unaccounted() -> None:
    assert len(list(unaccounted(rows()[1:], sent()))) == 1


def test_message_that_became_two_events_is_told() -> None:
    doubled = [*rows(), rows()[0] | {"id": "another"}]
    assert len(list(unaccounted(doubled, sent()))) == 1


def test_id_that_was_answered_for_another_message_is_told() -> None:
    wrong = sent()
    wrong.answers.append(Answer(wrong.answers[0].message, wrong.answers[1].event_id, True, 0.0))
    assert len(list(unaccounted(rows(), wrong))) == 1


def test_final_answer_other_than_202_is_told() -> None:
    refused = sent()
    refused.unexpected.append("400")
    assert len(list(unaccounted(rows(), refused))) == 1


def test_news_that_never_came_to_the_erp_is_lost() -> None:
    assert len(list(lost_or_superfluous(rows(), SCRIPT, taken()[1:]))) == 1


def test_old_event_that_came_late_must_not_be_handed_over_and_has_to_have_a_reason() -> None:
    order = next(order for order in SCRIPT if order.history[1].header_tick and len(order.lines) == 1)
    mine = [row for row in rows() if row["subjectId"] == order.id]
    late = mine[-1]
    arrived = [late, *mine[:-1]]  # the newest first: the first event came last of all
    arrivals = [one for one in taken() if one.order_id == order.id]
    assert len(list(lost_or_superfluous(arrived, [order], arrivals))) == 1
    others = [one for one in arrivals if one.event_id != late["id"]]
    assert len(list(lost_or_superfluous(arrived, [order], others))) == 1
    late["reason"] = "no news"
    assert list(lost_or_superfluous(arrived, [order], others)) == []


def test_order_that_is_not_known_or_differs_is_told() -> None:
    known = last_bodies([arrival("e", order.id, {"orderEvent": order.final()}) for order in SCRIPT[1:]])
    known[SCRIPT[1].id] = {"orderEvent": SCRIPT[1].final() | {"version": 0}}
    assert len(list(unknown_members(SCRIPT, known))) == 2


@pytest.mark.parametrize(
    ("cuts", "found"),
    [([], 1), ([5.0], 0), ([4.9], 1), ([8.1], 1), ([7.9], 0)],
)
def test_repetition_of_what_was_taken_needs_a_cut_at_that_time(cuts: list[float], found: int) -> None:
    twice = [arrival("e", "o", {}, 5.0), arrival("e", "o", {}, 20.0)]
    assert len(list(superfluous_repetitions(twice, cuts))) == found


def test_repetition_of_what_was_answered_too_late_is_right() -> None:
    twice = [arrival("e", "o", {}, 5.0, fault=Fault.HANG), arrival("e", "o", {}, 20.0)]
    assert list(superfluous_repetitions(twice, [])) == []
