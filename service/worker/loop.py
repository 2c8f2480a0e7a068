"""The worker's loop: one thread that writes, and a thread for each attempt that is under way.

Each turn is one transaction: what came of the attempts that ended, what the new events did to the mirror, which
attempts begin. Under load one wait for the disk is shared by all of them; with a single event nothing waits.
"""

from __future__ import annotations

import logging
import queue
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from handlers.interface import DOCUMENTS, Accepted, Endpoint, Refused, TimedOut, Unavailable
from service.inbox.applying import ChangedMeanwhileError, to_write
from service.inbox.interface import InboxUnavailableError, State
from service.inbox.look import Look
from service.inbox.work import CollisionError, Work, WorkerStore
from service.inbox.work_values import AcceptedEvent, Applied, Claim, Finished
from service.log import quoted
from service.wake import Waking
from service.worker.attempts import Attempts
from service.worker.clock import now as _now
from service.worker.crew import Crew
from service.worker.inline import InlineAnswer, InlineRequest
from service.worker.lane import Circuit, Lane, as_written
from service.worker.merging import Merging
from service.worker.outcomes import MAX_RETRY_AFTER, Attempted, Terms, concluded, concluded_inline, described

log = logging.getLogger(__name__)

Item = TypeVar("Item")

#: Events that are merged in one transaction: senders wait for the database no longer than it takes to write these.
MAX_BATCH = 32
#: Seconds between two attempts to write while the store refuses.
STORE_PAUSE = 0.5

NO_INLINE = "no destination has inline = true for this webhook"


@dataclass(frozen=True, slots=True)
class Rules:
    """What the settings say of processing."""

    concurrency: int
    dead_holds: bool
    inline: Mapping[Endpoint, str]
    """The destination that answers for each webhook that is answered inline."""
    inline_takeover: float
    """Seconds without a repetition after which an event that the sender owned is attempted by the worker."""


