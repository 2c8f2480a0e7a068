"""A receiver that answers as a test says, and notes what arrives."""

from __future__ import annotations

import json
import re
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs


@dataclass(frozen=True, slots=True)
class Arrival:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float
    """time.monotonic()."""

    @property
    def message_id(self) -> str:
        """Of the event."""
        found = re.search(rb'messageId(?:": ?"|>)([0-9a-f-]{36})', self.body)
        assert found is not None, self.body
        return found[1].decode()


Answers = Callable[[Arrival, int], int]
"""The status for an arrival, and how often its message came before; 0 is no answer."""


@dataclass
class Receiver:
    """To be used as a context manager."""

    answers: Answers = lambda arrival, before: 202
    headers: dict[str, str] = field(default_factory=dict)
    hang_seconds: float = 1.0
    port: int = 0
    events_only: bool = True
    """Whether everything that arrives is an event."""
    arrivals: list[Arrival] = field(default_factory=list)
    tokens: list[dict[str, list[str]]] = field(default_factory=list)
    """What the token endpoint at `/token` was asked."""
    token_answers: list[tuple[int, Any]] = field(default_factory=list)
    """Its answers, the last one for ever."""

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: Counter[str] = Counter()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                try:
                    receiver._take(self, body)
                except OSError:
                    self.close_connection = True

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        self._server = _Server(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_address[1]

    @property
    def url(self) -> str:
        """Base URL."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Receiver:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def speak_tls(self, context: ssl.SSLContext) -> None:
        """From the next connection on."""
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)

    def _take(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        if handler.path == "/token":
            with self._lock:
                self.tokens.append(parse_qs(body.decode()))
                status, answer = self.token_answers[min(len(self.tokens), len(self.token_answers)) - 1]
            _answer(handler, status, json.dumps(answer).encode(), {})
            return
        arrival = Arrival(handler.path, dict(handler.headers), body, time.monotonic())
        with self._lock:
            name = arrival.message_id if self.events_only else arrival.path
            before = self._seen[name]
            self._seen[name] += 1
            self.arrivals.append(arrival)
        status = self.answers(arrival, before)
        if status == 0:
            time.sleep(self.hang_seconds)
            handler.close_connection = True
            return
        _answer(handler, status, b'{"detail": "as told"}', self.headers)

    def counts(self) -> Counter[str]:
        """How often each message came."""
        return Counter(self._seen)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Connections that break are what these tests are about."""


def _answer(handler: BaseHTTPRequestHandler, status: int, body: bytes, headers: dict[str, str]) -> None:
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(body)))
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)
