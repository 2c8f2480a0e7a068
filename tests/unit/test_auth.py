"""Who is let in, where, and what the others are told."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Sequence

import pytest

from handlers.auth import BasicUser, BearerToken, Credentials
from handlers.interface import Endpoint, NotAllowedError, NotAuthenticatedError
from handlers.secret import SecretHash

BOTH = frozenset(Endpoint)
ORDER = frozenset({Endpoint.ORDER})

CREDENTIALS = Credentials(
    [
        BasicUser("old", "tradecloud", "pass:with:colons", BOTH),
        BasicUser("new", "tradecloud", "wörd", BOTH),
        BasicUser("orders", "orders", "secret", ORDER),
        BasicUser("stored", "stored", SecretHash.of(b"from-the-command"), BOTH),
    ],
    [
        BearerToken("robot", "abc.DEF-123~x+y/z==", ORDER),
        BearerToken("stored-token", SecretHash.of(b"token-of-the-command"), ORDER),
    ],
)


def basic(user_pass: str | bytes) -> bytes:
    raw = user_pass.encode() if isinstance(user_pass, str) else user_pass
    return b"Basic " + base64.b64encode(raw)


def identify(authorization: Sequence[bytes], endpoint: Endpoint) -> str:
    return asyncio.run(CREDENTIALS.identify(authorization, endpoint))


def refusal(*authorization: bytes, endpoint: Endpoint = Endpoint.ORDER) -> NotAuthenticatedError:
    with pytest.raises(NotAuthenticatedError) as caught:
        identify(authorization, endpoint)
    return caught.value


@pytest.mark.parametrize(
    ("authorization", "name"),
    [
        (basic("tradecloud:pass:with:colons"), "old"),
        (basic("tradecloud:wörd"), "new"),
        (basic("orders:secret").replace(b"Basic", b"bASIC"), "orders"),
        (basic("orders:secret").replace(b" ", b"   "), "orders"),
        (b"Bearer abc.DEF-123~x+y/z==", "robot"),
        (b"BEARER abc.DEF-123~x+y/z==", "robot"),
        (basic("stored:from-the-command"), "stored"),
        (b"Bearer token-of-the-command", "stored-token"),
    ],
)
def test_right_credentials_give_their_name(authorization: bytes, name: str) -> None:
    assert identify([authorization], Endpoint.ORDER) == name


@pytest.mark.parametrize(
    "user_pass",
    [
        "tradecloud:pass:with:colon", "tradecloud:pass:with:colonsx", "tradecloud:Pass:with:colons", "tradecloud:",
        "tradecloud", ":pass:with:colons", "stranger:pass:with:colons", "Tradecloud:pass:with:colons",
        f"stored:{SecretHash.of(b'from-the-command')}", "stored:token-of-the-command", "orders:from-the-command",
        "tradecloud:secret", "orders:pass:with:colons", "tradecloud:wörd".encode("latin-1"),
    ],
)  # fmt: skip
def test_wrong_user_or_password_is_refused(user_pass: str | bytes) -> None:
    refusal(basic(user_pass))


@pytest.mark.parametrize(
    "authorization",
    [
        b"", b"Basic", b"Basic ", b"Bearer", b"Bearer ", b"Basic %%%=", b"Basic dHJhZGU", b"Basic a", b"Basic =",
        b"Basic " + base64.b64encode(b"\xff\xfe:x"), b"Basic " + base64.b64encode(b"nocolon"),
        b"Digest username=tradecloud", b"Bearer abc.def-123~x+y/z==", b"Bearer abc.DEF-123~x+y/z",
        b"abc.DEF-123~x+y/z==", b"Bearer from-the-command", b"Bearer header.payload.signature",
        f"Bearer {SecretHash.of(b'token-of-the-command')}".encode(),
        b"Basic abc.DEF-123~x+y/z==", b"Bearer " + base64.b64encode(b"orders:secret"),
        basic("orders:secret") + b", " + basic("orders:secret"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_as_credentials_is_refused(authorization: bytes) -> None:
    refusal(authorization)


def test_password_is_the_same_in_either_unicode_spelling() -> None:
    assert identify([basic("tradecloud:wo\u0308rd")], Endpoint.ORDER) == "new"


def test_no_header_and_two_headers_are_refused() -> None:
    right, wrong = basic("orders:secret"), basic("orders:wrong")
    for headers in ([], [right, wrong], [wrong, right], [right, right]):
        refusal(*headers)


def test_credentials_of_another_endpoint_are_not_allowed() -> None:
    with pytest.raises(NotAllowedError) as caught:
        identify([basic("orders:secret")], Endpoint.SHIPMENT)
    assert (caught.value.credential, caught.value.challenges) == ("orders", ())


def test_token_of_another_endpoint_is_called_insufficient_in_the_challenge() -> None:
    with pytest.raises(NotAllowedError) as caught:
        identify([b"Bearer abc.DEF-123~x+y/z=="], Endpoint.SHIPMENT)
    assert caught.value.challenges == ('Bearer realm="tradecloud-webhooks", error="insufficient_scope"',)


def test_name_is_known_when_only_the_password_is_wrong() -> None:
    assert refusal(basic("orders:wrong")).rejected == "orders"
    assert refusal(basic("stranger:secret")).rejected is None


def test_challenges_are_those_of_the_schemes_in_force_at_the_endpoint() -> None:
    assert refusal(endpoint=Endpoint.ORDER).challenges == (
        'Basic realm="tradecloud-webhooks", charset="UTF-8"',
        'Bearer realm="tradecloud-webhooks"',
    )
    assert refusal(endpoint=Endpoint.SHIPMENT).challenges == ('Basic realm="tradecloud-webhooks", charset="UTF-8"',)


def test_wrong_token_is_called_invalid_in_the_challenge() -> None:
    assert 'Bearer realm="tradecloud-webhooks", error="invalid_token"' in refusal(b"Bearer wrong").challenges


def test_every_credential_is_compared_whoever_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((len(one), len(other)))
        return one == other

    monkeypatch.setattr("handlers.auth.hmac.compare_digest", compare)
    identify([basic("tradecloud:pass:with:colons")], Endpoint.ORDER)
    for_the_first = len(compared)
    refusal(basic("stranger:secret"))
    assert len(compared) == 2 * for_the_first


def test_secrets_do_not_show_in_the_representation() -> None:
    shown = repr(BasicUser("a", "u", "hidden", BOTH)) + repr(BearerToken("b", "hidden", BOTH))
    assert "hidden" not in shown
