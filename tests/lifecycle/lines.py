"""One order line on the platform: its values, and the body by which an event tells of it, in both modes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal

from handlers.interface import JsonObject, JsonValue


@dataclass(frozen=True, slots=True)
class Delivery:
    """One delivery of a line."""

    position: str | None
    """In the schedule; None while the buyer has not given one."""
    day: date
    quantity: Decimal
    status: str = "Open"
    etd: date | None = None

    def body(self, *, current: bool, single: bool) -> JsonObject:
        """As a body tells it; `current` deliveries have a status."""
        told: JsonObject = {}
        if self.position and not single:
            told["position"] = self.position
        told |= {"date": self.day.isoformat(), "quantity": self.quantity}
        if current:
            told["status"] = self.status
            if self.etd is not None:
                told["etd"] = self.etd.isoformat()
        return told


@dataclass(frozen=True, slots=True)
class Values:
    """What the parties talk about."""

    deliveries: tuple[Delivery, ...]
    price: Decimal


@dataclass(frozen=True, slots=True)
class Request:
    """What one party asks of the other."""

    values: Values
    status: str
    reason: str


@dataclass(slots=True)
class Line:
    """The line as it stands; actions change it, `body` tells it."""

    key: str
    """By which the script knows the line; never sent."""
    position: str | None
    asked: Values
    item: str
    id: str | None = None
    origin: str | None = None
    """Position of the line that this one was split from."""
    asks_for_position: bool = False
    """Whether an empty position is sent as null."""
    agreed: Values | None = None
    process: str = "Issued"
    in_progress: str | None = None
    logistics: str = "Open"
    proposal: Request | None = None
    supplier_reopening: Request | None = None
    buyer_reopening: Request | None = None
    sales_order: str | None = None
    origin_country: str | None = None
    reason: str | None = None
    tick: int = 0
    """When it was changed last, on the clock of the order."""
    changed_at: str | None = None
    documents: dict[str, dict[str, JsonObject]] = field(default_factory=dict)
    """By half of the line and code, as far as order events carry them."""

    @property
    def valid(self) -> Values:
        """What is agreed, or what was asked as long as nothing is."""
        return self.agreed or self.asked

    @property
    def open_request(self) -> Request | None:
        """The one that waits for an answer."""
        for request in (self.proposal, self.supplier_reopening, self.buyer_reopening):
            if request is not None and request.status == "Open":
                return request
        return None

    def change(self, **members: object) -> None:
        """Several members at once."""
        for name, value in members.items():
            setattr(self, name, value)

    def with_logistics(self, status: str, etd: date | None = None) -> None:
        """All its deliveries get this status."""
        valid = self.valid
        moved = tuple(replace(one, status=status, etd=etd or one.etd) for one in valid.deliveries)
        if self.agreed is not None:
            self.agreed = Values(moved, valid.price)
        else:
            self.asked = Values(moved, valid.price)
        if status in ("Shipped", "Delivered"):
            self.logistics = status

    def body(self, *, single: bool) -> JsonObject:
        """The whole line as an order event tells it."""
        with_requests = self.open_request.values if self.open_request else self.valid
        told: JsonObject = {"id": self.id} if self.id else {}
        told |= {"lineType": "Item", "buyerLine": self._buyer(single), "supplierLine": self._supplier(single)}
        if self.agreed is not None:
            told["confirmedLine"] = _agreement(self.agreed, single)
        if single:
            told["statusLine"] = {
                "scheduledDelivery": self.valid.deliveries[0].body(current=True, single=True),
                "scheduledDeliveryInclRequests": with_requests.deliveries[0].body(current=True, single=True),
                "prices": _prices(self.valid.price),
                "pricesInclRequests": _prices(with_requests.price),
            }
        else:
            told |= {
                "deliverySchedule": _schedule(self.valid, current=True),
                "deliveryScheduleIncludingRequests": _schedule(with_requests, current=True),
                "prices": _prices(self.valid.price),
                "pricesIncludingRequests": _prices(with_requests.price),
            }
        status: JsonObject = {"processStatus": self.process, "logisticsStatus": self.logistics}
        if self.in_progress:
            status["inProgressStatus"] = self.in_progress
        told |= {"indicators": {"deliveryOverdue": False}, "status": status}
        if self.origin_country:
            told["mergedItemDetails"] = {"countryOfOriginCodeIso2": self.origin_country}
        if self.reason:
            told["reason"] = self.reason
        if self.changed_at:
            told["lastUpdatedAt"] = self.changed_at
        return told

    def _buyer(self, single: bool) -> JsonObject:
        told: JsonObject = {}
        if self.position:
            told["position"] = self.position
        elif self.asks_for_position:
            told["position"] = None
        if self.origin:
            told["originalPosition"] = self.origin
        told["item"] = {
            "number": self.item,
            "name": f"Gehäuse {self.item} Ø 45 mm",
            "purchaseUnitOfMeasureIso": "PCE",
        }
        if not self.origin or self.position:
            # What the buyer asked; of a new split the buyer has not asked anything yet.
            told |= _agreement(self.asked, single)
        if self.buyer_reopening:
            told["requests"] = {"reopenRequest": _request(self.buyer_reopening, single)}
        return told | self._carried("buyerLine")

    def _supplier(self, single: bool) -> JsonObject:
        told: JsonObject = {"salesOrderNumber": self.sales_order} if self.sales_order else {}
        if self.origin_country:
            told["itemDetails"] = {"countryOfOriginCodeIso2": self.origin_country}
        requests: JsonObject = {}
        if self.proposal:
            requests["proposal"] = _request(self.proposal, single)
        if self.supplier_reopening:
            requests["reopenRequest"] = _request(self.supplier_reopening, single)
        if requests:
            told["requests"] = requests
        return told | self._carried("supplierLine")

    def _carried(self, half: str) -> JsonObject:
        documents: list[JsonValue] = [dict(one) for one in self.documents.get(half, {}).values()]
        return {"documents": documents} if documents else {}


def _schedule(values: Values, *, current: bool) -> list[JsonValue]:
    return [one.body(current=current, single=False) for one in values.deliveries]


def _agreement(values: Values, single: bool) -> JsonObject:
    if single:
        delivery = values.deliveries[0].body(current=False, single=True)
        return {"scheduledDelivery": delivery, "prices": _prices(values.price)}
    return {"deliverySchedule": _schedule(values, current=False), "prices": _prices(values.price)}


def _request(request: Request, single: bool) -> JsonObject:
    return _agreement(request.values, single) | {"reason": request.reason, "status": request.status}


def _prices(price: Decimal) -> JsonObject:
    return {
        "netPrice": {"priceInTransactionCurrency": {"value": price, "currencyIso": "EUR"}},
        "priceUnitOfMeasureIso": "PCE",
        "priceUnitQuantity": Decimal(1),
    }
