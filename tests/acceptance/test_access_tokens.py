"""Access tokens (OAuth 2.0) over real HTTPS against a started service, whose issuer is a server of ours."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import trustme
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.acceptance.running import ORDER, SHIPMENT, RunningService, body
from tests.issuer import AUDIENCE, CLIENT, IssuerServer, Mood, SigningKey, base64url, ec_key, rsa_key

GUID = "0f3b6d2a-1111-2222-3333-444455556666"
INVALID = 'Bearer realm="tradecloud-webhooks", error="invalid_token"'
INSUFFICIENT = 'Bearer realm="tradecloud-webhooks", error="insufficient_scope"'


@pytest.fixture(scope="module")
def issuer() -> Iterator[IssuerServer]:
    """An issuer with keys of either kind."""
    server = IssuerServer()
    server.keys = [rsa_key(), ec_key()]
    yield server
    server.stop()


@pytest.fixture(scope="module")
def service(issuer: IssuerServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service that trusts it, in several ways, and has its keys already."""
    plain = f'issuers = ["{issuer.issuer}"]\njwks_url = "{issuer.url}/keys"'
    extra = f"""
[auth.oauth.token]
{plain}
audiences = ["{AUDIENCE}"]
clients = ["{CLIENT.upper()}"]
[auth.oauth.role]
{plain}
audiences = ["api://role"]
roles = ["Deliver"]
[auth.oauth.both]
{plain}
audiences = ["api://both"]
clients = ["{CLIENT}"]
endpoints = ["order", "shipment"]
[auth.oauth.entra]
authority = "{issuer.url}/{GUID}"
audiences = ["{AUDIENCE}"]
clients = ["{CLIENT}"]
[auth.oauth.adfs]
authority = "{issuer.url}/adfs/"
audiences = ["microsoft:identityserver:webhooks"]
clients = ["{CLIENT}"]
[auth.oauth.b2c]
authority = "{issuer.url}/tfp/contoso.onmicrosoft.com/B2C_1_x"
audiences = ["{AUDIENCE}"]
clients = ["{CLIENT}"]
"""
    publish(issuer, f"/{GUID}", issuer=f"https://sts.windows.net/{GUID}/")
    publish(issuer, f"/{GUID}/v2.0", issuer=f"https://login.example.com/{GUID}/v2.0")
    publish(issuer, "/adfs", issuer="https://sts/adfs", access_token_issuer="http://sts/adfs/services/trust")
    publish(issuer, "/tfp/contoso.onmicrosoft.com/B2C_1_x/v2.0", issuer="https://contoso.b2clogin.com/x/v2.0/")
    running = RunningService(tmp_path_factory.mktemp("oauth"), extra=extra)
    running.start()
    running.wait_for_log("signing_keys_loaded", 4)
    yield running
    running.kill()


def publish(server: IssuerServer, path: str, **metadata: str) -> None:
    server.documents[path + "/.well-known/openid-configuration"] = metadata | {"jwks_uri": f"{server.url}/keys"}


def send(service: RunningService, token: str, path: str = ORDER) -> requests.Response:
    """Deliver an event with an access token."""
    name = "shipment-issued" if path == SHIPMENT else "order-resent-minimal"
    sent = body(name, meta={"messageId": str(uuid.uuid4())})
    return service.post(path, sent, auth=None, headers={"Authorization": f"Bearer {token}"})


def assert_problem(response: requests.Response, status: int, challenge: str | None) -> None:
    assert response.status_code == status, response.text
    challenges = response.headers.get("WWW-Authenticate", "")
    assert (challenge in challenges) if challenge else not challenges


def with_signature(token: str, change: Callable[[str], str]) -> str:
    signed, _, signature = token.rpartition(".")
    return f"{signed}.{change(signature)}"


def forged_by_public_key(issuer: IssuerServer) -> str:
    """A token signed by HS256 with what everybody knows: the public key."""
    pem = rsa_key().private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    parts = ({"alg": "HS256", "typ": "JWT", "kid": "rsa-1"}, issuer.claims())
    head = ".".join(base64url(json.dumps(part).encode()) for part in parts)
    return f"{head}.{base64url(hmac.digest(pem, head.encode(), hashlib.sha256))}"


