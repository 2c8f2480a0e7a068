"""The script: a seeded, consistent history for each of some hundred orders, and the messages that carry it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from json.encoder import encode_basestring
from random import Random

from handlers.interface import JsonObject, JsonValue
from service import txml
from service.contract import webhook_contracts
from tests.lifecycle.actions import ACTIONS, issue
from tests.lifecycle.order import Order, Told, Traits

SHORTEST, LONGEST = 5, 8


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent."""

    told: Told
    content: bytes
    content_type: str


def orders(seed: int, count: int) -> list[Order]:
    """The same for the same seed; each has told from 5 to 8 events."""
    return [_lived(seed, number) for number in range(count)]


def _lived(seed: int, number: int) -> Order:
    random = Random(f"{seed}/{number}")  # noqa: S311 - no secret
    traits = Traits(
        single=random.random() < 0.4,
        xml=random.random() < 0.25,
        message_ids=random.random() < 0.95,
        timestamps=random.random() < 0.9,
        documents_come_along=random.random() < 0.5,
        first_version=random.choice([1, 1, 1, 2**53 - 2, 10**25]),
    )
    order = Order(f"{seed}-{number:04}", traits, random)
    issue(order, random.randrange(1, 5))
    length = random.randrange(SHORTEST, LONGEST + 1)
    while len(order.history) < length:
        possible = [action for action in ACTIONS if action.possible(order)]
        (action,) = random.choices(possible, [action.weight for action in possible])
        action.do(order)
    return order


def message(told: Told) -> Message:
    """The event as it goes over the wire."""
    if told.xml:
        return Message(told, txml.write(told.body, _MAPPING), "application/xml")
    return Message(told, json_text(told.body).encode(), "application/json")


_MAPPING = txml.Mapping(webhook_contracts()[0])


def json_text(value: JsonValue) -> str:
    """JSON with every digit of a decimal, also the zeros at its end."""
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, dict):
        return "{" + ",".join(f"{encode_basestring(name)}:{json_text(part)}" for name, part in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(json_text, value)) + "]"
    if isinstance(value, str):
        return encode_basestring(value)
    return json.dumps(value)


def sending_order(orders: Sequence[Order], seed: int) -> list[Message]:
    """All messages, as a platform with trouble of its own sends them: some late, behind younger ones of their
    order, some again, the orders mixed."""
    random = Random(f"sending {seed}")  # noqa: S311 - no secret
    placed: list[tuple[float, Message]] = []
    for order in orders:
        start = random.random() * 4
        for told in order.history:
            # One place per event; a late one comes one to five places behind.
            at = start + told.number + (random.uniform(1, 5) if random.random() < 0.2 else 0.0)
            sent = message(told)
            placed.append((at, sent))
            if random.random() < 0.2:
                placed.append((at + random.expovariate(0.5), sent))
    return [sent for _, sent in sorted(placed, key=lambda pair: pair[0])]


def payload_of(body: JsonObject) -> JsonObject:
    """The order in a body of the contract."""
    for kind in ("orderEvent", "singleDeliveryOrderEvent", "orderDocumentsEvent"):
        payload = body.get(kind)
        if isinstance(payload, dict):
            return payload
    raise AssertionError(f"no known payload in {sorted(body)}")
