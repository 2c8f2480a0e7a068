"""What receiving bears from the worker beside it: accepted events per second with it and without."""

from __future__ import annotations

import sys
from pathlib import Path
from statistics import median

from bench.load import Measured
from bench.measuring import Part, measure
from bench.subjects import Subject, webhooks_serve
from bench.worker import settings

#: Each event is of an order of its own, so that the worker has all of its work with every one.
_PART = Part("small_32", lines=2, clients=32)


def _with_worker(folder: Path, port: int) -> list[str]:
    return webhooks_serve(settings(folder, port=port))


def _without_worker(folder: Path, port: int) -> list[str]:
    return webhooks_serve(settings(folder, port=port, enabled=False))


_SUBJECTS = (
    Subject("with", "worker and destination beside", _with_worker),
    Subject("without", "no worker", _without_worker),
)


#: Events per second: two that are far more than a busy company has, and as many as the receiver takes.
_PACES = (50.0, 200.0, None)

#: Figures by pace (None: at the limit) and subject.
Figures = dict[float | None, dict[str, dict[str, float]]]


def measure_rates(rounds: int, seconds: float) -> Figures:
    """Medians of the rounds, in which both services have their turns.

    Raises:
        StartError, LoadFailedError: something did not start or did not accept everything.
    """
    return {pace: _measure_pace(pace, rounds, seconds) for pace in _PACES}


def _measure_pace(pace: float | None, rounds: int, seconds: float) -> dict[str, dict[str, float]]:
    options = ["--own-orders", *([] if pace is None else [f"--per-second={pace}"])]
    loads: dict[str, list[Measured]] = {each.key: [] for each in _SUBJECTS}
    for number in range(rounds):
        for subject in _SUBJECTS if number % 2 else reversed(_SUBJECTS):
            load = measure(subject, _PART, seconds, *options).load
            loads[subject.key].append(load)
            print(
                f"{subject.title}, round {number + 1}: {load.per_second:.1f} events/s, p99 {load.p99_ms:.1f} ms",
                file=sys.stderr,
                flush=True,
            )
    return {
        key: {name: median(getattr(load, name) for load in of_subject) for name in _NAMES}
        for key, of_subject in loads.items()
    }


_NAMES = ("per_second", "p50_ms", "p95_ms", "p99_ms")


def report(figures: Figures) -> str:
    """The figures in words and columns."""
    lines = [
        f"Receiving while a worker processes beside it: {_PART.clients} clients, {_PART.lines} lines, own orders.",
        f"  {'':<44}{'events/s':>10}{'p50 ms':>10}{'p95 ms':>10}{'p99 ms':>10}",
    ]
    for pace, rows in figures.items():
        lines.append("  as fast as it answers" if pace is None else f"  {pace:.0f} events a second")
        for subject in _SUBJECTS:
            row = rows[subject.key]
            lines.append(f"    {subject.title:<42}" + "".join(f"{row[name]:>10.1f}" for name in _NAMES))
    limit = figures[None]
    share = limit["with"]["per_second"] / limit["without"]["per_second"]
    lines.append(
        f"  {share:.2f}x at the limit, where generator, receiver and worker share the machine's processors."
    )
    return "\n".join(lines)
