"""A small ERP: takes events by HTTP, knows them again by their Idempotency-Key, and can be down for a while.

`POST` or `PUT` to any path is an event. `python -m sandbox.erp` runs it by itself, with a control port.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias
from urllib.parse import unquote

from sandbox.control import Control, ControlError
from sandbox.serving import (
    Answer,
    Ending,
    HttpServer,
    NotAllowedHostError,
    Request,
    check_host,
    json_answer,
    problem,
    ready_line,
)

Trouble: TypeAlias = Literal["503", "no-answer", "lost-answer", "slow", "refuse"]


@dataclass(frozen=True, slots=True)
class TakenEvent:
    """An event that the ERP has booked."""

    key: str
    """Its Idempotency-Key."""
    event_id: str
    event_name: str
    endpoint: str
    sha256: str
    """Of its body."""
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Down:
    trouble: Trouble
    until: float | None
    delay: float


class Erp:
    """Answers events: 201 for a new one, 200 for one that it has, 422 for another body under a known key.

    Used by several threads; a context manager.
    """

    def __init__(self, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self._lock = threading.Lock()
        self._events: dict[str, TakenEvent] = {}
        self._answers: Counter[str] = Counter()
        self._repeated = 0
        self._conflicts = 0
        self._down: _Down | None = None
        self._well = threading.Event()
        self._server = HttpServer(self._answer, host=host, port=port)

    @property
    def url(self) -> str:
        """Where events go."""
        return f"{self._server.url}/events"

    def events(self) -> list[TakenEvent]:
        """What was booked, each once, in the order in which it came first."""
        with self._lock:
            return list(self._events.values())

    def register(self, control: Control) -> None:
        """Offer its troubles and counts at the control port, under `erp/…`."""
        control.register("erp/state", self.state, looks=True)
        control.register("erp/events", self.listed, looks=True)
        control.register("erp/down", self.go_down)
        control.register("erp/up", self.come_up)
        control.register("erp/body", self.body)

    def state(self) -> dict[str, Any]:
        """How many events were booked, came again or in conflict, by name, and what was answered how often."""
        with self._lock:
            names = Counter(event.event_name for event in self._events.values())
            return {
                "events": len(self._events),
                "repeated": self._repeated,
                "conflicts": self._conflicts,
                "answers": dict(sorted(self._answers.items())),
                "by_name": dict(sorted(names.items())),
                "down": None if (down := self._trouble()) is None else down.trouble,
            }

    def listed(self) -> list[dict[str, Any]]:
        """The events that were booked, in the order in which they came first."""
        return [
            {
                "key": event.key,
                "event_id": event.event_id,
                "event_name": event.event_name,
                "endpoint": event.endpoint,
                "sha256": event.sha256,
                "bytes": len(event.body),
            }
            for event in self.events()
        ]

    def body(self, key: str) -> dict[str, str]:
        """The body of an event, by its Idempotency-Key, as text."""
        with self._lock:
            event = self._events.get(key)
        if event is None:
            raise ControlError(f"no event with the key {key} was booked")
        return {"body": event.body.decode("utf-8", "replace")}

    def go_down(self, trouble: Trouble = "503", seconds: float | None = None, delay: float = 2.0) -> None:
        """Be in trouble, until it is up again or `seconds` are over.

        503; no-answer (nothing is booked); lost-answer (booked, but the connection is cut); slow (booked, and the
        answer comes later by `delay` seconds); refuse (422 for every event).
        """
        self._well.set()
        until = None if seconds is None else time.monotonic() + seconds
        self._down, self._well = _Down(trouble, until, delay), threading.Event()

    def come_up(self) -> None:
        """Be well again; requests that wait for an answer are cut."""
        self._down = None
        self._well.set()

    def start(self) -> Erp:
        """Begin to answer."""
        self._server.start()
        return self

    def stop(self) -> None:
        """Stop answering."""
        self.come_up()
        self._server.stop()

    def __enter__(self) -> Erp:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _trouble(self) -> _Down | None:
        down = self._down
        return None if down is None or (down.until is not None and time.monotonic() > down.until) else down

    def _answer(self, request: Request) -> Answer:
        answer, said = self._judged(request)
        with self._lock:
            self._answers[said or str(answer.status)] += 1
        return answer

    def _judged(self, request: Request) -> tuple[Answer, str]:
        """The answer, and what it is counted as if not by its status."""
        if request.method not in ("POST", "PUT"):
            return problem(405, "Method Not Allowed", "Events come by POST or PUT."), ""
        down, well = self._trouble(), self._well
        match down.trouble if down else None:
            case "503":
                return problem(503, "Service Unavailable", "The ERP is down for a while."), ""
            case "refuse":
                return problem(422, "Unprocessable Content", "The ERP refuses every event."), ""
            case "no-answer":
                until = down.until if down else None
                well.wait(None if until is None else max(0.0, until - time.monotonic()))
                return Answer(nothing=True, wait=0.01), "none"
            case "lost-answer":
                self._booked(request)
                return Answer(nothing=True, wait=0.01), "lost"
            case "slow":
                answer = self._booked(request)
                return Answer(answer.status, answer.body, answer.headers, wait=down.delay if down else 0.0), ""
        return self._booked(request), ""

    def _booked(self, request: Request) -> Answer:
        key = request.headers.get("idempotency-key")
        if not key:
            return problem(400, "Bad Request", "The header Idempotency-Key is missing.")
        event = TakenEvent(
            key,
            unquote(request.headers.get("webhooks-event-id", "")),
            unquote(request.headers.get("webhooks-event-name", "")),
            unquote(request.headers.get("webhooks-endpoint", "")),
            hashlib.sha256(request.body).hexdigest(),
            request.body,
        )
        with self._lock:
            known = self._events.setdefault(key, event)
            if known is event:
                return json_answer(201, {"number": len(self._events)})
            if known.sha256 != event.sha256:
                self._conflicts += 1
                return problem(422, "Unprocessable Content", "Another body came under this Idempotency-Key before.")
            self._repeated += 1
            return json_answer(200, {"repeated": True})


def main() -> int:
    """Run until SIGTERM or Ctrl+C; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.erp", description="A small ERP that takes events.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at (default %(default)s)")
    parser.add_argument("--i-own-the-target", metavar="HOST", help="allow a --host that other machines can reach")
    parser.add_argument("--port", type=int, default=0, help="default: any that is free")
    parser.add_argument("--control-port", type=int, default=0, help="of troubles, always on loopback; default: any")
    options = parser.parse_args()
    try:
        check_host(options.host, options.i_own_the_target)
        erp = Erp(host=options.host, port=options.port)
        control = Control()
        erp.register(control)
        controls = HttpServer(control, port=options.control_port)
    except (NotAllowedHostError, OSError) as error:
        print(f"sandbox.erp: {error}", file=sys.stderr)
        return 1
    ending = Ending()  # before anybody is told that it runs
    with erp, controls:
        print(ready_line("erp", {"url": erp.url, "control": controls.url}), flush=True)
        ending.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
