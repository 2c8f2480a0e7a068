"""Events as the worker hands them to destinations."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from handlers.interface import Change, ChangeKind, Endpoint, ErpEvent, EventFacts, RenderedBody, Summary

EVENT = ErpEvent(
    id="0199a1b2-0000-7000-8000-000000000001",
    endpoint=Endpoint.ORDER,
    event_name="OrderIssuedByBuyer",
    received_at=datetime(2026, 11, 25, 12, 30, 5, tzinfo=UTC),
    subject_id="company-PO1",
    purchase_order_numbers=("PO1",),
    message_id="m-1",
    resent=False,
    idempotency_key="0199a1b2-0000-7000-8000-000000000001.erp.1",
    attempt=1,
)

BODY = RenderedBody("application/json", b'{"eventName": "OrderIssuedByBuyer", "price": 12.50}')

SUMMARY = Summary(
    purchase_order_numbers=("PO1",),
    shipment_number=None,
    supplier_account_number="70044",
    buyer_account_number="D-10093",
    buyer_company_id="51bce838-0c6e-5ff8-8982-b8d3c5aedf81",
    supplier_company_id=None,
    process_status=None,
    logistics_status=None,
    version=None,
    last_updated_at=None,
    lines=1,
)


def event(**facts: Any) -> ErpEvent:
    """An event that differs from the usual one."""
    return replace(EVENT, **facts)


def facts(event_name: str = "OrderIssuedByBuyer") -> EventFacts:
    """What the handlers read off an event."""
    return EventFacts(event_name, "orderEvent", None, None, "company-PO1", ("PO1",), None, None, {})


def change(kind: ChangeKind = ChangeKind.DATE, line: str | None = "10000") -> Change:
    """A change."""
    return Change(kind, line, "/x", None, None, "It changed.")
