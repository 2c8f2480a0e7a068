"""The service hands events over to the sandbox's small ERP, through its troubles."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.erp import Erp
from tests.acceptance.running import ORDER, RunningService, body


@pytest.fixture
def erp() -> Iterator[Erp]:
    with Erp() as running:
        yield running


@pytest.fixture
def service(erp: Erp, tmp_path: Path) -> Iterator[RunningService]:
    extra = f"""
[destinations.erp]
type = "http"
url = "{erp.url}"
retry_first = 0.2
"""
    running = RunningService(tmp_path, extra=extra).start()
    yield running
    running.kill()


def test_event_reaches_the_erp_after_its_outage_and_is_booked_once(service: RunningService, erp: Erp) -> None:
    erp.go_down("lost-answer")
    sent = body(meta={"messageId": str(uuid.uuid4())})
    event_id = service.post(ORDER, sent).json()["eventId"]
    service.wait_for_state(event_id, "waiting")
    erp.come_up()
    service.wait_for_state(event_id, "done")
    (booked,) = erp.events()
    assert (booked.event_id, booked.endpoint, booked.event_name) == (event_id, "order", "OrderResentByBuyer")
    assert b"NH-2026-00417" in booked.body
    assert erp.state()["repeated"] >= 1
    assert erp.state()["conflicts"] == 0
