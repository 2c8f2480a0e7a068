"""Microsoft's own library gets tokens from the sandbox's identity provider, and the service accepts them."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import msal
import pytest
import requests

from sandbox.certificates import Authority
from sandbox.identity.directory import APPLICATION, AUDIENCE, CLIENT, CLIENT_SECRET, Application, Directory
from sandbox.identity.forms import Form
from sandbox.identity.provider import IdentityProvider
from tests.acceptance.running import ORDER, RunningService, body

V1_AUDIENCE = "api://older"


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def ca_file(authority: Authority, tmp_path: Path) -> Path:
    """What MSAL and the service have to trust."""
    path = tmp_path / "identity-ca.pem"
    path.write_text(authority.pem)
    return path


@pytest.fixture
def provider(authority: Authority) -> Iterator[IdentityProvider]:
    applications = (Application(), Application(id="older-id", uri=V1_AUDIENCE, token_version=1))
    with IdentityProvider(authority, Directory(applications=applications)) as running:
        yield running


@pytest.fixture
def service(provider: IdentityProvider, ca_file: Path, tmp_path: Path) -> Iterator[RunningService]:
    """A service that trusts it by the authentication URLs that a customer enters in Tradecloud."""
    extra = "".join(
        f"""
[auth.oauth.{name}]
authority = "{provider.authority_url(form)}"
audiences = ["{AUDIENCE}", "{APPLICATION}", "{V1_AUDIENCE}"]
clients = ["{CLIENT}"]
ca_file = "{ca_file}"
"""
        for name, form in (("entra", Form.V2), ("adfs", Form.ADFS), ("b2c", Form.B2C))
    )
    running = RunningService(tmp_path, extra=extra)
    running.start()
    running.wait_for_log("signing_keys_loaded", 3)
    yield running
    running.kill()


def trusting(ca_file: Path) -> requests.Session:
    """Not MSAL's own option `verify`: the variable REQUESTS_CA_BUNDLE of a company's machine wins over it."""
    session = requests.Session()
    session.trust_env = False
    session.verify = str(ca_file)
    return session


def by_msal(provider: IdentityProvider, ca_file: Path, form: Form, scope: str = AUDIENCE, **options: Any) -> str:
    """A token as Tradecloud gets it, by client credentials."""
    application = msal.ConfidentialClientApplication(
        CLIENT,
        client_credential=CLIENT_SECRET,
        authority=provider.authority_url(form),
        http_client=trusting(ca_file),
        **({"instance_discovery": False} | options),
    )
    result = application.acquire_token_for_client([f"{scope}/.default"])
    assert "access_token" in result, result
    token: str = result["access_token"]
    return token


def send(service: RunningService, token: str) -> tuple[int, str | None]:
    """Deliver an event; the status, and by which table the service knew the sender."""
    sent = body(meta={"messageId": str(uuid.uuid4())})
    response = service.post(ORDER, sent, auth=None, headers={"Authorization": f"Bearer {token}"})
    if response.status_code != 202:
        return response.status_code, None
    return 202, service.event(response.json()["eventId"])["credential"]


def claims(token: str) -> dict[str, Any]:
    found: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return found


def test_tokens_of_all_four_forms_by_msal_are_accepted(
    service: RunningService, provider: IdentityProvider, ca_file: Path
) -> None:
    v1 = by_msal(provider, ca_file, Form.V1, V1_AUDIENCE)
    assert claims(v1)["iss"].startswith("https://sts.windows.net/")
    assert send(service, v1) == (202, "entra")
    v2 = by_msal(provider, ca_file, Form.V2)
    assert claims(v2)["ver"] == "2.0"
    assert send(service, v2) == (202, "entra")
    assert send(service, by_msal(provider, ca_file, Form.ADFS)) == (202, "adfs")
    assert send(service, by_msal(provider, ca_file, Form.B2C)) == (202, "b2c")


def test_msal_finds_the_provider_by_instance_discovery_too(
    service: RunningService, provider: IdentityProvider, ca_file: Path
) -> None:
    where = f"{provider.https_url}/common/discovery/instance"
    token = by_msal(provider, ca_file, Form.V2, instance_discovery=where)
    assert provider.state()["asked"]["discovery"] == 1
    assert send(service, token) == (202, "entra")


def test_msal_is_told_of_a_wrong_secret(provider: IdentityProvider, ca_file: Path) -> None:
    application = msal.ConfidentialClientApplication(
        CLIENT,
        client_credential="wrong",
        authority=provider.authority_url(Form.V2),
        http_client=trusting(ca_file),
        instance_discovery=False,
    )
    result = application.acquire_token_for_client([f"{AUDIENCE}/.default"])
    assert result["error"] == "invalid_client"
    assert 7000215 in result["error_codes"]


def test_new_key_is_accepted_with_its_first_token_beside_the_old_one(
    service: RunningService, provider: IdentityProvider, ca_file: Path
) -> None:
    old = by_msal(provider, ca_file, Form.V2)
    assert send(service, old)[0] == 202
    provider.rotate(keep_old=True)
    new = by_msal(provider, ca_file, Form.V2)
    assert jwt.get_unverified_header(new)["kid"] != jwt.get_unverified_header(old)["kid"]
    assert send(service, new)[0] == 202
    assert send(service, old)[0] == 202


def test_dropped_key_no_longer_opens_once_the_new_one_is_known(
    service: RunningService, provider: IdentityProvider, ca_file: Path
) -> None:
    old = by_msal(provider, ca_file, Form.V2)
    assert send(service, old)[0] == 202
    provider.rotate(keep_old=False)
    assert send(service, by_msal(provider, ca_file, Form.V2))[0] == 202
    assert send(service, old)[0] in (401, 503)  # 503 as long as the service may not ask for its keys again


def test_new_key_of_a_provider_that_is_down_is_503_and_accepted_after_its_recovery(
    service: RunningService, provider: IdentityProvider, ca_file: Path
) -> None:
    known = by_msal(provider, ca_file, Form.V2)
    provider.rotate(keep_old=False)
    new = by_msal(provider, ca_file, Form.V2)
    provider.outages.begin("503")
    assert send(service, new)[0] == 503
    assert send(service, known)[0] == 202
    provider.outages.end()
    # The service asks a failing provider again only after a while, so this takes a moment.
    deadline = time.monotonic() + 90
    while (answer := send(service, new)[0]) == 503:
        assert time.monotonic() < deadline
        time.sleep(0.5)
    assert answer == 202
