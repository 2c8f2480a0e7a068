"""Microsoft's own library gets tokens from the sandbox's identity provider, and the service accepts them."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Both:
    """A service, and the provider that it trusts by the URLs that a customer enters in Tradecloud."""

    service: RunningService
    provider: IdentityProvider
    ca_file: Path


@contextmanager
def running(folder: Path) -> Iterator[Both]:
    authority = Authority()
    ca_file = folder / "identity-ca.pem"
    ca_file.write_text(authority.pem)
    applications = (Application(), Application(id="older-id", uri=V1_AUDIENCE, token_version=1))
    with IdentityProvider(authority, Directory(applications=applications)) as provider:
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
        service = RunningService(folder, extra=extra)
        try:
            service.start()
            service.wait_for_log("signing_keys_loaded", 3)
            yield Both(service, provider, ca_file)
        finally:
            service.kill()


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    with running(tmp_path_factory.mktemp("tokens")) as found:
        yield found


@pytest.fixture
def changing(tmp_path: Path) -> Iterator[Both]:
    """Of the test's own, because its keys change."""
    with running(tmp_path) as found:
        yield found


def trusting(ca_file: Path) -> requests.Session:
    """Not MSAL's own option `verify`: the variable REQUESTS_CA_BUNDLE of a company's machine wins over it."""
    session = requests.Session()
    session.trust_env = False
    session.verify = str(ca_file)
    return session


def by_msal(at: Both, form: Form, scope: str = AUDIENCE, **options: Any) -> str:
    """A token as Tradecloud gets it, by client credentials."""
    application = msal.ConfidentialClientApplication(
        CLIENT,
        client_credential=CLIENT_SECRET,
        authority=at.provider.authority_url(form),
        http_client=trusting(at.ca_file),
        **({"instance_discovery": False} | options),
    )
    result = application.acquire_token_for_client([f"{scope}/.default"])
    assert "access_token" in result, result
    token: str = result["access_token"]
    return token


def send(at: Both, token: str) -> tuple[int, str | None]:
    """Deliver an event; the status, and by which table the service knew the sender."""
    sent = body(meta={"messageId": str(uuid.uuid4())})
    response = at.service.post(ORDER, sent, auth=None, headers={"Authorization": f"Bearer {token}"})
    if response.status_code != 202:
        return response.status_code, None
    return 202, at.service.event(response.json()["eventId"])["credential"]


def claims(token: str) -> dict[str, Any]:
    found: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return found


def test_tokens_of_all_four_forms_by_msal_are_accepted(both: Both) -> None:
    v1 = by_msal(both, Form.V1, V1_AUDIENCE)
    assert claims(v1)["iss"].startswith("https://sts.windows.net/")
    assert send(both, v1) == (202, "entra")
    v2 = by_msal(both, Form.V2)
    assert claims(v2)["ver"] == "2.0"
    assert send(both, v2) == (202, "entra")
    assert send(both, by_msal(both, Form.ADFS)) == (202, "adfs")
    assert send(both, by_msal(both, Form.B2C)) == (202, "b2c")


def test_msal_finds_the_provider_by_instance_discovery_too(both: Both) -> None:
    where = f"{both.provider.https_url}/common/discovery/instance"
    token = by_msal(both, Form.V2, instance_discovery=where)
    assert both.provider.state()["asked"]["discovery"] >= 1
    assert send(both, token) == (202, "entra")


def test_msal_needs_no_permission_for_adfs_and_for_b2c_without_tfp(both: Both) -> None:
    assert send(both, by_msal(both, Form.ADFS, instance_discovery=None)) == (202, "adfs")
    application = msal.ConfidentialClientApplication(
        CLIENT,
        client_credential=CLIENT_SECRET,
        authority=both.provider.authority_url(Form.B2C).replace("/tfp", ""),
        http_client=trusting(both.ca_file),
    )
    token = application.acquire_token_for_client([f"{AUDIENCE}/.default"])["access_token"]
    assert send(both, token) == (202, "b2c")


def test_msal_is_told_of_a_wrong_secret(both: Both) -> None:
    application = msal.ConfidentialClientApplication(
        CLIENT,
        client_credential="wrong",
        authority=both.provider.authority_url(Form.V2),
        http_client=trusting(both.ca_file),
        instance_discovery=False,
    )
    result = application.acquire_token_for_client([f"{AUDIENCE}/.default"])
    assert result["error"] == "invalid_client"
    assert 7000215 in result["error_codes"]


def test_new_key_is_accepted_with_its_first_token_beside_the_old_one(changing: Both) -> None:
    old = by_msal(changing, Form.V2)
    assert send(changing, old)[0] == 202
    changing.provider.rotate(keep_old=True)
    new = by_msal(changing, Form.V2)
    assert jwt.get_unverified_header(new)["kid"] != jwt.get_unverified_header(old)["kid"]
    assert send(changing, new)[0] == 202
    assert send(changing, old)[0] == 202


def test_new_key_of_a_provider_that_is_down_is_503_and_after_its_recovery_the_only_one_accepted(
    changing: Both,
) -> None:
    known = by_msal(changing, Form.V2)
    changing.provider.rotate(keep_old=False)
    new = by_msal(changing, Form.V2)
    changing.provider.outages.begin("503")
    assert send(changing, new)[0] == 503
    assert send(changing, known)[0] == 202
    changing.provider.outages.end()
    # The service asks a failing provider again only after a while, so this takes a moment.
    deadline = time.monotonic() + 90
    while (answer := send(changing, new)[0]) == 503:
        assert time.monotonic() < deadline
        time.sleep(0.5)
    assert answer == 202
    assert send(changing, known)[0] in (401, 503)  # 503 as long as the service may not ask for its keys again
