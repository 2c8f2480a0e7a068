"""The sandbox's orders and shipments through two receivers and three workers on one PostgreSQL server, with 50
kills among them and two restarts of the server: in the end the service knows what the sandbox says is true."""

from __future__ import annotations

import shlex
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from sandbox import asking, truth
from sandbox.delivery.credentials import Basic
from sandbox.delivery.plan import Disorder, Planned, plan
from sandbox.delivery.policy import Policy
from sandbox.delivery.sending import Destination, Sender
from sandbox.erp import Erp
from sandbox.scenarios import reading
from sandbox.story.event import Webhook
from tests.acceptance.running import COMMAND, ORDER, SHIPMENT, USER, RunningService
from tests.acceptance.test_life_cycle import FINISHED_SECONDS, all_done
from tests.acceptance.test_shared_inbox import Fleet
from tests.lifecycle.sending import waited_for
from tests.postgresql import Cluster, Databases, cluster

ORDERS = 60
KILLS = 50
RESTARTS = (KILLS // 3, 2 * KILLS // 3)
#: Between two kills, on average; new events come as long as they go on.
KILL_EVERY = 0.8
DISORDER = Disorder(late=0.1, duplicates=0.1, lost_answers=0.05)


@pytest.fixture
def machine() -> Iterator[Cluster]:
    with cluster() as one:
        yield one


def shared_out(planned: list[Planned]) -> tuple[list[Planned], list[Planned]]:
    """What each of the two receivers gets: events in turns, a duplicate at the one that does not get the first."""
    parts: tuple[list[Planned], list[Planned]] = ([], [])
    place: dict[str, int] = {}
    for number, one in enumerate(planned):
        at = place.setdefault(one.event.message_id, number % 2)
        parts[1 - at if one.duplicate else at].append(one)
    return parts


def sender(receiver: RunningService, planned: list[Planned]) -> Sender:
    """Sends for as long as kills go on."""
    basic = Basic(*USER)
    orders = Destination(receiver.url + ORDER, basic)
    return Sender(
        planned,
        {
            Webhook.ORDER: orders,
            Webhook.DOCUMENTS: orders,
            Webhook.SHIPMENT: Destination(receiver.url + SHIPMENT, basic),
        },
        Policy(timeout=10.0, speed=60.0),
        parallel=4,
        pace=len(planned) / (KILLS * KILL_EVERY),
    )


def test_mirrors_are_what_the_sandbox_says_after_50_kills_and_two_restarts_of_the_server(
    machine: Cluster, tmp_path: Path
) -> None:
    random = Random(7)  # noqa: S311 - no secret
    stories = reading.read("day").model_copy(update={"orders": ORDERS, "seed": 7}).told()
    planned = plan(stories, DISORDER, 7)
    truth.write(tmp_path / "run", stories)
    with Erp() as erp:
        fleet = Fleet(Databases(machine, None).new(), tmp_path, erp.url)
        one = fleet.receivers[0]
        try:
            fleet.start()
            senders = [sender(*pair) for pair in zip(fleet.receivers, shared_out(planned), strict=True)]
            threads = [threading.Thread(target=each.run, daemon=True) for each in senders]
            for thread in threads:
                thread.start()
            for number in range(KILLS):
                time.sleep(random.uniform(0.5, 1.5) * KILL_EVERY)
                fleet.kill(random)
                if number in RESTARTS:
                    machine.stop()
                    time.sleep(0.5)
                    machine.start()
            for thread in threads:
                thread.join(120)
            assert [(each.summary.left, dict(each.summary.dropped)) for each in senders] == [(0, {}), (0, {})]
            assert sum(each.summary.repeated.total() for each in senders) > KILLS // 5, "hardly any kill was felt"
            assert waited_for(lambda: all_done(one), FINISHED_SECONDS, pause=0.5)

            rows = one.events()
            counted = Counter(row["messageId"] for row in rows)
            assert counted == Counter({each.event.message_id for each in planned}), (
                "lost, or one message is two events"
            )
            assert {row["state"] for row in rows} == {"done"}
            booked = [event.event_id for event in erp.events()]
            assert set(booked) == {row["id"] for row in one.events("--destination", "erp")}
            assert violations(booked, rows) == []
            exports = {
                kind: shlex.join([str(COMMAND), f"{kind}s", "export", "--config", str(one.config)])
                for kind in ("order", "shipment")
            }
            compared = list(asking.compare(truth.read(tmp_path / "run"), exports))
            assert len(compared) > ORDERS
            assert {each.id: found for each, found in compared if found} == {}
        finally:
            fleet.stop()


def violations(booked: list[str], rows: list[dict[str, str]]) -> list[str]:
    """Events that the ERP booked before an earlier accepted one of the same order or shipment."""
    place_of = {row["id"]: (row["subjectId"], place) for place, row in enumerate(reversed(rows))}
    latest: dict[str, int] = {}
    found = []
    for event_id in booked:
        subject, place = place_of[event_id]
        if place < latest.get(subject, -1):
            found.append(event_id)
        latest[subject] = place
    return found
