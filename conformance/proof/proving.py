"""`conformance prove`: the flip test, each faulty receiver against the case named for it, the benign ones."""

from __future__ import annotations

import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ParamSpec, TypeAlias, TypeVar

from conformance.catalogue import CaseInfo, catalogue
from conformance.generative import StockOutcome
from conformance.mutants.faults import Benign, Fault, benign_table, fault_table
from conformance.proof.faulty import profile_of
from conformance.proof.flip import flip
from conformance.proof.table import kill_table
from conformance.proof.trying import Kill, Tried, try_benign, try_clean, try_every_case, try_fault, try_stock
from conformance.runner.issuer import TokenIssuer
from conformance.subject import Subject
from conformance.verdict import Level

#: Receivers that are slow keep no processor busy, so many of them are tried at a time.
_SLOW_AT_A_TIME = 20
_P = ParamSpec("_P")
_R = TypeVar("_R")
_Running: TypeAlias = "tuple[Future[Tried], Future[StockOutcome | None] | None]"


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is tried."""

    only: tuple[str, ...] = ()
    """Ids of cases or of faults."""
    full: bool = False
    """Every case on every faulty receiver, to see whether one fails that the fault does not name."""
    stock: bool = False
    """Stock Schemathesis on every faulty receiver."""
    benign: bool = True
    jobs: int = 2


def prove(extent: Extent, table: Path | None, tell: Callable[[str], None]) -> int:
    """Carry it out and say what was found; 0 if everything was proven, else 1."""
    started = time.monotonic()
    only = set(extent.only)
    for unknown in sorted(only - set(catalogue()) - set(fault_table()) - {"PRE-3"}):
        tell(f"neither a case nor a fault is called {unknown}")
        return 2
    cases = [info for info in catalogue().values() if not only or info.id in only]
    faults = [
        fault for fault in fault_table().values() if not only or fault.id in only or set(fault.killed_by) & only
    ]
    variants = list(benign_table().values()) if extent.benign and not only else []
    with tempfile.TemporaryDirectory(prefix="conformance-proof-") as name:
        folder = Path(name)
        dead = _flip_all(cases, folder, tell)
        with _Bench(extent.jobs) as bench:
            # What lasts longest begins first.
            harmless = [future for one in variants for future in _benign(bench, folder / one.id, one)]
            clean = list(_clean(bench, folder / "clean", faults))
            stock_of_clean = bench.begin(False, try_stock, folder / "stock", None) if extent.stock else None
            running = [_fault(bench, folder / fault.id, fault, extent) for fault in faults]
            tried: list[Tried] = []
            for one in _told(running, tell):
                tried.append(one)
                if table is not None:  # so far: with stock Schemathesis it takes an hour
                    table.write_text(kill_table(tried, None), encoding="utf-8")
            complaints = [one for future in (*clean, *harmless) for one in future.result()]
            clean_by_stock = None if stock_of_clean is None else stock_of_clean.result()
    for complaint in complaints:
        tell(complaint)
    unproven = [] if only else without_fault(cases, faults)
    for case in unproven:
        tell(f"no faulty receiver for {case}")
    if table is not None:
        table.write_text(kill_table(tried, clean_by_stock), encoding="utf-8")
    killed = sum(one.kill is Kill.KILLED for one in tried)
    stray = sum(bool(one.stray) for one in tried)
    tell(
        f"{killed} of {len(tried)} faulty receivers killed by the named case"
        + (f", {stray} with failures that they do not name" if extent.full else "")
        + f"; {len(variants)} benign ones and the one without a fault: {len(complaints)} complaints; "
        f"{time.monotonic() - started:.0f} s"
    )
    return 1 if dead or complaints or unproven or stray or killed < len(tried) else 0


def _fault(bench: _Bench, folder: Path, fault: Fault, extent: Extent) -> _Running:
    judged = bench.begin(fault.slow, try_every_case if extent.full else try_fault, folder, fault)
    return judged, bench.begin(False, try_stock, folder / "stock", fault) if extent.stock else None


def _told(running: Iterable[_Running], tell: Callable[[str], None]) -> Iterator[Tried]:
    for judged, beside in running:
        one = judged.result()
        if one.kill is not Kill.KILLED:
            tell(f"{one.kill}: {one.fault} {one.sentence}: {one.detail}")
        if one.stray:
            tell(f"{one.fault} {one.sentence}: {', '.join(one.stray)} failed too, which its row does not name")
        yield one if beside is None else replace(one, stock=beside.result())


def _clean(bench: _Bench, folder: Path, faults: Iterable[Fault]) -> Iterator[Future[list[str]]]:
    named = sorted({case for fault in faults for case in fault.killed_by} & set(catalogue()))
    for area, cases in _by_area(named).items():
        yield bench.begin(area == "TIM", try_clean, folder / area, cases)


def _benign(bench: _Bench, folder: Path, variant: Benign) -> Iterator[Future[list[str]]]:
    cases = [info.id for info in catalogue().values() if info.wave == 1]
    if not variant.slow:
        yield bench.begin(False, try_benign, folder, variant, tuple(cases))
        return
    # Side by side, a receiver for each area.
    for area, some in _by_area(cases).items():
        yield bench.begin(True, try_benign, folder / area, variant, tuple(some))


def _by_area(cases: Sequence[str]) -> dict[str, list[str]]:
    found: defaultdict[str, list[str]] = defaultdict(list)
    for case in cases:
        found[case.partition("-")[0]].append(case)
    return found


class _Bench:
    """Where receivers are tried: some at a time, and the slow ones beside them."""

    def __init__(self, jobs: int) -> None:
        self._pool = ProcessPoolExecutor(jobs)
        self._beside = ThreadPoolExecutor(_SLOW_AT_A_TIME)

    def __enter__(self) -> _Bench:
        return self

    def __exit__(self, *_: object) -> None:
        self._beside.shutdown()
        self._pool.shutdown()

    def begin(self, slow: bool, function: Callable[_P, _R], *args: _P.args, **kwargs: _P.kwargs) -> Future[_R]:
        """Have it done."""
        return (self._beside if slow else self._pool).submit(function, *args, **kwargs)


def _flip_all(cases: Iterable[CaseInfo], folder: Path, tell: Callable[[str], None]) -> int:
    subject = flip_subject(folder)
    tried = failures = 0
    for info in cases:
        lies, dead = flip(info, subject)
        tried += lies
        failures += len(dead)
        for one in dead:
            tell(f"flip test: {one.case}: {one.what}")
    tell(f"flip test: {tried} lies told, {failures} unnoticed or wrongly noticed")
    return failures


def flip_subject(folder: Path) -> Subject:
    """A receiver that claims everything, for cases that are not sent anywhere."""
    profile = profile_of(folder, "http://127.0.0.1:1", None, 1, 1)
    profile = profile.model_copy(update={"second_url": "https://localhost:1"})
    return Subject(
        profile, issuer=TokenIssuer("127.0.0.1:1", "http://localhost:1"), canary_url="http://localhost:1"
    )


def without_fault(cases: Iterable[CaseInfo], faults: Iterable[Fault]) -> list[str]:
    """The MUST cases of wave 1 for which no faulty receiver is named."""
    named = {case for fault in faults for case in fault.killed_by}
    return [info.id for info in cases if info.level is Level.MUST and info.wave == 1 and info.id not in named]
