"""The destination `http` against a real server, well and in trouble."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
import trustme

from handlers.erp.exchange import tls_context
from handlers.erp.http import Basic, Bearer, HttpDestination
from handlers.erp.verdicts import read_rule
from handlers.interface import (
    Accepted,
    DocumentFile,
    DocumentState,
    ErpEvent,
    Outcome,
    Refused,
    TimedOut,
    Unavailable,
)
from tests.erp_events import BODY, EVENT, event
from tests.integration.erp.recipient import Recipient, Reply

SECRET = "hunter2-nobody-may-see-this"


@pytest.fixture
def server() -> Iterator[Recipient]:
    with Recipient() as started:
        yield started


def deliver(url: str, given: ErpEvent = EVENT, **settings: Any) -> Outcome:
    destination = HttpDestination(url, **settings)
    try:
        return destination.deliver(given, {}, (), BODY)
    finally:
        destination.close()


def test_event_goes_over_with_its_body_key_and_facts(server: Recipient) -> None:
    given = event(resent=True, attempt=3, stale=("header", "line 10"), echo=("20",))
    assert deliver(f"{server.url}/in?x=1", given) == Accepted("200 OK")
    (request,) = server.requests
    assert (request.method, request.path, request.body) == ("POST", "/in?x=1", BODY.content)
    names = ("content-type", "idempotency-key", *(name for name in request.headers if name.startswith("webhooks")))
    assert {name: request.headers[name] for name in names} == {
        "content-type": "application/json",
        "idempotency-key": EVENT.idempotency_key,
        "webhooks-event-id": EVENT.id,
        "webhooks-event-name": "OrderIssuedByBuyer",
        "webhooks-endpoint": "order",
        "webhooks-received-at": "2026-11-25T12:30:05+00:00",
        "webhooks-attempt": "3",
        "webhooks-resent": "true",
        "webhooks-stale": "header, line 10",
        "webhooks-echo": "20",
    }
    assert "authorization" not in request.headers


def test_foreign_values_cannot_end_a_header_field(server: Recipient) -> None:
    given = event(event_name="A\r\nX-Evil: 1\u00e9", stale=("x" * 5000,))
    assert isinstance(deliver(server.url, given), Accepted)
    headers = server.requests[0].headers
    assert headers["webhooks-event-name"] == "A%0D%0AX-Evil: 1%C3%A9"
    assert "x-evil" not in headers
    assert len(headers["webhooks-stale"]) == 1000


def test_method_headers_and_credentials_are_as_set(server: Recipient) -> None:
    deliver(server.url, method="PUT", authorization=Basic("erp", "pä:ss"), headers={"X-Key": "k"})
    deliver(server.url, authorization=Bearer("t"), headers={"Content-Type": "text/plain"})
    first, second = server.requests
    assert (first.method, first.headers["x-key"]) == ("PUT", "k")
    assert first.headers["authorization"] == "Basic ZXJwOnDDpDpzcw=="
    assert second.headers["authorization"] == "Bearer t"
    assert second.headers["content-type"] == "text/plain"


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (204, Accepted("204 No Content")),
        (302, Unavailable("it answers 302 Found")),
        (401, Unavailable("it answers 401 Unauthorized")),
        (404, Refused("it answers 404 Not Found", unknown_order=True)),
        (422, Refused("it answers 422 Unprocessable Entity")),
        (500, Refused("it answers 500 Internal Server Error")),
        (503, Unavailable("it answers 503 Service Unavailable")),
        (777, Refused("it answers 777")),
    ],
)
def test_status_decides(server: Recipient, status: int, outcome: Outcome) -> None:
    server.replies["/"] = [Reply(status, headers={"Location": f"{server.url}/elsewhere"})]
    assert deliver(f"{server.url}/") == outcome
    assert [request.path for request in server.requests] == ["/"]


def test_own_rules_come_first(server: Recipient) -> None:
    server.replies["/"] = [Reply(409), Reply(500)]
    rules = [read_rule("409=accepted"), read_rule("500=timed_out")]
    assert deliver(f"{server.url}/", rules=rules) == Accepted("409 Conflict")
    assert deliver(f"{server.url}/", rules=rules) == TimedOut("it answers 500 Internal Server Error")


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "120"}, 120.0),
        ({"Retry-After": "99999999999999999999"}, 86_400.0),
        ({"Retry-After": formatdate(1_000_060, usegmt=True), "Date": formatdate(1_000_000, usegmt=True)}, 60.0),
        ({"Retry-After": formatdate(0, usegmt=True)}, 0.0),
        ({"Retry-After": "-5"}, None),
        ({"Retry-After": "soon"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_passed_on(server: Recipient, headers: dict[str, str], seconds: float | None) -> None:
    # Two Date fields would be one that nobody can read.
    server.replies["/"] = [Reply(act=lambda sock, _: sock.sendall(head))]
    head = b"HTTP/1.1 429 X\r\nContent-Length: 0\r\n"
    head += b"".join(f"{name}: {value}\r\n".encode() for name, value in headers.items()) + b"\r\n"
    outcome = deliver(f"{server.url}/")
    assert isinstance(outcome, Unavailable)
    assert outcome.retry_after == seconds


def test_reason_is_one_short_line_without_what_we_sent(server: Recipient) -> None:
    said = f"<p>no\n\tprice\x1b[31m for {SECRET}</p> Authorization: Basic {SECRET} " + "x" * 100_000
    server.replies["/"] = [Reply(422, said.encode())]
    outcome = deliver(f"{server.url}/?code={SECRET}", authorization=Basic("erp", "other"))
    assert isinstance(outcome, Refused)
    assert outcome.reason.startswith(
        "it answers 422 Unprocessable Entity: <p>no price [31m for ********</p> Authorization: Basic ********"
    )
    assert SECRET not in outcome.reason
    assert len(outcome.reason) < 400
    for way in ({"authorization": Bearer(SECRET)}, {"headers": {"X-Key": SECRET}}):
        assert SECRET not in repr(deliver(f"{server.url}/", **way))


def test_connection_is_kept_within_a_thread_and_never_shared(server: Recipient) -> None:
    destination = HttpDestination(server.url)
    together = threading.Barrier(2)

    def three_times() -> None:
        for _ in range(3):
            destination.deliver(EVENT, {}, (), BODY)
        together.wait(10)

    threads = [threading.Thread(target=three_times) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    destination.close()
    connections = [request.connection for request in server.requests]
    assert sorted(map(connections.count, set(connections))) == [3, 3]


def test_cookies_of_an_answer_are_not_sent_back(server: Recipient) -> None:
    server.replies["/"] = [Reply(headers={"Set-Cookie": "session=1"})]
    destination = HttpDestination(f"{server.url}/")
    for _ in range(2):
        destination.deliver(EVENT, {}, (), BODY)
    destination.close()
    assert "cookie" not in server.requests[1].headers


# Trouble on the way


def test_server_that_is_not_there_is_unavailable(server: Recipient) -> None:
    server.stop()
    place = server.url.removeprefix("http://")
    assert deliver(f"{server.url}/secret-path") == Unavailable(f"{place}: no connection (Connection refused)")


def test_name_that_nobody_knows_is_unavailable() -> None:
    outcome = deliver("http://nobody.invalid/secret?x=secret")
    assert outcome == Unavailable("nobody.invalid: its name is not known")


def _drip_head(sock: socket.socket, stopped: threading.Event) -> None:
    sock.sendall(b"HTTP/1.1 200 OK\r\n")
    while not stopped.wait(0.05):
        sock.sendall(b"X: y\r\n")


def _drip_body(sock: socket.socket, stopped: threading.Event) -> None:
    sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    while not stopped.wait(0.05):
        sock.sendall(b"x")


def _hang(sock: socket.socket, stopped: threading.Event) -> None:
    stopped.wait(30)


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("act", [_drip_head, _hang])
def test_answer_that_hangs_or_drips_times_out_as_a_whole(
    scheme: str, act: Callable[[socket.socket, threading.Event], None], tmp_path: Path
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with Recipient(authority if scheme == "https" else None) as server:
        server.replies["/"] = [Reply(act=act)]
        started = time.monotonic()
        outcome = deliver(f"{server.url}/", timeout=0.5, tls=tls_context(tmp_path / "ca.pem"))
        assert time.monotonic() - started < 5
        assert outcome == TimedOut(f"{server.url.partition('//')[2]}: it does not answer in time")


def test_body_that_drips_changes_nothing_about_the_status(server: Recipient) -> None:
    server.replies["/"] = [Reply(act=_drip_body)]
    started = time.monotonic()
    assert deliver(f"{server.url}/", timeout=0.5) == Accepted("200 OK")
    assert time.monotonic() - started < 5


def test_request_that_is_not_read_times_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        destination = HttpDestination(f"http://127.0.0.1:{listener.getsockname()[1]}/", timeout=0.5)
        body = type(BODY)("application/json", b"x" * 50_000_000)
        outcome = destination.deliver(EVENT, {}, (), body)
        destination.close()
    assert isinstance(outcome, TimedOut)


def test_handshake_that_hangs_is_unavailable_because_nothing_was_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        outcome = deliver(f"https://127.0.0.1:{listener.getsockname()[1]}/", timeout=0.5)
    assert isinstance(outcome, Unavailable)
    assert outcome.reason.endswith(": no connection in time")


def test_connection_that_ends_without_an_answer_is_unavailable(server: Recipient) -> None:
    server.replies["/"] = [Reply(act=lambda sock, _: sock.shutdown(socket.SHUT_RDWR))]
    outcome = deliver(f"{server.url}/")
    assert isinstance(outcome, Unavailable)


def test_connection_works_again_after_a_time_out(server: Recipient) -> None:
    server.replies["/"] = [Reply(act=_hang), Reply()]
    destination = HttpDestination(f"{server.url}/", timeout=0.5)
    assert isinstance(destination.deliver(EVENT, {}, (), BODY), TimedOut)
    assert isinstance(destination.deliver(EVENT, {}, (), BODY), Accepted)
    destination.close()


def test_no_thread_is_left_behind(server: Recipient) -> None:
    deliver(server.url)
    deadline = time.monotonic() + 5
    while any(isinstance(thread, threading.Timer) for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.01)


# TLS


def test_certificate_must_be_trusted_and_of_the_right_host(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with Recipient(authority) as server:
        outcome = deliver(server.url)
        assert isinstance(outcome, Unavailable)
        assert "its certificate is not trusted (" in outcome.reason
        trusting = tls_context(tmp_path / "ca.pem")
        assert deliver(server.url, tls=trusting) == Accepted("200 OK")
        outcome = deliver(server.url.replace("localhost", "127.0.0.1"), tls=trusting)
        assert isinstance(outcome, Unavailable)
        assert "its certificate is not trusted (" in outcome.reason


def test_server_that_asks_for_a_certificate_gets_it(tmp_path: Path) -> None:
    authority, clients = trustme.CA(), trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    ours = clients.issue_cert("receiver.example")
    ours.private_key_and_cert_chain_pem.write_to_path(tmp_path / "both.pem")
    with Recipient(authority, client_authority=clients) as server:
        assert isinstance(deliver(server.url, tls=tls_context(tmp_path / "ca.pem")), Unavailable)
        tls = tls_context(tmp_path / "ca.pem", tmp_path / "both.pem")
        assert deliver(server.url, tls=tls) == Accepted("200 OK")


# What the environment does


def test_proxy_of_the_environment_is_used_but_not_for_this_machine(
    server: Recipient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login someone password hidden\n")
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("no_proxy", "NO_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTP_PROXY", server.url)
    monkeypatch.setenv("http_proxy", server.url)
    assert deliver("http://erp.example/in") == Accepted("200 OK")
    assert server.requests[0].path == "http://erp.example/in"
    assert "authorization" not in server.requests[0].headers
    with Recipient() as here:
        assert deliver(here.url) == Accepted("200 OK")
    assert len(server.requests) == 1


def test_proxy_that_drips_its_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def drip() -> None:
        client, _ = listener.accept()
        with client:
            client.recv(65536)
            client.sendall(b"HTTP/1.1 200 OK\r\n")
            try:
                while not given_up.wait(0.05):
                    client.sendall(b"X: y\r\n")
            except OSError:
                return  # as it should be

    given_up = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=drip)
        thread.start()
        for name in ("HTTPS_PROXY", "https_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{listener.getsockname()[1]}")
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        started = time.monotonic()
        timer = threading.Timer(10, given_up.set)
        timer.start()
        outcome = deliver("https://erp.example/", timeout=0.5)
        took = time.monotonic() - started
        given_up.set()
        timer.cancel()
        thread.join(10)
        timer.join(10)
    assert took < 5
    assert isinstance(outcome, Unavailable)
    assert outcome.reason.startswith("erp.example: ")


def test_documents_are_told_in_a_field_of_ascii_that_has_bounds(server: Recipient) -> None:
    document = DocumentFile(
        place="supplierOrder",
        line=None,
        code="1",
        revision="B",
        name="Zeichnung ü\x7f\r\nX: y",
        state=DocumentState.STORED,
        path="/data/documents/ab/abcd/Zeichnung.pdf",
        sha256="0" * 64,
        size=7,
        media_type="application/pdf",
        reason=None,
    )
    deliver(server.url, replace(EVENT, documents=(document,)))
    deliver(server.url, replace(EVENT, documents=(document,) * 100))
    deliver(server.url, replace(EVENT, documents=(replace(document, state=DocumentState.DATA, path=None),)))
    one, many, none = (request.headers for request in server.requests)
    assert json.loads(one["webhooks-documents"]) == [
        {
            "place": "supplierOrder",
            "code": "1",
            "revision": "B",
            "name": "Zeichnung ü\x7f\r\nX: y",
            "state": "stored",
            "path": "/data/documents/ab/abcd/Zeichnung.pdf",
            "sha256": "0" * 64,
            "size": 7,
            "mediaType": "application/pdf",
        }
    ]
    assert one["webhooks-documents"].isascii()
    assert one["webhooks-documents"].isprintable()
    assert "x" not in one
    assert many["webhooks-document-count"] == "100"
    assert len(many["webhooks-documents"]) <= 4000
    assert len(json.loads(many["webhooks-documents"])) > 5
    assert not [name for name in none if name.startswith("webhooks-document")]
