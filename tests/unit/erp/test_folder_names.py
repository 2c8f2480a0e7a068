"""Names of files made from foreign values: inside the folder, usable anywhere, each event its own."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.erp.folder_names import USUAL_PATTERN, check_pattern, file_name
from tests.erp_events import EVENT, event

ID = EVENT.id


def name(pattern: str = "{purchase_order}-{event_id}.{extension}", **facts: Any) -> str:
    check_pattern(pattern)
    return file_name(pattern, event(**facts), "json")


def with_number(number: str) -> str:
    return name(purchase_order_numbers=(number,))


def test_usual_pattern_says_when_what_and_which_order() -> None:
    assert name(USUAL_PATTERN) == f"20261125-123005-{ID}-OrderIssuedByBuyer-PO1.json"


def test_fields_without_a_value_say_none_and_several_orders_are_joined() -> None:
    assert name(purchase_order_numbers=()) == f"none-{ID}.json"
    assert name(purchase_order_numbers=("A", "B")) == f"A+B-{ID}.json"


@pytest.mark.parametrize(
    ("number", "begins"),
    [
        ("../../etc/passwd", "%2E%2E%2F.%2E%2Fetc%2Fpasswd-"),
        ("a/b\\c", "a%2Fb%5Cc-"),
        ("..", "%2E%2E-"),
        ("a..b.c", "a.%2Eb.c-"),
        ("-rf", "_-rf-"),
        (".hidden", "%2Ehidden-"),
        ("a\x00b\nc\x7f\u202e", "a%00b%0Ac%7F%E2%80%AE-"),
        ('<>:"|?*%', "%3C%3E%3A%22%7C%3F%2A%25-"),
        ("e\u0301", "\u00e9-"),
        ("采购单1", "采购单1-"),
        ("\ud800", "%3F-"),
    ],
)
def test_foreign_value_is_confined(number: str, begins: str) -> None:
    assert with_number(number) == f"{begins}{ID}.json"


@pytest.mark.parametrize("device", ["CON", "nul", "Aux", "PRN", "COM1", "lpt9", "COM²"])
def test_name_of_a_device_is_no_name(device: str) -> None:
    pattern = "{purchase_order}.{event_id}.{extension}"
    assert name(pattern, purchase_order_numbers=(device,)) == f"_{device}.{ID}.json"
    assert name(pattern, purchase_order_numbers=(f"{device}X",)) == f"{device}X.{ID}.json"


def test_name_never_ends_in_a_dot_or_space() -> None:
    assert name("{event_id}.") == f"{ID}._"
    assert name("{event_id} ") == f"{ID} _"


def test_long_values_are_cut_and_the_id_is_not() -> None:
    long = with_number("ü" * 500)
    assert long.endswith(f"-{ID}.json")
    assert len(long.encode()) <= 240
    assert "%" not in long


def test_cut_never_halves_an_encoded_letter() -> None:
    for length in range(50, 65):
        kept = with_number("a" * length + "////").partition("-")[0]
        assert kept.lstrip("a") in ("", "%2F", "%2F%2F", "%2F%2F%2F")


@given(st.text(), st.text(), st.lists(st.text(), max_size=3))
def test_any_value_gives_a_name_that_is_safe(event_name: str, subject: str, numbers: list[str]) -> None:
    pattern = "{event_name}{subject_id}{purchase_order}.{event_id}{extension}"
    made = name(pattern, event_name=event_name, subject_id=subject, purchase_order_numbers=tuple(numbers))
    assert ID in made
    assert len(made.encode()) <= 240
    assert made == unicodedata.normalize("NFC", made)
    assert not set(made) & set('/\\:*?"<>|')
    assert ".." not in made
    assert made[0] not in ".-~ "
    assert made[-1] not in ". "
    assert all(c.isprintable() for c in made)


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("{purchase_order}.json", "must hold {event_id}: it is what makes each name another one"),
        ("{event_id}/{purchase_order}", "must be the name of a file, without / and other separators"),
        ("C:{event_id}", "must be the name of a file, without / and other separators"),
        ("{event_id}\n", "must be the name of a file, without / and other separators"),
        ("{event_id", "must have each { closed by a }"),
        ("{event_id!r}", "must have each { closed by a }"),
        ("{event_id.__class__}", "{event_id.__class__} is not known"),
        ("{}{event_id}", "{} is not known"),
        ("{event_id:>900}", "may have a form after a colon only for received"),
        ("{event_id}{received:\x00}", "may have a form after a colon only for received"),
        ("{event_id}" + "x" * 170, "is too long: no room would be left for the values"),
    ],
)
def test_pattern_that_cannot_be_used_says_why(pattern: str, problem: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(problem)}"):
        check_pattern(pattern)


def test_form_of_the_time_may_have_separators_and_they_are_encoded() -> None:
    assert name("{received:%Y/%m/%d %H:%M}-{event_id}") == f"2026%2F11%2F25%2012%3A30-{ID}"
