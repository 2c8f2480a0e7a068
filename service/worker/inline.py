"""Events whose sender waits for the destination: asked for by the receiver, answered in one word."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class InlineAnswer(StrEnum):
    """What the receiver is told of an event; it makes the answer to the sender of it."""

    DONE = "done"
    REFUSED = "refused"
    UNKNOWN_ORDER = "unknown order"
    UNAVAILABLE = "unavailable"
    TIMED_OUT = "timed out"
    FAULT = "fault"
    """The handler or the destination's own code failed; the event is dead."""
    BEHIND = "behind"
    """An earlier event of the same order is not finished."""
    PAUSED = "paused"
    TROUBLE = "trouble"
    """The worker cannot look at it now."""


@dataclass(frozen=True, slots=True)
class InlineRequest:
    """One event that is to be attempted now."""

    event_id: str
    answer: Callable[[InlineAnswer, str | None], None]
    """To be called once, with the reason if there is one; from any thread, never blocks."""
