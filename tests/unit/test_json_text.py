"""Values to JSON text and, packed, back again."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import jiter
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.inbox.packed import pack, unpack
from service.json_text import exact_json


@pytest.mark.parametrize(
    "number",
    [
        "0",
        "-0.0",
        "12.50",
        "0.10",
        "100.000",
        "1234567890123456.789012345",
        "0.1000000000000000055511151231257827",
        "1E+3",
        "1.5E-400",
        "9223372036854775807",
        "9223372036854775808",
        "-9223372036854775809",
        "18446744073709551615",
        "18446744073709551616",
        "9" * 60,
        "-" + "7" * 4300,
    ],
)
def test_every_digit_of_a_number_is_written(number: str) -> None:
    value: Any = jiter.from_json(number.encode(), float_mode="decimal")
    written = exact_json({"n": value, "in": [{"deep": value}]}).decode()
    assert written == f'{{"n":{number},"in":[{{"deep":{number}}}]}}'


def test_number_of_4300_digits_goes_there_and_back() -> None:
    value: Any = {"n": int("9" * 4300), "d": Decimal("0." + "1" * 4300)}
    assert unpack(pack(value)) == value


def test_long_integer_beside_decimals_and_other_values_changes_none_of_them() -> None:
    value: Any = {
        "long": 10**30,
        "price": Decimal("12.50"),
        "flag": True,
        "off": False,
        "none": None,
        "text": "1e3 \u2028 ü 🚢 \x00",
        "list": [1, 2**63, Decimal("1E+2"), []],
        "empty": {},
    }
    written = exact_json(value)
    assert json.loads(written, parse_float=Decimal) == value
    assert b'"price":12.50' in written
    assert b'"flag":true' in written
    assert b"1E+2" in written


def test_value_that_is_no_json_is_refused() -> None:
    with pytest.raises(TypeError):
        exact_json({"a": object()})
    with pytest.raises(TypeError):
        exact_json({"a": object(), "long": 10**30})


def test_packed_order_is_smaller_than_its_text() -> None:
    value: Any = {"lines": [{"position": str(n), "quantity": Decimal("40.00")} for n in range(50)]}
    assert len(pack(value)) < len(exact_json(value)) / 3


NUMBERS = st.one_of(
    st.integers(-(10**40), 10**40),
    st.integers(-(2**65), 2**65),
    st.decimals(allow_nan=False, allow_infinity=False, places=9),
    st.builds(Decimal, st.from_regex(r"-?[1-9][0-9]{0,30}\.[0-9]{1,30}(E-?[0-9]{1,2})?", fullmatch=True)),
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, st.text()),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(), inner, max_size=4)),
    max_leaves=20,
)


def told_apart(value: Any) -> Any:
    """The value with every number as its digits, so that 1 and 1.0 and True differ."""
    match value:
        case dict():
            return {name: told_apart(member) for name, member in value.items()}
        case list():
            return [told_apart(item) for item in value]
        case bool() | None | str():
            return value
    return ("number", str(value))


@given(st.dictionaries(st.text(), VALUES, max_size=5))
def test_any_value_comes_back_with_the_digits_that_it_had(value: Any) -> None:
    assert told_apart(unpack(pack(value))) == told_apart(value)
