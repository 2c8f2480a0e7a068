"""What a run is told by the command line, and the cases that follow from it."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from conformance import baseline
from conformance.catalogue import CaseInfo, catalogue
from conformance.results import Result

#: The wave of the cases that could hurt.
INTRUSIVE = 3


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says."""

    waves: tuple[int, ...] = (1, 2)
    only: tuple[str, ...] = ()
    """Ids or beginnings of ids, such as `AUTH` or `MAL-05`; those of wave 3 only if `waves` has it."""
    strict: bool = False
    """A WEAK counts as a failure."""
    full: bool = True
    generated: float = 0.0
    """Seconds for the generated phase; 0 leaves it out."""
    fresh_seed: bool = False
    seed: int | None = None
    """The generated bodies of the run with this fresh seed, once more."""
    keep_findings_in: Path | None = None
    """Where findings of the generated phase are kept, to be sent first the next time."""
    pace: float | None = None
    allowed: str | None = None
    baseline: tuple[baseline.Entry, ...] = ()
    shuffle: int | None = None
    sample: int | None = None
    """At most so many changed requests of a case; for receivers that only must not be accused."""
    case_ends: Callable[[Result], bool] = lambda _: False
    """After such a result the rest of its case is left out; for receivers that are known to be faulty."""
    run_ends: Callable[[Result], bool] = lambda _: False
    """After such a result all other cases are left out."""


def chosen(options: Options) -> list[CaseInfo]:
    """The cases that a run tries, in order."""
    cases = [info for info in catalogue().values() if info.wave in options.waves]
    if options.only:
        # What could hurt is not tried by the way, because somebody named its area.
        allowed = [info for info in catalogue().values() if info.wave != INTRUSIVE or INTRUSIVE in options.waves]
        cases = [info for info in allowed if any(info.id.startswith(one) for one in options.only)]
    if options.shuffle is not None:
        random.Random(options.shuffle).shuffle(cases)  # noqa: S311 - an order, no secret
    return cases
