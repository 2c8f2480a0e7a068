"""Orders and shipments as the command line finds them, in a real database."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from handlers.interface import Endpoint, JsonObject, Merged, Role
from handlers.mirror.current import current
from handlers.orders import merge_order_event
from handlers.shipments import merge_shipment_event
from service.inbox.changes import changes_to_store
from service.inbox.instant import instant
from service.inbox.mirror_reader import MirrorFilter, MirrorReader, NoSuchSubjectError
from service.inbox.packed import pack
from service.inbox.place import Place
from service.json_body import parse
from tests.acceptance.running import example
from tests.integration.test_inbox import accept_all, event
from tests.stores import execute

ORDER_ID = "51bce838-0c6e-5ff8-8982-b8d3c5aedf81-NH-2026-00417"


def body_of(name: str) -> JsonObject:
    document = parse(example(name)).document
    assert isinstance(document, dict)
    return document


def put(path: Place, endpoint: Endpoint, subject_id: str, merged: Merged, changed_at: datetime) -> None:
    summary = merged.summary
    execute(
        path,
        "INSERT INTO mirror VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, 'none', ?)",
        endpoint.value,
        subject_id,
        pack(merged.state),
        next(iter(summary.purchase_order_numbers), None),
        summary.shipment_number,
        summary.supplier_account_number,
        summary.buyer_account_number,
        summary.process_status,
        summary.logistics_status,
        summary.version,
        summary.last_updated_at,
        summary.lines,
        instant(changed_at),
    )
    for number in summary.purchase_order_numbers:
        execute(path, "INSERT INTO mirror_order VALUES (?, ?, ?)", number, endpoint.value, subject_id)


NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


@pytest.fixture
def path(place: Place) -> Place:
    """An inbox with one order, one shipment and, under the same number, the order of another company."""
    inbox = place
    accept_all(inbox)
    order = merge_order_event(None, body_of("order-issued"), role=Role.BUYER)
    put(inbox, Endpoint.ORDER, ORDER_ID, order, NOW)
    shipment = merge_shipment_event(None, body_of("shipment-issued"), role=Role.BUYER)
    put(inbox, Endpoint.SHIPMENT, "965981bd", shipment, NOW)
    other = replace(order, summary=replace(order.summary, supplier_account_number="999", process_status=None))
    put(inbox, Endpoint.ORDER, "another-id", other, NOW - timedelta(days=1))
    return inbox


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (MirrorFilter(), [ORDER_ID, "another-id"]),
        (MirrorFilter(purchase_order_number="NH-2026-00417"), [ORDER_ID, "another-id"]),
        (MirrorFilter(purchase_order_number="NH-2026-0041"), []),
        (MirrorFilter(account="70044"), [ORDER_ID]),
        (MirrorFilter(account="D-10093"), [ORDER_ID, "another-id"]),
        (MirrorFilter(status="issued"), [ORDER_ID]),
        (MirrorFilter(status="Open"), [ORDER_ID, "another-id"]),
        (MirrorFilter(since=NOW), [ORDER_ID]),
        (MirrorFilter(until=NOW), ["another-id"]),
        (MirrorFilter(limit=1), [ORDER_ID]),
    ],
)
def test_orders_are_found_by_number_account_status_and_time(
    path: Place, wanted: MirrorFilter, found: list[str]
) -> None:
    rows = MirrorReader(path, Endpoint.ORDER).subjects(wanted)
    assert [row["subject_id"] for row in rows] == found


def test_shipment_is_found_by_its_number_its_id_and_an_order_in_it(path: Place) -> None:
    reader = MirrorReader(path, Endpoint.SHIPMENT)
    for name in ("VS-26-1107", "965981bd", "9659", "NH-2026-00502"):
        assert reader.subject(name)["subject_id"] == "965981bd"


def test_number_of_several_orders_names_their_ids(path: Place) -> None:
    reader = MirrorReader(path, Endpoint.ORDER)
    with pytest.raises(NoSuchSubjectError, match=f"{ORDER_ID}, another-id"):
        reader.subject("NH-2026-00417")
    assert reader.subject(ORDER_ID)["subject_id"] == ORDER_ID
    with pytest.raises(NoSuchSubjectError, match="no order is known as NH-2026-00418"):
        reader.history("NH-2026-00418")


def test_current_order_is_the_body_that_came_with_every_digit(path: Place) -> None:
    row = MirrorReader(path, Endpoint.ORDER).subject(ORDER_ID)
    whole = current(Endpoint.ORDER, row["state"], "OrderIssuedByBuyer")
    came = body_of("order-issued")
    came.pop("meta")
    payload = came["orderEvent"]
    assert isinstance(payload, dict)
    payload.pop("meta")
    assert whole == came
    assert "1234567890123456.789012345" in str(whole)


def test_history_is_in_the_order_of_acceptance_with_what_each_event_did(path: Place) -> None:
    first, second = event("m1", b"1"), event("m2", b"2")
    accept_all(path, first, second)
    merged = merge_order_event(None, body_of("order-issued"), role=Role.BUYER)
    put(path, Endpoint.ORDER, "order-1", merged, NOW)
    changes = json.dumps(changes_to_store(merged.changes))
    statement = "INSERT INTO effect VALUES (?, 'order', 'order-1', TRUE, ?, '[]', '[\"odd\"]', '[]')"
    execute(path, statement, first.id, changes)
    subject_id, rows = MirrorReader(path, Endpoint.ORDER).history("order-1")
    assert subject_id == "order-1"
    assert [row["id"] for row in rows] == [first.id, second.id]
    assert rows[0]["changes"] == merged.changes
    assert rows[0]["flags"] == ["odd"]
    assert (rows[1]["news"], rows[1]["changes"]) == (None, ())


def test_all_orders_are_read_once_each_however_many_there_are(place: Place) -> None:
    accept_all(place)
    merged = merge_order_event(None, body_of("order-issued"), role=Role.BUYER)
    ids = [f"order-{number:03}" for number in range(250)]
    for subject_id in reversed(ids):
        put(place, Endpoint.ORDER, subject_id, merged, NOW)
    rows = list(MirrorReader(place, Endpoint.ORDER).all())
    assert [row["subject_id"] for row in rows] == ids
    assert all(row["state"] == merged.state for row in rows)
    assert list(MirrorReader(place, Endpoint.SHIPMENT).all()) == []
