"""A small HTTP server for the stand-ins: a function from a request to an answer, and answers that can go wrong.

HTTP/1.1 with keep-alive, over TCP on loopback, with or without TLS. One thread for each connection.
"""

from __future__ import annotations

import contextlib
import functools
import ipaddress
import signal
import socket
import ssl
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import parse_qs, unquote, urlsplit

from sandbox.wire import json_text

#: Larger requests are answered 413.
MAX_BODY_BYTES = 64 * 1024 * 1024
#: Seconds after which a connection without a request is closed.
_IDLE = 60.0
#: Bytes that are written at once.
_BLOCK = 64 * 1024


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asked for."""

    method: str
    path: str
    """Without the query; as it came, so still percent-encoded."""
    query: Mapping[str, str]
    """The first value of each name."""
    headers: Mapping[str, str]
    """By names in lower case."""
    body: bytes
    base: str
    """Scheme, host and port by which the client reached this server."""

    @property
    def parts(self) -> tuple[str, ...]:
        """The segments of the path, decoded."""
        return tuple(unquote(part) for part in self.path.strip("/").split("/"))

    def form(self) -> dict[str, str]:
        """The body as a form (application/x-www-form-urlencoded); the first value of each name."""
        return _first(self.body.decode("utf-8", "replace"))


@dataclass(frozen=True, slots=True)
class Answer:
    """What the client gets, and what goes wrong with it."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    wait: float = 0.0
    """Seconds before the answer begins."""
    cut_after: int | None = None
    """Bytes of the body after which the connection is cut; None for none of that."""
    length: int | None = None
    """What Content-Length says instead of the truth; None for the truth."""
    bytes_per_second: int | None = None
    """At which pace the body goes out; None for as fast as it can."""
    nothing: bool = False
    """No answer at all: the connection stays open until the client or the server goes, or `wait` is over."""


def json_answer(status: int, content: Any, **headers: str) -> Answer:
    """An answer in JSON, with exact numbers; in the names of header fields `_` stands for `-`."""
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, json_text.write(content).encode(), {"Content-Type": "application/json", **fields})


def problem(status: int, title: str, detail: str, **members: Any) -> Answer:
    """Problem details (RFC 9457)."""
    content = {"type": "about:blank", "title": title, "status": status, "detail": detail, **members}
    return Answer(status, json_text.write(content).encode(), {"Content-Type": "application/problem+json"})


#: What stands behind a server; called by several threads at once.
Answering: TypeAlias = Callable[[Request], Answer]


class NotAllowedHostError(ValueError):
    """The address may be reached from other machines, and nobody said that this is wanted."""


def on_loopback(host: str) -> bool:
    """Whether only this machine can connect to an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def check_host(host: str, allowed: str | None) -> None:
    """Check that only this machine can connect, or that somebody named the host as one of theirs.

    Raises:
        NotAllowedHostError: neither is so.
    """
    if host in ("", "0.0.0.0", "::"):  # noqa: S104
        raise NotAllowedHostError("name the one address, or host name, by which others reach this machine")
    if not on_loopback(host) and host != allowed:
        raise NotAllowedHostError(f"{host}: other machines can reach it; to allow that: --i-own-the-target {host}")


class HttpServer:
    """Listens from the moment it is made, answers between `start` and `stop`; a context manager does both."""

    def __init__(
        self, answering: Answering, *, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
    ) -> None:
        self._server = _Server(host, port, functools.partial(_Handler, answering, "https" if tls else "http"), tls)
        self._host = host
        self._scheme = "https" if tls else "http"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, name=f"http {self.port}", daemon=True
        )

    @property
    def port(self) -> int:
        """The port, also if the system chose it."""
        port: int = self._server.server_address[1]
        return port

    @property
    def url(self) -> str:
        """Base URL, without a slash at its end; `localhost` for the usual loopback address."""
        host = "localhost" if self._host == "127.0.0.1" else self._host
        return f"{self._scheme}://{f'[{host}]' if ':' in host else host}:{self.port}"

    def start(self) -> HttpServer:
        """Begin to answer."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop answering and cut all connections; the port is free again."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()
        self._server.cut_all()

    def __enter__(self) -> HttpServer:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


@contextlib.contextmanager
def published(pem: str, path: Path | None) -> Iterator[Path]:
    """A file with a certificate for clients to trust: at the path given, or in a folder that goes at the end."""
    with tempfile.TemporaryDirectory(prefix="sandbox-") as folder:
        path = path or Path(folder) / "ca.pem"
        path.write_text(pem, encoding="ascii")
        yield path.absolute()


