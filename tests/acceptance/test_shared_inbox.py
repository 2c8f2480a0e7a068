"""Two receivers and three workers on one PostgreSQL server: 20 kills among them, two restarts of the server under
load. Nothing is lost, nothing out of order, and the mirror says what the script says."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from random import Random

import pytest

from service.inbox.place import DatabaseServer
from tests.acceptance.running import COMMAND, ORDER, RunningService, body
from tests.acceptance.test_life_cycle import DEAD_AFTER_SECONDS, DESTINATION, judge
from tests.lifecycle.erp import Erp, seldom
from tests.lifecycle.history import orders, sending_order
from tests.lifecycle.sending import Senders, shares, waited_for
from tests.postgresql import Cluster, Databases, cluster

ORDERS = 60
RECEIVERS, WORKERS = 2, 3
KILLS = 20
RESTARTS = (KILLS // 3, 2 * KILLS // 3)
#: Between two kills, on average.
KILL_EVERY = 1.0


class Fleet:
    """Processes that somebody starts again whenever they end, as an init system does."""

    def __init__(self, server: DatabaseServer, folder: Path, erp_url: str) -> None:
        settings = DESTINATION.format(url=erp_url, timeout=1.0, dead_after=DEAD_AFTER_SECONDS)
        inbox = f'[inbox]\nurl = "{server.url}"\ncommit_timeout = 5.0\n[worker]\nenabled = false\n'
        self.receivers = []
        for number in range(RECEIVERS):
            own = folder / f"receiver-{number}"
            own.mkdir()
            receiver = RunningService(own, extra=settings + inbox, https=False)
            receiver.place = server
            self.receivers.append(receiver)
        self.log = folder / "fleet.log"
        self._commands = {
            **{f"receiver {i}": ["serve", "--config", str(one.config)] for i, one in enumerate(self.receivers)},
            **{f"worker {i}": ["work", "--config", str(self.receivers[0].config)] for i in range(WORKERS)},
        }
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._ended = threading.Event()
        self._keeper = threading.Thread(target=self._keep)

    def start(self) -> None:
        """Start all of them, and wait for the receivers."""
        self._keeper.start()
        for receiver in self.receivers:
            assert waited_for(partial(is_ready, receiver), 60), self.log.read_text()[-3000:]

    def kill(self, random: Random) -> None:
        """SIGKILL to one that runs."""
        while True:
            name = random.choice(list(self._running))
            process = self._running[name]
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                return
            time.sleep(0.05)

    def stop(self) -> None:
        """End all of them."""
        self._ended.set()
        self._keeper.join(10)
        for process in self._running.values():
            process.kill()
            process.wait(10)

    def _keep(self) -> None:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("WEBHOOKS_")}
        while not self._ended.wait(0.05):
            for name, arguments in self._commands.items():
                process = self._running.get(name)
                if process is None or process.poll() is not None:
                    with self.log.open("ab") as log:
                        self._running[name] = subprocess.Popen(
                            [str(COMMAND), *arguments], env=environment, stdout=log, stderr=log
                        )


def is_ready(receiver: RunningService) -> bool:
    with contextlib.suppress(OSError):
        return receiver.get("/health/ready").status_code == 200
    return False


@pytest.fixture
def erp() -> Iterator[Erp]:
    with Erp(seldom, hang_seconds=1.5) as standing_in:
        standing_in.live()
        yield standing_in


@pytest.fixture
def machine() -> Iterator[Cluster]:
    with cluster() as one:
        yield one


def test_two_receivers_and_three_workers_survive_each_others_death_and_restarts_of_the_server(
    machine: Cluster, erp: Erp, tmp_path: Path
) -> None:
    random = Random(6)  # noqa: S311 - no secret
    script = orders(6, ORDERS)
    messages = sending_order(script, 6)
    fleet = Fleet(Databases(machine, None).new(), tmp_path, erp.url)
    one, *others = fleet.receivers
    senders = Senders(one, messages, others=others)
    one.log = fleet.log
    try:
        fleet.start()
        parts = iter(shares(len(messages), KILLS))
        for number in range(KILLS):
            senders.release(next(parts))
            time.sleep(random.uniform(0.5, 1.5) * KILL_EVERY)
            fleet.kill(random)
            if number in RESTARTS:
                machine.stop()
                time.sleep(0.5)
                machine.start()
        sent = senders.wait(120)
        assert sent.repeated > KILLS // 5, "hardly any kill was felt by a sender"
        judge(one, erp, script, sent)
        assert len({arrival.key for arrival in erp.accepted()}) > len(messages) // 4
    finally:
        senders.stop()
        fleet.stop()


def test_duplicate_sent_to_the_other_receiver_is_recognised(machine: Cluster, erp: Erp, tmp_path: Path) -> None:
    fleet = Fleet(Databases(machine, None).new(), tmp_path, erp.url)
    try:
        fleet.start()
        first, again = (each.post(ORDER, body(meta={"messageId": "m1"})).json() for each in fleet.receivers)
        assert (first["duplicate"], again["duplicate"]) == (False, True)
        assert first["eventId"] == again["eventId"]
    finally:
        fleet.stop()