def without_signature(issuer: IssuerServer) -> str:
    parts = ({"alg": "none", "typ": "JWT"}, issuer.claims())
    return ".".join([*(base64url(json.dumps(part).encode()) for part in parts), ""])


class TestGoodTokens:
    @pytest.mark.parametrize(
        ("key", "algorithm"),
        [(rsa_key(), "RS256"), (rsa_key(), "PS256"), (ec_key(), "ES256")],
        ids=["RS256", "PS256", "ES256"],
    )
    def test_token_of_each_algorithm_is_202_and_its_issuers_name_is_kept(
        self, service: RunningService, issuer: IssuerServer, key: SigningKey, algorithm: str
    ) -> None:
        response = send(service, issuer.token(key, algorithm))
        assert response.status_code == 202, response.text
        assert service.event(response.json()["eventId"])["credential"] == "token"

    @pytest.mark.parametrize(
        ("name", "claims"),
        [
            ("entra", {"iss": f"https://sts.windows.net/{GUID}/", "appid": CLIENT, "azp": None, "tid": GUID}),
            ("entra", {"iss": f"https://login.example.com/{GUID}/v2.0", "tid": GUID}),
            (
                "adfs",
                {"iss": "http://sts/adfs/services/trust", "aud": "microsoft:identityserver:webhooks"},
            ),
            ("b2c", {"iss": "https://contoso.b2clogin.com/x/v2.0/"}),
            ("role", {"aud": "api://role", "azp": "anybody", "roles": ["Other", "Deliver"]}),
        ],
    )
    def test_token_of_each_kind_of_issuer_is_202(
        self, service: RunningService, issuer: IssuerServer, name: str, claims: dict[str, Any]
    ) -> None:
        response = send(service, issuer.token(**claims))
        assert response.status_code == 202, response.text
        assert service.event(response.json()["eventId"])["credential"] == name

    def test_token_within_the_leeway_is_202(self, service: RunningService, issuer: IssuerServer) -> None:
        now = int(time.time())
        assert send(service, issuer.token(exp=now - 5)).status_code == 202
        assert send(service, issuer.token(nbf=now + 30)).status_code == 202

    def test_shipments_are_taken_where_the_setting_says_so(
        self, service: RunningService, issuer: IssuerServer
    ) -> None:
        assert send(service, issuer.token(aud="api://both"), SHIPMENT).status_code == 202


class TestRefusedTokens:
    @pytest.mark.parametrize(
        "claims",
        [
            {"exp": 1_700_000_000},
            {"exp": None},
            {"nbf": 4_000_000_000},
            {"aud": "api://other"},
            {"aud": None},
            {"iss": "https://other.example.com/"},
            {"iss": f"https://sts.windows.net/{CLIENT}/"},
            {"iss": f"https://sts.windows.net/{GUID}/", "tid": CLIENT},
            {"azp": GUID},
            {"azp": None},
        ],
        ids=str,
    )
    def test_genuine_token_that_says_something_else_is_401_with_invalid_token(
        self, service: RunningService, issuer: IssuerServer, claims: dict[str, Any]
    ) -> None:
        assert_problem(send(service, issuer.token(**claims)), 401, INVALID)

    def test_algorithm_none_is_401_with_invalid_token(self, service: RunningService, issuer: IssuerServer) -> None:
        assert_problem(send(service, without_signature(issuer)), 401, INVALID)

    def test_public_key_as_secret_is_401_with_invalid_token(
        self, service: RunningService, issuer: IssuerServer
    ) -> None:
        assert_problem(send(service, forged_by_public_key(issuer)), 401, INVALID)

    @pytest.mark.parametrize("key", [rsa_key(), ec_key()], ids=["RS256", "ES256"])
    def test_flipped_signature_is_401_with_invalid_token(
        self, service: RunningService, issuer: IssuerServer, key: SigningKey
    ) -> None:
        token = issuer.token(key, "RS256" if key is rsa_key() else "ES256")
        flipped = with_signature(token, lambda signature: ("A" if signature[0] != "A" else "B") + signature[1:])
        assert_problem(send(service, flipped), 401, INVALID)
        assert_problem(send(service, with_signature(token, lambda _: "")), 401, INVALID)

    def test_missing_role_is_403_with_insufficient_scope(
        self, service: RunningService, issuer: IssuerServer
    ) -> None:
        assert_problem(send(service, issuer.token(aud="api://role")), 403, INSUFFICIENT)
        assert_problem(send(service, issuer.token(aud="api://role", roles=["deliver"])), 403, INSUFFICIENT)

    def test_shipment_is_403_by_default(self, service: RunningService, issuer: IssuerServer) -> None:
        assert_problem(send(service, issuer.token(), SHIPMENT), 403, INSUFFICIENT)

    def test_nothing_of_a_token_is_logged_but_why_it_was_refused(
        self, service: RunningService, issuer: IssuerServer
    ) -> None:
        good, expired = issuer.token(sub="subject-of-the-test"), issuer.token(exp=1, sub="subject-of-the-test")
        forged = with_signature(good, lambda signature: signature[::-1])
        for token in (good, expired, forged, "not.a.token", issuer.token(aud="api://role")):
            send(service, token)
        log = service.log.read_text()
        assert "action=login_rejected endpoint=order credential=token reason=" in log
        assert "action=not_allowed endpoint=order credential=role reason=role" in log
        assert "subject-of-the-test" not in log
        for token in (good, expired, forged):
            for part in token.split("."):
                assert part not in log

    def test_refused_tokens_are_counted_by_the_name_of_the_issuer(
        self, service: RunningService, issuer: IssuerServer
    ) -> None:
        send(service, issuer.token(exp=1))
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            lines = service.webhooks("credentials").stdout.decode().splitlines()
            rows = [line.split() for line in lines]
            (row,) = [row for row in rows if row[:3] == ["token", "oauth", "order"]]
            if int(row[3]) > 0:
                return
            time.sleep(0.5)
        raise AssertionError(lines)


