"""Asking the database of a target itself, whether it is a file of SQLite or on a PostgreSQL server.

The service's own reader says the same, which a test holds, but its libraries take longer to load than the suite
should wait at each of many questions.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from tools.target.errors import TargetError

#: The beginning of an address in the settings of the service.
POSTGRESQL = "postgresql+psycopg://"

Row = dict[str, Any]


def rows(inbox: Path | str, query: str, *parameters: str) -> list[Row]:
    """What a question with `?` for each parameter finds; `inbox` is a file or the address of a database.

    Three things are called differently on a server, and stand in the question as SQLite knows them:
    `instr(body, CAST(? AS BLOB))` and `json_extract(refusal, '$.status')`.

    Raises:
        TargetError: the inbox cannot be read.
    """
    return _of_file(inbox, query, parameters) if isinstance(inbox, Path) else _of_server(inbox, query, parameters)


def libpq(address: str) -> str:
    """The address as the server's own library takes it."""
    return address.replace(POSTGRESQL, "postgresql://", 1)


def _of_file(inbox: Path, query: str, parameters: tuple[str, ...]) -> list[Row]:
    try:
        with closing(sqlite3.connect(f"{inbox.absolute().as_uri()}?mode=rw", uri=True)) as connection:
            connection.execute("PRAGMA query_only=ON")
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(query, parameters)]
    except sqlite3.Error as error:
        raise TargetError(f"cannot read {inbox}: {error}") from error


def _of_server(address: str, query: str, parameters: tuple[str, ...]) -> list[Row]:
    import psycopg  # whose inbox is a file has no use for it
    from psycopg.rows import dict_row

    query = query.replace("instr(body, CAST(? AS BLOB))", "position(convert_to(?, 'UTF8') IN body) > 0")
    query = query.replace("json_extract(refusal, '$.status')", "(refusal::json ->> 'status')::int")
    try:
        with psycopg.connect(libpq(address), connect_timeout=5, row_factory=dict_row) as connection:
            connection.read_only = True
            return connection.execute(query.replace("?", "%s").encode(), parameters).fetchall()
    except psycopg.Error as error:
        raise TargetError(f"cannot read the inbox on the server: {type(error).__name__}") from error


def emptied(address: str) -> None:
    """Remove all tables of a database, which has to be one for tests.

    Raises:
        TargetError: the server does not do it, or the database holds something else than an inbox.
    """
    import psycopg

    try:
        with psycopg.connect(libpq(address), connect_timeout=5) as connection:
            named = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
            tables = {str(name) for (name,) in named}
            if tables and not {"event", "event_body", "alembic_version"} <= tables:
                raise TargetError("the database holds something else than an inbox; name an empty one")
            if tables:
                connection.execute("DROP SCHEMA public CASCADE")
                connection.execute("CREATE SCHEMA public")
    except psycopg.Error as error:
        raise TargetError(f"cannot empty the database: {error}".splitlines()[0]) from error
