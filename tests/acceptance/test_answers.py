"""The table of answers, row by row, over real HTTPS against a started service."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import ssl
import uuid
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
import requests
from requests.auth import _basic_auth_str

from tests.acceptance.running import (
    BASIC,
    ORDER,
    OTHER_USER,
    SHIPMENT,
    TOKEN,
    USER,
    RunningService,
    body,
    example,
)


def meta() -> dict[str, str]:
    return {"messageId": str(uuid.uuid4())}


def problem(response: requests.Response, status: int, slug: str) -> dict[str, Any]:
    """The problem details of an answer, checked for what all of them have."""
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"] == "application/problem+json"
    details: dict[str, Any] = response.json()
    assert details["status"] == status
    assert details["type"] == f"urn:tradecloud-webhooks:problem:{slug}"
    assert USER[1] not in response.text
    return details


def stored(response: requests.Response) -> str:
    """The id in a 202."""
    assert response.status_code == 202, response.text
    assert response.headers["Content-Type"] == "application/json"
    answer = response.json()
    assert set(answer) == {"status", "eventId", "duplicate"}
    assert answer["status"] == "queued"
    event_id: str = answer["eventId"]
    return event_id


def quarantined(service: RunningService, details: dict[str, Any]) -> dict[str, Any]:
    """What the operator sees of the body that an answer says was kept."""
    row = service.event(details["quarantineId"])
    assert row["state"] == "quarantined"
    return row


class TestStored:
    def test_valid_event_is_202_and_on_disk(self, service: RunningService) -> None:
        sent = body(meta=meta())
        event_id = stored(service.post(ORDER, sent))
        assert service.raw(event_id) == sent

    def test_same_message_again_is_the_same_answer_marked_duplicate(self, service: RunningService) -> None:
        identity = meta()
        first = service.post(ORDER, body("order-issued", meta=identity))
        again = json.dumps(json.loads(body("order-issued", meta=identity)), indent=7, sort_keys=True)
        second = service.post(ORDER, again)
        assert stored(second) == stored(first)
        assert (first.json()["duplicate"], second.json()["duplicate"]) == (False, True)

    def test_meta_is_left_out_of_the_comparison(self, service: RunningService) -> None:
        identity = meta()
        first = service.post(ORDER, body(meta=identity))
        second = service.post(ORDER, body(meta=identity | {"createdDateTime": "2026-11-23T10:00:00Z"}))
        assert second.json() == first.json() | {"duplicate": True}

    def test_same_message_id_with_other_content_is_a_new_event_that_points_back(
        self, service: RunningService
    ) -> None:
        identity = meta()
        first = stored(service.post(ORDER, body(meta=identity)))
        response = service.post(ORDER, body(meta=identity, orderEvent={"orderId": "another"}))
        second = stored(response)
        assert (response.json()["duplicate"], second == first) == (False, False)
        row = service.event(second)
        assert row["otherContentAs"] == first

    def test_content_seen_before_without_message_id_is_stored_and_marked(self, service: RunningService) -> None:
        sent = body(eventName="OrderIssuedByBuyer", orderEvent={"orderId": str(uuid.uuid4()), "version": 3})
        first, second = stored(service.post(ORDER, sent)), stored(service.post(ORDER, sent))
        row = service.event(second)
        assert (row["repeatOf"], first == second) == (first, False)

    def test_a_resend_is_not_a_repetition(self, service: RunningService) -> None:
        order = {"orderId": str(uuid.uuid4()), "version": 3}
        sent = body(eventName="OrderResentByBuyer", orderEvent=order)
        stored(service.post(ORDER, sent))
        row = service.event(stored(service.post(ORDER, sent)))
        assert row["repeatOf"] is None

    def test_what_the_contract_does_not_know_is_accepted_and_counted(self, service: RunningService) -> None:
        event_id = stored(service.post(ORDER, body("order-from-the-future", meta=meta())))
        row = service.event(event_id)
        assert row["driftCount"] > 20
        assert {"unknown member", "unknown value"} <= {item["kind"] for item in row["drift"]}

    @pytest.mark.parametrize(
        "sent",
        [
            '{"eventName": "X", "orderEvent": {"buyerOrder": {"description": "a\\u0000b"}}}',
            '{"eventName": "X", "orderEvent": {"orderId": "\\ud800"}}',
            '{"eventName": "\\udfff", "meta": {"messageId": "\\ud800"}}',
        ],
    )
    def test_nul_and_half_characters_are_accepted_with_the_bytes_untouched(
        self, service: RunningService, sent: str
    ) -> None:
        event_id = stored(service.post(ORDER, sent))
        assert service.raw(event_id) == sent.encode()
        row = service.event(event_id)
        assert "unstorable character" in {item["kind"] for item in row["drift"]}

    @pytest.mark.parametrize(
        "content_type",
        [
            "application/json; charset=utf-8",
            "APPLICATION/JSON",
            'application/json;charset="UTF-8"',
            "application/json; v=2",
        ],
    )
    def test_media_type_in_any_legal_spelling_is_accepted(self, service: RunningService, content_type: str) -> None:
        stored(service.post(ORDER, body(meta=meta()), headers={"Content-Type": content_type}))

    def test_chunked_body_is_accepted(self, service: RunningService) -> None:
        sent = body("order-issued", meta=meta())
        response = requests.post(
            service.url + ORDER,
            data=iter([sent[:100], sent[100:]]),
            auth=BASIC,
            headers={"Content-Type": "application/json"},
            verify=str(service.ca),
            timeout=20,
        )
        assert service.raw(stored(response)) == sent

    def test_bearer_token_is_accepted_and_its_name_is_kept(self, service: RunningService) -> None:
        response = service.post(
            SHIPMENT,
            body("shipment-issued", meta=meta()),
            auth=None,
            headers={"Authorization": f"Bearer {TOKEN}"},
        )
        row = service.event(stored(response))
        assert row["credential"] == "robot"


class TestCredentials:
    def test_none_or_wrong_ones_are_401_with_a_challenge_for_each_scheme(self, service: RunningService) -> None:
        for auth in (None, ("tradecloud", "wrong"), ("stranger", "x")):
            response = service.post(ORDER, body(), auth=auth)
            problem(response, 401, "not-authenticated")
            challenges = response.headers["WWW-Authenticate"]
            assert 'Basic realm="tradecloud-webhooks", charset="UTF-8"' in challenges
            assert "Bearer" in challenges

    def test_wrong_token_is_401_invalid_token(self, service: RunningService) -> None:
        response = service.post(ORDER, body(), auth=None, headers={"Authorization": "Bearer nope"})
        problem(response, 401, "not-authenticated")
        assert 'error="invalid_token"' in response.headers["WWW-Authenticate"]

    def test_right_ones_of_another_endpoint_are_403(self, service: RunningService) -> None:
        problem(service.post(SHIPMENT, body("shipment-issued"), auth=OTHER_USER), 403, "not-allowed")

    def test_401_comes_before_anything_about_the_body(self, service: RunningService) -> None:
        for sent, headers in ((b"{", {}), (b"x", {"Content-Type": "text/plain"}), (b"y" * 2_000_000, {})):
            problem(service.post(ORDER, sent, auth=None, headers=headers), 401, "not-authenticated")

    def test_two_authorization_headers_are_no_way_in(self, service: RunningService) -> None:
        right = _basic_auth_str(*BASIC)
        for pair in ((right, "Basic eDp5"), ("Basic eDp5", right), (right, right)):
            context = ssl.create_default_context(cafile=str(service.ca))
            connection = http.client.HTTPSConnection("localhost", service.port, context=context, timeout=20)
            connection.putrequest("POST", ORDER)
            for value in pair:
                connection.putheader("Authorization", value)
            connection.putheader("Content-Type", "application/json")
            connection.putheader("Content-Length", "2")
            connection.endheaders(b"{}")
            assert connection.getresponse().status == 401
            connection.close()

    def test_token_in_query_or_form_and_forwarded_addresses_are_no_way_in(self, service: RunningService) -> None:
        problem(service.post(f"{ORDER}?access_token={TOKEN}", body(), auth=None), 401, "not-authenticated")
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        problem(service.post(ORDER, f"access_token={TOKEN}", auth=None, headers=form), 401, "not-authenticated")
        for header in ("X-Forwarded-For", "Forwarded", "X-Real-IP"):
            headers = {header: "35.204.36.162"}
            problem(service.post(ORDER, body(), auth=None, headers=headers), 401, "not-authenticated")

    def test_wrong_passwords_of_a_known_user_are_counted_by_name(self, own_service: RunningService) -> None:
        own_service.start()
        for _ in range(3):
            own_service.post(ORDER, body(), auth=(OTHER_USER[0], "wrong"))
        assert own_service.stop() == 0
        lines = own_service.webhooks("credentials").stdout.decode().splitlines()
        (line,) = [line for line in lines if line.startswith("orders ")]
        assert line.split()[:4] == ["orders", "basic", "order", "3"]


class TestRefusedBodies:
    @pytest.mark.parametrize(
        ("path", "sent", "pointer", "reason"),
        [
            (ORDER, b"", "", "EOF"),
            (ORDER, b"{", "", "EOF"),
            (ORDER, b"<WebhookBody/>", "", "expected value"),
            (ORDER, b'{"eventName": NaN}', "", "expected"),
            (ORDER, b'{"eventName": "X", "eventName": "Y"}', "", "duplicate key"),
            (ORDER, b'{"eventName": "\xff"}', "", "unicode"),
            (ORDER, b"[" * 100_000, "", "200 levels"),
            (ORDER, b'{"eventName": "X", "n": ' + b"9" * 5000 + b"}", "", "4300 digits"),
            (ORDER, b'{"eventName": "X", "n": 1e400}', "/n", "exponent"),
            (ORDER, b'{"eventName": "X", "n": 1e99999999999999999999}', "", "exponent"),
            (ORDER, b"[]", "", "expected object, found array"),
            (ORDER, b"null", "", "expected object, found null"),
            (ORDER, b"{}", "", "'eventName' is missing"),
            (ORDER, b'{"eventName": null}', "/eventName", "expected string, found null"),
            (ORDER, b'{"eventName": "X", "orderEvent": {"lines": {}}}', "/orderEvent/lines", "found object"),
            (SHIPMENT, b'{"eventName": "X"}', "", "'shipment' is missing"),
            (SHIPMENT, b'{"eventName": "X", "shipment": []}', "/shipment", "found array"),
        ],
    )
    def test_what_does_not_fit_is_400_with_pointer_and_reason_and_kept(
        self, service: RunningService, path: str, sent: bytes, pointer: str, reason: str
    ) -> None:
        details = problem(service.post(path, sent), 400, "body-refused")
        (error,) = details["errors"]
        assert error["pointer"] == pointer
        assert reason in error["reason"]
        row = quarantined(service, details)
        assert row["refusal"]["findings"] == details["errors"]
        assert service.raw(details["quarantineId"]) == sent

    def test_media_type_in_capitals_does_not_skip_validation(self, service: RunningService) -> None:
        headers = {"Content-Type": "APPLICATION/JSON"}
        problem(service.post(ORDER, b'{"eventName": 1}', headers=headers), 400, "body-refused")

    def test_body_with_broken_chunks_is_400_and_what_came_of_it_is_kept(self, service: RunningService) -> None:
        context = ssl.create_default_context(cafile=str(service.ca))
        with (
            socket.create_connection(("localhost", service.port), timeout=20) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as wire,
        ):
            head = [f"POST {ORDER} HTTP/1.1", "Host: localhost", f"Authorization: {_basic_auth_str(*BASIC)}"]
            head += ["Content-Type: application/json", "Transfer-Encoding: chunked", "", ""]
            wire.sendall("\r\n".join(head).encode() + b'5\r\n{"eve\r\nzz\r\n')
            received = b""
            while chunk := wire.recv(65536):
                received += chunk
        answer, _, details = received.partition(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert b"connection: close" in answer.lower()
        assert service.raw(json.loads(details)["quarantineId"]) == b'{"eve'

    def test_every_finding_is_reported(self, service: RunningService) -> None:
        sent = {"eventName": 1, "orderEvent": {"version": "1", "lines": [{"id": 1}, {"id": 2}], "status": []}}
        details = problem(service.post(ORDER, json.dumps(sent)), 400, "body-refused")
        assert {error["pointer"] for error in details["errors"]} == {
            "/eventName",
            "/orderEvent/version",
            "/orderEvent/lines/0/id",
            "/orderEvent/lines/1/id",
            "/orderEvent/status",
        }

    def test_order_at_the_shipment_path_and_the_reverse_are_400(self, service: RunningService) -> None:
        details = problem(service.post(SHIPMENT, example("order-issued")), 400, "body-refused")
        assert "/webhooks/tradecloud/order" in details["errors"][0]["reason"]
        details = problem(service.post(ORDER, example("shipment-issued")), 400, "body-refused")
        assert "/webhooks/tradecloud/shipment" in details["errors"][0]["reason"]

    def test_same_refused_body_again_gets_the_same_id(self, service: RunningService) -> None:
        ids = {service.post(ORDER, b'{"again": 1}').json()["quarantineId"] for _ in range(3)}
        assert len(ids) == 1

    @pytest.mark.parametrize(
        "headers",
        [
            {"Content-Type": "text/plain"},
            {"Content-Type": "application/x-www-form-urlencoded"},
            {"Content-Type": "multipart/form-data"},
            {"Content-Type": "application/jsonx"},
            {"Content-Type": "application/json; charset=iso-8859-1"},
            {"Content-Type": "application/json; charset=utf-16"},
            {"Content-Type": "application/json; charset=klingon"},
            {"Content-Type": None},
            {"Content-Encoding": "br"},
        ],
        ids=str,
    )
    def test_label_that_is_not_ours_is_415_and_the_body_is_kept(
        self, service: RunningService, headers: dict[str, str]
    ) -> None:
        response = service.post(ORDER, body("order-issued"), headers=headers)
        details = problem(response, 415, "unsupported-media-type")
        assert response.headers["Accept"] == "application/json, application/xml, text/xml"
        assert response.headers["Accept-Encoding"] == "identity"
        quarantined(service, details)
        assert service.raw(details["quarantineId"]) == body("order-issued")

    def test_gzip_is_415_and_the_body_is_kept_with_its_coding(self, service: RunningService) -> None:
        sent = gzip.compress(example("order-issued"), mtime=0)
        details = problem(
            service.post(ORDER, sent, headers={"Content-Encoding": "gzip"}), 415, "unsupported-media-type"
        )
        assert quarantined(service, details)["contentEncoding"] == "gzip"
        assert service.raw(details["quarantineId"]) == sent


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service that takes no more than 1 MiB at a time."""
    running = RunningService(tmp_path_factory.mktemp("small"), extra="max_body_bytes = 1048576")
    yield running.start()
    running.kill()


