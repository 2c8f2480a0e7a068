"""Stories: the same for the same seed, whatever else is told beside them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.resources import files
from random import Random

import yaml

from sandbox.story import future
from sandbox.story.clock import Clock
from sandbox.story.event import Event, Journal, StoredDocument, Webhook
from sandbox.story.order import BUYER_COMPANY, SUPPLIER_COMPANY, Order, Traits
from sandbox.story.plots import MOST_LINES, PLOTS
from sandbox.story.shipment import Shipment
from sandbox.story.texts import PLACES
from sandbox.wire.json_text import JsonObject


@dataclass(frozen=True, slots=True)
class Story:
    """One order with its shipments, from the first event to the last."""

    plot: str
    order: Order
    shipments: list[Shipment]

    @property
    def events(self) -> list[Event]:
        """In the order in which things happened."""
        return self.order.journal.events

    def stored_documents(self) -> list[StoredDocument]:
        """Every object that one of the events names, replaced ones too: what the platform has to serve."""
        return self.order.journal.stored

    def linked_documents(self) -> list[StoredDocument]:
        """Every document that one of the events names by its URL: what the sender's own server has to serve, each
        under the last part of the URL's path."""
        return self.order.journal.linked

    def true_states(self) -> Iterator[tuple[str, str, JsonObject]]:
        """Kind (`order`, `shipment`), id and final state of everything that the story is about."""
        yield "order", self.order.id, self.order.true_state()
        for shipment in self.shipments:
            yield "shipment", shipment.id, shipment.true_state()


def tell(seed: int, number: int, plot: str, turn: int, traits: Traits) -> Story:
    """The story with this number; its order is called after both numbers."""
    random = Random(f"{seed}/{number}")  # noqa: S311 - no secret
    if plot == "split":  # which may add one
        traits = replace(traits, lines=min(traits.lines, MOST_LINES - 1))
    journal = Journal(random, Clock(random), traits.xml, (BUYER_COMPANY, SUPPLIER_COMPANY))
    order = Order(
        f"SB{seed}-{number:05}",
        traits,
        journal,
        buyer=random.choice(PLACES),
        supplier=random.choice(PLACES),
        description=f"Bestellung № {number} – 采购订单",
    )
    if traits.future:
        future.mark_order(order)
    return Story(plot, order, PLOTS[plot](order, turn))


def event_names() -> dict[Webhook, list[str]]:
    """The current event names by webhook (contract, events.md)."""
    text = (files("sandbox.story") / "events.yaml").read_text(encoding="utf-8")
    return {Webhook(name): names for name, names in yaml.safe_load(text).items()}
