"""The suite's own issuer of access tokens: good ones, and ones with exactly one thing wrong (RFC 7519, RFC 8725).

It publishes its keys over plain HTTP, so it belongs on loopback or in a laboratory network.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
import uuid
from dataclasses import dataclass
from functools import cache
from http.server import BaseHTTPRequestHandler

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from conformance.runner.listening import Listening

AUDIENCE = "api://tradecloud-conformance"
CLIENT = "11111111-2222-3333-4444-555555555555"
ROLE = "Webhooks.Deliver"
LIFETIME_SECONDS = 3600


@dataclass(frozen=True)
class _Key:
    kid: str
    private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

    @property
    def algorithm(self) -> str:
        return "RS256" if isinstance(self.private, rsa.RSAPrivateKey) else "ES256"

    def published(self) -> dict[str, object]:
        public = self.private.public_key()
        if isinstance(public, rsa.RSAPublicKey):
            found = RSAAlgorithm.to_jwk(public, as_dict=True)
        else:
            found = ECAlgorithm.to_jwk(public, as_dict=True)
        found.pop("key_ops", None)
        return {**found, "kid": self.kid, "use": "sig", "alg": self.algorithm}

    def pem(self) -> bytes:
        return self.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )


@cache
def _private_key(number: int) -> rsa.RSAPrivateKey:
    """Made once, for all issuers of the process: it takes longer than most cases."""
    return rsa.generate_private_key(65537, 2048)


class TokenIssuer:
    """Signs tokens and publishes the keys to check them with."""

    def __init__(self, listen: str, url: str) -> None:
        self.url = url.rstrip("/")
        # A key id means one key for ever, in the receivers' memories too: so each issuer has ids of its own.
        self._name = f"tcconf-{uuid.uuid4().hex[:8]}"
        self._count = 1
        self._current = self._key(1)
        self._curve = _Key(f"{self._name}-ec", ec.generate_private_key(ec.SECP256R1()))
        self._published = [self._current, self._curve]
        self._kept: tuple[_Key | None, str, int] = (None, "", 0)
        self._listening = Listening(listen, self._handler())

    def start(self) -> None:
        """Begin to publish."""
        self._listening.start()

    def stop(self) -> None:
        """Publish no more."""
        self._listening.stop()

    def down(self) -> None:
        """Be unreachable from now on."""
        self._listening.stop()

    def up(self) -> None:
        """Be there again, on the same port; nothing happens if it never went away."""
        self._listening.start()

    def rotate(self) -> None:
        """Publish the next key beside the others, and sign with it from now on."""
        self._count += 1
        self._current = self._key(self._count)
        self._published.append(self._current)

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._listening.port

    # Good tokens.

    def token(self, **claims: object) -> str:
        """A token that every check accepts, but for these claims; None leaves one out."""
        if claims:
            return self._signed(self._current, self._claims(claims))
        # Kept and used again, as clients do; made anew long before it ends.
        key, kept, made = self._kept
        if key is not self._current or _now() - made > LIFETIME_SECONDS // 2:
            kept = self._signed(self._current, self._claims({}))
            self._kept = (self._current, kept, _now())
        return kept

    def signed_by_curve(self) -> str:
        """A good token signed with the published elliptic curve key (ES256)."""
        return self._signed(self._curve, self._claims({}))

    # Tokens with one thing wrong.

    def expired(self) -> str:
        """Its time ended ten minutes ago: longer than any tolerance for clocks."""
        return self.token(exp=_now() - 600, nbf=_now() - 4200, iat=_now() - 4200)

    def not_yet(self) -> str:
        """Its time begins in ten minutes."""
        return self.token(nbf=_now() + 600)

    def without_end(self) -> str:
        """It never ends."""
        return self.token(exp=None)

    def other_audience(self) -> str:
        """Meant for another application."""
        return self.token(aud="api://another-application")

    def without_audience(self) -> str:
        """Meant for nobody in particular."""
        return self.token(aud=None)

    def other_issuer(self) -> str:
        """Says that another tenant's issuer made it, though the key is the right one."""
        return self.token(iss=f"{self.url}/another-tenant")

    def unsigned(self, algorithm: str = "none") -> str:
        """Without a signature (RFC 8725, section 3.2), in any spelling of `none`."""
        return _parts({"alg": algorithm, "typ": "JWT", "kid": self._current.kid}, self._claims({})) + "."

    def hs256_with_public_key(self) -> str:
        """Signed with the public key as if it were a shared secret (RFC 8725, section 2.1)."""
        signed = _parts({"alg": "HS256", "typ": "JWT", "kid": self._current.kid}, self._claims({}))
        return f"{signed}.{_encoded(hmac.new(self._current.pem(), signed.encode(), hashlib.sha256).digest())}"

    def flipped_signature(self) -> str:
        """One bit of the signature differs."""
        signed, _, signature = self.token().rpartition(".")
        raw = bytearray(base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4)))
        raw[len(raw) // 2] ^= 1
        return f"{signed}.{_encoded(bytes(raw))}"

    def changed_claims(self) -> str:
        """The claims of one token with the signature of another."""
        head, _, signature = self.token(sub="another").split(".")
        return f"{head}.{self.token().split('.')[1]}.{signature}"

    def without_role(self) -> str:
        """Genuine, but it allows nothing."""
        return self.token(roles=None)

    def other_role(self) -> str:
        """Genuine, but it allows something else."""
        return self.token(roles=["Something.Else"])

    def unpublished_key(self) -> str:
        """Signed by a key that is not published before `rotate`."""
        return self._signed(self._key(self._count + 1), self._claims({}))

    # How.

    def _key(self, number: int) -> _Key:
        return _Key(f"{self._name}-{number}", _private_key(number))

    def _claims(self, changed: dict[str, object]) -> dict[str, object]:
        now = _now()
        claims: dict[str, object] = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": CLIENT,
            "azp": CLIENT,
            "appid": CLIENT,
            "roles": [ROLE],
            "iat": now,
            "nbf": now - 5,
            "exp": now + LIFETIME_SECONDS,
            "ver": "2.0",
        }
        return {name: value for name, value in (claims | changed).items() if value is not None}

    def _signed(self, key: _Key, claims: dict[str, object]) -> str:
        content = json.dumps(claims).encode()
        return jwt.PyJWS().encode(content, key.private, key.algorithm, headers={"kid": key.kid})

    def _documents(self) -> dict[str, dict[str, object]]:
        return {
            "/.well-known/openid-configuration": {
                "issuer": self.url,
                "jwks_uri": f"{self.url}/keys",
                "token_endpoint": f"{self.url}/token",
                "response_types_supported": ["token"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256", "ES256"],
            },
            "/keys": {"keys": [key.published() for key in self._published]},
        }

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        documents = self._documents

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                found = documents().get(self.path.partition("?")[0])
                content = json.dumps({"error": "not_found"} if found is None else found).encode()
                self.send_response(404 if found is None else 200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: object) -> None:
                """Nothing: who asks for keys is no news."""

        return Handler


def _now() -> int:
    return int(time.time())


def _parts(header: dict[str, object], claims: dict[str, object]) -> str:
    return f"{_encoded(json.dumps(header).encode())}.{_encoded(json.dumps(claims).encode())}"


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
