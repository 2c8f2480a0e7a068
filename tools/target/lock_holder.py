"""`python -m tools.target.lock_holder DATABASE`: keeps everybody from writing to an inbox until it is ended."""

from __future__ import annotations

import signal
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from tools.target.store import POSTGRESQL, libpq

#: The service itself may be writing.
WAIT_SECONDS = 10.0


def main() -> None:
    """Entry point; says `held` once it has the lock. SIGTERM ends the process and with it the lock."""
    place = sys.argv[1]
    if place.startswith(POSTGRESQL):
        _hold_server(place)
    else:
        _hold_file(Path(place))


def _hold_file(path: Path) -> None:
    uri = f"{path.absolute().as_uri()}?mode=rw"  # never makes a database
    with closing(sqlite3.connect(uri, uri=True, isolation_level=None, timeout=WAIT_SECONDS)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        _until_ended()


def _hold_server(address: str) -> None:
    import psycopg  # whose inbox is a file has no use for it
    from psycopg import sql

    with psycopg.connect(libpq(address)) as connection:
        connection.execute(f"SET lock_timeout = '{WAIT_SECONDS:.0f}s'".encode())
        named = connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
        ).fetchall()
        tables = sql.SQL(", ").join(sql.Identifier(str(name)) for (name,) in named)
        # Reading is possible, as with SQLite.
        connection.execute(sql.SQL("LOCK TABLE {} IN EXCLUSIVE MODE").format(tables))
        _until_ended()


def _until_ended() -> None:
    print("held", flush=True)
    signal.pause()


if __name__ == "__main__":
    main()
