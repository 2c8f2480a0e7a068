"""Recognising the lines of an event among the known ones.

A line is told by `buyerLine.position`, which is unique and never changes (order-webhook.md, section 12), else by
`id`. In single-delivery mode a line that a supplier split off has no position until the buyer assigns one
(behaviour.md, section 5, "Split lines"), and its id is not promised to stay the same then. So it is also told by
its delivery among the lines of the same `originalPosition`, and in the end by its turn.

What this cannot tell: a split without an id that changed its delivery before it got its position, and whose old
copy comes after the new one. It is kept as a line of its own, and flagged.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from handlers.interface import JsonObject, JsonValue
from handlers.mirror.marks import Age, Mark, age
from handlers.reading import digits, obj, text

#: Deliveries and ids of one line that are remembered, to recognise old copies of it.
MAX_REMEMBERED = 100

Delivery = tuple[str, JsonValue]
"""Date and quantity."""


@dataclass(slots=True)
class Came:
    """One line of an event, and what tells it from others."""

    line: JsonObject
    mark: Mark
    position: str | None
    origin: str | None
    id: str | None
    delivery: Delivery | None

    @property
    def name(self) -> str:
        """What a person calls the line: its position, if it has one."""
        return line_name(self.position, self.origin, self.id)


@dataclass(slots=True)
class Match:
    """The place of a line that came."""

    slot: int | None = None
    """Index of the known line that it is; None if it is new."""
    absorbed: list[int] = field(default_factory=list)
    """Further known lines that turn out to be the same one, under no position."""
    by_turn: bool = False
    """Nothing but the order of appearance tells so."""


def came(line: JsonObject, mark: Mark, *, flat: bool = False) -> Came:
    """What tells a line from others. `flat`: the position may stand on the line itself, as in document events."""
    buyer_line = obj(line.get("buyerLine"))
    position = _label(buyer_line.get("position")) or (_label(line.get("position")) if flat else None)
    return Came(
        line, mark, position, _label(buyer_line.get("originalPosition")), _label(line.get("id")), _delivery(line)
    )


def line_name(position: str | None, origin: str | None, line_id: str | None) -> str:
    """What a person calls a line: its position, if it has one."""
    if position is not None:
        return position
    return f"split from {origin}" if origin is not None else line_id or "without position"


class Known:
    """The lines of the mirror, to be searched. An entry holds, beside the line itself:

    `position`, `origin`; `ids` and `deliveries` that it ever had, which recognise old copies of it; `split`,
    whether it is known to have been a line without position before; `mark`.
    """

    def __init__(self, entries: list[JsonObject]) -> None:
        self._entries = entries
        self._by_position: dict[str, int] = {}
        self._nameless: dict[str | None, list[int]] = {}
        self._splits: dict[str, list[int]] = {}
        """Those with a position, by the line they were split from."""
        self._by_id: dict[str, int | None] | None = None
        for slot, entry in enumerate(entries):
            position, origin = text(entry.get("position")), text(entry.get("origin"))
            if position is None:
                self._nameless.setdefault(origin, []).append(slot)
            else:
                self._by_position[position] = slot
                if origin is not None:
                    self._splits.setdefault(origin, []).append(slot)

    def match(self, lines: list[Came]) -> list[Match]:
        """The place of each line of one event. No two of them get the same one, unless their position is the same.

        First all that is certain, then what equal deliveries tell, then turns: a guess must not take what
        belongs to another line of the event.
        """
        ids = Counter(line.id for line in lines if line.id is not None)
        matches = [Match() for _ in lines]
        taken: set[int] = set()
        for line, match in zip(lines, matches, strict=True):
            if line.id is not None and ids[line.id] > 1:
                line.id = None  # it tells nothing
            match.slot = self._by_position.get(line.position) if line.position is not None else None
            found = self._of_id(line)
            if found is not None and found not in taken and found != match.slot:
                if match.slot is None:
                    match.slot = found
                elif text(self._entries[found].get("position")) is None:
                    match.absorbed.append(found)
                    taken.add(found)
            if match.slot is not None:
                taken.add(match.slot)
        for line, match in zip(lines, matches, strict=True):
            if match.slot is None:
                self._take(match, self._of_delivery(line, taken), taken)
            elif line.position is None and self._entries[match.slot].get("stub"):
                # A document came for it by its id, before anything told that it is a line known by its position.
                found = self._of_delivery(line, taken)
                if found is not None:
                    match.absorbed.append(match.slot)
                    self._take(match, found, taken)
            elif line.position is not None and not match.absorbed and not self._entries[match.slot].get("split"):
                found = self._of_delivery(line, taken)
                if found is not None:
                    match.absorbed.append(found)
                    taken.add(found)
        left = [(line, match) for line, match in zip(lines, matches, strict=True) if match.slot is None]
        for line, match in sorted(left, key=lambda pair: _delivery_order(pair[0].delivery)):
            self._take(match, self._of_turn(line, taken), taken)
            match.by_turn = match.slot is not None
        return matches

    def is_late(self, line: Came) -> bool:
        """Whether a line without position, that matches none, is older than some line of the same origin."""
        slots = (*self._nameless.get(line.origin, ()), *self._splits.get(line.origin or "", ()))
        return any(age(line.mark, Mark.read(self._entries[slot].get("mark"))) is Age.OLDER for slot in slots)

    def _take(self, match: Match, slot: int | None, taken: set[int]) -> None:
        if slot is not None:
            match.slot = slot
            taken.add(slot)

    def _of_id(self, line: Came) -> int | None:
        if line.id is None:
            return None
        if self._by_id is None:
            self._by_id = {}
            for index, entry in enumerate(self._entries):
                for each in _texts(entry.get("ids")):
                    # An id that two lines share tells nothing.
                    self._by_id[each] = None if each in self._by_id else index
        slot = self._by_id.get(line.id)
        if slot is None:
            return None
        entry = self._entries[slot]
        position, origin = text(entry.get("position")), text(entry.get("origin"))
        if position is not None and line.position is not None:
            return None  # the position goes before the id
        # A split is never the line that it came from, even if it bears its id.
        is_origin = (position is not None and position == line.origin) or (
            line.position is not None and line.position == origin
        )
        return None if is_origin else slot

    def _of_delivery(self, line: Came, taken: set[int]) -> int | None:
        if line.delivery is None:
            return None
        candidates = list(self._nameless.get(line.origin, ()))
        if line.position is None and line.origin is not None:
            candidates += self._splits.get(line.origin, ())
        for slot in candidates:
            if slot not in taken and self._may_be(line, slot):
                entry = self._entries[slot]
                if list(line.delivery) in _lists(entry.get("deliveries")):
                    return slot
        return None

    def _of_turn(self, line: Came, taken: set[int]) -> int | None:
        told = line.position is not None or line.id is not None
        for slot in self._nameless.get(line.origin, ()):
            if slot in taken or not self._may_be(line, slot):
                continue
            if line.origin is not None or not (told or _texts(self._entries[slot].get("ids"))):
                return slot
        return None

    def _may_be(self, line: Came, slot: int) -> bool:
        entry = self._entries[slot]
        position, origin = text(entry.get("position")), text(entry.get("origin"))
        own_id = _own_id(line.id, line.position, line.origin)
        known_ids = [each for each in _texts(entry.get("ids")) if _own_id(each, position, origin)]
        if own_id is not None and known_ids and own_id not in known_ids:
            return False
        if (line.position is None) == (position is None):
            return True
        # A position is never taken away: of the two states the one without it is the older.
        difference = age(line.mark, Mark.read(entry.get("mark")))
        return difference is not (Age.NEWER if line.position is None else Age.OLDER)


def identified(entry: JsonObject, line: Came) -> JsonObject:
    """The entry with what tells the line that came added to what told it before."""
    told = dict(entry)
    if entry and (line.position is None) != (text(entry.get("position")) is None):
        told["split"] = True
    if line.position is not None:
        told["position"] = line.position
    if line.origin is not None:
        told["origin"] = line.origin
    if line.id is not None:
        told["ids"] = _remembered(entry.get("ids"), [line.id])
    if line.delivery is not None and line.origin is not None:
        told["deliveries"] = _remembered(entry.get("deliveries"), [list(line.delivery)])
    return told


def joined_identity(entry: JsonObject, absorbed: JsonObject) -> JsonObject:
    """The entry of a line with what told the same line while it had no position."""
    told = {**entry, "split": True}
    for member in ("ids", "deliveries"):
        if member in absorbed:
            more = absorbed[member]
            told[member] = _remembered(entry.get(member), more if isinstance(more, list) else [])
    return told


def in_order(entries: Iterable[JsonObject]) -> list[JsonObject]:
    """By position, numerically where it is a number; splits without position behind their origin, by delivery."""
    return sorted(entries, key=_order)


def _order(entry: JsonObject) -> tuple[object, ...]:
    position, origin = text(entry.get("position")), text(entry.get("origin"))
    if position is not None:
        return (*_position_order(position), False)
    delivery, ids = _delivery(obj(entry.get("line"))), sorted(_texts(entry.get("ids")))
    return (*_position_order(origin), True, *_delivery_order(delivery), ids, str(entry.get("mark")))


def _position_order(position: str | None) -> tuple[int, int, str, str]:
    if position is None:
        return 2, 0, "", ""
    if position.isascii() and position.isdigit():
        number = position.lstrip("0")
        return 0, len(number), number, position
    return 1, 0, position, ""


def _delivery_order(delivery: Delivery | None) -> tuple[object, ...]:
    if delivery is None:
        return "", 0, 0, ""
    date, quantity = delivery
    is_number = not isinstance(quantity, str | bool | list | dict | None)
    return date, not is_number, quantity if is_number else 0, "" if is_number else str(quantity)


def _delivery(line: JsonObject) -> Delivery | None:
    """The delivery of a single-delivery line: what is agreed, else what is asked for."""
    status_line, supplier_line = obj(line.get("statusLine")), obj(line.get("supplierLine"))
    holders = [
        status_line.get("scheduledDelivery"),
        status_line.get("scheduledDeliveryInclRequests"),
        obj(line.get("confirmedLine")).get("scheduledDelivery"),
        obj(line.get("buyerLine")).get("scheduledDelivery"),
        *(obj(each).get("scheduledDelivery") for each in obj(supplier_line.get("requests")).values()),
    ]
    for holder in holders:
        found = obj(holder)
        if found.get("date") is not None or found.get("quantity") is not None:
            return text(found.get("date")) or "", found.get("quantity")
    return None


def _own_id(line_id: str | None, position: str | None, origin: str | None) -> str | None:
    """An id that belongs to this line for ever.

    Ids end in the position (behaviour.md, section 6), so such a one is not the id that the line had without it.
    """
    for each in (position, origin):
        if line_id is not None and each is not None and line_id.endswith(f"-{each}"):
            return None
    return line_id


def _label(value: JsonValue) -> str | None:
    return text(value) or digits(value)


def _texts(value: JsonValue) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def _lists(value: JsonValue) -> list[list[JsonValue]]:
    return [each for each in value if isinstance(each, list) and each] if isinstance(value, list) else []


def _remembered(known: JsonValue, more: Iterable[JsonValue]) -> list[JsonValue]:
    remembered = list(known) if isinstance(known, list) else []
    for each in more:
        if each not in remembered:
            remembered.append(each)
    return remembered[-MAX_REMEMBERED:]
