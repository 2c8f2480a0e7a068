"""What the platform does after each answer (contract, behaviour.md section 3)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Reaction(StrEnum):
    """To the outcome of one attempt."""

    DELIVERED = "delivered"
    DROPPED = "dropped"
    REPEAT = "repeat"


@dataclass(frozen=True, slots=True)
class Policy:
    """The documented rules, and a choice where nothing is documented."""

    redirects_repeat: bool = True
    """Whether 1xx and 3xx are repeated, or dropped; not documented today."""
    timeout: float = 60.0
    """Seconds without an answer; not documented, the changelog of 2020 has 60. Not made shorter by `speed`."""
    first_wait: float = 1.0
    """Seconds before the first repetition; the base of the back-off is not documented."""
    longest_wait: float = 3600.0
    """Seconds between two repetitions at most; there is no last one."""
    speed: float = 1.0
    """How many times faster than real time the waiting passes."""

    def reaction(self, status: int | None) -> Reaction:
        """To a status code; None is no answer: refused, cut, timed out, TLS failure (retry inferred)."""
        if status is None or status > 500:
            return Reaction.REPEAT
        if 200 <= status < 300:
            return Reaction.DELIVERED
        if status < 400 and self.redirects_repeat:
            return Reaction.REPEAT
        return Reaction.DROPPED

    def wait(self, attempts: int) -> float:
        """Seconds until the next one after so many attempts: twice as long each time."""
        # Beyond 64 doublings every limit is reached, and a float could not hold it much longer.
        return min(self.longest_wait, self.first_wait * 2.0 ** min(attempts - 1, 64)) / self.speed
