"""`processing.mode` inline, over real HTTPS, with a real HTTP server for an ERP: the answer is what that said."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.acceptance.running import ORDER, SHIPMENT, RunningService, example, free_port

SETTINGS = """
[processing.mode]
order = "inline"
shipment = "inline"
[processing]
inline_takeover = 4.0
[destinations.erp]
type = "http"
url = "http://127.0.0.1:{port}/orders"
endpoints = ["order"]
inline = true
timeout = 1.0
retry_first = 0.2
[destinations.own]
type = "python"
class = "own_erp:Own"
endpoints = ["shipment"]
inline = true
"""

#: A class of an integrator's own, with a fault.
OWN_CLASS = """
from handlers.interface import Accepted

class Own:
    def deliver(self, event, merged, changes, body):
        if merged["shipment"]["supplierShipment"]["shipmentNumber"] == "FAULT":
            raise KeyError("no such column")
        return Accepted()
"""


class Erp(ThreadingHTTPServer):
    """Answers by what the test says of an order: a status, or seconds of silence."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Request)
        self.says: dict[str, int] = {}
        self.hangs: dict[str, float] = {}
        self.keys: dict[str, list[str]] = {}
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def end(self) -> None:
        """Connections are refused from now on."""
        self.shutdown()
        self.server_close()


