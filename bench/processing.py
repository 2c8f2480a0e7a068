"""From accepted to done: how fast, how soon, with how much memory, and at whose cost."""

from __future__ import annotations

import shutil
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench.backlog import Backlog
from bench.soon import Latencies, latencies, unrelated
from bench.subjects import StartError
from bench.worker import Inbox, WorkerAlone, settings, until
from service.inbox.applying import to_write
from service.inbox.interface import State
from service.inbox.work import WorkStore
from service.inbox.work_values import Applied, AttemptOutcome, Finished

EVENTS = 10_000
#: The worker's memory is compared when it has done the first and the last of these.
MEMORY_FROM, MEMORY_TO = 10_000, 100_000
#: What the project holds itself to.
LEAST_SHARE_OF_BARE = 0.5
MOST_P50_MS = 20.0
MOST_UNRELATED_MS = 200.0
MOST_GROWTH_BYTES = 20_000_000

#: Attempts that begin in one transaction of the bare loop, as many as the worker makes at a time.
_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Rates:
    """Events per second on copies of the same inbox."""

    processed: float
    bare: float
    bare_one_by_one: float


@dataclass(frozen=True, slots=True)
class Growth:
    """Of the worker's memory."""

    before: int
    after: int
    per_second: float


def rates(folder: Path, events: int = EVENTS) -> Rates:
    """The same waiting events, handled by the worker and by loops that only claim and complete."""
    filled = folder / "filled"
    Backlog(events, 2).fill(filled / "data" / "inbox.db")
    processed = _processed(_copy(filled, folder / "processed"), events)
    bare = _bare(_copy(filled, folder / "bare"), events, _AT_ONCE)
    few = events // 10  # each waits for the disk twice
    one_by_one = _bare(_copy(filled, folder / "single"), few, 1)
    return Rates(processed, bare, one_by_one)


def _copy(filled: Path, folder: Path) -> Path:
    shutil.copytree(filled, folder)
    return folder


def _processed(folder: Path, events: int) -> float:
    with WorkerAlone(settings(folder)) as worker:
        inbox = Inbox(folder)
        inbox.wait(worker, events)
        seconds = inbox.seconds_of_work()
        inbox.close()
    shutil.rmtree(folder)
    return events / seconds


def _bare(folder: Path, events: int, at_once: int) -> float:
    """Claim and complete, nothing else; what makes events claimable happens before the clock starts."""
    store = WorkStore(folder / "data" / "inbox.db", busy_timeout=5.0, wal_max_bytes=1 << 30, readers=1)
    try:
        left = events
        while left > 0:
            with store.look() as look:
                waiting = look.to_apply(datetime.now(UTC), min(left, 500))
            rows = to_write([Applied(event, destinations=("bare",)) for event in waiting], datetime.now(UTC))
            with store.write() as work:
                work.apply(rows)
            left -= len(waiting)
        began = time.perf_counter()
        done = 0
        finished: list[Finished] = []
        while done < events:
            now = datetime.now(UTC)
            with store.write() as work:
                work.finish(finished)
                claims = work.claim("bare", now, at_once)
            done += len(finished)
            finished = [Finished(claim, now, AttemptOutcome.ACCEPTED, None, State.DONE) for claim in claims]
        seconds = time.perf_counter() - began
    finally:
        store.close()
    shutil.rmtree(folder)
    return events / seconds


def growth(folder: Path, first: int = MEMORY_FROM, last: int = MEMORY_TO) -> Growth:
    """How much more memory the worker uses when it has done the last event than after the first of them."""
    Backlog(last, 1).fill(folder / "data" / "inbox.db")
    with WorkerAlone(settings(folder)) as worker:
        inbox = Inbox(folder)
        inbox.wait(worker, first)
        before = worker.memory()
        # The most of some moments at the end, so that no lucky one counts.
        after = 0

        def done() -> bool:
            nonlocal after
            count = inbox.done()
            if count > last * 0.95:
                after = max(after, worker.memory())
            return count >= last

        if not until(done, 3600, pause=0.5):
            raise StartError(f"only {inbox.done()} of {last} events came to their end")
        after = max(after, worker.memory())
        seconds = inbox.seconds_of_work()
        inbox.close()
    return Growth(before, after, last / seconds)


@dataclass(frozen=True, slots=True)
class Figures:
    """All but the memory."""

    rates: Rates
    alone: Latencies
    steady: Latencies
    unrelated: Latencies


def measure() -> Figures:
    """All but the memory, each part in a new folder on the disk of the working folder.

    Raises:
        StartError: something never came to its end.
    """
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=Path.cwd()) as name:
        folder = Path(name)
        return Figures(
            rates=rates(folder / "rates"),
            alone=latencies(folder / "alone", count=200, per_second=None),
            steady=latencies(folder / "steady", count=500, per_second=50.0),
            unrelated=unrelated(folder / "unrelated", waiting=3000, count=50),
        )


def measure_growth() -> Growth:
    """The worker's memory, in a new folder as well.

    Raises:
        StartError: something never came to its end.
    """
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=Path.cwd()) as name:
        return growth(Path(name))


def report(figures: Figures) -> str:
    """The figures in words and columns, with what the project holds itself to."""
    rates = figures.rates
    former, latter = (rates.processed / bare for bare in (rates.bare, rates.bare_one_by_one))
    lines = [
        f"From accepted to done: {EVENTS} events of {EVENTS // 5} orders wait, 4.8 KB each, mirror on, and one",
        "destination takes all at once; beside it, on copies of the same inbox, loops that but claim and complete.",
        f"  {'processed':<44}{rates.processed:>10.1f} events/s",
        f"  {f'claimed and completed, {_AT_ONCE} per transaction':<44}{rates.bare:>10.1f} events/s",
        f"  {'claimed and completed, one by one':<44}{rates.bare_one_by_one:>10.1f} events/s",
        f"  Processing is {former:.2f}x the former, {latter:.2f}x the latter (at least {LEAST_SHARE_OF_BARE}x).",
        "",
        "From the 202 to the start of the handler, in milliseconds (below 0: it started before the 202 was read):",
        f"  {'':<44}{'p50':>10}{'p95':>10}{'most':>10}",
    ]
    for title, row in (
        ("one by one", figures.alone),
        ("50 a second", figures.steady),
        ("unrelated, 3000 orders wait for a dead ERP", figures.unrelated),
    ):
        lines.append(f"  {title:<44}{row.p50_ms:>10.1f}{row.p95_ms:>10.1f}{row.most_ms:>10.1f}")
    lines.append(
        f"  (p50 under {MOST_P50_MS:g} ms; an unrelated event within {MOST_UNRELATED_MS:g} ms.) From sending, p50: "
        f"{figures.alone.from_sending_ms:.1f} one by one, {figures.steady.from_sending_ms:.1f} at 50 a second."
    )
    return "\n".join(lines)


def report_growth(growth: Growth) -> str:
    """The figures in a sentence, with what the project holds itself to."""
    before, after = growth.before / 1e6, growth.after / 1e6
    return (
        f"Memory of the worker: {before:.1f} MB after {MEMORY_FROM} events, {after:.1f} MB after {MEMORY_TO}:\n"
        f"{after - before:+.1f} MB (under {MOST_GROWTH_BYTES / 1e6:g}); {growth.per_second:.1f} events/s over all."
    )
