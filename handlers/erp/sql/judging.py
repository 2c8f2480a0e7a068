"""What is written of an order or shipment, by what the tables hold already. Knows no database.

The worker hands over the events of one order in their order, with the whole order as it was then. But an event that
was given up and is replayed comes with an older state, so each part is judged by its own mark, as in the mirror:
header, line by line, shipment as a whole. What is older than the tables is left out.

Nothing goes because it is not there any more, but for deliveries and prices of a line, for the parts of a shipment,
and for a line that a supplier split off and that is known by its position now (behaviour.md, section 5).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from handlers.erp.sql.rows import (
    DOCUMENT,
    LINE,
    NO_LINE,
    ORDER,
    SHIPMENT,
    Cell,
    Row,
    SubjectRows,
)
from handlers.interface import Endpoint
from handlers.mirror.marks import Age, Mark, age, judge

Key = tuple[Cell, ...]

#: What tells the rows of one order or shipment apart.
KEYS: Mapping[str, tuple[str, ...]] = {
    "purchase_order": (),
    "order_line": ("line_key",),
    "delivery": ("line_key", "kind", "delivery_key"),
    "price": ("line_key", "kind"),
    "shipment": (),
    "shipment_line": ("line_key",),
    "document": ("line_key", "party", "document_key"),
}


@dataclass(slots=True)
class Writes:
    """Rows to be written and removed, by table."""

    insert: dict[str, list[Row]] = field(default_factory=dict)
    update: dict[str, list[Row]] = field(default_factory=dict)
    delete: dict[str, list[Row]] = field(default_factory=dict)
    older: list[str] = field(default_factory=list)
    """Parts that were left out because the tables hold a newer state: "header", "line 10", "shipment"."""

    def __len__(self) -> int:
        return sum(len(rows) for how in (self.insert, self.update, self.delete) for rows in how.values())

    def table(
        self,
        name: str,
        new: Iterable[Row],
        stored: Iterable[Row],
        *,
        writes: Callable[[Row], bool] = lambda _: True,
        removes: Callable[[Row], bool] = lambda _: True,
    ) -> None:
        """Compare the rows of one table: those that may be changed, and those that may go."""
        known = {key_of(name, row): row for row in stored}
        for row in new:
            old = known.pop(key_of(name, row), None)
            if old is None:
                self.insert.setdefault(name, []).append(row)
            elif writes(row) and any(old[column] != cell for column, cell in row.items()):
                self.update.setdefault(name, []).append(row)
        self.delete.setdefault(name, []).extend(row for row in known.values() if removes(row))


def key_of(table: str, row: Row) -> Key:
    """What tells this row from the others of its order or shipment."""
    return tuple(row[column] for column in KEYS[table])


def judged(new: SubjectRows, header: Row | None, stored: Mapping[str, list[Row]]) -> Writes:
    """What to write of an order or shipment; `header` and `stored` are the rows of it that are there."""
    writes = Writes()
    if new.endpoint is Endpoint.SHIPMENT:
        if header is not None and _is_older(new.header, header):
            writes.older.append("shipment")
            return writes
        writes.table(SHIPMENT, [new.header], [] if header is None else [header])
        for table, rows in new.parts.items():
            writes.table(table, rows, stored[table])
        return writes
    keeps_header = header is not None and _is_older(new.header, header)
    if keeps_header:
        writes.older.append("header")
    else:
        writes.table(ORDER, [new.header], [] if header is None else [header])
    _judge_lines(writes, new, stored, keeps_header=keeps_header)
    return writes


def _judge_lines(writes: Writes, new: SubjectRows, stored: Mapping[str, list[Row]], *, keeps_header: bool) -> None:
    known = {row["line_key"]: row for row in stored[LINE]}
    came = {row["line_key"] for row in new.parts[LINE]}
    kept = {
        row["line_key"]
        for row in new.parts[LINE]
        if (old := known.get(row["line_key"])) is not None and age(_mark(row), _mark(old)) is Age.OLDER
    }
    writes.older += [f"line {key}" for key in sorted(map(str, kept))]
    # A newer state that does not name it any more knows it by its position.
    renamed = {
        key for key, old in known.items() if key not in came and old["position"] is None and not keeps_header
    }
    if keeps_header:
        kept = kept | {NO_LINE}
    taken = came - kept

    writes.table(
        LINE,
        new.parts[LINE],
        stored[LINE],
        writes=lambda row: row["line_key"] in taken,
        removes=lambda row: row["line_key"] in renamed,
    )
    for table, rows in new.parts.items():
        if table == LINE:
            continue
        writes.table(
            table,
            # A document is always news; deliveries and prices go with their line.
            rows if table == DOCUMENT else [row for row in rows if row["line_key"] in taken],
            stored[table],
            writes=lambda row: row["line_key"] not in kept,
            removes=lambda row, of=table: (  # type: ignore[misc]
                row["line_key"] in renamed or (of != DOCUMENT and row["line_key"] in taken)
            ),
        )


def _is_older(new: Row, old: Row) -> bool:
    return judge(_mark(new), str(new["data"]), _mark(old), str(old["data"])) is Age.OLDER


def _mark(row: Row) -> Mark:
    at, version = row["last_updated_at"], row.get("version")
    return Mark(str(at) if at is not None else None, f"{version:f}" if version is not None else None)
