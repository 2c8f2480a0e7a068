"""What fits a terminal, and what keeps its digits."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from service.console.text import json_text, table, wrapped


def test_number_keeps_every_digit_and_its_trailing_zeros() -> None:
    value: Any = {"price": Decimal("12.50"), "many": Decimal("1234567890123456.789012345"), "whole": 10**30}
    text = json_text(value)
    assert '"price": 12.50' in text
    assert '"many": 1234567890123456.789012345' in text
    assert json.loads(text, parse_float=Decimal) == value


@pytest.mark.parametrize("value", [{}, [], "", None, True, {"a": []}, [{}, [1]], 'é\n"\\\u202e', "\ud800"])
def test_what_is_written_is_read_back_as_it_was(value: object) -> None:
    assert json.loads(json_text(value)) == value


def test_lone_surrogate_can_be_printed() -> None:
    json_text("\ud800").encode()


def test_flexible_columns_are_cut_to_the_width_and_others_are_not() -> None:
    rows = [["a" * 50, "b" * 60, "c" * 20]]
    lines = table(["ONE", "TWO", "THREE"], rows, width=80, flexible=[0, 1]).splitlines()
    assert max(map(len, lines)) == 80
    assert "c" * 20 in lines[1]
    assert lines[1].count("…") == 2


def test_table_without_a_width_is_as_wide_as_it_is() -> None:
    assert "a" * 200 in table(["ONE"], [["a" * 200]], flexible=[0])


def test_table_that_cannot_fit_keeps_the_beginning_of_every_cell() -> None:
    lines = table(["ONE", "TWO"], [["a" * 50, "b" * 50]], width=20, flexible=[0, 1]).splitlines()
    assert lines[1] == "a" * 8 + "…  " + "b" * 8 + "…"


def test_sentence_is_wrapped_and_indented() -> None:
    assert wrapped("one two three", 9, "  ") == "  one two\n  three"
    assert wrapped("one two three", None, "  ") == "  one two three"
