"""A server that nobody should call: whoever does was talked into it by the body of an event.

Silence proves something only if the receiver's machine could have called: the hook `reach` shows that first.
"""

from __future__ import annotations

import http.client
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler

from conformance.runner import hooks
from conformance.runner.listening import Listening
from conformance.runner.transport import CannotTryError
from conformance.wire.answer import Fact

#: How long a call of the hook may take to arrive.
REACH_SECONDS = 2.0


class Canary:
    """Remembers every address at which it was called."""

    def __init__(self, listen: str, url: str) -> None:
        self._url = url.rstrip("/")
        self._calls: list[str] = []
        self._called = threading.Condition()
        self._reached = False
        self._listening = Listening(listen, self._handler())

    def start(self) -> None:
        """Begin to listen."""
        self._listening.start()

    def stop(self) -> None:
        """Listen no more."""
        self._listening.stop()

    def address(self, mark: str) -> str:
        """The URL whose call counts for this mark."""
        return f"{self._url}/{mark}"

    def notices(self) -> bool:
        """Whether a call from this machine is seen.

        Raises:
            OSError: nobody listens.
        """
        mark = f"self-{uuid.uuid4().hex}"
        connection = http.client.HTTPConnection(self._listening.host, self._listening.port, timeout=REACH_SECONDS)
        try:
            connection.request("GET", f"/{mark}")
            connection.getresponse().read()
        finally:
            connection.close()
        return self.wait(mark, REACH_SECONDS).value == "called"

    def prove_reachable(self, command: str) -> None:
        """Have the receiver's machine call once; later calls of this method cost nothing.

        Raises:
            CannotTryError: no call came.
        """
        if self._reached:
            return
        mark = f"reach-{uuid.uuid4().hex}"
        hooks.carry_out(command, url=self.address(mark))
        if self.wait(mark, REACH_SECONDS).value != "called":
            raise CannotTryError(
                f"the hook `{command}` was carried out, and no call came to the canary at {self._url}",
                "canary.reach",
            )
        self._reached = True

    def wait(self, mark: str, seconds: float) -> Fact:
        """`called` as soon as the address with this mark is called, or `none` after so many seconds."""
        until = time.monotonic() + seconds
        with self._called:
            while True:
                found = next((call for call in self._calls if mark in call), None)
                if found is not None:
                    return Fact("called", found)
                left = until - time.monotonic()
                if left <= 0:
                    return Fact("none")
                self._called.wait(left)

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._listening.port

    def _note(self, call: str) -> None:
        with self._called:
            self._calls.append(call)
            self._called.notify_all()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        note = self._note

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                note(f"{self.command} {self.path} by {self.client_address[0]}")
                self.send_response(200)
                self.send_header("Content-Type", "text/plain")
                self.send_header("Content-Length", "7")
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(b"canary\n")

            do_GET = do_HEAD = do_POST = do_PUT = do_OPTIONS = do_PROPFIND = _answer  # noqa: N815 - the library's names

            def log_message(self, format: str, *args: object) -> None:
                """Nothing: the calls are remembered."""

        return Handler
