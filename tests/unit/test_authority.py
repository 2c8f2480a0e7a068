"""What the authentication URL of the portal says about the tokens that come."""

from __future__ import annotations

import pytest

from handlers.oauth.authority import authority_of, check_url

GUID = "0f3b6d2a-1111-2222-3333-444455556666"
ENTRA = "https://login.microsoftonline.com"


@pytest.mark.parametrize("end", ["", "/", "/v2.0", "/oauth2/v2.0/token"])
def test_entra_by_tenant_id_has_both_issuers_without_asking(end: str) -> None:
    authority = authority_of(f"{ENTRA}/{GUID.upper()}{end}")
    assert authority.issuers == {f"https://sts.windows.net/{GUID}/", f"{ENTRA}/{GUID}/v2.0"}
    assert authority.tenant == GUID
    assert authority.metadata_urls == (
        f"{ENTRA}/{GUID.upper()}/.well-known/openid-configuration",
        f"{ENTRA}/{GUID.upper()}/v2.0/.well-known/openid-configuration",
    )


def test_entra_by_domain_leaves_issuer_and_tenant_to_the_metadata() -> None:
    authority = authority_of(f"{ENTRA}/contoso.onmicrosoft.com/")
    assert (authority.issuers, authority.tenant) == (frozenset(), None)
    assert authority.metadata_urls[0] == f"{ENTRA}/contoso.onmicrosoft.com/.well-known/openid-configuration"


@pytest.mark.parametrize("host", ["login.microsoftonline.us", "login.partner.microsoftonline.cn", "localhost:1"])
def test_other_clouds_leave_the_issuer_to_the_metadata(host: str) -> None:
    authority = authority_of(f"https://{host}/{GUID}")
    assert (authority.issuers, authority.tenant) == (frozenset(), GUID)
    assert all(url.startswith(f"https://{host}/{GUID}/") for url in authority.metadata_urls)


@pytest.mark.parametrize("path", ["/adfs", "/adfs/", "/ADFS/oauth2", "/adfs/ls/"])
def test_adfs_has_one_metadata_document(path: str) -> None:
    authority = authority_of(f"https://sts.contoso.com{path}")
    assert authority.metadata_urls == ("https://sts.contoso.com/adfs/.well-known/openid-configuration",)
    assert (authority.issuers, authority.tenant) == (frozenset(), None)


def test_b2c_has_the_metadata_of_its_policy() -> None:
    authority = authority_of("https://contoso.b2clogin.com/tfp/contoso.onmicrosoft.com/B2C_1_x/")
    assert authority.metadata_urls == (
        "https://contoso.b2clogin.com/tfp/contoso.onmicrosoft.com/B2C_1_x/v2.0/.well-known/openid-configuration",
    )


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        (f"{ENTRA}/common", "every company"),
        (f"{ENTRA}/Organizations/", "every company"),
        (f"{ENTRA}/consumers/v2.0", "every company"),
        (ENTRA, "tenant is missing"),
        (f"{ENTRA}/", "tenant is missing"),
        ("https://c.b2clogin.com/tfp/c.onmicrosoft.com", "ends in /tfp/TENANT/POLICY"),
        ("http://login.microsoftonline.com/x", "https://"),
    ],
)
def test_authority_that_cannot_be_used_says_why(url: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        authority_of(url)


@pytest.mark.parametrize(
    "url",
    ["https://x/", "https://x:8443/y?appid=1", "http://localhost/x", "http://127.8.0.1:1/x", "http://[::1]/x"],
)
def test_address_by_https_or_to_this_machine_is_good(url: str) -> None:
    check_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "", "x", "//x/y", "https://", "https:///x", "http://x/", "http://localhost.example.com/", "http://10.0.0.1/",
        "file:///etc/passwd", "ftp://localhost/x", "https://u:p@x/", "https://u@x/", "https://x/#y", "https://x:y/",
        "https://x:99999/", "https://[::1/", "https://x /", "https://x/\ny", "https://ü/", " https://x/",
    ],
)  # fmt: skip
def test_any_other_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"^must "):
        check_url(url)
