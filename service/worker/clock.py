"""The time of day by which the worker plans; it is never set back."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta


class Clock:
    """Follows the clock of the machine, but goes on evenly when that one is set back: what was to be done in a
    minute is done in a minute, not in an hour and a minute."""

    def __init__(
        self,
        time_of_day: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._time_of_day = time_of_day
        self._monotonic = monotonic
        self._at = time_of_day(), monotonic()

    def __call__(self) -> datetime:
        """Now; from any thread."""
        moment, monotonic = self._at
        now = self._monotonic()
        latest = max(self._time_of_day(), moment + timedelta(seconds=now - monotonic))
        self._at = latest, now
        return latest


#: One for all parts of a worker: they compare each other's times.
now = Clock()
