"""Settings of access tokens and of stored hashes: what is read, and what is told of mistakes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from handlers.interface import Endpoint
from handlers.secret import SecretHash
from service.oauth import token_issuer
from service.settings import effective, require_serving
from tests.issuer import ec_key
from tests.unit.reading_settings import SECRET, mistakes, read, user

pytestmark = pytest.mark.usefixtures("folder")

HASH = str(SecretHash.of(b"secret"))
OTHER = str(SecretHash.of(b"other"))
GUID = "0F3B6D2A-1111-2222-3333-444455556666"
AUTHORITY = f'authority = "https://login.microsoftonline.com/{GUID}"\n'
ISSUERS = 'issuers = ["https://i"]\n'
REST = f'audiences = ["api://a", "{GUID}"]\nclients = ["{GUID}"]\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def oauth(lines: str) -> str:
    return f"[auth.oauth.entra]\n{lines}"


# Access tokens


def test_authority_gives_issuers_tenant_and_addresses_and_ids_are_the_same_in_either_case() -> None:
    settings = read(oauth(AUTHORITY + REST))
    issuer = token_issuer("entra", settings.auth.oauth["entra"])
    tenant = GUID.lower()
    assert issuer.issuers == {
        f"https://sts.windows.net/{tenant}/",
        f"https://login.microsoftonline.com/{tenant}/v2.0",
    }
    assert (issuer.policy.tenant, issuer.policy.leeway) == (tenant, 60)
    assert issuer.policy.audiences == {"api://a", tenant}
    assert issuer.policy.clients == {tenant}
    assert issuer.policy.roles == frozenset()
    assert issuer.endpoints == {Endpoint.ORDER}
    assert len(issuer.keys.metadata_urls) == 2


@pytest.mark.parametrize("place", ["metadata_url", "jwks_url"])
def test_any_other_issuer_is_named_with_the_place_of_its_keys(place: str) -> None:
    settings = read(oauth(f'{ISSUERS}{place} = "https://i/x"\n{REST}leeway = 0\n'))
    issuer = token_issuer("entra", settings.auth.oauth["entra"])
    assert issuer.issuers == {"https://i"}
    assert (issuer.keys.metadata_urls, issuer.keys.jwks_url) == (
        (("https://i/x",), None) if place == "metadata_url" else ((), "https://i/x")
    )


def test_same_settings_make_equal_sources_and_a_changed_file_another_one(folder: Path) -> None:
    keys = folder / "keys.json"
    text = json.dumps({"keys": [ec_key().jwk()]})
    keys.write_text(text)
    settings = read(oauth(ISSUERS + 'jwks_file = "keys.json"\n' + REST)).auth.oauth["entra"]
    first = token_issuer("entra", settings).keys
    assert token_issuer("renamed", settings).keys == first
    keys.write_text(text + "\n")
    assert token_issuer("entra", settings).keys != first


def test_variables_alone_make_an_issuer() -> None:
    settings = read(
        WEBHOOKS_AUTH__OAUTH__ENTRA__AUTHORITY=f"https://login.microsoftonline.com/{GUID}",
        WEBHOOKS_AUTH__OAUTH__ENTRA__AUDIENCES="api://a, api://b",
        WEBHOOKS_AUTH__OAUTH__ENTRA__ROLES="Deliver",
    )
    entra = settings.auth.oauth["entra"]
    assert (entra.audiences, entra.roles, entra.clients) == (("api://a", "api://b"), ("Deliver",), None)


def test_issuer_of_tokens_is_credential_enough_to_serve() -> None:
    require_serving(read("[server]\nbehind_proxy = true\n" + oauth(AUTHORITY + REST)))


@pytest.mark.parametrize(
    ("lines", "line"),
    [
        (
            AUTHORITY.replace(GUID, "common") + REST,
            'auth.oauth.entra.authority: "common" stands for every company that Microsoft knows; name your own '
            "tenant, by its id or domain (webhooks.toml)",
        ),
        (
            'authority = "http://login.microsoftonline.com/x"\n' + REST,
            "auth.oauth.entra.authority: must start with https:// (http:// only to this machine itself) "
            "(webhooks.toml)",
        ),
        (
            "authority = 1\n" + REST,
            "auth.oauth.entra.authority: must be the authentication URL that is set up in Tradecloud One, in "
            "quotes (webhooks.toml)",
        ),
        (
            ISSUERS + 'jwks_url = "keys.json"\n' + REST,
            "auth.oauth.entra.jwks_url: must be an address such as https://host/path, in quotes (webhooks.toml)",
        ),
        (
            AUTHORITY + 'audiences = []\nclients = ["c"]',
            "auth.oauth.entra.audiences: must be a list of texts, at least one (webhooks.toml)",
        ),
        (
            AUTHORITY + 'clients = ["c"]',
            "auth.oauth.entra.audiences: missing; must be a list of texts, at least one (webhooks.toml)",
        ),
        (
            AUTHORITY + REST + "leeway = 301",
            "auth.oauth.entra.leeway: must be a whole number of seconds from 0 to 300 (webhooks.toml)",
        ),
        (
            AUTHORITY + REST + "endpoints = []",
            'auth.oauth.entra.endpoints: must be a list with "order", "shipment" or both (webhooks.toml)',
        ),
        (
            AUTHORITY + REST + "audience = 'x'",
            "auth.oauth.entra.audience: unknown key (webhooks.toml); did you mean auth.oauth.entra.audiences?",
        ),
        (
            AUTHORITY + 'audiences = ["a"]',
            "auth.oauth.entra: give clients, roles or both: every application of the issuer can get a token for "
            "this audience (webhooks.toml)",
        ),
        (
            AUTHORITY + ISSUERS + 'jwks_file = "x"\n' + REST,
            "auth.oauth.entra: authority says all of it; leave issuers and jwks_file out (webhooks.toml)",
        ),
        *(
            (
                lines + REST,
                "auth.oauth.entra: give authority, or issuers with one of metadata_url, jwks_url and jwks_file "
                "(webhooks.toml)",
            )
            for lines in (
                "",
                ISSUERS,
                'jwks_url = "https://i/"\n',
                ISSUERS + 'jwks_url = "https://i/"\nmetadata_url = "https://i/"\n',
            )
        ),
        (
            ISSUERS + 'jwks_file = "x"\nca_file = "y"\n' + REST,
            "auth.oauth.entra: with jwks_file nothing is fetched; leave ca_file out (webhooks.toml)",
        ),
    ],
)
def test_mistake_of_an_issuer_is_one_line(lines: str, line: str) -> None:
    assert mistakes(oauth(lines)) == [line]


@pytest.mark.parametrize("scheme", ["basic", "bearer"])
def test_name_that_another_credential_has_is_refused(scheme: str) -> None:
    other = user("Entra") if scheme == "basic" else f'[auth.bearer.Entra]\ntoken = "{SECRET}"\n'
    assert mistakes(other + oauth(AUTHORITY + REST)) == [
        f"auth.oauth: the name entra stands in auth.{scheme} too; each credential needs its own name "
        "(webhooks.toml)"
    ]


# Stored hashes


def test_hash_stands_for_password_and_token_and_is_shown() -> None:
    settings = read(user(secret=f'password_hash = "{HASH}"\n') + f'[auth.bearer.robot]\ntoken_hash = "{OTHER}"\n')
    assert settings.auth.basic["main"].secret() == SecretHash.of(b"secret")
    assert settings.auth.bearer["robot"].secret() == SecretHash.of(b"other")
    shown = dict(effective(settings))
    assert shown["auth.basic.main.password_hash"] == f'"{HASH}"'
    assert "auth.basic.main.password" not in shown


@pytest.mark.parametrize("way", ["password", "password_file", "password_hash"])
def test_secret_in_the_environment_replaces_whatever_the_file_has(folder: Path, way: str) -> None:
    (folder / "p").write_text("from file")
    values = {"password": "text", "password_file": "p", "password_hash": OTHER}
    secrets = {"password": "text", "password_file": "from file", "password_hash": SecretHash.of(b"other")}
    for lines in ('password = "x"', 'password_file = "absent"', f'password_hash = "{HASH}"'):
        variable = f"WEBHOOKS_AUTH__BASIC__MAIN__{way.upper()}"
        settings = read(user(secret=lines + "\n"), **{variable: values[way]})
        assert settings.auth.basic["main"].secret() == secrets[way]


@pytest.mark.parametrize(
    ("toml", "line"),
    [
        (
            user(secret=f'password = "x"\npassword_hash = "{HASH}"'),
            "auth.basic.main.password: given twice, give either password or password_hash (webhooks.toml)",
        ),
        (
            f'[auth.bearer.main]\ntoken = "x"\ntoken_hash = "{HASH}"',
            "auth.bearer.main.token: given twice, give either token or token_hash (webhooks.toml)",
        ),
        (
            "[auth.bearer.main]\nendpoints = ['order']",
            "auth.bearer.main.token: missing; must be a text, or give token_file or token_hash (webhooks.toml)",
        ),
        *(
            (
                user(secret=f'password_hash = "{wrong}"'),
                "auth.basic.main.password_hash: must be a hash as `webhooks secret new` prints it; make a new "
                "secret with that command (webhooks.toml)",
            )
            for wrong in (SECRET, HASH.removeprefix("v1:sha256:"), HASH.upper(), HASH + " ", "")
        ),
        (
            user(secret="password_hash = 1"),
            "auth.basic.main.password_hash: must be a hash as `webhooks secret new` prints it, in quotes "
            "(webhooks.toml)",
        ),
    ],
)
def test_mistake_of_a_hash_is_one_line_without_it(toml: str, line: str) -> None:
    assert mistakes(toml) == [line]
