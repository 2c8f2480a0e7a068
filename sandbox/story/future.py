"""What the contract may bring one day: members, values, events that do not exist yet (behaviour.md section 4)."""

from __future__ import annotations

from decimal import Decimal

from sandbox.story.event import Webhook
from sandbox.story.line import Line
from sandbox.story.order import Order
from sandbox.story.shipment import Shipment
from sandbox.wire.json_text import JsonObject

ORDER_EVENT = "OrderLinesQualityInspectedByBuyer"
ORDER_EVENT_OF_ANOTHER_KIND = "OrderForecastPublishedByBuyer"
SHIPMENT_EVENT = "ShipmentClearedByCustoms"


def mark_order(order: Order) -> None:
    """Give the header members and values that are not documented."""
    order.order_type = "CallOff"
    order.extra = {"sustainability": {"label": "A+", "note": "neu – 新しい"}, **_numbers(order)}


def mark_line(order: Order, line: Line) -> None:
    """The same for a line."""
    line.line_type = "Bundle"
    line.extra = {"customs": {"procedure": "4000", "office": "DE004851"}, **_numbers(order)}


def inspect(order: Order) -> None:
    """An event with a new name that brings a known payload."""
    line = order.lines[0]
    line.extra = line.extra | {"quality": {"grade": f"G{len(order.journal.events)}"}}
    order.tell(ORDER_EVENT, [line])


def publish_forecast(order: Order) -> None:
    """An event whose payload has a name of its own; it changes nothing of the order."""
    payload: JsonObject = {"id": f"FC-{order.number}", "month": "2027-01", "quantity": "120.5"}
    order.journal.clock.advance()
    order.journal.write(Webhook.ORDER, order.id, ORDER_EVENT_OF_ANOTHER_KIND, ("orderForecastEvent", payload))


def clear_customs(shipment: Shipment) -> None:
    """A new event with a new status."""
    shipment.extra = {"customs": {"reference": "MRN-26DE", "duty": Decimal("1234.567890123456789012345")}}
    shipment.status = "Cleared"
    shipment.tell(SHIPMENT_EVENT)


def _numbers(order: Order) -> JsonObject:
    """Types cannot be seen in tXML, so an unknown number would arrive there as a text (txml.md section 3)."""
    if order.traits.xml:
        return {}
    return {
        "carbonKilograms": Decimal("0.1234567890123456789"),
        "routes": [{"leg": 1}, {"leg": 2}],
        "certified": True,
    }
