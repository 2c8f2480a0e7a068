"""A stand-in for an issuer of access tokens: a real server on loopback that publishes keys, and can fail."""

from __future__ import annotations

import base64
import functools
import json
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
import trustme
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

AUDIENCE = "api://webhooks"
CLIENT = "11111111-2222-3333-4444-555555555555"


@dataclass(frozen=True)
class SigningKey:
    """A private key under a key id."""

    kid: str | None
    private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

    def jwk(self, **members: Any) -> dict[str, Any]:
        """The public half as it is published."""
        public = self.private.public_key()
        if isinstance(public, rsa.RSAPublicKey):
            found = RSAAlgorithm.to_jwk(public, as_dict=True)
        else:
            found = ECAlgorithm.to_jwk(public, as_dict=True)
        found.pop("key_ops", None)
        found |= {"use": "sig"} | members
        return found if self.kid is None else found | {"kid": self.kid}

    def token(self, claims: dict[str, Any], algorithm: str = "RS256", **headers: Any) -> str:
        """A signed token; a header that is None is left out."""
        head = {"kid": self.kid} | headers
        head = {name: value for name, value in head.items() if value is not None}
        return jwt.PyJWS().encode(json.dumps(claims).encode(), self.private, algorithm, headers=head)


@functools.cache
def rsa_key(kid: str | None = "rsa-1", bits: int = 2048) -> SigningKey:
    """A key for RS256 and PS256; the same one for the same key id, because making it takes a while."""
    return SigningKey(kid, rsa.generate_private_key(65537, bits))


@functools.cache
def ec_key(kid: str | None = "ec-1", curve: type[ec.EllipticCurve] = ec.SECP256R1) -> SigningKey:
    """A key for ES256."""
    return SigningKey(kid, ec.generate_private_key(curve()))


class Mood(Enum):
    """How the server answers."""

    WELL = "well"
    FAILS = "500"
    HANGS = "no answer until the mood changes"
    GARBAGE = "no JSON"
    EMPTY = "no keys"
    REDIRECTS = "302 to where it answers well"
    DRIPS = "a byte now and then"
    HUGE = "more than anybody wants"
    BREAKS_OFF = "half an answer"


class IssuerServer:
    """Publishes `documents` by path, and the public halves of `keys` at /keys."""

    def __init__(self, authority: trustme.CA | None = None) -> None:
        self.keys = [rsa_key()]
        self.documents: dict[str, Any] = {}
        self.mood = Mood.WELL
        self.date: float | None = 0.0
        """Seconds by which its clock is ahead; None for an answer without Date."""
        self.age: str | None = None
        """What a cache on the way adds."""
        self.asked: list[str] = []
        """The path of every request, and its header fields in lower case."""
        self.headers: list[dict[str, str]] = []
        self.release = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Handler, self))
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._scheme = "http"
        if authority is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            authority.issue_cert("localhost", "issuer.example.com").configure_cert(context)
            # The handshake in the thread of the connection, so that one that fails harms no other.
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
            self._scheme = "https"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    def stop(self) -> None:
        """Stop answering; the port is free again."""
        self.release.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Base URL."""
        return f"{self._scheme}://localhost:{self._server.server_address[1]}"

    @property
    def issuer(self) -> str:
        """What tokens say by default."""
        return "https://issuer.example.com/"

    def claims(self, **claims: Any) -> dict[str, Any]:
        """Claims of a good token; a claim that is None is left out."""
        now = int(time.time())
        good = {"iss": self.issuer, "aud": AUDIENCE, "azp": CLIENT, "iat": now, "nbf": now, "exp": now + 3600}
        return {name: value for name, value in (good | claims).items() if value is not None}

    def token(self, key: SigningKey | None = None, algorithm: str = "RS256", **claims: Any) -> str:
        """A good token, unless told otherwise."""
        return (key or self.keys[0]).token(self.claims(**claims), algorithm)


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, issuer: IssuerServer, *args: Any) -> None:
        self._issuer = issuer
        super().__init__(*args)

    def do_GET(self) -> None:
        issuer = self._issuer
        issuer.headers.append({name.lower(): value for name, value in self.headers.items()})
        issuer.asked.append(self.path)
        if issuer.mood is Mood.HANGS:
            issuer.release.wait(60)
        if self.path.partition("?")[0] == "/keys":
            document: Any = {"keys": [key.jwk() for key in issuer.keys]}
        else:
            document = issuer.documents.get(self.path)
        body = json.dumps(document).encode()
        answers: dict[Mood, Callable[[], None]] = {
            Mood.FAILS: lambda: self._answer(500, body),
            Mood.GARBAGE: lambda: self._answer(200, b"<html>sign in"),
            Mood.EMPTY: lambda: self._answer(200, b'{"keys": []}'),
            Mood.REDIRECTS: lambda: self._answer(302, b"", Location=f"/keys?{self.path}"),
            Mood.HUGE: lambda: self._answer(200, body + b" " * 2_000_000),
            Mood.BREAKS_OFF: lambda: self._answer(
                200, body[: len(body) // 2], **{"Content-Length": str(len(body))}
            ),
            Mood.DRIPS: lambda: self._drip(body),
        }
        answers.get(issuer.mood, lambda: self._answer(200 if document is not None else 404, body))()

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response_only(status)
        if self._issuer.date is not None:
            self.send_header("Date", self.date_time_string(int(time.time() + self._issuer.date)))
        if self._issuer.age is not None:
            self.send_header("Age", self._issuer.age)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:  # the other side has heard enough
            self.close_connection = True

    def _drip(self, body: bytes) -> None:
        self._answer(200, b"", **{"Content-Length": str(len(body))})
        try:
            for byte in body:
                self.wfile.write(bytes([byte]))
                if self._issuer.release.wait(0.1):
                    return
        except OSError:
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Not to the terminal."""


def base64url(content: bytes) -> str:
    """RFC 7515, section 2."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
