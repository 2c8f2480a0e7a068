"""The changes of one order line, each reported once.

A line says nearly everything several times. The rule: what is agreed now is read from `deliverySchedule` and
`prices` (single delivery: `statusLine.scheduledDelivery` and `.prices`), which leave open requests out, and from
the buyer's half where a line comes without them (order-webhook.md, sections 10 and 15; behaviour.md, section 5);
what is asked for is read from the requests. `confirmedLine`, the values in `buyerLine` and `supplierLine` and the
twins with requests applied are echoes of those; they are reported, as OTHER, only where nothing else of their line
changed.
"""

from __future__ import annotations

from handlers.interface import ChangeKind, JsonObject, JsonValue
from handlers.mirror.changes import (
    Changes,
    became,
    kind_of,
    list_differences,
    pointer,
    sentence_about,
    shown,
    words,
)
from handlers.reading import items, obj, text

_AGREED = frozenset(
    {"deliverySchedule", "prices", "statusLine", "buyerLine", "supplierLine", "documents", "status"}
)
_ECHOES = frozenset({"confirmedLine", "deliveryScheduleIncludingRequests", "pricesIncludingRequests"})
_HALF = frozenset({"deliverySchedule", "scheduledDelivery", "prices"})
_IN_HALF = _HALF | {"requests", "proposal", "documents", "item"}
_OPEN = ("Open", "Proposed")
"""An open proposal was `Proposed` until 2022 (statuses.md, "Request status")."""


def list_line_changes(changes: Changes, line: str, old: JsonObject, new: JsonObject) -> None:
    """What differs between two states of one line, documents left out."""
    subject = sentence_about(line, "")
    before = len(changes)
    _list_deliveries(changes, line, old, new)
    _list_prices(changes, line, subject, old, new)
    list_differences(changes, line, subject, ("status",), old.get("status"), new.get("status"))
    _list_requests(changes, line, subject, old, new)
    list_differences(
        changes, line, subject, ("buyerLine", "item"), obj(old.get("buyerLine")).get("item"),
        obj(new.get("buyerLine")).get("item"), kind=ChangeKind.ITEM,
    )  # fmt: skip
    merged = "mergedItemDetails" in old or "mergedItemDetails" in new
    for half in ("buyerLine", "supplierLine"):
        # Both halves' details are in the merged ones.
        skip = _IN_HALF | {"itemDetails"} if merged else _IN_HALF
        list_differences(changes, line, subject, (half,), old.get(half), new.get(half), skip=skip)
    status_lines = (old.get("statusLine"), new.get("statusLine"))
    known = frozenset({"scheduledDelivery", "prices", "scheduledDeliveryInclRequests", "pricesInclRequests"})
    list_differences(changes, line, subject, ("statusLine",), *status_lines, skip=known)
    list_differences(changes, line, subject, (), old, new, skip=_AGREED | _ECHOES)
    if len(changes) == before:
        _list_echoes(changes, line, subject, old, new)


def deliveries_of(line: JsonObject) -> tuple[tuple[str, ...], list[JsonObject]]:
    """The deliveries that are agreed now, and where they stand: a list, or a single one."""
    status_line, buyer_line = obj(line.get("statusLine")), obj(line.get("buyerLine"))
    if isinstance(line.get("deliverySchedule"), list):
        return ("deliverySchedule",), items(line["deliverySchedule"])
    if isinstance(status_line.get("scheduledDelivery"), dict):
        return ("statusLine", "scheduledDelivery"), [obj(status_line["scheduledDelivery"])]
    if isinstance(buyer_line.get("deliverySchedule"), list):
        return ("buyerLine", "deliverySchedule"), items(buyer_line["deliverySchedule"])
    if isinstance(buyer_line.get("scheduledDelivery"), dict):
        return ("buyerLine", "scheduledDelivery"), [obj(buyer_line["scheduledDelivery"])]
    return ("deliverySchedule",), []


def prices_of(line: JsonObject) -> tuple[tuple[str, ...], JsonValue]:
    """The prices that are agreed now, and where they stand; None if the line has none."""
    for half in (None, "statusLine", "buyerLine"):
        holder = line if half is None else obj(line.get(half))
        if isinstance(holder.get("prices"), dict):
            return (*([half] if half else []), "prices"), holder["prices"]
    return ("prices",), None


def requested_deliveries_of(line: JsonObject) -> list[JsonObject] | None:
    """The deliveries as they are once the open requests are applied; None if the line does not say."""
    if isinstance(line.get("deliveryScheduleIncludingRequests"), list):
        return items(line["deliveryScheduleIncludingRequests"])
    single = obj(line.get("statusLine")).get("scheduledDeliveryInclRequests")
    return [single] if isinstance(single, dict) else None


def requested_prices_of(line: JsonObject) -> JsonObject | None:
    """The prices as they are once the open requests are applied; None if the line does not say."""
    for found in (line.get("pricesIncludingRequests"), obj(line.get("statusLine")).get("pricesInclRequests")):
        if isinstance(found, dict):
            return found
    return None


def _list_deliveries(changes: Changes, line: str, old: JsonObject, new: JsonObject) -> None:
    _, before = deliveries_of(old)
    place, after = deliveries_of(new)
    if before == after:
        return
    single = place[-1] == "scheduledDelivery"
    pairs = [(None, before[0], after[0])] if single and len(before) == 1 else _paired(before, after)
    for name, was, now in pairs:
        path = place if name is None else (*place, name)
        subject = sentence_about(line, "") + ("" if name is None else f", delivery {shown(name)}")
        if changes.is_full():
            return
        if was is None:
            sentence = f"{subject}: new, {_delivery_in_words(now)}."
            changes.add(ChangeKind.ADDED, line, pointer(path), None, now, sentence)
        elif now is None:
            sentence = f"{subject}: gone, it was {_delivery_in_words(was)}."
            changes.add(ChangeKind.REMOVED, line, pointer(path), was, None, sentence)
        else:
            _list_delivery(changes, line, subject, path, was, now)


