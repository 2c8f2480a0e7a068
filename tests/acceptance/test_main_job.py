"""The main job: every example is accepted over HTTPS and comes back byte for byte."""

from __future__ import annotations

import copy
import json
import os
import uuid
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from handlers.orders import order_model
from service.json_body import parse
from tests.acceptance.running import EXAMPLES, ORDER, SHIPMENT, RunningService, example

FOLDERS = [EXAMPLES, *[Path(folder) for folder in [os.environ.get("TRADECLOUD_EXAMPLES")] if folder]]
BODIES = [path for folder in FOLDERS for path in sorted(folder.iterdir()) if path.suffix in (".json", ".xml")]


@pytest.fixture(scope="module")
def other_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A second receiver: to the first one, the XML twin of an example is the same message once more."""
    running = RunningService(tmp_path_factory.mktemp("other")).start()
    yield running
    running.kill()


@pytest.mark.parametrize("path", BODIES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_example_is_accepted_listed_and_comes_back_byte_for_byte(
    service: RunningService, other_service: RunningService, path: Path
) -> None:
    sent = path.read_bytes()
    url = SHIPMENT if path.name.startswith("shipment") else ORDER
    receiver = service if path.suffix == ".json" else other_service
    response = receiver.post(url, sent, headers={"Content-Type": f"application/{path.suffix[1:]}"})
    assert response.status_code == 202, response.text
    event_id = response.json()["eventId"]
    assert receiver.raw(event_id) == sent
    row = receiver.wait_for_state(event_id, "done")
    assert row["eventName"] == json.loads(path.with_suffix(".json").read_bytes())["eventName"]
    assert row["credential"] == "main"
    assert bool(row["driftCount"]) == ("future" in path.name or "unknown" in path.name)


def test_command_line_lists_shows_and_prints_the_stored_bytes(service: RunningService) -> None:
    sent = example("order-single-delivery-split")
    event_id = service.post(ORDER, sent).json()["eventId"]
    assert service.webhooks("events", "show", event_id, "--raw").stdout == sent
    listed = service.webhooks("events", "list").stdout.decode().splitlines()
    assert listed[0].split()[:3] == ["ID", "RECEIVED", "STATE"]
    assert any(line.startswith(event_id) and "OrderChangesProposalApprovedByBuyer" in line for line in listed)
    service.wait_for_state(event_id, "done")
    shown = service.webhooks("events", "show", event_id[:20]).stdout.decode()
    assert event_id in shown
    assert json.loads(service.webhooks("events", "show", event_id, "--json").stdout) == service.event(event_id)


def test_facts_of_an_order_are_found_again_by_every_filter(service: RunningService) -> None:
    sent = json.loads(example("order-proposal"))
    number = f"PO-{uuid.uuid4()}"
    sent["orderEvent"]["buyerOrder"]["purchaseOrderNumber"] = number
    sent["meta"]["messageId"] = str(uuid.uuid4())
    event_id = service.post(ORDER, json.dumps(sent)).json()["eventId"]
    service.wait_for_state(event_id, "done")
    for filters in (
        ("--purchase-order", number),
        ("--purchase-order", number, "--state", "done", "--kind", "orderEvent", "--endpoint", "order"),
        ("--purchase-order", number, "--event", "OrderChangesProposedBySupplier", "--since", "1h"),
    ):
        (row,) = service.events(*filters)
        assert row["id"] == event_id
    assert service.events("--purchase-order", number, "--until", "1h") == []
    assert service.events("--purchase-order", number, "--state", "quarantined") == []
    assert (row["version"], row["messageId"]) == ("2", sent["meta"]["messageId"])
    assert row["lastUpdatedAt"] == sent["orderEvent"]["lastUpdatedAt"]
    assert row["traceId"] == sent["meta"]["source"]["traceId"]


def test_shipment_is_found_by_the_orders_in_its_lines(service: RunningService) -> None:
    sent = json.loads(example("shipment-issued"))
    sent["meta"]["messageId"] = str(uuid.uuid4())
    number = f"PO-{uuid.uuid4()}"
    sent["shipment"]["loadCarriers"][0]["lines"][0]["purchaseOrderNumber"] = number
    event_id = service.post(SHIPMENT, json.dumps(sent)).json()["eventId"]
    assert [row["id"] for row in service.events("--purchase-order", number)] == [event_id]


def order_of(lines: int) -> bytes:
    """An order of so many lines, about 1.8 KB each, every quantity with 25 digits."""
    order = json.loads(example("order-issued"), parse_float=Decimal)
    lines_of_example = order["orderEvent"]["lines"]
    line = next(one for one in lines_of_example if "1234567890123456.789012345" in str(one))
    order["orderEvent"]["lines"] = []
    order["meta"]["messageId"] = order["orderEvent"]["meta"]["messageId"] = str(uuid.uuid4())
    for position in range(lines):
        another = copy.deepcopy(line)
        another["buyerLine"]["position"] = f"{position:04d}"
        another["buyerLine"]["description"] = "Pump housing, machined, with flange – " * 22
        order["orderEvent"]["lines"].append(another)
    text = json.dumps(order, default=lambda number: f"\0{number}\0", ensure_ascii=False)
    return text.replace('"\\u0000', "").replace('\\u0000"', "").encode()


@pytest.mark.parametrize(("lines", "beyond"), [(500, 0), (600, 1)])
def test_order_at_and_over_the_documented_500_lines_is_accepted(
    service: RunningService, lines: int, beyond: int
) -> None:
    sent = order_of(lines)
    assert len(sent) > 800_000
    response = service.post(ORDER, sent)
    assert response.status_code == 202, response.text
    event_id = response.json()["eventId"]
    assert service.raw(event_id) == sent
    row = service.event(event_id)
    assert row["driftCount"] == beyond


def test_quantity_of_25_digits_goes_from_the_wire_through_the_inbox_into_the_model(
    service: RunningService,
) -> None:
    event_id = service.post(ORDER, order_of(3)).json()["eventId"]
    model: Any = order_model(parse(service.raw(event_id)).document)
    quantities = {one.quantity for line in model.order_event.lines for one in line.delivery_schedule}
    assert Decimal("1234567890123456.789012345") in quantities


def test_table_shows_no_control_characters_of_an_event(service: RunningService) -> None:
    name = "Evil\x1b[2J\nName\u202e"
    event_id = service.post(ORDER, json.dumps({"eventName": name})).json()["eventId"]
    listed = service.webhooks("events", "list").stdout.decode()
    shown = service.webhooks("events", "show", event_id).stdout.decode()
    for output in (listed, shown):
        assert "\x1b" not in output
        assert "\u202e" not in output
        assert r"Evil\x1b[2J\nName\u202e" in output
    log = service.log.read_text()
    assert "\x1b" not in log
