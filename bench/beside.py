"""What receiving bears from the worker beside it: accepted events per second with it and without."""

from __future__ import annotations

import sys
from pathlib import Path
from statistics import median

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


def measure_rates(rounds: int, seconds: float) -> dict[str, dict[str, float]]:
    """Medians by subject.

    Raises:
        StartError, LoadFailedError: something did not start or did not accept everything.
    """
    rates: dict[str, dict[str, list[float]]] = {each.key: {"per_second": [], "p99_ms": []} for each in _SUBJECTS}
    for number in range(rounds):
        for subject in _SUBJECTS if number % 2 else reversed(_SUBJECTS):
            load = measure(subject, _PART, seconds, "--own-orders").load
            rates[subject.key]["per_second"].append(load.per_second)
            rates[subject.key]["p99_ms"].append(load.p99_ms)
            print(
                f"{subject.title}, round {number + 1}: {load.per_second:.1f} events/s", file=sys.stderr, flush=True
            )
    return {key: {name: median(values) for name, values in row.items()} for key, row in rates.items()}


def report(rates: dict[str, dict[str, float]]) -> str:
    """The figures in words and columns."""
    share = rates["with"]["per_second"] / rates["without"]["per_second"]
    lines = [
        f"Receiving while a worker processes beside it: {_PART.clients} clients, {_PART.lines} lines, own orders.",
        f"  {'':<44}{'events/s':>10}{'p99 ms':>10}",
    ]
    for subject in _SUBJECTS:
        row = rates[subject.key]
        lines.append(f"  {subject.title:<44}{row['per_second']:>10.1f}{row['p99_ms']:>10.1f}")
    lines.append(f"  {share:.2f}x; generator, receiver and worker share the machine's processors.")
    return "\n".join(lines)
