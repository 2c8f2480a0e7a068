"""Bytes to a parsed body."""

from __future__ import annotations

from decimal import Decimal

import pytest

from handlers.reading import digits
from service.json_body import parse
from service.parsed_body import numbers_out_of_bounds
from service.problems import MAX_FINDINGS, BodyRefusedError


def reason(body: bytes) -> str:
    with pytest.raises(BodyRefusedError) as caught:
        parse(body)
    (finding,) = caught.value.findings
    return finding.reason


@pytest.mark.parametrize(
    "number",
    ["1000000000.000000001", "12345678901234567890.12345", "157.80", "0.0000000000000000000000001", "-0.10"],
)
def test_every_digit_of_a_decimal_survives(number: str) -> None:
    document = parse(b'{"quantity": %s}' % number.encode()).document
    assert isinstance(document, dict)
    quantity = document["quantity"]
    assert isinstance(quantity, Decimal)
    assert f"{quantity:f}" == number


def test_integer_beyond_double_precision_survives() -> None:
    assert parse(b"9007199254740993").document == 9007199254740993


def test_byte_order_mark_is_skipped() -> None:
    assert parse(b'\xef\xbb\xbf{"a": 1}').document == {"a": 1}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"  ",
        b"<xml/>",
        b"{",
        b'{"a":1,}',
        b"{'a':1}",
        b"// x\n{}",
        b"01",
        b"{} {}",
        b"NaN",
        b"Infinity",
        b"-Infinity",
    ],
)
def test_what_is_not_json_is_refused(body: bytes) -> None:
    assert "line 1" in reason(body) or "line 2" in reason(body)


@pytest.mark.parametrize("body", [b'{"a":"\xff"}', b'{"a":"\xc0\xaf"}', '{"a": 1}'.encode("utf-16")])
def test_what_is_not_utf8_is_refused(body: bytes) -> None:
    reason(body)


def test_member_that_stands_twice_is_refused_by_name() -> None:
    assert 'duplicate key "quantity"' in reason(b'{"quantity": 1, "quantity": 2}')


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_deep_nesting_is_refused(opening: bytes) -> None:
    assert "200 levels" in reason(opening * 100_000)


def test_nesting_that_is_deep_but_bearable_is_accepted() -> None:
    parse(b"[" * 150 + b"]" * 150)


def test_endless_integer_is_refused() -> None:
    assert "4300 digits" in reason(b"9" * 5000)


def test_exponent_that_no_decimal_holds_is_refused() -> None:
    assert "exponent" in reason(b"1e99999999999999999999")


def test_numbers_out_of_bounds_are_named_by_pointer() -> None:
    document = parse(b'{"a~b/c": [1.5, {"x": 1e400}], "y": 1e-20000}').document
    findings = numbers_out_of_bounds(document).findings
    assert [finding.pointer for finding in findings] == ["/a~0b~1c/1/x", "/y"]


def test_flood_of_numbers_out_of_bounds_under_a_long_name_is_named_in_part() -> None:
    name = "x" * 100_000
    document = parse(f'{{"{name}": [{",".join(["1e400"] * 5000)}]}}'.encode()).document
    findings = numbers_out_of_bounds(document).findings
    assert len(findings) == MAX_FINDINGS
    assert {len(finding.pointer) for finding in findings} <= set(range(200, 210))


@pytest.mark.parametrize(
    ("text", "expected", "replaced"),
    [
        (r'"\ud800"', "\ufffd", 1),
        (r'"\udc00x"', "\ufffdx", 1),
        (r'"\ud83d\ude00"', "😀", 0),
        (r'"\ud83d\ud83d\ude00"', "\ufffd😀", 1),
        (r'"\uD83Dx\uDE00"', "\ufffdx\ufffd", 2),
        (r'"a\u0000b"', "a\ufffdb", 1),
        (r'"\\ud800"', r"\ud800", 0),
        (r'"\\\ud800"', "\\\ufffd", 1),
        (r'"\\u0000\u0000"', "\\u0000\ufffd", 1),
        (r'"ø\u00e9"', "øé", 0),
    ],
)
def test_nul_and_half_characters_are_replaced_and_counted(text: str, expected: str, replaced: int) -> None:
    parsed = parse(text.encode())
    assert (parsed.document, parsed.replaced) == (expected, replaced)


def test_members_that_differ_only_in_what_was_replaced_are_no_mistake() -> None:
    parsed = parse(rb'{"\ud800": 1, "\ud801": 2}')
    assert parsed.replaced == 2


def test_huge_exponent_of_an_integer_member_costs_nothing() -> None:
    assert digits(Decimal("1e999999999")) is None
    assert digits(Decimal("12e2")) == "1200"
    assert digits(Decimal("1.5")) is None
