"""The scripted life cycle of 300 orders: duplicates, reordering, an ERP that is dead for a day, kill -9.

A second reading of the rules (`tests/lifecycle`) tells each order's history and knows where it ends; the service is
a black box: HTTPS in front, HTTP behind, the command line beside it.

How time is simulated: the clock is the real one, and the patience is shortened instead. An event is given up
(`dead_after`) after 0.3 seconds of refusals instead of 7 days, the slowest retry comes after 0.5 seconds instead of
5 minutes, and the ERP is dead for 12 seconds: 40 times as long as refusals would be borne, where a day is a seventh
of that.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from random import Random
from statistics import median

import pytest
from typer.testing import CliRunner

from handlers.interface import JsonObject
from service.cli import app
from service.inbox.interface import State
from service.inbox.reader import EventFilter, InboxReader
from tests.acceptance.running import ORDER, RunningService
from tests.lifecycle.actions import issue
from tests.lifecycle.erp import Erp, Mood, order_violations, seldom
from tests.lifecycle.history import message, orders, sending_order
from tests.lifecycle.judging import (
    last_bodies,
    lost_or_superfluous,
    superfluous_repetitions,
    unaccounted,
    unknown_members,
)
from tests.lifecycle.order import Order, Told, Traits
from tests.lifecycle.sending import Senders, Sent, shares, waited_for

ORDERS = 300
KILLS = 50
WAITING_ORDERS = 3000
#: 200 ms on a machine that has nothing else to do (`make bench` measures it); this is for any machine.
AT_ONCE_SECONDS = 1.0
DEAD_AFTER_SECONDS = 0.3
OUTAGE_SECONDS = 40 * DEAD_AFTER_SECONDS
#: Kept as evidence of the run.
FINISHED_SECONDS = 90.0

DESTINATION = """
[destinations.erp]
type = "http"
url = "{url}"
timeout = {timeout}
retry_first = 0.05
retry_max = 0.5
dead_after = {dead_after}
concurrency = 8
"""


@pytest.fixture
def erp() -> Iterator[Erp]:
    with Erp(seldom, hang_seconds=5.0) as standing_in:
        yield standing_in


@pytest.fixture
def cycle(tmp_path: Path, erp: Erp) -> Iterator[RunningService]:
    settings = DESTINATION.format(url=erp.url, timeout=4.0, dead_after=DEAD_AFTER_SECONDS)
    service = RunningService(tmp_path, extra=settings)
    yield service
    service.kill()


def test_all_is_done_in_order_and_known_member_by_member_after_an_erp_was_dead_for_a_day(
    cycle: RunningService, erp: Erp
) -> None:
    script = orders(5, ORDERS)
    messages = sending_order(script, 5)
    start(cycle)
    senders = Senders(cycle, messages)
    try:
        # A single event, attempted as often as refusals would need to make it dead.
        senders.release(1)
        cycle.wait_for_log("outcome=unavailable", times=6)
        erp.live()
        senders.release(len(messages) // 3)
        assert waited_for(lambda: len(erp.accepted()) > 100, 60)
        erp.mood = Mood.BUSY
        time.sleep(1.0)
        erp.mood = Mood.WILLING
        erp.die()
        died_at = time.monotonic()
        senders.release(len(messages))
        sent = senders.wait(120)
        time.sleep(max(0.0, OUTAGE_SECONDS - (time.monotonic() - died_at)))
        states = Counter(row["state"] for row in cycle.events())
        assert states["dead"] == 0, "an outage made events dead"
        assert states["waiting"] + states["processing"] > ORDERS, "the outage was not felt"
        erp.live()
        judge(cycle, erp, script, sent)
        assert list(superfluous_repetitions(erp.arrivals, erp.deaths)) == []
    finally:
        senders.stop()


def test_the_same_holds_with_50_kills_of_receiver_and_worker(cycle: RunningService, erp: Erp) -> None:
    random = Random(50)  # noqa: S311 - no secret
    script = orders(50, ORDERS)
    messages = sending_order(script, 50)
    erp.live()
    start(cycle)
    senders = Senders(cycle, messages)
    kills: list[float] = []
    try:
        parts = iter(shares(len(messages), KILLS))
        for number in range(KILLS // 2):
            if number == KILLS // 4:
                erp.die()
            elif number == KILLS // 4 + 2:
                erp.live()
            senders.release(next(parts))
            wait_for_work(cycle, erp)
            time.sleep(random.uniform(0.0, 0.3))
            kill_worker(cycle)
            kills.append(time.monotonic())
            senders.release(next(parts))
            time.sleep(random.uniform(0.0, 0.2))
            kill_receiver(cycle)
            kills.append(time.monotonic())
            start(cycle)
        sent = senders.wait(120)
        repeated = sent.repeated
        assert repeated > KILLS // 4, "hardly any kill was felt by a sender"
        judge(cycle, erp, script, sent)
        assert list(superfluous_repetitions(erp.arrivals, [*kills, *erp.deaths])) == []
    finally:
        senders.stop()


def test_an_event_for_another_destination_starts_at_once_while_3000_orders_wait_for_a_dead_erp(
    tmp_path: Path, erp: Erp
) -> None:
    settings = DESTINATION.format(url=erp.url, timeout=4.0, dead_after=DEAD_AFTER_SECONDS)
    folder = tmp_path / "desk"
    folder.mkdir()
    service = RunningService(
        tmp_path,
        extra=f"""{settings}events = ["OrderIssuedByBuyer"]
