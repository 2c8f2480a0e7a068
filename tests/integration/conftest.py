"""What several of these tests are set up with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from service.inbox.place import DatabaseServer, Place
from tests.integration.working import Build, House
from tests.postgresql import Databases, databases


@pytest.fixture(scope="session")
def servers() -> Iterator[Databases]:
    """Databases on one PostgreSQL server for all tests of this process."""
    with databases() as made:
        yield made


@pytest.fixture
def server(servers: Databases) -> Iterator[DatabaseServer]:
    """An empty database; modules with another kind of server have a fixture of their own."""
    made = servers.new()
    yield made
    servers.drop(made)


#: For tests that are about the file of SQLite.
SQLITE = pytest.mark.parametrize("place", ["sqlite"], indirect=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Where an inbox is to be: each of these tests runs on both stores."""
    if request.param == "sqlite":
        yield tmp_path / "inbox.db"
        return
    made: Databases = request.getfixturevalue("servers")
    server = made.new()
    yield server
    made.drop(server)


@pytest.fixture
def house(tmp_path: Path, place: Place) -> Iterator[Build]:
    """Makes an inbox with a worker; at the end it is closed, and every transition of a state looked at."""
    built: list[House] = []

    def build(**parts: Any) -> House:
        built.append(House(tmp_path, place, **parts))
        return built[-1]

    yield build
    for one in built:
        one.close()
