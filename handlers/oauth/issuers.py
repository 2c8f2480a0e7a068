"""OAuth 2.0 as a resource server: which issuer vouches for an access token, and for what (RFC 6750, RFC 9068)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from handlers.interface import Endpoint, KeysUnavailableError, NotAllowedError
from handlers.oauth.access_token import AccessToken, Fault, InvalidTokenError, TokenPolicy, read
from handlers.oauth.key_server import KeySource
from handlers.oauth.signing_keys import USUAL, Rhythm, SigningKeys

_FAULTS = list(Fault)


@dataclass(frozen=True, slots=True)
class TokenIssuer:
    """An issuer of access tokens under a name of its own, in force at some endpoints."""

    name: str
    issuers: frozenset[str]
    """What its tokens say in `iss`; empty where its metadata tells."""
    keys: KeySource
    policy: TokenPolicy
    endpoints: frozenset[Endpoint]


class RefusedTokenError(Exception):
    """No issuer in force vouches for the token."""

    def __init__(self, fault: Fault, issuer: str | None) -> None:
        super().__init__(fault.value)
        self.fault = fault
        self.issuer = issuer
        """Name of the TokenIssuer that the token says it is from, if there is one."""


class AccessTokens:
    """All issuers in force, with their keys. Issuers with the same source share the keys."""

    def __init__(self, issuers: Sequence[TokenIssuer] = (), rhythm: Rhythm = USUAL) -> None:
        self._issuers = tuple(issuers)
        self._keys = {issuer.keys: SigningKeys(issuer.keys, rhythm) for issuer in issuers}
        self._lent: set[KeySource] = set()

    def __bool__(self) -> bool:
        return bool(self._issuers)

    def in_force_at(self, endpoint: Endpoint) -> bool:
        """Whether any issuer's tokens are good at an endpoint."""
        return any(endpoint in issuer.endpoints for issuer in self._issuers)

    def adopt_keys(self, old: AccessTokens) -> None:
        """Go on with the keys of every source that `old` has too; `old` may use them, but no longer stops them."""
        for source in self._keys.keys() & old._keys.keys():
            self._keys[source] = old._keys[source]
            old._lent.add(source)

    def attention(self) -> list[str]:
        """What is wrong with an issuer's keys now, a line for each."""
        troubles = ((issuer.name, self._keys[issuer.keys].trouble()) for issuer in self._issuers)
        return [f"auth.oauth.{name}: {trouble}" for name, trouble in troubles if trouble]

    def start(self) -> None:
        """Begin to fetch keys in the background; needs a running event loop."""
        for keys in self._keys.values():
            keys.start()

    async def stop(self) -> None:
        """End that, but for keys that somebody adopted."""
        for source, keys in self._keys.items():
            if source not in self._lent:
                await keys.stop()

    async def identify(self, compact: bytes, endpoint: Endpoint) -> str:
        """The name of the issuer that vouches for the token.

        Raises:
            RefusedTokenError: none does; that is final.
            NotAllowedError: one does, but a role is missing, or it is not in force at this endpoint.
            KeysUnavailableError: one might, but that cannot be found out now.
        """
        try:
            token = read(compact)
        except InvalidTokenError as error:
            raise RefusedTokenError(error.fault, None) from None
        # Several may stand for the same server (another audience, another endpoint). As long as one of them
        # cannot tell, or would let the bearer in elsewhere, the token is not refused.
        doubt: KeysUnavailableError | None = None
        forbidden: NotAllowedError | None = None
        refused = RefusedTokenError(Fault.ISSUER, None)
        # First whoever is known by that name: its tokens must not wait for others that do not answer.
        for issuer in sorted(self._issuers, key=lambda issuer: not self._is_named(issuer, token)):
            try:
                await self._check(issuer, token)
                _allow(issuer, token, endpoint)
            except KeysUnavailableError as error:
                doubt = error
            except NotAllowedError as error:
                forbidden = error
            except InvalidTokenError as error:
                # Told is the one that came closest: it is the one whose settings somebody will look at.
                if _FAULTS.index(error.fault) > _FAULTS.index(refused.fault):
                    refused = RefusedTokenError(error.fault, issuer.name)
            else:
                return issuer.name
        raise doubt or forbidden or refused

    def _is_named(self, issuer: TokenIssuer, token: AccessToken) -> bool:
        return token.issuer in (issuer.issuers or self._keys[issuer.keys].issuers)

    async def _check(self, issuer: TokenIssuer, token: AccessToken) -> None:
        """What is wrong whatever the key comes first: most strangers are answered without asking the issuer."""
        keys = self._keys[issuer.keys]
        named = self._is_named(issuer, token)
        if not named and (issuer.issuers or keys.fresh):
            raise InvalidTokenError(Fault.ISSUER)
        issuer.policy.check(token)
        # Its metadata may be of this morning, and the issuer have another name since.
        if not named and not await keys.consult(lambda published: token.issuer in published.issuers or None):
            raise InvalidTokenError(Fault.ISSUER)
        _check_time(issuer.policy, token, keys)
        signed = await keys.consult(lambda published: published.keys.signed(token))
        if signed is None:
            raise InvalidTokenError(Fault.UNKNOWN_KEY)
        if not signed and not keys.fresh:
            # An issuer that was set up anew may give its new key the id of the old one.
            signed = await keys.consult(lambda published: published.keys.signed(token) or None)
        if not signed:
            raise InvalidTokenError(Fault.SIGNATURE)
        _check_time(issuer.policy, token, keys)
        if issuer.policy.fault_at(token, time.time()):
            raise KeysUnavailableError(
                "this machine's clock is wrong: by it a token is not valid, by the key server's clock it is"
            )


def _check_time(policy: TokenPolicy, token: AccessToken, keys: SigningKeys) -> None:
    """Refuse a token out of its time only if the key server's clock agrees.

    With a wrong clock of our own every genuine token looks expired, or not yet valid.
    """
    fault, theirs = policy.fault_at(token, time.time()), keys.time()
    if fault and theirs is not None and policy.fault_at(token, theirs):
        raise InvalidTokenError(fault)


def _allow(issuer: TokenIssuer, token: AccessToken, endpoint: Endpoint) -> None:
    if not issuer.policy.roles <= token.roles():
        raise NotAllowedError(issuer.name, reason="role")
    if endpoint not in issuer.endpoints:
        raise NotAllowedError(issuer.name)
