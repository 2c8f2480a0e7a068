"""What is not delivered because it says nothing new, and what an operator or sender asks for again."""

from __future__ import annotations

from typing import Any

import pytest

from handlers.interface import Accepted, Endpoint, JsonObject, Refused
from service.inbox.interface import State
from service.inbox.repair_rules import Action
from tests.integration.conftest import SQLITE
from tests.integration.taking import Erp, Takes, order, quantity, refuse, without_subject
from tests.integration.working import SOON_DEAD, Build, eventually


def reopen_request_of_our_own(tick: int) -> JsonObject:
    """The event that gives back what we, the buyer, asked for."""
    body: Any = order("PO1", tick, name="OrderLinesReopenRequestedByBuyer", quantity=1)
    body["orderEvent"]["lines"][0]["status"] = {
        "processStatus": "InProgress",
        "inProgressStatus": "OpenBuyerReopenRequest",
        "logisticsStatus": "Open",
    }
    return body  # type: ignore[no-any-return]


def test_event_without_news_is_done_with_the_reason_and_delivered_to_nobody(house: Build) -> None:
    erp = Erp()
    at = house(destinations={"erp": erp})
    at.start()
    new, old = at.accept(order("PO1", 2), order("PO1", 1))
    at.wait_for_state(State.DONE, new, old)
    assert at.event(old)["reason"] == "no news: nothing in it is newer than the mirror"
    assert erp.ids() == [new]


def test_resent_event_is_delivered_although_it_has_no_news(house: Build) -> None:
    erp = Erp()
    at = house(destinations={"erp": erp})
    at.start()
    new, resent = at.accept(order("PO1", 2), order("PO1", 2, name="OrderResentByBuyer"))
    at.wait_for_state(State.DONE, new, resent)
    assert erp.ids() == [new, resent]
    assert [call.event.resent for call in erp.calls] == [False, True]


def test_event_that_no_destination_wants_is_done_with_the_reason(house: Build) -> None:
    at = house(destinations={"erp": Erp()}, takers=[Takes("erp", lambda _: False)])
    at.start()
    (event_id,) = at.accept(order())
    at.wait_for_state(State.DONE, event_id)
    assert at.event(event_id)["reason"] == "no destination takes this event"


def test_event_is_done_as_soon_as_it_is_merged_where_there_is_no_destination(house: Build) -> None:
    at = house(destinations={})
    at.start()
    (event_id,) = at.accept(order())
    at.wait_for_state(State.DONE, event_id)
    assert at.event(event_id)["reason"] is None
    assert at.rows("SELECT purchase_order_number, events FROM mirror") == [
        {"purchase_order_number": "PO1", "events": 1}
    ]


@pytest.mark.parametrize("deliver_echo", [False, True])
def test_echo_of_an_own_request_is_delivered_only_where_the_settings_say_so(
    house: Build, deliver_echo: bool
) -> None:
    erp = Erp()
    at = house(destinations={"erp": erp}, deliver_echo=deliver_echo)
    at.start()
    first, echo = at.accept(order("PO1", 1), reopen_request_of_our_own(2))
    at.wait_for_state(State.DONE, first, echo)
    assert erp.ids() == ([first, echo] if deliver_echo else [first])
    reason = None if deliver_echo else "echo: nothing but an open request of our own"
    assert at.event(echo)["reason"] == reason


def test_replay_of_what_was_done_is_delivered_once_more_with_another_key(house: Build) -> None:
    erp = Erp()
    at = house(destinations={"erp": erp})
    at.start()
    one, two = at.accept(order("PO1", 1), order("PO1", 2))
    at.wait_for_state(State.DONE, one, two)
    at.treat(Action.REPLAY, one)
    eventually(lambda: len(erp.calls) == 3)
    at.wait_for_state(State.DONE, one)
    assert erp.calls[2].event.id == one
    assert [call.event.idempotency_key for call in erp.calls] == [f"{one}-erp-1", f"{two}-erp-1", f"{one}-erp-2"]
    # The order as it is now, and what the event did when it came.
    assert quantity(erp.calls[2].merged) == 2
    assert erp.calls[2].changes == erp.calls[0].changes
    assert at.rows("SELECT events FROM mirror") == [{"events": 2}]


def test_replay_of_what_is_dead_and_holds_its_order_goes_first_with_another_key(house: Build) -> None:
    erp = Erp(refuse)
    at = house(destinations={"erp": erp}, terms={"erp": SOON_DEAD})
    at.start()
    dead, behind = at.accept(order("PO1", 1), order("PO1", 2))
    at.wait_for_state(State.DEAD, dead)
    erp.answer = lambda _: Accepted()
    at.treat(Action.REPLAY, dead)
    at.wait_for_state(State.DONE, dead, behind)
    assert erp.ids()[-2:] == [dead, behind]
    assert [call.event.idempotency_key for call in erp.calls[-2:]] == [f"{dead}-erp-2", f"{behind}-erp-1"]
    assert erp.calls[-2].event.attempt == 1
    # Each with the order as it was after that event, although the mirror is further on.
    assert [quantity(call.merged) for call in erp.calls[-2:]] == [1, 2]


