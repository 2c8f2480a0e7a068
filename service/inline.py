"""Answering when the destination has said what it thinks of an event (`processing.mode` inline).

The event is on disk before the worker is asked. After a 5xx the sender owns the retry, and its repetition joins the
stored event; when it stays away, the worker goes on by itself.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from service import problems
from service.inbox.interface import NewEvent, Stored
from service.problems import Answer, Problem, UnavailableError
from service.worker.inline import InlineAnswer

#: Asks the worker to attempt a stored event within so many seconds: what came of it, and why.
Attempt = Callable[[str, float], Awaitable[tuple[InlineAnswer, str | None]]]

_PROBLEMS: Mapping[InlineAnswer, Problem] = {
    InlineAnswer.REFUSED: Problem.EVENT_REFUSED,
    InlineAnswer.UNKNOWN_ORDER: Problem.ORDER_UNKNOWN,
    InlineAnswer.FAULT: Problem.HANDLER_FAULT,
    InlineAnswer.UNAVAILABLE: Problem.DESTINATION_UNAVAILABLE,
    InlineAnswer.TIMED_OUT: Problem.DESTINATION_TIMED_OUT,
}

#: Answers whose reason is for the log and the operator only: it may name machines and faults of ours.
_SILENT = (InlineAnswer.FAULT, InlineAnswer.UNAVAILABLE, InlineAnswer.TIMED_OUT)

_COME_AGAIN: Mapping[InlineAnswer, str] = {
    InlineAnswer.BEHIND: "An earlier event of the same order or shipment is not finished.",
    InlineAnswer.PAUSED: "The destination is paused.",
    InlineAnswer.TROUBLE: "The event is stored and cannot be processed now.",
}


@dataclass(frozen=True, slots=True)
class Inline:
    """How one endpoint answers inline."""

    attempt: Attempt
    patience: float
    """Seconds that an attempt may take, its waiting for others included."""
    takeover: timedelta
    retry_after: int

    def owned_by_sender(self, event: NewEvent) -> NewEvent:
        """The event, left to its sender for a while."""
        return replace(event, sender_repeats_until=event.delivery.received_at + self.takeover)

    async def answer(self, stored: Stored) -> Answer:
        """What the sender of a stored event is told.

        Raises:
            UnavailableError: it is to come again.
        """
        outcome, reason = await self.attempt(stored.id, self.patience)
        if outcome is InlineAnswer.DONE:
            return problems.processed(stored.id, duplicate=stored.duplicate)
        if problem := _PROBLEMS.get(outcome):
            return problems.not_processed(
                problem, stored.id, None if outcome in _SILENT else reason, self.retry_after
            )
        raise UnavailableError(_COME_AGAIN[outcome], reason)
