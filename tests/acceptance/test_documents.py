"""Documents from the event to the file, with the service and the commands as an operator has them."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.running import ORDER, RunningService
from tests.integration.documents.standing_in import METADATA, Portal, metadata, sends
from tests.integration.erp.recipient import Reply

CONTENT = b"%PDF-1.7 drawing"


@pytest.fixture
def portal() -> Iterator[Portal]:
    """The platform."""
    with Portal(content=CONTENT) as portal:
        yield portal


@pytest.fixture
def service(tmp_path: Path, portal: Portal) -> Iterator[RunningService]:
    """A service that fetches documents and writes events into a folder."""
    (tmp_path / "drop").mkdir()
    (tmp_path / "platform-password.txt").write_text("s3cret-of-the-platform\n")
    extra = (
        '[destinations.files]\ntype = "folder"\npath = "drop"\ndocuments_file = true\n'
        f'[documents]\nurl = "{portal.url}/v2"\nusername = "me"\npassword_file = "platform-password.txt"\n'
        "retry_first = 0.05\nretry_max = 0.1\n"
    )
    running = RunningService(tmp_path, extra=extra)
    running.start()
    yield running
    running.kill()


def with_document(number: str = "PO1", **members: Any) -> bytes:
    """An event that names one."""
    document = {"code": "1", "name": "Drawing", "objectId": "o-1", **members}
    return json.dumps(
        {
            "eventName": "OrderDocumentsAttachedBySupplier",
            "orderDocumentsEvent": {
                "orderId": f"company-{number}",
                "buyerOrder": {"companyId": "company", "purchaseOrderNumber": number},
                "lines": [{"buyerLine": {"position": "10"}, "supplierLine": {"documents": [document]}}],
            },
        }
    ).encode()


def post(service: RunningService, body: bytes) -> str:
    """Id of the accepted event."""
    response = service.post(ORDER, body)
    assert response.status_code == 202
    event_id: str = response.json()["eventId"]
    return event_id


def workers_of(service: RunningService) -> list[int]:
    """Processes that the receiver started."""
    assert service.process is not None
    pid = service.process.pid
    found = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    assert found
    return found


def listed(service: RunningService, *arguments: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(service.webhooks("documents", "list", "--json", *arguments).stdout)
    return found


def test_document_lies_on_disk_and_the_folder_destination_says_where(
    service: RunningService, portal: Portal
) -> None:
    event_id = post(service, with_document())
    service.wait_for_state(event_id, "done")
    (beside,) = (service.folder / "drop").glob("*.documents.json")
    (told,) = json.loads(beside.read_text())
    path = Path(told["path"])
    assert path.is_relative_to(service.folder / "data" / "documents")
    assert path.read_bytes() == CONTENT
    assert told["sha256"] == hashlib.sha256(CONTENT).hexdigest()
    (row,) = listed(service, "--event", event_id)
    assert (row["id"], row["state"], row["path"]) == (f"{event_id}.1", "stored", told["path"])
    text = service.webhooks("documents", "list", "--purchase-order", "PO1").stdout.decode()
    assert f"    supplierLine of line 10\n    {path}\n" in text
    assert listed(service, "--state", "missing") == []
    assert "s3cret" not in service.log.read_text()


def test_given_up_document_is_fetched_when_asked_for_and_the_order_is_not_sent_again(
    service: RunningService, portal: Portal
) -> None:
    there, portal.replies[METADATA] = portal.replies[METADATA], [metadata(f"{portal.url}/x", "virus.exe")]
    event_id = post(service, with_document())
    service.wait_for_state(event_id, "done")
    (row,) = listed(service, "--state", "refused")
    assert "blocked_extensions" in row["reason"]
    portal.replies[METADATA] = there
    result = service.webhooks("documents", "fetch", f"{event_id}.1", "--reason", "renamed by the supplier")
    assert b"fetched again" in result.stdout
    deadline = time.monotonic() + 30
    while listed(service, "--event", event_id)[0]["state"] != "stored":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    event = service.wait_for_state(event_id, "done")
    assert sum(one["destination"] == "files" for one in event["handovers"]) == 1
    again = service.webhooks("documents", "fetch", event_id, check=False)
    assert again.returncode == 4
    assert b"names no document without a file" in again.stdout
    assert service.webhooks("documents", "fetch", "--state", "missing", check=False).returncode == 3
    assert service.webhooks("documents", "fetch", check=False).returncode == 2


def test_kill_while_a_document_is_fetched_loses_neither_the_event_nor_the_document(
    service: RunningService, portal: Portal
) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 200_000
    portal.replies["/files/o-1"] = [Reply(act=sends(head, then="drip", pause=0.05)), Reply(200, CONTENT)]
    event_id = post(service, with_document())
    location = service.folder / "data" / "documents"
    deadline = time.monotonic() + 60
    while not any(file.stat().st_size > 60_000 for file in location.glob(".incoming/*.part")):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    for worker in workers_of(service):
        os.kill(worker, signal.SIGKILL)
    service.kill()
    assert list(location.glob("[!.]*")) == []
    assert list((service.folder / "drop").iterdir()) == []
    service.start()
    event = service.wait_for_state(event_id, "done")
    first, *_ = event["handovers"]
    assert [one["outcome"] for one in first["attempts"]] == ["interrupted", "accepted"]
    (row,) = listed(service)
    assert Path(row["path"]).read_bytes() == CONTENT
    assert len(list((service.folder / "drop").glob("*.documents.json"))) == 1
