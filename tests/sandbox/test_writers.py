"""The sandbox's writers against the contract's examples, which exist in both formats."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from decimal import Decimal
from typing import Any

import pytest

from sandbox.wire import json_text, txml
from sandbox.wire.json_text import JsonObject, JsonValue
from tests.acceptance.running import EXAMPLES

PAIRS = sorted(path.stem for path in EXAMPLES.glob("*.xml"))


@pytest.mark.parametrize("name", PAIRS)
def test_the_json_of_an_example_becomes_its_xml(name: str) -> None:
    """Elements of one name in their order; the order of different ones means nothing (txml.md section 2)."""
    body = json_text.read((EXAMPLES / f"{name}.json").read_bytes())
    assert isinstance(body, dict)
    expected = ET.parse(EXAMPLES / f"{name}.xml").getroot()  # noqa: S314 - our own file
    assert _tree(ET.fromstring(txml.write(body))) == _tree(expected)  # noqa: S314 - just written


def _tree(element: ET.Element) -> Any:
    children: dict[str, list[Any]] = {}
    for child in element:
        children.setdefault(child.tag, []).append(_tree(child))
    return children or element.text or ""


def test_the_examples_in_both_formats_are_looked_at() -> None:
    assert len(PAIRS) >= 4


def test_json_keeps_every_digit_and_every_character() -> None:
    value: JsonValue = {
        "a": Decimal("40.00"),
        "b": 10**25,
        "c": Decimal("0.1234567890123456789"),
        "d": Decimal("1E-20"),
        "e": 'ﬁ 😀 " \\ \n',
        "f": [True, False, None, {}],
    }
    text = json_text.write(value)
    assert text.startswith('{"a":40.00,"b":10000000000000000000000000,"c":0.1234567890123456789,')
    assert '"d":0.00000000000000000001' in text
    assert json_text.read(text) == value


def test_txml_has_no_element_for_what_is_absent_null_or_empty() -> None:
    body: JsonObject = {"a": None, "b": "", "lines": [], "c": {}, "d": False, "e": Decimal("0.00"), "f": 0}
    assert txml.write(body).decode().endswith("<WebhookBody><d>false</d><e>0.00</e><f>0</f></WebhookBody>")


def test_txml_escapes_and_declares_utf_8() -> None:
    content = txml.write({"name": "Lloyd's <& 😀", "unknownThings": [{"x": 1}, {"x": 2}]}).decode()
    assert content.lower().startswith("<?xml version='1.0' encoding='utf-8'?>")
    assert "Lloyd's &lt;&amp; 😀" in content
    assert "<unknownThings><x>1</x></unknownThings><unknownThings><x>2</x></unknownThings>" in content
