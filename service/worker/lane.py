"""What one destination bears: how many attempts at a time, how many a second, and none while it is unavailable."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum

#: Attempts in a row that find the destination unavailable until it is left alone for a while.
OPENS_AFTER = 3
#: Seconds until the first look whether it is available again, and the longest time between two looks.
FIRST_PROBE, LAST_PROBE = 1.0, 10.0


class Circuit(StrEnum):
    """Whether a destination takes events."""

    CLOSED = "closed"
    """It does."""
    OPEN = "open"
    """It does not; nothing is attempted until the next probe."""
    HALF_OPEN = "half-open"
    """One attempt is under way to find out."""


def backoff(attempt: int, first: float, last: float, jitter: float | None = None) -> float:
    """Seconds until the next attempt: doubled each time, at most `last`, less up to a half at random, so that those
    who failed together do not come again together. `jitter` from 0 to 1 is for tests."""
    return _spread(min(last, first * 2.0 ** min(attempt - 1, 60)), jitter)


def backoff_after(waited: float, first: float, last: float, jitter: float | None = None) -> float:
    """The same where not the number of attempts is known, but how long was waited between them: about as long
    again, at least `first` and at most `last`."""
    return _spread(min(last, first + waited), jitter)


def _spread(whole: float, jitter: float | None) -> float:
    return whole * (1.0 - 0.5 * (random.random() if jitter is None else jitter))  # noqa: S311 - no secret


@dataclass(slots=True)
class Lane:
    """Used by one thread; times are seconds of a monotonic clock."""

    name: str
    concurrency: int
    max_per_second: float | None = None
    paused: bool = False
    in_flight: int = 0
    circuit: Circuit = Circuit.CLOSED
    probe_at: float = 0.0
    _failures: int = 0
    _probes: int = 0
    _next_at: float = 0.0

    def capacity(self, now: float) -> int:
        """Attempts that may begin now."""
        if self.paused or self._next_at > now:
            return 0
        if self.circuit is Circuit.HALF_OPEN or (self.circuit is Circuit.OPEN and now < self.probe_at):
            return 0
        free = self.concurrency - self.in_flight
        if self.circuit is Circuit.OPEN or self.max_per_second is not None:
            free = min(free, 1)
        return max(free, 0)

    def waits_until(self, now: float) -> float | None:
        """When there may be capacity again without an attempt coming to its end; None: now, or nobody knows."""
        if self.paused or self.circuit is Circuit.HALF_OPEN:
            return None
        until = max(self._next_at, self.probe_at if self.circuit is Circuit.OPEN else 0.0)
        return until if until > now else None

    def begin(self, now: float) -> None:
        """An attempt begins."""
        self.in_flight += 1
        if self.circuit is Circuit.OPEN:
            self.circuit = Circuit.HALF_OPEN
        if self.max_per_second is not None:
            self._next_at = max(self._next_at, now - 1.0 / self.max_per_second) + 1.0 / self.max_per_second

    def succeeded(self) -> bool:
        """An attempt reached the destination, whatever it said; whether that ends its being unavailable."""
        self.in_flight -= 1
        recovered = self.circuit is not Circuit.CLOSED
        self.circuit = Circuit.CLOSED
        self._failures = self._probes = 0
        return recovered

    def failed(self, now: float, retry_after: float | None = None) -> bool:
        """An attempt found it unavailable; whether it is left alone from now on."""
        self.in_flight -= 1
        self._failures += 1
        if self.circuit is Circuit.CLOSED and self._failures < OPENS_AFTER:
            return False
        if self.circuit is Circuit.OPEN:
            return False  # began before it was opened
        self.open(now, retry_after)
        return True

    def open(self, now: float, retry_after: float | None = None) -> None:
        """Leave it alone until the next probe."""
        self._probes += 1
        self.circuit = Circuit.OPEN
        delay = backoff(self._probes, FIRST_PROBE, LAST_PROBE)
        # Asked to stay away, but a mistake in that answer must not keep events for days.
        self.probe_at = now + max(delay, min(retry_after or 0.0, 3600.0))

    def abandoned(self) -> None:
        """An attempt said nothing of the destination: its own code failed, or it never began."""
        self.in_flight -= 1
        if self.circuit is Circuit.HALF_OPEN:
            self.circuit = Circuit.OPEN


@contextmanager
def as_written(lanes: Mapping[str, Lane]) -> Iterator[None]:
    """A transaction about them: if it fails, nothing of it has happened to the lanes either."""
    before = {name: replace(lane) for name, lane in lanes.items()}
    try:
        yield
    except BaseException:
        for name, lane in before.items():
            for member in Lane.__slots__:
                setattr(lanes[name], member, getattr(lane, member))
        raise
