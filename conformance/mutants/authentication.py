"""Who is calling: Basic (RFC 7617), a static Bearer token (RFC 6750), or an access token of a trusted issuer.

Decided from the head alone, before a byte of the body is read.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import threading
from dataclasses import dataclass
from urllib.parse import parse_qs

from conformance.mutants.answers import RefusedError, problem, refused
from conformance.mutants.credentials import (
    BASIC_PAIRS,
    BEARER_TOKEN,
    BOTH_PATHS,
    SHIPMENT_PATH,
    TRADECLOUD_ADDRESSES,
    BasicPair,
)
from conformance.mutants.faults import Faults
from conformance.mutants.http_reading import Head
from conformance.mutants.tokens import (
    AccessTokens,
    BadTokenError,
    IssuerUnreachableError,
    NotAllowedTokenError,
)

LOCK_OUT_AFTER = 5


@dataclass(frozen=True)
class Caller:
    """A sender that proved who it is, and the paths it may deliver to."""

    name: str
    paths: frozenset[str]


class Authentication:
    """Decides from a head who is calling."""

    def __init__(self, faults: Faults, tokens: AccessTokens | None) -> None:
        self._faults = faults
        self._tokens = tokens
        self._wrong = 0
        self._counting = threading.Lock()

    def caller(self, head: Head) -> Caller:
        """The sender.

        Raises:
            RefusedError: it is nobody that is known (401), may not deliver (403), or cannot be checked (503).
        """
        everybody = Caller("anybody", BOTH_PATHS)
        presented = head.all("authorization")
        if self._faults.on("MU-80"):
            raise self._unknown(head)
        if self._faults.on("MU-01") or self._is_let_in_without(head, presented):
            return everybody
        if self._faults.on("MU-139") and len(presented) > 1:
            return self._any_of(head, presented)
        # A field that comes twice is refused: nobody can say which of the two is meant (RFC 9110, section 5.3).
        if len(presented) != 1:
            raise self._unknown(head)
        if self._faults.on("MU-259") and self._wrong >= LOCK_OUT_AFTER:
            raise self._unknown(head)
        try:
            return self._proved(head, presented[0])
        except RefusedError as refusal:
            if refusal.answer.status == 401:
                with self._counting:
                    self._wrong += 1
            raise

    def form_token_is_good(self, body: bytes) -> bool:
        """For the fault MU-138: a token in a form body."""
        return BEARER_TOKEN in parse_qs(body.decode("latin-1")).get("access_token", [])

    def _is_let_in_without(self, head: Head, presented: list[str]) -> bool:
        if self._faults.on("MU-148") and not presented:
            return True
        if self._faults.on("MU-09") and BEARER_TOKEN in parse_qs(head.query).get("access_token", []):
            return True
        forwarded = " ".join(head.all("x-forwarded-for") + head.all("forwarded") + head.all("x-real-ip"))
        return self._faults.on("MU-265") and any(address in forwarded for address in TRADECLOUD_ADDRESSES)

    def _any_of(self, head: Head, presented: list[str]) -> Caller:
        refusal: RefusedError | None = None
        for value in presented:
            try:
                return self._proved(head, value)
            except RefusedError as error:
                refusal = error
        raise refusal or self._unknown(head)

    def _proved(self, head: Head, value: str) -> Caller:
        scheme, _, proof = value.partition(" ")
        proof = proof.strip(" ")
        if self._faults.on("MU-135") and not proof and scheme.lower() in ("basic", "bearer"):
            return Caller("scheme", BOTH_PATHS)
        if self._faults.on("MU-05") and scheme not in ("Basic", "Bearer"):
            raise self._unknown(head)
        if self._faults.on("MU-134"):
            scheme = "bearer" if proof == BEARER_TOKEN else "basic"
        if scheme.lower() == "basic":
            return self._basic(head, proof)
        if scheme.lower() == "bearer":
            return self._bearer(head, proof)
        if self._faults.on("MU-136"):
            raise refused(500, "NotImplementedError: no handler for this authentication scheme")
        raise self._unknown(head)

    def _basic(self, head: Head, proof: str) -> Caller:
        user, password = self._user_and_password(head, proof)
        if self._faults.on("MU-02"):
            return Caller(user, BOTH_PATHS)
        found: BasicPair | None = None
        for pair in BASIC_PAIRS:  # no early exit: a known and an unknown user take the same time
            if self._user_matches(user, pair) and self._password_matches(password, pair.password):
                found = pair
        if found is None:
            raise self._unknown(head, shown=f"{user}:{password}")
        return Caller(found.user, found.paths)

    def _user_and_password(self, head: Head, proof: str) -> tuple[str, str]:
        try:
            decoded = base64.b64decode(proof, validate=True)
            text = decoded.decode("latin-1" if self._breaks_here(head, "MU-149") else "utf-8")
        except (binascii.Error, ValueError) as error:
            if self._faults.on("MU-07"):
                raise refused(500, f"Unhandled exception: {type(error).__name__}") from error
            if self._faults.on("MU-150") and isinstance(error, UnicodeDecodeError):
                raise refused(503, "The credentials could not be checked.") from error
            raise self._unknown(head) from error
        if self._breaks_here(head, "MU-06"):
            user, *others = text.split(":")
            return user, others[0] if others else ""
        user, colon, password = text.partition(":")
        if not colon:
            if self._faults.on("MU-07"):
                raise refused(500, "Unhandled exception: IndexError")
            raise self._unknown(head)
        return user, password

    def _breaks_here(self, head: Head, fault: str) -> bool:
        """Faults that would refuse the main password everywhere stand at one path, so that the other one works."""
        return self._faults.on(fault) and head.path == SHIPMENT_PATH

    def _user_matches(self, user: str, pair: BasicPair) -> bool:
        return hmac.compare_digest(user.encode(), pair.user.encode())

    def _password_matches(self, given: str, wanted: str) -> bool:
        if self._faults.on("MU-03"):
            return True
        if self._faults.on("MU-04"):
            return bool(given) and (wanted.startswith(given) or given.startswith(wanted))
        if self._faults.on("MU-132"):
            return given.casefold() == wanted.casefold()
        if self._faults.on("MU-133"):
            return given[:8] == wanted[:8]
        return hmac.compare_digest(given.encode(), wanted.encode())

    def _bearer(self, head: Head, proof: str) -> Caller:
        wanted = BEARER_TOKEN.encode()
        given = proof.encode("latin-1")
        if hmac.compare_digest(given, wanted) or self._is_loosely_equal(proof):
            return Caller("bearer", BOTH_PATHS)
        if self._tokens is None or proof.count(".") != 2:
            raise self._unknown(head, wrong_token=True, shown=proof)
        try:
            return Caller(self._tokens.client(proof), BOTH_PATHS)
        except BadTokenError as error:
            raise self._unknown(head, wrong_token=True, shown=proof) from error
        except NotAllowedTokenError as error:
            raise RefusedError(
                problem(
                    403,
                    "The access token does not allow this.",
                    headers=(("WWW-Authenticate", 'Bearer realm="webhooks", error="insufficient_scope"'),),
                )
            ) from error
        except IssuerUnreachableError as error:
            if self._faults.on("MU-15"):
                raise self._unknown(head, wrong_token=True) from error
            if self._faults.on("MU-145"):
                raise refused(500, "The keys of the issuer could not be read.") from error
            raise RefusedError(
                problem(503, "The issuer of the token cannot be reached.", headers=(("Retry-After", "5"),))
            ) from error

    def _is_loosely_equal(self, proof: str) -> bool:
        if self._faults.on("MU-04"):
            return bool(proof) and (BEARER_TOKEN.startswith(proof) or proof.startswith(BEARER_TOKEN))
        if self._faults.on("MU-132"):
            return proof.casefold() == BEARER_TOKEN.casefold()
        return self._faults.on("MU-133") and proof[:8] == BEARER_TOKEN[:8]

    def _unknown(self, head: Head, *, wrong_token: bool = False, shown: str = "") -> RefusedError:
        detail = "The credentials are missing or wrong."
        if self._faults.on("MU-16"):
            detail = f"Not authorised: {', '.join(head.all('authorization'))}"
        if self._faults.on("MU-147") and shown:
            detail = f"The credentials {shown} are wrong."
        return RefusedError(problem(401, detail, headers=self._challenges(wrong_token)))

    def _challenges(self, wrong_token: bool) -> tuple[tuple[str, str], ...]:
        if self._faults.on("MU-08"):
            return ()
        if self._faults.on("MU-151"):
            return (("WWW-Authenticate", "Negotiate"),)
        error = ', error="invalid_token"' if wrong_token and not self._faults.on("MU-137") else ""
        return (
            ("WWW-Authenticate", 'Basic realm="webhooks", charset="UTF-8"'),
            ("WWW-Authenticate", f'Bearer realm="webhooks"{error}'),
        )
