"""The worker's end of the connection to the receiver that started it: asked by it, and gone with it."""

from __future__ import annotations

import json
import logging
import socket
import threading
from collections.abc import Callable, Mapping

from service.worker.inline import InlineAnswer, InlineRequest

log = logging.getLogger(__name__)


class Link:
    """Reads requests on a thread of its own and writes the answers, each a line of JSON."""

    def __init__(
        self, connection: socket.socket, ask: Callable[[InlineRequest], None], on_end: Callable[[], None]
    ) -> None:
        self._connection = connection
        self._ask = ask
        self._on_end = on_end
        self._one_at_a_time = threading.Lock()

    def start(self) -> None:
        """Begin to listen."""
        threading.Thread(target=self._listen, name="link", daemon=True).start()

    def _listen(self) -> None:
        try:
            with self._connection.makefile("r", encoding="utf-8") as lines:
                for line in lines:
                    self._take(json.loads(line))
        except (OSError, ValueError) as error:
            log.error("action=link_failed reason=%s", error)
        # The receiver has ended, in order or not: whoever starts it again starts a worker too.
        self._on_end()

    def say_ready(self) -> None:
        """Tell the receiver that this worker works."""
        self._tell({"ready": True})

    def _tell(self, told: Mapping[str, object]) -> None:
        with self._one_at_a_time:
            try:
                self._connection.sendall(json.dumps(told).encode() + b"\n")
            except OSError:
                log.info("action=answer_not_wanted")  # the receiver is gone; the event stands in the inbox

    def _take(self, asked: dict[str, str]) -> None:
        number = asked["n"]

        def answer(kind: InlineAnswer, reason: str | None) -> None:
            self._tell({"n": number, "answer": kind.value, "reason": reason})

        self._ask(InlineRequest(asked["event"], answer))
