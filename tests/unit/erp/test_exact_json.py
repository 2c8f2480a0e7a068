"""Numbers keep every digit, both ways."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from handlers.erp import exact_json


def test_numbers_keep_every_digit() -> None:
    text = b'{"a":[318.40,0.1,12345678901234567890.00000000000000000001,7,-0.0],"\\u00e9":null,"t":true}'
    assert exact_json.write(exact_json.read(text)) == text


def test_exponents_are_written_out() -> None:
    assert exact_json.write([Decimal("1E+3"), Decimal("1E-7")]) == b"[1000,0.0000001]"


@pytest.mark.parametrize("value", [1.5, Decimal("NaN"), Decimal("Infinity"), {"a": [2.5]}, b"x"])
def test_value_without_an_exact_form_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="JSON has no exact form"):
        exact_json.write(value)


def test_nan_is_not_read() -> None:
    with pytest.raises(ValueError, match="NaN is no number"):
        exact_json.read(b"[NaN]")
