"""OAuth 2 client credentials against a real token server."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from handlers.erp.exchange import Deadline, HttpClient
from handlers.erp.http import HttpDestination
from handlers.erp.tokens import ClientCredentials, TokenSource
from handlers.interface import Accepted, Outcome, Unavailable
from tests.erp_events import BODY, EVENT
from tests.integration.erp.recipient import Recipient, Reply, token

SECRET = "hunter2-nobody-may-see-this"


@pytest.fixture
def server() -> Iterator[Recipient]:
    with Recipient() as started:
        started.replies["/token"] = [token("t-1"), token("t-2"), token("t-3")]
        yield started


def credentials(server: Recipient, **members: Any) -> ClientCredentials:
    return ClientCredentials(f"{server.url}/token", "client", SECRET, **members)


def destination(server: Recipient, **members: Any) -> HttpDestination:
    return HttpDestination(f"{server.url}/in", authorization=credentials(server, **members), timeout=5)


def deliver(to: HttpDestination) -> Outcome:
    return to.deliver(EVENT, {}, (), BODY)


def sent(server: Recipient, path: str = "/in") -> list[str]:
    return [each.headers.get("authorization", "") for each in server.requests if each.path == path]


def test_token_is_fetched_once_and_used_for_all_events(server: Recipient) -> None:
    to = destination(server, extra=(("scope", "a/.default"), ("resource", "r"), ("audience", "x")))
    assert [deliver(to) for _ in range(3)] == [Accepted("200 OK")] * 3
    to.close()
    assert sent(server) == ["Bearer t-1"] * 3
    (asked,) = [each for each in server.requests if each.path == "/token"]
    assert asked.headers["content-type"] == "application/x-www-form-urlencoded"
    assert "authorization" not in asked.headers
    assert asked.form == {
        "grant_type": "client_credentials",
        "client_id": "client",
        "client_secret": SECRET,
        "scope": "a/.default",
        "resource": "r",
        "audience": "x",
    }


def test_id_and_secret_can_go_as_basic_credentials(server: Recipient) -> None:
    deliver(
        HttpDestination(
            f"{server.url}/in", authorization=ClientCredentials(f"{server.url}/token", "a b", "c:d", in_header=True)
        )
    )
    asked = server.requests[0]
    # base64 of "a+b:c%3Ad": both are form-encoded first (RFC 6749, section 2.3.1).
    assert asked.headers["authorization"] == "Basic YStiOmMlM0Fk"
    assert asked.form == {"grant_type": "client_credentials"}


def test_refused_token_is_renewed_once(server: Recipient) -> None:
    server.replies["/in"] = [Reply(401), Reply()]
    to = destination(server)
    assert deliver(to) == Accepted("200 OK")
    server.replies["/in"] = [Reply(401)]
    assert deliver(to) == Unavailable("it answers 401 Unauthorized")
    to.close()
    assert sent(server) == ["Bearer t-1", "Bearer t-2", "Bearer t-2", "Bearer t-3"]


@pytest.mark.parametrize(
    ("members", "good_for"),
    [({"expires_in": 3600}, 3540), ({"expires_in": "3600"}, 3540), ({"expires_in": 40}, 30), ({}, 240)],
)
def test_token_is_renewed_before_it_ends(server: Recipient, members: dict[str, Any], good_for: float) -> None:
    server.replies["/token"] = [token("t-1", **members), token("t-2")]
    now = [1000.0]
    client = HttpClient()
    source = TokenSource(credentials(server), client, lambda: now[0])
    assert source.token(Deadline(5)) == "t-1"
    now[0] += good_for - 1
    assert source.token(Deadline(5)) == "t-1"
    now[0] += 1
    assert source.token(Deadline(5)) == "t-2"
    client.close()


def test_many_threads_ask_for_one_token(server: Recipient) -> None:
    to = destination(server)
    threads = [threading.Thread(target=deliver, args=(to,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    to.close()
    assert sent(server) == ["Bearer t-1"] * 8
    assert len(sent(server, "/token")) == 1


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply(500, b"oops"), "the token server answers 500"),
        (Reply(401, b'{"error": "invalid_client"}'), "the token server answers 401 (invalid_client)"),
        (Reply(400, f'{{"error": "{SECRET}!"}}'.encode()), "the token server answers 400"),
        (Reply(302), "the token server answers 302"),
        (Reply(200, b"<html>"), "the answer of the token server has none"),
        (Reply(200, b'{"access_token": "a\\r\\nb"}'), "the answer of the token server has none"),
        (Reply(200, b'["access_token"]'), "the answer of the token server has none"),
        (token(token_type="mac"), "the token server has no bearer tokens"),
        (Reply(act=lambda sock, stopped: (stopped.wait(10), None)[1]), "it does not answer in time"),
        (Reply(act=lambda sock, _: sock.close()), "the connection breaks off"),
    ],
)
def test_token_server_in_trouble_is_unavailable_and_no_event_is_sent(
    server: Recipient, reply: Reply, reason: str
) -> None:
    server.replies["/token"] = [reply]
    to = HttpDestination(f"{server.url}/in", authorization=credentials(server), timeout=0.5)
    outcome = deliver(to)
    to.close()
    assert isinstance(outcome, Unavailable)
    assert outcome.reason.startswith("no access token: ")
    assert outcome.reason.endswith(reason)
    assert SECRET not in outcome.reason
    assert sent(server) == []


def test_token_server_that_hangs_holds_no_thread_longer_than_its_time(server: Recipient) -> None:
    server.replies["/token"] = [Reply(act=lambda sock, stopped: (stopped.wait(10), None)[1])]
    to = HttpDestination(f"{server.url}/in", authorization=credentials(server), timeout=0.5)
    outcomes: list[Outcome] = []
    threads = [threading.Thread(target=lambda: outcomes.append(deliver(to))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
        assert not thread.is_alive()
    to.close()
    assert [type(outcome) for outcome in outcomes] == [Unavailable] * 4
