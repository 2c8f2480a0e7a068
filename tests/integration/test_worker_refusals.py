"""What follows when a destination refuses an event, cannot be reached, or is not to be reached."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from handlers.interface import Accepted, ErpEvent, Outcome, Refused, TimedOut, Unavailable
from service.inbox.interface import State
from service.worker import lane
from service.worker.lane import Lane
from tests.integration.taking import Erp, down, order, refuse
from tests.integration.working import QUICK, SOON_DEAD, Build, House, eventually


@pytest.fixture
def quick_probes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lane, "FIRST_PROBE", 0.05)
    monkeypatch.setattr(lane, "LAST_PROBE", 0.2)


def test_refused_event_is_tried_again_after_growing_pauses_until_it_is_taken(house: Build) -> None:
    erp = Erp(lambda event: Accepted("4711") if event.attempt == 4 else Refused("not yet"))
    at = house(destinations={"erp": erp}, terms={"erp": replace(QUICK, retry_first=0.1, retry_last=10.0)})
    at.start()
    (event_id,) = at.accept(order())
    at.wait_for_state(State.WAITING, event_id)
    waiting = at.event(event_id)
    assert waiting["reason"] == "erp: not yet"
    assert waiting["until"] is not None
    at.wait_for_state(State.DONE, event_id)
    pauses = [later.at - earlier.at for earlier, later in zip(erp.calls, erp.calls[1:], strict=False)]
    # Half of each may be left out by chance: of 0.1 s, then of that and all that was waited before.
    assert pauses[0] >= 0.05
    assert pauses[1] >= 0.075
    assert pauses[2] >= 0.11
    assert at.outcomes(event_id) == ["refused"] * 3 + ["accepted"]
    assert [call.event.attempt for call in erp.calls] == [1, 2, 3, 4]
    assert len({call.event.idempotency_key for call in erp.calls}) == 1
    done = at.event(event_id)
    assert (done["reason"], done["until"]) == (None, None)


def test_event_that_is_refused_for_long_enough_is_dead_and_holds_its_order(house: Build) -> None:
    erp = Erp(refuse)
    at = house(destinations={"erp": erp}, terms={"erp": SOON_DEAD})
    at.start()
    dead, behind = at.accept(order("PO1", 1), order("PO1", 2))
    at.wait_for_state(State.DEAD, dead)
    assert at.event(dead)["reason"] == "erp: the supplier is blocked"
    assert at.handover(dead)["refused_ms"] >= 300
    time.sleep(0.2)
    assert behind not in erp.ids()
    assert at.state(behind) is State.PROCESSING


def test_dead_event_lets_the_next_one_pass_where_the_settings_say_so(house: Build) -> None:
    erp = Erp(lambda event: Refused("no") if event.id == first[0] else Accepted())
    at = house(destinations={"erp": erp}, terms={"erp": SOON_DEAD}, dead_holds=False)
    first = at.accept(order("PO1", 1))
    at.start()
    later = at.accept(order("PO1", 2), order("PO1", 3))
    at.wait_for_state(State.DONE, *later)
    assert at.state(first[0]) is State.DEAD
    assert erp.ids()[-2:] == later


def test_time_while_the_destination_is_paused_does_not_make_an_event_dead(house: Build) -> None:
    erp = Erp(refuse)
    at = house(destinations={"erp": erp}, terms={"erp": replace(SOON_DEAD, dead_after=1.0)})
    at.start()
    (event_id,) = at.accept(order())
    at.wait_for_state(State.WAITING, event_id)
    at.repair(lambda repair: repair.pause("erp", "maintenance"))
    time.sleep(1.5)
    assert at.handover(event_id)["refused_ms"] < 500
    assert at.state(event_id) is State.WAITING


def test_time_while_the_worker_is_stopped_does_not_make_an_event_dead(house: Build) -> None:
    erp = Erp(refuse)
    at = house(destinations={"erp": erp}, terms={"erp": replace(SOON_DEAD, dead_after=1.0)})
    at.start()
    (event_id,) = at.accept(order())
    at.wait_for_state(State.WAITING, event_id)
    at.stop()
    time.sleep(1.2)
    before = len(erp.calls)
    at.start()
    eventually(lambda: len(erp.calls) > before)
    assert at.state(event_id) is not State.DEAD
    assert at.handover(event_id)["refused_ms"] < 500


@pytest.mark.parametrize("outcome", [Unavailable("connection refused"), TimedOut("no answer within 30 s")])
@pytest.mark.usefixtures("quick_probes")
def test_destination_that_cannot_be_reached_never_makes_an_event_dead(house: Build, outcome: Outcome) -> None:
    erp = Erp(lambda _: outcome)
    at = house(destinations={"erp": erp}, terms={"erp": replace(QUICK, dead_after=0.01)})
    at.start()
    (event_id,) = at.accept(order())
    eventually(lambda: len(erp.calls) >= 8)
    assert at.handover(event_id)["refused_ms"] == 0
    assert at.state(event_id) is State.WAITING
    erp.answer = lambda _: Accepted()
    at.wait_for_state(State.DONE, event_id)


def test_three_failures_in_a_row_leave_the_destination_alone(house: Build) -> None:
    erp = Erp(down)
    at = house(destinations={"erp": erp}, lanes={"erp": Lane("erp", 1)})
    at.start()
    at.accept(*(order(f"PO{n}") for n in range(30)))
    eventually(lambda: len(erp.calls) == 3)
    time.sleep(0.3)
    assert len(erp.calls) == 3
    (row,) = at.rows("SELECT * FROM destination")
    assert row["unavailable_reason"] == "connection refused"
    assert row["next_attempt_at"] > row["unavailable_since"]


def test_probe_is_one_attempt_and_its_success_brings_the_waiting_ones_forward(house: Build) -> None:
    erp = Erp(down)
    # Left to their own times, those that wait would come again after half a minute at the earliest.
    at = house(destinations={"erp": erp}, terms={"erp": replace(QUICK, retry_first=60.0, retry_last=60.0)})
    at.start()
    ids = at.accept(*(order(f"PO{n}") for n in range(20)))
    eventually(lambda: bool(at.rows("SELECT 1 FROM destination WHERE unavailable_since IS NOT NULL")))
    eventually(lambda: not at.rows("SELECT 1 FROM handover WHERE started_at IS NOT NULL"))
    failed = len(erp.calls)
    erp.most_at_once = 0
    eventually(lambda: len(erp.calls) > failed)  # the first probe
    time.sleep(0.3)
    assert len(erp.calls) == failed + 1
    assert erp.most_at_once == 1
    erp.answer = lambda _: Accepted()
    at.wait_for_state(State.DONE, *ids)
    (row,) = at.rows("SELECT * FROM destination")
    assert (row["unavailable_since"], row["unavailable_reason"], row["next_attempt_at"]) == (None, None, None)


@pytest.mark.usefixtures("quick_probes")
def test_retry_after_of_the_destination_is_honoured(house: Build) -> None:
    erp = Erp(lambda _: Unavailable("busy", retry_after=1.0) if len(erp.calls) <= 3 else Accepted())
    at = house(destinations={"erp": erp}, lanes={"erp": Lane("erp", 1)})
    at.start()
    ids = at.accept(*(order(f"PO{n}") for n in range(5)))
    at.wait_for_state(State.DONE, *ids)
    assert erp.calls[3].at - erp.calls[2].at >= 0.99
    assert [erp.calls[n].event.id for n in range(3)] == ids[:3]


def test_destination_that_was_down_when_the_worker_ended_gets_one_attempt_first(house: Build) -> None:
    erp = Erp(down)
    at = house(destinations={"erp": erp})
    at.start()
    at.accept(*(order(f"PO{n}") for n in range(20)))
    eventually(lambda: bool(at.rows("SELECT 1 FROM destination WHERE unavailable_since IS NOT NULL")))
    at.stop()
    before = len(erp.calls)
    at.start()
    eventually(lambda: len(erp.calls) > before)
    time.sleep(0.3)
    assert len(erp.calls) == before + 1


def test_no_more_attempts_a_second_than_the_settings_allow(house: Build) -> None:
    erp = Erp()
    at = house(destinations={"erp": erp}, lanes={"erp": Lane("erp", 4, max_per_second=20.0)})
    at.start()
    ids = at.accept(*(order(f"PO{n}") for n in range(21)))
    at.wait_for_state(State.DONE, *ids)
    assert erp.calls[-1].at - erp.calls[0].at >= 19 / 20.0 - 0.1  # without a limit it takes a tenth of that


def paused(house: Build, erp: Erp) -> tuple[House, str]:
    at = house(destinations={"erp": erp})
    at.repair(lambda repair: repair.pause("erp", "maintenance"))
    at.start()
    (event_id,) = at.accept(order())
    eventually(lambda: at.event(event_id)["applied_at"] is not None)
    time.sleep(0.1)
    return at, event_id


def test_paused_destination_gets_nothing_and_everything_when_it_is_resumed(house: Build) -> None:
    erp = Erp()
    at, event_id = paused(house, erp)
    assert erp.calls == []
    at.repair(lambda repair: repair.resume("erp", "over"))
    at.wait_for_state(State.DONE, event_id, seconds=3.0)  # woken, not found by chance after five seconds
    assert erp.ids() == [event_id]


def test_pause_of_one_destination_does_not_hold_another(house: Build) -> None:
    one, two = Erp(), Erp()
    at = house(destinations={"one": one, "two": two})
    at.repair(lambda repair: repair.pause("one", "maintenance"))
    at.start()
    ids = at.accept(order("PO1", 1), order("PO1", 2))
    eventually(lambda: two.ids() == ids)
    assert one.calls == []


def test_orders_for_which_alone_the_destination_is_unavailable_do_not_stop_the_others(
    house: Build, quick_probes: None
) -> None:
    in_trouble = ("PO1", "PO2", "PO3", "PO4")

    def locked(event: ErpEvent) -> Outcome:
        return Unavailable("locked") if event.purchase_order_numbers[0] in in_trouble else Accepted()

    erp = Erp(locked)
    at = house(destinations={"erp": erp})
    at.start()
    bad = at.accept(*(order(number) for number in in_trouble))
    eventually(lambda: at.rows("SELECT 1 FROM destination WHERE unavailable_since IS NOT NULL") != [])
    eventually(lambda: len(erp.calls) >= 8)
    others = at.accept(*(order(f"PO{n}") for n in range(10, 40)))
    before = len(erp.calls)
    at.wait_for_state(State.DONE, *others)
    # At most the look that was under way, and then one of those that were never attempted.
    assert set(others) & {call.event.id for call in erp.calls[before : before + 3]}
    assert {at.state(event_id) for event_id in bad} == {State.WAITING}
