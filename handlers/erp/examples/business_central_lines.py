"""What an order of Tradecloud means for the lines of a purchase order in Business Central. Pure: no calls.

A position in Tradecloud is the line number (`sequence`) in Business Central. A line that the supplier split off has
no position yet; it becomes a line of its own with a number right behind its origin: 10001 to 10099 behind 10000.
People and Business Central itself leave gaps of 10000 or halve them, so a line in that range that Tradecloud does
not know by position is one that was created here before, and is never created again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from handlers.interface import Change, ErpEvent, JsonObject, JsonValue

_PAYLOADS = ("singleDeliveryOrderEvent", "simpleOrderEvent", "orderEvent")
#: The contract's bound on the deliveries of one original line.
_MAX_SPLITS = 99
#: What a new line has in common with the one that it was split from.
_INHERITED = ("lineType", "lineObjectNumber", "unitOfMeasureCode", "itemVariantId", "locationId", "taxCode")
_NUMBER = re.compile(r"[0-9]{1,9}")
_NO_ID = "00000000-0000-0000-0000-000000000000"


class NotPossibleError(Exception):
    """Business Central cannot hold what the order says; the text says why."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A line as it is agreed in Tradecloud."""

    sequence: int | None
    """None: split off, without a position yet."""
    origin: int | None
    """The line that it was split from."""
    values: JsonObject
    """Members of `purchaseOrderLine`."""


@dataclass(frozen=True, slots=True)
class Order:
    """What an event says about a purchase order."""

    number: str
    currency: str | None
    lines: tuple[Wanted, ...]
    """Only those that the event is about."""
    known: frozenset[int]
    """Line numbers that Tradecloud knows."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One line to be changed or created."""

    line: Mapping[str, Any] | None
    """The line as it was read; None to create one."""
    values: JsonObject


def read_order(
    event: ErpEvent, merged: JsonObject | None, changes: Sequence[Change], price_decimals: int
) -> Order | None:
    """What the event says; None if that is nothing for a purchase order.

    Lines that only give back an open request of our own are left out, and so are lines that this event does not
    change: somebody may be about to change them in Business Central. A resent event stands for all lines.

    Raises:
        NotPossibleError: it cannot be written there.
    """
    payload = next((found for name in _PAYLOADS if (found := _object(merged, name))), {})
    number = _text(_object(payload, "buyerOrder").get("purchaseOrderNumber"))
    lines = payload.get("lines")
    if number is None or not isinstance(lines, list):
        return None
    changed = {change.line for change in changes}
    wanted: list[Wanted] = []
    known: set[int] = set()
    currency: str | None = None
    for line in lines:
        if not isinstance(line, dict):
            continue
        buyer_line = _object(line, "buyerLine")
        position = _text(buyer_line.get("position"))
        if position is not None and _NUMBER.fullmatch(position):
            known.add(int(position))
        if position in event.echo or not (event.resent or position is None or position in changed):
            continue
        origin = _text(buyer_line.get("originalPosition"))
        values, currency = _values(line, price_decimals, currency)
        if position is None and origin is None:
            raise NotPossibleError("a line has neither a position nor an original position")
        if values:
            wanted.append(
                Wanted(
                    _sequence(position) if position is not None else None,
                    _sequence(origin) if origin is not None else None,
                    values,
                )
            )
    return Order(number, currency, tuple(wanted), frozenset(known))


def plan(order: Order, lines: Sequence[Mapping[str, Any]]) -> list[Edit]:
    """What is still to be done to the lines of Business Central; nothing, if all of it is done.

    Raises:
        NotPossibleError: a line is not there.
    """
    there = {line["sequence"]: line for line in lines}
    edits: list[Edit] = []
    splits: dict[int, list[Wanted]] = {}
    for wanted in order.lines:
        if wanted.sequence is None:
            splits.setdefault(wanted.origin or 0, []).append(wanted)
        elif wanted.sequence not in there:
            raise NotPossibleError(f"order {order.number} has no line {wanted.sequence}")
        else:
            edits += _edit(there[wanted.sequence], wanted.values)
    for origin, group in splits.items():
        if origin not in there:
            raise NotPossibleError(f"order {order.number} has no line {origin}")
        edits += _splits(origin, group, there, order.known)
    return edits


