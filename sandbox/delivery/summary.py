"""What came of a run, counted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from sandbox.delivery.attempt import Outcome
from sandbox.delivery.plan import Planned
from sandbox.delivery.policy import Reaction
from sandbox.wire.json_text import JsonObject


@dataclass(slots=True)
class Summary:
    """Filled while a run goes on."""

    planned: int
    sent: int = 0
    """Attempts."""
    delivered: int = 0
    duplicates: int = 0
    """Among the delivered: those that were sent once more on purpose."""
    repeated: Counter[str] = field(default_factory=Counter)
    """Attempts that made a repetition necessary, by status code or reason."""
    dropped: Counter[str] = field(default_factory=Counter)
    """Events that the platform gave up, by status code."""
    first_dropped: dict[str, str] = field(default_factory=dict)
    """One example for each status code."""
    latencies: list[float] = field(default_factory=list)
    """Seconds of each answered attempt."""
    interrupted: bool = False

    @property
    def left(self) -> int:
        """Events that are neither delivered nor dropped."""
        return self.planned - self.delivered - self.dropped.total()

    def count(self, planned: Planned, outcome: Outcome, reaction: Reaction) -> None:
        """One attempt."""
        self.sent += 1
        answer = outcome.said if outcome.status is None else str(outcome.status)
        if outcome.status is not None:
            self.latencies.append(outcome.seconds)
        if reaction is Reaction.DELIVERED:
            self.delivered += 1
            self.duplicates += planned.duplicate
        elif reaction is Reaction.REPEAT:
            self.repeated[answer] += 1
        else:
            self.dropped[answer] += 1
            event = planned.event
            example = f"{event.name}, message {event.message_id}: {' '.join(outcome.said.split())[:300]}"
            self.first_dropped.setdefault(answer, example)

    def as_json(self) -> JsonObject:
        """For programs; latencies in milliseconds."""
        return {
            "planned": self.planned,
            "sent": self.sent,
            "delivered": self.delivered,
            "duplicates": self.duplicates,
            "repeated": self.repeated.total(),
            "repeatedBy": dict(self.repeated),
            "dropped": self.dropped.total(),
            "droppedBy": dict(self.dropped),
            "firstDropped": dict(self.first_dropped),
            "left": self.left,
            "interrupted": self.interrupted,
            "latencyMilliseconds": {name: round(1000 * seconds) for name, seconds in self._latencies().items()},
        }

    def as_text(self) -> str:
        """For people."""
        facts = [
            ("messages", f"{self.planned}"),
            ("sent", f"{self.sent} attempts"),
            (
                "delivered",
                f"{self.delivered}"
                + (f", {self.duplicates} of them sent twice on purpose" if self.duplicates else ""),
            ),
            ("repeated", counted(self.repeated)),
            ("dropped", counted(self.dropped)),
        ]
        if self.left:
            facts.append(("left", f"{self.left}, because the run was interrupted"))
        if self.latencies:
            shown = ", ".join(f"{name} {1000 * seconds:.0f} ms" for name, seconds in self._latencies().items())
            facts.append(("latency", shown))
        lines = [f"{name:<10} {value}" for name, value in facts]
        lines += [f"first {answer}: {example}" for answer, example in self.first_dropped.items()]
        return "\n".join(lines)

    def _latencies(self) -> dict[str, float]:
        ordered = sorted(self.latencies)
        if not ordered:
            return {}
        last = len(ordered) - 1
        return {"p50": ordered[round(last * 0.5)], "p95": ordered[round(last * 0.95)], "max": ordered[-1]}


def counted(counter: Counter[str]) -> str:
    """How many, and of what, the most frequent first."""
    if not counter:
        return "0"
    return f"{counter.total()} ({', '.join(f'{answer}: {count}' for answer, count in counter.most_common())})"
