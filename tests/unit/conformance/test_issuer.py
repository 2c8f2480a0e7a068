"""The suite's own token issuer and canary, and that nothing of a token is shown."""

from __future__ import annotations

from collections.abc import Iterator

import jwt
import pytest
import requests

from conformance.redaction import Redactor
from conformance.runner.canary import Canary
from conformance.runner.issuer import AUDIENCE, ROLE, TokenIssuer
from conformance.runner.transport import CannotTryError


@pytest.fixture
def issuer() -> Iterator[TokenIssuer]:
    made = TokenIssuer("127.0.0.1:0", "http://localhost:8097")
    made.start()
    yield made
    made.stop()


def _keys(issuer: TokenIssuer) -> list[dict[str, str]]:
    found: list[dict[str, str]] = requests.get(f"http://127.0.0.1:{issuer.port}/keys", timeout=5).json()["keys"]
    return found


def _checked(issuer: TokenIssuer, token: str) -> dict[str, object]:
    """What a careful receiver finds in a token."""
    wanted = jwt.get_unverified_header(token).get("kid")
    key = next((jwt.PyJWK(one) for one in _keys(issuer) if one["kid"] == wanted), None)
    if key is None:
        raise jwt.InvalidKeyError(f"no key {wanted}")
    claims: dict[str, object] = jwt.decode(
        token,
        key,
        algorithms=["RS256", "ES256"],
        audience=AUDIENCE,
        issuer=issuer.url,
        options={"require": ["exp", "iss", "aud"]},
    )
    return claims


def test_good_tokens_are_accepted(issuer: TokenIssuer) -> None:
    for token in (issuer.token(), issuer.signed_by_curve()):
        assert _checked(issuer, token)["roles"] == [ROLE]


def test_each_bad_token_is_refused_for_its_own_reason(issuer: TokenIssuer) -> None:
    wrong = {
        issuer.expired(): jwt.ExpiredSignatureError,
        issuer.not_yet(): jwt.ImmatureSignatureError,
        issuer.without_end(): jwt.MissingRequiredClaimError,
        issuer.other_audience(): jwt.InvalidAudienceError,
        issuer.without_audience(): jwt.MissingRequiredClaimError,
        issuer.other_issuer(): jwt.InvalidIssuerError,
        issuer.unsigned(): jwt.InvalidAlgorithmError,
        issuer.hs256_with_public_key(): jwt.InvalidAlgorithmError,
        issuer.flipped_signature(): jwt.InvalidSignatureError,
        issuer.changed_claims(): jwt.InvalidSignatureError,
        issuer.unpublished_key(): jwt.InvalidKeyError,
    }
    for token, error in wrong.items():
        with pytest.raises(error):
            _checked(issuer, token)


def test_token_without_role_is_genuine(issuer: TokenIssuer) -> None:
    assert "roles" not in _checked(issuer, issuer.without_role())


def test_next_key_is_good_once_it_is_published(issuer: TokenIssuer) -> None:
    old, new = issuer.token(), issuer.unpublished_key()
    issuer.rotate()
    assert _checked(issuer, new)
    assert _checked(issuer, old)
    assert jwt.get_unverified_header(issuer.token())["kid"] == jwt.get_unverified_header(new)["kid"]


def test_issuer_goes_down_and_comes_back_on_the_same_port(issuer: TokenIssuer) -> None:
    before = issuer.port
    issuer.down()
    with pytest.raises(requests.ConnectionError):
        _keys(issuer)
    issuer.up()
    issuer.up()
    assert issuer.port == before
    assert _keys(issuer)


def test_token_is_not_shown_in_any_text(issuer: TokenIssuer) -> None:
    redactor = Redactor()
    token = issuer.token()
    redactor.add(token, "access token")
    shown = redactor.clean(
        b"GET /order?access_token=" + token.encode() + b"\r\nAuthorization: Bearer " + token.encode()
    )
    assert shown == b"GET /order?access_token=[access token]\r\nAuthorization: Bearer [access token]"


def test_canary_tells_a_call_from_silence() -> None:
    canary = Canary("127.0.0.1:0", "http://localhost")
    canary.start()
    try:
        assert canary.wait("mine", 0.05).value == "none"
        requests.get(f"http://127.0.0.1:{canary.port}/mine.pdf", timeout=5)
        assert canary.wait("mine", 0).value == "called"
        assert canary.wait("other", 0).value == "none"
    finally:
        canary.stop()


def test_canary_that_nobody_can_reach_is_a_missing_prerequisite() -> None:
    canary = Canary("127.0.0.1:0", "http://localhost")
    canary.start()
    try:
        with pytest.raises(CannotTryError, match="no call came"):
            canary.prove_reachable("true")
    finally:
        canary.stop()
