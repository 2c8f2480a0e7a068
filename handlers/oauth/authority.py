"""What the authentication URL that a customer enters in Tradecloud says about the tokens that come.

Tradecloud gets its tokens by MSAL4J, which tells three kinds of servers apart by the path of that URL. Each
publishes its facts (OpenID Connect Discovery 1.0, section 3) at an address of its own.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

#: Where every tenant of the public cloud has the same two issuers; other clouds tell theirs by metadata.
_ENTRA = "login.microsoftonline.com"
#: Tokens of these could come from anybody's tenant.
_MANY_TENANTS = frozenset({"common", "organizations", "consumers"})
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_WELL_KNOWN = ".well-known/openid-configuration"


@dataclass(frozen=True, slots=True)
class Authority:
    """What follows from an authentication URL."""

    metadata_urls: tuple[str, ...]
    """Each names issuers and keys of its own; all of them are in force."""
    issuers: frozenset[str] = frozenset()
    """The issuers, where they are known without asking; empty where the metadata names them."""
    tenant: str | None = None
    """The one tenant (`tid`) whose tokens are good, if it is known, in lower case."""


def authority_of(url: str) -> Authority:
    """What follows from the authentication URL of Microsoft Entra ID, ADFS or Azure AD B2C.

    Raises:
        ValueError: it is none; the text completes the sentence "<key>: …".
    """
    check_url(url)
    parts = urlsplit(url)
    path = [part for part in parts.path.split("/") if part]
    base = f"{parts.scheme}://{parts.netloc}"
    kinds = [part.lower() for part in path]
    if "adfs" in kinds:
        return Authority((f"{base}/adfs/{_WELL_KNOWN}",))
    if "tfp" in kinds:
        if len(path) != 3 or kinds[0] != "tfp":
            raise ValueError("an Azure AD B2C address ends in /tfp/TENANT/POLICY")
        return Authority((f"{base}/{'/'.join(path)}/v2.0/{_WELL_KNOWN}",))
    if not path:
        raise ValueError(f"the tenant is missing; it must be as in Tradecloud, such as https://{_ENTRA}/TENANT")
    # MSAL4J reads the first part too and ignores what follows (/v2.0, /oauth2/v2.0/token).
    tenant = path[0]
    if tenant.lower() in _MANY_TENANTS:
        raise ValueError(
            f'"{tenant}" stands for every company that Microsoft knows; name your own tenant, by its id or domain'
        )
    # The token's form (v1 or v2) is chosen by the application's manifest, not by whoever asks for it.
    metadata = (f"{base}/{tenant}/{_WELL_KNOWN}", f"{base}/{tenant}/v2.0/{_WELL_KNOWN}")
    if not _GUID.fullmatch(tenant):
        return Authority(metadata)
    tenant = tenant.lower()
    issuers: frozenset[str] = frozenset()
    if parts.hostname == _ENTRA and parts.port in (None, 443):
        issuers = frozenset({f"https://sts.windows.net/{tenant}/", f"https://{_ENTRA}/{tenant}/v2.0"})
    return Authority(metadata, issuers, tenant)


def check_url(url: str) -> None:
    """Check an address from which keys may be fetched: https, or http to this machine itself.

    Raises:
        ValueError: it is none; the text completes the sentence "<key>: …".
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    # urlsplit drops tabs and line breaks without a word.
    if not host or not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError("must be an address such as https://host/path, in quotes")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not hold a user name or password")
    if parts.fragment:
        raise ValueError("must not have a # part")
    if parts.scheme != "https" and not (parts.scheme == "http" and on_loopback(host)):
        raise ValueError("must start with https:// (http:// only to this machine itself)")


def on_loopback(host: str) -> bool:
    """Whether the host is this machine itself."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def same_case(text: str) -> str:
    """The text, a GUID in lower case: portals show them in either case, and both mean the same."""
    return text.lower() if _GUID.fullmatch(text) else text
