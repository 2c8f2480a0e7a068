"""What can be wrong with the identity provider for a while."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Literal, TypeAlias

from sandbox.serving import Answer, problem

Kind: TypeAlias = Literal["503", "no-answer", "slow", "garbage", "cut"]
Part: TypeAlias = Literal["all", "metadata", "keys", "token", "discovery"]


@dataclass(frozen=True, slots=True)
class _Outage:
    kind: Kind
    part: Part
    until: float | None
    delay: float


class Outages:
    """The outage now, if there is one."""

    def __init__(self) -> None:
        self._now: _Outage | None = None
        self._over = threading.Event()

    def begin(
        self, kind: Kind = "503", part: Part = "all", seconds: float | None = None, delay: float = 2.0
    ) -> None:
        """Let the identity provider fail: 503, no-answer, slow (by `delay` seconds), garbage, cut.

        `seconds`: after which it is well again by itself.
        """
        self._over.set()
        until = None if seconds is None else time.monotonic() + seconds
        self._now, self._over = _Outage(kind, part, until, delay), threading.Event()

    def end(self) -> None:
        """Let the identity provider be well again; requests that wait for an answer are cut."""
        self._now = None
        self._over.set()

    def apply(self, part: str, answer: Answer) -> Answer:
        """What goes out instead of the answer, or the answer."""
        outage, over = self._now, self._over
        if outage is None or (outage.until is not None and time.monotonic() > outage.until):
            return answer
        if outage.part not in ("all", part):
            return answer
        match outage.kind:
            case "503":
                return problem(503, "Service Unavailable", "The sandbox plays an outage.")
            case "no-answer":
                over.wait(None if outage.until is None else max(0.0, outage.until - time.monotonic()))
                return Answer(nothing=True, wait=0.01)
            case "slow":
                return Answer(answer.status, answer.body, answer.headers, wait=outage.delay)
            case "garbage":
                return Answer(200, b"<html><body>sign in</body>", {"Content-Type": "text/html"})
            case "cut":
                return Answer(answer.status, answer.body, answer.headers, cut_after=len(answer.body) // 2)
