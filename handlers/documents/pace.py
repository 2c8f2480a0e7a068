"""How many calls the platform gets in a second. Above ten it answers 429 (behaviour.md, section 6)."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Protocol

from handlers.erp.exchange import Deadline


class NoTurnError(Exception):
    """No call may be made in the time that is left; the text says why."""


class Pace(Protocol):
    """Lets calls through, one after the other, each a pause after the end of the one before."""

    def turn(self, deadline: Deadline) -> AbstractContextManager[None]:
        """Wait for the turn; the call is to be made inside.

        Raises:
            NoTurnError: the deadline comes first.
        """

    def close(self) -> None:
        """Let go of what it uses."""


class OwnPace:
    """For the one process that calls."""

    def __init__(self, calls_per_second: float) -> None:
        self._pause = 1.0 / calls_per_second
        self._lock = threading.Lock()
        self._next = 0.0

    @contextlib.contextmanager
    def turn(self, deadline: Deadline) -> Iterator[None]:
        """See `Pace`."""
        if not self._lock.acquire(timeout=deadline.left):
            raise NoTurnError("no time was left for a call to the platform: other calls took it")
        try:
            wait = self._next - time.monotonic()
            if wait > deadline.left:
                raise NoTurnError("no time was left for a call to the platform")
            if wait > 0:
                time.sleep(wait)
            try:
                yield
            finally:
                self._next = time.monotonic() + self._pause
        finally:
            self._lock.release()

    def close(self) -> None:
        """Nothing to let go of."""
