"""Which fault is switched on, and the table of all faults and benign variants."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FAULTS_FILE = Path(__file__).parent / "faults.yaml"
BENIGN_FILE = Path(__file__).parent / "benign.yaml"


@dataclass(frozen=True)
class Fault:
    """One row of faults.yaml: what is broken, of which cases one must see it, which others may fail with it."""

    id: str
    fault: str
    killed_by: tuple[str, ...]
    collateral: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    seen_as: str = "FAIL"
    """The worst outcome that a case may give it; WEAK where more would be too hard a word."""
    pace: float | None = None
    """Requests per second at which it still accepts the controls."""
    slow: bool = False
    """Trying it is mostly waiting."""


@dataclass(frozen=True)
class Benign:
    """One row of benign.yaml: a correct receiver that differs, and the cases that may be WEAK with it."""

    id: str
    variant: str
    weak: tuple[str, ...] = ()
    slow: bool = False
    """Trying it is mostly waiting."""


class UnknownFaultError(Exception):
    """The fault or variant that was asked for is not in the table."""


class Faults:
    """The switch that every module asks; at most one fault and one benign variant are on."""

    def __init__(self, fault: str | None = None, benign: str | None = None) -> None:
        if fault is not None and fault not in fault_table():
            raise UnknownFaultError(f"no fault {fault} in {FAULTS_FILE.name}")
        if benign is not None and benign not in benign_table():
            raise UnknownFaultError(f"no variant {benign} in {BENIGN_FILE.name}")
        self.fault = fault
        self.benign = benign

    def on(self, *ids: str) -> bool:
        """True when one of these faults or variants is the one switched on."""
        return (self.fault is not None and self.fault in ids) or (self.benign is not None and self.benign in ids)


@cache
def fault_table() -> dict[str, Fault]:
    """All faults by id, in the order of the file."""
    rows = [
        Fault(
            id=row["id"],
            fault=row["fault"],
            killed_by=tuple(row["killed_by"]),
            collateral=tuple(row.get("collateral", ())),
            needs=tuple(row.get("needs", ())),
            seen_as=row.get("seen_as", "FAIL"),
            pace=row.get("pace"),
            slow=row.get("slow", False),
        )
        for row in _rows(FAULTS_FILE)
    ]
    return {row.id: row for row in rows}


@cache
def benign_table() -> dict[str, Benign]:
    """All benign variants by id."""
    rows = [
        Benign(row["id"], row["variant"], tuple(row.get("weak", ())), row.get("slow", False))
        for row in _rows(BENIGN_FILE)
    ]
    return {row.id: row for row in rows}


def _rows(path: Path) -> list[dict[str, Any]]:
    # Imported late: a clean start needs no table.
    from conformance import yaml_text

    rows: list[dict[str, Any]] = yaml_text.read(path.read_text(encoding="utf-8"))
    return rows
