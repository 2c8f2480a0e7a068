"""Mistakes in code, ours and that of destinations: one event is set aside with a reason, all others go on."""

from __future__ import annotations

from typing import Any

import pytest

from handlers.interface import Accepted, ErpEvent, EventFacts, Outcome, Refused, TimedOut, Unavailable
from service.inbox.interface import State
from service.inbox.repair_rules import Action
from tests.integration.taking import Erp, Takes, order
from tests.integration.working import SOON_DEAD, Build, House, eventually


def broken(facts: EventFacts) -> bool:
    """Fails for one name of event."""
    if facts.event_name == "OrderCompletedByBuyer":
        raise LookupError("no such company")
    return True


def with_broken_filter(house: Build, erp: Erp, **parts: Any) -> House:
    return house(destinations={"erp": erp}, takers=[Takes("erp", broken)], **parts)


def test_fault_while_merging_makes_the_event_dead_with_the_reason_and_holds_its_order(house: Build) -> None:
    erp = Erp()
    at = with_broken_filter(house, erp)
    at.start()
    first, bad, behind, other = at.accept(
        order("PO1", 1), order("PO1", 2, name="OrderCompletedByBuyer"), order("PO1", 3), order("PO2")
    )
    at.wait_for_state(State.DONE, first, other)
    at.wait_for_state(State.DEAD, bad)
    assert at.event(bad)["reason"] == "merging failed: LookupError: no such company"
    at.wait_for_state(State.WAITING, behind)
    assert at.event(behind)["reason"] == f"behind {bad}"
    assert sorted(erp.ids()) == sorted([first, other])


def test_events_behind_a_fault_go_on_when_it_is_skipped(house: Build) -> None:
    erp = Erp()
    at = with_broken_filter(house, erp)
    at.start()
    bad, *later = at.accept(order("PO1", 1, name="OrderCompletedByBuyer"), order("PO1", 2), order("PO1", 3))
    at.wait_for_state(State.WAITING, *later)
    at.treat(Action.SKIP, bad)
    at.wait_for_state(State.DONE, *later)
    assert erp.ids() == later
    assert at.state(bad) is State.DEAD


def test_fault_that_holds_nothing_is_cancelled_on_demand(house: Build) -> None:
    at = with_broken_filter(house, Erp(), dead_holds=False)
    at.start()
    (bad,) = at.accept(order("PO1", 1, name="OrderCompletedByBuyer"))
    at.wait_for_state(State.DEAD, bad)
    at.treat(Action.CANCEL, bad)
    assert at.state(bad) is State.CANCELLED


def test_fault_lets_later_events_pass_where_the_settings_say_so(house: Build) -> None:
    erp = Erp()
    at = with_broken_filter(house, erp, dead_holds=False)
    # Accepted before the worker starts, so that all of them are merged in one go.
    bad, *later = at.accept(order("PO1", 1, name="OrderCompletedByBuyer"), order("PO1", 2), order("PO1", 3))
    at.start()
    at.wait_for_state(State.DEAD, bad)
    at.wait_for_state(State.DONE, *later)
    assert erp.ids() == later


@pytest.mark.parametrize("dead_holds", [True, False])
def test_event_whose_effect_cannot_be_stored_is_set_aside_and_all_others_go_on(
    house: Build, dead_holds: bool
) -> None:
    erp = Erp()
    # No database takes a half of a character.
    unstorable = Takes("\ud800", lambda facts: facts.event_name == "OrderCompletedByBuyer")
    at = house(destinations={"erp": erp}, takers=[Takes("erp"), unstorable], dead_holds=dead_holds)
    before = at.accept(*(order(f"PO{n}") for n in range(5)))
    bad, behind = at.accept(order("BAD", 1, name="OrderCompletedByBuyer"), order("BAD", 2))
    after = at.accept(*(order(f"PO{n}", 2) for n in range(5)))
    at.start()
    at.wait_for_state(State.DONE, *before, *after)
    at.wait_for_state(State.DEAD, bad)
    assert at.event(bad)["reason"] == "storing what it does to the mirror failed"
    at.wait_for_state(State.WAITING if dead_holds else State.DONE, behind)


class UnreadableError(Exception):
    def __str__(self) -> str:
        raise ValueError


def raising(error: BaseException) -> Outcome:
    raise error


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda _: raising(RuntimeError("no table T")), "RuntimeError: no table T"),
        (lambda _: raising(SystemExit(3)), "SystemExit: 3"),
        (lambda _: raising(UnreadableError()), "UnreadableError: (its message cannot be read)"),
        (lambda _: raising(RuntimeError("half \ud800")), "RuntimeError: half ?"),
        (
            lambda _: None,
            "TypeError: deliver returned NoneType, not Accepted, Refused, Unavailable or TimedOut",
        ),
        (lambda _: True, "TypeError: deliver returned bool, not Accepted, Refused, Unavailable or TimedOut"),
        *(
            (
                lambda _, outcome=outcome: outcome,
                f"TypeError: deliver returned {type(outcome).__name__} with a member of another type than agreed",
            )
            for outcome in (
                Accepted(7),  # type: ignore[arg-type]
                Refused(None),  # type: ignore[arg-type]
                TimedOut(b"late"),  # type: ignore[arg-type]
                Unavailable("busy", "5"),  # type: ignore[arg-type]
                Unavailable("busy", float("nan")),
            )
        ),
    ],
)
def test_fault_in_a_destination_is_a_refusal_with_what_went_wrong(house: Build, answer: Any, reason: str) -> None:
    erp = Erp(lambda event: answer(event) if event.subject_id == "company-BAD" else Accepted())
    at = house(destinations={"erp": erp}, terms={"erp": SOON_DEAD})
    at.start()
    bad, other = at.accept(order("BAD"), order("PO1"))
    at.wait_for_state(State.DONE, other)
    at.wait_for_state(State.DEAD, bad)
    assert at.event(bad)["reason"] == f"erp: {reason}"
    assert set(at.outcomes(bad)) == {"fault"}


def test_reason_of_any_length_and_with_halves_of_characters_is_kept_in_bounds(house: Build) -> None:
    at = house(destinations={"erp": Erp(lambda _: Refused("\udfff" + "x" * 100_000))})
    at.start()
    (event_id,) = at.accept(order())
    at.wait_for_state(State.WAITING, event_id)
    assert at.handover(event_id)["reason"] == "?" + "x" * 999


def test_fault_of_a_destination_says_nothing_of_its_being_available(house: Build) -> None:
    seen: list[str] = []

    def answer(event: ErpEvent) -> Outcome:
        seen.append(event.id)
        return raising(RuntimeError("bug"))

    at = house(destinations={"erp": Erp(answer)})
    at.start()
    at.accept(*(order(f"PO{n}") for n in range(10)))
    eventually(lambda: len(seen) > 30)
    assert at.rows("SELECT * FROM destination") == []
