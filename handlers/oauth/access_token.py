"""Access tokens as JWTs: what one says, and whether that is what we ask for (RFC 7519, RFC 9068, RFC 8725).

Pure: a token, a policy and the time go in. Whether the signature is good is the matter of `handlers.oauth.key_set`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NoReturn

import jwt

from handlers.oauth.authority import same_case

#: Signatures by public keys only. A token with a shared secret (HS256) could be made by whoever knows our public
#: key, if we let the token choose (RFC 8725, section 2.1).
ALGORITHMS = frozenset({"RS256", "PS256", "ES256"})


class Fault(StrEnum):
    """Why a token is not valid, for the log; it says nothing of the token itself. In the order of the checks."""

    MALFORMED = "no-access-token"
    ALGORITHM = "algorithm"
    CRITICAL = "unknown-critical-header"
    ISSUER = "issuer"
    AUDIENCE = "audience"
    TENANT = "tenant"
    CLIENT = "client"
    EXPIRED = "expired"
    EARLY = "not-yet-valid"
    UNKNOWN_KEY = "unknown-key"
    SIGNATURE = "signature"


class InvalidTokenError(Exception):
    """The token is not valid, whatever we do: the sender's fault."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.value)
        self.fault = fault


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A token that is read and nothing more: none of it is to be believed before the signature is verified."""

    compact: bytes = field(repr=False)
    algorithm: str
    key_id: str | None
    issuer: str
    claims: Mapping[str, Any] = field(repr=False)

    def roles(self) -> frozenset[str]:
        """The application roles that its client was given."""
        return frozenset(_texts(self.claims.get("roles")))


@dataclass(frozen=True, slots=True)
class TokenPolicy:
    """What the tokens of one issuer must say."""

    audiences: frozenset[str]
    """Whom the token is for: one of these. This and what follows as `authority.same_case` spells it."""
    clients: frozenset[str] = frozenset()
    """Who got it: one of these; empty for anybody."""
    roles: frozenset[str] = frozenset()
    """What its client must be allowed to do: all of these."""
    tenant: str | None = None
    leeway: int = 60
    """Seconds by which the clocks of issuer and service may differ."""

    def check(self, token: AccessToken) -> None:
        """Check what needs neither key nor clock.

        Raises:
            InvalidTokenError: audience, tenant or client is another one.
        """
        claims = token.claims
        if not self.audiences.intersection(_texts(claims.get("aud"))):
            raise InvalidTokenError(Fault.AUDIENCE)
        # Not every kind of issuer names the tenant; where it does not, the issuer stands for it.
        if self.tenant is not None and _texts(claims.get("tid", self.tenant)) != [self.tenant]:
            raise InvalidTokenError(Fault.TENANT)
        # Entra v2, Entra v1 and ADFS, RFC 9068, in this order.
        client = next((claims[name] for name in ("azp", "appid", "client_id") if name in claims), None)
        if self.clients and not (isinstance(client, str) and same_case(client) in self.clients):
            raise InvalidTokenError(Fault.CLIENT)

    def fault_at(self, token: AccessToken, now: float) -> Fault | None:
        """Whether the token has expired or is not yet valid at that time, in seconds of the Unix epoch."""
        if now >= token.claims["exp"] + self.leeway:
            return Fault.EXPIRED
        if now < token.claims.get("nbf", now) - self.leeway:
            return Fault.EARLY
        return None


def read(compact: bytes) -> AccessToken:
    """The token behind the text of an Authorization header.

    Raises:
        InvalidTokenError: it is no signed JWT, its algorithm is none that we allow, or it has no issuer or end.
    """
    try:
        parts = jwt.PyJWS().decode_complete(compact, options={"verify_signature": False})
        claims = json.loads(parts["payload"], parse_constant=_refuse)
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise InvalidTokenError(Fault.MALFORMED) from None
    header = parts["header"]
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise InvalidTokenError(Fault.ALGORITHM)
    if "crit" in header:
        # RFC 7515, section 4.1.11: an extension that must be understood; we know none. The library knows `b64`,
        # which RFC 7797, section 7, forbids in a JWT.
        raise InvalidTokenError(Fault.CRITICAL)
    if not isinstance(claims, dict) or not isinstance(claims.get("iss"), str):
        raise InvalidTokenError(Fault.MALFORMED)
    if not _number(claims.get("exp")) or not _number(claims.get("nbf", 0)):
        raise InvalidTokenError(Fault.MALFORMED)
    return AccessToken(compact, algorithm, header.get("kid"), claims["iss"], claims)


def _texts(value: object) -> list[str]:
    """A claim that is one text or a list of them (RFC 7519, section 4.1.3), spelled as the policy spells it."""
    return [same_case(text) for text in (value if isinstance(value, list) else [value]) if isinstance(text, str)]


def _number(value: object) -> bool:
    """A NumericDate (RFC 7519, section 2)."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")
