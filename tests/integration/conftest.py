"""What several of these tests are set up with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from service.inbox.place import Place
from tests.integration.working import Build, House
from tests.postgresql import Databases, databases


@pytest.fixture(scope="session")
def servers() -> Iterator[Databases]:
    """Databases on one PostgreSQL server for all tests of this process."""
    with databases() as made:
        yield made


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
