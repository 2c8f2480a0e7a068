"""Where an inbox is: a file of SQLite on this machine, or a database on a PostgreSQL server."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from sqlalchemy import make_url

#: The beginning of an address, as the settings have it.
POSTGRESQL = "postgresql+psycopg://"


@dataclass(frozen=True, slots=True)
class DatabaseServer:
    """A database on a PostgreSQL server, shared by several receivers and workers."""

    url: str = field(repr=False)
    """`postgresql+psycopg://user:password@host:port/database`; parameters of libpq may follow after `?`."""

    def __str__(self) -> str:
        """Without what lets somebody in."""
        url = make_url(self.url)
        hosts = url.host or url.query.get("host") or "localhost"
        where = hosts if isinstance(hosts, str) else ",".join(hosts)
        return f"{POSTGRESQL}{where}{f':{url.port}' if url.port else ''}/{url.database}"


Place: TypeAlias = Path | DatabaseServer

_NO_ADDRESS = "is no address; a password with special characters must be URL-encoded"


def trouble_of(url: str) -> str | None:
    """What is wrong with the address of a server, without showing it; None if nothing is."""
    try:
        parsed = make_url(url)
    except Exception:  # whatever the library says may show the password
        return _NO_ADDRESS
    # Of an `@` in a password the rest would be the host or the database, and be shown as such.
    if "@" in f"{parsed.host}{parsed.database}" or any(
        "@" in value for value in parsed.normalized_query.get("host", ())
    ):
        return _NO_ADDRESS
    if not parsed.database:
        return "names no database"
    return None
