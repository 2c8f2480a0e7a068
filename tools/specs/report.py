"""A comparison for the person who reads it, and for a program."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, TextIO

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from service.console.text import escaped
from tools.generate.swagger import ROOT
from tools.specs.changes import Change, Comparison, Kind, Severity
from tools.specs.live import LiveFile
from tools.specs.sides import Json

#: Columns of the table when the output is no terminal.
PIPED_WIDTH = 100
_KIND_WIDTH = 18
_PLACE_WIDTH = 40
_DETAIL_WIDTH = 26
_SURE_WIDTH = 7
_COLOURS = {Severity.BREAKING: "red", Severity.ADDITIVE: "green"}


def print_report(
    compared: Mapping[str, tuple[LiveFile, Comparison]], levels: Mapping[str, str], output: TextIO
) -> None:
    """A line, the differences and the remarks for each contract. `levels` explains the words of
    `x-confidence`."""
    console = Console(file=output, highlight=False, soft_wrap=False)
    if not console.is_terminal:
        console = Console(file=output, highlight=False, width=PIPED_WIDTH, color_system=None)
    used = set()
    for name, (live, comparison) in compared.items():
        console.print(Text(f"{name}: {live.url}"), overflow="fold")
        console.print(Text(f"{name}: {summary(comparison.changes)}"))
        for severity in Severity:
            changes = [change for change in comparison.changes if change.severity is severity]
            if changes:
                console.print(Text(f"\n{severity.upper()}", style=_COLOURS[severity]))
                console.print(_table(changes))
        if comparison.notes:
            console.print()
        for note in comparison.notes:
            console.print(Text(f"note: {escaped(note)}"), overflow="fold")
        used |= {change.confidence for change in comparison.changes if change.confidence}
        console.print()
    for word in sorted(used & levels.keys()):
        console.print(Text(f"SURE {word}: {levels[word]}"))


def summary(changes: Iterable[Change]) -> str:
    """Such as `2 breaking and 5 additive differences`."""
    severities = [change.severity for change in changes]
    if not severities:
        return "no drift"
    counts = [f"{severities.count(one)} {one}" for one in Severity if one in severities]
    return " and ".join(counts) + (" difference" if len(severities) == 1 else " differences")


def report_json(base: str, compared: Mapping[str, tuple[LiveFile, Comparison]]) -> Json:
    """The same facts as values for JSON."""
    severities = [comparison.severity for _, comparison in compared.values()]
    return {
        "base": base,
        "drift": next((str(one) for one in Severity if one in severities), "none"),
        "contracts": {
            name: {
                "url": live.url,
                "sha256": hashlib.sha256(live.content).hexdigest(),
                "drift": str(comparison.severity or "none"),
                "changes": [_values(change) for change in comparison.changes],
                "notes": list(comparison.notes),
            }
            for name, (live, comparison) in compared.items()
        },
    }


def _values(change: Change) -> dict[str, Any]:
    return {
        "kind": str(change.kind),
        "severity": str(change.severity),
        "place": change.place,
        "alsoAt": list(change.also_at),
        "ours": list(change.ours) if isinstance(change.ours, tuple) else change.ours,
        "live": list(change.live) if isinstance(change.live, tuple) else change.live,
        "confidence": change.confidence,
    }


def _table(changes: Iterable[Change]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1), show_edge=False)
    table.add_column("WHAT", width=_KIND_WIDTH)
    table.add_column("PLACE IN THE BODY", overflow="fold", width=_PLACE_WIDTH)
    table.add_column("OURS -> LIVE", overflow="fold", width=_DETAIL_WIDTH)
    table.add_column("SURE", overflow="fold", width=_SURE_WIDTH)
    for change in changes:
        more = f"\nand {len(change.also_at)} more" if change.also_at else ""
        place = escaped(change.place).removeprefix(f"{ROOT}.")
        table.add_row(
            change.kind,
            Text(wrapped(place, _PLACE_WIDTH) + more),
            Text(_detail(change)),
            Text(escaped(change.confidence)),
        )
    return table


def _detail(change: Change) -> str:
    if isinstance(change.ours, str) and isinstance(change.live, str):
        return f"{escaped(change.ours)} -> {escaped(change.live)}"
    value = change.live if change.ours is None else change.ours
    if isinstance(value, tuple):
        if change.kind in (Kind.LIST_ADDED, Kind.LIST_REMOVED):
            return f"{len(value)} values"
        if change.kind is Kind.REQUIRED and len(value) > 3:
            return f"{len(value)} members"
        return "\n".join(escaped(one) for one in value)
    if change.kind is Kind.FORMAT:
        return f"{escaped(change.ours or 'none')} -> {escaped(change.live or 'none')}"
    return escaped(value)


def wrapped(place: str, width: int) -> str:
    """A place over several lines, broken before a dot wherever that is possible."""
    lines = [""]
    for i, part in enumerate(place.split(".")):
        step = f".{part}" if i else part
        if lines[-1] and len(lines[-1]) + len(step) > width:
            lines.append("")
        lines[-1] += step
    return "\n".join(lines)
