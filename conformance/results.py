"""What one variant of a case came to, with the evidence."""

from __future__ import annotations

from dataclasses import dataclass, replace

from conformance.requests.rendering import Rendered
from conformance.verdict import Judgement, Level, Outcome
from conformance.wire.answer import Answer


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request as it went out and what came back."""

    purpose: str
    """`control`, `probe`, or `part` of what leads to the probe."""
    answer: Answer
    rendered: Rendered | None = None
    """None in the flip test, where nothing is sent."""
    order: str = ""
    """The purchase order number it carried."""


@dataclass(frozen=True, slots=True)
class Result:
    """One row of the report."""

    case: str
    variant: str
    level: Level
    outcome: Outcome
    reason: str
    expected: str = ""
    change: str = ""
    """The one thing in which the probe differs from its control."""
    endpoint: str = ""
    payload: str = ""
    form: str = ""
    scheme: str = ""
    status: int | None = None
    """Of the judged answer."""
    codes: tuple[int, ...] = ()
    """Preferred codes: a PASS with one of them was elicited for its intended cause."""
    needs: str = ""
    """What a BLOCKED one lacks."""
    exchanges: tuple[Exchange, ...] = ()

    def turned(self, judgement: Judgement) -> Result:
        """The same with another judgement."""
        return replace(self, outcome=judgement.outcome, reason=judgement.reason)