def _splits(
    origin: int, group: Iterable[Wanted], there: Mapping[int, Mapping[str, Any]], known: frozenset[int]
) -> list[Edit]:
    behind = range(origin + 1, origin + 1 + _MAX_SPLITS)
    item = there[origin].get("lineObjectNumber")
    created = [
        there[number]
        for number in behind
        if number in there and number not in known and there[number].get("lineObjectNumber") == item
    ]
    waiting = []
    for wanted in group:
        same = next((line for line in created if not _edit(line, wanted.values)), None)
        if same is None:
            waiting.append(wanted)
        else:
            created.remove(same)
    free = (number for number in behind if number not in there)
    edits: list[Edit] = []
    for wanted in waiting:
        if created:
            edits += _edit(created.pop(0), wanted.values)
            continue
        number = next(free, None)
        if number is None:
            raise NotPossibleError(f"no line number is left behind line {origin}")
        inherited = {name: there[origin].get(name) for name in _INHERITED}
        kept = {name: value for name, value in inherited.items() if value not in (None, "", _NO_ID)}
        edits.append(Edit(None, {"sequence": number, **kept, **wanted.values}))
    return edits


def _edit(line: Mapping[str, Any], values: JsonObject) -> list[Edit]:
    differing = {name: value for name, value in values.items() if line.get(name) != value}
    return [Edit(line, differing)] if differing else []


def _values(line: JsonObject, price_decimals: int, currency: str | None) -> tuple[JsonObject, str | None]:
    """Date, quantity and price as agreed: open requests are not in these members (behaviour.md, section 5)."""
    status_line = _object(line, "statusLine")
    delivery = _object(status_line, "scheduledDelivery")
    schedule = line.get("deliverySchedule")
    if not delivery and isinstance(schedule, list) and schedule:
        if len(schedule) > 1:
            raise NotPossibleError(
                "a line has several deliveries, and Business Central takes one: set Tradecloud to single delivery"
            )
        delivery = schedule[0] if isinstance(schedule[0], dict) else {}
    values: JsonObject = {}
    date, quantity = _text(delivery.get("date")), _number(delivery.get("quantity"))
    if date is not None and re.fullmatch(r"\d{4}-\d\d-\d\d", date):
        values["expectedReceiptDate"] = date
    if quantity is not None:
        values["quantity"] = quantity
    prices = _object(status_line, "prices") or _object(line, "prices")
    gross, gross_currency = _price(prices, "grossPrice")
    net, net_currency = _price(prices, "netPrice")
    discount = _number(prices.get("discountPercentage"))
    cost, found = gross, gross_currency
    if net is not None and (gross is None or discount is None):
        cost, found, discount = net, net_currency, Decimal(0)
    if cost is None:
        return values, currency
    _same_unit(line, prices)
    if found and currency and found != currency:
        raise NotPossibleError(f"prices in {currency} and in {found}, and an order has one currency")
    per = _number(prices.get("priceUnitQuantity")) or Decimal(1)
    values["directUnitCost"] = _per_unit(cost, per, price_decimals)
    if discount is not None:
        values["discountPercent"] = discount
    return values, found or currency


def _per_unit(cost: Decimal, per: Decimal, decimals: int) -> Decimal:
    exact = cost / per
    if exact * per == cost:
        return exact
    return exact.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)


def _same_unit(line: JsonObject, prices: JsonObject) -> None:
    bought = _text(_object(_object(line, "buyerLine"), "item").get("purchaseUnitOfMeasureIso"))
    priced = _text(prices.get("priceUnitOfMeasureIso"))
    if bought and priced and bought != priced:
        raise NotPossibleError(f"the price is per {priced} and the quantity in {bought}")


def _price(prices: JsonObject, name: str) -> tuple[Decimal | None, str | None]:
    price = _object(_object(prices, name), "priceInTransactionCurrency")
    return _number(price.get("value")), _text(price.get("currencyIso"))


def _sequence(position: str) -> int:
    if not _NUMBER.fullmatch(position):
        raise NotPossibleError(f"position {position[:40]!a} is no line number of Business Central")
    return int(position)


def _object(value: JsonObject | None, name: str) -> JsonObject:
    found = (value or {}).get(name)
    return found if isinstance(found, dict) else {}


def _text(value: JsonValue) -> str | None:
    return value if isinstance(value, str) and value else None


def _number(value: JsonValue) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    return Decimal(value)
