"""A small HTTP server of the suite's own, on an address from the profile, that can go down and come back."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from conformance.runner.transport import CannotTryError


class _Server(ThreadingHTTPServer):
    daemon_threads = True


class Listening:
    """Answers on `host:port` from `start` to `stop`."""

    def __init__(self, listen: str, handler: type[BaseHTTPRequestHandler]) -> None:
        host, _, port = listen.rpartition(":")
        self._place = (host.strip("[]"), int(port))
        self._handler = handler
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def host(self) -> str:
        """Where it can be called from this machine."""
        return self._place[0] if self._place[0] not in ("", "0.0.0.0") else "127.0.0.1"  # noqa: S104 - not bound here

    @property
    def port(self) -> int:
        """The port; where the profile says 0 it is known after `start`."""
        return self._place[1]

    def start(self) -> None:
        """Listen, unless it does already.

        Raises:
            CannotTryError: the address is taken or not this machine's.
        """
        if self._server is not None:
            return
        try:
            self._server = _Server(self._place, self._handler)
        except OSError as error:
            raise CannotTryError(f"cannot listen on {self._place[0]}:{self._place[1]}: {error.strerror}") from error
        self._place = (self._place[0], self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Listen no more; `start` begins again on the same port."""
        if self._server is None or self._thread is None:
            return
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self._server = self._thread = None
