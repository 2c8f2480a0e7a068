"""Databases for the destination `sql`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.erp.postgresql_server import PostgresqlServer, binaries


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresqlServer]:
    """A running server; a test that stops it starts it again."""
    folder = binaries()
    if folder is None:
        pytest.skip("PostgreSQL is not installed here (apt-get install postgresql), so nothing is known of it")
    server = PostgresqlServer(folder)
    try:
        server.start()
        yield server
    finally:
        server.remove()
