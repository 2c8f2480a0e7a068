"""Two workers on one PostgreSQL server fetch from the sandbox's platform, which takes ten calls a second."""

from __future__ import annotations

import json
import os
import subprocess
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from sandbox.platform.logins import PASSWORD, USERNAME
from sandbox.platform.platform import Platform
from service.inbox.place import DatabaseServer
from service.inbox.postgresql import lock_number
from tests.acceptance.running import COMMAND, ORDER, RunningService
from tests.lifecycle.sending import waited_for
from tests.postgresql import databases, rows

DOCUMENTS = 30


@pytest.fixture
def server() -> Iterator[DatabaseServer]:
    with databases() as made:
        one = made.new()
        yield one
        made.drop(one)


@pytest.fixture
def platform() -> Iterator[Platform]:
    with Platform(basic_seconds=0) as running:
        yield running


@pytest.fixture
def service(server: DatabaseServer, platform: Platform, tmp_path: Path) -> Iterator[RunningService]:
    """Its receiver runs no worker."""
    extra = f"""
[inbox]
url = "{server.url}"
[worker]
enabled = false
[documents]
url = "{platform.base}"
username = "{USERNAME}"
password = "{PASSWORD}"
allow_http = true
allow_private = true
retry_first = 0.2
timeout = 60
"""
    running = RunningService(tmp_path, extra=extra, https=False).start()
    running.place = server
    yield running
    running.kill()


@pytest.fixture
def workers(service: RunningService) -> Iterator[list[subprocess.Popen[bytes]]]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("WEBHOOKS_")}
    command = [str(COMMAND), "work", "--config", str(service.config)]
    with service.log.open("ab") as log:
        running = [subprocess.Popen(command, env=environment, stdout=log, stderr=log) for _ in range(2)]
    service.wait_for_log("action=worker_started", len(running))
    yield running
    for worker in running:
        worker.kill()
        worker.wait(10)


def event(platform: Platform, number: int) -> bytes:
    """About an order of its own, with one document."""
    object_id = str(uuid.uuid4())
    platform.store.put_document(object_id, f"manual-{number}.pdf", "application/pdf", b"%PDF-1.7 content")
    order = {"orderId": f"company-PO{number}", "documents": [{"objectId": object_id, "name": f"Manual {number}"}]}
    body = {
        "eventName": "OrderDocumentsAttachedBySupplier",
        "orderDocumentsEvent": order,
        "meta": {"messageId": str(uuid.uuid4())},
    }
    return json.dumps(body).encode()


@pytest.mark.usefixtures("workers")
def test_workers_that_share_an_inbox_together_keep_to_ten_calls_a_second(
    service: RunningService, platform: Platform, server: DatabaseServer
) -> None:
    ids = [service.post(ORDER, event(platform, number)).json()["eventId"] for number in range(DOCUMENTS)]
    for event_id in ids:
        service.wait_for_state(event_id, "done")
    counted = Counter(platform.state()["counted"])
    assert counted["logins"] == 2, "one of the workers fetched nothing"
    assert counted["calls"] == DOCUMENTS + 2
    assert counted["too_many"] == 0
    documents = rows(server, "SELECT state, reason FROM document")
    assert Counter((row["state"], row["reason"]) for row in documents) == {("stored", None): DOCUMENTS}


@pytest.mark.usefixtures("workers")
def test_worker_waits_for_the_turn_of_another_one_and_goes_on_when_that_one_dies(
    service: RunningService, platform: Platform, server: DatabaseServer
) -> None:
    with psycopg.connect(server.url.replace("+psycopg", "", 1), autocommit=True) as dying:
        dying.execute("SELECT pg_advisory_lock(%s)", [lock_number("platform call")])
        answer = service.post(ORDER, event(platform, 1))
        waiting = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        assert waited_for(lambda: bool(rows(server, waiting)), 20)
        assert "calls" not in platform.state()["counted"]
    service.wait_for_state(answer.json()["eventId"], "done")