class _Request(BaseHTTPRequestHandler):
    server: Erp

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        number = body["orderEvent"]["buyerOrder"]["purchaseOrderNumber"]
        self.server.keys.setdefault(number, []).append(self.headers["Idempotency-Key"])
        time.sleep(self.server.hangs.get(number, 0.0))
        answer = b"says the ERP"
        self.send_response(self.server.says.get(number, 200))
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Not into the output of the tests."""


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def inline(tmp_path_factory: pytest.TempPathFactory, port: int) -> Iterator[RunningService]:
    folder = tmp_path_factory.mktemp("inline")
    (folder / "own_erp.py").write_text(OWN_CLASS, encoding="utf-8")
    running = RunningService(folder, extra=SETTINGS.replace("{port}", str(port)))
    running.start()
    yield running
    running.kill()


@pytest.fixture
def erp(port: int) -> Iterator[Erp]:
    running = Erp(port)
    yield running
    running.end()


def order(number: str, version: int = 1) -> dict[str, Any]:
    """An event of an order of its own."""
    event: dict[str, Any] = json.loads(example("order-issued"))
    payload = event["orderEvent"]
    payload["orderId"] = f"cb0cef0b-6538-4828-b45e-5ad8ea69b5cd-{number}"
    payload["buyerOrder"]["purchaseOrderNumber"] = number
    payload["version"] = version
    moment = f"2026-11-25T10:00:{version:02d}.000Z"
    payload["lastUpdatedAt"] = moment
    for line in payload["lines"]:
        line["lastUpdatedAt"] = moment
    event["meta"]["messageId"] = str(uuid.uuid4())
    return event


def send(service: RunningService, event: dict[str, Any], path: str = ORDER) -> requests.Response:
    return service.post(path, json.dumps(event))


def problem(response: requests.Response, status: int, slug: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    details: dict[str, Any] = response.json()
    assert details["type"] == f"urn:tradecloud-webhooks:problem:{slug}"
    assert ("Retry-After" in response.headers) == (status >= 501)
    return details


def test_event_that_the_erp_takes_is_200_and_done(inline: RunningService, erp: Erp) -> None:
    response = send(inline, order("TAKEN"))
    assert response.status_code == 200
    answer = response.json()
    assert (answer["status"], answer["duplicate"]) == ("processed", False)
    assert inline.event(answer["eventId"])["state"] == "done"
    assert len(erp.keys["TAKEN"]) == 1


def test_repetition_of_what_is_done_is_200_without_a_second_handover(inline: RunningService, erp: Erp) -> None:
    event = order("TWICE")
    first, second = send(inline, event), send(inline, event)
    assert (first.status_code, second.status_code) == (200, 200)
    assert second.json() == first.json() | {"duplicate": True}
    assert len(erp.keys["TWICE"]) == 1


def test_refused_event_is_400_with_the_reason_and_dead(inline: RunningService, erp: Erp) -> None:
    erp.says["REFUSED"] = 422
    details = problem(send(inline, order("REFUSED")), 400, "event-refused")
    assert "says the ERP" in details["detail"]
    assert inline.event(details["eventId"])["state"] == "dead"


def test_refused_event_does_not_hold_the_next_one_of_its_order(inline: RunningService, erp: Erp) -> None:
    erp.says["FIRST-REFUSED"] = 422
    problem(send(inline, order("FIRST-REFUSED")), 400, "event-refused")
    erp.says.clear()
    assert send(inline, order("FIRST-REFUSED", version=2)).status_code == 200


def test_order_that_the_erp_does_not_know_is_404(inline: RunningService, erp: Erp) -> None:
    erp.says["UNKNOWN"] = 404
    details = problem(send(inline, order("UNKNOWN")), 404, "order-unknown")
    assert inline.event(details["eventId"])["state"] == "dead"


def test_erp_that_is_down_is_502_and_the_repetition_is_the_same_handover(inline: RunningService, port: int) -> None:
    event = order("DOWN")
    details = problem(send(inline, event), 502, "destination-unavailable")
    assert str(port) not in json.dumps(details), "strangers learn where the ERP is"
    erp = Erp(port)
    try:
        response = send(inline, event)
    finally:
        erp.end()
    assert response.status_code == 200
    assert response.json() == {"status": "processed", "eventId": details["eventId"], "duplicate": True}
    assert len(erp.keys["DOWN"]) == 1


def test_erp_that_hangs_is_504_in_time_and_keeps_its_key(inline: RunningService, erp: Erp) -> None:
    erp.hangs["SLOW"] = 3.0
    event = order("SLOW")
    began = time.monotonic()
    problem(send(inline, event), 504, "destination-timed-out")
    assert time.monotonic() - began < 10.0
    erp.hangs.clear()
    assert send(inline, event).status_code == 200
    assert len(set(erp.keys["SLOW"])) == 1


def test_repetition_while_the_first_is_under_way_waits_for_it(inline: RunningService, erp: Erp) -> None:
    erp.hangs["PATIENT"] = 0.7
    event = order("PATIENT")
    answers: list[requests.Response] = []
    senders = [threading.Thread(target=lambda: answers.append(send(inline, event))) for _ in range(3)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert len({answer.json()["eventId"] for answer in answers}) == 1
    assert len(erp.keys["PATIENT"]) == 1


def test_later_event_of_an_order_that_is_not_finished_is_503(inline: RunningService, erp: Erp) -> None:
    erp.says["BEHIND"] = 503
    first, second = order("BEHIND"), order("BEHIND", version=2)
    problem(send(inline, first), 502, "destination-unavailable")
    problem(send(inline, second), 503, "unavailable")
    assert len(erp.keys["BEHIND"]) == 1
    erp.says.clear()
    assert send(inline, first).status_code == 200
    assert send(inline, second).status_code == 200


def test_event_that_its_sender_leaves_is_taken_over_by_the_worker(inline: RunningService, erp: Erp) -> None:
    erp.says["LEFT"] = 503
    details = problem(send(inline, order("LEFT")), 502, "destination-unavailable")
    erp.says.clear()
    time.sleep(1.5)
    assert len(erp.keys["LEFT"]) == 1, "the sender still owns the retry"
    inline.wait_for_state(details["eventId"], "done")
    assert len(erp.keys["LEFT"]) == 2
    assert len(set(erp.keys["LEFT"])) == 1


def test_fault_in_an_own_class_is_500_without_its_message_and_dead(inline: RunningService) -> None:
    event = json.loads(example("shipment-issued"))
    event["shipment"]["supplierShipment"]["shipmentNumber"] = "FAULT"
    event["meta"]["messageId"] = str(uuid.uuid4())
    response = send(inline, event, SHIPMENT)
    details = problem(response, 500, "handler-fault")
    assert "column" not in response.text
    row = inline.event(details["eventId"])
    assert row["state"] == "dead"
    assert "KeyError: 'no such column'" in row["reason"]


def test_inline_without_a_destination_for_it_does_not_start(tmp_path: Path) -> None:
    service = RunningService(tmp_path, extra='[processing.mode]\norder = "inline"')
    result = service.webhooks("serve", check=False)
    assert result.returncode == 1
    assert result.stderr.decode().count("\n") == 1
    assert "processing.mode.order" in result.stderr.decode()
