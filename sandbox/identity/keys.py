"""The keys that sign access tokens, and their public halves as they are published; they rotate."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from jwt.algorithms import RSAAlgorithm


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key with a certificate of its own, named by the certificate's thumbprint as Entra does."""

    kid: str
    private: rsa.RSAPrivateKey
    certificate: bytes
    """DER."""

    @classmethod
    def generate(cls) -> SigningKey:
        """A new key; takes a tenth of a second or so."""
        private = rsa.generate_private_key(65537, 2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sandbox identity provider")])
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(private.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=365))
            .sign(private, hashes.SHA256())
        )
        # SHA-1 is what `x5t` is made of (RFC 7517, section 4.8); nothing rests on it here.
        thumbprint = certificate.fingerprint(hashes.SHA1())  # noqa: S303
        return cls(_base64url(thumbprint), private, certificate.public_bytes(Encoding.DER))

    def jwk(self) -> dict[str, Any]:
        """The public half (RFC 7517) with the members that Entra publishes: kty, use, kid, x5t, n, e, x5c."""
        found = RSAAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
        found.pop("key_ops", None)
        chain = [base64.b64encode(self.certificate).decode()]
        return found | {"use": "sig", "kid": self.kid, "x5t": self.kid, "x5c": chain}

    def sign(self, claims: Mapping[str, Any], **headers: str) -> str:
        """A JWT, signed by RS256."""
        head = {"typ": "JWT", "kid": self.kid} | headers
        return jwt.PyJWS().encode(json.dumps(claims).encode(), self.private, "RS256", headers=head)


class KeyRing:
    """The key in use and the keys that are published; used by several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._published = [SigningKey.generate()]

    @property
    def current(self) -> SigningKey:
        """The key that signs now."""
        with self._lock:
            return self._published[0]

    def published(self) -> list[dict[str, Any]]:
        """The public halves, the newest first."""
        with self._lock:
            return [key.jwk() for key in self._published]

    def rotate(self, *, keep_old: bool) -> SigningKey:
        """Sign with a new key from now on; old ones stay published, or are gone at once."""
        new = SigningKey.generate()
        with self._lock:
            self._published = [new, *(self._published if keep_old else [])]
        return new


def _base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
