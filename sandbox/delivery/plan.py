"""Which event is sent when: the orders mixed, and as much disorder as a scenario wants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from sandbox.delivery.attempt import Cut
from sandbox.story.event import Event
from sandbox.story.telling import Story
from sandbox.wire import json_text, txml

#: A late event comes up to so many events of its order too late.
_LATEST = 5


@dataclass(frozen=True, slots=True)
class Disorder:
    """Shares of the events, from 0 to 1."""

    late: float = 0.0
    """Sent behind younger ones of the same order."""
    duplicates: float = 0.0
    """Sent once more although the first time was answered."""
    lost_answers: float = 0.0
    """Their first connection is cut, so that they are repeated."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One event to be delivered."""

    event: Event
    duplicate: bool = False
    cut: Cut | None = None

    def content(self) -> tuple[bytes, str]:
        """Its bytes and their media type."""
        if self.event.xml:
            return txml.write(self.event.body), "application/xml"
        return json_text.write(self.event.body).encode(), "application/json"


def plan(stories: Sequence[Story], disorder: Disorder, seed: int) -> list[Planned]:
    """All events of the stories in the order of sending; the same for the same seed."""
    random = Random(f"plan {seed}")  # noqa: S311 - no secret
    placed: list[tuple[float, int, Planned]] = []
    for story in stories:
        start = random.random() * len(stories) / 4
        for number, event in enumerate(story.events):
            at = start + number
            if random.random() < disorder.late:
                at += random.uniform(1, _LATEST)
            cut = random.choice(tuple(Cut)) if random.random() < disorder.lost_answers else None
            placed.append((at, len(placed), Planned(event, cut=cut)))
            if random.random() < disorder.duplicates:
                placed.append((at + random.expovariate(0.5), len(placed), Planned(event, duplicate=True)))
    return [planned for _, _, planned in sorted(placed, key=lambda entry: entry[:2])]