@pytest.fixture
def changing(tmp_path: Path) -> Iterator[tuple[RunningService, IssuerServer]]:
    """A service and an issuer of the test's own; neither has met the other yet."""
    issuer = IssuerServer()
    extra = f"""
[auth.oauth.token]
issuers = ["{issuer.issuer}"]
jwks_url = "{issuer.url}/keys"
audiences = ["{AUDIENCE}"]
clients = ["{CLIENT}"]
"""
    running = RunningService(tmp_path, extra=extra)
    yield running, issuer
    running.kill()
    issuer.stop()


class TestKeys:
    def test_new_key_works_with_the_first_request(self, changing: tuple[RunningService, IssuerServer]) -> None:
        service, issuer = changing
        service.start()
        assert send(service, issuer.token()).status_code == 202
        issuer.keys = [rsa_key("new")]
        assert send(service, issuer.token()).status_code == 202
        assert len(issuer.asked) == 2

    def test_unknown_keys_are_401_once_asked_and_503_when_asked_too_often_while_known_ones_are_202(
        self, changing: tuple[RunningService, IssuerServer]
    ) -> None:
        service, issuer = changing
        service.start()
        assert send(service, issuer.token()).status_code == 202
        assert_problem(send(service, issuer.token(SigningKey("stranger", rsa_key("x").private))), 401, INVALID)
        for i in range(10):
            response = send(service, issuer.token(SigningKey(f"stranger-{i}", rsa_key("x").private)))
            assert_problem(response, 503, None)
            assert response.headers["Retry-After"] == "30"
            assert send(service, issuer.token()).status_code == 202
        assert len(issuer.asked) == 2

    def test_key_server_that_is_down_makes_unknown_keys_503_and_leaves_known_ones_202(
        self, changing: tuple[RunningService, IssuerServer]
    ) -> None:
        service, issuer = changing
        service.start()
        assert send(service, issuer.token()).status_code == 202
        issuer.mood = Mood.FAILS
        assert_problem(send(service, issuer.token(rsa_key("new"))), 503, None)
        assert send(service, issuer.token()).status_code == 202
        assert send(service, issuer.token(aud="api://other")).status_code == 401

    def test_service_starts_without_its_key_server_and_ends_while_that_hangs(
        self, changing: tuple[RunningService, IssuerServer]
    ) -> None:
        service, issuer = changing
        issuer.mood = Mood.HANGS
        service.start()
        assert_problem(send(service, issuer.token()), 503, None)
        assert_problem(send(service, issuer.token(iss="https://other/")), 401, INVALID)
        assert service.post(ORDER, body()).status_code == 202
        assert service.stop() == 0

    def test_clock_that_differs_from_the_key_servers_makes_tokens_503(
        self, changing: tuple[RunningService, IssuerServer]
    ) -> None:
        service, issuer = changing
        issuer.date = 86_400
        service.start()
        now = int(time.time()) + 86_400
        assert_problem(send(service, issuer.token(iat=now, nbf=now, exp=now + 3600)), 503, None)
        assert "action=clock_differs seconds=-86" in service.log.read_text()

    def test_issuer_with_a_certificate_of_the_company_needs_its_authority(self, tmp_path: Path) -> None:
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(tmp_path / "company-ca.pem"))
        issuer = IssuerServer(authority)
        extra = f"""
[auth.oauth.token]
issuers = ["{issuer.issuer}"]
jwks_url = "{issuer.url}/keys"
audiences = ["{AUDIENCE}"]
clients = ["{CLIENT}"]
ca_file = "company-ca.pem"
"""
        service = RunningService(tmp_path, extra=extra)
        try:
            service.start()
            assert send(service, issuer.token()).status_code == 202
        finally:
            service.kill()
            issuer.stop()

    @pytest.mark.parametrize(
        ("lines", "said"),
        [
            ('jwks_file = "absent.json"', "auth.oauth.token.jwks_file: cannot read"),
            ('jwks_file = "webhooks.toml"', "webhooks.toml: it is no JSON; save the issuer's key document (JWKS)"),
            ('jwks_url = "https://x/"\nca_file = "absent.pem"', "auth.oauth.token.ca_file: cannot read"),
            ('jwks_url = "https://x/"\nca_file = "webhooks.toml"', "webhooks.toml: no certificates in it"),
            ('jwks_url = "https://x/"\nca_file = "/dev/null"', "/dev/null: no certificates in it"),
        ],
    )
    def test_file_that_cannot_be_used_stops_the_start_with_one_line(
        self, own_service: RunningService, lines: str, said: str
    ) -> None:
        own_service.config.write_text(
            own_service.config.read_text(encoding="utf-8")
            + f'[auth.oauth.token]\nissuers = ["https://x"]\naudiences = ["a"]\nclients = ["c"]\n{lines}\n',
            encoding="utf-8",
        )
        result = own_service.webhooks("serve", check=False)
        (line,) = result.stderr.decode().splitlines()
        assert result.returncode == 1
        assert line.startswith("webhooks: auth.oauth.token.")
        assert said in line


