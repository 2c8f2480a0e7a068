"""Sockets and connections: one thread per connection, TLS or not, and an end that answers what is under way."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from dataclasses import dataclass

from conformance.mutants.answers import Answer, head_bytes
from conformance.mutants.faults import Faults
from conformance.mutants.http1 import Http1, linger
from conformance.mutants.reception import Reception
from conformance.mutants.tls import answer_ssl3, looks_like_plain_http, refuse_without_h2

_HANDSHAKE_SECONDS = 5.0
_ACCEPT_SECONDS = 0.1
_END_SECONDS = 8.0
BACKLOG = 128


@dataclass(frozen=True)
class Listener:
    """A socket that listens, and how to speak on it. `node` tells two addresses of one receiver apart."""

    socket: socket.socket
    node: int = 1
    is_plain: bool = False


def bound_socket(port: int = 0) -> socket.socket:
    """A socket with a port on loopback, not listening yet: whoever connects is refused."""
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind(("127.0.0.1", port))
    return bound


class Server:
    """Accepts connections until it is stopped."""

    def __init__(self, reception: Reception, context: ssl.SSLContext, faults: Faults) -> None:
        self._reception = reception
        self._context = context
        self._faults = faults
        self._stopping = threading.Event()
        self._http1 = Http1(reception, faults, self._stopping)
        self._accepting: list[threading.Thread] = []
        self._serving: set[threading.Thread] = set()

    def start(self, listeners: list[Listener]) -> None:
        """Accept connections at these sockets."""
        for listener in listeners:
            listener.socket.settimeout(_ACCEPT_SECONDS)
            thread = threading.Thread(target=self._accept, args=(listener,), daemon=True)
            thread.start()
            self._accepting.append(thread)

    def stop(self) -> None:
        """Accept no more, answer what is under way, and return when that is done."""
        self._stopping.set()
        until = time.monotonic() + _END_SECONDS
        for thread in self._accepting:
            thread.join(max(0.0, until - time.monotonic()))
        # Only now is it known who is being served.
        for thread in list(self._serving):
            thread.join(max(0.0, until - time.monotonic()))

    def _accept(self, listener: Listener) -> None:
        while not self._stopping.is_set():
            try:
                connection, _ = listener.socket.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            thread = threading.Thread(target=self._serve, args=(connection, listener), daemon=True)
            self._serving.add(thread)
            thread.start()

    def _serve(self, connection: socket.socket, listener: Listener) -> None:
        try:
            if listener.is_plain:
                self._serve_plain(connection, listener.node)
            else:
                self._serve_tls(connection, listener.node)
        finally:
            self._serving.discard(threading.current_thread())

    def _serve_plain(self, connection: socket.socket, node: int) -> None:
        if not self._faults.on("MU-160"):
            self._http1.serve(connection, node)
            return
        with contextlib.suppress(OSError):
            connection.settimeout(_HANDSHAKE_SECONDS)
            connection.recv(65536)
            away = Answer(308, headers=(("Location", "https://localhost/order"),))
            connection.sendall(head_bytes(away, close=True))
        linger(connection)

    def _serve_tls(self, connection: socket.socket, node: int) -> None:
        connection.settimeout(_HANDSHAKE_SECONDS)
        try:
            if self._faults.on("MU-159") and looks_like_plain_http(connection):
                self._http1.serve(connection, node)
                return
            if self._faults.on("MU-162") and refuse_without_h2(connection):
                linger(connection)
                return
            if self._faults.on("MU-154") and answer_ssl3(connection):
                linger(connection)
                return
            secured = self._context.wrap_socket(connection, server_side=True, suppress_ragged_eofs=True)
        except OSError:
            connection.close()
            return
        protocol = secured.selected_alpn_protocol()
        if protocol == "h2" and not self._faults.on("MU-163"):
            from conformance.mutants.http2 import Http2

            Http2(self._reception, self._faults).serve(secured, node)
        else:
            self._http1.serve(secured, node)
