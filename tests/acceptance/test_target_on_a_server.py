"""The target of the conformance suite with its inbox on PostgreSQL: what the states and the observer make of it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.running import ORDER, free_port
from tests.acceptance.test_target import Target, order
from tests.postgresql import Databases, connection_to, databases


@pytest.fixture(scope="module")
def servers() -> Iterator[Databases]:
    with databases() as made:
        yield made


@pytest.fixture
def target(servers: Databases, tmp_path: Path) -> Iterator[Target]:
    database = servers.new()
    options = ("--inbox-url", database.url, "--second-port", str(free_port()))
    running = Target(tmp_path / "target", "http://localhost:9", *options).start()
    yield running
    running.command("stop")
    servers.drop(database)


def test_states_and_observer_know_an_inbox_on_a_server(target: Target) -> None:
    number = f"PO-{uuid.uuid4()}"
    sent = order(number)
    assert target.post(ORDER, sent).status_code == 202
    assert target.post(ORDER, sent, port=int(target.options[-1])).json()["duplicate"] is True
    (handled,) = target.handled(number, 1)
    assert handled["outcome"].startswith("taken by the ERP")
    (stored,) = target.effects(number)
    assert (stored["state"], stored["deliveries"]) == ("done", 2)
    assert target.post(ORDER, b'{"eventName": 1, "no": "%s"}' % number.encode()).status_code == 400
    assert len(target.effects(number, "--quarantined")) == 1
    assert number in target.command("order", "--order", number).stdout

    target.command("store-down", "on")
    assert target.post(ORDER, order(f"PO-{uuid.uuid4()}")).status_code == 503
    target.command("store-down", "off")
    assert target.post(ORDER, order(f"PO-{uuid.uuid4()}")).status_code == 202
    target.command("kill")
    assert target.post(ORDER, sent).json()["duplicate"] is True


def test_database_that_holds_something_else_is_not_emptied(servers: Databases, tmp_path: Path) -> None:
    database = servers.new()
    with connection_to(database) as connection:
        connection.execute("CREATE TABLE precious (id INTEGER)")
    refused = Target(tmp_path / "target", "http://localhost:9", "--inbox-url", database.url)
    done = refused.command("start", *refused.places, check=False)
    assert done.returncode == 1
    assert "holds something else than an inbox" in done.stderr
    with connection_to(database) as connection:
        connection.execute("SELECT * FROM precious")
    servers.drop(database)
