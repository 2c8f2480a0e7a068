"""The load generator, a process of its own: a client sends its next event as soon as the last is answered, or all
of them together keep a pace.

Prints what it measured as one JSON object; with status 1 and a sentence, if anything was answered but 202.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import re
import ssl
import sys
import time
import uuid
from collections import deque
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import cast

import httptools
import uvloop

from bench.bodies import MESSAGE_ID, order
from bench.credentials import PASSWORD, USER

PATH = "/webhooks/tradecloud/order"
WARM_UP_SECONDS = 1.5


@dataclass(frozen=True, slots=True)
class Measured:
    """What one run of the generator found."""

    body_bytes: int
    accepted: int
    seconds: float
    per_second: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    generator_cpu: float
    """Share of one core that the generator itself used; near 1 it is the generator that was measured."""


class FailedError(Exception):
    """Something else than 202 came back; the text says what."""


class Load:
    """Counts the answers: first those of the warm-up, then those that matter.

    Either phase also waits until there were as many answers as clients, so that latencies of requests that
    queue longer than a phase lasts are not cut short.
    """

    def __init__(self, clients: int, seconds: float, per_second: float | None) -> None:
        self._clients = clients
        self._pace = 1 / per_second if per_second else None
        self._idle: deque[Client] = deque()
        self._due: deque[float] = deque()
        self._seconds = seconds
        self._measuring = False
        self._answers = 0
        self._began = time.perf_counter()
        self._cpu = 0.0
        self._latencies: list[float] = []
        loop = asyncio.get_running_loop()
        self.result: asyncio.Future[tuple[float, float, list[float]]] = loop.create_future()
        """Seconds, seconds of CPU, latencies."""

    def begin(self, clients: Iterable[Client]) -> None:
        """The first events."""
        if self._pace is None:
            for client in clients:
                client.send(time.perf_counter())
        else:
            self._idle.extend(clients)
            self._next_is_due()

    def _next_is_due(self) -> None:
        """An event's time has come; if all clients wait for an answer, its own waiting begins here all the same."""
        assert self._pace is not None
        now = time.perf_counter()
        self._due.append(now)
        asyncio.get_running_loop().call_later(self._pace, self._next_is_due)
        if self._idle:
            self._idle.popleft().send(self._due.popleft())

    def go_on(self, client: Client) -> None:
        """What a client does whose event was answered."""
        if self._pace is None:
            client.send(time.perf_counter())
        elif self._due:
            client.send(self._due.popleft())
        else:
            self._idle.append(client)

    def answered(self, latency: float) -> None:
        """One 202 came."""
        self._answers += 1
        if self._measuring:
            self._latencies.append(latency)
        elapsed = time.perf_counter() - self._began
        wanted = self._seconds if self._measuring else WARM_UP_SECONDS
        if elapsed < wanted or self._answers < self._clients or self.result.done():
            return
        if self._measuring:
            self.result.set_result((elapsed, time.process_time() - self._cpu, self._latencies))
        else:
            self._measuring = True
            self._answers = 0
            self._began = time.perf_counter()
            self._cpu = time.process_time()

    def failed(self, reason: str) -> None:
        """Something else came."""
        if not self.result.done():
            self.result.set_exception(FailedError(reason))


class Client(asyncio.Protocol):
    """One kept-alive connection. Its request stays in one buffer, in which only the ids change."""

    def __init__(self, load: Load, request: bytes) -> None:
        self._load = load
        self._request = bytearray(request)
        self._ids = [slice(*found.span()) for found in re.finditer(MESSAGE_ID, request)]
        self._parser = httptools.HttpResponseParser(self)
        self._answer = b""
        self._due_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection; `send` begins."""
        self._transport = cast(asyncio.Transport, transport)

    def send(self, due_at: float) -> None:
        """The next event, whose sender waits since `due_at`."""
        message_id = str(uuid.uuid4()).encode()
        for place in self._ids:
            self._request[place] = message_id
        self._answer = b""
        self._due_at = due_at
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """A piece of the answer."""
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        """A piece of the answer's body, kept in case it tells of a failure."""
        self._answer += body

    def on_message_complete(self) -> None:
        """The answer is complete."""
        latency = time.perf_counter() - self._due_at
        status = self._parser.get_status_code()
        if status != 202:
            self._load.failed(f"answered {status}: {self._answer[:500].decode(errors='replace')}")
        elif not self._load.result.done():
            self._load.answered(latency)
            self._load.go_on(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Of no matter after the end."""
        self._load.failed(f"connection lost: {exc or 'closed by the service'}")


async def run(
    port: int, ca: str | None, clients: int, lines: int, seconds: float, own_orders: bool, per_second: float | None
) -> Measured:
    """Load 127.0.0.1 at this port; without `per_second` as fast as it answers.

    Raises:
        FailedError: anything was answered but 202.
    """
    body = order(lines, own=own_orders)
    credentials = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Basic {credentials}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    request = head.encode() + body
    loop = asyncio.get_running_loop()
    load = Load(clients, seconds, per_second)
    tls = ssl.create_default_context(cafile=ca) if ca else None
    connections = [
        await loop.create_connection(lambda: Client(load, request), "127.0.0.1", port, ssl=tls)
        for _ in range(clients)
    ]
    load.begin(client for _, client in connections)
    elapsed, cpu, latencies = await load.result
    for transport, _ in connections:
        transport.abort()
    latencies.sort()
    count = len(latencies)
    return Measured(
        body_bytes=len(body),
        accepted=count,
        seconds=elapsed,
        per_second=count / elapsed,
        p50_ms=latencies[count // 2] * 1000,
        p95_ms=latencies[count * 95 // 100] * 1000,
        p99_ms=latencies[count * 99 // 100] * 1000,
        generator_cpu=cpu / elapsed,
    )


def main() -> int:
    """Run as a process; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench.load", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--ca", help="the certificate to trust; with it HTTPS is spoken")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--lines", type=int, default=2, help="lines of each order")
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--own-orders", action="store_true", help="each event is of an order of its own")
    parser.add_argument("--per-second", type=float, help="the pace; latencies count from when an event was due")
    options = parser.parse_args()
    try:
        measured = uvloop.run(run(**vars(options)))
    except (FailedError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps(asdict(measured)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
