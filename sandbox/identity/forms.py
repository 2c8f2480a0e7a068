"""The four forms of a Microsoft identity provider: paths, names of the issuer and claims of its tokens.

| form | authority | issuer of its tokens | client | audience |
| --- | --- | --- | --- | --- |
| v1 | /TENANT | https://sts.windows.net/TENANT-ID/ | appid | as asked for: application ID URI or id |
| v2 | /TENANT | BASE/TENANT-ID/v2.0 | azp | id of the application |
| ADFS | /adfs | http://HOST/adfs/services/trust | appid | identifier; if no URI, with a prefix |
| B2C | /tfp/DOMAIN/POLICY | BASE/TENANT-ID/v2.0/ | azp | id of the application |

These are Microsoft's, not Tradecloud's; no text about them is quoted. That AD FS puts
`microsoft:identityserver:` before an identifier that is no URI is inferred from samples.
"""

from __future__ import annotations

import secrets
import uuid
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from sandbox.identity.directory import Application, Client, Directory


class Form(StrEnum):
    """Which Microsoft product, and for Entra which of its two endpoints."""

    V1 = "v1"
    V2 = "v2"
    ADFS = "adfs"
    B2C = "b2c"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a path leads: a form, and what of it."""

    form: Form
    what: str
    """metadata, keys or token."""
    prefix: str
    """The tenant as the path names it, with slashes around."""


def place_of(parts: tuple[str, ...], directory: Directory) -> Place | None:
    """Where a path leads; None if nowhere, or to another tenant."""
    match parts:
        case ("adfs", ".well-known", "openid-configuration"):
            return Place(Form.ADFS, "metadata", "/adfs/")
        case ("adfs", "discovery", "keys"):
            return Place(Form.ADFS, "keys", "/adfs/")
        case ("adfs", "oauth2", "token"):
            return Place(Form.ADFS, "token", "/adfs/")
        # MSAL for Python knows B2C with and without /tfp, MSAL4J by /tfp alone.
        case ("tfp", tenant, policy, *rest) | (tenant, policy, *rest) if (
            directory.is_tenant(tenant) and policy.lower() == directory.policy.lower()
        ):
            tfp = "/tfp" if parts[0] == "tfp" else ""
            return _found(Form.B2C, rest, f"{tfp}/{tenant}/{policy}/")
        case (tenant, *rest) if directory.is_tenant(tenant):
            return _found(Form.V1, rest, f"/{tenant}/") or _found(Form.V2, rest, f"/{tenant}/")
    return None


_PATHS: dict[Form, dict[tuple[str, ...], str]] = {
    Form.V1: {
        (".well-known", "openid-configuration"): "metadata",
        ("discovery", "keys"): "keys",
        ("oauth2", "token"): "token",
    },
    Form.V2: {
        ("v2.0", ".well-known", "openid-configuration"): "metadata",
        ("discovery", "v2.0", "keys"): "keys",
        ("oauth2", "v2.0", "token"): "token",
    },
}
_PATHS[Form.B2C] = _PATHS[Form.V2]


def _found(form: Form, rest: list[str], prefix: str) -> Place | None:
    what = _PATHS[form].get(tuple(rest))
    return Place(form, what, prefix) if what else None


def issuer(form: Form, base: str, directory: Directory) -> str:
    """What its tokens say in `iss`; `base` is the provider's own address."""
    match form:
        case Form.V1:
            return f"https://sts.windows.net/{directory.tenant}/"
        case Form.V2:
            return f"{base}/{directory.tenant}/v2.0"
        case Form.ADFS:
            return f"http://{urlsplit(base).hostname}/adfs/services/trust"
        case Form.B2C:
            return f"{base}/{directory.tenant}/v2.0/"


def metadata(place: Place, asked: str, base: str, directory: Directory) -> dict[str, Any]:
    """The provider's facts (OpenID Connect Discovery 1.0, section 3), with addresses at the base that was asked."""
    version = "" if place.form in (Form.V1, Form.ADFS) else "v2.0/"
    at = f"{asked}{place.prefix}"
    document = {
        "issuer": issuer(place.form, base, directory),
        "authorization_endpoint": f"{at}oauth2/{version}authorize",
        "token_endpoint": f"{at}oauth2/{version}token",
        "jwks_uri": f"{at}discovery/{version}keys",
        "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
        "response_types_supported": ["code", "id_token", "code id_token"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "grant_types_supported": ["client_credentials"],
    }
    if place.form is Form.ADFS:
        # AD FS names two: what it is itself, and what its access tokens say.
        document |= {"access_token_issuer": document["issuer"], "issuer": f"{base}/adfs"}
    return document


def claims(
    place: Place, base: str, directory: Directory, client: Client, application: Application, resource: str
) -> dict[str, Any]:
    """What a token says, but for its times. For Entra the application chooses the form, not the endpoint."""
    form = place.form
    if form in (Form.V1, Form.V2):
        form = Form.V1 if application.token_version == 1 else Form.V2
    subject = str(uuid.uuid5(uuid.UUID(directory.tenant), client.id))  # the client's own object in the tenant
    common: dict[str, Any] = {"iss": issuer(form, base, directory), "sub": subject}
    roles = sorted(application.roles.get(client.id, ()))
    if form is Form.ADFS:
        audience = resource if ":" in resource else f"microsoft:identityserver:{resource}"
        return common | {"aud": audience, "appid": client.id, "apptype": "Confidential", "ver": "1.0"}
    common |= {"oid": subject, "tid": directory.tenant, "uti": secrets.token_urlsafe(16)}
    if roles:
        common["roles"] = roles
    match form:
        case Form.V1:
            identity = f"https://sts.windows.net/{directory.tenant}/"
            return common | {"aud": resource, "appid": client.id, "appidacr": "1", "idp": identity, "ver": "1.0"}
        case Form.B2C:
            return common | {"aud": application.id, "azp": client.id, "azpacr": "1", "ver": "1.0"}
        case _:
            return common | {"aud": application.id, "azp": client.id, "azpacr": "1", "ver": "2.0"}