def _list_delivery(
    changes: Changes, line: str, subject: str, path: tuple[str, ...], was: JsonObject, now: JsonObject
) -> None:
    for member in dict.fromkeys((*was, *now)):
        one, other = was.get(member), now.get(member)
        if one != other:
            kind = kind_of((member,))
            changes.add(
                kind, line, pointer((*path, member)), one, other, became(subject, words((member,)), one, other)
            )


def _paired(
    before: list[JsonObject], after: list[JsonObject]
) -> list[tuple[str | None, JsonObject | None, JsonObject | None]]:
    """Old and new deliveries of a schedule, matched by position, else by date and quantity, else by order.

    A delivery that the supplier split off has no position until the buyer assigns one (behaviour.md, section 5).
    """
    old_of: dict[int, int] = {}
    known = {position: index for index, each in enumerate(before) if (position := text(each.get("position")))}
    for index, each in enumerate(after):
        found = known.pop(text(each.get("position")) or "", None)
        if found is not None:
            old_of[index] = found
    nameless = [index for index, each in enumerate(before) if not text(each.get("position"))]
    # By keys: a schedule may be absurdly long.
    by_delivery: dict[tuple[str, object], list[int]] = {}
    for index in reversed(nameless):
        by_delivery.setdefault(_delivery_key(before[index]), []).append(index)
    for index, each in enumerate(after):
        if index not in old_of and (same := by_delivery.get(_delivery_key(each))):
            old_of[index] = same.pop()
    taken = set(old_of.values())
    left = [index for index in nameless if index not in taken]
    new_nameless = [i for i, each in enumerate(after) if i not in old_of and not text(each.get("position"))]
    old_of.update(zip(new_nameless, left, strict=False))
    pairs: list[tuple[str | None, JsonObject | None, JsonObject | None]] = [
        (_delivery_name(each, index), before[old_of[index]] if index in old_of else None, each)
        for index, each in enumerate(after)
    ]
    kept = set(old_of.values())
    pairs += [(_delivery_name(each, i), each, None) for i, each in enumerate(before) if i not in kept]
    return pairs


def _delivery_name(delivery: JsonObject, index: int) -> str:
    return text(delivery.get("position")) or f"#{index + 1}"


def _delivery_key(delivery: JsonObject) -> tuple[str, object]:
    quantity = delivery.get("quantity")
    return str(delivery.get("date")), None if isinstance(quantity, dict | list) else quantity


def _delivery_in_words(delivery: JsonObject | None) -> str:
    found = obj(delivery)
    quantity, date = found.get("quantity"), found.get("date")
    said = [f"quantity {shown(quantity)}"] if quantity is not None else []
    said += [f"date {shown(date)}"] if date is not None else []
    return ", ".join(said) or "without date and quantity"


def _list_prices(changes: Changes, line: str, subject: str, old: JsonObject, new: JsonObject) -> None:
    _, before = prices_of(old)
    place, after = prices_of(new)
    list_differences(changes, line, subject, place, before, after, kind=ChangeKind.PRICE)


def _list_requests(changes: Changes, line: str, subject: str, old: JsonObject, new: JsonObject) -> None:
    for half, party in (("buyerLine", "buyer"), ("supplierLine", "supplier")):
        before, after = _requests(obj(old.get(half))), _requests(obj(new.get(half)))
        for path in dict.fromkeys((*before, *after)):
            was, now = before.get(path), after.get(path)
            if was != now:
                sentence = f"{subject}: {words(path[-1:])} of the {party} {_request_in_words(was, now)}."
                changes.add(ChangeKind.REQUEST, line, pointer((half, *path)), was, now, sentence)


def _requests(half: JsonObject) -> dict[tuple[str, ...], JsonValue]:
    """By their place; names that are not known yet are requests too (order-webhook.md, section 14)."""
    found: dict[tuple[str, ...], JsonValue] = {
        ("requests", name): each for name, each in obj(half.get("requests")).items() if each is not None
    }
    if half.get("proposal") is not None:
        found["proposal",] = half["proposal"]
    return found


def _request_in_words(was: JsonValue, now: JsonValue) -> str:
    old_status, new_status = obj(was).get("status"), obj(now).get("status")
    reason = text(obj(now).get("reason"))
    because = f" ({shown(reason)})" if reason else ""
    if now is None:
        return "is gone"
    if new_status in _OPEN and old_status not in _OPEN:
        return f"was opened{because}"
    if old_status != new_status:
        return f"is now {shown(new_status)}{because}" if new_status is not None else "has no status any more"
    return "has other values"


def _list_echoes(changes: Changes, line: str, subject: str, old: JsonObject, new: JsonObject) -> None:
    paths: list[tuple[str, ...]] = [(name,) for name in sorted(_ECHOES)]
    paths += [(half, name) for half in ("buyerLine", "supplierLine") for name in sorted(_HALF | {"itemDetails"})]
    paths += [("statusLine", name) for name in ("scheduledDeliveryInclRequests", "pricesInclRequests")]
    paths += [("deliverySchedule",), ("statusLine", "scheduledDelivery"), ("statusLine", "prices")]
    for path in paths:
        was, now = _at(old, path), _at(new, path)
        if was != now:
            member = shown(" ".join(path))
            changes.add(ChangeKind.OTHER, line, pointer(path), was, now, f"{subject}: {member} changed.")


def _at(line: JsonObject, path: tuple[str, ...]) -> JsonValue:
    found: JsonValue = line
    for name in path:
        found = obj(found).get(name)
    return found
