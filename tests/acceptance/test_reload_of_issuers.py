"""Issuers of access tokens that change under a running service."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.changing import NEXT, NEXT_USER, config_says, delivered, hang_up, told, until, write
from tests.acceptance.running import ORDER, RunningService, body
from tests.issuer import AUDIENCE, CLIENT, IssuerServer, Mood, SigningKey, rsa_key


@pytest.fixture
def issuer() -> Iterator[IssuerServer]:
    server = IssuerServer()
    yield server
    server.stop()


@pytest.fixture
def service(tmp_path: Path, issuer: IssuerServer) -> Iterator[RunningService]:
    """A service with an issuer whose keys are fetched and one whose keys are in a file."""
    publish(tmp_path, rsa_key("in-file"))
    (tmp_path / "next.txt").write_text(NEXT[1])
    extra = f"""
[auth.oauth.fetched]
issuers = ["{issuer.issuer}"]
jwks_url = "{issuer.url}/keys"
audiences = ["{AUDIENCE}"]
clients = ["{CLIENT}"]
[auth.oauth.filed]
issuers = ["https://other.example.com"]
jwks_file = "keys.json"
audiences = ["{AUDIENCE}"]
clients = ["{CLIENT}"]
"""
    running = RunningService(tmp_path, extra=extra)
    running.start()
    running.wait_for_log("signing_keys_loaded")
    yield running
    running.kill()


def publish(folder: Path, *keys: SigningKey) -> None:
    write(folder / "keys.json", json.dumps({"keys": [key.jwk() for key in keys]}))


def status(service: RunningService, token: str) -> int:
    sent = body(meta={"messageId": str(uuid.uuid4())})
    return service.post(ORDER, sent, auth=None, headers={"Authorization": f"Bearer {token}"}).status_code


def test_keys_that_were_fetched_stay_when_credentials_change_and_the_key_server_is_down(
    service: RunningService, issuer: IssuerServer
) -> None:
    assert status(service, issuer.token()) == 202
    issuer.mood = Mood.FAILS
    asked = len(issuer.asked)
    write(service.config, service.config.read_text() + NEXT_USER)
    hang_up(service)
    until(lambda: delivered(service, NEXT) == 202, service)
    assert status(service, issuer.token()) == 202
    assert len(issuer.asked) == asked


def test_policy_of_an_issuer_changes_without_fetching_its_keys_again(
    service: RunningService, issuer: IssuerServer
) -> None:
    issuer.mood = Mood.FAILS
    token = issuer.token(aud="api://changed")
    assert status(service, token) == 401
    text = service.config.read_text()
    write(service.config, text.replace(AUDIENCE, "api://changed"))
    hang_up(service)
    until(lambda: status(service, token) == 202, service)
    assert status(service, issuer.token()) == 401


def test_issuer_that_is_added_has_its_keys_fetched_and_one_that_is_removed_is_refused(
    service: RunningService, issuer: IssuerServer
) -> None:
    text = service.config.read_text()
    write(service.config, text.replace(issuer.issuer, "https://another.example.com/"))
    hang_up(service)
    another = issuer.token(iss="https://another.example.com/")
    until(lambda: status(service, another) == 202, service)
    assert status(service, issuer.token()) == 401


def test_new_key_in_the_file_comes_into_force_and_a_broken_file_keeps_the_old_ones(
    service: RunningService, issuer: IssuerServer
) -> None:
    old, new = rsa_key("in-file"), rsa_key("next-in-file")

    def token(key: SigningKey) -> str:
        return issuer.token(key, iss="https://other.example.com")

    assert status(service, token(old)) == 202
    assert status(service, token(new)) == 503
    publish(service.folder, old, new)
    hang_up(service)
    until(lambda: status(service, token(new)) == 202, service)
    write(service.folder / "keys.json", '{"keys": [')
    until(lambda: told(service, "auth.oauth.filed.jwks_file", "the old settings stay in force"), service)
    assert config_says(service, "auth.oauth.filed.jwks_file", "keys.json")
    assert status(service, token(old)) == status(service, token(new)) == 202
    publish(service.folder, new)
    until(lambda: status(service, token(old)) == 503, service)
    assert status(service, token(new)) == 202


def test_issuer_whose_keys_cannot_be_had_is_told(service: RunningService, issuer: IssuerServer) -> None:
    issuer.mood = Mood.FAILS
    unknown = issuer.token(rsa_key("unknown"))
    assert status(service, unknown) == 503
    until(lambda: told(service, "auth.oauth.fetched: the signing keys cannot be refreshed"), service)
    text = service.config.read_text()
    write(service.config, text.replace(f"{issuer.url}/keys", f"{issuer.url}/elsewhere"))
    hang_up(service)
    until(lambda: told(service, "auth.oauth.fetched: no signing keys yet", "answered 503"), service)
    assert status(service, issuer.token()) == 503
