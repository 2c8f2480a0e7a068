"""What the tests read out of events: payloads, lines, stamps."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sandbox.scenarios.reading import Scenario
from sandbox.story.event import Event
from sandbox.story.telling import Story
from sandbox.wire.json_text import JsonObject

PAYLOADS = ("orderEvent", "singleDeliveryOrderEvent", "orderDocumentsEvent", "shipment")


def stories(orders: int = 54, **members: Any) -> list[Story]:
    """So many, of all plots, in both modes and formats."""
    wishes = {"title": "test", "orders": orders, "single_delivery": 0.5, "xml": 0.4} | members
    return Scenario.model_validate(wishes).told()


def payload(event: Event) -> Any:
    """The order or shipment that the event tells of."""
    return next(event.body[kind] for kind in PAYLOADS if kind in event.body)


def meta(event: Event) -> Any:
    """Of the message; it stands at the body or in the payload."""
    return event.body.get("meta") or payload(event)["meta"]


def is_order_event(event: Event) -> bool:
    """Whether it tells header and lines of an order."""
    return "orderEvent" in event.body or "singleDeliveryOrderEvent" in event.body


def lines_told(event: Event) -> dict[str, Any]:
    """The lines of an order event by the story's key."""
    return dict(zip(event.touched, payload(event).get("lines", []), strict=True))


def instant(text: str) -> datetime:
    """Of a stamp in any of its spellings."""
    return datetime.fromisoformat(text)


def shipment_lines(shipment: Any) -> list[Any]:
    """In load carriers and out of them."""
    return [*(line for carrier in shipment["loadCarriers"] for line in carrier["lines"]), *shipment["lines"]]


def without_documents(value: Any) -> Any:
    """The same without any list of documents."""
    if isinstance(value, dict):
        return {name: without_documents(part) for name, part in value.items() if name != "documents"}
    return [without_documents(each) for each in value] if isinstance(value, list) else value


def merged(events: list[Event]) -> JsonObject:
    """Header and lines as these order events told them last, in the order in which things happened."""
    header: JsonObject = {}
    lines: dict[str, Any] = {}
    for event in filter(is_order_event, events):
        header = {name: part for name, part in payload(event).items() if name not in ("meta", "lines")}
        lines |= lines_told(event)
    return header | {"lines": list(lines.values())}


def every_value(value: Any) -> Iterator[Any]:
    """All scalars in it."""
    if isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from every_value(part)
    else:
        yield value
