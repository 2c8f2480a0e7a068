"""Past the service, into either store."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

from service.inbox.place import DatabaseServer, Place
from tests import postgresql


def execute(place: Place, statement: str, *values: Any) -> list[dict[str, Any]]:
    """Carry out a statement with `?` for values; the rows that come of it."""
    if isinstance(place, DatabaseServer):
        return postgresql.rows(place, statement, *values)
    with closing(sqlite3.connect(place, timeout=10.0)) as connection, connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(statement, values)]
