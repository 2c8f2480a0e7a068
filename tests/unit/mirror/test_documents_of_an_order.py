"""What was attached stays, wherever it stands, and only a later document of the same code replaces it."""

from __future__ import annotations

from typing import Any

import pytest

from handlers.interface import ChangeKind
from tests.unit.mirror.events import at, documents_event, line, lines_of, merged, order_event, order_of, positions

A: dict[str, Any] = {"code": "A", "revision": "1"}
A2: dict[str, Any] = {"code": "A", "revision": "2"}
B: dict[str, Any] = {"code": "B"}


def holder(part: Any, place: str) -> Any:
    return part.get(place, {}) if place else part


@pytest.mark.parametrize("place", ["", "buyerOrder", "supplierOrder"])
def test_header_document_outlives_a_header_that_comes_without_it(place: str) -> None:
    attached = documents_event(hour=2, **({place: {"documents": [A]}} if place else {"documents": [A]}))
    result = merged(order_event(hour=1, reason="x"), attached, order_event(hour=3, reason="y"))
    assert holder(order_of(result), place)["documents"] == [A]
    assert order_of(result)["reason"] == "y"


@pytest.mark.parametrize("place", ["", "buyerLine", "supplierLine"])
def test_line_document_outlives_a_line_that_comes_without_it(place: str) -> None:
    part: dict[str, Any] = line("1")
    if place:
        part.setdefault(place, {})["documents"] = [A]
    else:
        part["documents"] = [A]
    result = merged(order_event(line("1", 1)), documents_event(part, hour=2), order_event(line("1", 3, reason="y")))
    assert holder(lines_of(result)[0], place)["documents"] == [A]
    assert lines_of(result)[0]["reason"] == "y"


def test_document_event_advances_no_mark_and_replaces_no_member() -> None:
    result = merged(
        order_event(line("1", 1, reason="x"), hour=1, reason="x"),
        documents_event({**line("1", 9), "documents": [A], "reason": "other"}, hour=9, reason="other"),
        order_event(line("1", 2, reason="y"), hour=2, reason="y"),
    )
    assert (order_of(result)["reason"], lines_of(result)[0]["reason"]) == ("y", "y")
    assert result.stale == ()


def test_new_document_is_news_and_a_change_and_the_same_again_is_neither() -> None:
    known, attached = order_event(hour=1, reason="x"), documents_event(hour=2, documents=[A])
    result = merged(known, attached)
    assert result.news
    assert [(each.kind, each.member, each.new) for each in result.changes] == [
        (ChangeKind.DOCUMENT, "/documents/A", A)
    ]
    again = merged(known, attached, documents_event(hour=3, documents=[A]))
    assert (again.news, again.changes) == (False, ())


def test_new_document_in_an_event_that_is_otherwise_older_is_taken() -> None:
    result = merged(order_event(line("1", 5), hour=5), order_event({**line("1", 4), "documents": [A]}, hour=4))
    assert lines_of(result)[0]["documents"] == [A]
    assert result.news


def test_later_document_of_the_same_code_replaces_the_earlier_one_in_either_order() -> None:
    events = [documents_event(hour=1, documents=[A, B]), documents_event(hour=2, documents=[A2])]
    assert order_of(merged(*events))["documents"] == [A2, B]
    late = merged(*events[::-1])
    assert order_of(late)["documents"] == [A2, B]
    assert late.stale == ("document A",)


def test_time_of_the_document_itself_goes_before_that_of_the_event() -> None:
    newer, older = ({**A, "revision": str(hour), "meta": {"lastUpdatedAt": at(hour)}} for hour in (5, 4))
    result = merged(documents_event(hour=6, documents=[newer]), documents_event(hour=7, documents=[older]))
    assert order_of(result)["documents"] == [newer]


def test_documents_without_any_mark_replace_and_are_flagged() -> None:
    result = merged(documents_event(documents=[A]), documents_event(documents=[A2]))
    assert order_of(result)["documents"] == [A2]
    assert len(result.flags) == 1


@pytest.mark.parametrize("member", ["objectId", "url"])
def test_without_a_code_the_document_is_told_by_where_it_lies(member: str) -> None:
    one, same, other = {member: "x"}, {member: "x", "name": "n"}, {member: "y"}
    result = merged(documents_event(hour=1, documents=[one]), documents_event(hour=2, documents=[same, other]))
    assert order_of(result)["documents"] == [same, other]


def test_document_that_nothing_tells_is_told_by_its_content() -> None:
    result = merged(
        documents_event(hour=1, documents=[{"name": "a"}, "text"]),
        documents_event(hour=2, documents=[{"name": "a"}, {"name": "b"}, "text"]),
    )
    assert order_of(result)["documents"] == [{"name": "a"}, "text", {"name": "b"}]


@pytest.mark.parametrize("known_by", [{"buyerLine": {"position": "1"}}, {"position": "1"}, {"id": "i"}])
def test_document_for_a_line_that_is_not_known_waits_for_it(known_by: dict[str, Any]) -> None:
    attached = documents_event({**known_by, "documents": [A]}, hour=9)
    alone = merged(attached)
    assert "orderDocumentsEvent" in alone.current
    assert lines_of(alone)[0]["documents"] == [A]
    result = merged(attached, order_event(line("1", 1, id="i"), hour=1, reason="x"))
    assert positions(result) == ["1"]
    assert lines_of(result) == [{**line("1", 1, id="i"), "documents": [A]}]
    assert (result.stale, result.flags) == ((), ())
    assert "orderEvent" in result.current


def test_document_that_stands_twice_in_an_event_is_the_last_of_them() -> None:
    event = documents_event(hour=1, documents=[A, A2])
    assert order_of(merged(event))["documents"] == [A2]
    assert merged(event, event).news is False
