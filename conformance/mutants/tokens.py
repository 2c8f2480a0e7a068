"""Access tokens of the one trusted issuer (RFC 7519, RFC 9068 in spirit): signature, times, audience, role.

The keys are asked for with every token. A receiver in production would keep them for a while; here a key that was
published a moment ago, and an issuer that went away a moment ago, are seen without waiting.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
import urllib.request
from collections.abc import Mapping
from typing import Any

from conformance.mutants.credentials import OAUTH_AUDIENCE, OAUTH_CLIENT, OAUTH_ROLE
from conformance.mutants.faults import Faults

ALGORITHMS = ("RS256", "ES256")
ISSUER_SECONDS = 2.0


class BadTokenError(Exception):
    """The token proves nothing."""


class NotAllowedTokenError(Exception):
    """The token is genuine, and does not allow to deliver."""


class IssuerUnreachableError(Exception):
    """The keys cannot be had."""


class AccessTokens:
    """Checks tokens against the keys that the issuer publishes."""

    def __init__(self, issuer: str, faults: Faults) -> None:
        self._issuer = issuer.rstrip("/")
        self._faults = faults
        self._kept_keys: list[dict[str, Any]] | None = None

    def client(self, token: str) -> str:
        """The client that the token was issued to.

        Raises:
            BadTokenError: forged, out of its time, or meant for somebody else.
            NotAllowedTokenError: genuine, without the role.
            IssuerUnreachableError: it could not be checked.
        """
        header, claims, signature, signed = _parts(token)
        self._check_signature(header, signed, signature)
        self._check_claims(claims)
        roles = claims.get("roles", [])
        client = claims.get("azp", claims.get("appid", claims.get("client_id")))
        if (OAUTH_ROLE not in roles or client != OAUTH_CLIENT) and not self._faults.on("MU-143"):
            raise NotAllowedTokenError
        return str(client)

    def _check_claims(self, claims: Mapping[str, Any]) -> None:
        now = time.time()
        expires, begins = claims.get("exp"), claims.get("nbf", 0)
        if expires is None and self._faults.on("MU-283"):
            expires = now + 1
        if not isinstance(expires, int | float) or not isinstance(begins, int | float):
            raise BadTokenError("no times")
        if expires <= now and not self._faults.on("MU-11"):
            raise BadTokenError("expired")
        if begins > now and not self._faults.on("MU-140"):
            raise BadTokenError("not yet valid")
        audiences = claims.get("aud")
        audiences = audiences if isinstance(audiences, list) else [audiences]
        if OAUTH_AUDIENCE not in audiences and not self._faults.on("MU-12"):
            raise BadTokenError("for another audience")
        if str(claims.get("iss", "")).rstrip("/") != self._issuer and not self._faults.on("MU-13"):
            raise BadTokenError("of another issuer")

    def _check_signature(self, header: Mapping[str, Any], signed: bytes, signature: bytes) -> None:
        if self._faults.on("MU-142"):
            return
        algorithm = header.get("alg")
        if self._faults.on("MU-14") and str(algorithm).lower() == "none":
            return
        if algorithm not in (*ALGORITHMS, "HS256" if self._faults.on("MU-141") else "RS256"):
            raise BadTokenError("another algorithm")
        key = self._key(header.get("kid"))
        if algorithm == "HS256":
            self._check_hmac(key, signed, signature)
            return
        import jwt

        try:
            material = jwt.PyJWK(key, algorithm=algorithm).key
            genuine = jwt.get_algorithm_by_name(str(algorithm)).verify(signed, material, signature)
        except (jwt.PyJWTError, TypeError, ValueError, AttributeError) as error:
            raise BadTokenError("the key does not fit") from error
        if not genuine:
            raise BadTokenError("forged")

    def _check_hmac(self, key: dict[str, Any], signed: bytes, signature: bytes) -> None:
        """The fault MU-141: the public key, in any of its usual spellings, is taken for a shared secret."""
        import jwt
        from cryptography.hazmat.primitives import serialization

        public = jwt.PyJWK(key, algorithm="ES256" if key.get("kty") == "EC" else "RS256").key
        pem: bytes = public.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        der: bytes = public.public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        secrets = (pem, pem.strip(), der, json.dumps(key).encode(), str(key.get("n", key.get("x"))).encode())
        if not any(
            hmac.compare_digest(hmac.new(secret, signed, hashlib.sha256).digest(), signature) for secret in secrets
        ):
            raise BadTokenError("forged")

    def _key(self, kid: object) -> dict[str, Any]:
        keys = self._kept_keys if self._kept_keys is not None else self._published_keys()
        if self._faults.on("MU-144", "MU-280"):
            self._kept_keys = keys
        for key in keys:
            if key.get("kid") == kid:
                return key
        if self._faults.on("MU-280"):
            self._kept_keys = self._published_keys()
        raise BadTokenError("signed by a key that the issuer does not publish")

    def _published_keys(self) -> list[dict[str, Any]]:
        try:
            with urllib.request.urlopen(f"{self._issuer}/keys", timeout=ISSUER_SECONDS) as answer:  # noqa: S310
                keys: list[dict[str, Any]] = json.load(answer)["keys"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise IssuerUnreachableError from error
        return keys


def _parts(token: str) -> tuple[dict[str, Any], dict[str, Any], bytes, bytes]:
    try:
        head, body, signature = token.split(".")
        header, claims = json.loads(_decoded(head)), json.loads(_decoded(body))
        raw_signature = _decoded(signature)
    except (ValueError, RecursionError) as error:
        raise BadTokenError("no JWT") from error
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise BadTokenError("no JWT")
    return header, claims, raw_signature, f"{head}.{body}".encode()


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
