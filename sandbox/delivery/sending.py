"""The sender: some threads that deliver what is planned, and repeat without end what is not answered."""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sandbox.delivery.attempt import NoAnswerError, Outcome, Transport
from sandbox.delivery.credentials import Credentials
from sandbox.delivery.plan import Planned
from sandbox.delivery.policy import Policy, Reaction
from sandbox.delivery.summary import Summary
from sandbox.story.event import Webhook


@dataclass(frozen=True, slots=True)
class Destination:
    """Where one webhook goes, and how it shows who sends."""

    url: str
    credentials: Credentials | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happens when so many events have been sent for the first time."""

    after: int
    do: Callable[[threading.Event], None]
    """Nothing is sent until it returns; it has to return soon once the event is set."""


@dataclass(order=True, slots=True)
class _Due:
    at: float
    number: int
    planned: Planned
    attempts: int = 0


class Sender:
    """One run; `run` may be called once."""

    def __init__(
        self,
        plan: Sequence[Planned],
        destinations: Mapping[Webhook, Destination],
        policy: Policy,
        *,
        parallel: int = 4,
        pace: float = 0.0,
        steps: Sequence[Step] = (),
        ca_file: Path | None = None,
        progress: Callable[[Summary], None] | None = None,
    ) -> None:
        """`pace`: new events per second, 0 for as many as go; `parallel`: attempts at a time."""
        self.summary = Summary(len(plan))
        self._destinations, self._policy, self._ca_file = destinations, policy, ca_file
        self._progress = progress or (lambda summary: None)
        self._steps = sorted(steps, key=lambda step: step.after)
        self._changed = threading.Condition()
        self._stopped = threading.Event()
        self._failure: BaseException | None = None
        self._events, self._began = len(plan), 0
        began_at = time.monotonic()
        between = 1 / pace if pace else 0.0
        self._queue = [_Due(began_at + number * between, number, one) for number, one in enumerate(plan)]
        self._left = len(plan)
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(parallel)]

    def run(self) -> Summary:
        """Send until nothing is left; Ctrl+C ends the run in order and says so in the summary."""
        for thread in self._threads:
            thread.start()
        try:
            for thread in self._threads:
                while thread.is_alive():
                    thread.join(0.2)
        except KeyboardInterrupt:
            self.summary.interrupted = True
            self.stop()
            for thread in self._threads:
                thread.join()
        if self._failure is not None:
            raise self._failure
        return self.summary

    def stop(self) -> None:
        """End the run; what is under way is still answered, the rest is left."""
        self._stopped.set()
        with self._changed:
            self._changed.notify_all()

    def _work(self) -> None:
        transport = Transport(self._ca_file, self._policy.timeout)
        try:
            while (due := self._next()) is not None:
                due.attempts += 1
                self._settle(due, self._attempt(transport, due))
        except BaseException as error:  # a step that failed, or a mistake of ours: the run is over
            self._failure = self._failure or error
            self.stop()
        finally:
            transport.close()

    def _next(self) -> _Due | None:
        """The one that is due next, as soon as it is; None when the run is over."""
        with self._changed:
            while not self._stopped.is_set():
                if self._began == self._events:
                    self._take_steps()
                if not self._left:
                    return None
                wait = self._queue[0].at - time.monotonic() if self._queue else None
                if wait is not None and wait <= 0:
                    if self._queue[0].attempts == 0:
                        self._take_steps()
                        self._began += 1
                    return heapq.heappop(self._queue)
                self._changed.wait(wait)
            return None

    def _take_steps(self) -> None:
        while self._steps and self._steps[0].after <= self._began:
            self._steps.pop(0).do(self._stopped)

    def _attempt(self, transport: Transport, due: _Due) -> Outcome:
        destination = self._destinations[due.planned.event.webhook]
        content, media_type = due.planned.content()
        headers = {"Content-Type": media_type}
        try:
            if destination.credentials is not None:
                headers["Authorization"] = destination.credentials.header()
        except NoAnswerError as error:
            return Outcome(None, str(error), 0.0)
        return transport.post(destination.url, content, headers, due.planned.cut if due.attempts == 1 else None)

    def _settle(self, due: _Due, outcome: Outcome) -> None:
        reaction = self._policy.reaction(outcome.status)
        with self._changed:
            self.summary.count(due.planned, outcome, reaction)
            if reaction is Reaction.REPEAT:
                due.at = time.monotonic() + self._policy.wait(due.attempts)
                heapq.heappush(self._queue, due)
            else:
                self._left -= 1
            self._changed.notify_all()
            self._progress(self.summary)
