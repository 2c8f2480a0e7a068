"""What several of these tests are set up with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.working import Build, House


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Build]:
    """Makes an inbox with a worker; at the end it is closed, and every transition of a state looked at."""
    built: list[House] = []

    def build(**parts: Any) -> House:
        built.append(House(tmp_path, **parts))
        return built[-1]

    yield build
    for one in built:
        one.close()
