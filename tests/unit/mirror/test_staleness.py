"""What is newer, what is older, what is no news, and what nothing can tell."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from handlers.mirror.marks import Age, Mark, age, instant
from tests.unit.mirror.events import every, line, lines_of, merged, order_event, order_of


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("2026-01-01T10:00:00Z", "2026-01-01T10:00:01Z"),
        ("2026-01-01T10:00:00.5Z", "2026-01-01T10:00:00.51Z"),
        ("2026-01-01T10:00:00.1234567890Z", "2026-01-01T10:00:00.1234567891Z"),
        ("2026-01-01T11:30:00+02:00", "2026-01-01T10:00:00Z"),
        ("2026-01-01T10:00:00Z", "2026-01-01T05:30:00-05:00"),
        ("2025-12-31T23:59:60Z", "2026-01-01T00:00:01Z"),
    ],
)
def test_moments_are_compared_as_instants_to_the_last_digit(older: str, newer: str) -> None:
    assert age(Mark(newer, None), Mark(older, None)) is Age.NEWER
    assert age(Mark(older, "9"), Mark(newer, "1")) is Age.OLDER


def test_moments_in_other_forms_are_the_same() -> None:
    assert instant("2026-01-01T10:00:00.500Z") == instant("2026-01-01t12:00:00.5+0200")


@pytest.mark.parametrize(
    "at", ["", "2026-01-01", "2026-01-01T10:00:00", "2026-13-01T10:00:00Z", "soon", "٢026-01-01T10:00Z"]
)
def test_what_names_no_moment_is_none(at: str) -> None:
    assert instant(at) is None


def test_without_times_that_can_be_compared_the_version_decides() -> None:
    assert age(Mark("2026-01-01T10:00:00", "10"), Mark("2026-01-01T11:00:00Z", "9")) is Age.NEWER
    assert age(Mark(None, "9"), Mark("2026-01-01T11:00:00Z", "10")) is Age.OLDER
    assert age(Mark(None, "1" + "0" * 5000), Mark(None, "9" * 5000)) is Age.NEWER
    assert age(Mark("2026-01-01T10:00:00", None), Mark("2026-01-01T11:00:00", None)) is Age.UNTOLD


@pytest.mark.parametrize("version", [8, "8", Decimal("8.0"), 10**400])
def test_line_without_a_time_is_judged_by_the_version_that_wrote_it(version: Any) -> None:
    known = order_event(line("1", reason="kept"), version=7)
    assert lines_of(merged(known, order_event(line("1", reason="new"), version=version)))[0]["reason"] == "new"
    older = merged(order_event(line("1", reason="kept"), version=version), known)
    assert older.stale == ("header", "line 1")
    assert not older.news


def test_version_of_events_that_left_a_line_alone_does_not_make_it_newer() -> None:
    result = merged(
        order_event(line("1", reason="old"), line("2"), version=3),
        order_event(line("2"), version=5),
        order_event(line("1", reason="new"), version=4),
    )
    assert lines_of(result)[0]["reason"] == "new"
    assert result.stale == ("header",)


def test_event_that_comes_twice_is_no_news() -> None:
    event = order_event(line("1", 1, reason="x"), hour=1, version=1, status={"processStatus": "Issued"})
    result = merged(event, event)
    assert (result.news, result.stale, result.flags, result.changes) == (False, (), (), ())


def test_newer_mark_with_equal_content_is_news_without_changes() -> None:
    result = merged(order_event(line("1", 1)), order_event(line("1", 2)))
    assert (result.news, result.changes) == (True, ())


def test_equal_time_with_other_content_is_decided_by_the_version() -> None:
    five, six = (order_event(line("1", 1, reason=str(version)), hour=1, version=version) for version in (5, 6))
    for events in ((five, six), (six, five)):
        result = merged(*events)
        assert lines_of(result)[0]["reason"] == "6"
        assert result.flags == ()


def test_equal_time_and_version_with_other_content_is_applied_and_flagged() -> None:
    one, other = (order_event(line("1", 1, reason=reason), hour=1, version=1) for reason in ("one", "other"))
    result = merged(one, other)
    assert lines_of(result)[0]["reason"] == "other"
    assert result.flags == ("Nothing tells whether line 1 is newer than the known one; it was applied.",)
    assert result.news


def test_what_cannot_be_compared_is_applied_and_flagged() -> None:
    result = merged(order_event(line("1", 1), hour=1, reason="x"), order_event(line("1", reason="y"), reason="z"))
    assert lines_of(result)[0]["reason"] == "y"
    assert order_of(result)["reason"] == "z"
    assert len(result.flags) == 2
    assert result.news


def test_what_was_not_there_before_is_not_flagged() -> None:
    first, second = every([order_event(line("1"), reason="x"), order_event(line("2", reason="y"), reason="x")])
    assert (first.flags, second.flags) == ((), ())


def test_event_without_marks_that_comes_twice_is_no_news() -> None:
    event = order_event(line("1", reason="y"), reason="x")
    assert (merged(event, event).news, merged(event, event).flags) == (False, ())


def test_flags_of_an_absurd_event_are_bounded() -> None:
    one, other = (order_event(*(line(str(i), reason=reason) for i in range(500))) for reason in ("a", "b"))
    flags = merged(one, other).flags
    assert len(flags) == 101
    assert flags[-1] == "400 more of this kind."