class Worker:
    """Runs until it is told to stop."""

    def __init__(
        self,
        store: WorkerStore,
        wake_up: Waking,
        merging: Merging,
        attempts: Attempts,
        lanes: Mapping[str, Lane],
        terms: Mapping[str, Terms],
        rules: Rules,
    ) -> None:
        self._store = store
        self._wake_up = wake_up
        self._merging = merging
        self._attempts = attempts
        self._lanes = lanes
        self._terms = terms
        self._rules = rules
        self._crew = Crew(rules.concurrency)
        self._ended: queue.SimpleQueue[Attempted] = queue.SimpleQueue()
        self._asked: queue.SimpleQueue[InlineRequest] = queue.SimpleQueue()
        self._to_write: list[Attempted] = []
        self._requests: list[InlineRequest] = []
        self._waiting: dict[int, list[InlineRequest]] = {}
        self._looks_for_fault = False
        self._stopping = False
        self._told_trouble: str | None = None

    def ask(self, request: InlineRequest) -> None:
        """Attempt an event now; from any thread."""
        self._asked.put(request)
        self._wake_up.wake()

    def stop(self) -> None:
        """Begin nothing more; from any thread or signal handler."""
        self._stopping = True
        self._wake_up.wake()

    def run(self, *, drain_seconds: float) -> None:
        """Work until `stop`; then wait so long for attempts under way. What is not finished then is repeated."""
        self._recover()
        while not self._stopping:
            try:
                sleep = self._turn()
            except (ChangedMeanwhileError, CollisionError):
                continue
            except InboxUnavailableError as error:
                self._tell_trouble(str(error))
                sleep = STORE_PAUSE
            else:
                self._told_trouble = None
            if sleep > 0:
                self._wake_up.wait(sleep)
        self._drain(drain_seconds)

    def _recover(self) -> None:
        while not self._stopping:
            try:
                with self._store.write() as work:
                    now = _now()
                    interrupted = work.recover(now, now + self._longest_wait())
                    # The settings may have changed: nobody owns these any more, so nobody else would begin.
                    work.take_over([endpoint for endpoint in Endpoint if endpoint not in self._rules.inline], now)
                with self._store.look() as look:
                    standings = look.standings()
            except InboxUnavailableError as error:
                self._tell_trouble(str(error))
                self._wake_up.wait(STORE_PAUSE)
            else:
                if interrupted:
                    log.warning("action=recovered interrupted_attempts=%d", interrupted)
                for name, standing in standings.items():
                    if standing.unavailable and name in self._lanes:
                        # As the last worker left it: one attempt first.
                        self._lanes[name].circuit = Circuit.OPEN
                return

    def _longest_wait(self) -> timedelta:
        pauses = [terms.retry_last for terms in self._terms.values()] or [0.0]
        takeover = self._rules.inline_takeover if self._rules.inline else 0.0
        return timedelta(seconds=max(MAX_RETRY_AFTER, takeover, *pauses))

    def _turn(self) -> float:
        """Do what can be done now; returns the seconds after which there may be more, 0 for at once."""
        _drain_queue(self._ended, self._to_write)
        _drain_queue(self._asked, self._requests)
        now = _now()
        if left := self._store.tend(now):
            log.warning("action=recovered interrupted_attempts=%d", left)
        with self._store.look() as look:
            return self._turn_with(look, now)

    def _turn_with(self, look: Look, now: datetime) -> float:
        standings = look.standings()
        for name, lane in self._lanes.items():
            lane.paused = name in standings and standings[name].paused
        events = look.to_apply(now, 1 if self._looks_for_fault else MAX_BATCH)
        batch, behind = self._merged(look, events)
        if batch or self._to_write or self._requests or self._anything_due(look, now):
            try:
                begun = self._write(batch, behind, now)
            except (InboxUnavailableError, ChangedMeanwhileError):
                raise
            except Exception:
                if self._isolate_fault(batch):
                    return 0.0
                raise
            self._looks_for_fault = False
            for claim in begun:
                self._crew.submit(partial(self._attempt, claim))
            if len(events) == MAX_BATCH or self._requests:
                return self._store.pause
        return max(self._seconds_to_wait(look), self._store.pause)

    def _merged(self, look: Look, events: list[AcceptedEvent]) -> tuple[list[Applied], set[str]]:
        """What is to be written of these events and of those that were asked for, all in one go so that each sees
        what the others do to its order; and the ids of those asked for that have to wait for another one. These
        stay their sender's: as soon as the other one is done, the next repetition goes through."""
        at_once = {event.id for event in events}
        asked = {request.event_id for request in self._requests} - at_once
        inline = [event for event in map(look.one_to_apply, sorted(asked)) if event is not None]
        together = [*inline, *events]
        if self._looks_for_fault:
            together = together[:1]
        merged = self._merging.merge(look, together)
        behind = {applied.event.id for applied in merged if applied.behind and applied.event.id in asked}
        batch = [
            replace(applied, holds=self._holds(applied.event.id)) if applied.fault else applied
            for applied in merged
            if applied.event.id not in behind
        ]
        return batch, behind

    def _holds(self, event_id: str) -> bool:
        """Whether later events of its order wait for this one, if it fails."""
        # A sender that waits learns of the fault and does not come again: nobody may have to wait for this event.
        return self._rules.dead_holds and all(request.event_id != event_id for request in self._requests)

    def _write(self, batch: Sequence[Applied], behind: set[str], now: datetime) -> list[Claim]:
        ended, requests = self._to_write, self._requests
        answers: list[tuple[InlineRequest, InlineAnswer, str | None]] = []
        begun: list[Claim] = []
        asked: dict[int, list[InlineRequest]] = {}
        later: list[InlineRequest] = []
        rows = to_write(batch, now)
        with as_written(self._lanes), self._store.write() as work:
            answers += self._finish(work, ended, now)
            if batch:
                work.apply(rows)
            for request in requests:
                if request.event_id in behind:
                    answers.append(self._left_to_sender(work, request, InlineAnswer.BEHIND, now))
                elif not self._begin_inline(work, request, now, begun, asked, answers):
                    later.append(request)
            # Where all of them want more than there is, each has its turn.
            for name, lane in sorted(self._lanes.items(), key=lambda item: item[1].in_flight):
                while (room := self._room(lane)) > 0:
                    # Where a few orders alone are in trouble, the others find out that the destination is not.
                    claims = work.claim(name, now, room, fresh_first=lane.circuit is Circuit.OPEN)
                    for _ in claims:
                        lane.begin(time.monotonic())
                    begun += claims
                    if len(claims) < room or lane.max_per_second is not None:
                        break
        # On disk: only now the outside may know.
        self._to_write, self._requests = [], later
        for attempted in ended:
            self._waiting.pop(attempted.claim.handover_id, None)
        for handover_id, waiting in asked.items():
            self._waiting.setdefault(handover_id, []).extend(waiting)
        for request, answer, reason in answers:
            request.answer(answer, reason)
        self._log(ended, batch)
        return begun

    def _room(self, lane: Lane) -> int:
        in_flight = sum(each.in_flight for each in self._lanes.values())
        return min(lane.capacity(time.monotonic()), self._rules.concurrency - in_flight)

    def _finish(
        self, work: Work, ended: Sequence[Attempted], now: datetime
    ) -> list[tuple[InlineRequest, InlineAnswer, str | None]]:
        batch: list[Finished] = []
        answers: list[tuple[InlineRequest, InlineAnswer, str | None]] = []
        recovered: list[str] = []
        for attempted in ended:
            claim = attempted.claim
            lane = self._lanes[claim.destination]
            if self._report(work, lane, attempted, now):
                recovered.append(lane.name)
            if requests := self._waiting.get(claim.handover_id):
                finished, answer = concluded_inline(attempted, self._rules.inline_takeover)
                answers += [(request, answer, finished.reason) for request in requests]
            else:
                terms = self._terms[claim.destination]
                # Nothing waits for documents that were given up: an order without a drawing is better than none.
                dead_holds = self._rules.dead_holds and claim.destination != DOCUMENTS
                finished = concluded(attempted, terms, dead_holds=dead_holds)
            batch.append(finished)
        documents = {attempted.claim.handover_id: attempted.documents for attempted in ended}
        for finished in work.finish(batch):
            work.note_documents(finished.claim.event_id, documents[finished.claim.handover_id], now)
        for name in recovered:
            work.bring_forward(name, now)
        return answers

    def _report(self, work: Work, lane: Lane, attempted: Attempted, now: datetime) -> bool:
        """Note what an outcome says of the destination; whether it takes events again."""
        outcome = attempted.outcome
        if isinstance(outcome, Accepted | Refused):
            if lane.succeeded():
                log.warning("action=destination_available destination=%s", lane.name)
                work.note_destination(lane.name, None, None, None)
                return True
        elif isinstance(outcome, Unavailable | TimedOut):
            monotonic = time.monotonic()
            was_closed = lane.circuit is Circuit.CLOSED
            retry_after = outcome.retry_after if isinstance(outcome, Unavailable) else None
            if lane.failed(monotonic, retry_after):
                if was_closed:
                    reason = quoted(outcome.reason)
                    log.warning("action=destination_unavailable destination=%s reason=%s", lane.name, reason)
                next_at = now + timedelta(seconds=lane.probe_at - monotonic)
                work.note_destination(lane.name, now, outcome.reason, next_at)
        else:
            lane.abandoned()
        return False

    def _begin_inline(
        self,
        work: Work,
        request: InlineRequest,
        now: datetime,
        begun: list[Claim],
        asked: dict[int, list[InlineRequest]],
        answers: list[tuple[InlineRequest, InlineAnswer, str | None]],
    ) -> bool:
        """Attempt the event now, if nothing is in the way; whether that can be said."""
        standing = work.standing(request.event_id)
        destination = None if standing is None else self._rules.inline.get(standing.endpoint)
        if standing is None or destination is None:
            missing = "the event is not there" if standing is None else NO_INLINE
            answers.append((request, InlineAnswer.TROUBLE, missing))
            return True
        row = work.of_event(request.event_id, destination)
        if row is None:
            if standing.state is State.RECEIVED:
                return False  # the event that it waited for has just gone: it is merged in the next turn
            # On its way to others only, it is over as far as its sender is concerned.
            answer = InlineAnswer.DONE if standing.handed_over else _WITHOUT_HANDOVER.get(standing.state)
            answers.append((request, answer or InlineAnswer.DONE, standing.reason))
        elif row.state in (State.DONE, State.CANCELLED):
            answers.append((request, InlineAnswer.DONE, None))
        elif work.is_in_other_hands(row):
            return False
        elif row.state == State.PROCESSING:
            asked.setdefault(row.id, []).append(request)
        elif row.blocked:
            answers.append(self._left_to_sender(work, request, InlineAnswer.BEHIND, now))
        elif self._lanes[destination].paused:
            answers.append(self._left_to_sender(work, request, InlineAnswer.PAUSED, now))
        else:
            # Whatever the circuit says: the sender's own pace bounds these.
            begun.append(work.claim_one(row, now))
            self._lanes[destination].begin(time.monotonic())
            asked.setdefault(row.id, []).append(request)
        return True

    def _left_to_sender(
        self, work: Work, request: InlineRequest, answer: InlineAnswer, now: datetime
    ) -> tuple[InlineRequest, InlineAnswer, str | None]:
        until = now + timedelta(seconds=self._rules.inline_takeover)
        work.leave_to_sender(request.event_id, tuple(self._rules.inline.values()), until)
        return request, answer, None

    def _attempt(self, claim: Claim) -> None:
        self._ended.put(self._attempts.attempt(claim))
        self._wake_up.wake()

    def _anything_due(self, look: Look, now: datetime) -> bool:
        return any(self._room(lane) > 0 and look.is_due(name, now) for name, lane in self._lanes.items())

    def _seconds_to_wait(self, look: Look) -> float:
        """Until the next event, attempt or probe is due."""
        moments = [look.next_to_apply()]
        seconds = [self._store.longest_sleep]
        monotonic = time.monotonic()
        for name, lane in self._lanes.items():
            if (until := lane.waits_until(monotonic)) is not None:
                seconds.append(until - monotonic)
            elif self._room(lane) > 0:
                moments.append(look.next_due(name))
        for moment in moments:
            if moment is not None:
                seconds.append((datetime.fromisoformat(moment) - _now()).total_seconds())
        return max(min(seconds), 0.001)

    def _isolate_fault(self, batch: Sequence[Applied]) -> bool:
        """Something in a transaction was a mistake of ours: find the event, set it aside; whether that helps."""
        if len(batch) > 1:
            log.exception("action=turn_failed events=%d", len(batch))
            self._looks_for_fault = True
            return True
        if not batch or batch[0].fault:
            return False
        log.exception("action=store_fault id=%s", batch[0].event.id)
        event = batch[0].event
        reason = "storing what it does to the mirror failed"
        fault = Applied(event, fault=True, reason=reason, holds=self._holds(event.id))
        rows = to_write([fault], _now())
        with self._store.write() as work:
            work.apply(rows)
        return True

    def _drain(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while any(lane.in_flight for lane in self._lanes.values()) and time.monotonic() < deadline:
            self._wake_up.wait(min(0.05, seconds))
            _drain_queue(self._ended, self._to_write)
            if self._to_write:
                try:
                    self._write_ended()
                except InboxUnavailableError as error:
                    self._tell_trouble(str(error))
        self._crew.dismiss()

    def _write_ended(self) -> None:
        now = _now()
        with as_written(self._lanes), self._store.write() as work:
            answers = self._finish(work, self._to_write, now)
        self._to_write = []
        for request, answer, reason in answers:
            request.answer(answer, reason)

    def _tell_trouble(self, reason: str) -> None:
        if reason != self._told_trouble:
            log.error("action=work_unavailable reason=%s", reason)
        self._told_trouble = reason
        _drain_queue(self._asked, self._requests)
        for request in self._requests:
            request.answer(InlineAnswer.TROUBLE, reason)
        self._requests = []

    def _log(self, ended: Sequence[Attempted], batch: Sequence[Applied]) -> None:
        for attempted in ended:
            claim = attempted.claim
            kind, _ = described(attempted.outcome)
            level = logging.INFO if isinstance(attempted.outcome, Accepted) else logging.WARNING
            log.log(
                level,
                "action=attempted id=%s destination=%s attempt=%d outcome=%s",
                claim.event_id,
                claim.destination,
                claim.attempt,
                kind.value.replace(" ", "_"),
            )
        for applied in batch:
            if applied.behind is None and not applied.fault:
                log.info("action=merged id=%s destinations=%d", applied.event.id, len(applied.destinations))


#: Where an event stands that was handed over to nobody -> what its sender is told; any other: it is done.
_WITHOUT_HANDOVER: Mapping[State, InlineAnswer] = {
    State.DEAD: InlineAnswer.FAULT,
    State.WAITING: InlineAnswer.BEHIND,
}


def _drain_queue(source: queue.SimpleQueue[Item], into: list[Item]) -> None:
    while True:
        try:
            into.append(source.get_nowait())
        except queue.Empty:
            return