class TestTooLarge:
    @pytest.mark.parametrize("chunked", [False, True])
    def test_body_over_the_limit_is_413_and_its_beginning_is_kept(
        self, small: RunningService, chunked: bool
    ) -> None:
        sent = b'{"eventName": "' + b"x" * 1_200_000 + b'"}'
        data: Any = iter([sent[:500_000], sent[500_000:]]) if chunked else sent
        response = requests.post(
            small.url + ORDER,
            data=data,
            auth=BASIC,
            headers={"Content-Type": "application/json"},
            verify=str(small.ca),
            timeout=20,
        )
        details = problem(response, 413, "too-large")
        row = quarantined(small, details)
        assert row["truncated"] is True
        assert row["credential"] == "main"
        assert small.raw(details["quarantineId"]) == sent[:65536]
        if not chunked:
            assert row["bodyLength"] == len(sent)

    def test_body_at_the_limit_is_accepted(self, small: RunningService) -> None:
        sent = b'{"eventName": "' + b"x" * (1024 * 1024 - 17) + b'"}'
        assert len(sent) == 1024 * 1024
        stored(small.post(ORDER, sent))


class TestPathsAndMethods:
    @pytest.mark.parametrize(
        "path",
        [
            "/",
            "/webhooks/tradecloud/orders",
            ORDER + "/",
            "/" + ORDER,
            ORDER.upper(),
            "/openapi.json",
            "/ui/",
            "/docs",
        ],
    )
    def test_unknown_path_is_404(self, service: RunningService, path: str) -> None:
        problem(service.post(path, body(), allow_redirects=False), 404, "not-found")

    @pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"])
    def test_wrong_method_is_405_with_allow(self, service: RunningService, method: str) -> None:
        response = requests.request(method, service.url + ORDER, auth=BASIC, verify=str(service.ca), timeout=20)
        if method == "BREW":  # no HTTP method: the parser of the server does not know it
            assert response.status_code in (400, 405)
            return
        problem(response, 405, "wrong-method")
        assert response.headers["Allow"] == "POST"

    def test_method_override_is_ignored(self, service: RunningService) -> None:
        headers = {"X-HTTP-Method-Override": "POST"}
        response = requests.get(
            service.url + ORDER, auth=BASIC, headers=headers, verify=str(service.ca), timeout=20
        )
        problem(response, 405, "wrong-method")


class TestHealth:
    def test_live_and_ready_need_no_credentials(self, service: RunningService) -> None:
        assert service.get("/health/live").json() == {"status": "live"}
        ready = service.get("/health/ready").json()
        until = ready.pop("certificateValidUntil")
        assert ready == {"status": "ready", "attention": []}
        assert until == f"{datetime.fromisoformat(until):%Y-%m-%dT%H:%M:%SZ}"
