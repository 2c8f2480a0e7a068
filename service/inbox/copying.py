"""Moves an inbox from its file to a PostgreSQL server, and looks whether all of it arrived.

One transaction at the target: an interruption leaves it empty. Nobody else may use the file meanwhile.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Connection,
    Integer,
    MetaData,
    Table,
    Text,
    create_engine,
    func,
    insert,
    select,
    text,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import StaticPool

from service.inbox.interface import InboxUnavailableError
from service.inbox.place import DatabaseServer
from service.inbox.postgresql import NUL_PICTURE, indexed, open_server, session_engine, unavailable
from service.inbox.reader import open_for_reading
from service.inbox.schema import metadata

#: Rows that go over in one statement, and the bytes after which a statement goes earlier.
ROWS, BYTES = 500, 8 * 1024 * 1024

#: Alone in its rows whatever happens: the readiness check writes it anew.
_NOT_COPIED = ("trial",)

#: Columns that have an index and come from a sender, who may make them long.
_IDS = ("message_id", "subject_id", "purchase_order_number")


@dataclass(frozen=True, slots=True)
class Copied:
    """One table that is at the target as it is at the source."""

    table: str
    rows: int
    digest: str
    """SHA-256 of all rows in their order, the same on both sides."""


def copy(source: Path, target: DatabaseServer, on_table: Callable[[str], None] = lambda _: None) -> list[Copied]:
    """Copy everything, then read it back and compare; `on_table` is told each table as it begins.

    Raises:
        InboxUnavailableError: nothing was copied; the text says why and what to do.
    """
    engine = session_engine(target, lock_seconds=10.0, statement_seconds=86_400.0)
    open_for_reading(source).dispose()  # it is an inbox, with the present tables
    open_server(target, engine)
    try:
        with alone(source) as before, engine.begin() as after:
            # It stands still while the file is read, for however long that takes.
            after.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
            _require_empty(after, target)
            copied = []
            for table in _tables():
                on_table(table.name)
                _copy_table(table, before, after)
            for table in _tables():
                on_table(f"{table.name}, compared")
                copied.append(_compared(table, before, after))
            _set_counters(after)
            return copied
    except DBAPIError as error:
        raise unavailable(error, "be copied") from error
    finally:
        engine.dispose()


@contextmanager
def alone(source: Path) -> Iterator[Connection]:
    """A connection to the file that nobody else can open until it is left.

    Raises:
        InboxUnavailableError: somebody has it open.
    """
    with closing(sqlite3.connect(source, isolation_level=None, timeout=0.0, check_same_thread=False)) as only:
        try:
            only.execute("PRAGMA locking_mode=EXCLUSIVE")
            only.execute("BEGIN EXCLUSIVE")
            only.execute("ROLLBACK")
        except sqlite3.OperationalError as error:
            raise InboxUnavailableError(
                f"{source} is in use; stop `webhooks serve` and `webhooks work` first, so that nothing comes after "
                "the copy"
            ) from error
        engine = create_engine("sqlite://", creator=lambda: only, poolclass=StaticPool, hide_parameters=True)
        with engine.connect() as connection:
            yield connection


def _tables() -> list[Table]:
    """In the order of their references. What is JSON goes over as the text that it is, with every digit."""
    return [
        Table(
            table.name,
            MetaData(),
            *(
                Column(
                    column.name,
                    Text if isinstance(column.type, JSON) else column.type,
                    primary_key=column.primary_key,
                )
                for column in table.columns
            ),
        )
        for table in metadata.sorted_tables
        if table.name not in _NOT_COPIED
    ]


def _require_empty(connection: Connection, target: DatabaseServer) -> None:
    # Until all is there nobody else writes: a receiver that is on the target too early answers 503.
    names = ", ".join(f'"{table.name}"' for table in _tables())
    connection.execute(text(f"LOCK TABLE {names} IN EXCLUSIVE MODE"))
    for table in _tables():
        if connection.execute(select(text("1")).select_from(table).limit(1)).first() is not None:
            raise InboxUnavailableError(
                f"{target} is in use: its table {table.name} holds something; name an empty database"
            )


def _rows(table: Table, connection: Connection) -> Iterator[dict[str, Any]]:
    query = select(table).order_by(*table.primary_key.columns)
    with connection.execute(query.execution_options(stream_results=True, yield_per=ROWS)) as result:
        for row in result.mappings():
            yield dict(row)


def _copy_table(table: Table, before: Connection, after: Connection) -> None:
    some: list[dict[str, Any]] = []
    size = 0
    for row in _rows(table, before):
        some.append({name: _at_target(name, value) for name, value in row.items()})
        size += sum(len(value) for value in row.values() if isinstance(value, bytes | str))
        if len(some) == ROWS or size > BYTES:
            after.execute(insert(table), some)
            some, size = [], 0
    if some:
        after.execute(insert(table), some)


def _compared(table: Table, before: Connection, after: Connection) -> Copied:
    (rows, digest), there = _digest(_rows(table, before)), _digest(_rows(table, after))
    if (rows, digest) != there:
        raise InboxUnavailableError(f"the table {table.name} did not arrive as it was; nothing was copied")
    return Copied(table.name, rows, digest)


def _digest(rows: Iterator[dict[str, Any]]) -> tuple[int, str]:
    digest, count = hashlib.sha256(), 0
    for row in rows:
        count += 1
        for name, value in row.items():
            data = value if isinstance(value, bytes) else json.dumps(_at_target(name, value)).encode()
            digest.update(f"{name}:{len(data)}:".encode() + data)
    return count, digest.hexdigest()


def _at_target(name: str, value: Any) -> Any:
    """What stands there instead."""
    if not isinstance(value, str):
        return value
    if name in _IDS:
        return indexed(value)
    if name == "key":  # of an event or handover: endpoint and id
        endpoint, colon, subject_id = value.partition(":")
        return f"{endpoint}{colon}{indexed(subject_id)}"
    return value.replace("\0", NUL_PICTURE)


def _set_counters(connection: Connection) -> None:
    """What is stored next gets numbers after those that were copied."""
    for table in _tables():
        column = next(iter(table.primary_key.columns))
        if not isinstance(column.type, BigInteger | Integer):
            continue
        highest = connection.execute(select(func.max(column))).scalar()
        if highest is not None:
            connection.execute(
                text("SELECT setval(pg_get_serial_sequence(:table, :column), :highest)"),
                {"table": table.name, "column": column.name, "highest": highest},
            )


def total(copied: Sequence[Copied]) -> int:
    """Rows of all tables."""
    return sum(one.rows for one in copied)
