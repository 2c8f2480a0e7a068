"""Documents are found wherever an event may name them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from handlers.documents.found import documents_of
from handlers.interface import Endpoint
from service.event_reader import event_readers

EXAMPLES = Path(__file__).resolve().parents[3] / "specs" / "examples"


def doc(code: str) -> dict[str, Any]:
    return {"code": code, "objectId": f"o-{code}"}


@pytest.mark.parametrize("payload", ["orderEvent", "singleDeliveryOrderEvent", "orderDocumentsEvent"])
def test_documents_of_all_six_places_of_an_order_are_found(payload: str) -> None:
    body: Any = {
        "eventName": "X",
        payload: {
            "documents": [doc("1")],
            "buyerOrder": {"documents": [doc("2")]},
            "supplierOrder": {"documents": [doc("3"), doc("4")]},
            "lines": [
                {"buyerLine": {"position": "10"}, "supplierLine": {"documents": [doc("5")]}},
                {
                    "buyerLine": {"position": "20", "documents": [doc("7")]},
                    "documents": [doc("6")],
                },
                {"position": "30", "documents": [doc("8")]},
            ],
        },
    }
    found = documents_of(body)
    assert [(each.number, each.place, each.line, each.code) for each in found] == [
        (1, "", None, "1"),
        (2, "buyerOrder", None, "2"),
        (3, "supplierOrder", None, "3"),
        (4, "supplierOrder", None, "4"),
        (5, "supplierLine", "10", "5"),
        (6, "", "20", "6"),
        (7, "buyerLine", "20", "7"),
        (8, "", "30", "8"),
    ]


def test_documents_of_both_halves_of_a_shipment_are_found() -> None:
    body: Any = {
        "eventName": "X",
        "shipment": {"supplierShipment": {"documents": [doc("1")]}, "buyerShipment": {"documents": [doc("2")]}},
    }
    assert [(each.place, each.code) for each in documents_of(body)] == [
        ("supplierShipment", "1"),
        ("buyerShipment", "2"),
    ]


def test_documents_of_the_example_by_object_by_url_and_without_file() -> None:
    found = documents_of(json.loads((EXAMPLES / "order-documents.json").read_text()))
    assert [(bool(each.object_id), bool(each.url), each.has_file) for each in found] == [
        (True, False, True),
        (False, False, False),
        (False, True, True),
        (True, False, True),
    ]


def test_anything_else_in_the_place_of_documents_is_passed_over() -> None:
    odds: tuple[Any, ...] = (None, {}, "x", [None, 1, "x"], [[]])
    for odd in odds:
        body: Any = {"eventName": "X", "orderEvent": {"documents": odd, "lines": odd, "buyerOrder": odd}}
        assert documents_of(body) == ()


def test_copy_differs_by_revision_time_and_source_and_by_nothing_else() -> None:
    def key(**members: Any) -> str | None:
        body: Any = {"eventName": "X", "orderEvent": {"documents": [{"objectId": "o", **members}]}}
        return documents_of(body)[0].copy_key

    same = key()
    assert key(name="another", code="9", url="https://x/") == same
    assert len({same, key(revision="B"), key(meta={"lastUpdatedAt": "2026-01-01"}), key(objectId="p")}) == 4
    assert key(objectId="", url="") is None


def test_txml_names_the_same_documents_as_json() -> None:
    reader = event_readers()[Endpoint.ORDER]
    found = [
        documents_of(
            reader.read_again((EXAMPLES / f"order-documents.{form}").read_bytes(), f"application/{form}")[0]
        )
        for form in ("json", "xml")
    ]
    assert found[0] == found[1]
    assert len(found[0]) == 4