[destinations.desk]
type = "folder"
path = "{folder}"
events = ["OrderLinesAcceptedBySupplier"]
""",
    )
    waiting = [message(first_event(number, "OrderIssuedByBuyer")) for number in range(WAITING_ORDERS)]
    try:
        start(service)
        senders = Senders(service, waiting)
        senders.release(len(waiting))
        senders.wait(120)
        assert waited_for(lambda: not service.events("--state", "received", "--limit", "1"), FINISHED_SECONDS)
        took: list[float] = []
        for number in range(20):
            sent = message(first_event(WAITING_ORDERS + number, "OrderLinesAcceptedBySupplier"))
            assert service.post(ORDER, sent.content).status_code == 202
            answered_at = time.monotonic()
            assert waited_for(lambda: len(list(folder.iterdir())) > len(took), 30, pause=0.002)
            took.append(time.monotonic() - answered_at)
        print(f"From the 202 to the folder: median {median(took) * 1000:.0f} ms, at most {max(took) * 1000:.0f} ms")
        assert median(took) < AT_ONCE_SECONDS
        assert Counter(row["state"] for row in service.events())["done"] == len(took)
    finally:
        service.kill()


def first_event(number: int, name: str) -> Told:
    """Of an order of its own."""
    order = Order(f"W{number}", Traits(), Random(number))  # noqa: S311 - no secret
    issue(order, 1)
    order.tell(name, order.lines)
    return order.history[-1]


def judge(service: RunningService, erp: Erp, script: list[Order], sent: Sent) -> None:
    """Wait until nothing is left to do, then look at the four facts."""
    finished = waited_for(lambda: all_done(service), FINISHED_SECONDS, pause=0.5)
    rows = service.events()
    place_of = {row["id"]: place for place, row in enumerate(reversed(rows))}
    known = {order.id: shown(service, order.id) for order in script}
    wrong = {
        "unaccounted": list(unaccounted(rows, sent)),
        "mirror": list(unknown_members(script, known)),
        "violations": list(order_violations(erp.arrivals, place_of)),
        "lost": list(lost_or_superfluous(rows, script, erp.accepted())),
        "at the ERP": list(unknown_members(script, last_bodies(erp.accepted()))),
        "not understood": erp.trouble,
    }
    print(
        f"{len(script)} orders, {len(sent.answers)} messages answered 202, {sent.repeated} attempts of senders "
        f"without such an answer, {len(rows)} events, {len(erp.arrivals)} requests at the ERP, "
        f"{len(erp.accepted())} taken"
    )
    assert {fact: (len(found), found[:20]) for fact, found in wrong.items() if found} == {}
    assert finished


def all_done(service: RunningService) -> bool:
    """Asked often, so without a process of its own."""
    reader = InboxReader(service.place)
    return not any(
        reader.events(EventFilter(state=state, limit=1))
        for state in (State.RECEIVED, State.PROCESSING, State.WAITING)
    )


def shown(service: RunningService, order_id: str) -> JsonObject:
    """What `webhooks orders show ID --json` prints, without a process for each order."""
    result = CliRunner().invoke(app, ["orders", "show", order_id, "--json", "--config", str(service.config)])
    if result.exit_code != 0:
        return {"orderEvent": {"lines": []}}
    body: JsonObject = json.loads(result.stdout, parse_float=Decimal)
    return body


def wait_for_work(service: RunningService, erp: Erp) -> None:
    """Until the worker has begun: killed while it starts, it would lose nothing."""
    starts, arrivals = service.log.read_text().count("action=worker_started"), len(erp.arrivals)
    waited_for(
        lambda: len(erp.arrivals) > arrivals or service.log.read_text().count("action=worker_started") > starts,
        10,
        pause=0.05,
    )


def start(service: RunningService) -> None:
    """With more patience than is needed on a machine that has nothing else to do."""
    try:
        service.start()
    except AssertionError:
        service.wait_until("/health/ready", 120)


def kill_receiver(service: RunningService) -> None:
    assert service.process is not None
    service.process.kill()
    service.process.wait()


def kill_worker(service: RunningService) -> None:
    assert waited_for(lambda: bool(workers(service)), 20, pause=0.02), (
        "no worker: " + service.log.read_text()[-2000:]
    )
    for pid in workers(service):
        with contextlib.suppress(ProcessLookupError):  # it stood by, and has just ended
            os.kill(pid, signal.SIGKILL)


def workers(service: RunningService) -> list[int]:
    """Processes that work on this service's inbox, beside the receiver."""
    assert service.process is not None
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if str(service.config).encode() in arguments and int(folder.name) != service.process.pid:
            found.append(int(folder.name))
    return found
