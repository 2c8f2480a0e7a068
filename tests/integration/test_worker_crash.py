"""A worker that ends in the middle of its work, and an inbox that cannot be written for a while."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from handlers.interface import Accepted, ErpEvent, Outcome
from service.inbox.interface import State
from service.worker.lane import Lane
from tests.integration.conftest import SQLITE
from tests.integration.taking import Erp, order
from tests.integration.working import Build, House, eventually

SLOW_ERP = """
import os, time
from pathlib import Path
from handlers.interface import Accepted

class Erp:
    def __init__(self):
        self.folder = Path(__file__).parent

    def deliver(self, event, merged, changes, body):
        with open(self.folder / "calls", "a") as calls:
            calls.write(f"{event.subject_id} {event.idempotency_key} {event.attempt}\\n")
        while (self.folder / "hang").exists() and event.subject_id == "company-PO1":
            time.sleep(0.02)
        return Accepted()

    def close(self):
        pass
"""


class RealWorker:
    """`webhooks work` over an inbox, with a destination that hangs while there is a file `hang`."""

    def __init__(self, at: House) -> None:
        self._folder = at.folder
        (at.folder / "slow_erp.py").write_text(SLOW_ERP)
        self._settings = at.folder / "webhooks.toml"
        self._settings.write_text(
            f'[inbox]\nurl = "sqlite:///{at.path}"\n[destinations.erp]\ntype = "python"\nclass = "slow_erp:Erp"\n'
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = "from service.cli import main; main()"
        self._process = subprocess.Popen(
            [sys.executable, "-c", command, "work", "--config", str(self._settings)], stderr=subprocess.DEVNULL
        )

    def end(self, number: signal.Signals, seconds: float = 20.0) -> int:
        """Its status."""
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(seconds)

    def __enter__(self) -> RealWorker:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def calls(self) -> list[tuple[str, str, str]]:
        """Subject, idempotency key and number of each attempt."""
        with contextlib.suppress(FileNotFoundError):
            lines = (self._folder / "calls").read_text().splitlines()
            return [tuple(line.split()) for line in lines]  # type: ignore[misc]
        return []


@SQLITE
def test_killed_worker_repeats_what_was_in_flight_with_the_same_key_and_nothing_else(house: Build) -> None:
    at = house(destinations={})
    hang = at.folder / "hang"
    hang.touch()
    with RealWorker(at) as worker:
        worker.start()
        held, behind = at.accept(order("PO1", 1), order("PO1", 2))
        others = at.accept(*(order(f"OTHER{n}") for n in range(10)))
        eventually(lambda: len(worker.calls()) == 11, 30.0, worker.calls)
        at.wait_for_state(State.DONE, *others)
        worker.end(signal.SIGKILL)
        assert at.handover(held)["started_at"] is not None
        hang.unlink()
        worker.start()
        at.wait_for_state(State.DONE, held, behind, *others, seconds=30.0)
        assert worker.end(signal.SIGTERM) == 0
    seen = Counter(key for _, key, _ in worker.calls())
    assert seen == {f"{held}-erp-1": 2} | {f"{event_id}-erp-1": 1 for event_id in (behind, *others)}
    assert at.outcomes(held) == ["interrupted", "accepted"]
    assert [number for subject, _, number in worker.calls() if subject == "company-PO1"] == ["1", "2", "1"]


@SQLITE
def test_worker_that_is_told_to_stop_ends_in_time_although_an_attempt_hangs(house: Build) -> None:
    at = house(destinations={})
    (at.folder / "hang").touch()
    with RealWorker(at) as worker:
        worker.start()
        at.accept(order("PO1"))
        eventually(lambda: len(worker.calls()) == 1, 30.0)
        assert worker.end(signal.SIGTERM, 12.0) == 0


@SQLITE
def test_second_worker_stands_by_until_the_first_one_is_killed(house: Build) -> None:
    at = house(destinations={})
    with RealWorker(at) as first, RealWorker(at) as second:
        first.start()
        (one,) = at.accept(order("PO1", 1))
        at.wait_for_state(State.DONE, one, seconds=30.0)
        second.start()
        time.sleep(1.0)
        first.end(signal.SIGKILL)
        (two,) = at.accept(order("PO1", 2))
        at.wait_for_state(State.DONE, two, seconds=30.0)
        assert second.end(signal.SIGTERM) == 0
    assert Counter(key for _, key, _ in first.calls()) == {f"{one}-erp-1": 1, f"{two}-erp-1": 1}


def test_abandoned_attempt_that_comes_to_an_end_later_changes_nothing(house: Build) -> None:
    erp = Erp()
    at = house(destinations={"erp": erp})
    erp.open.clear()
    at.start()
    (event_id,) = at.accept(order())
    eventually(lambda: len(erp.calls) == 1)
    at.stop()
    at.start()
    eventually(lambda: len(erp.calls) == 2)
    erp.open.set()
    at.wait_for_state(State.DONE, event_id)
    assert len({call.event.idempotency_key for call in erp.calls}) == 1
    assert at.outcomes(event_id) == ["interrupted", "accepted"]


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another process writes and does not come to an end."""
    program = (
        "import sqlite3, sys, time; c = sqlite3.connect(sys.argv[1], isolation_level=None);"
        " c.execute('BEGIN IMMEDIATE'); print('locked', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == b"locked\n"
        yield
    finally:
        process.kill()  # a connection that is closed would take the log with it
        process.wait()
        process.stdout.close()


@SQLITE
def test_locked_database_stops_nothing_for_good_and_nothing_is_delivered_twice(house: Build) -> None:
    erp = Erp()
    at = house(destinations={"erp": erp})
    at.start()
    erp.open.clear()
    ids = at.accept(*(order(f"PO{n % 6}", n + 1) for n in range(18)))
    eventually(lambda: len(erp.calls) == 4)
    with locked(at.path):
        erp.open.set()  # four attempts end now, and cannot be written
        time.sleep(1.5)
        assert len(erp.calls) == 4
        assert at.worker is not None
    at.wait_for_state(State.DONE, *ids)
    assert Counter(erp.ids()) == dict.fromkeys(ids, 1)
    for n in range(6):
        assert erp.ids(f"company-PO{n}") == ids[n::6]


@SQLITE
def test_worker_starts_while_the_database_is_locked_and_goes_on_when_it_is_free(house: Build) -> None:
    erp = Erp()
    at = house(destinations={"erp": erp})
    (event_id,) = at.accept(order())
    at.start()
    at.wait_for_state(State.DONE, event_id)
    at.stop()
    (event_id,) = at.accept(order("PO1", 2))
    at.busy_timeout = 5.0  # for opening; the first transaction meets the lock
    at.start()
    with locked(at.path):
        time.sleep(0.5)
    at.wait_for_state(State.DONE, event_id)


@SQLITE
def test_inbox_that_is_replaced_is_not_written_until_it_is_back(
    house: Build, caplog: pytest.LogCaptureFixture
) -> None:
    erp = Erp()
    at = house(destinations={"erp": erp})
    at.start()
    (first,) = at.accept(order("PO1", 1))
    at.wait_for_state(State.DONE, first)
    erp.open.clear()
    (second,) = at.accept(order("PO1", 2))
    eventually(lambda: len(erp.calls) == 2)
    aside = at.folder / "aside.db"
    os.rename(at.path, aside)
    shutil.copy(aside, at.path)
    erp.open.set()
    time.sleep(1.2)
    assert at.worker is not None
    assert "was removed or replaced while in use" in caplog.text
    os.replace(aside, at.path)
    at.wait_for_state(State.DONE, second)
    assert erp.ids() == [first, second]


def test_events_whose_time_lies_in_the_future_because_the_clock_was_set_back_are_taken_up(house: Build) -> None:
    refused: list[str] = []

    def once(event: ErpEvent) -> Outcome:
        refused.append(event.id)
        return Accepted()

    at = house(destinations={"erp": Erp(once)})
    future, behind = at.accept(order("PO1", 1), order("PO1", 2))
    at.write("UPDATE event SET received_at = '2099-01-01', apply_at = '2099-01-01' WHERE id = ?", future)
    at.start()
    at.wait_for_state(State.DONE, future, behind)
    at.stop()
    (late,) = at.accept(order("PO1", 3))
    at.write("INSERT INTO destination (name, paused_at) VALUES ('erp', 'x')")
    at.start()
    eventually(lambda: at.event(late)["applied_at"] is not None)
    at.stop()
    at.write("DELETE FROM destination")
    at.write("UPDATE handover SET due_at = '2099-01-01' WHERE event_id = ?", late)
    at.start()
    at.wait_for_state(State.DONE, late)


def test_inbox_that_cannot_be_read_for_a_while_makes_no_event_dead(house: Build) -> None:
    erp = Erp()
    at = house(destinations={"erp": erp})
    at.start()
    at.write("ALTER TABLE mirror RENAME TO gone")
    (to_merge,) = at.accept(order("PO1", 1))
    time.sleep(0.7)
    assert at.state(to_merge) is State.RECEIVED
    at.write("ALTER TABLE gone RENAME TO mirror")
    at.wait_for_state(State.DONE, to_merge)
    at.repair(lambda repair: repair.pause("erp", "test"))
    (to_deliver,) = at.accept(order("PO1", 2))
    eventually(lambda: at.event(to_deliver)["applied_at"] is not None)
    at.write("ALTER TABLE snapshot RENAME TO lost")
    at.repair(lambda repair: repair.resume("erp", "test"))
    eventually(lambda: "interrupted" in at.outcomes(to_deliver))
    at.write("ALTER TABLE lost RENAME TO snapshot")
    at.wait_for_state(State.DONE, to_deliver, seconds=30.0)
    assert at.handover(to_deliver)["refused_ms"] == 0
    assert erp.ids() == [to_merge, to_deliver]


def test_outcomes_that_cannot_be_written_for_a_while_do_not_widen_the_bound_of_the_destination(
    house: Build,
) -> None:
    erp = Erp()
    at = house(destinations={"erp": erp}, lanes={"erp": Lane("erp", 2)})
    at.start()
    erp.open.clear()
    ids = at.accept(order("PO1"), order("PO2"))
    eventually(lambda: len(erp.calls) == 2)
    at.write("ALTER TABLE attempt RENAME TO gone")
    erp.open.set()
    time.sleep(1.2)  # written for the second and third time in vain
    erp.seconds = 0.05
    ids += at.accept(*(order(f"OTHER{n}") for n in range(8)))
    at.write("ALTER TABLE gone RENAME TO attempt")
    at.wait_for_state(State.DONE, *ids)
    assert erp.most_at_once == 2
    assert Counter(erp.ids()) == dict.fromkeys(ids, 1)
