"""The kill table as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from conformance.generative import StockOutcome
from conformance.proof.trying import Kill, Tried


def kill_table(tried: Sequence[Tried], clean: StockOutcome | None) -> str:
    """A row for each faulty receiver, with what stock Schemathesis said of it; `clean` is what it said without."""
    lines = ["| receiver | fault | named case | stock Schemathesis |", "|---|---|---|---|"]
    lines += [
        f"| {one.fault} | {one.sentence} | {one.kill} {one.by} | {_stock(one.stock)} |".replace("  ", " ")
        for one in tried
    ]
    killed = sum(one.kill is Kill.KILLED for one in tried)
    lines += ["", f"Killed by the named case: {killed} of {len(tried)}."]
    beside = [one.stock for one in tried if one.stock is not None]
    if beside:
        lines += [
            f"Killed by stock Schemathesis: {sum(one.killed for one in beside)} of {len(beside)}.",
            f"The receiver without a fault, by stock Schemathesis: {_stock(clean)}.",
        ]
    return "\n".join(lines) + "\n"


def _stock(outcome: StockOutcome | None) -> str:
    if outcome is None:
        return "not tried"
    if outcome.killed:
        return f"killed: {', '.join(outcome.failures)}"
    return "survived" if outcome.complete else f"survived {outcome.cases} cases, then its time was up"
