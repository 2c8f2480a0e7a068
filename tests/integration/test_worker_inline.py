"""Events whose sender waits: what the receiver is told, and what follows in the inbox."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from handlers.interface import Accepted, Endpoint, ErpEvent, EventFacts, Outcome, Refused, TimedOut, Unavailable
from service.inbox.interface import State
from service.worker.inline import InlineAnswer
from tests.integration.taking import Erp, Takes, down, order
from tests.integration.working import Build, House, eventually


def inline(house: Build, erp: Erp, takeover: float = 3600.0, **parts: Any) -> House:
    """A house whose orders are answered by `erp`."""
    parts = {"destinations": {"erp": erp}} | parts
    at = house(inline={Endpoint.ORDER: "erp"}, inline_takeover=takeover, **parts)
    at.start()
    return at


def accept(at: House, number: str = "PO1", tick: int = 1, **parts: Any) -> str:
    (event_id,) = at.accept(order(number, tick, **parts), owned_by_sender=True)
    return event_id


def fault(_: ErpEvent) -> Outcome:
    raise KeyError("no such column")


@pytest.mark.parametrize(
    ("answer", "told", "state"),
    [
        (lambda _: Accepted("4711"), (InlineAnswer.DONE, "4711"), State.DONE),
        (lambda _: Refused("blocked"), (InlineAnswer.REFUSED, "blocked"), State.DEAD),
        (lambda _: Refused("?", unknown_order=True), (InlineAnswer.UNKNOWN_ORDER, "?"), State.DEAD),
        (lambda _: Unavailable("refused"), (InlineAnswer.UNAVAILABLE, "refused"), State.WAITING),
        (lambda _: TimedOut("late"), (InlineAnswer.TIMED_OUT, "late"), State.WAITING),
        (fault, (InlineAnswer.FAULT, "KeyError: 'no such column'"), State.DEAD),
    ],
)
def test_sender_is_told_what_the_destination_said(
    house: Build, answer: Callable[[ErpEvent], Outcome], told: object, state: State
) -> None:
    erp = Erp(answer)
    at = inline(house, erp)
    event_id = accept(at)
    assert at.ask(event_id).wait() == told
    assert at.state(event_id) is state
    time.sleep(0.3)  # nobody else tries it
    assert len(erp.calls) == 1


def test_event_is_left_alone_until_the_sender_is_there_for_it(house: Build) -> None:
    erp = Erp()
    at = inline(house, erp)
    accept(at)
    time.sleep(0.3)
    assert erp.calls == []


def test_repetition_while_the_attempt_is_under_way_waits_for_the_same_one(house: Build) -> None:
    erp = Erp()
    at = inline(house, erp)
    erp.open.clear()
    event_id = accept(at)
    first = at.ask(event_id)
    eventually(lambda: len(erp.calls) == 1)
    again = at.ask(event_id)
    time.sleep(0.2)
    assert not first.came
    assert not again.came
    erp.open.set()
    assert first.wait()[0] is again.wait()[0] is InlineAnswer.DONE
    assert len(erp.calls) == 1


def test_repetition_of_what_is_done_is_done_without_another_attempt(house: Build) -> None:
    erp = Erp()
    at = inline(house, erp)
    event_id = accept(at)
    at.ask(event_id).wait()
    assert at.ask(event_id).wait()[0] is InlineAnswer.DONE
    assert len(erp.calls) == 1


@pytest.mark.parametrize("first", [down, lambda _: Refused("unknown", unknown_order=True), fault])
def test_repetition_after_a_failure_is_one_attempt_now_with_the_same_key(
    house: Build, first: Callable[[ErpEvent], Outcome]
) -> None:
    erp = Erp(first)
    at = inline(house, erp)
    event_id = accept(at)
    at.ask(event_id).wait()
    erp.answer = lambda _: Accepted()
    assert at.ask(event_id).wait()[0] is InlineAnswer.DONE
    assert at.state(event_id) is State.DONE
    assert [call.event.attempt for call in erp.calls] == [1, 2]
    assert {call.event.idempotency_key for call in erp.calls} == {f"{event_id}-erp-1"}


def test_repetitions_reach_a_destination_that_was_found_to_be_unavailable(house: Build) -> None:
    erp = Erp(down)
    at = inline(house, erp)
    event_id = accept(at)
    for _ in range(5):
        assert at.ask(event_id).wait()[0] is InlineAnswer.UNAVAILABLE
    assert len(erp.calls) == 5


def test_earlier_event_of_the_same_order_that_is_not_finished_is_in_the_way(house: Build) -> None:
    erp = Erp(down)
    at = inline(house, erp)
    first, second = accept(at, tick=1), accept(at, tick=2)
    assert at.ask(second).wait()[0] is InlineAnswer.BEHIND  # not even merged
    at.ask(first).wait()
    assert at.ask(second).wait()[0] is InlineAnswer.BEHIND  # merged, not handed over
    erp.answer = lambda _: Accepted()
    assert at.ask(first).wait()[0] is InlineAnswer.DONE
    assert at.ask(second).wait()[0] is InlineAnswer.DONE
    assert erp.ids() == [first, first, second]


def test_other_orders_are_not_in_the_way(house: Build) -> None:
    erp = Erp(lambda event: Unavailable("no") if event.subject_id == "company-PO1" else Accepted())
    at = inline(house, erp)
    at.ask(accept(at, "PO1")).wait()
    assert at.ask(accept(at, "PO2")).wait()[0] is InlineAnswer.DONE


@pytest.mark.parametrize("answer", [lambda _: Refused("blocked"), fault])
def test_final_answer_leaves_the_next_event_of_the_order_alone(
    house: Build, answer: Callable[[ErpEvent], Outcome]
) -> None:
    erp = Erp(answer)
    at = inline(house, erp)
    first, second = accept(at, tick=1), accept(at, tick=2)
    at.ask(first).wait()
    erp.answer = lambda _: Accepted()
    assert at.ask(second).wait()[0] is InlineAnswer.DONE
    assert at.state(first) is State.DEAD


def test_fault_while_merging_is_told_and_leaves_the_next_event_of_the_order_alone(house: Build) -> None:
    def broken(facts: EventFacts) -> bool:
        if facts.event_name == "OrderCompletedByBuyer":
            raise LookupError("bug")
        return True

    erp = Erp()
    at = inline(house, erp, takers=[Takes("erp", broken)])
    bad, good = accept(at, tick=1, name="OrderCompletedByBuyer"), accept(at, tick=2)
    assert at.ask(bad).wait() == (InlineAnswer.FAULT, "merging failed: LookupError: bug")
    assert at.ask(good).wait()[0] is InlineAnswer.DONE
    assert at.state(bad) is State.DEAD


def test_both_events_of_an_order_asked_for_at_once_are_answered_each_for_itself(house: Build) -> None:
    erp = Erp()
    at = inline(house, erp)
    for tick in range(1, 30, 2):
        first, second = accept(at, tick=tick), accept(at, tick=tick + 1)
        one, two = at.ask(first), at.ask(second)
        assert one.wait()[0] is InlineAnswer.DONE
        while two.wait()[0] is InlineAnswer.BEHIND:
            two = at.ask(second)
        assert two.wait()[0] is InlineAnswer.DONE
        assert at.state(second) is State.DONE
        assert second in erp.ids()


def test_event_whose_forerunner_is_merged_in_the_same_moment_is_not_answered_before_it_is_processed(
    house: Build,
) -> None:
    erp = Erp()
    at = inline(house, erp, takeover=0.3)
    at.stop()
    first, second = accept(at, tick=1), accept(at, tick=2)
    at.write(
        "UPDATE event SET state = 'waiting', apply_at = NULL, reason = ? WHERE id = ?", f"behind {first}", second
    )
    time.sleep(0.3)  # the worker takes the first one over, which lets the second one go
    erp.open.clear()
    at.start()
    answer = at.ask(second)
    eventually(lambda: len(erp.calls) == 1)
    time.sleep(0.1)
    erp.open.set()
    told = answer.wait()[0]
    assert told is InlineAnswer.BEHIND or second in erp.ids()


def test_paused_destination_is_told_and_gets_nothing(house: Build) -> None:
    erp = Erp()
    at = inline(house, erp)
    at.repair(lambda repair: repair.pause("erp", "maintenance"))
    event_id = accept(at)
    eventually(lambda: at.ask(event_id).wait()[0] is InlineAnswer.PAUSED)
    assert erp.calls == []


def test_event_that_is_not_there_is_trouble(house: Build) -> None:
    at = inline(house, Erp())
    assert at.ask("no-such-event").wait() == (InlineAnswer.TROUBLE, "the event is not there")
    assert at.ask(accept(at)).wait()[0] is InlineAnswer.DONE


def test_webhook_without_an_inline_destination_is_trouble(house: Build) -> None:
    at = house(destinations={"erp": Erp()})
    at.start()
    answer, reason = at.ask(accept(at)).wait()
    assert answer is InlineAnswer.TROUBLE
    assert reason == "no destination has inline = true for this webhook"


@pytest.mark.parametrize("elsewhere", [down, lambda _: Refused("no"), lambda _: Accepted()])
def test_event_that_only_others_want_is_done_for_its_sender_whatever_they_say(
    house: Build, elsewhere: Callable[[ErpEvent], Outcome]
) -> None:
    erp, other = Erp(), Erp(elsewhere)
    at = inline(
        house,
        erp,
        destinations={"erp": erp, "other": other},
        takers=[Takes("erp", lambda _: False), Takes("other")],
    )
    event_id = accept(at)
    assert at.ask(event_id).wait()[0] is InlineAnswer.DONE
    eventually(lambda: len(other.calls) >= 1)
    eventually(lambda: at.handover(event_id, "other")["outcome"] is not None)
    assert at.ask(event_id).wait()[0] is InlineAnswer.DONE
    assert erp.calls == []


def test_event_without_news_is_done_for_its_sender(house: Build) -> None:
    erp = Erp()
    at = inline(house, erp)
    at.ask(accept(at, tick=2)).wait()
    old = accept(at, tick=1)
    assert at.ask(old).wait()[0] is InlineAnswer.DONE
    assert old not in erp.ids()


def test_worker_takes_an_event_over_whose_sender_never_came(house: Build) -> None:
    erp = Erp()
    at = inline(house, erp, takeover=0.5)
    event_id = accept(at)
    at.wait_for_state(State.DONE, event_id, seconds=8.0)
    assert erp.ids() == [event_id]


def test_each_repetition_puts_the_takeover_off(house: Build) -> None:
    erp = Erp(down)
    at = inline(house, erp, takeover=1.0)
    event_id = accept(at)
    for _ in range(4):
        at.ask(event_id).wait()
        time.sleep(0.5)
    assert len(erp.calls) == 4  # two seconds, and none but the sender's
    erp.answer = lambda _: Accepted()
    at.wait_for_state(State.DONE, event_id, seconds=8.0)
    assert len(erp.calls) == 5


def test_repetition_of_one_that_waits_behind_another_puts_the_takeover_off(house: Build) -> None:
    erp = Erp(down)
    at = inline(house, erp, takeover=1.0)
    first, second = accept(at, tick=1), accept(at, tick=2)
    at.ask(first).wait()
    before = at.event(second)["apply_at"]
    assert at.ask(second).wait()[0] is InlineAnswer.BEHIND
    eventually(lambda: (at.handover(second)["due_at"] if at.event(second)["applied_at"] else "9") > before)


def test_store_that_cannot_be_written_is_trouble(house: Build) -> None:
    erp = Erp()
    at = inline(house, erp)
    event_id = accept(at)
    at.write("ALTER TABLE handover RENAME TO gone")
    answer, reason = at.ask(event_id).wait()
    at.write("ALTER TABLE gone RENAME TO handover")
    assert answer is InlineAnswer.TROUBLE
    assert reason is not None
    assert at.ask(event_id).wait()[0] is InlineAnswer.DONE


def test_what_was_left_to_its_sender_goes_on_when_the_webhook_is_queued_again(house: Build) -> None:
    erp = Erp(down)
    at = inline(house, erp)
    left = accept(at, "PO1")
    assert at.ask(left).wait()[0] is InlineAnswer.UNAVAILABLE
    unasked = accept(at, "PO2")
    at.stop()
    erp.answer = lambda _: Accepted()
    at.inline = {}
    at.start()
    at.wait_for_state(State.DONE, left, unasked)
