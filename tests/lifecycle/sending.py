"""Tradecloud's side of the wire: parallel senders that send again whatever was not answered 2xx (behaviour.md
section 3)."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import requests

from tests.acceptance.running import BASIC, ORDER, RunningService
from tests.lifecycle.history import Message

#: Between two attempts of the same message; the real sender waits much longer.
AGAIN_AFTER_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Answer:
    """A 202."""

    message: Message
    event_id: str
    duplicate: bool
    at: float
    """time.monotonic()."""


@dataclass(slots=True)
class Sent:
    """What came of it, all senders together."""

    answers: list[Answer] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    """Final answers that a valid event must not get."""
    repeated: int = 0
    """Attempts that were not answered, or by a 5xx above 500."""

    @property
    def event_ids(self) -> set[str]:
        """Every id that a 202 named."""
        return {answer.event_id for answer in self.answers}


class Senders:
    """Some threads that share one list of messages, and therefore overtake each other."""

    def __init__(
        self,
        service: RunningService,
        messages: Sequence[Message],
        count: int = 4,
        *,
        others: Sequence[RunningService] = (),
    ) -> None:
        """With `others` each attempt goes to the next receiver."""
        self.sent = Sent()
        self._service = service
        self._receivers = itertools.cycle((service, *others))
        self._messages: Iterator[Message] = iter(messages)
        self._left = len(messages)
        self._lock = threading.Lock()
        self._permits = threading.Semaphore(0)
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._send_all, daemon=True) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def release(self, count: int) -> None:
        """Let so many more messages be sent."""
        self._permits.release(count)

    def wait(self, seconds: float) -> Sent:
        """Until all are sent; for each a permit must have been given."""
        self._permits.release()  # to find that there are no more
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        assert not any(thread.is_alive() for thread in self._threads), (
            f"{self._left} messages are not answered yet: {self._service.log.read_text()[-2000:]}"
        )
        return self.sent

    def stop(self) -> None:
        """Give up, if that is still needed."""
        self._stop.set()
        self._permits.release(len(self._threads))
        for thread in self._threads:
            thread.join(30)

    def _send_all(self) -> None:
        with requests.Session() as session:
            session.auth = BASIC
            session.verify = str(self._service.ca)
            session.trust_env = False
            while True:
                self._permits.acquire()
                with self._lock:
                    message = next(self._messages, None)
                if message is None or self._stop.is_set():
                    self._permits.release()  # for the others, who have to end too
                    return
                self._send(session, message)

    def _send(self, session: requests.Session, message: Message) -> None:
        while not self._stop.is_set():
            try:
                with self._lock:
                    receiver = next(self._receivers)
                response = session.post(
                    receiver.url + ORDER,
                    data=message.content,
                    headers={"Content-Type": message.content_type},
                    timeout=10,
                )
            except requests.RequestException:
                response = None
            with self._lock:
                if response is None or response.status_code > 500:
                    self.sent.repeated += 1
                elif response.status_code == 202:
                    answer = response.json()
                    self.sent.answers.append(
                        Answer(message, answer["eventId"], answer["duplicate"], time.monotonic())
                    )
                    self._left -= 1
                    return
                else:
                    self.sent.unexpected.append(f"{response.status_code} {response.text}")
                    return
            time.sleep(AGAIN_AFTER_SECONDS)


def waited_for(condition: Callable[[], bool], seconds: float, pause: float = 0.1) -> bool:
    """Whether it became true in that time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(pause)
    return condition()


def shares(total: int, parts: int) -> list[int]:
    """`total` in `parts` parts that differ by at most one."""
    edges = [total * i // parts for i in range(parts + 1)]
    return [after - before for before, after in pairwise(edges)]
