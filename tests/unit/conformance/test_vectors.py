"""The golden messages: JSON and tXML say the same, and each file shows what the manifest says."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from decimal import Decimal
from importlib.resources import files
from typing import Any

import pytest
import yaml
from lxml import etree

from conformance import vectors
from conformance.contract import text, txml
from conformance.contract.reading import Payload, event_names

Content = str | Mapping[str, list[Any]]
PAIRS = [name for name in vectors.names() if vectors.has_txml(name)]


def content(element: Any) -> Content:
    """What an element holds: its text, or its children by name; siblings of one name keep their order."""
    assert not element.attrib
    if not len(element):
        return element.text or ""
    assert not (element.text or "").strip()
    children: defaultdict[str, list[Content]] = defaultdict(list)
    for child in element:
        assert not (child.tail or "").strip()
        children[child.tag].append(content(child))
    return dict(children)


def document(written: str) -> tuple[str, Content]:
    root = etree.fromstring(written.encode("utf-8"))
    return root.tag, content(root)


@pytest.mark.parametrize("name", PAIRS)
def test_txml_written_from_the_json_holds_what_the_hand_written_one_holds(name: str) -> None:
    written = txml.to_txml(vectors.payload_of(name).endpoint, vectors.vector(name))

    assert document(written) == document(vectors.vector_txml(name))


def test_manifest_names_every_file_once() -> None:
    folder = files("conformance.vectors")
    entries = yaml.safe_load(folder.joinpath("manifest.yaml").read_text("utf-8"))["vectors"]
    listed = Counter(file for entry in entries for file in entry["files"].values())

    assert set(listed.values()) == {1}
    assert set(listed) == {f.name for f in folder.iterdir() if f.name.endswith((".json", ".xml"))}
    assert all(entry["shows"] for entry in entries)


@pytest.mark.parametrize("name", vectors.names())
def test_vector_is_an_event_of_its_payload_with_the_tokens_in_place(name: str) -> None:
    payload = vectors.payload_of(name)
    body = vectors.vector(name)
    written = text.write(body)

    assert list(body) == ["eventName", payload.value, "meta"]
    assert body["eventName"] in event_names(payload)
    assert text.get(body, "/meta/messageId") == "{{message}}"
    assert text.get(body, "/meta/source/traceId") == "{{trace}}"
    assert "{{order}}" in written
    assert ("{{shipment}}" in written) == (payload is Payload.SHIPMENT)


@pytest.mark.parametrize("payload", Payload)
def test_golden_body_is_a_new_tree_at_each_call(payload: Payload) -> None:
    first = vectors.golden(payload)
    first.clear()

    assert payload.value in vectors.golden(payload)


def test_numbers_keep_their_zeros() -> None:
    quantity = text.get(
        vectors.golden(Payload.ORDER_EVENT), "/orderEvent/lines/0/buyerLine/deliverySchedule/0/quantity"
    )

    assert isinstance(quantity, Decimal)
    assert str(quantity) == "40.00"


def test_split_off_delivery_and_line_have_no_position() -> None:
    schedule = text.get(vectors.vector("split-schedule"), "/orderEvent/lines/0/deliverySchedule/1")
    line = text.get(vectors.vector("split-single"), "/singleDeliveryOrderEvent/lines/1/buyerLine")

    assert isinstance(schedule, dict)
    assert isinstance(line, dict)
    assert "position" not in schedule
    assert "position" not in line
    assert line["originalPosition"] == "0010"


def test_one_line_follows_three_lines_with_a_later_version_and_one_of_its_lines() -> None:
    before, after = vectors.vector("three-lines"), vectors.vector("one-line")

    def lines(body: text.JsonObject) -> list[str]:
        return [str(v) for p, v in text.pointers(body) if p.endswith("/buyerLine/position")]

    def version(body: text.JsonObject) -> int:
        return int(str(text.get(body, "/orderEvent/version")))

    assert len(lines(before)) == 3
    assert len(lines(after)) == 1
    assert set(lines(after)) < set(lines(before))
    assert version(before) < version(after)
    assert text.get(before, "/orderEvent/orderId") == text.get(after, "/orderEvent/orderId")


def test_unknown_vector_and_missing_txml_are_told() -> None:
    with pytest.raises(LookupError, match="no vector 'nothing'"):
        vectors.vector("nothing")
    with pytest.raises(LookupError, match="no txml"):
        vectors.vector_txml("one-line")
