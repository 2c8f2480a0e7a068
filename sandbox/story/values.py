"""What the parties of a line talk about: deliveries and prices, and their place in a body of the contract."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from random import Random

from sandbox.wire.json_text import JsonObject, JsonValue

#: From nothing done to all done (contract, statuses.md).
LOGISTICS = ("Open", "Produced", "ReadyToShip", "Shipped", "Delivered")


@dataclass(frozen=True, slots=True)
class Delivery:
    """One delivery of a line."""

    position: str | None
    """In the schedule; None while the buyer has not given one."""
    day: date
    quantity: Decimal
    status: str = "Open"
    etd: date | None = None
    eta: date | None = None

    def body(self, *, current: bool, single: bool) -> JsonObject:
        """As a body tells it; `current` deliveries have a status and estimates (order-webhook.md section 16)."""
        told: JsonObject = {"position": self.position} if self.position and not single else {}
        told |= {"date": self.day.isoformat(), "quantity": self.quantity}
        if current:
            told["status"] = self.status
            for name, day in (("etd", self.etd), ("eta", self.eta)):
                if day is not None:
                    told[name] = day.isoformat()
        return told


@dataclass(frozen=True, slots=True)
class Price:
    """Of so many units."""

    net: Decimal
    currency: str
    unit: str
    per: Decimal = Decimal(1)
    gross: Decimal | None = None
    discount: Decimal | None = None
    """Percent of `gross`."""
    base: Decimal | None = None
    """The net price in the buyer's own currency."""

    def body(self) -> JsonObject:
        """As a body tells it."""
        net: JsonObject = {"priceInTransactionCurrency": {"value": self.net, "currencyIso": self.currency}}
        if self.base is not None:
            net["priceInBaseCurrency"] = {"value": self.base, "currencyIso": "EUR"}
        told: JsonObject = {"netPrice": net, "priceUnitOfMeasureIso": self.unit, "priceUnitQuantity": self.per}
        if self.gross is not None:
            money: JsonObject = {"value": self.gross, "currencyIso": self.currency}
            told |= {"grossPrice": {"priceInTransactionCurrency": money}, "discountPercentage": self.discount}
        return told


@dataclass(frozen=True, slots=True)
class Values:
    """What is asked for, or agreed."""

    deliveries: tuple[Delivery, ...]
    price: Price

    def schedule(self, *, current: bool) -> list[JsonValue]:
        """The deliveries in delivery-schedule mode."""
        return [one.body(current=current, single=False) for one in self.deliveries]

    def body(self, *, single: bool) -> JsonObject:
        """Deliveries and prices as both halves of a line, agreements and requests hold them."""
        if single:
            delivery = self.deliveries[0].body(current=False, single=True)
            return {"scheduledDelivery": delivery, "prices": self.price.body()}
        return {"deliverySchedule": self.schedule(current=False), "prices": self.price.body()}

    @property
    def logistics(self) -> str:
        """What is reached by the full quantity."""
        return LOGISTICS[min(LOGISTICS.index(one.status) for one in self.deliveries)]

    @property
    def quantity(self) -> Decimal:
        """Of all deliveries."""
        return sum((one.quantity for one in self.deliveries), Decimal(0))


@dataclass(frozen=True, slots=True)
class Request:
    """What one party asks of the other."""

    values: Values
    reason: str
    status: str = "Open"

    def body(self, *, single: bool) -> JsonObject:
        """As `requests` of a half of the line tells it."""
        return self.values.body(single=single) | {"reason": self.reason, "status": self.status}


def quantity(random: Random) -> Decimal:
    """Mostly short, sometimes with more digits than a binary float can hold."""
    digits = random.choice((0, 0, 2, 3, 18))
    return Decimal(random.randrange(1, 10 ** (digits + 3))).scaleb(-digits)


def price(random: Random) -> Price:
    """In some currency; one in three with a discount, one in four per hundred."""
    digits = random.choice((2, 2, 4, 20))
    net = Decimal(random.randrange(1, 10 ** (digits + 4))).scaleb(-digits)
    made = Price(net, random.choice(("EUR", "USD", "SEK", "CNY")), random.choice(("PCE", "KGM", "MTR")))
    if random.randrange(3) == 0:
        made = replace(made, gross=net * 2, discount=Decimal("50.00"))
    if random.randrange(4) == 0:
        made = replace(made, per=Decimal(100), base=net + Decimal("0.10"))
    return made


def values(random: Random, *, single: bool) -> Values:
    """What a buyer asks for: one to three deliveries, a single one in single-delivery mode."""
    first = date(2026, 11, 2) + timedelta(days=random.randrange(60))
    count = 1 if single else random.randrange(1, 4)
    deliveries = tuple(
        Delivery(f"{10 * (i + 1):04}", first + timedelta(days=14 * i), quantity(random)) for i in range(count)
    )
    return Values(deliveries, price(random))


def other(random: Random, known: Values) -> Values:
    """The same deliveries on other days, in other quantities, at another price of the same kind."""
    moved = tuple(
        replace(one, day=one.day + timedelta(days=random.randrange(1, 30)), quantity=quantity(random))
        for one in known.deliveries
    )
    new = price(random)
    return Values(moved, replace(new, currency=known.price.currency, unit=known.price.unit))
