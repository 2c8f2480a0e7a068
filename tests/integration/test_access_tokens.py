"""Which issuer vouches for a token, when nobody can tell, and what becomes of keys when settings change."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from handlers.auth import Credentials
from handlers.interface import Endpoint, KeysUnavailableError, NotAllowedError, NotAuthenticatedError
from handlers.oauth.access_token import Fault, TokenPolicy
from handlers.oauth.authority import authority_of
from handlers.oauth.issuers import AccessTokens, RefusedTokenError, TokenIssuer
from handlers.oauth.key_server import KeySource
from handlers.oauth.key_set import read_key_set
from handlers.oauth.signing_keys import Rhythm
from tests.issuer import AUDIENCE, CLIENT, IssuerServer, Mood, SigningKey, rsa_key

GUID = "0f3b6d2a-1111-2222-3333-444455556666"
ORDER = frozenset({Endpoint.ORDER})
SELDOM = Rhythm(refresh_every=1000, retry_after=1000, ask_again_after=1000, wait_at_most=30)
POLICY = TokenPolicy(frozenset({AUDIENCE}), frozenset({CLIENT}))


@pytest.fixture
def server() -> Iterator[IssuerServer]:
    started = IssuerServer()
    yield started
    started.stop()


def issuer_of(server: IssuerServer, name: str = "main", **changes: Any) -> TokenIssuer:
    plain = TokenIssuer(name, frozenset({server.issuer}), KeySource(jwks_url=f"{server.url}/keys"), POLICY, ORDER)
    return replace(plain, **changes)


def play(scene: Callable[[AccessTokens], Awaitable[None]], *issuers: TokenIssuer, rhythm: Rhythm = SELDOM) -> None:
    async def whole() -> None:
        tokens = AccessTokens(issuers, rhythm)
        tokens.start()
        try:
            await scene(tokens)
        finally:
            await tokens.stop()

    asyncio.run(whole())


def named(token: str, *issuers: TokenIssuer, endpoint: Endpoint = Endpoint.ORDER) -> str:
    """The name of the issuer that vouches for a token."""
    found: list[str] = []

    async def scene(tokens: AccessTokens) -> None:
        found.append(await tokens.identify(token.encode(), endpoint))

    play(scene, *issuers)
    return found[0]


def fault(token: str, *issuers: TokenIssuer) -> Fault:
    with pytest.raises(RefusedTokenError) as caught:
        named(token, *issuers)
    return caught.value.fault


def publish(server: IssuerServer, path: str, **metadata: str) -> None:
    server.documents[path + "/.well-known/openid-configuration"] = metadata | {"jwks_uri": f"{server.url}/keys"}


# Kinds of issuers


@pytest.mark.parametrize("tenant", [GUID, "contoso.onmicrosoft.com"])
def test_entra_tokens_of_both_versions_are_good(server: IssuerServer, tenant: str) -> None:
    publish(server, f"/{tenant}", issuer=f"https://sts.windows.net/{GUID}/")
    publish(server, f"/{tenant}/v2.0", issuer=f"{server.url}/{GUID}/v2.0")
    authority = authority_of(f"{server.url}/{tenant}")
    entra = issuer_of(
        server,
        issuers=authority.issuers,
        keys=KeySource(authority.metadata_urls),
        policy=replace(POLICY, tenant=authority.tenant),
    )
    one: dict[str, Any] = {"iss": f"https://sts.windows.net/{GUID}/", "appid": CLIENT, "azp": None, "tid": GUID}
    two: dict[str, Any] = {"iss": f"{server.url}/{GUID}/v2.0", "tid": GUID}
    assert named(server.token(**one), entra) == "main"
    assert named(server.token(**two), entra) == "main"
    other = GUID.replace("0", "1")
    assert fault(server.token(iss=f"https://sts.windows.net/{other}/"), entra) is Fault.ISSUER
    if tenant == GUID:
        assert fault(server.token(**two | {"tid": other}), entra) is Fault.TENANT


def test_entra_tokens_of_the_public_cloud_are_good_without_asking_for_the_issuer(server: IssuerServer) -> None:
    authority = authority_of(f"https://login.microsoftonline.com/{GUID}")
    entra = issuer_of(server, issuers=authority.issuers)
    for issuer in (f"https://sts.windows.net/{GUID}/", f"https://login.microsoftonline.com/{GUID}/v2.0"):
        assert named(server.token(iss=issuer), entra) == "main"


def test_adfs_tokens_are_good(server: IssuerServer) -> None:
    trust = "http://sts.contoso.com/adfs/services/trust"
    publish(server, "/adfs", issuer="https://sts.contoso.com/adfs", access_token_issuer=trust)
    adfs = issuer_of(server, issuers=frozenset(), keys=KeySource(authority_of(f"{server.url}/adfs/").metadata_urls))
    assert named(server.token(iss=trust, appid=CLIENT, azp=None), adfs) == "main"
    assert named(server.token(iss="https://sts.contoso.com/adfs"), adfs) == "main"


def test_b2c_tokens_are_good(server: IssuerServer) -> None:
    name = f"https://contoso.b2clogin.com/tfp/{GUID}/b2c_1_x/v2.0/"
    publish(server, "/tfp/contoso.onmicrosoft.com/B2C_1_x/v2.0", issuer=name)
    authority = authority_of(f"{server.url}/tfp/contoso.onmicrosoft.com/B2C_1_x")
    b2c = issuer_of(server, issuers=authority.issuers, keys=KeySource(authority.metadata_urls))
    assert named(server.token(iss=name), b2c) == "main"


def test_keys_that_were_given_need_no_server_and_unknown_ones_stay_in_doubt(server: IssuerServer) -> None:
    document = b'{"keys": [' + str(rsa_key().jwk()).replace("'", '"').encode() + b"]}"
    assert read_key_set(document)
    given = issuer_of(server, keys=KeySource(given=document))
    assert named(server.token(), given) == "main"
    assert fault(server.token(exp=1), given) is Fault.EXPIRED
    with pytest.raises(KeysUnavailableError, match="jwks_file"):
        named(server.token(rsa_key("new")), given)
    assert server.asked == []


# Several issuers


def test_each_audience_and_endpoint_finds_its_own_issuer(server: IssuerServer) -> None:
    orders = issuer_of(server, "orders")
    shipments = issuer_of(server, "shipments", endpoints=frozenset({Endpoint.SHIPMENT}))
    other = issuer_of(server, "other", policy=TokenPolicy(frozenset({"other"}), POLICY.clients))
    every = (orders, shipments, other)
    assert named(server.token(), *every) == "orders"
    assert named(server.token(), *every, endpoint=Endpoint.SHIPMENT) == "shipments"
    assert named(server.token(aud="other"), *every) == "other"
    with pytest.raises(NotAllowedError) as caught:
        named(server.token(aud="other"), *every, endpoint=Endpoint.SHIPMENT)
    assert caught.value.credential == "other"
    with pytest.raises(RefusedTokenError) as refused:
        named(server.token(aud="other", azp="else"), *every)
    assert (refused.value.fault, refused.value.issuer) == (Fault.CLIENT, "other")
    with pytest.raises(RefusedTokenError) as refused:
        named(server.token(exp=1), *every)
    assert (refused.value.fault, refused.value.issuer) == (Fault.EXPIRED, "orders")
    with pytest.raises(RefusedTokenError) as refused:
        named(server.token(iss="https://else"), *every)
    assert (refused.value.fault, refused.value.issuer) == (Fault.ISSUER, None)


def test_issuers_of_one_source_share_its_keys(server: IssuerServer) -> None:
    assert named(server.token(), issuer_of(server, "a"), issuer_of(server, "b")) == "a"
    assert server.asked == ["/keys"]


def test_token_stays_in_doubt_as_long_as_one_issuer_cannot_tell(server: IssuerServer) -> None:
    unreachable = issuer_of(
        server, "unreachable", issuers=frozenset(), keys=KeySource(metadata_urls=(f"{server.url}/nothing",))
    )
    with pytest.raises(KeysUnavailableError):
        named(server.token(iss="https://else"), issuer_of(server), unreachable)
    assert named(server.token(), unreachable, issuer_of(server)) == "main"
    assert fault(server.token(iss="https://else", aud="else"), issuer_of(server), unreachable) is Fault.AUDIENCE


@pytest.mark.parametrize("named_by", ["settings", "metadata"])
def test_token_of_a_healthy_issuer_does_not_wait_for_another_one_that_hangs(
    server: IssuerServer, named_by: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    hanging = IssuerServer()
    hanging.mood = Mood.HANGS
    publish(server, "", issuer=server.issuer)
    metadata = KeySource((f"{server.url}/.well-known/openid-configuration",))
    by_metadata = issuer_of(server, issuers=frozenset(), keys=metadata)
    unknown = replace(by_metadata, name="unknown", keys=KeySource((f"{hanging.url}/metadata",)))
    healthy = by_metadata if named_by == "metadata" else issuer_of(server)

    async def scene(tokens: AccessTokens) -> None:
        async with asyncio.timeout(30):
            while "signing_keys_loaded" not in caplog.text:
                await asyncio.sleep(0.01)
        asked = asyncio.create_task(tokens.identify(server.token().encode(), Endpoint.ORDER))
        await asyncio.sleep(0)
        assert asked.done()
        assert asked.result() == "main"

    try:
        play(scene, unknown, healthy)
    finally:
        hanging.stop()


@pytest.mark.parametrize(
    ("mood", "expected"), [(Mood.WELL, "main"), (Mood.FAILS, KeysUnavailableError)], ids=["well", "down"]
)
@pytest.mark.parametrize("changed", ["key under the same id", "name of the issuer"])
def test_what_the_keys_at_hand_deny_is_refused_only_if_they_are_fresh(
    server: IssuerServer, changed: str, mood: Mood, expected: str | type[Exception]
) -> None:
    publish(server, "", issuer=server.issuer)
    metadata = KeySource((f"{server.url}/.well-known/openid-configuration",))
    main = issuer_of(server, issuers=frozenset(), keys=metadata)

    async def scene(tokens: AccessTokens) -> None:
        assert await tokens.identify(server.token().encode(), Endpoint.ORDER) == "main"
        genuine: dict[str, Any] = {}
        if changed == "name of the issuer":
            genuine["iss"] = "https://renamed.example.com/"
            publish(server, "", issuer=genuine["iss"])
        else:
            server.keys = [SigningKey("rsa-1", rsa_key("renewed").private)]
        server.mood = mood
        token = server.token(**genuine).encode()
        await asyncio.sleep(0.3)
        if isinstance(expected, str):
            assert await tokens.identify(token, Endpoint.ORDER) == expected
        else:
            with pytest.raises(expected):
                await tokens.identify(token, Endpoint.ORDER)

    play(scene, main, rhythm=replace(SELDOM, ask_again_after=0.2))


def test_forged_signatures_and_foreign_issuers_are_refused_without_asking_while_the_keys_are_fresh(
    server: IssuerServer,
) -> None:
    publish(server, "", issuer=server.issuer)
    metadata = KeySource((f"{server.url}/.well-known/openid-configuration",))
    forged = SigningKey("rsa-1", rsa_key("forger").private).token(server.claims())

    async def scene(tokens: AccessTokens) -> None:
        for token, expected in [(forged, Fault.SIGNATURE), (server.token(iss="https://else"), Fault.ISSUER)] * 5:
            with pytest.raises(RefusedTokenError) as caught:
                await tokens.identify(token.encode(), Endpoint.ORDER)
            assert caught.value.fault is expected

    play(scene, issuer_of(server, issuers=frozenset(), keys=metadata))
    assert server.asked.count("/keys") == 1


def test_role_is_needed_where_one_is_named(server: IssuerServer) -> None:
    strict = issuer_of(server, policy=replace(POLICY, roles=frozenset({"a", "b"})))
    assert named(server.token(roles=["b", "c", "a"]), strict) == "main"
    for roles in (None, [], ["a"], ["A", "B"]):
        with pytest.raises(NotAllowedError) as caught:
            named(server.token(roles=roles), strict)
        assert caught.value.reason == "role"
    # Without a good signature nobody is told what is missing.
    assert fault(SigningKey("rsa-1", rsa_key("forger").private).token(server.claims()), strict) is Fault.SIGNATURE


# Time


def test_token_out_of_its_time_by_both_clocks_is_refused(server: IssuerServer) -> None:
    async def scene(tokens: AccessTokens) -> None:
        await tokens.identify(server.token().encode(), Endpoint.ORDER)
        cases: list[tuple[dict[str, Any], Fault]] = [({"exp": 1}, Fault.EXPIRED), ({"nbf": 2**40}, Fault.EARLY)]
        for claims, expected in cases:
            with pytest.raises(RefusedTokenError) as caught:
                await tokens.identify(server.token(**claims).encode(), Endpoint.ORDER)
            assert caught.value.fault is expected

    play(scene, issuer_of(server))


@pytest.mark.parametrize("ahead", [-8000, 8000])
def test_token_out_of_its_time_only_by_our_clock_is_in_doubt(server: IssuerServer, ahead: int) -> None:
    server.date = ahead
    theirs = int(time.time()) + ahead
    genuine: dict[str, Any] = {"iat": theirs, "nbf": theirs, "exp": theirs + 3600}
    with pytest.raises(KeysUnavailableError, match="clock"):
        named(server.token(**genuine), issuer_of(server))
    forged = SigningKey("rsa-1", rsa_key("forger").private).token(server.claims(**genuine))
    assert fault(forged, issuer_of(server)) is Fault.SIGNATURE


def test_token_out_of_its_time_is_in_doubt_before_the_key_server_has_told_the_time(server: IssuerServer) -> None:
    server.mood = Mood.FAILS
    with pytest.raises(KeysUnavailableError):
        named(server.token(exp=1), issuer_of(server))
    server.mood = Mood.WELL
    assert fault(server.token(exp=1), issuer_of(server)) is Fault.EXPIRED


def test_what_is_wrong_whatever_the_key_is_refused_while_the_key_server_is_down(server: IssuerServer) -> None:
    server.mood = Mood.HANGS
    main = issuer_of(server)
    assert fault(server.token(iss="https://else"), main) is Fault.ISSUER
    assert fault(server.token(aud="else"), main) is Fault.AUDIENCE
    assert fault(server.token(azp="else"), main) is Fault.CLIENT
    assert fault("no.to.ken", main) is Fault.MALFORMED


# Change of settings


def test_changed_credentials_go_on_with_the_keys_of_an_unchanged_source(server: IssuerServer) -> None:
    moved = KeySource(jwks_url=f"{server.url}/keys?moved")

    async def scene(old: AccessTokens) -> None:
        token = server.token().encode()
        await old.identify(token, Endpoint.ORDER)
        new = AccessTokens([issuer_of(server, "renamed"), issuer_of(server, "moved", keys=moved)], SELDOM)
        new.adopt_keys(old)
        new.start()
        await old.stop()
        server.mood = Mood.FAILS
        # A request that began with the old ones ends with them.
        assert await old.identify(token, Endpoint.ORDER) == "main"
        assert await new.identify(token, Endpoint.ORDER) == "renamed"
        server.mood, server.keys = Mood.WELL, [rsa_key(), rsa_key("new")]
        assert await new.identify(server.token(rsa_key("new")).encode(), Endpoint.ORDER) == "renamed"
        await new.stop()
        with pytest.raises(KeysUnavailableError):
            await new.identify(server.token(rsa_key("later")).encode(), Endpoint.ORDER)

    play(scene, issuer_of(server))
    assert server.asked.count("/keys") == 2


def test_source_that_is_gone_is_asked_no_more(server: IssuerServer) -> None:
    async def scene(old: AccessTokens) -> None:
        await old.identify(server.token().encode(), Endpoint.ORDER)
        new = AccessTokens([issuer_of(server, keys=KeySource(jwks_url=f"{server.url}/keys?new"))], SELDOM)
        new.adopt_keys(old)
        new.start()
        await old.stop()
        assert await new.identify(server.token().encode(), Endpoint.ORDER) == "main"
        await new.stop()
        count = len(server.asked)
        await asyncio.sleep(0.3)
        assert server.asked.count("/keys?new") == 1
        assert len(server.asked) == count

    play(scene, issuer_of(server), rhythm=Rhythm(refresh_every=0.05))


# The door


def test_door_tells_invalid_tokens_from_insufficient_ones_by_the_challenge(server: IssuerServer) -> None:
    async def scene() -> None:
        credentials = Credentials(issuers=[issuer_of(server)])
        credentials.start()
        good, bad = (f"Bearer {token}".encode() for token in (server.token(), server.token(aud="else")))
        assert await credentials.identify([good], Endpoint.ORDER) == "main"
        with pytest.raises(NotAuthenticatedError) as refused:
            await credentials.identify([bad], Endpoint.ORDER)
        assert refused.value.challenges == ('Bearer realm="tradecloud-webhooks", error="invalid_token"',)
        assert (refused.value.rejected, refused.value.reason) == ("main", "audience")
        with pytest.raises(NotAllowedError) as forbidden:
            await credentials.identify([good], Endpoint.SHIPMENT)
        assert forbidden.value.challenges == ('Bearer realm="tradecloud-webhooks", error="insufficient_scope"',)
        with pytest.raises(NotAuthenticatedError) as nothing:
            await credentials.identify([], Endpoint.ORDER)
        assert nothing.value.challenges == ('Bearer realm="tradecloud-webhooks"',)
        with pytest.raises(NotAuthenticatedError) as elsewhere:
            await credentials.identify([], Endpoint.SHIPMENT)
        assert elsewhere.value.challenges == ()
        await credentials.stop()

    asyncio.run(scene())
