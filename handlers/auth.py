"""Who is calling: Basic by RFC 7617 and Bearer by RFC 6750.

Tradecloud drops an event for good after a 401, so one comes only when the sender is really at fault; and several
credentials may be in force at once, so that a secret can change without an outage.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field

from handlers.interface import Endpoint, NotAllowedError, NotAuthenticatedError

REALM = "tradecloud-webhooks"


@dataclass(frozen=True, slots=True)
class BasicUser:
    """A user name and password under a name of its own, in force at some endpoints."""

    name: str
    username: str
    password: str = field(repr=False)
    endpoints: frozenset[Endpoint]


@dataclass(frozen=True, slots=True)
class BearerToken:
    """A static token under a name of its own, in force at some endpoints."""

    name: str
    token: str = field(repr=False)
    endpoints: frozenset[Endpoint]


@dataclass(frozen=True, slots=True)
class _Secret:
    """Either kind, reduced to what is compared. Digests have one length, so comparing tells nothing of it."""

    name: str
    scheme: str
    digest: bytes
    owner: bytes | None
    endpoints: frozenset[Endpoint]


class Credentials:
    """All credentials in force."""

    def __init__(self, users: Sequence[BasicUser] = (), tokens: Sequence[BearerToken] = ()) -> None:
        self._secrets = [
            _Secret(
                name=user.name,
                scheme="basic",
                digest=_digest(_normal(f"{user.username}:{user.password}")),
                owner=_digest(_normal(user.username)),
                endpoints=user.endpoints,
            )
            for user in users
        ] + [
            _Secret(token.name, "bearer", _digest(token.token.encode()), None, token.endpoints) for token in tokens
        ]

    def challenges(self, endpoint: Endpoint, *, wrong_token: bool = False) -> tuple[str, ...]:
        """The values of WWW-Authenticate at an endpoint: one for each scheme in force there.

        `wrong_token` adds the error code that RFC 6750, section 3.1, asks for when a token came and failed.
        """
        schemes = {secret.scheme for secret in self._secrets if endpoint in secret.endpoints}
        challenges = []
        if "basic" in schemes:
            # RFC 7617, section 2.1: tells the sender to encode the password as UTF-8.
            challenges.append(f'Basic realm="{REALM}", charset="UTF-8"')
        if "bearer" in schemes:
            error = ', error="invalid_token"' if wrong_token else ""
            challenges.append(f'Bearer realm="{REALM}"{error}')
        return tuple(challenges)

    def identify(self, authorization: Sequence[bytes], endpoint: Endpoint) -> str:
        """The name of the credential that the sender proved.

        `authorization` holds the value of every Authorization header of the request: one that comes twice is
        refused (RFC 9110, section 5.3), because no one can say which of the two the sender meant.

        Raises:
            NotAuthenticatedError: nothing that is in force was presented.
            NotAllowedError: it is in force, but not at this endpoint.
        """
        if len(authorization) != 1:
            raise NotAuthenticatedError(self.challenges(endpoint))
        scheme, presented = _presented(authorization[0])
        digest = _digest(presented)
        owner = _digest(presented.partition(b":")[0]) if scheme == "basic" else b""
        proved: list[_Secret] = []
        known: list[_Secret] = []
        # No early exit: an unknown user, a wrong password and a right one take the same time.
        for secret in self._secrets:
            same_secret = hmac.compare_digest(digest, secret.digest)
            same_owner = hmac.compare_digest(owner, secret.owner or b"")
            if same_secret and secret.scheme == scheme:
                proved.append(secret)
            if same_owner and secret.scheme == scheme == "basic":
                known.append(secret)
        for secret in proved:
            if endpoint in secret.endpoints:
                return secret.name
        if proved:
            raise NotAllowedError(proved[0].name)
        raise NotAuthenticatedError(
            self.challenges(endpoint, wrong_token=scheme == "bearer"), known[0].name if known else None
        )


def _presented(authorization: bytes) -> tuple[str, bytes]:
    """Scheme in lower case and the secret's bytes; an empty scheme for what cannot be read as credentials."""
    scheme, _, rest = authorization.strip(b" \t").partition(b" ")
    value = rest.strip(b" \t")
    name = scheme.lower().decode("latin-1")
    if name == "bearer" and value:
        return name, value
    if name == "basic":
        try:
            user_pass = base64.b64decode(value, validate=True)
            # RFC 7617, section 2.1: the same letter may be spelled in two ways in Unicode.
            user_pass = _normal(user_pass.decode("utf-8"))
        except (binascii.Error, UnicodeDecodeError):
            return "", b""
        if b":" in user_pass:
            return name, user_pass
    return "", b""


def _normal(text: str) -> bytes:
    return unicodedata.normalize("NFC", text).encode()


def _digest(secret: bytes) -> bytes:
    return hashlib.sha256(secret).digest()
