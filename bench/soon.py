"""How soon an accepted event reaches its handler."""

from __future__ import annotations

import base64
import http.client
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.backlog import Backlog
from bench.credentials import PASSWORD, USER
from bench.load import PATH
from bench.subjects import Running, StartError, Subject, webhooks_serve
from bench.worker import settings, until


@dataclass(frozen=True, slots=True)
class Latencies:
    """From the 202 to the start of the handler."""

    p50_ms: float
    p95_ms: float
    most_ms: float
    from_sending_ms: float
    """Median from the first byte of the request."""


@dataclass(frozen=True, slots=True)
class Sent:
    """One event, in nanoseconds of the wall clock."""

    at: int
    answered_at: int


def latencies(folder: Path, *, count: int, per_second: float | None) -> Latencies:
    """Of events that come one by one, each when the one before was handled, or at a steady pace."""
    notes = folder / "notes"
    folder.mkdir(parents=True)

    def command(place: Path, port: int) -> list[str]:
        return webhooks_serve(settings(place, port=port, notes=notes))

    with Running(Subject("worker", "with a worker", command), folder) as service:
        client = Client(service.port)
        backlog = Backlog(10**6, 2)
        client.send(backlog, 10**5)  # what is made only once does not count
        _noted(notes, 1)
        sent: dict[str, Sent] = {}
        began = time.monotonic()
        for number in range(count):
            if per_second is not None:
                time.sleep(max(0.0, began + number / per_second - time.monotonic()))
            name, one = client.send(backlog, number)
            sent[name] = one
            if per_second is None:
                _noted(notes, len(sent) + 1)
                time.sleep(0.02)
        noted = _noted(notes, count + 1)
        client.close()
    return summary(sent, noted)


def unrelated(folder: Path, *, waiting: int, count: int) -> Latencies:
    """Of events for one destination, while so many orders wait for another one that is dead."""
    notes = folder / "notes"
    folder.mkdir(parents=True)
    destinations = """
[destinations.dead]
type = "python"
class = "bench.destination:Dead"
events = ["OrderIssuedByBuyer"]
[destinations.taking]
type = "python"
class = "bench.destination:Taking"
events = ["OrderLinesAcceptedBySupplier"]
"""
    backlog = Backlog(waiting * 5, 2)
    Backlog(waiting, 2, events_per_order=1).fill(folder / "data" / "inbox.db")

    def command(place: Path, port: int) -> list[str]:
        return webhooks_serve(settings(place, port=port, destinations=destinations, notes=notes))

    with Running(Subject("worker", "with a worker", command), folder) as service:
        client = Client(service.port)
        wait_until_applied(folder)
        sent: dict[str, Sent] = {}
        for number in range(count):
            name, one = client.send(backlog, 10**6 + number, event=b"OrderLinesAcceptedBySupplier")
            sent[name] = one
            time.sleep(0.05)
        noted = _noted(notes, count)
        client.close()
    return summary(sent, noted)


def wait_until_applied(folder: Path) -> None:
    """Until all events have been merged."""
    connection = sqlite3.connect(folder / "data" / "inbox.db", timeout=30)
    query = "SELECT count(*) FROM event WHERE applied_at IS NULL"
    try:
        if not until(lambda: connection.execute(query).fetchone() == (0,)):
            raise StartError("not all events were merged")
    finally:
        connection.close()


def summary(sent: dict[str, Sent], noted: dict[str, int]) -> Latencies:
    """Of all that were sent."""
    after = sorted((noted[name] - one.answered_at) / 1e6 for name, one in sent.items())
    return Latencies(
        p50_ms=median(after),
        p95_ms=after[len(after) * 95 // 100],
        most_ms=after[-1],
        from_sending_ms=median((noted[name] - one.at) / 1e6 for name, one in sent.items()),
    )


class Client:
    """One kept-alive connection."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        credentials = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        self._headers = {"Authorization": f"Basic {credentials}", "Content-Type": "application/json"}

    def send(self, backlog: Backlog, number: int, event: bytes = b"OrderIssuedByBuyer") -> tuple[str, Sent]:
        """The message id of the event of that number, and when it was sent and answered.

        Raises:
            StartError: it was not accepted.
        """
        body = backlog.body(number).replace(b"OrderIssuedByBuyer", event)
        at = time.time_ns()
        self._connection.request("POST", PATH, body, self._headers)
        response = self._connection.getresponse()
        answered_at = time.time_ns()
        text = response.read()
        if response.status != 202:
            raise StartError(f"answered {response.status}: {text[:200]!r}")
        return backlog.message_id(number), Sent(at, answered_at)

    def close(self) -> None:
        """End the connection."""
        self._connection.close()


def _noted(notes: Path, count: int) -> dict[str, int]:
    """When each message came, as soon as so many have come.

    Raises:
        StartError: they never do.
    """
    lines: list[str] = []

    def complete() -> bool:
        lines[:] = notes.read_text(encoding="ascii").splitlines() if notes.exists() else []
        return len(lines) >= count

    if not until(complete, 60, pause=0.002):
        raise StartError(f"only {len(lines)} of {count} events came to their handler")
    return {name: int(at) for name, at in (line.split() for line in lines)}
