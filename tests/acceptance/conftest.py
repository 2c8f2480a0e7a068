"""Fixtures of the acceptance tests."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.changing import attention
from tests.acceptance.running import RunningService


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service that the tests of one module share."""
    running = RunningService(tmp_path_factory.mktemp("service"))
    running.start()
    yield running
    running.kill()


@pytest.fixture
def own_service(tmp_path: Path) -> Iterator[RunningService]:
    """A service of the test's own, not yet started."""
    running = RunningService(tmp_path)
    yield running
    running.kill()


@pytest.fixture
def running(service: RunningService) -> RunningService:
    """The service that the tests of one module share, its log emptied; each test leaves good files behind."""
    assert attention(service) == []
    time.sleep(0.5)  # for the lines that still wait to be written
    os.truncate(service.log, 0)
    return service
