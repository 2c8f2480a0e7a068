"""Bodies that the tests of the worker send, and destinations that take them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from handlers.interface import (
    Accepted,
    Change,
    Destination,
    Endpoint,
    ErpEvent,
    EventFacts,
    JsonObject,
    Outcome,
    Refused,
    RenderedBody,
    Summary,
    Unavailable,
)
from service.inbox.interface import new_id

#: Says what becomes of an event.
Answering = Callable[[ErpEvent], Outcome]


def order(
    number: str = "PO1", tick: int = 1, *, name: str = "OrderLinesIssuedByBuyer", quantity: int | None = None
) -> JsonObject:
    """An event of an order; a later tick is news. The quantity of its one line says which tick it was."""
    return {
        "eventName": name,
        "orderEvent": {
            "orderId": f"company-{number}",
            "buyerOrder": {"companyId": "company", "purchaseOrderNumber": number, "supplierAccountNumber": "70044"},
            "lines": [
                {
                    "buyerLine": {"position": "10", "item": {"number": "A-1"}},
                    "deliverySchedule": [
                        {"position": "1", "date": "2026-12-01", "quantity": quantity or tick, "status": "Open"}
                    ],
                    "status": {"processStatus": "Issued", "logisticsStatus": "Open"},
                    "lastUpdatedAt": moment(tick),
                }
            ],
            "version": tick,
            "lastUpdatedAt": moment(tick),
        },
        "meta": {"messageId": new_id()},
    }


def without_subject() -> JsonObject:
    """An event of a payload that nobody knows yet."""
    return {"eventName": "SomethingNew", "newEvent": {"a": 1}, "meta": {"messageId": new_id()}}


def moment(tick: int) -> str:
    """On the platform's clock."""
    return (datetime(2026, 10, 1, tzinfo=UTC) + timedelta(minutes=tick)).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def quantity(merged: JsonObject | None) -> Any:
    """Which tick a merged order was merged from last."""
    whole: Any = merged
    return whole["orderEvent"]["lines"][0]["deliverySchedule"][0]["quantity"]


@dataclass(frozen=True)
class Call:
    """One attempt as the destination saw it."""

    at: float
    event: ErpEvent
    merged: JsonObject | None
    changes: tuple[Change, ...]
    body: RenderedBody


class Erp(Destination):
    """Remembers what it was given, and answers as it is told."""

    def __init__(self, answer: Answering = lambda _: Accepted(), *, seconds: float = 0.0) -> None:
        self.answer = answer
        self.seconds = seconds
        self.open = threading.Event()
        """While it is not set, every call hangs."""
        self.open.set()
        self.calls: list[Call] = []
        self.at_once: dict[str, int] = {}
        self.most_at_once = 0
        self.most_of_one_order = 0
        self._running = 0
        self._lock = threading.Lock()

    def deliver(
        self, event: ErpEvent, merged: JsonObject | None, changes: Sequence[Change], body: RenderedBody
    ) -> Outcome:
        key = event.subject_id or event.id
        with self._lock:
            self.calls.append(Call(time.monotonic(), event, merged, tuple(changes), body))
            self._running += 1
            self.at_once[key] = self.at_once.get(key, 0) + 1
            self.most_at_once = max(self.most_at_once, self._running)
            self.most_of_one_order = max(self.most_of_one_order, self.at_once[key])
        try:
            time.sleep(self.seconds)
            self.open.wait(30.0)
            return self.answer(event)
        finally:
            with self._lock:
                self._running -= 1
                self.at_once[key] -= 1

    def close(self) -> None:
        pass

    def ids(self, key: str | None = None) -> list[str]:
        """Events in the order of the calls."""
        with self._lock:
            return [call.event.id for call in self.calls if key is None or call.event.subject_id == key]


def down(_: ErpEvent) -> Outcome:
    """Nobody there."""
    return Unavailable("connection refused")


def refuse(_: ErpEvent) -> Outcome:
    """Reached, and does not want it."""
    return Refused("the supplier is blocked")


@dataclass(frozen=True)
class Takes:
    """What the settings of a destination leave through."""

    name: str
    wanted: Callable[[EventFacts], bool] = lambda _: True

    def wants(
        self, facts: EventFacts, endpoint: Endpoint, summary: Summary | None, changes: Sequence[Change]
    ) -> bool:
        return self.wanted(facts)
