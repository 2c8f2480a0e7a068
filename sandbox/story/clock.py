"""The platform's clock in one story: it only goes forward, and tells its instants in several spellings."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from random import Random

#: Stamps without milliseconds are cut off, so two instants of one story are at least this far apart.
_LEAST = timedelta(milliseconds=1001)
_MOST_MILLISECONDS = 6 * 3600 * 1000


class Clock:
    """Instants of one story."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self.now = datetime(2026, 9, 1, 6, tzinfo=UTC) + timedelta(milliseconds=random.randrange(10**9))
        self.stamp = self.spelled()

    def advance(self) -> None:
        """Some time later, at most six hours."""
        self.now += _LEAST + timedelta(milliseconds=self._random.randrange(_MOST_MILLISECONDS))
        self.stamp = self.spelled()

    def spelled(self) -> str:
        """This instant with a zone, mostly as `2026-09-01T06:00:00.123Z` (contract, behaviour.md section 7)."""
        kind = self._random.randrange(10)
        if kind == 0:
            return self.now.astimezone(timezone(timedelta(hours=2))).isoformat(timespec="milliseconds")
        return self.now.isoformat(timespec="seconds" if kind == 1 else "milliseconds").replace("+00:00", "Z")
