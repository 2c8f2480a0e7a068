"""The worker keeps the order of each order and delays nobody for another's sake."""

from __future__ import annotations

import threading
import time

from handlers.interface import Accepted, ErpEvent, Outcome, Refused
from service.inbox.interface import State
from service.worker.lane import Lane
from tests.integration.taking import Erp, Takes, down, order, quantity, without_subject
from tests.integration.working import Build, eventually


def test_events_of_one_order_reach_the_destination_one_by_one_in_order_of_acceptance(house: Build) -> None:
    erp = Erp(seconds=0.002)
    at = house(destinations={"erp": erp})
    ids = at.accept(*(order("PO1", tick) for tick in range(1, 41)))
    at.start()
    ids += at.accept(*(order("PO1", tick) for tick in range(41, 61)))
    at.wait_for_state(State.DONE, *ids)
    assert erp.ids() == ids
    assert erp.most_of_one_order == 1


def test_refused_and_delayed_attempts_keep_the_order_of_acceptance(house: Build) -> None:
    turn: dict[str, int] = {}

    def now_and_then(event: ErpEvent) -> Outcome:
        turn[event.id] = turn.get(event.id, 0) + 1
        return Accepted() if turn[event.id] == 3 else Refused("not yet")

    erp = Erp(now_and_then)
    at = house(destinations={"erp": erp})
    at.start()
    ids = at.accept(*(order("PO1", tick) for tick in range(1, 6)))
    at.wait_for_state(State.DONE, *ids)
    assert erp.ids() == [event_id for event_id in ids for _ in range(3)]


def test_different_orders_are_handed_over_in_parallel_up_to_the_bound_of_the_destination(house: Build) -> None:
    erp = Erp(seconds=0.05)
    at = house(destinations={"erp": erp}, lanes={"erp": Lane("erp", 3)})
    at.start()
    ids = at.accept(*(order(f"PO{n}") for n in range(12)))
    at.wait_for_state(State.DONE, *ids)
    assert erp.most_at_once == 3


def test_all_destinations_together_keep_to_the_bound_of_the_worker(house: Build) -> None:
    running = [0, 0]
    lock = threading.Lock()

    def counted(_: ErpEvent) -> Outcome:
        with lock:
            running[0] += 1
            running[1] = max(running)
        time.sleep(0.1)
        with lock:
            running[0] -= 1
        return Accepted()

    at = house(destinations={"one": Erp(counted), "two": Erp(counted)}, concurrency=5)
    at.start()
    ids = at.accept(*(order(f"PO{n}") for n in range(12)))
    at.wait_for_state(State.DONE, *ids)
    assert running[1] == 5


def test_refused_order_delays_no_other_one(house: Build) -> None:
    erp = Erp(lambda event: Refused("no") if event.subject_id == "company-BAD" else Accepted())
    at = house(destinations={"erp": erp})
    at.start()
    (bad,) = at.accept(order("BAD"))
    at.wait_for_state(State.WAITING, bad)
    (behind,) = at.accept(order("BAD", 2))
    others = at.accept(*(order(f"PO{n}") for n in range(20)))
    at.wait_for_state(State.DONE, *others)
    assert at.state(bad) is State.WAITING
    assert behind not in erp.ids()


def test_3000_orders_waiting_for_a_dead_destination_do_not_delay_an_event_of_another_one(house: Build) -> None:
    dead, alive = Erp(down), Erp()
    at = house(
        destinations={"dead": dead, "alive": alive},
        takers=[
            Takes("dead", lambda facts: facts.event_name != "OrderAcceptedBySupplier"),
            Takes("alive", lambda facts: facts.event_name == "OrderAcceptedBySupplier"),
        ],
    )
    at.accept_all(order(f"PO{n}") for n in range(3000))
    at.start()
    eventually(lambda: not at.rows("SELECT 1 FROM event WHERE applied_at IS NULL LIMIT 1"), 60.0)
    for n in range(3):
        began = time.monotonic()
        (event_id,) = at.accept(order(f"OTHER{n}", name="OrderAcceptedBySupplier"))
        eventually(lambda wanted=event_id: wanted in alive.ids(), 5.0)  # type: ignore[misc]
        # Generous: the machine that runs the tests may be busy.
        assert alive.calls[-1].at - began < 1.0
    assert len(dead.calls) < 50


def test_event_in_quarantine_does_not_hold_its_order(house: Build) -> None:
    erp = Erp()
    at = house(destinations={"erp": erp})
    at.start()
    kept = at.quarantine(
        b'{"eventName": "OrderIssuedByBuyer", "orderEvent": {"orderId": "company-PO1", "lines": 1}}'
    )
    (event_id,) = at.accept(order("PO1"))
    at.wait_for_state(State.DONE, event_id)
    assert at.state(kept) is State.QUARANTINED
    assert erp.ids() == [event_id]


def test_events_without_subject_hold_neither_each_other_nor_an_order(house: Build) -> None:
    seen: list[str] = []

    def first_refused(event: ErpEvent) -> Outcome:
        seen.append(event.id)
        return Refused("no") if event.id == seen[0] else Accepted()

    erp = Erp(first_refused)
    at = house(destinations={"erp": erp})
    at.start()
    (first,) = at.accept(without_subject())
    at.wait_for_state(State.WAITING, first)
    others = at.accept(without_subject(), without_subject(), order("PO1"))
    at.wait_for_state(State.DONE, *others)
    assert at.state(first) is State.WAITING
    without_mirror = {call.event.id: call.merged is None for call in erp.calls}
    assert [without_mirror[event_id] for event_id in others] == [True, True, False]


def test_one_of_two_destinations_is_down_the_other_gets_every_event_with_the_state_as_of_it(house: Build) -> None:
    slow, quick = Erp(down), Erp()
    at = house(destinations={"slow": slow, "quick": quick})
    at.start()
    ids = at.accept(*(order("PO1", tick) for tick in range(1, 5)))
    eventually(lambda: quick.ids() == ids)
    assert set(slow.ids()) <= {ids[0]}
    slow.answer = lambda _: Accepted()
    at.wait_for_state(State.DONE, *ids)
    accepted = [call for call in slow.calls if at.handover(call.event.id, "slow")["attempts"] == call.event.attempt]
    assert [call.event.id for call in accepted] == ids
    for calls in (quick.calls, accepted):
        assert [quantity(call.merged) for call in calls] == [1, 2, 3, 4]
        assert [bool(call.changes) for call in calls] == [True] * 4
