"""How documents are listed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from service.console.documents import documents_json, documents_text

ROW: dict[str, Any] = {
    "event_id": "01a223d0-32ca-7141-8e89-1e6db9c06482",
    "number": 2,
    "place": "supplierLine",
    "line": "10",
    "code": "1",
    "name": "Zeichnung\u202e Nr. 7 mit einem sehr langen Namen, der nicht in die Zeile passt.pdf",
    "object_id": None,
    "url": "https://supplier.example/a.pdf?key=s3cret",
    "state": "waiting",
    "path": None,
    "size": None,
    "reason": "supplier.example: it answers 404",
    "purchase_order_number": "PO1",
}


def test_lines_fit_into_a_terminal_and_tell_place_and_reason_without_the_query_of_the_url() -> None:
    text = documents_text([ROW, ROW | {"size": 1234567, "state": "stored", "path": "/data/x.pdf"}], 80)
    assert max(map(len, text.splitlines())) <= 80
    assert "01a223d0-32ca-7141.2" in text
    assert "https://supplier.example/a.pdf; supplier.example: it answers 404" in " ".join(text.split())
    assert "s3cret" not in text
    assert "\u202e" not in text
    assert "1,234,567" in text
    assert "/data/x.pdf" in text


def test_json_has_every_fact_by_its_name_in_the_api() -> None:
    (row,) = json.loads(documents_json([ROW]))
    assert row["id"] == "01a223d0-32ca-7141-8e89-1e6db9c06482.2"
    assert (row["eventId"], row["purchaseOrderNumber"], row["objectId"]) == (ROW["event_id"], "PO1", None)


def test_nothing_fits() -> None:
    assert documents_text([]) == "No documents fit."


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:secret@host:8443/a.pdf?key=secret#secret", "https://host:8443/a.pdf"),
        ("https://user:secret@[oops/a.pdf", "a url that is no address"),
        ("https://user:secret@host:99999/a.pdf", "a url that is no address"),
        ("a.pdf?key=secret", "a url that is no address"),
    ],
)
def test_url_is_shown_without_what_lets_somebody_in(url: str, shown: str) -> None:
    row = ROW | {"object_id": None, "url": url, "path": None, "state": "waiting", "reason": None}
    text = documents_text([row], 200)
    assert f": {shown}; " in text or f": {shown}\n" in f"{text}\n"
    assert "secret" not in text
