"""`python -m tools.target.erp FOLDER`: a stand-in for the ERP behind a target, until it is ended.

It takes every event that is posted to it, once for each Idempotency-Key, and notes in `erp.ndjson` what came. It
refuses orders whose number begins with TCCONF-422 (their supplier is unknown) and with TCCONF-404 (they are unknown
themselves). While the file `erp-slow` is there, it takes events as ever, and answers half a minute later.
"""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import sys
import threading
import time
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

SLOW_SECONDS = 30.0
UNKNOWN_SUPPLIER = "TCCONF-422"
UNKNOWN_ORDER = "TCCONF-404"
#: The answer to an order whose number begins so.
SENTINELS = {UNKNOWN_SUPPLIER: 422, UNKNOWN_ORDER: 404}

_LOOK_EVERY = 0.05


class Erp(ThreadingHTTPServer):
    """The stand-in; `serve_forever` serves it."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, folder: Path, port: int) -> None:
        self.slow = folder / "erp-slow"
        self._journal = os.open(folder / "erp.ndjson", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._one_at_a_time = threading.Lock()
        super().__init__(("127.0.0.1", port), _Handler)  # closes itself if nobody may listen there

    def note(self, **facts: str | int | None) -> None:
        """Note a request before it is answered."""
        line = json.dumps({"at": datetime.now(UTC).isoformat(), **facts}) + "\n"
        with self._one_at_a_time:
            os.write(self._journal, line.encode())

    def server_close(self) -> None:
        """Refuse connections from now on."""
        super().server_close()
        os.close(self._journal)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A sender that has given up is nothing to tell."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Erp

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status = next((status for number, status in SENTINELS.items() if f'"{number}-'.encode() in body), 200)
        is_slow = self.server.slow.exists()
        self.server.note(
            event=self.headers.get("Webhooks-Event-Id"),
            key=self.headers.get("Idempotency-Key"),
            attempt=self.headers.get("Webhooks-Attempt"),
            name=self.headers.get("Webhooks-Event-Name"),
            status=status,
            slow=is_slow,
        )
        until = time.monotonic() + SLOW_SECONDS
        while is_slow and time.monotonic() < until and self.server.slow.exists():
            time.sleep(_LOOK_EVERY)
        said = b"" if status == 200 else b'{"error": "not known here"}'
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def do_GET(self) -> None:
        """Whether it is there."""
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """What came stands in its journal."""


def free_port() -> int:
    """A port that nobody listens on, below those that outgoing connections get, so that it stays free meanwhile.

    Raises:
        OSError: none is free.
    """
    for port in random.sample(range(10_000, 30_000), 100):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError("no port is free")


def main() -> None:
    """Entry point; says `ready` once it listens. SIGTERM ends it."""
    folder = Path(sys.argv[1])
    # No handler: one that ends the loop from within its own thread would wait for itself.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    server = Erp(folder, int((folder / "erp-port").read_text(encoding="utf-8")))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    print("ready", flush=True)
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    server.server_close()


if __name__ == "__main__":
    main()
