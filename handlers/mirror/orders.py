"""Merging one order event, or order documents event, into the current order.

An event holds only the lines that it touched, so a line that is missing is never deleted, and a line that comes
replaces the known one as a whole (behaviour.md, section 5). Header and lines are judged each by marks of their own,
documents apart from both.

A *stub* is a header or line of which nothing but the name is known, from a document event or from an event that
says no more: it has no mark, and any real one replaces it.
"""

from __future__ import annotations

from handlers.interface import ChangeKind, Endpoint, JsonObject, JsonValue, Merged, Role, Summary
from handlers.mirror.agreed import list_line_changes
from handlers.mirror.changes import Changes, list_differences, pointer, sentence_about, shown
from handlers.mirror.current import payload
from handlers.mirror.documents import (
    HEADER_PLACES,
    LINE_PLACES,
    MergedDocuments,
    Places,
    join_documents,
    merge_documents,
    take_out,
)
from handlers.mirror.echo import is_own_request, merely_follows
from handlers.mirror.flags import Flags
from handlers.mirror.lines import Came, Known, Match, came, identified, in_order, joined_identity, line_name
from handlers.mirror.marks import Age, Mark, age, judge, mark_of, version_of
from handlers.reading import items, obj, order_number, text

_DOCUMENTS = "orderDocumentsEvent"
#: The contract has no body of this kind any more (order-webhook.md, section 2).
_FORMER = {"simpleOrderEvent": "singleDeliveryOrderEvent"}
#: Members that name an order, and members of both halves that name the parties.
_NAMES = frozenset({"orderId", "legacyOrderId", "portalUrl"})
_PARTY_NAMES = frozenset({"companyId", "purchaseOrderNumber", "supplierAccountNumber", "buyerAccountNumber"})
_NOTHING = Mark(None, None)


def merge_order(state: JsonObject | None, body: JsonObject, kinds: list[str], role: Role) -> Merged:
    """The order after an event with these payloads; `handlers.orders.merge_order_event` says more."""
    merging = _Merging(state, role)
    meta = body.get("meta")
    for kind in kinds:
        order = obj(body.get(kind))
        merging.take(kind, order)
        meta = meta if meta is not None else order.get("meta")
    return merging.merged(body.get("eventName"), meta)


