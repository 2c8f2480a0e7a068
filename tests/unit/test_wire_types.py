"""The generated models: nothing that the contract accepts may fail or change."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from generated.models.order import DeliveryScheduleLine, OrderEvent, WebhookBody
from generated.models.shipment import ShipmentDestination
from handlers.orders import order_model
from service.json_body import parse


@pytest.mark.parametrize(
    "text", ["", "2026-02-30", "2026-13-01", "20260901", "0", "86400", "soon", "2026-09-01T00:00:00"]
)
def test_text_that_is_no_date_stays_that_text(text: str) -> None:
    assert DeliveryScheduleLine(date=text).date == text


def test_date_becomes_a_date() -> None:
    assert DeliveryScheduleLine(date="2026-09-01").date == date(2026, 9, 1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2025-04-23T10:01:53.812Z", datetime(2025, 4, 23, 10, 1, 53, 812000, tzinfo=UTC)),
        ("2019-12-31T10:11:12", datetime(2019, 12, 31, 10, 11, 12)),
        ("2026-07-05T10:00:00.123456+02:00", datetime.fromisoformat("2026-07-05T10:00:00.123456+02:00")),
        ("2026-07-05T10:00:00.123456789Z", "2026-07-05T10:00:00.123456789Z"),
        ("", ""),
        ("1735689600", "1735689600"),
        ("yesterday", "yesterday"),
    ],
)
def test_timestamp_with_or_without_zone_or_the_text(text: str, expected: object) -> None:
    assert OrderEvent.model_validate({"lastUpdatedAt": text}).last_updated_at == expected


def test_time_of_day() -> None:
    destination = ShipmentDestination.model_validate({"etaStartTime": "12:13:14", "etaEndTime": "noon"})
    assert (destination.eta_start_time, destination.eta_end_time) == (time(12, 13, 14), "noon")


def test_quantity_of_25_digits_reaches_the_model() -> None:
    lines = b'[{"deliverySchedule": [{"quantity": 1234567890123456.789012345}]}]'
    body = parse(b'{"eventName": "X", "orderEvent": {"lines": %s}}' % lines)
    event = order_model(body.document).order_event
    assert event is not None
    assert event.lines is not None
    assert event.lines[0].delivery_schedule is not None
    quantity = event.lines[0].delivery_schedule[0].quantity
    assert quantity == Decimal("1234567890123456.789012345")


def test_binary_float_is_refused_wherever_it_comes_from() -> None:
    with pytest.raises(ValidationError, match="binary float"):
        DeliveryScheduleLine(quantity=1.5)
    with pytest.raises(ValidationError, match="binary float"):
        DeliveryScheduleLine.model_validate_json('{"quantity": 1.5}')


def test_unknown_members_and_values_are_kept() -> None:
    body: dict[str, Any] = {
        "eventName": "OrderEaten",
        "orderEvent": {"status": {"processStatus": "Eaten"}},
        "new": {"a": 1},
    }
    model = WebhookBody.model_validate(body)
    assert model.model_extra == {"new": {"a": 1}}
    assert model.order_event is not None
    assert model.order_event.status is not None
    assert model.order_event.status.process_status == "Eaten"


def test_unknown_member_with_the_python_name_of_a_known_one_stays_unknown() -> None:
    event = OrderEvent.model_validate({"order_id": 5, "orderId": "right"})
    assert event.order_id == "right"
    assert event.model_extra == {"order_id": 5}


def test_every_optional_member_may_be_null() -> None:
    for cls in (WebhookBody, OrderEvent, DeliveryScheduleLine):
        nulls: dict[str, Any] = {field.alias or name: None for name, field in cls.model_fields.items()}
        if cls is WebhookBody:
            nulls["eventName"] = "X"
        cls.model_validate(nulls)


def test_models_carry_docstrings() -> None:
    assert OrderEvent.__doc__
