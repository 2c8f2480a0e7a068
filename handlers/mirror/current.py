"""The whole order or shipment out of what is kept of it between two events."""

from __future__ import annotations

from handlers.interface import Endpoint, JsonObject, JsonValue
from handlers.mirror.documents import put_back
from handlers.reading import items, obj, text


def current(endpoint: Endpoint, state: JsonObject, event_name: str | None) -> JsonObject:
    """The order or shipment as a body of the contract, under the name of an event; `state` is `Merged.state`."""
    kind = "shipment" if endpoint is Endpoint.SHIPMENT else text(state.get("kind")) or "orderEvent"
    return {"eventName": event_name, kind: payload(endpoint, state)}


def payload(endpoint: Endpoint, state: JsonObject) -> JsonObject:
    """The order or shipment alone: header and all lines, with their documents."""
    if endpoint is Endpoint.SHIPMENT:
        return obj(state.get("shipment"))
    lines: list[JsonValue] = [
        put_back(obj(entry.get("line")), entry.get("documents")) for entry in items(state.get("lines"))
    ]
    return {**put_back(obj(state.get("header")), state.get("documents")), "lines": lines}
