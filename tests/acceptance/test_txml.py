"""tXML over real HTTPS: the same validation, duplicates, answers and drift as JSON."""

from __future__ import annotations

import json
import re
import uuid
from typing import Any

import pytest

from service import txml
from service.contract import webhook_contracts
from service.json_body import parse
from tests.acceptance.running import ORDER, SHIPMENT, RunningService, example

MAPPINGS = {
    path: txml.Mapping(contract) for path, contract in zip((ORDER, SHIPMENT), webhook_contracts(), strict=True)
}


def twins(path: str, name: str) -> tuple[bytes, bytes]:
    """The same new message in JSON and in tXML."""
    document: Any = parse(example(name)).document
    document["meta"] = {"messageId": str(uuid.uuid4())}
    return json.dumps(document, default=str).encode(), txml.write(document, MAPPINGS[path])


def xml(content_type: str = "application/xml") -> dict[str, Any]:
    return {"headers": {"Content-Type": content_type}}


@pytest.mark.parametrize(
    "content_type",
    ["application/xml", "text/xml", "TEXT/XML", 'Application/XML; Charset="UTF-8"', "text/xml;charset=utf-8"],
)
@pytest.mark.parametrize(
    ("path", "name"), [(ORDER, "order-single-delivery-split"), (SHIPMENT, "shipment-header-updated")]
)
def test_txml_is_taken_under_every_spelling_of_its_media_types(
    service: RunningService, path: str, name: str, content_type: str
) -> None:
    _, sent = twins(path, name)
    response = service.post(path, sent, **xml(content_type))
    assert response.status_code == 202, response.text
    event_id = response.json()["eventId"]
    assert service.raw(event_id) == sent
    row = service.event(event_id)
    assert row["eventName"] == parse(example(name)).document["eventName"]  # type: ignore[index, call-overload]
    assert row["purchaseOrderNumber"] is not None
    assert row["contentType"] == content_type
    assert row["driftCount"] == 0


@pytest.mark.parametrize("charset", ["utf-16", "utf-8-sig", "windows-1252"])
def test_txml_in_another_encoding_is_the_same_message(service: RunningService, charset: str) -> None:
    meta = f"<meta><messageId>{uuid.uuid4()}</messageId></meta>"
    body = f"<WebhookBody><eventName>E</eventName>{meta}<a>ß</a></WebhookBody>"
    first = service.post(ORDER, body, **xml()).json()
    again = service.post(
        ORDER, body.encode(charset), **xml(f"text/xml; charset={charset.removesuffix('-sig')}")
    ).json()
    assert again == {"status": "queued", "eventId": first["eventId"], "duplicate": True}


def test_same_message_in_json_and_txml_is_one_event(service: RunningService) -> None:
    as_json, as_txml = twins(ORDER, "order-resent-minimal")
    first = service.post(ORDER, as_json).json()
    assert service.post(ORDER, as_txml, **xml()).json() == first | {"duplicate": True}


def test_every_digit_of_a_txml_quantity_tells_two_messages_apart(service: RunningService) -> None:
    _, sent = twins(ORDER, "order-issued")
    one, other = (re.sub(b"<quantity>[^<]*", b"<quantity>5.000000000000000000000000%d" % n, sent) for n in (1, 2))
    first = service.post(ORDER, one, **xml()).json()
    second = service.post(ORDER, other, **xml()).json()
    assert not second["duplicate"]
    assert service.event(second["eventId"])["otherContentAs"] == first["eventId"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('<note lang="en">a</note><note>b</note>', '<note>a</note><note lang="en">b</note>'),
        ("text<note>a</note>", "<note>a</note>text"),
        ('<x a="1">\u00a0</x>', '<x a="1"/>'),
    ],
)
def test_messages_that_differ_in_what_values_cannot_show_are_two_events(
    service: RunningService, one: str, other: str
) -> None:
    meta = f"<meta><messageId>{uuid.uuid4()}</messageId></meta>"
    first, second, again = (
        service.post(
            ORDER,
            f"<WebhookBody><eventName>E</eventName>{meta}<orderEvent><buyerOrder>{part}</buyerOrder></orderEvent>"
            "</WebhookBody>".encode(),
            **xml(),
        ).json()
        for part in (one, other, other)
    )
    assert not second["duplicate"]
    assert service.event(second["eventId"])["otherContentAs"] == first["eventId"]
    assert again == second | {"duplicate": True}


