"""Merging one shipment event into the current shipment, and what it changes.

An event carries the whole shipment with all lines and documents, so the newer one replaces the older as a whole,
judged by `shipment.meta.lastUpdatedAt`, else by the version.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from handlers.interface import ChangeKind, JsonObject, JsonValue, Merged, Summary
from handlers.mirror.changes import Changes, list_differences, pointer, sentence_about, shown
from handlers.mirror.documents import identity
from handlers.mirror.flags import Flags
from handlers.mirror.marks import Age, Mark, instant, judge, version_of
from handlers.reading import items, obj, orders_of, shipment_lines, text

_HALVES = ("supplierShipment", "buyerShipment")
_LINE_NAMES = ("purchaseOrderNumber", "purchaseOrderLinePosition", "deliverySchedulePosition")


def merge_shipment(state: JsonObject | None, body: JsonObject) -> Merged:
    """The shipment after an event; `handlers.shipments.merge_shipment_event` says more."""
    known = state or {}
    old, old_mark = obj(known.get("shipment")), Mark.read(known.get("mark"))
    came = obj(body.get("shipment"))
    mark = Mark(_updated_at(came), version_of(came.get("version")))
    changes, flags = Changes(), Flags()
    is_stub = not mark and not any(value is not None for name, value in came.items() if name != "id")
    is_new = state is None or (known.get("stub") is True and not is_stub)
    # One that says nothing but its id, as a resend may, must not wipe out what is known.
    verdict = Age.NEWER if is_new else Age.SAME if is_stub else judge(mark, came, old_mark, old)
    kept, kept_mark = old, old_mark
    if verdict is Age.OLDER:
        kept_mark = old_mark.filled(mark)
    elif verdict is Age.SAME:
        kept_mark = old_mark.with_highest_version(mark)
        kept = old if kept_mark == old_mark else came
    else:
        kept, kept_mark = came, mark.filled(old_mark)
        if verdict is Age.UNTOLD:
            flags.untold("the shipment")
        if not is_stub:
            _list_changes(changes, None if is_new else old, came)
    current: JsonObject = {"eventName": body.get("eventName"), "shipment": kept}
    if body.get("meta") is not None:
        current["meta"] = body["meta"]
    return Merged(
        state={
            "shipment": kept,
            "mark": kept_mark.written(),
            "stub": is_stub and (is_new or known.get("stub") is True),
        },
        current=current,
        summary=_summary(kept),
        changes=changes.all(),
        news=verdict in (Age.NEWER, Age.UNTOLD),
        stale=("shipment",) if verdict is Age.OLDER else (),
        flags=flags.all(),
        echo=(),
    )


def is_changed(part: JsonObject, shipment: JsonObject) -> bool:
    """Whether a line or document is new or changed in this state of its shipment.

    Source: shipment-webhook.md, section 7: both were last updated at the same time. What has no time is treated as
    changed.
    """
    mine, whole = _updated_at(part), _updated_at(shipment)
    if mine is None or whole is None or mine == whole:
        return True
    one, other = instant(mine), instant(whole)
    return one is not None and one == other


def _updated_at(part: JsonObject) -> str | None:
    return text(obj(part.get("meta")).get("lastUpdatedAt"))


def _list_changes(changes: Changes, old: JsonObject | None, new: JsonObject) -> None:
    if old is None:
        number = text(obj(new.get("supplierShipment")).get("shipmentNumber")) or text(new.get("id"))
        sentence = f"Shipment {shown(number)} is new." if number else "The shipment is new."
        changes.add(ChangeKind.ADDED, None, "", None, new, sentence)
    else:
        list_differences(changes, None, "Shipment", (), _header(old), _header(new), skip=frozenset({"version"}))
    _list_documents(changes, old or {}, new)
    _list_lines(changes, old or {}, new)


def _header(shipment: JsonObject) -> JsonObject:
    """All that is no line and no document."""
    header = {name: value for name, value in shipment.items() if name != "lines"}
    for half in _HALVES:
        if isinstance(header.get(half), dict):
            header[half] = {name: value for name, value in obj(header[half]).items() if name != "documents"}
    if isinstance(header.get("loadCarriers"), list):
        carriers: list[JsonValue] = [
            {name: value for name, value in carrier.items() if name != "lines"}
            for carrier in items(header["loadCarriers"])
        ]
        header["loadCarriers"] = carriers
    return header


def _list_documents(changes: Changes, old: JsonObject, new: JsonObject) -> None:
    for half in _HALVES:
        before = {identity(each): each for each in items(obj(old.get(half)).get("documents"))}
        after = {identity(each): each for each in items(obj(new.get(half)).get("documents"))}
        party = "buyer" if half == "buyerShipment" else "supplier"
        for key, now in after.items():
            was = before.get(key)
            if was == now or (was is not None and _is_untouched(was, now, new)):
                continue
            what = "was attached" if was is None else "was replaced by a later one"
            _add_document(changes, half, key, was, now, f"{what} ({party}).")
        for key, was in before.items():
            if key not in after:
                _add_document(changes, half, key, was, None, f"is gone ({party}).")


def _add_document(
    changes: Changes, half: str, key: tuple[str, str], old: JsonValue, new: JsonValue, what: str
) -> None:
    name = key[1] if key[0] != "content" else text(obj(new or old).get("name")) or "without code"
    sentence = f"Shipment: document {shown(name)} {what}"
    changes.add(ChangeKind.DOCUMENT, None, pointer((half, "documents", name)), old, new, sentence)


def _is_untouched(was: JsonObject, now: JsonObject, shipment: JsonObject) -> bool:
    """Whether a part needs no look: the sender says so, and our copy is of the same time.

    The second, because an event in between may be missing here.
    """
    return not is_changed(now, shipment) and _updated_at(was) == _updated_at(now)


@dataclass(frozen=True, slots=True)
class _Line:
    name: str
    """Order number, position and, if there is one, delivery: "PO-1/10/20"."""
    carrier: str | None
    line: JsonObject


def _list_lines(changes: Changes, old: JsonObject, new: JsonObject) -> None:
    before, after = _lines(old), _lines(new)
    for key, now in after.items():
        was = before.get(key)
        if was == now or changes.is_full():
            continue
        subject = sentence_about(now.name, "")
        if was is None:
            quantity = obj(now.line.get("supplierLine")).get("despatchQuantity")
            said = "" if quantity is None else f", quantity {shown(quantity)}"
            changes.add(ChangeKind.ADDED, now.name, "", None, now.line, f"{subject} is new{said}.")
            continue
        if was.carrier != now.carrier:
            sentence = (
                f"{subject}: load carrier {shown(was.carrier or 'none')} became {shown(now.carrier or 'none')}."
            )
            changes.add(ChangeKind.OTHER, now.name, "/loadCarrier", was.carrier, now.carrier, sentence)
        if not _is_untouched(was.line, now.line, new):
            list_differences(changes, now.name, subject, (), was.line, now.line)
    for key, was in before.items():
        if key not in after:
            sentence = f"{sentence_about(was.name, '')} is gone."
            changes.add(ChangeKind.REMOVED, was.name, "", was.line, None, sentence)


def _lines(shipment: JsonObject) -> dict[tuple[object, ...], _Line]:
    """The lines by what tells them apart: the line of the despatch advice, else the delivery of the order.

    Source: shipment-webhook.md, section 5. The same thing may be in several load carriers: told by their turn.
    """
    found: dict[tuple[object, ...], _Line] = {}
    turns: dict[tuple[object, ...], int] = defaultdict(int)
    carriers: list[tuple[str | None, JsonObject]] = [(None, shipment)]
    for number, carrier in enumerate(items(shipment.get("loadCarriers")), start=1):
        label = text(carrier.get("containerNumber")) or text(carrier.get("packageSSCC")) or f"#{number}"
        carriers.append((label, carrier))
    for carrier_name, carrier in carriers:
        for line in items(carrier.get("lines")):
            advice = obj(line.get("supplierLine"))
            names = tuple(text(line.get(member)) for member in _LINE_NAMES)
            advised = (text(advice.get("despatchAdviceNumber")), text(advice.get("despatchAdviceLinePosition")))
            key: tuple[object, ...] = advised if None not in advised else names
            turns[key] += 1
            name = "/".join(each for each in names if each) or advised[1] or "without position"
            found[(*key, turns[key])] = _Line(name, carrier_name, line)
    return found


def _summary(shipment: JsonObject) -> Summary:
    supplier, buyer = obj(shipment.get("supplierShipment")), obj(shipment.get("buyerShipment"))
    return Summary(
        purchase_order_numbers=orders_of(shipment),
        shipment_number=text(supplier.get("shipmentNumber")),
        supplier_account_number=text(buyer.get("supplierAccountNumber")),
        buyer_account_number=text(supplier.get("buyerAccountNumber")),
        buyer_company_id=text(buyer.get("companyId")),
        supplier_company_id=text(supplier.get("companyId")),
        process_status=text(obj(shipment.get("status")).get("processStatus")),
        logistics_status=None,
        version=version_of(shipment.get("version")),
        last_updated_at=_updated_at(shipment),
        lines=len(shipment_lines(shipment)),
    )
