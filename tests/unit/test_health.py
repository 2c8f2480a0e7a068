"""Who is told more than yes or no by /health/ready."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from service.app import open_inbox
from service.body import Memory
from service.health import Health
from service.maintenance import Maintenance
from service.reception import Admission
from service.settings import load

DETAILS = {"attention": ["something"], "certificateValidUntil": "2027-01-31T23:59:59Z"}


def ready(folder: Path, client: tuple[str, int] | None, server: str = "10.9.9.9") -> dict[str, object]:
    """The answer to this client while maintenance is on, which needs no started inbox."""
    config = folder / "webhooks.toml"
    config.touch()
    inbox = open_inbox(load(config, environ={}))
    maintenance = Maintenance(folder)
    maintenance.switch(on=True)
    health = Health(inbox, Admission(Memory(1), 1), maintenance, lambda: DETAILS)
    answer = asyncio.run(health.ready({"client": client, "server": (server, 8443)}))
    assert answer.status == 503
    body: dict[str, object] = json.loads(answer.body)
    return body


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
def test_this_machine_is_told_details(tmp_path: Path, address: str) -> None:
    expected = {"status": "not ready", "reason": "maintenance", **DETAILS}
    assert ready(tmp_path, (address, 50000)) == expected


def test_this_machine_is_told_details_by_its_address_in_the_network_too(tmp_path: Path) -> None:
    assert ready(tmp_path, ("192.0.2.7", 50000), server="192.0.2.7")["attention"] == DETAILS["attention"]


@pytest.mark.parametrize("address", ["10.0.0.5", "192.0.2.1", "::ffff:10.0.0.5", "2001:db8::1", "0.0.0.0"])
def test_another_machine_is_not_told_details(tmp_path: Path, address: str) -> None:
    assert ready(tmp_path, (address, 50000)) == {"status": "not ready", "reason": "maintenance"}


def test_client_without_an_address_is_not_told_details(tmp_path: Path) -> None:
    assert ready(tmp_path, None) == {"status": "not ready", "reason": "maintenance"}
