"""The public keys of an issuer (JWKS, RFC 7517), and what they say of a token's signature. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from handlers.oauth.access_token import AccessToken

#: NIST SP 800-131A and RFC 7518, section 3.3.
MIN_RSA_BITS = 2048
#: Larger ones make a single signature cost milliseconds.
MAX_RSA_BITS = 8192
#: Issuers have a handful; a token without key id is tried on each of them.
MAX_KEYS = 100

_FAMILIES: dict[str, type[RSAPublicKey] | type[EllipticCurvePublicKey]] = {
    "RS256": RSAPublicKey,
    "PS256": RSAPublicKey,
    "ES256": EllipticCurvePublicKey,
}


class KeySetError(ValueError):
    """This is no set of keys; the text says why."""


@dataclass(frozen=True, slots=True)
class Key:
    """A public key that signs tokens."""

    id: str | None
    algorithm: str | None
    """The only algorithm it is for, if the issuer says so."""
    public: RSAPublicKey | EllipticCurvePublicKey

    def signed(self, token: AccessToken) -> bool:
        """Whether the token's signature is by this key."""
        if self.algorithm not in (None, token.algorithm) or not isinstance(self.public, _FAMILIES[token.algorithm]):
            return False
        try:
            jwt.PyJWS().decode_complete(token.compact, self.public, algorithms=[token.algorithm])
        except jwt.PyJWTError:
            return False
        return True


@dataclass(frozen=True, slots=True)
class KeySet:
    """All keys of an issuer."""

    keys: tuple[Key, ...] = ()

    def signed(self, token: AccessToken) -> bool | None:
        """Whether one of the keys signed the token; None if the key that it names, or would need, is not here."""
        # A key id is a hint of the token's, so it only decides which keys are tried (RFC 7515, section 4.1.4).
        named = [key for key in self.keys if token.key_id is not None and key.id == token.key_id]
        nameless = [key for key in self.keys if token.key_id is None or key.id is None]
        if any(key.signed(token) for key in named or nameless):
            return True
        return False if named else None


def read_key_set(document: bytes) -> KeySet:
    """The keys of a JWKS document that may verify RS256, PS256 or ES256; others are left out.

    Raises:
        KeySetError: it is no such document, or none of its keys can be used.
    """
    found = json_object(document)
    entries = found.get("keys")
    if not isinstance(entries, list):
        raise KeySetError('it has no list "keys", so it is no JWKS')
    if len(entries) > MAX_KEYS:
        raise KeySetError(f"it has more than {MAX_KEYS} keys")
    keys = tuple(key for entry in entries if isinstance(entry, dict) and (key := _key(entry)))
    if not keys:
        raise KeySetError("it has no key for RS256, PS256 or ES256 (RSA of 2048 bits or more, or P-256)")
    return KeySet(keys)


def union(sets: Sequence[KeySet]) -> KeySet:
    """All keys of several documents."""
    return KeySet(tuple(key for each in sets for key in each.keys))


def json_object(document: bytes) -> dict[str, object]:
    """The JSON object in a document.

    Raises:
        KeySetError: it is none.
    """
    try:
        found = json.loads(document)
    except (ValueError, RecursionError):
        raise KeySetError("it is no JSON") from None
    if not isinstance(found, dict):
        raise KeySetError("it is no JSON object")
    return found


def _key(entry: dict[str, object]) -> Key | None:
    """RFC 7517, section 5: a key of a kind or with a purpose that we do not know is passed over."""
    operations = entry.get("key_ops", ["verify"])
    if entry.get("use", "sig") != "sig" or not isinstance(operations, list) or "verify" not in operations:
        return None
    family = {"RSA": "RS256", "EC": "ES256"}.get(str(entry.get("kty")))
    # A private key: whoever published it has to make another one. Looked for here, because the library would work
    # for minutes, and hold up the whole process, to make sense of a long one.
    if family is None or "d" in entry:
        return None
    try:
        public = jwt.PyJWK(entry, algorithm=family).key
    except (jwt.PyJWTError, ValueError, TypeError, KeyError, AttributeError):
        return None
    match public:
        case RSAPublicKey() if MIN_RSA_BITS <= public.key_size <= MAX_RSA_BITS:
            pass
        case EllipticCurvePublicKey() if isinstance(public.curve, SECP256R1):
            pass
        case _:
            return None
    key_id, algorithm = entry.get("kid"), entry.get("alg")
    return Key(
        id=key_id if isinstance(key_id, str) else None,
        algorithm=algorithm if isinstance(algorithm, str) else None,
        public=public,
    )