def test_what_the_contract_does_not_know_is_accepted_and_counted(service: RunningService) -> None:
    _, sent = twins(ORDER, "order-issued")
    sent = sent.replace(b"<orderEvent>", b'<orderEvent since="2027"><greenLabel>A</greenLabel>')
    event_id = service.post(ORDER, sent, **xml()).json()["eventId"]
    row = service.event(event_id)
    assert {(item["kind"], item["place"], item["detail"]) for item in row["drift"]} == {
        ("unknown member", "/orderEvent", "greenLabel"),
        ("unknown member", "/orderEvent", "@since"),
    }


def test_utf_8_under_a_wrong_label_is_accepted_and_counted(service: RunningService) -> None:
    order = f"<orderEvent><orderId>ß{uuid.uuid4()}</orderId></orderEvent>"
    body = f"<WebhookBody><eventName>OrderIssuedByBuyer</eventName>{order}</WebhookBody>"
    event_id = service.post(ORDER, body, **xml("application/xml; charset=iso-8859-1")).json()["eventId"]
    (item,) = service.event(event_id)["drift"]
    assert item["kind"] == "wrong label"
    assert service.event(event_id)["subjectId"].startswith("ß")


@pytest.mark.parametrize(
    ("body", "pointer", "reason"),
    [
        (b"<WebhookBody><eventName>A</WebhookBody>", "", "line 1, column 40, in /WebhookBody/eventName: "),
        (b"<Envelope/>", "", "line 1, /Envelope: the root element is not WebhookBody"),
        (b'<!DOCTYPE x [<!ENTITY e "x">]><WebhookBody/>', "", "line 1: a document type (DOCTYPE) is not taken"),
        (b'{"eventName": "OrderIssuedByBuyer"}', "", "line 1, column 1: "),
        (b"<WebhookBody><orderEvent/></WebhookBody>", "", "the member 'eventName' is missing"),
        (
            b"<WebhookBody><eventName>A</eventName><orderEvent><line/><line><status><x/></status></line>"
            b"<version>five</version></orderEvent></WebhookBody>",
            "/orderEvent/version",
            "expected null or integer, found string",
        ),
    ],
)
def test_txml_that_is_refused_is_400_with_the_reason_and_kept(
    service: RunningService, body: bytes, pointer: str, reason: str
) -> None:
    response = service.post(ORDER, body, **xml())
    assert response.status_code == 400, response.text
    details = response.json()
    assert details["type"] == "urn:tradecloud-webhooks:problem:body-refused"
    found = next(error for error in details["errors"] if error["pointer"] == pointer)
    assert found["reason"].startswith(reason), details
    assert service.raw(details["quarantineId"]) == body
    assert service.event(details["quarantineId"])["refusal"]["findings"] == details["errors"]


def test_txml_under_the_label_of_json_is_400_and_kept(service: RunningService) -> None:
    _, sent = twins(ORDER, "order-issued")
    response = service.post(ORDER, sent)
    assert response.status_code == 400
    assert service.raw(response.json()["quarantineId"]) == sent


@pytest.mark.parametrize("charset", ["klingon", "utf-7", "cp037"])
def test_txml_in_a_charset_that_cannot_be_read_whole_is_415_and_kept(service: RunningService, charset: str) -> None:
    _, sent = twins(ORDER, "order-issued")
    response = service.post(ORDER, sent, **xml(f"application/xml; charset={charset}"))
    assert response.status_code == 415
    assert service.raw(response.json()["quarantineId"]) == sent


def test_order_in_txml_at_the_shipment_path_is_400(service: RunningService) -> None:
    _, sent = twins(ORDER, "order-issued")
    response = service.post(SHIPMENT, sent, **xml())
    assert response.status_code == 400
    assert "order webhook" in response.text
