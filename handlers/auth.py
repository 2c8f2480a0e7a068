"""Who is calling: Basic by RFC 7617, Bearer by RFC 6750 with static tokens and with access tokens (OAuth 2.0).

Tradecloud drops an event for good after a 401, so one comes only when the sender is really at fault; and several
credentials may be in force at once, so that a secret can change without an outage.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field

from handlers.interface import Endpoint, NotAllowedError, NotAuthenticatedError
from handlers.oauth.issuers import AccessTokens, RefusedTokenError, TokenIssuer
from handlers.secret import SecretHash

REALM = "tradecloud-webhooks"


@dataclass(frozen=True, slots=True)
class BasicUser:
    """A user name and password under a name of its own, in force at some endpoints."""

    name: str
    username: str
    password: str | SecretHash = field(repr=False)
    endpoints: frozenset[Endpoint]


@dataclass(frozen=True, slots=True)
class BearerToken:
    """A static token under a name of its own, in force at some endpoints."""

    name: str
    token: str | SecretHash = field(repr=False)
    endpoints: frozenset[Endpoint]


@dataclass(frozen=True, slots=True)
class _Secret:
    """Either kind, reduced to what is compared. Digests have one length, so comparing tells nothing of it."""

    name: str
    scheme: str
    owner: bytes
    """Of the user name; empty for a token."""
    digest: bytes
    endpoints: frozenset[Endpoint]


class Credentials:
    """All credentials in force."""

    def __init__(
        self,
        users: Sequence[BasicUser] = (),
        tokens: Sequence[BearerToken] = (),
        issuers: Sequence[TokenIssuer] = (),
    ) -> None:
        self._secrets = [
            _Secret(user.name, "basic", _digest(user.username), _digest(user.password), user.endpoints)
            for user in users
        ] + [_Secret(token.name, "bearer", b"", _digest(token.token), token.endpoints) for token in tokens]
        self._access_tokens = AccessTokens(issuers)

    def adopt_keys(self, old: Credentials) -> None:
        """Go on with the signing keys that `old` has fetched, as far as they come from the same place.

        To change credentials without an outage: make the new ones, let them adopt the keys, start them, put them in
        force, then stop the old ones, which leaves adopted keys alone.
        """
        self._access_tokens.adopt_keys(old._access_tokens)

    def attention(self) -> list[str]:
        """What an administrator should know of them now, a line for each thing."""
        return self._access_tokens.attention()

    def start(self) -> None:
        """Begin to fetch signing keys in the background, without waiting for them; needs a running event loop."""
        self._access_tokens.start()

    async def stop(self) -> None:
        """End that."""
        await self._access_tokens.stop()

    def challenges(self, endpoint: Endpoint, *, wrong_token: bool = False) -> tuple[str, ...]:
        """The values of WWW-Authenticate at an endpoint: one for each scheme in force there.

        `wrong_token` adds the error code that RFC 6750, section 3.1, asks for when a token came and failed.
        """
        schemes = {secret.scheme for secret in self._secrets if endpoint in secret.endpoints}
        challenges = []
        if "basic" in schemes:
            # RFC 7617, section 2.1: tells the sender to encode the password as UTF-8.
            challenges.append(f'Basic realm="{REALM}", charset="UTF-8"')
        if "bearer" in schemes or self._access_tokens.in_force_at(endpoint):
            error = ', error="invalid_token"' if wrong_token else ""
            challenges.append(f'Bearer realm="{REALM}"{error}')
        return tuple(challenges)

    async def identify(self, authorization: Sequence[bytes], endpoint: Endpoint) -> str:
        """The name of the credential that the sender proved.

        `authorization` holds the value of every Authorization header of the request: one that comes twice is
        refused (RFC 9110, section 5.3), because no one can say which of the two the sender meant.

        Raises:
            NotAuthenticatedError: nothing that is in force was presented.
            NotAllowedError: it is in force, but not for this.
            KeysUnavailableError: an access token came, and its issuer's keys cannot be had.
        """
        if len(authorization) != 1:
            raise NotAuthenticatedError(self.challenges(endpoint))
        scheme, username, secret = _presented(authorization[0])
        owner = _digest(username) if scheme == "basic" else b""
        digest = SecretHash.of(secret).digest
        proved: list[_Secret] = []
        known: list[_Secret] = []
        # No early exit: an unknown user, a wrong password and a right one take the same time.
        for each in self._secrets:
            same_owner = hmac.compare_digest(owner, each.owner)
            same_secret = hmac.compare_digest(digest, each.digest)
            if same_owner and each.scheme == scheme:
                known.append(each)
                if same_secret:
                    proved.append(each)
        for each in proved:
            if endpoint in each.endpoints:
                return each.name
        if proved:
            raise NotAllowedError(proved[0].name, _insufficient(scheme))
        if scheme == "bearer" and self._access_tokens:
            return await self._identify_by_access_token(secret, endpoint)
        rejected = known[0].name if known and scheme == "basic" else None
        raise NotAuthenticatedError(
            self.challenges(endpoint, wrong_token=scheme == "bearer"),
            rejected,
            "password" if rejected else "no-such-credential",
        )

    async def _identify_by_access_token(self, compact: bytes, endpoint: Endpoint) -> str:
        try:
            return await self._access_tokens.identify(compact, endpoint)
        except RefusedTokenError as error:
            challenges = self.challenges(endpoint, wrong_token=True)
            raise NotAuthenticatedError(challenges, error.issuer, error.fault) from None
        except NotAllowedError as error:
            raise NotAllowedError(error.credential, _insufficient("bearer"), error.reason) from None


def _insufficient(scheme: str) -> tuple[str, ...]:
    """RFC 6750, section 3.1; Basic has no words for it."""
    return (f'Bearer realm="{REALM}", error="insufficient_scope"',) if scheme == "bearer" else ()


def _presented(authorization: bytes) -> tuple[str, str, bytes]:
    """Scheme in lower case, user name and secret; an empty scheme for what cannot be read as credentials."""
    scheme, _, rest = authorization.strip(b" \t").partition(b" ")
    value = rest.strip(b" \t")
    name = scheme.lower().decode("latin-1")
    if name == "bearer" and value:
        return name, "", value
    if name == "basic":
        try:
            user_pass = base64.b64decode(value, validate=True).decode("utf-8")
        except (binascii.Error, UnicodeDecodeError):
            return "", "", b""
        username, colon, password = user_pass.partition(":")
        if colon:
            return name, username, _normal(password)
    return "", "", b""


def _normal(text: str) -> bytes:
    """RFC 7617, section 2.1: the same letter may be spelled in two ways in Unicode."""
    return unicodedata.normalize("NFC", text).encode()


def _digest(secret: str | SecretHash) -> bytes:
    return (secret if isinstance(secret, SecretHash) else SecretHash.of(_normal(secret))).digest
