"""Something between a client and a server that may take what is sent and pass nothing on."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator


class Relay:
    """Passes everything on, unless told otherwise."""

    def __init__(self, port: int) -> None:
        self._to = "127.0.0.1", port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._sockets: list[socket.socket] = []
        self._mute: set[socket.socket] = set()
        self._cut: tuple[bytes, bool] | None = None
        threading.Thread(target=self._accept, daemon=True).start()

    def mute(self) -> None:
        """Connections that there are stay open, and nothing goes through any more; new ones work."""
        self._mute.update(self._sockets)

    def cut_at(self, words: bytes, *, reaches_server: bool) -> None:
        """End the connection on which the client says this next: before the server hears it, or instead of passing
        on its answer."""
        self._cut = words, reaches_server

    def close(self) -> None:
        """End everything."""
        for one in (self._listener, *self._sockets):
            _end(one)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                try:
                    server = socket.create_connection(self._to)
                except OSError:
                    client.close()
                    continue
                self._sockets += [client, server]
                for source, sink, said_by_client in ((client, server, True), (server, client, False)):
                    threading.Thread(target=self._pass, args=[source, sink, said_by_client], daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket, said_by_client: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                if source in self._mute:
                    continue
                if said_by_client and self._cut is not None and self._cut[0] in data:
                    (_, reaches_server), self._cut = self._cut, None
                    # From here on the client hears nothing.
                    _end(source)
                    if reaches_server:
                        sink.sendall(data)
                        return  # the server's end is closed when it has answered
                    break
                sink.sendall(data)
        for one in (source, sink):
            if one not in self._mute:
                _end(one)


def _end(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()


@contextlib.contextmanager
def relay(port: int) -> Iterator[Relay]:
    """To a port of this machine; gone afterwards."""
    made = Relay(port)
    try:
        yield made
    finally:
        made.close()
