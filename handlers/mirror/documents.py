"""Documents of an order: whatever was attached stays, in each of the six places where it may stand.

An order event may come without the documents that a document event brought, so none is removed by what comes
without it (order-webhook.md, section 6). A later document with the same `code` replaces the earlier one
(behaviour.md, section 8).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

from handlers.interface import JsonObject, JsonValue
from handlers.mirror.marks import Age, Mark, chronological, judge
from handlers.reading import items, obj, text

#: Members of the header and of a line that hold documents of their own; "" is the header or line itself.
HEADER_PLACES = ("", "buyerOrder", "supplierOrder")
LINE_PLACES = ("", "buyerLine", "supplierLine")

Places = dict[str, list[JsonValue]]


@dataclass(frozen=True, slots=True)
class DocumentNews:
    """One document that is new, or that replaced an earlier one."""

    place: str
    name: str
    """What tells it from the others: its code, else objectId, url or name."""
    old: JsonValue
    new: JsonValue


@dataclass(slots=True)
class MergedDocuments:
    """What documents that came do to those that are known."""

    stored: JsonObject
    news: list[DocumentNews] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)
    """Names of documents that are older than the known one and were left out."""
    untold: list[str] = field(default_factory=list)
    """Names of documents that replaced another one although nothing tells which is newer."""


def take_out(content: JsonObject, places: tuple[str, ...]) -> tuple[JsonObject, Places]:
    """A header or line with its lists of documents emptied, and the documents by place."""
    found: Places = {}
    for place in places:
        holder = content.get(place) if place else content
        documents = holder.get("documents") if isinstance(holder, dict) else None
        if not isinstance(holder, dict) or not isinstance(documents, list) or not documents:
            continue
        found[place] = documents
        emptied: JsonObject = {**holder, "documents": []}
        content = {**content, place: emptied} if place else emptied
    return content, found


def put_back(content: JsonObject, stored: JsonValue) -> JsonObject:
    """A header or line with its documents, each in its place, in the order in which they were attached."""
    places = obj(stored)
    if not places:
        return content
    whole = dict(content)
    for place, known in places.items():
        documents: list[JsonValue] = [each.get("document") for each in items(known)]
        if place:
            whole[place] = {**obj(whole.get(place)), "documents": documents}
        else:
            whole["documents"] = documents
    return whole


def merge_documents(stored: JsonValue, came: Places, event: Mark) -> MergedDocuments:
    """Documents of an event merged into the known ones, place by place."""
    merged = MergedDocuments(obj(stored))
    for place, documents in came.items():
        _merge_place(merged, place, documents, event)
    return merged


def join_documents(one: JsonValue, other: JsonValue) -> JsonObject:
    """The documents of two lines that turned out to be one."""
    joined = MergedDocuments(obj(one))
    for place, known in obj(other).items():
        for each in items(known):
            since, index = _since(each)
            _merge_place(joined, place, [each.get("document")], Mark.read(each.get("mark")), (since, index))
    return joined.stored


def identity(document: JsonValue) -> tuple[str, str]:
    """What tells a document from others in its place: its code, else objectId, else url, else all of it."""
    if isinstance(document, dict):
        for member in ("code", "objectId", "url"):
            if found := text(document.get(member)):
                return member, found
    return "content", json.dumps(document, sort_keys=True, default=str)


def _merge_place(
    merged: MergedDocuments,
    place: str,
    documents: list[JsonValue],
    event: Mark,
    since: tuple[Mark, int] | None = None,
) -> None:
    known: dict[tuple[str, str], JsonObject] = {
        identity(each.get("document")): each for each in items(merged.stored.get(place))
    }
    touched = False
    # The last of a list that holds one twice.
    for index, (key, document) in enumerate({identity(each): each for each in documents}.items()):
        mark = Mark(text(obj(obj(document).get("meta")).get("lastUpdatedAt")) or event.at, event.version)
        first, place_in_list = since or (event, index)
        entry: JsonObject = {
            "document": document,
            "mark": mark.written(),
            "since": [*first.written(), place_in_list],
        }
        old = known.get(key)
        if old is None:
            merged.news.append(DocumentNews(place, _named(document, key), None, document))
        else:
            entry = _judged(merged, place, key, old, entry)
        if entry != old:
            known[key] = entry
            touched = True
    if touched:
        in_order: list[JsonValue] = [known[key] for key in sorted(known, key=lambda key: _order(key, known[key]))]
        merged.stored = {**merged.stored, place: in_order}


def _judged(
    merged: MergedDocuments, place: str, key: tuple[str, str], old: JsonObject, came: JsonObject
) -> JsonObject:
    """What is kept of two documents of one identity."""
    mark, old_mark = Mark.read(came.get("mark")), Mark.read(old.get("mark"))
    document, old_document = came.get("document"), old.get("document")
    differs = document != old_document
    verdict = judge(mark, document, old_mark, old_document)
    # A document comes again with nearly every event; only other content makes it another one.
    if verdict is Age.SAME or (verdict is Age.UNTOLD and not differs):
        kept, mark = old, old_mark.with_highest_version(mark)
    elif verdict is Age.OLDER:
        kept, mark = old, old_mark.filled(mark)
        if differs:
            merged.stale.append(_named(document, key))
    else:
        kept, mark = came, mark.filled(old_mark)
        if differs:
            merged.news.append(DocumentNews(place, _named(document, key), old_document, document))
        if verdict is Age.UNTOLD:
            merged.untold.append(_named(document, key))
    since = min(old.get("since"), came.get("since"), key=lambda since: _since_order(*_read_since(since)))
    return {"document": kept.get("document"), "mark": mark.written(), "since": since}


def _named(document: JsonValue, key: tuple[str, str]) -> str:
    if key[0] != "content":
        return key[1]
    return text(obj(document).get("name")) or "without code"


def _since(entry: JsonObject) -> tuple[Mark, int]:
    return _read_since(entry.get("since"))


def _read_since(stored: JsonValue) -> tuple[Mark, int]:
    if isinstance(stored, list) and len(stored) == 3 and isinstance(stored[2], int):
        return Mark.read(stored[:2]), stored[2]
    return Mark(None, None), 0


def _since_order(mark: Mark, index: int) -> tuple[object, ...]:
    return (*chronological(mark), index)


def _order(key: tuple[str, str], entry: JsonObject) -> tuple[Iterator[object] | object, ...]:
    # By first appearance, which is the same whatever the order in which events arrive.
    return (*_since_order(*_since(entry)), *key)
