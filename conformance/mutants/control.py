"""The control port: states on and off, and what the receiver did. Plain HTTP, on loopback only.

PUT /states/NAME, DELETE /states/NAME    204
GET /effects?order=NUMBER&message=ID     {"count": n, "state": the order's mirror or null}
GET /order?number=NUMBER                 {"lines": [as they came last], "version": v, "status": s}, or 404
POST /kill, POST /restart                204 when the receiver is ready again (supervised receivers only)
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from conformance.mutants.states import STATE_NAMES, States
from conformance.mutants.store import Reader

Action = Callable[[], None]


def start_control(folder: Path, actions: Mapping[str, Action] | None = None) -> str:
    """Serve the control port in the background; the answer is its address."""
    states, reader = States(folder), Reader(folder)
    known_actions = actions or {}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_PUT(self) -> None:
            self._switch(True)

        def do_DELETE(self) -> None:
            self._switch(False)

        def do_POST(self) -> None:
            action = known_actions.get(urlsplit(self.path).path.strip("/"))
            self._take_body()
            if action is None:
                self._send(404, {"known": sorted(known_actions)})
                return
            action()
            self._send(204)

        def do_GET(self) -> None:
            address = urlsplit(self.path)
            asked = {name: values[0] for name, values in parse_qs(address.query).items()}
            if address.path == "/effects":
                order, message = asked.get("order"), asked.get("message")
                mirror = reader.order(order) if order else None
                self._send(200, {"count": reader.effects(order, message), "state": mirror})
            elif address.path == "/order" and (mirror := reader.order(asked.get("number", ""))) is not None:
                self._send(200, mirror)
            elif address.path == "/states":
                self._send(200, {name: states.on(name) for name in STATE_NAMES})
            else:
                self._send(404, {})

        def _switch(self, on: bool) -> None:
            self._take_body()
            name = urlsplit(self.path).path.removeprefix("/states/")
            if name not in STATE_NAMES:
                self._send(404, {"known": list(STATE_NAMES)})
                return
            states.switch(name, on)
            self._send(204)

        def _take_body(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))

        def _send(self, status: int, value: Any = None) -> None:
            data = b"" if value is None else json.dumps(value).encode()
            self.send_response(status)
            if status != 204:
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:
            """Nobody reads a log of the control port."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True, kwargs={"poll_interval": 0.1}).start()
    port: int = server.socket.getsockname()[1]
    return f"http://127.0.0.1:{port}"
