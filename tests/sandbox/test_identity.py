"""The identity provider by itself: what it publishes, which tokens it gives, and how it fails."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
import requests

from sandbox.certificates import Authority
from sandbox.control import Control
from sandbox.identity.directory import APPLICATION, AUDIENCE, CLIENT, CLIENT_SECRET, TENANT, Application, Directory
from sandbox.identity.forms import Form
from sandbox.identity.provider import IdentityProvider
from sandbox.serving import HttpServer

SCOPE = f"{AUDIENCE}/.default"
V1_AUDIENCE = "api://older"


def directory() -> Directory:
    return Directory(
        applications=(
            Application(roles={CLIENT: frozenset({"Deliver"})}),
            Application(id="older-id", uri=V1_AUDIENCE, token_version=1),
        )
    )


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def provider(authority: Authority) -> Iterator[IdentityProvider]:
    with IdentityProvider(authority, directory()) as running:
        yield running


@pytest.fixture
def control(provider: IdentityProvider) -> Iterator[str]:
    """Address of a control port."""
    functions = Control()
    provider.register(functions)
    with HttpServer(functions) as running:
        yield running.url


def metadata(provider: IdentityProvider, form: Form) -> dict[str, Any]:
    version = "" if form in (Form.V1, Form.ADFS) else "/v2.0"
    url = f"{provider.authority_url(form, https=False)}{version}/.well-known/openid-configuration"
    found: dict[str, Any] = requests.get(url, timeout=10).json()
    return found


def ask(provider: IdentityProvider, form: Form = Form.V2, **fields: str | None) -> requests.Response:
    """Ask for a token; a field that is None is left out."""
    good = {
        "grant_type": "client_credentials",
        "client_id": CLIENT,
        "client_secret": CLIENT_SECRET,
        "scope": SCOPE,
    }
    form_fields = {name: value for name, value in (good | fields).items() if value is not None}
    return requests.post(metadata(provider, form)["token_endpoint"], data=form_fields, timeout=10)


def verified(provider: IdentityProvider, form: Form, token: str) -> dict[str, Any]:
    """The claims, once the signature is found good by the key that the form publishes."""
    facts = metadata(provider, form)
    keys = {key["kid"]: key for key in requests.get(facts["jwks_uri"], timeout=10).json()["keys"]}
    key = jwt.PyJWK(keys[jwt.get_unverified_header(token)["kid"]], "RS256")
    claims: dict[str, Any] = jwt.decode(token, key, ["RS256"], options={"verify_aud": False})
    return claims


def refused(response: requests.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]


class TestForms:
    def test_v2_token_says_azp_and_the_applications_id(self, provider: IdentityProvider) -> None:
        response = ask(provider)
        assert response.headers["Cache-Control"] == "no-store"
        claims = verified(provider, Form.V2, response.json()["access_token"])
        expected = {
            "iss": f"{provider.https_url}/{TENANT}/v2.0",
            "aud": APPLICATION,
            "azp": CLIENT,
            "tid": TENANT,
            "ver": "2.0",
            "roles": ["Deliver"],
        }
        assert expected.items() <= claims.items()
        assert "appid" not in claims
        assert claims["exp"] - claims["iat"] == response.json()["expires_in"] == 3599

    @pytest.mark.parametrize("form", [Form.V1, Form.V2])
    def test_application_chooses_the_form_whichever_endpoint_is_asked(
        self, provider: IdentityProvider, form: Form
    ) -> None:
        old = jwt.decode(
            ask(provider, form, scope=f"{V1_AUDIENCE}/.default").json()["access_token"],
            options={"verify_signature": False},
        )
        expected = {"iss": f"https://sts.windows.net/{TENANT}/", "aud": V1_AUDIENCE, "appid": CLIENT, "ver": "1.0"}
        assert expected.items() <= old.items()
        assert "azp" not in old
        new = jwt.decode(ask(provider, form).json()["access_token"], options={"verify_signature": False})
        assert new["ver"] == "2.0"

    def test_older_endpoint_takes_a_resource_and_writes_numbers_as_texts(self, provider: IdentityProvider) -> None:
        answer = ask(provider, Form.V1, scope=None, resource=V1_AUDIENCE).json()
        assert answer["expires_in"] == "3599"
        assert answer["resource"] == V1_AUDIENCE

    @pytest.mark.parametrize(
        ("resource", "audience"), [(AUDIENCE, AUDIENCE), (APPLICATION, f"microsoft:identityserver:{APPLICATION}")]
    )
    def test_adfs_token_says_appid_and_the_issuer_of_access_tokens(
        self, provider: IdentityProvider, resource: str, audience: str
    ) -> None:
        token = ask(provider, Form.ADFS, scope=f"{resource}/.default").json()["access_token"]
        claims = verified(provider, Form.ADFS, token)
        assert claims["iss"] == metadata(provider, Form.ADFS)["access_token_issuer"]
        assert claims["iss"] != metadata(provider, Form.ADFS)["issuer"]
        assert (claims["aud"], claims["appid"], claims["ver"]) == (audience, CLIENT, "1.0")
        assert "tid" not in claims

    def test_b2c_token_says_azp_and_the_issuer_of_its_metadata(self, provider: IdentityProvider) -> None:
        claims = verified(provider, Form.B2C, ask(provider, Form.B2C).json()["access_token"])
        assert claims["iss"] == metadata(provider, Form.B2C)["issuer"]
        assert (claims["aud"], claims["azp"], claims["ver"]) == (APPLICATION, CLIENT, "1.0")

    def test_tenant_is_known_by_its_domain_too(self, provider: IdentityProvider) -> None:
        url = f"{provider.http_url}/{provider.directory.domain}/v2.0/.well-known/openid-configuration"
        assert requests.get(url, timeout=10).json()["issuer"] == f"{provider.https_url}/{TENANT}/v2.0"

    @pytest.mark.parametrize("path", ["/other/v2.0/.well-known/openid-configuration", "/tfp/x/B2C_1_sandbox", "/"])
    def test_other_tenants_and_pages_are_400(self, provider: IdentityProvider, path: str) -> None:
        assert refused(requests.get(provider.http_url + path, timeout=10)) == (400, "invalid_tenant")

    def test_addresses_in_the_metadata_are_those_of_the_listener_that_was_asked(
        self, provider: IdentityProvider, authority: Authority, tmp_path: Any
    ) -> None:
        (tmp_path / "ca.pem").write_text(authority.pem)
        url = f"{provider.authority_url(Form.V2)}/v2.0/.well-known/openid-configuration"
        secure = requests.get(url, verify=str(tmp_path / "ca.pem"), timeout=10).json()
        assert secure["jwks_uri"].startswith(provider.https_url)
        plain = metadata(provider, Form.V2)
        assert plain["jwks_uri"].startswith(provider.http_url)
        assert plain["issuer"] == secure["issuer"]

    def test_head_has_the_length_and_no_body(self, provider: IdentityProvider) -> None:
        url = f"{provider.authority_url(Form.V2, https=False)}/discovery/v2.0/keys"
        head, got = requests.head(url, timeout=10), requests.get(url, timeout=10)
        assert head.headers["Content-Length"] == str(len(got.content))
        assert not head.content


class TestTokenRequests:
    def test_secret_in_the_header_is_as_good(self, provider: IdentityProvider) -> None:
        url = metadata(provider, Form.V2)["token_endpoint"]
        fields = {"grant_type": "client_credentials", "scope": SCOPE}
        good = requests.post(url, data=fields, auth=(CLIENT, CLIENT_SECRET), timeout=10)
        assert good.json()["token_type"] == "Bearer"
        bad = requests.post(url, data=fields, auth=(CLIENT, "wrong"), timeout=10)
        assert refused(bad) == (401, "invalid_client")
        assert "WWW-Authenticate" in bad.headers

    @pytest.mark.parametrize(
        ("fields", "status", "error"),
        [
            ({"client_secret": "wrong"}, 401, "invalid_client"),
            ({"client_secret": None}, 401, "invalid_client"),
            ({"client_id": "stranger"}, 400, "unauthorized_client"),
            ({"client_id": None}, 400, "invalid_request"),
            ({"grant_type": None}, 400, "invalid_request"),
            ({"grant_type": "password"}, 400, "unsupported_grant_type"),
            ({"scope": None}, 400, "invalid_request"),
            ({"scope": AUDIENCE}, 400, "invalid_scope"),
            ({"scope": "api://other/.default"}, 400, "invalid_resource"),
        ],
        ids=str,
    )
    def test_what_is_wrong_is_said_as_entra_says_it(
        self, provider: IdentityProvider, fields: dict[str, str | None], status: int, error: str
    ) -> None:
        response = ask(provider, Form.V2, **fields)
        assert refused(response) == (status, error)
        assert response.json()["error_description"].startswith("AADSTS")
        assert CLIENT_SECRET not in response.text

    def test_token_endpoint_is_post_only(self, provider: IdentityProvider) -> None:
        response = requests.get(metadata(provider, Form.V2)["token_endpoint"], timeout=10)
        assert (response.status_code, response.headers["Allow"]) == (405, "POST")

    def test_lifetime_of_new_tokens_can_be_set(self, provider: IdentityProvider, control: str) -> None:
        requests.post(f"{control}/identity/token-lifetime", json={"seconds": -120}, timeout=10).raise_for_status()
        token = ask(provider).json()["access_token"]
        with pytest.raises(jwt.ExpiredSignatureError):
            verified(provider, Form.V2, token)


class TestInstanceDiscovery:
    def test_own_authority_is_known_and_another_is_an_invalid_instance(self, provider: IdentityProvider) -> None:
        url = f"{provider.http_url}/common/discovery/instance"
        own = {"authorization_endpoint": f"{provider.authority_url(Form.V2, https=False)}/oauth2/v2.0/authorize"}
        found = requests.get(url, params=own, timeout=10).json()
        assert requests.get(found["tenant_discovery_endpoint"], timeout=10).json() == metadata(provider, Form.V2)
        other = {"authorization_endpoint": "https://login.example.com/common/oauth2/v2.0/authorize"}
        assert refused(requests.get(url, params=other, timeout=10)) == (400, "invalid_instance")


def kids(provider: IdentityProvider) -> list[str]:
    keys = requests.get(f"{provider.authority_url(Form.V2, https=False)}/discovery/v2.0/keys", timeout=10).json()
    return [key["kid"] for key in keys["keys"]]


class TestFaults:
    def test_rotation_keeps_the_old_key_or_drops_it(self, provider: IdentityProvider, control: str) -> None:
        (first,) = kids(provider)
        old = ask(provider).json()["access_token"]
        requests.post(f"{control}/identity/rotate", timeout=10).raise_for_status()
        second, kept = kids(provider)
        assert kept == first != second
        verified(provider, Form.V2, old)
        requests.post(f"{control}/identity/rotate", json={"keep_old": False}, timeout=10).raise_for_status()
        (third,) = kids(provider)
        assert third not in (first, second)
        assert jwt.get_unverified_header(ask(provider).json()["access_token"])["kid"] == third

    def test_outage_is_503_until_it_is_recovered(self, provider: IdentityProvider, control: str) -> None:
        requests.post(f"{control}/identity/outage", timeout=10).raise_for_status()
        url = f"{provider.authority_url(Form.V2, https=False)}/discovery/v2.0/keys"
        assert requests.get(url, timeout=10).status_code == 503
        requests.post(f"{control}/identity/recover", timeout=10).raise_for_status()
        assert requests.get(url, timeout=10).status_code == 200

    def test_outage_of_one_part_leaves_the_others(self, provider: IdentityProvider, control: str) -> None:
        url = metadata(provider, Form.V2)["token_endpoint"]
        requests.post(f"{control}/identity/outage", json={"part": "token"}, timeout=10).raise_for_status()
        assert len(kids(provider)) == 1
        assert requests.post(url, timeout=10).status_code == 503

    def test_outage_ends_by_itself(self, provider: IdentityProvider, control: str) -> None:
        requests.post(f"{control}/identity/outage", json={"seconds": 0.2}, timeout=10).raise_for_status()
        time.sleep(0.25)
        assert len(kids(provider)) == 1

    def test_garbage_is_no_json(self, provider: IdentityProvider, control: str) -> None:
        requests.post(f"{control}/identity/outage", json={"kind": "garbage"}, timeout=10).raise_for_status()
        with pytest.raises(requests.JSONDecodeError):
            metadata(provider, Form.V2)

    def test_slow_answers_come_late(self, provider: IdentityProvider, control: str) -> None:
        fault = {"kind": "slow", "delay": 0.3}
        requests.post(f"{control}/identity/outage", json=fault, timeout=10).raise_for_status()
        begin = time.monotonic()
        assert len(kids(provider)) == 1
        assert time.monotonic() - begin >= 0.3

    def test_cut_answers_are_incomplete(self, provider: IdentityProvider, control: str) -> None:
        requests.post(f"{control}/identity/outage", json={"kind": "cut"}, timeout=10).raise_for_status()
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            kids(provider)

    def test_no_answer_ends_with_the_outage_and_not_before(self, provider: IdentityProvider, control: str) -> None:
        requests.post(f"{control}/identity/outage", json={"kind": "no-answer"}, timeout=10).raise_for_status()
        ended: list[BaseException] = []

        def waits() -> None:
            try:
                kids(provider)
            except requests.ConnectionError as error:
                ended.append(error)

        waiting = threading.Thread(target=waits)
        waiting.start()
        waiting.join(0.3)
        assert waiting.is_alive()
        requests.post(f"{control}/identity/recover", timeout=10).raise_for_status()
        waiting.join(10)
        assert len(ended) == 1
        assert len(kids(provider)) == 1

    def test_state_counts_what_was_asked_for(self, provider: IdentityProvider, control: str) -> None:
        ask(provider)
        state = requests.get(f"{control}/identity/state", timeout=10).json()
        assert state["asked"] == {"metadata": 1, "token": 1}
        assert state["keys"] == kids(provider)
