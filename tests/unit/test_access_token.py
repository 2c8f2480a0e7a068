"""What an access token must say, and whose signature counts."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import RSAAlgorithm

from handlers.oauth.access_token import Fault, InvalidTokenError, TokenPolicy, read
from handlers.oauth.key_set import MAX_KEYS, KeySetError, read_key_set
from tests.issuer import SigningKey, base64url, ec_key, rsa_key

GUID = "AAAAAAAA-2222-3333-4444-555555555555"
NOW = 1_800_000_000
GOOD: dict[str, Any] = {"iss": "https://i", "aud": "api://a", "exp": NOW + 60}
POLICY = TokenPolicy(frozenset({"api://a", "b"}))


def token(**claims: Any) -> bytes:
    left = {name: value for name, value in (GOOD | claims).items() if value is not ...}
    return rsa_key().token(left).encode()


def assembled(header: object, claims: object = GOOD, signature: bytes = b"") -> bytes:
    """A token with any header and payload."""
    parts = [part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, claims)]
    return ".".join(base64url(part) for part in (*parts, signature)).encode()


def fault(compact: bytes, policy: TokenPolicy = POLICY) -> Fault:
    with pytest.raises(InvalidTokenError) as caught:
        policy.check(read(compact))
    return caught.value.fault


def jwks(*keys: dict[str, Any]) -> bytes:
    return json.dumps({"keys": keys}).encode()


def signed(compact: bytes | str, *keys: dict[str, Any]) -> bool | None:
    data = compact.encode() if isinstance(compact, str) else compact
    return read_key_set(jwks(*keys)).signed(read(data))


# Reading


@pytest.mark.parametrize(
    "compact",
    [
        b"", b"abc", b"a.b", b"a.b.c", b"..", b"a.b.c.d.e", "e30.€.x".encode(),
        assembled([]), assembled("RS256"), assembled(b"{"), assembled(b"[" * 30_000),
        assembled({"alg": "RS256"}, b"{"), assembled({"alg": "RS256"}, []), assembled({"alg": "RS256"}, b"\xff"),
        assembled({"alg": "RS256"}, b"[" * 30_000), assembled({"alg": "RS256"}, b"9" * 5000),
        assembled({"alg": "RS256", "kid": 1}),
        assembled({"alg": "RS256"}, b'{"iss": "i", "exp": NaN}'),
        assembled({"alg": "RS256"}, b'{"iss": "i", "exp": Infinity}'),
    ],
)  # fmt: skip
def test_what_is_no_token_is_malformed(compact: bytes) -> None:
    assert fault(compact) is Fault.MALFORMED


@pytest.mark.parametrize(
    "algorithm", ["none", "None", "HS256", "RS384", "ES384", "EdDSA", "", None, 1, ["RS256"], {}]
)
def test_algorithm_that_is_not_allowed_is_refused_before_the_signature(algorithm: object) -> None:
    assert fault(assembled({"alg": algorithm})) is Fault.ALGORITHM


@pytest.mark.parametrize("crit", [["exp"], ["b64"], [], "exp", None])
def test_critical_header_is_refused(crit: object) -> None:
    header = {"alg": "RS256", "crit": crit, "b64": True, "exp": 1}
    assert fault(assembled(header)) in (Fault.CRITICAL, Fault.MALFORMED)


def test_payload_that_is_not_encoded_is_refused() -> None:
    assert fault(assembled({"alg": "RS256", "b64": False, "crit": ["b64"]}, b"")) is Fault.MALFORMED


@pytest.mark.parametrize("value", [..., None, 1, []])
def test_issuer_must_be_there(value: object) -> None:
    assert fault(token(iss=value)) is Fault.MALFORMED


@pytest.mark.parametrize("value", [..., None, True, [], "1"])
def test_end_must_be_there(value: object) -> None:
    assert fault(token(exp=value)) is Fault.MALFORMED


@pytest.mark.parametrize("value", [None, True, "1", []])
def test_beginning_that_is_no_number_is_refused(value: object) -> None:
    assert fault(token(nbf=value)) is Fault.MALFORMED


def test_token_does_not_show_in_its_representation() -> None:
    compact = token(secret="hidden")
    shown = repr(read(compact))
    assert "hidden" not in shown
    assert compact.decode() not in shown


# Claims


@pytest.mark.parametrize("audience", ["api://a", "b", ["b"], ["other", "b"], [1, "b"]])
def test_one_of_the_audiences_is_enough(audience: object) -> None:
    POLICY.check(read(token(aud=audience)))


@pytest.mark.parametrize("audience", [..., None, "", "api://a/", "API://a", [], ["x"], {"b": 1}, 1, ["ab"]])
def test_other_audience_is_refused(audience: object) -> None:
    assert fault(token(aud=audience)) is Fault.AUDIENCE


@pytest.mark.parametrize("claim", ["azp", "appid", "client_id"])
def test_client_stands_in_the_claim_of_its_issuer(claim: str) -> None:
    policy = TokenPolicy(POLICY.audiences, clients=frozenset({"me", GUID.lower()}))
    policy.check(read(token(**{claim: "me"})))
    policy.check(read(token(**{claim: GUID})))
    for other in ("Me", "", None, ["me"], 1):
        assert fault(token(**{claim: other}), policy) is Fault.CLIENT


def test_token_without_client_is_refused_where_clients_are_named() -> None:
    assert fault(token(), TokenPolicy(POLICY.audiences, clients=frozenset({"me"}))) is Fault.CLIENT


def test_first_of_several_client_claims_counts() -> None:
    policy = TokenPolicy(POLICY.audiences, clients=frozenset({"me"}))
    assert fault(token(azp="other", appid="me"), policy) is Fault.CLIENT
    assert fault(token(azp=None, appid="me"), policy) is Fault.CLIENT


def test_other_tenant_is_refused_and_none_is_left_to_the_issuer() -> None:
    policy = TokenPolicy(POLICY.audiences, tenant=GUID.lower())
    policy.check(read(token()))
    policy.check(read(token(tid=GUID)))
    for other in ("other", None, "", [GUID, GUID]):
        assert fault(token(tid=other), policy) is Fault.TENANT


@pytest.mark.parametrize(
    ("roles", "expected"),
    [(["a", "b", 1], {"a", "b"}), ("a", {"a"}), (None, set()), ({"a": 1}, set()), (..., set())],
)
def test_roles_are_a_text_or_a_list(roles: object, expected: set[str]) -> None:
    assert read(token(roles=roles)).roles() == expected


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({"exp": NOW + 1}, None),
        ({"exp": NOW - 59}, None),
        ({"exp": NOW - 60}, Fault.EXPIRED),
        ({"exp": NOW - 59.5}, None),
        ({"exp": -(10**400)}, Fault.EXPIRED),
        ({"exp": 10**400}, None),
        ({"nbf": NOW + 60}, None),
        ({"nbf": NOW + 61}, Fault.EARLY),
        ({"nbf": 10**400}, Fault.EARLY),
        ({"nbf": 0}, None),
    ],
)
def test_time_counts_with_the_leeway(claims: dict[str, Any], expected: Fault | None) -> None:
    assert POLICY.fault_at(read(token(**claims)), NOW) is expected


# Signatures


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [(rsa_key(), "RS256"), (rsa_key(), "PS256"), (ec_key(), "ES256")],
    ids=["RS256", "PS256", "ES256"],
)
def test_each_allowed_algorithm_verifies(key: SigningKey, algorithm: str) -> None:
    compact = key.token(GOOD, algorithm)
    both = (rsa_key().jwk(), ec_key().jwk())
    assert signed(compact, *both) is True
    head, claims, signature = compact.split(".")
    flipped = signature[:20] + ("A" if signature[20] != "A" else "B") + signature[21:]
    assert signed(f"{head}.{claims}.{flipped}", *both) is False
    other = base64url(json.dumps(GOOD | {"aud": "b"}).encode())
    assert signed(f"{head}.{other}.{signature}", *both) is False


def test_key_named_but_of_another_algorithm_is_a_wrong_signature() -> None:
    assert signed(rsa_key().token(GOOD), rsa_key().jwk(alg="PS256")) is False
    assert signed(rsa_key().token(GOOD, kid="ec-1"), ec_key().jwk(), rsa_key().jwk()) is False


def test_unknown_key_id_is_neither_right_nor_wrong() -> None:
    assert signed(rsa_key("other").token(GOOD), rsa_key().jwk()) is None


def test_token_without_key_id_is_tried_on_every_key() -> None:
    compact = rsa_key("b").token(GOOD, kid=None)
    assert signed(compact, rsa_key("a").jwk(), rsa_key("b").jwk()) is True
    assert signed(compact, rsa_key("a").jwk()) is None


def test_key_without_id_is_tried_on_a_token_with_one() -> None:
    nameless = rsa_key(None)
    assert signed(nameless.token(GOOD, kid="any"), nameless.jwk()) is True
    assert signed(nameless.token(GOOD, kid="rsa-1"), nameless.jwk(), rsa_key().jwk()) is False


def test_two_keys_of_one_id_are_both_tried() -> None:
    twin = SigningKey("rsa-1", rsa_key("twin").private)
    assert signed(twin.token(GOOD), rsa_key().jwk(), twin.jwk()) is True


def test_public_key_as_shared_secret_does_not_verify() -> None:
    pem = rsa_key().private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    head = assembled({"alg": "HS256", "kid": "rsa-1"}).rpartition(b".")[0]
    forged = head + b"." + base64url(hmac.digest(pem, head, hashlib.sha256)).encode()
    assert jwt.PyJWS().get_unverified_header(forged)["alg"] == "HS256"
    assert fault(forged) is Fault.ALGORITHM


@pytest.mark.parametrize(
    "entry",
    [
        rsa_key("weak", 1024).jwk(),
        ec_key("p-384", ec.SECP384R1).jwk(),
        ec_key("koblitz", ec.SECP256K1).jwk(),
        rsa_key().jwk(use="enc"),
        rsa_key().jwk(key_ops=["encrypt"]),
        rsa_key().jwk(key_ops="verify"),
        rsa_key().jwk(n="AQAB"),
        rsa_key().jwk(n=1),
        rsa_key().jwk(n="€"),
        rsa_key().jwk(e="AA"),
        RSAAlgorithm.to_jwk(rsa.generate_private_key(65537, 2048), as_dict=True) | {"key_ops": ["verify"]},
        rsa_key().jwk(d="x" * 900_000),  # half a minute of arithmetic for whoever reads it
        ec_key().jwk(x="AQAB"),
        ec_key().jwk(y=ec_key().jwk()["x"]),
        {"kty": "oct", "k": "c2VjcmV0", "kid": "shared"},
        {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
        {"kty": "RSA"},
        {"kty": ["RSA"]},
        {},
    ],
)
def test_key_that_cannot_be_used_is_left_out(entry: dict[str, Any]) -> None:
    with pytest.raises(KeySetError, match="no key for RS256"):
        read_key_set(jwks(entry))
    good = rsa_key("good")
    assert [key.id for key in read_key_set(jwks(entry, good.jwk())).keys] == ["good"]


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (b"", "no JSON"),
        (b"\xff\xff", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"[]", "no JSON object"),
        (b"{}", 'no list "keys"'),
        (b'{"keys": {}}', 'no list "keys"'),
        (b'{"keys": []}', "no key for"),
        (b'{"keys": [1, null, "x"]}', "no key for"),
        (jwks(*[rsa_key().jwk()] * (MAX_KEYS + 1)), "more than 100"),
    ],
    ids=range(9),
)
def test_document_without_usable_keys_says_why(document: bytes, reason: str) -> None:
    with pytest.raises(KeySetError, match=reason):
        read_key_set(document)
