"""What is written of an order or shipment, by what the tables hold already. Knows no database.

The worker hands over the events of one order in their order, with the whole order as it was then. But an event that
was given up and is replayed comes with an older state, so each part is judged by its own mark, as in the mirror:
header, line by line, shipment as a whole. What is older than the tables is left out.

Documents have no mark of their own, and an event that brings some leaves the marks of header and line as they are.
So they stand in their own rows alone, and such a row is not overwritten by an event that came before the one that
wrote it: ids of events begin with the time at which they came.

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
        writes: Callable[[Row, Row], bool] = lambda new, old: True,
        removes: Callable[[Row], bool] = lambda _: True,
    ) -> None:
        """Compare the rows of one table: those that may be changed, and those that may go."""
        known = {key_of(name, row): row for row in stored}
        for row in new:
            old = known.pop(key_of(name, row), None)
            if old is None:
                self.insert.setdefault(name, []).append(row)
            elif writes(row, old) and any(old[column] != cell for column, cell in row.items()):
                self.update.setdefault(name, []).append(row)
        self.delete.setdefault(name, []).extend(row for row in known.values() if removes(row))


def key_of(table: str, row: Row) -> Key:
    """What tells this row from the others of its order or shipment."""
    return tuple(row[column] for column in KEYS[table])


def judged(new: SubjectRows, header: Row | None, stored: Mapping[str, list[Row]], event_id: str) -> Writes:
    """What the event writes of an order or shipment; `header` and `stored` are the rows of it that are there."""
    writes = Writes()
    if new.endpoint is Endpoint.SHIPMENT:
        if header is not None and _is_older(new.header, header):
            writes.older.append("shipment")
            return writes
        writes.table(SHIPMENT, [new.header], [] if header is None else [header])
        for table, rows in new.parts.items():
            writes.table(table, rows, stored[table])
        return writes
    whole = Age.NEWER if header is None else _age(new.header, header)
    if whole is Age.OLDER:
        writes.older.append("header")
    else:
        writes.table(ORDER, [new.header], [] if header is None else [header])
    _judge_lines(writes, new, stored, event_id, whole)
    return writes


def _judge_lines(
    writes: Writes, new: SubjectRows, stored: Mapping[str, list[Row]], event_id: str, whole: Age
) -> None:
    known = {row["line_key"]: row for row in stored[LINE]}
    came = {row["line_key"]: row for row in new.parts[LINE]}
    kept = {
        key
        for key, row in came.items()
        if (old := known.get(key)) is not None and age(_mark(row), _mark(old)) is Age.OLDER
    }
    kept |= _former_names(came, known, whole)
    writes.older += [f"line {key}" for key in sorted(map(str, kept))]
    renamed = _renamed(came, known, whole)
    if whole is Age.OLDER:
        kept = kept | {NO_LINE}
    taken = came.keys() - kept

    writes.table(
        LINE,
        [row for key, row in came.items() if key in taken or key in known],
        stored[LINE],
        writes=lambda row, _: row["line_key"] in taken,
        removes=lambda row: row["line_key"] in renamed,
    )
    for table, rows in new.parts.items():
        if table == LINE:
            continue
        writes.table(
            table,
            # A document is always news; deliveries and prices go with their line.
            [
                row
                for row in rows
                if row["line_key"] in taken or (table == DOCUMENT and row["line_key"] in {NO_LINE, *known})
            ],
            stored[table],
            writes=lambda row, old, of=table: (  # type: ignore[misc]
                row["line_key"] not in kept and (of != DOCUMENT or str(old.get("event_id") or "") <= event_id)
            ),
            removes=lambda row, of=table: (  # type: ignore[misc]
                row["line_key"] in renamed or (of != DOCUMENT and row["line_key"] in taken)
            ),
        )


def _renamed(came: Mapping[Cell, Row], known: Mapping[Cell, Row], whole: Age) -> set[Cell]:
    """Lines without a position that a state knows by their position now, or by another id.

    A newer state does if it does not name them any more. Where the header does not tell which state is newer, a
    line that the tables do not know yet tells it, or its id.
    """
    if whole is Age.OLDER:
        return set()
    more = whole is Age.NEWER or bool(came.keys() - known.keys())
    ids = {row["line_id"] for row in came.values() if row["position"] is not None}
    return {
        key
        for key, old in known.items()
        if key not in came and old["position"] is None and (more or (old["line_id"] or NO_LINE) in ids)
    }


def _former_names(came: Mapping[Cell, Row], known: Mapping[Cell, Row], whole: Age) -> set[Cell]:
    """Lines without a position that an older state names, and that the tables know by their position already.

    Where the header does not tell that it is older, the line with the position, which it does not name, tells it.
    """
    if whole is Age.NEWER:
        return set()
    later = [row for key, row in known.items() if key not in came and row["position"] is not None]
    kin = {(name, row[name]) for row in later for name in ("line_id", "original_position") if row[name] is not None}
    return {
        key
        for key, row in came.items()
        if key not in known
        and row["position"] is None
        and (whole is Age.OLDER or any((name, row[name]) in kin for name in ("line_id", "original_position")))
    }


def _is_older(new: Row, old: Row) -> bool:
    return _age(new, old) is Age.OLDER


def _age(new: Row, old: Row) -> Age:
    return judge(_mark(new), str(new["data"]), _mark(old), str(old["data"]))


def _mark(row: Row) -> Mark:
    at, version = row["last_updated_at"], row.get("version")
    return Mark(str(at) if at is not None else None, f"{version:f}" if version is not None else None)
