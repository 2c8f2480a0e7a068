"""`python -m tools.target.lock_holder DATABASE`: holds the write lock of an SQLite database until it is ended."""

from __future__ import annotations

import signal
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

#: The service itself may be writing.
WAIT_SECONDS = 10.0


def main() -> None:
    """Entry point; says `held` once it has the lock. SIGTERM ends the process and with it the lock."""
    uri = f"{Path(sys.argv[1]).absolute().as_uri()}?mode=rw"  # never makes a database
    with closing(sqlite3.connect(uri, uri=True, isolation_level=None, timeout=WAIT_SECONDS)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        print("held", flush=True)
        signal.pause()


if __name__ == "__main__":
    main()
