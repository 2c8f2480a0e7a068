"""Measures our service beside stock connexion, in turns, tXML beside JSON, and processing; exits 1 if anything was
answered but 202, or never came to its end."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections import defaultdict
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from bench import beside, formats, postgresql, processing
from bench.measuring import LoadFailedError, Outcome, Part, measure
from bench.subjects import SUBJECTS, StartError

PARTS = (
    Part("small_32", lines=2, clients=32),
    Part("small_4", lines=2, clients=4),
    Part("large_32", lines=500, clients=32),
)


def summary(outcomes: list[Outcome]) -> dict[str, float]:
    """Medians of the rounds; of the memory the most."""
    return {
        "events_per_second": median(outcome.load.per_second for outcome in outcomes),
        "slowest_round": min(outcome.load.per_second for outcome in outcomes),
        "fastest_round": max(outcome.load.per_second for outcome in outcomes),
        "p50_ms": median(outcome.load.p50_ms for outcome in outcomes),
        "p99_ms": median(outcome.load.p99_ms for outcome in outcomes),
        "peak_mib": max(outcome.peak_bytes for outcome in outcomes) / 2**20,
        "start_seconds": median(outcome.start_seconds for outcome in outcomes),
        "generator_cpu": median(outcome.load.generator_cpu for outcome in outcomes),
        "body_bytes": outcomes[0].load.body_bytes,
    }


def report(figures: dict[str, dict[str, dict[str, float]]]) -> str:
    """The figures in words and columns."""
    lines = [
        "Ours checks, fingerprints and stores every event: it is on disk (SQLite, synced) before its 202.",
        "Stock connexion, same contract and uvicorn, checks the body and says 202: it stores nothing.",
        "Ours is started as an operator starts it, logging each event; stock runs without an access log.",
    ]
    for part in PARTS:
        rows = figures[part.key]
        if not rows:
            continue
        size = next(iter(rows.values()))["body_bytes"] / 1000
        title = f"{part.clients} clients, {part.lines} lines, {size:.1f} KB"
        columns = ("events/s", "rounds", "x stock", "p50 ms", "p99 ms", "peak MiB", "start s", "load CPU")
        lines += ["", f"{title:<30}" + "".join(f"{column:>10}" for column in columns)]
        stock = rows.get("stock", {}).get("events_per_second")
        for subject in SUBJECTS:
            if not (row := rows.get(subject.key)):
                continue
            rate = row["events_per_second"]
            rounds = f"{row['slowest_round']:.0f}-{row['fastest_round']:.0f}"
            times = f"{rate / stock:.2f}" if stock else "-"
            lines.append(
                f"  {subject.title:<28}{rate:>10.1f}{rounds:>10}{times:>10}"
                f"{row['p50_ms']:>10.1f}{row['p99_ms']:>10.1f}{row['peak_mib']:>10.0f}"
                f"{row['start_seconds']:>10.2f}{row['generator_cpu']:>10.0%}"
            )
    lines += ["", "rounds: slowest and fastest; load CPU: share of a core that the load generator used."]
    return "\n".join(lines)


#: What can be measured, in this order.
KINDS = ("receiving", "formats", "processing", "memory", "beside", "postgresql")


def main() -> int:
    """Run as a process; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--seconds", type=float, default=5, help="of each measurement, at least (default 5)")
    parser.add_argument("--rounds", type=int, default=3, help="of all services in turn (default 3)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"only these of: {', '.join(KINDS)}")
    options = parser.parse_args()
    if unknown := set(options.kinds) - set(KINDS):
        parser.error(f"nothing is called {', '.join(sorted(unknown))}; choose from {', '.join(KINDS)}")
    kinds = options.kinds or KINDS
    versions = f"Python {platform.python_version()}, connexion {version('connexion')}"
    machine = f"{os.cpu_count()} CPUs, {versions}"
    print(f"Median of {options.rounds} rounds, each at least {options.seconds:g} s; {machine}.", flush=True)
    content: dict[str, Any] = {"machine": machine}
    failures: list[str] = []
    if "receiving" in kinds:
        content["figures"] = receiving(options.rounds, options.seconds, failures)
        print("\n" + report(content["figures"]), flush=True)
    if "formats" in kinds:
        print("\n" + formats.report(), flush=True)
    try:
        if "processing" in kinds:
            figures = processing.measure()
            content["processing"] = asdict(figures)
            print("\n" + processing.report(figures), flush=True)
        if "memory" in kinds:
            growth = processing.measure_growth()
            content["memory"] = asdict(growth)
            print("\n" + processing.report_growth(growth), flush=True)
        if "beside" in kinds:
            rates = beside.measure_rates(options.rounds, options.seconds)
            content["beside"] = rates
            print("\n" + beside.report(rates), flush=True)
        if "postgresql" in kinds:
            rates_by_store = postgresql.measure(options.rounds, options.seconds)
            content["postgresql"] = rates_by_store
            print("\n" + postgresql.report(rates_by_store), flush=True)
    except (StartError, LoadFailedError) as error:
        failures.append(f"processing: {error}")
    if options.json:
        content["failures"] = failures
        options.json.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    if failures:
        print("\nNot everything was accepted:\n  " + "\n  ".join(failures), file=sys.stderr)
    return 1 if failures else 0


def receiving(rounds: int, seconds: float, failures: list[str]) -> dict[str, dict[str, dict[str, float]]]:
    """Figures by part and service; what failed is added to `failures`."""
    outcomes: dict[tuple[str, str], list[Outcome]] = defaultdict(list)
    for part in PARTS:
        for number in range(1, rounds + 1):
            first = number % len(SUBJECTS)  # nobody always comes after the same one
            for subject in (*SUBJECTS[first:], *SUBJECTS[:first]):
                name = f"{part.key}, round {number}, {subject.title}"
                try:
                    outcome = measure(subject, part, seconds)
                except (StartError, LoadFailedError) as error:
                    failures.append(f"{name}: {error}")
                    print(f"FAILED {failures[-1]}", file=sys.stderr, flush=True)
                    continue
                outcomes[part.key, subject.key].append(outcome)
                print(f"{name}: {outcome.load.per_second:.1f} events/s", file=sys.stderr, flush=True)
    figures: dict[str, dict[str, dict[str, float]]] = {part.key: {} for part in PARTS}
    for (part_key, subject_key), results in outcomes.items():
        figures[part_key][subject_key] = summary(results)
    return figures


if __name__ == "__main__":
    sys.exit(main())