class _Merging:
    def __init__(self, state: JsonObject | None, role: Role) -> None:
        known = state or {}
        self._role = role
        self._kind = text(known.get("kind"))
        self._header = obj(known.get("header"))
        self._mark = Mark.read(known.get("mark"))
        self._stub = known.get("stub") is True
        self._documents = obj(known.get("documents"))
        self._entries: list[JsonObject] = items(known.get("lines"))
        self._changes, self._flags = Changes(), Flags()
        self._stale: list[str] = []
        self._echo: list[str] = []
        self._news = self._fresh_echo = self._other_news = False

    def take(self, kind: str, order: JsonObject) -> None:
        """One payload of the event."""
        header = {name: value for name, value in order.items() if name not in ("lines", "meta")}
        header, documents = take_out(header, HEADER_PLACES)
        mark = mark_of(order, order.get("version"))
        is_stub = kind == _DOCUMENTS or (not mark and _names_only(header))
        self._take_header(_FORMER.get(kind, kind), header, mark, is_stub)
        self._documents = self._told_of(merge_documents(self._documents, documents, mark), None)
        self._take_lines(items(order.get("lines")), mark, of_documents=kind == _DOCUMENTS)

    def merged(self, event_name: JsonValue, meta: JsonValue) -> Merged:
        """What all of them did."""
        lines: list[JsonValue] = list(self._entries)
        state: JsonObject = {
            "kind": self._kind,
            "header": self._header,
            "mark": self._mark.written(),
            "stub": self._stub,
            "documents": self._documents,
            "lines": lines,
        }
        current: JsonObject = {"eventName": event_name, self._kind or "orderEvent": payload(Endpoint.ORDER, state)}
        if meta is not None:
            current["meta"] = meta
        return Merged(
            state=state,
            current=current,
            summary=_summary(self._header, len(self._entries)),
            changes=self._changes.all(),
            news=self._news or self._fresh_echo or self._other_news,
            stale=tuple(self._stale),
            flags=self._flags.all(),
            echo=tuple(self._echo),
            only_echo=self._fresh_echo and not self._other_news,
        )

    def _take_header(self, kind: str, header: JsonObject, mark: Mark, is_stub: bool) -> None:
        if self._kind is None or (self._stub and not is_stub):
            self._replace_header(kind, header, mark, is_stub)
            self._other_news = True
            if not is_stub:
                name = order_number(header)
                sentence = f"Order {shown(name)} is new." if name else "The order is new."
                self._changes.add(ChangeKind.ADDED, None, "", None, header, sentence)
        elif self._stub or not is_stub:
            self._judge_header(kind, header, mark, is_stub)

    def _judge_header(self, kind: str, header: JsonObject, mark: Mark, is_stub: bool) -> None:
        old = self._header
        verdict = judge(mark, header, self._mark, old)
        if verdict is Age.OLDER:
            self._mark = self._mark.filled(mark)
            if not is_stub:
                self._stale.append("header")
        elif verdict is Age.SAME:
            # The same header: the one that says the higher version, whichever comes first.
            highest = self._mark.with_highest_version(mark)
            if highest != self._mark:
                self._header, self._mark = header, highest
        else:
            if not is_stub:
                if verdict is Age.UNTOLD and old:
                    self._flags.untold("the header")
                if merely_follows(old, header, self._role):
                    self._news = True
                else:
                    self._other_news = True
                list_differences(self._changes, None, "Order", (), old, header, skip=frozenset({"version"}))
            self._replace_header(kind, header, mark.filled(self._mark), is_stub)

    def _replace_header(self, kind: str, header: JsonObject, mark: Mark, is_stub: bool) -> None:
        self._kind, self._header, self._mark, self._stub = kind, header, mark, is_stub

    def _take_lines(self, lines: list[JsonObject], event: Mark, *, of_documents: bool) -> None:
        if not lines:
            return
        split = [take_out(line, LINE_PLACES) for line in lines]
        coming = [came(line, mark_of(line, event.version), flat=of_documents) for line, _ in split]
        known = Known(self._entries)
        gone: set[int] = set()
        added: dict[str, int] = {}
        for line, match, (_, documents) in zip(coming, known.match(coming), split, strict=True):
            if match.slot is None and line.position is not None:
                match.slot = added.get(line.position)  # it stands twice in the event
            if match.slot is None:
                match.slot = len(self._entries)
                if line.position is not None:
                    added[line.position] = match.slot
                elif line.origin is not None and not of_documents and known.is_late(line):
                    self._flags.late(line.name)
                self._entries.append({})
            elif match.by_turn and line.origin is None:
                self._flags.by_turn()
            self._take_line(line, match, documents, event, of_documents)
            gone.update(match.absorbed)
        self._entries = in_order(entry for slot, entry in enumerate(self._entries) if slot not in gone)

    def _take_line(self, line: Came, match: Match, documents: Places, event: Mark, of_documents: bool) -> None:
        slot = match.slot if match.slot is not None else len(self._entries)
        entry = identified(self._entries[slot], line)
        for other in match.absorbed:
            entry = self._absorb(entry, self._entries[other], line)
        is_stub = of_documents or (not line.mark.at and not event.version and _names_only_line(line.line))
        if not is_stub:
            entry = self._judge_line(entry, line)
            if is_own_request(line.line, self._role):
                self._echo.append(line.name)
        elif "line" not in entry or entry.get("stub"):
            entry = {**entry, "line": _stub_line(entry), "mark": _NOTHING.written(), "stub": True}
        if documents:
            merged = merge_documents(entry.get("documents"), documents, event)
            entry["documents"] = self._told_of(merged, _name(entry))
        self._entries[slot] = entry

    def _judge_line(self, entry: JsonObject, line: Came) -> JsonObject:
        """The entry with the line that came, if that is what is in force."""
        old, old_mark = obj(entry.get("line")), Mark.read(entry.get("mark"))
        name = _name(entry)
        if "line" not in entry or entry.pop("stub", False):
            sentence = f"{sentence_about(name, '')} is new."
            self._changes.add(ChangeKind.ADDED, name, "", None, line.line, sentence)
            return self._fresh(entry, line, line.mark)
        verdict = judge(line.mark, line.line, old_mark, old)
        if verdict is Age.OLDER:
            self._stale.append(f"line {line.name}")
            return {**entry, "mark": old_mark.filled(line.mark).written()}
        if verdict is Age.SAME:
            highest = old_mark.with_highest_version(line.mark)
            kept = old if highest == old_mark else line.line
            return {**entry, "line": kept, "mark": highest.written()}
        if verdict is Age.UNTOLD:
            self._flags.untold(f"line {line.name}")
        list_line_changes(self._changes, name, old, line.line)
        return self._fresh(entry, line, line.mark.filled(old_mark))

    def _fresh(self, entry: JsonObject, line: Came, mark: Mark) -> JsonObject:
        if is_own_request(line.line, self._role):
            self._fresh_echo = True
        else:
            self._other_news = True
        return {**entry, "line": line.line, "mark": mark.written()}

    def _absorb(self, entry: JsonObject, other: JsonObject, line: Came) -> JsonObject:
        """The entry of a line, joined with another one that turned out to be the same line without a position."""
        joined = joined_identity(entry, other)
        if "documents" in other:
            joined["documents"] = join_documents(entry.get("documents"), other["documents"])
        if other.get("stub"):
            return joined
        newer = age(Mark.read(other.get("mark")), Mark.read(entry.get("mark"))) is Age.NEWER
        if newer or entry.get("stub"):
            joined.pop("stub", None)
            joined |= {"line": other.get("line"), "mark": other.get("mark")}
        self._other_news = True
        name = _name(other)
        sentence = f"{sentence_about(name, '')} is line {shown(line.name)}."
        self._changes.add(ChangeKind.REMOVED, name, "", other.get("line"), None, sentence)
        return joined

    def _told_of(self, merged: MergedDocuments, line: str | None) -> JsonObject:
        """The documents to store, after telling what is new about them."""
        of_line = "" if line is None else f" of line {line}"
        for each in merged.news:
            self._other_news = True
            by = "buyer" if each.place.startswith("buyer") else "supplier" if each.place else ""
            what = "was attached" if each.old is None else "was replaced by a later one"
            sentence = f"{sentence_about(line, 'Order')}: document {shown(each.name)} {what}"
            sentence += f" ({by})." if by else "."
            path = (*([each.place] if each.place else []), "documents", each.name)
            self._changes.add(ChangeKind.DOCUMENT, line, pointer(path), each.old, each.new, sentence)
        self._stale += [f"document {name}{of_line}" for name in merged.stale]
        for name in merged.untold:
            self._flags.untold(f"document {name}{of_line}")
        return merged.stored


