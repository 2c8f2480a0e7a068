"""Fetching keys from a real server, well and in trouble."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from handlers.oauth.key_server import USUAL, KeyServerError, KeySource, Patience, fetch
from tests.issuer import IssuerServer, Mood, ec_key, rsa_key


@pytest.fixture
def server() -> Iterator[IssuerServer]:
    started = IssuerServer()
    yield started
    started.stop()


def reason(source: KeySource, patience: Patience = USUAL) -> str:
    with pytest.raises(KeyServerError) as caught:
        fetch(source, patience)
    return str(caught.value)


def test_keys_and_time_of_a_plain_address(server: IssuerServer) -> None:
    server.keys, server.date = [rsa_key(), ec_key()], 1000
    published = fetch(KeySource(jwks_url=f"{server.url}/keys?appid=1"))
    assert [key.id for key in published.keys.keys] == ["rsa-1", "ec-1"]
    assert published.issuers == frozenset()
    assert published.date is not None
    assert abs(published.date - time.time() - 1000) < 60


def test_metadata_names_keys_and_issuers_of_all_its_documents(server: IssuerServer) -> None:
    server.documents["/v1"] = {"issuer": "https://one/", "jwks_uri": f"{server.url}/keys"}
    server.documents["/v2"] = {"issuer": "https://two", "jwks_uri": f"{server.url}/more"}
    server.documents["/more"] = {"keys": [rsa_key("more").jwk()]}
    published = fetch(KeySource(metadata_urls=(f"{server.url}/v1", f"{server.url}/v2")))
    assert published.issuers == {"https://one/", "https://two"}
    assert [key.id for key in published.keys.keys] == ["rsa-1", "more"]


def test_adfs_names_the_issuer_of_its_access_tokens_too(server: IssuerServer) -> None:
    server.documents["/m"] = {
        "issuer": "https://sts/adfs",
        "access_token_issuer": "http://sts/adfs/services/trust",
        "jwks_uri": f"{server.url}/keys",
    }
    published = fetch(KeySource(metadata_urls=(f"{server.url}/m",)))
    assert published.issuers == {"https://sts/adfs", "http://sts/adfs/services/trust"}


@pytest.mark.parametrize(
    ("mood", "expected"),
    [
        (Mood.FAILS, "it answers 500"),
        (Mood.GARBAGE, "it is no JSON"),
        (Mood.EMPTY, "it has no key for"),
        (Mood.REDIRECTS, "it answers 302"),
        (Mood.HUGE, "it is longer than"),
        (Mood.BREAKS_OFF, "the answer breaks off"),
    ],
)
def test_trouble_is_told_with_host_and_path(server: IssuerServer, mood: Mood, expected: str) -> None:
    server.mood = mood
    said = reason(KeySource(jwks_url=f"{server.url}/keys"))
    assert said.startswith(f"{server.url.removeprefix('http://')}/keys: {expected}")


def test_server_that_hangs_or_drips_is_given_up(server: IssuerServer) -> None:
    source = KeySource(jwks_url=f"{server.url}/keys")
    server.mood = Mood.HANGS
    assert "does not answer in time" in reason(source, Patience(step=0.3))
    server.mood = Mood.DRIPS
    assert "it comes too slowly" in reason(source, Patience(document=0.5))


def test_server_that_is_not_there_is_no_connection(server: IssuerServer) -> None:
    server.stop()
    assert reason(KeySource(jwks_url=f"{server.url}/keys")).endswith(": no connection")


def test_query_of_the_address_is_not_told(server: IssuerServer) -> None:
    assert "hidden" not in reason(KeySource(jwks_url=f"{server.url}/nothing?code=hidden"))


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"jwks_uri": "https://x/"}, "it does not name one issuer"),
        ({"issuer": "https://login/{tenantid}/v2.0", "jwks_uri": "https://x/"}, "it does not name one issuer"),
        ({"issuer": "https://i"}, 'it has no "jwks_uri"'),
        ({"issuer": "https://i", "jwks_uri": "http://x/"}, 'its "jwks_uri" must start with https://'),
        ({"issuer": "https://i", "jwks_uri": "file:///etc/passwd"}, 'its "jwks_uri" must be an address'),
        ([], "it is no JSON object"),
    ],
)
def test_metadata_that_cannot_be_used_says_why(server: IssuerServer, metadata: object, expected: str) -> None:
    server.documents["/m"] = metadata
    assert expected in reason(KeySource(metadata_urls=(f"{server.url}/m",)))


def test_answer_without_or_with_an_unreadable_date_has_no_time(server: IssuerServer) -> None:
    server.date = None
    assert fetch(KeySource(jwks_url=f"{server.url}/keys")).date is None


@pytest.mark.parametrize(("age", "seconds"), [("600", 600), ("nan", 0), ("inf", 0), ("1e400", 0), ("-5", 0)])
def test_time_of_an_answer_from_a_cache_counts_its_age_if_that_is_a_number_of_seconds(
    server: IssuerServer, age: str, seconds: int
) -> None:
    server.age = age
    date = fetch(KeySource(jwks_url=f"{server.url}/keys")).date
    assert date is not None
    assert abs(date - time.time() - seconds) < 60


def test_https_needs_a_trusted_certificate_of_the_right_host(tmp_path: Path) -> None:
    authority = trustme.CA()
    server = IssuerServer(authority)
    try:
        url = f"{server.url}/keys"
        assert "certificate is not trusted" in reason(KeySource(jwks_url=url))
        pem = authority.cert_pem.bytes().decode()
        assert "certificate is not trusted" in reason(
            KeySource(jwks_url=url, authorities=trustme.CA().cert_pem.bytes().decode())
        )
        assert fetch(KeySource(jwks_url=url, authorities=pem)).keys.keys
        other_host = url.replace("localhost", "127.0.0.1")
        assert "certificate is not trusted" in reason(KeySource(jwks_url=other_host, authorities=pem))
    finally:
        server.stop()


def test_issuer_is_reached_through_the_proxy_of_the_environment_without_a_password_of_netrc(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine issuer.example.com login someone password hidden\n")
    monkeypatch.setenv("NETRC", str(netrc))
    authority = trustme.CA()
    server = IssuerServer(authority)
    port = int(server.url.rpartition(":")[2])
    asked_for: list[bytes] = []

    def relay(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):  # either side may hang up first
            while data := source.recv(65536):
                target.sendall(data)

    def proxy() -> None:
        client, _ = listener.accept()
        with client, socket.create_connection(("127.0.0.1", port)) as target:
            asked_for.append(client.recv(65536).partition(b"\r\n")[0])
            client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            back = threading.Thread(target=relay, args=(target, client))
            back.start()
            relay(client, target)
            with contextlib.suppress(OSError):
                target.shutdown(socket.SHUT_RDWR)
            back.join()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=proxy)
        thread.start()
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{listener.getsockname()[1]}")
        source = KeySource(
            jwks_url="https://issuer.example.com/keys", authorities=authority.cert_pem.bytes().decode()
        )
        try:
            assert fetch(source).keys.keys
        finally:
            thread.join(30)
            server.stop()
    assert [line.rpartition(b" ")[0] for line in asked_for] == [b"CONNECT issuer.example.com:443"]
    assert "authorization" not in server.headers[0]


def test_caches_on_the_way_are_passed_over(server: IssuerServer) -> None:
    fetch(KeySource(jwks_url=f"{server.url}/keys"))
    assert server.headers[0]["cache-control"] == "no-cache"