class Ending:
    """Catches SIGTERM and SIGINT (Ctrl+C) from the moment it is made; only in the main thread."""

    def __init__(self) -> None:
        self._ended = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._ended.set())

    def wait(self) -> None:
        """Return when one of them has come."""
        # A wait without end is not interrupted by signals everywhere.
        while not self._ended.wait(0.1):
            pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, host: str, port: int, handler: Callable[..., Any], tls: ssl.SSLContext | None) -> None:
        if ":" in host:
            self.address_family = socket.AF_INET6
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._tls = tls
        self.stopping = threading.Event()
        super().__init__((host, port), handler)

    def server_bind(self) -> None:
        # Not the parent's, which looks up the name of the host: on some machines that takes seconds.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def finish_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._open.add(request)
        try:
            if self._tls is not None:
                # In the thread of the connection, so that a handshake that fails or hangs harms no other.
                request.settimeout(_IDLE)
                secure = self._tls.wrap_socket(request, server_side=True)
                with self._lock:
                    self._open = (self._open - {request}) | {secure}
                request = secure
            super().finish_request(request, client_address)
        finally:
            with self._lock:
                self._open.discard(request)
            if self._tls is not None:
                _cut(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Not to the terminal: a client that goes is none of our troubles."""

    def cut_all(self) -> None:
        """End every connection."""
        self.stopping.set()
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            _cut(connection)


def _cut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it has ended already
        # Not the method of a TLS socket, which may wait for the other side's farewell.
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
    connection.close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "sandbox"
    sys_version = ""
    timeout = _IDLE
    disable_nagle_algorithm = True

    def __init__(self, answering: Answering, scheme: str, *args: Any) -> None:
        self._answering = answering
        self._scheme = scheme
        super().__init__(*args)

    def __getattr__(self, name: str) -> Any:
        # Whatever the method is called: the function behind decides about it.
        if name.startswith("do_"):
            return self._answer
        raise AttributeError(name)

    def _answer(self) -> None:
        body = self._body()
        if isinstance(body, Answer):
            self.close_connection = True
            self._send(body)
            return
        path, _, query = self.path.partition("?")
        host = self.headers.get("Host") or "{}:{}".format(*self.connection.getsockname()[:2])
        request = Request(
            self.command,
            urlsplit(path).path if "://" in path else path,
            _first(query),
            {name.lower(): value for name, value in self.headers.items()},
            body,
            f"{self._scheme}://{host}",
        )
        try:
            answer = self._answering(request)
        except Exception as error:  # a fault of the stand-in must be seen by whoever tests with it
            answer = problem(500, "The sandbox failed", f"{type(error).__name__}: {error}")
        self._send(answer)

    def _body(self) -> bytes | Answer:
        if "Transfer-Encoding" in self.headers:
            return problem(411, "Length Required", "The sandbox reads bodies with Content-Length only.")
        text = self.headers.get("Content-Length", "0")
        if not (text.isascii() and text.isdigit()):
            return problem(400, "Bad Request", "Content-Length is no number.")
        if int(text) > MAX_BODY_BYTES:
            return problem(413, "Content Too Large", f"The sandbox takes {MAX_BODY_BYTES} bytes at most.")
        body = self.rfile.read(int(text))
        if len(body) < int(text):
            raise ConnectionError("the client went in the middle of its request")
        return body

    def _send(self, answer: Answer) -> None:
        if answer.nothing:
            self._stopping.wait(answer.wait or None)
        if answer.nothing or (answer.wait and self._stopping.wait(answer.wait)):
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.status >= 200 and answer.status not in (204, 304):
            self.send_header("Content-Length", str(len(answer.body) if answer.length is None else answer.length))
        if self.close_connection:
            self.send_header("Connection", "close")
        body = b"" if self.command == "HEAD" or answer.status in (204, 304) else answer.body
        if answer.cut_after is not None or (body and answer.length is not None):
            body = body[: answer.cut_after]
            self.close_connection = True
        self._end_head(body, answer.bytes_per_second)

    def _end_head(self, body: bytes, bytes_per_second: int | None) -> None:
        """Head and beginning of the body in one packet; the rest at the pace that is asked for."""
        head = b"".join([*self._headers_buffer, b"\r\n"])
        self._headers_buffer: list[bytes] = []
        if bytes_per_second is None:
            self.wfile.write(head + body)
            return
        self.wfile.write(head)
        block = max(1, bytes_per_second // 10)
        for i in range(0, len(body), block):
            self.wfile.write(body[i : i + block])
            if self._stopping.wait(block / bytes_per_second):
                break

    @property
    def _stopping(self) -> threading.Event:
        found: threading.Event = self.server.stopping  # type: ignore[attr-defined]  # it is a _Server
        return found

    def log_message(self, format: str, *args: Any) -> None:
        """Not to the terminal."""


def _first(query: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(query, keep_blank_values=True).items()}


def ready_line(name: str, facts: Mapping[str, str]) -> str:
    """What a stand-in prints once it answers: one line, `ready NAME key=value …`."""
    return " ".join([f"ready {name}", *(f"{key}={value}" for key, value in facts.items())])
