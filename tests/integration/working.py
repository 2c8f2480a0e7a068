"""A worker on a thread over a real inbox: events are accepted as in the receiver, destinations are the test's."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from handlers.documents.fetching import Fetching
from handlers.interface import (
    DOCUMENTS,
    Destination,
    Endpoint,
    JsonObject,
    Role,
)
from service import txml
from service.body import Label
from service.contract import webhook_contracts
from service.event_reader import event_readers
from service.inbox.interface import TRANSITIONS, Delivery, Inbox, RefusedBody, State, Stored, new_id
from service.inbox.local import LocalInbox
from service.inbox.notification import Notifications
from service.inbox.place import DatabaseServer, Place
from service.inbox.repair import Repair
from service.inbox.repair_rules import Action, Measure
from service.inbox.shared import SharedInbox
from service.inbox.shared_work import SharedWorkStore
from service.inbox.transaction import QuarantineBudget
from service.inbox.work import WorkerStore, WorkStore
from service.json_text import exact_json
from service.settings_documents import Documents
from service.wake import WakeUp, Waking, wake
from service.worker.attempts import Attempts
from service.worker.documents import DocumentStage
from service.worker.inline import InlineAnswer, InlineRequest
from service.worker.lane import Lane
from service.worker.loop import Rules, Worker
from service.worker.merging import Merging
from service.worker.outcomes import Terms
from tests import postgresql
from tests.integration.taking import Erp, Takes

READERS = event_readers()
MAPPINGS = {
    endpoint: txml.Mapping(contract) for contract in webhook_contracts() for _, endpoint in contract.endpoints()
}

QUICK = Terms(merged=False, as_xml=False, retry_first=0.02, retry_last=0.05, dead_after=3600.0)

SOON_DEAD = replace(QUICK, retry_first=0.05, retry_last=0.05, dead_after=0.3)


@dataclass
class House:
    """An inbox, and a worker over it that can be stopped and started again."""

    folder: Path
    place: Place
    destinations: Mapping[str, Destination]
    terms: Mapping[str, Terms] = field(default_factory=dict)
    lanes: Mapping[str, Lane] = field(default_factory=dict)
    takers: Sequence[Takes] | None = None
    concurrency: int = 16
    dead_holds: bool = True
    deliver_echo: bool = False
    inline: Mapping[Endpoint, str] = field(default_factory=dict)
    inline_takeover: float = 3600.0
    busy_timeout: float = 0.3
    watched: bool = True
    """Whether to look at the transitions of all states; by one house of each inbox."""
    documents: Documents = field(default_factory=Documents)
    fetching: Fetching | None = None

    def __post_init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._loop_thread = threading.Thread(target=self._loop.run_forever)
        self._loop_thread.start()
        self._inbox = self._new_inbox()
        self._inbox.open()
        self._await(self._inbox.start())
        self._thread: threading.Thread | None = None
        self.worker: Worker | None = None
        self._store: WorkerStore | None = None
        self._wake_up: Waking | None = None
        self.failure: BaseException | None = None
        if self.watched:
            self._watch_transitions()

    @property
    def path(self) -> Path:
        """The file of the inbox, for tests that are about it."""
        assert isinstance(self.place, Path)
        return self.place

    def _new_inbox(self) -> Inbox:
        budget = QuarantineBudget(1_000_000, 100)
        if isinstance(self.place, DatabaseServer):
            return SharedInbox(self.place, budget=budget, busy_timeout=5.0, commit_timeout=10.0)
        return LocalInbox(
            self.place,
            budget=budget,
            wal_max_bytes=1 << 30,
            min_free_bytes=1,
            busy_timeout=5.0,
            commit_timeout=10.0,
            on_new_event=lambda: wake(self.folder),
        )

    def _new_store(self) -> WorkerStore:
        if isinstance(self.place, DatabaseServer):
            return SharedWorkStore(self.place, busy_timeout=self.busy_timeout, readers=self.concurrency)
        return WorkStore(
            self.place, busy_timeout=self.busy_timeout, wal_max_bytes=1 << 30, readers=self.concurrency
        )

    def _await(self, call: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(call, self._loop).result(60.0)

    def accept(self, *bodies: JsonObject, owned_by_sender: bool = False) -> list[str]:
        """Store events as the receiver does, one after the other; their ids."""
        return [stored.id for stored in self.accept_all(bodies, owned_by_sender=owned_by_sender)]

    def accept_all(self, bodies: Iterable[JsonObject], *, owned_by_sender: bool = False) -> list[Stored]:
        """The same, in as few transactions as it takes."""
        events = []
        for body in bodies:
            data = exact_json(body)
            delivery = Delivery(datetime.now(UTC), Endpoint.ORDER, "main", "application/json", "", data, len(data))
            event = READERS[Endpoint.ORDER].read(delivery, Label("application/json", 1, "", "", len(data)))
            if owned_by_sender:
                until = delivery.received_at + timedelta(seconds=self.inline_takeover)
                event = replace(event, sender_repeats_until=until)
            events.append(event)

        async def store() -> list[Stored]:
            # In order: each call takes its place in the queue before the next one is made.
            return list(await asyncio.gather(*(self._inbox.accept(event) for event in events)))

        stored: list[Stored] = self._await(store())
        return stored

    def quarantine(self, body: bytes) -> str:
        """Keep a refused body."""
        delivery = Delivery(datetime.now(UTC), Endpoint.ORDER, "main", "application/json", "", body, len(body))
        refused = RefusedBody(new_id(), delivery, 400, "body-refused", "no JSON", (), 0)
        stored: Stored = self._await(self._inbox.quarantine(refused))
        return stored.id

    def start(self) -> None:
        """Start a worker."""
        self._store = self._new_store()
        self._wake_up = Notifications(self.place) if isinstance(self.place, DatabaseServer) else WakeUp(self.folder)
        terms = {name: self.terms.get(name, QUICK) for name in (DOCUMENTS, *self.destinations)}
        worker = Worker(
            self._store,
            self._wake_up,
            Merging(
                READERS,
                self.takers or [Takes(name) for name in self.destinations],
                role=Role.BUYER,
                deliver_echo=self.deliver_echo,
                documents=self.documents,
            ),
            Attempts(
                self._store,
                self.destinations,
                terms,
                READERS,
                MAPPINGS,
                DocumentStage(self._store, self.fetching),
            ),
            {name: replace(self.lanes.get(name, Lane(name, 4))) for name in terms},
            terms,
            Rules(self.concurrency, self.dead_holds, self.inline, self.inline_takeover),
        )
        self.worker = worker

        def run() -> None:
            try:
                worker.run(drain_seconds=0.0)
            except BaseException as error:
                self.failure = error

        self._thread = threading.Thread(target=run, name="worker")
        self._thread.start()

    def stop(self) -> None:
        """End the worker as a crash does: what is under way is not finished."""
        if self.worker is None or self._thread is None or self._store is None or self._wake_up is None:
            return
        self.worker.stop()
        self._thread.join(20.0)
        assert not self._thread.is_alive()
        self._store.close()
        if isinstance(self.place, DatabaseServer):
            self._wake_up.close()
        self.worker = None
        if self.failure is not None:
            raise self.failure

    def close(self) -> None:
        """Let go of everything, and look whether every state was left as the list of transitions allows."""
        try:
            for destination in self.destinations.values():
                if isinstance(destination, Erp):
                    destination.open.set()
            self.stop()
        finally:
            self._await(self._inbox.stop())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._loop_thread.join(5.0)
            self._loop.close()
        if self.watched:
            self._check_transitions()

    def ask(self, event_id: str) -> Answer:
        """Attempt an event now, as the receiver of an inline endpoint asks."""
        assert self.worker is not None
        answer = Answer()
        self.worker.ask(InlineRequest(event_id, answer.take))
        return answer

    def repair(self, what: Callable[[Repair], Any]) -> Any:
        """Do something as the command line does it, and wake the worker."""
        repair = Repair(self.place, user="tester", current_of=lambda *_: {})
        try:
            done = what(repair)
        finally:
            repair.close()
        wake(self.folder)
        return done

    def treat(self, action: Action, *ids: str, destination: str | None = None) -> None:
        """Replay, cancel or skip; each of them has to be possible."""
        treated = self.repair(lambda repair: list(repair.treat(ids, Measure(action, "test", destination))))
        assert [one.left for one in treated] == [None] * len(ids)

    def treat_between_attempts(self, action: Action, event_id: str) -> None:
        """The same of one event, as soon as no attempt of it is under way."""

        def treated() -> bool:
            (one,) = self.repair(lambda repair: list(repair.treat((event_id,), Measure(action, "test", None))))
            return one.left is None

        eventually(treated)

    def rows(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        """What is in the database."""
        if isinstance(self.place, DatabaseServer):
            return postgresql.rows(self.place, sql, *values)
        connection = sqlite3.connect(self.path, timeout=10.0)
        try:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(sql, values)]
        finally:
            connection.close()

    def write(self, sql: str, *values: Any) -> None:
        """Change the database."""
        if isinstance(self.place, DatabaseServer):
            postgresql.rows(self.place, sql, *values)
            return
        connection = sqlite3.connect(self.path, timeout=10.0)
        try:
            with connection:
                connection.execute(sql, values)
        finally:
            connection.close()

    def state(self, event_id: str) -> State:
        """Where an event stands."""
        return State(self.rows("SELECT state FROM event WHERE id = ?", event_id)[0]["state"])

    def states(self) -> dict[str, int]:
        """How many events stand where."""
        return {
            row["state"]: row["n"] for row in self.rows("SELECT state, count(*) AS n FROM event GROUP BY state")
        }

    def event(self, event_id: str) -> dict[str, Any]:
        """The event's row."""
        return self.rows("SELECT * FROM event WHERE id = ?", event_id)[0]

    def handover(self, event_id: str, destination: str = "erp") -> dict[str, Any]:
        """Its latest handover to a destination."""
        return self.rows(
            "SELECT * FROM handover WHERE event_id = ? AND destination = ? ORDER BY round DESC",
            event_id,
            destination,
        )[0]

    def outcomes(self, event_id: str, destination: str = "erp") -> list[str]:
        """How its attempts at a destination ended."""
        return [
            row["outcome"]
            for row in self.rows(
                "SELECT attempt.outcome FROM attempt JOIN handover ON handover.id = handover_id"
                " WHERE event_id = ? AND destination = ? ORDER BY attempt.id",
                event_id,
                destination,
            )
        ]

    def wait_for_state(self, state: State, *ids: str, seconds: float = 20.0) -> None:
        """Until all of these events stand there."""
        marks = ",".join("?" * len(ids))
        sql = f"SELECT id, state, reason FROM event WHERE id IN ({marks}) AND state <> ?"  # noqa: S608 - marks only
        eventually(lambda: not self.rows(sql, *ids, state), seconds, lambda: self.rows(sql, *ids, state))

    def _watch_transitions(self) -> None:
        self.write("CREATE TABLE passed (before TEXT, after TEXT)")
        if isinstance(self.place, DatabaseServer):
            self.write(
                "CREATE FUNCTION watch() RETURNS trigger LANGUAGE plpgsql AS"
                " $$BEGIN INSERT INTO passed VALUES (old.state, new.state); RETURN NULL; END$$"
            )
        for table in ("event", "handover"):
            if isinstance(self.place, DatabaseServer):
                self.write(
                    f"CREATE TRIGGER watch_{table} AFTER UPDATE OF state ON {table} FOR EACH ROW"
                    " WHEN (old.state <> new.state) EXECUTE FUNCTION watch()"
                )
                continue
            when = f"AFTER UPDATE OF state ON {table} WHEN old.state <> new.state"
            then = "INSERT INTO passed VALUES (old.state, new.state)"
            self.write(f"CREATE TRIGGER watch_{table} {when} BEGIN {then}; END")

    def _check_transitions(self) -> None:
        passed = self.rows("SELECT DISTINCT before, after FROM passed")
        wrong = [row for row in passed if row["after"] not in TRANSITIONS[State(row["before"])]]
        assert wrong == []


class Answer:
    """What the receiver is told."""

    def __init__(self) -> None:
        self._told = threading.Event()
        self._answer: tuple[InlineAnswer, str | None] | None = None
        self.count = 0

    def take(self, kind: InlineAnswer, reason: str | None) -> None:
        self._answer = kind, reason
        self.count += 1
        self._told.set()

    @property
    def came(self) -> bool:
        """Whether it did."""
        return self._told.is_set()

    def wait(self, seconds: float = 10.0) -> tuple[InlineAnswer, str | None]:
        """Answer and reason."""
        assert self._told.wait(seconds), "no answer"
        assert self._answer is not None
        assert self.count == 1
        return self._answer


Build = Callable[..., House]
"""The fixture `house`: makes one of these parts."""


def eventually(
    condition: Callable[[], bool], seconds: float = 20.0, saying: Callable[[], object] = lambda: "it never was"
) -> None:
    """Wait until something is so."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise AssertionError(saying())
        time.sleep(0.01)
