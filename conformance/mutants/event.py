"""One event as the receiver understands it: its name, its identity, the orders that it is about."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property, lru_cache
from typing import Any

JSON = "json"
XML = "xml"

ORDER_PAYLOADS = ("orderEvent", "singleDeliveryOrderEvent", "orderDocumentsEvent")
PAYLOADS = (*ORDER_PAYLOADS, "shipment")
_COMPANY_ID_AND_DASH = 37


@dataclass(frozen=True)
class Event:
    """A body that was read and checked."""

    path: str
    media: str
    data: bytes = field(repr=False)
    body: dict[str, Any] = field(repr=False)

    @property
    def name(self) -> str:
        """The event's name, also when nobody knows it."""
        return str(self.body.get("eventName", ""))

    @cached_property
    def payload_name(self) -> str | None:
        """The first of the known payloads that the body has."""
        return next((name for name in PAYLOADS if isinstance(self.body.get(name), dict)), None)

    @property
    def payload(self) -> dict[str, Any]:
        """The content of that payload; nothing when no payload is known."""
        return self.body[self.payload_name] if self.payload_name else {}

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The lines of the payload."""
        return self.payload.get("lines") or []

    @cached_property
    def message_id(self) -> str | None:
        """The message's id, which may stand in the body or in the payload."""
        for holder in (self.body, self.payload):
            meta = holder.get("meta")
            if isinstance(meta, dict) and meta.get("messageId"):
                return str(meta["messageId"])
        return None

    @cached_property
    def order_id(self) -> str | None:
        """The id of the order, for the order events."""
        value = self.payload.get("orderId")
        return value if isinstance(value, str) and value else None

    @cached_property
    def order_numbers(self) -> tuple[str, ...]:
        """The purchase order numbers that the event is about, each once."""
        numbers = [text for name, text in members(self.body) if name == "purchaseOrderNumber"]
        numbers += [t[_COMPANY_ID_AND_DASH:] for name, t in members(self.body) if name == "orderId"]
        if not any(numbers):
            numbers = [t.removesuffix("-S") for name, t in members(self.body) if name == "shipmentNumber"]
        return tuple(dict.fromkeys(number for number in numbers if number))

    @cached_property
    def fingerprint(self) -> str:
        """Equal for bodies that say the same, in whatever order, spelling or format; `meta` is left out."""
        said = {name: value for name, value in self.body.items() if name != "meta"}
        if self.payload_name:
            said[self.payload_name] = {n: v for n, v in self.payload.items() if n != "meta"}
        return hashlib.sha256(repr(_canonical(said)).encode()).hexdigest()


def members(value: Any) -> Iterator[tuple[str, str]]:
    """Every member of every object below that holds text, with its name, in no promised order."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            for name, held in one.items():
                if isinstance(held, str):
                    yield name, held
                else:
                    waiting.append(held)
        elif isinstance(one, list):
            waiting.extend(one)


def _canonical(value: Any) -> Any:
    """Leaves become text. What is null or empty is left out, because tXML cannot tell it from what is absent."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return [
            (name, _canonical(value[name]))
            for name in sorted(value)
            if value[name] is not None and value[name] not in ("", [], {})
        ]
    if isinstance(value, list):
        return ["[]", *map(_canonical, value)]
    if isinstance(value, bool):
        return "true" if value else "false"
    return _number(Decimal(value)) if isinstance(value, int | Decimal) else None


@lru_cache(4096)  # large events say the same numbers again and again
def _number(value: Decimal) -> str:
    """One spelling for 10, 10.0 and 1e1, without writing out the zeros of an exponent."""
    sign, digits, exponent = value.as_tuple()
    text = "".join(map(str, digits)).lstrip("0")
    shorter = text.rstrip("0")
    if not shorter or not isinstance(exponent, int):
        return "0"
    return f"{'-' if sign else ''}{shorter}e{exponent + len(text) - len(shorter)}"
