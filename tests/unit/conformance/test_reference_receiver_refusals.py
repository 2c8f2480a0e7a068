"""The clean reference receiver over real HTTPS answers as the catalogue prefers: what it refuses."""

from __future__ import annotations

import base64
import contextlib
import socket
import time
from collections.abc import Iterator

import pytest

from conformance.mutants import credentials
from tests.unit.conformance.reference_receiver import (
    GOOD,
    JSON,
    XML,
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


class TestRefusals:
    @pytest.mark.parametrize(
        ("auth", "wanted"),
        [
            (None, 401),
            ("Basic", 401),
            ("Basic %%%=", 401),
            ("Basic " + base64.b64encode(b"\xff\xfe:x").decode(), 401),
            ("Basic " + base64.b64encode(b"tradecloud").decode(), 401),
            (GOOD.replace("Basic", "Digest"), 401),
            ("Bearer wrong", 401),
            ("Bearer a.b.c", 401),
            (basic(credentials.BasicPair("tradecloud", credentials.BASIC.password[:-1])), 401),
            (basic(credentials.SHIPMENTS_ONLY), 403),
        ],
    )
    def test_credentials(self, clean: Receiver, auth: str | None, wanted: int) -> None:
        answer = clean.send(small(), auth=auth)
        assert answer.status == wanted
        assert answer.header("content-type") == "application/problem+json"
        assert answer.problem["status"] == wanted
        if wanted == 401:
            assert 'charset="UTF-8"' in answer.header("www-authenticate")
            is_wrong_token = (auth or "").startswith("Bearer")
            assert ('error="invalid_token"' in answer.header("www-authenticate")) is is_wrong_token

    def test_two_authorization_fields_are_refused(self, clean: Receiver) -> None:
        assert clean.send(small(), headers=(("Authorization", "Bearer wrong"),)).status == 401

    @pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "HEAD", "TRACE", "OPTIONS", "BREW"])
    def test_other_methods(self, clean: Receiver, method: str) -> None:
        answer = clean.send(small(), method=method)
        assert (answer.status, answer.header("allow")) == (405, "POST")

    @pytest.mark.parametrize("path", ["/", "/orders", "//order", "/order/", "/./order", "/%6frder", "/ORDER"])
    def test_other_paths(self, clean: Receiver, path: str) -> None:
        assert clean.send(small(), path=path).status == 404

    @pytest.mark.parametrize(
        ("content_type", "headers"),
        [
            (None, ()),
            ("text/plain", ()),
            ("application/json; charset=utf-16", ()),
            (JSON, (("Content-Encoding", "gzip"),)),
        ],
    )
    def test_media_types(
        self, clean: Receiver, content_type: str | None, headers: tuple[tuple[str, str], ...]
    ) -> None:
        assert clean.send(small(), content_type=content_type, headers=headers).status == 415

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"  \n",
            b'{"eventName": "Order',
            b"[]",
            b"null",
            b'"x"',
            b'{"eventName": "A",}',
            b'{"eventName": NaN}',
            b"{'eventName': 'A'}",
            b'{"eventName": "A", "eventName": "B"}',
            b'{"eventName": "A", "x": 01}',
            b'{"eventName": "\xff"}',
            b'\xef\xbb\xbf{"eventName": "A"}',
            '{"eventName": "A"}'.encode("utf-16"),
            b"[" * 100_000,
            b'{"a":' * 100_000,
            b"<WebhookBody><eventName>A</eventName></WebhookBody>",
            b"{}",
            b'{"eventName": null}',
            b'{"eventName": 1}',
            b'{"eventName": "A", "orderEvent": []}',
            b'{"eventName": "A", "orderEvent": {"lines": {}}}',
            b'{"eventName": "A", "orderEvent": {"version": "1"}}',
            b'{"eventName": "A", "orderEvent": {"version": 1.5}}',
        ],
        ids=lambda body: repr(body[:40]),
    )
    def test_bodies_of_json(self, clean: Receiver, body: bytes) -> None:
        assert clean.send(body).status == 400

    @pytest.mark.parametrize(
        "body",
        [
            b'{"eventName": "A"}',
            b"<WebhookBody>",
            b"<WebhookBody/><WebhookBody/>",
            b"<WebhookBody><x:a/></WebhookBody>",
            b"<WebhookBody>\x01</WebhookBody>",
            b"<WebhookBody/>",
            b"<Order><eventName>A</eventName></Order>",
            b"<!DOCTYPE a><WebhookBody><eventName>A</eventName></WebhookBody>",
            b'<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]><WebhookBody>&e;</WebhookBody>',
            '<?xml version="1.0" encoding="ISO-8859-1"?><WebhookBody>Ä</WebhookBody>'.encode(),
            b"<WebhookBody><eventName>A</eventName><orderEvent>x</orderEvent></WebhookBody>",
            b"<a>" * 10_000 + b"</a>" * 10_000,
            b"<WebhookBody %s/>" % b" ".join(b'a%d="1"' % n for n in range(10_000)),
        ],
        ids=lambda body: repr(body[:40]),
    )
    def test_bodies_of_txml(self, clean: Receiver, body: bytes) -> None:
        assert clean.send(body, content_type=XML).status == 400

    def test_a_body_at_the_other_path(self, clean: Receiver) -> None:
        assert clean.send(fresh("shipment.json")).status == 400
        assert clean.send(fresh("order.json"), path="/shipment").status == 400
        assert clean.send(fresh("shipment.xml"), content_type=XML).status == 400

    def test_a_body_over_the_limit(self, clean: Receiver) -> None:
        filler = b'{"eventName": "A", "x": "' + b"x" * (17 * 1024 * 1024) + b'"}'
        assert clean.send(filler).status == 413
        chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(filler), filler)
        assert clean.send(chunked, headers=(("Transfer-Encoding", "chunked"),)).status == 413

    @pytest.mark.parametrize(
        "headers",
        [
            (("Content-Length", "3"), ("Content-Length", "4")),
            (("Content-Length", "3"), ("Transfer-Encoding", "chunked")),
            (("Transfer-Encoding", "chunked"),),
            (("Content-Length", "-1"),),
        ],
    )
    def test_framing_that_contradicts_itself_ends_the_connection(
        self, clean: Receiver, headers: tuple[tuple[str, str], ...]
    ) -> None:
        answer = clean.send(b"zz\r\n" + request(small()), headers=headers)
        assert (answer.status, answer.header("connection")) == (400, "close")

    def test_credentials_are_judged_before_the_body(self, clean: Receiver) -> None:
        assert clean.send(b"{", auth=None).status == 401
        assert clean.send(b"{", auth=None, content_type="text/plain").status == 401
        assert clean.send(auth=None, headers=(("Content-Length", "99999999"),)).status == 401

    def test_a_connection_goes_on_after_an_error_before_the_body(self, clean: Receiver) -> None:
        with clean.connect() as connection:
            for wanted, auth in ((401, None), (202, GOOD), (401, "Basic x"), (202, GOOD)):
                connection.sendall(request(small(), auth=auth))
                assert read_answer(connection).status == wanted

    def test_a_slow_sender_is_cut(self, clean: Receiver) -> None:
        begun = time.monotonic()
        answer = clean.send(b"{", headers=(("Content-Length", "100"),))
        assert answer.status == 408
        assert time.monotonic() - begun < 5

    def test_plain_http_is_not_served(self, clean: Receiver) -> None:
        with socket.create_connection(("127.0.0.1", clean.port), timeout=5) as connection:
            connection.sendall(request(small()))
            with contextlib.suppress(ConnectionError):
                assert b"HTTP/1.1 2" not in connection.recv(1000)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", int(clean.ready["plain_url"].rpartition(":")[2])))
