"""A stand-in for an ERP: a real HTTP server that notes what arrives, and can be dead, busy, slow or unwilling."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, auto
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from handlers.interface import JsonObject
from tests.lifecycle.history import payload_of


class Mood(Enum):
    """How the ERP treats everything for a while; being dead is another matter (`die`)."""

    WILLING = auto()
    BUSY = auto()
    """503 to everything."""


class Fault(Enum):
    """How the ERP treats one attempt."""

    REFUSE = auto()
    """422, as for a supplier that it does not know yet."""
    BUSY = auto()
    """503."""
    HANG = auto()
    """Takes the event, but answers later than anybody waits for."""


@dataclass(slots=True)
class Arrival:
    """One request, in the order of arrival."""

    key: str
    """Idempotency-Key."""
    event_id: str
    order_id: str
    body: JsonObject
    at: float
    """time.monotonic()."""
    attempt: int
    """Of this key, as the ERP counts."""
    accepted: bool = False
    fault: Fault | None = None
    ended_at: float | None = None
    """When it was answered, or found out that nobody waits any more."""


#: By number of the key (from 1, as they come) and attempt of the key (from 1).
Faults = Callable[[int, int], Fault | None]


def seldom(number: int, attempt: int) -> Fault | None:
    """Every 37th event is refused twice, every 53rd meets a busy ERP, every 211th is answered too late."""
    if number % 37 == 0 and attempt <= 2:
        return Fault.REFUSE
    if number % 53 == 0 and attempt == 1:
        return Fault.BUSY
    if number % 211 == 0 and attempt == 1:
        return Fault.HANG
    return None


class Erp:
    """Starts dead; a context manager that ends its threads and gives its port back."""

    def __init__(self, faults: Faults = lambda number, attempt: None, hang_seconds: float = 2.5) -> None:
        self.arrivals: list[Arrival] = []
        self.trouble: list[str] = []
        """Requests that no ERP could understand."""
        self.deaths: list[float] = []
        """When it cut the connections that stood: time.monotonic()."""
        self.mood = Mood.WILLING
        self._faults = faults
        self._hang_seconds = hang_seconds
        self._lock = threading.Lock()
        self._numbers: dict[str, int] = {}
        self._attempts: dict[str, int] = {}
        # Bound but not listening: connections are refused, and nobody else gets the port.
        self._reserved: socket.socket | None = _bound(0)
        self.port: int = self._reserved.getsockname()[1]
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Where events are to be sent."""
        return f"http://127.0.0.1:{self.port}/orders"

    def live(self) -> None:
        """Take connections."""
        assert self._reserved is not None, "it lives already"
        self._server = _Server(self, self._reserved)
        self._reserved = None
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def die(self) -> None:
        """Refuse connections and end those that stand."""
        assert self._server is not None, "it is dead already"
        assert self._thread is not None
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self.deaths.append(time.monotonic())
        self._server.end_connections()
        self._server = None
        self._reserved = _bound(self.port)

    def __enter__(self) -> Erp:
        return self

    def __exit__(self, *_: object) -> None:
        if self._server is not None:
            self.die()
        if self._reserved is not None:
            self._reserved.close()

    def accepted(self) -> list[Arrival]:
        """What it took, in the order of arrival."""
        with self._lock:
            return [arrival for arrival in self.arrivals if arrival.accepted]

    def serve(self, headers: Any, content: bytes) -> tuple[int, str]:
        """Status and text of the answer to one request."""
        try:
            body = json.loads(content, parse_float=Decimal)
            key, event_id = headers["Idempotency-Key"], headers["Webhooks-Event-Id"]
            order_id = payload_of(body)["orderId"]
            assert isinstance(order_id, str)
            assert key
            assert event_id
        except Exception as error:
            self.trouble.append(f"{error!r} in {content[:200]!r}")
            return 400, "not understood"
        with self._lock:
            number = self._numbers.setdefault(key, len(self._numbers) + 1)
            attempt = self._attempts[key] = self._attempts.get(key, 0) + 1
            fault = Fault.BUSY if self.mood is Mood.BUSY else self._faults(number, attempt)
            accepted = fault in (None, Fault.HANG)
            arrival = Arrival(key, event_id, order_id, body, time.monotonic(), attempt, accepted, fault)
            self.arrivals.append(arrival)
        try:
            match fault:
                case Fault.REFUSE:
                    return 422, "supplier 070044 is not known"
                case Fault.BUSY:
                    return 503, "month's end"
                case Fault.HANG:
                    time.sleep(self._hang_seconds)
                    return 200, "at last"
                case None:
                    return 200, "taken"
        finally:
            arrival.ended_at = time.monotonic()


def _bound(port: int) -> socket.socket:
    reserved = socket.socket()
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    deadline = time.monotonic() + 10
    while True:
        try:
            reserved.bind(("127.0.0.1", port))
            return reserved
        except OSError:
            if time.monotonic() > deadline:
                reserved.close()
                raise
            time.sleep(0.02)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, erp: Erp, reserved: socket.socket) -> None:
        super().__init__(("127.0.0.1", 0), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = reserved
        self.erp = erp
        self._connections: set[socket.socket] = set()
        self.server_activate()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def end_connections(self) -> None:
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever waits no longer hangs up: nothing to tell anybody."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body of an answer in one piece

    def do_POST(self) -> None:
        announced = int(self.headers["Content-Length"])
        content = self.rfile.read(announced)
        if len(content) < announced:
            # The worker was killed while it sent this: no request that an ERP would act on.
            self.close_connection = True
            return
        status, text = self.server.erp.serve(self.headers, content)
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: object) -> None:
        """Not to the test's output."""


def order_violations(arrivals: list[Arrival], place_of: dict[str, int]) -> Iterator[str]:
    """One sentence for each event that came before an earlier accepted one of its order, or while that one was not
    taken yet; `place_of` has each event's place in the order of acceptance."""
    latest: dict[str, Arrival] = {}
    taken: set[str] = set()
    seen: set[str] = set()
    for arrival in arrivals:
        before = latest.get(arrival.order_id)
        if arrival.key not in seen and before is not None:
            if place_of[arrival.event_id] < place_of[before.event_id]:
                yield f"{arrival.order_id}: {arrival.event_id} came after {before.event_id}"
            if before.key not in taken:
                yield f"{arrival.order_id}: {arrival.event_id} came while {before.event_id} was not taken"
        elif before is not None and arrival.key != before.key:
            yield f"{arrival.order_id}: {arrival.event_id} came again after {before.event_id}"
        seen.add(arrival.key)
        if arrival.accepted:
            taken.add(arrival.key)
        latest[arrival.order_id] = arrival
