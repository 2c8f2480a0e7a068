"""A stand-in for what takes events over by HTTP: a real server on loopback that answers as it is told."""

from __future__ import annotations

import functools
import json
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import trustme


@dataclass
class Request:
    """What arrived."""

    method: str
    path: str
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes
    connection: int
    """Equal for requests of one connection."""

    @property
    def form(self) -> dict[str, str]:
        """The body of a form."""
        return {name: values[0] for name, values in parse_qs(self.body.decode()).items()}


@dataclass
class Reply:
    """What to answer."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    act: Callable[[socket.socket, threading.Event], None] | None = None
    """Instead of an answer: what to do to the connection, until the server is stopped."""


def token(value: str = "t-1", **members: Any) -> Reply:
    """The answer of a token server."""
    return Reply(200, json.dumps({"access_token": value, "token_type": "Bearer", **members}).encode())


class Recipient:
    """Answers each path by the next of its replies; the last one stays. Nothing told: 200."""

    def __init__(self, authority: trustme.CA | None = None, client_authority: trustme.CA | None = None) -> None:
        self.replies: dict[str, list[Reply]] = {}
        self.requests: list[Request] = []
        self.stopped = threading.Event()
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Handler, self))
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._scheme = "http"
        if authority is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            authority.issue_cert("localhost").configure_cert(context)
            if client_authority is not None:
                client_authority.configure_trust(context)
                context.verify_mode = ssl.CERT_REQUIRED
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
            self._scheme = "https"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    @property
    def url(self) -> str:
        """Base URL."""
        return f"{self._scheme}://localhost:{self._server.server_address[1]}"

    def stop(self) -> None:
        """Stop answering; the port is free again."""
        if not self.stopped.is_set():
            self.stopped.set()
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()

    def reply_to(self, request: Request) -> Reply:
        """The next reply to this path."""
        with self._lock:
            self.requests.append(request)
            replies = self.replies.get(request.path.partition("?")[0], [Reply()])
            return replies.pop(0) if len(replies) > 1 else replies[0]

    def __enter__(self) -> Recipient:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def __init__(self, recipient: Recipient, *args: Any) -> None:
        self._recipient = recipient
        super().__init__(*args)

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        reply = self._recipient.reply_to(Request(self.command, self.path, headers, body, self.client_address[1]))
        try:
            if reply.act is not None:
                self.close_connection = True
                reply.act(self.connection, self._recipient.stopped)
                return
            self.send_response(reply.status)
            for name, value in ({"Content-Length": str(len(reply.body))} | reply.headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.body)
        except OSError:  # the other side has heard enough
            self.close_connection = True

    def __getattr__(self, name: str) -> Any:
        """All methods alike: `do_POST` and so on."""
        if name.startswith("do_"):
            return self._answer
        raise AttributeError(name)

    def log_message(self, format: str, *args: Any) -> None:
        """Not to the terminal."""

    def handle(self) -> None:
        """Without a trace of a handshake that failed or a connection that was cut."""
        try:
            super().handle()
        except OSError:
            self.close_connection = True
