"""The clean reference receiver over real HTTPS answers as the catalogue prefers: what it takes and keeps."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conformance.mutants import credentials
from tests.unit.conformance.reference_receiver import (
    JSON,
    VECTORS,
    XML,
    Issuer,
    Receiver,
    basic,
    fresh,
    read_answer,
    request,
    running,
    small,
)


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    with running(tmp_path_factory.mktemp("receiver")) as receiver:
        yield receiver


class TestGoodDeliveries:
    @pytest.mark.parametrize("vector", sorted(p.name for p in VECTORS.iterdir() if p.suffix in (".json", ".xml")))
    def test_every_golden_body_is_taken(self, clean: Receiver, vector: str) -> None:
        path = "/shipment" if vector.startswith("shipment") else "/order"
        answer = clean.send(fresh(vector), path=path, content_type=JSON if vector.endswith("json") else XML)
        assert answer.status == 202, answer
        said = json.loads(answer.body)
        assert (said["status"], said["duplicate"], list(said)) == (
            "queued",
            False,
            ["status", "eventId", "duplicate"],
        )

    @pytest.mark.parametrize("pair", [credentials.BASIC, credentials.ASCII_BASIC, credentials.ORDERS_ONLY])
    def test_every_basic_pair_delivers_orders(self, clean: Receiver, pair: credentials.BasicPair) -> None:
        assert clean.send(small(), auth=basic(pair)).status == 202

    @pytest.mark.parametrize("scheme", ["Bearer", "bEARER"])
    def test_the_static_token_delivers(self, clean: Receiver, scheme: str) -> None:
        assert clean.send(small(), auth=f"{scheme} {credentials.BEARER_TOKEN}").status == 202

    def test_unknown_members_values_and_names_are_taken(self, clean: Receiver) -> None:
        body = small(eventName="OrderTeleported", future={"a.b": None, "c": [1, 2, {"d": 1e300}]})
        body["orderEvent"]["lines"] = [{"lineType": "Cloud", "x": 2**70, "status": {"processStatus": "Dreaming"}}]
        assert clean.send(body).status == 202

    @pytest.mark.parametrize("number", ["10", "10.0", "1e1", "10.000", "1234.56", "1e400", "9" * 5000])
    def test_any_number_of_json_is_a_quantity(self, clean: Receiver, number: str) -> None:
        text = fresh("one-line.json").replace('"quantity": 20', f'"quantity": {number}')
        assert clean.send(text).status == 202

    def test_a_lone_surrogate_is_taken(self, clean: Receiver) -> None:
        assert clean.send(fresh("one-line.json").replace("AX-2207", r"\ud800 \u0000 ‮")).status == 202

    @pytest.mark.parametrize(
        "content_type", ["application/json; charset=utf-8", 'Application/JSON;v=1;charset="UTF-8"']
    )
    def test_spellings_of_the_media_type(self, clean: Receiver, content_type: str) -> None:
        assert clean.send(small(), content_type=content_type).status == 202

    def test_chunks_and_an_invitation(self, clean: Receiver) -> None:
        body = json.dumps(small()).encode()
        chunks = b"%x;ext=1\r\n%s\r\n0\r\nTrailer: 1\r\n\r\n" % (len(body), body)
        assert clean.send(chunks, headers=(("Transfer-Encoding", "chunked"),)).status == 202
        with clean.connect() as connection:
            sent = request(headers=(("Expect", "100-continue"), ("Content-Length", str(len(body)))))
            connection.sendall(sent)
            assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
            connection.sendall(body)
            assert read_answer(connection).status == 202

    def test_other_prefix_cdata_comments_and_strange_elements(self, clean: Receiver) -> None:
        order = f"TCCONF-unit-{uuid.uuid4().hex[:8]}"
        text = f"""<?xml version="1.0"?><!-- c --><p:WebhookBody xmlns:p="urn:a" xmlns:f="urn:future" f:x="1">
            <f:orderEvent>x</f:orderEvent><p:future><deep a="b"/></p:future>
            <p:eventName>Order<!-- c -->Issued<![CDATA[ByBuyer]]></p:eventName>
            <p:orderEvent><p:buyerOrder><p:purchaseOrderNumber>&#84;{order[1:]}</p:purchaseOrderNumber></p:buyerOrder>
            </p:orderEvent></p:WebhookBody>"""
        assert clean.send(text, content_type=XML).status == 202
        assert clean.effects(order) == 1


class TestEffects:
    def test_a_repetition_has_one_effect_in_any_spelling(self, clean: Receiver) -> None:
        order, message = f"TCCONF-unit-{uuid.uuid4().hex[:8]}", str(uuid.uuid4())
        text = fresh("order.json", order, message)
        spelled = json.dumps(json.loads(text), sort_keys=True, indent=3)
        in_xml = fresh("order.xml", order, message)
        for body, content_type in ((text, JSON), (text, JSON), (spelled, JSON), (in_xml, XML)):
            assert clean.send(body, content_type=content_type).status == 202
        assert clean.effects(order) == 1
        assert clean.send(fresh("order.json", order)).status == 202
        assert clean.effects(order) == 2

    def test_two_events_without_an_id_both_count(self, clean: Receiver) -> None:
        body = small()
        del body["meta"]
        for _ in range(2):
            assert clean.send(body).status == 202
        assert clean.effects(body["orderEvent"]["buyerOrder"]["purchaseOrderNumber"]) == 2

    def test_copies_at_once_have_one_effect(self, clean: Receiver) -> None:
        order = f"TCCONF-unit-{uuid.uuid4().hex[:8]}"
        text = fresh("order.json", order)
        found: list[int] = []
        threads = [threading.Thread(target=lambda: found.append(clean.send(text).status)) for _ in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == [202] * 10
        assert clean.effects(order) == 1

    def test_lines_are_merged_and_an_older_version_changes_nothing(self, clean: Receiver) -> None:
        order = f"TCCONF-unit-{uuid.uuid4().hex[:8]}"
        clean.send(fresh("three-lines.json", order))
        clean.send(fresh("one-line.json", order))
        mirror = clean.control("GET", f"/order?number={order}")
        assert mirror["version"] == 2
        assert [line["buyerLine"]["position"] for line in mirror["lines"]] == ["0010", "0020", "0030"]
        assert [line["status"]["processStatus"] for line in mirror["lines"]] == ["Issued", "Confirmed", "Issued"]
        clean.send(fresh("three-lines.json", order))
        assert clean.control("GET", f"/order?number={order}") == mirror


class TestTrouble:
    @pytest.mark.parametrize(
        ("state", "wanted", "kept"),
        [
            ("erp-down", 502, 0),
            ("erp-slow", 504, 1),  # the ERP has it, and could not say so
            ("overloaded", 503, 0),
            ("unknown-supplier", 400, 1),
            ("unknown-order", 404, 1),
            ("poison", 500, 1),
            ("store-down", 503, 0),
        ],
    )
    def test_a_state_is_answered_and_then_forgotten(
        self, clean: Receiver, state: str, wanted: int, kept: int
    ) -> None:
        order = f"TCCONF-unit-{uuid.uuid4().hex[:8]}"
        text = fresh("order.json", order)
        with clean.state(state):
            answer = clean.send(text)
            assert answer.status == wanted
            assert bool(answer.header("retry-after")) is (wanted > 500)
            assert clean.send(text).status == wanted
        assert clean.effects(order) == kept
        assert clean.send(text).status == 202
        assert clean.effects(order) == 1

    def test_a_later_event_of_an_order_waits_for_an_unfinished_one(self, clean: Receiver) -> None:
        order = f"TCCONF-unit-{uuid.uuid4().hex[:8]}"
        first, later = fresh("three-lines.json", order), fresh("one-line.json", order)
        with clean.state("erp-down"):
            assert clean.send(first).status == 502
        answer = clean.send(later)
        assert (answer.status, bool(answer.header("retry-after"))) == (503, True)
        assert clean.send(fresh("one-line.json")).status == 202
        assert [clean.send(text).status for text in (first, later, later)] == [202] * 3
        assert clean.effects(order) == 2
        with clean.state("unknown-supplier"):
            assert clean.send(fresh("three-lines.json", order)).status == 400
        assert clean.send(fresh("one-line.json", order)).status == 202

    def test_a_kill_and_a_restart_lose_nothing_and_refuse_nothing(self, tmp_path: Path) -> None:
        with running(tmp_path, module="supervised") as receiver:
            order = f"TCCONF-unit-{uuid.uuid4().hex[:8]}"
            text = fresh("order.json", order)
            assert receiver.send(text).status == 202
            receiver.control("POST", "/kill")
            assert receiver.effects(order) == 1
            restart = threading.Thread(target=receiver.control, args=("POST", "/restart"))
            restart.start()
            found = []
            while restart.is_alive():
                found.append(receiver.send(small()).status)
            assert set(found) == {202}
            assert receiver.send(text).status == 202
            assert receiver.effects(order) == 1


def test_access_tokens_of_the_trusted_issuer(tmp_path: Path) -> None:
    issuer = Issuer()
    try:
        with running(tmp_path, "--trust-issuer", issuer.url) as receiver:
            cases: list[tuple[dict[str, Any], int]] = [
                ({}, 202),
                ({"exp": 1}, 401),
                ({"nbf": int(time.time()) + 60}, 401),
                ({"aud": "api://another"}, 401),
                ({"iss": "http://localhost/other"}, 401),
                ({"roles": []}, 403),
            ]
            for claims, wanted in cases:
                assert receiver.send(small(), auth=f"Bearer {issuer.token(**claims)}").status == wanted, claims
            token = issuer.token()
            assert receiver.send(small(), auth=f"Bearer {token[:-4]}AAAA").status == 401
            issuer.close()
            assert receiver.send(small(), auth=f"Bearer {token}").status == 503
    finally:
        issuer.close()