def test_replay_of_many_dead_ones_at_once_hands_each_over_once(house: Build) -> None:
    erp = Erp(refuse)
    at = house(destinations={"erp": erp}, terms={"erp": SOON_DEAD})
    at.start()
    ids = at.accept(*(order(f"PO{n}") for n in range(50)))
    at.wait_for_state(State.DEAD, *ids, seconds=60.0)
    erp.answer = lambda _: Accepted()
    at.treat(Action.REPLAY, *ids)
    at.wait_for_state(State.DONE, *ids, seconds=60.0)
    assert at.rows("SELECT count(*) AS n, min(round) AS first, max(round) AS last FROM handover") == [
        {"n": 50, "first": 2, "last": 2}
    ]
    accepted = erp.ids()[-50:]
    assert sorted(accepted) == sorted(ids)


def test_replay_of_one_that_was_done_in_one_place_and_is_dead_in_another(house: Build) -> None:
    good, bad = Erp(), Erp(refuse)
    at = house(destinations={"good": good, "bad": bad}, terms={"bad": SOON_DEAD})
    at.start()
    (event_id,) = at.accept(order())
    at.wait_for_state(State.DEAD, event_id)
    bad.answer = lambda _: Accepted()
    at.treat(Action.REPLAY, event_id)
    at.wait_for_state(State.DONE, event_id)
    assert [call.event.idempotency_key for call in good.calls] == [f"{event_id}-good-1"], "it has the event"
    assert {call.event.idempotency_key for call in bad.calls} == {f"{event_id}-bad-1", f"{event_id}-bad-2"}


def test_replay_of_one_that_nobody_wants_any_more_reaches_where_it_was_open_with_the_whole_order(
    house: Build,
) -> None:
    erp = Erp(refuse)
    wanted = [True]
    at = house(destinations={"erp": erp}, terms={"erp": SOON_DEAD}, takers=[Takes("erp", lambda _: wanted[0])])
    at.start()
    (event_id,) = at.accept(order("PO1", 3))
    at.wait_for_state(State.DEAD, event_id)
    wanted[0] = False
    erp.answer = lambda _: Accepted()
    at.treat(Action.REPLAY, event_id)
    at.wait_for_state(State.DONE, event_id)
    assert quantity(erp.calls[-1].merged) == 3


def test_replay_of_a_fault_that_was_skipped_is_delivered_although_later_events_are_newer(house: Build) -> None:
    erp = Erp()
    healthy = [False]

    def wants(facts: object) -> bool:
        if getattr(facts, "event_name", "") == "OrderCompletedByBuyer" and not healthy[0]:
            raise RuntimeError("bug")
        return True

    at = house(destinations={"erp": erp}, takers=[Takes("erp", wants)])
    at.start()
    bad, later = at.accept(order("PO1", 1, name="OrderCompletedByBuyer"), order("PO1", 2))
    at.wait_for_state(State.DEAD, bad)
    at.treat(Action.SKIP, bad)
    at.wait_for_state(State.DONE, later)
    healthy[0] = True
    at.treat(Action.REPLAY, bad)
    at.wait_for_state(State.DONE, bad)
    assert erp.ids() == [later, bad]


def test_replay_of_an_event_without_subject_is_delivered_once_more(house: Build) -> None:
    erp = Erp()
    at = house(destinations={"erp": erp})
    at.start()
    (event_id,) = at.accept(without_subject())
    at.wait_for_state(State.DONE, event_id)
    at.treat(Action.REPLAY, event_id)
    eventually(lambda: len(erp.calls) == 2)
    at.wait_for_state(State.DONE, event_id)
    assert [call.event.idempotency_key for call in erp.calls] == [f"{event_id}-erp-1", f"{event_id}-erp-2"]


def test_cancelled_event_lets_those_behind_it_go_on(house: Build) -> None:
    erp = Erp(refuse)
    at = house(destinations={"erp": erp})
    at.start()
    first, second = at.accept(order("PO1", 1), order("PO1", 2))
    at.wait_for_state(State.WAITING, first)
    erp.answer = lambda event: Accepted() if event.id == second else Refused("no")
    at.treat_between_attempts(Action.CANCEL, first)
    at.wait_for_state(State.DONE, second)
    assert at.state(first) is State.CANCELLED


@SQLITE  # by a trigger of its own kind
def test_event_found_behind_one_that_is_cancelled_at_that_moment_goes_on(house: Build) -> None:
    erp = Erp()
    at = house(destinations={"erp": erp}, inline={Endpoint.ORDER: "erp"})
    first, second = at.accept(order("PO1", 1), order("PO1", 2))
    at.write("UPDATE event SET apply_at = '2099-01-01' WHERE id = ?", first)

    # The first is left to its sender. Where the worker has seen it in the way, and has not written so yet.
    at.write(
        "CREATE TRIGGER cancel BEFORE UPDATE OF state ON event WHEN new.reason LIKE 'behind %'"
        " BEGIN UPDATE event SET state = 'cancelled', apply_at = NULL WHERE seq = 1; END"
    )
    at.start()
    at.wait_for_state(State.DONE, second)
    assert erp.ids() == [second]