def _names_only(header: JsonObject) -> bool:
    """Whether a header names the order and says nothing of it, as in a resend that carries only `orderId`."""
    for name, value in header.items():
        if value is None or name in _NAMES:
            continue
        if name not in ("buyerOrder", "supplierOrder") or not isinstance(value, dict):
            return False
        if any(member not in _PARTY_NAMES and each not in (None, []) for member, each in value.items()):
            return False
    return True


def _names_only_line(line: JsonObject) -> bool:
    for name, value in line.items():
        if value is None or value == [] or name in ("id", "position"):
            continue
        if name not in ("buyerLine", "supplierLine") or not isinstance(value, dict):
            return False
        names = ("position", "originalPosition")
        if any(member not in names and each not in (None, []) for member, each in value.items()):
            return False
    return True


def _stub_line(entry: JsonObject) -> JsonObject:
    """A line of the contract that says no more than what names it."""
    stub: JsonObject = {}
    ids = entry.get("ids")
    if isinstance(ids, list) and ids:
        stub["id"] = min(each for each in ids if isinstance(each, str))
    names: JsonObject = {}
    if text(entry.get("position")):
        names["position"] = entry["position"]
    if text(entry.get("origin")):
        names["originalPosition"] = entry["origin"]
    if names:
        stub["buyerLine"] = names
    return stub


def _name(entry: JsonObject) -> str:
    ids = entry.get("ids")
    first = ids[0] if isinstance(ids, list) and ids else None
    return line_name(text(entry.get("position")), text(entry.get("origin")), text(first))


def _summary(header: JsonObject, lines: int) -> Summary:
    buyer, supplier, status = (obj(header.get(name)) for name in ("buyerOrder", "supplierOrder", "status"))
    number = order_number(header)
    return Summary(
        purchase_order_numbers=(number,) if number else (),
        shipment_number=None,
        supplier_account_number=text(buyer.get("supplierAccountNumber")),
        buyer_account_number=text(supplier.get("buyerAccountNumber")),
        buyer_company_id=text(buyer.get("companyId")),
        supplier_company_id=text(supplier.get("companyId")),
        process_status=text(status.get("processStatus")),
        logistics_status=text(status.get("logisticsStatus")),
        version=version_of(header.get("version")),
        last_updated_at=text(header.get("lastUpdatedAt")),
        lines=lines,
    )