class TestHashedSecrets:
    def test_secret_of_the_command_opens_the_door_by_its_hash(self, own_service: RunningService) -> None:
        password, lines = new_secret(own_service)
        token, more = new_secret(own_service, "--bits", "128")
        own_service.config.write_text(
            own_service.config.read_text(encoding="utf-8")
            + f'[auth.basic.hashed]\nusername = "hashed"\n{lines[0]}\n[auth.bearer.hash]\n{more[1]}\n',
            encoding="utf-8",
        )
        own_service.start()
        assert own_service.post(ORDER, body(), auth=("hashed", password)).status_code == 202
        assert own_service.post(ORDER, body(), auth=("tradecloud", password)).status_code == 401
        stored = lines[0].split('"')[1]
        assert own_service.post(ORDER, body(), auth=("hashed", stored)).status_code == 401
        for secret, status in ((token, 202), (password, 401), (more[1].split('"')[1], 401)):
            headers = {"Authorization": f"Bearer {secret}"}
            assert own_service.post(ORDER, body(), auth=None, headers=headers).status_code == status

    @pytest.mark.parametrize("bits", ["127", "0", "-1", "99999"])
    def test_weak_secret_is_refused_with_a_sentence(self, own_service: RunningService, bits: str) -> None:
        result = own_service.webhooks("secret", "new", "--bits", bits, check=False, config=False)
        assert result.returncode == 2
        assert "128 to 4096 bits" in result.stderr.decode()
        assert not result.stdout


def new_secret(service: RunningService, *options: str) -> tuple[str, list[str]]:
    """The secret that `webhooks secret new` prints, and its two lines for the settings."""
    output = service.webhooks("secret", "new", *options, config=False).stdout.decode()
    secret, *lines = [line.strip() for line in output.splitlines() if line.startswith("  ")]
    return secret, lines
