"""The receiver as the cases see it: what it claims, its credentials, and the golden requests to begin with."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from conformance import vectors
from conformance.contract.reading import Endpoint, Payload
from conformance.contract.text import JsonObject
from conformance.profile import BasicCredential, Claims, Credential, OperationProfile, Profile
from conformance.redaction import Redactor
from conformance.requests.request import Form, Request, Values

if TYPE_CHECKING:
    from conformance.runner.issuer import TokenIssuer


@dataclass(frozen=True)
class Subject:
    """What a case is given."""

    profile: Profile
    redactor: Redactor = field(default_factory=Redactor)
    issuer: TokenIssuer | None = None
    """Signs access tokens, where the profile says that the receiver trusts the suite's issuer."""
    canary_url: str | None = None
    full: bool = True
    """False: the quick set, in which a case leaves out variants that show nothing new of most receivers."""
    canary_token: str = field(default_factory=lambda: secrets.token_hex(4), compare=False)
    """Makes the addresses at the canary differ from those of every other run, whose calls may come late."""

    @property
    def claims(self) -> Claims:
        """What the receiver claims and denies."""
        return self.profile.claims

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """The webhooks that it offers."""
        return tuple(endpoint for endpoint in Endpoint if endpoint in self.profile.operations)

    def operation(self, endpoint: Endpoint) -> OperationProfile:
        """One of them."""
        return self.profile.operations[endpoint]

    @property
    def payloads(self) -> tuple[Payload, ...]:
        """The payloads that it takes."""
        return tuple(one for e in self.endpoints for one in Payload if one in self.operation(e).payloads)

    def forms(self, endpoint: Endpoint) -> tuple[Form, ...]:
        """The formats that it takes there."""
        return self.operation(endpoint).formats

    # Requests to begin with.

    def request(
        self, payload: Payload, values: JsonObject, form: Form = Form.JSON, *, name: str = "golden"
    ) -> Request:
        """A delivery of this body, as Tradecloud makes it."""
        schemes = self.operation(payload.endpoint).schemes
        scheme = next((one for one in schemes if self.has(payload.endpoint, one)), schemes[0])
        headers = (
            ("Content-Type", form.media_type),
            ("Authorization", self.authorization(payload.endpoint, scheme)),
        )
        body = Values(payload.endpoint, form, values)
        return Request(payload.endpoint, payload, form, body, headers, scheme=scheme, name=name)

    def golden(self, payload: Payload, form: Form = Form.JSON) -> Request:
        """The golden event of a payload: typical, valid, and accepted by every working receiver."""
        return self.request(payload, vectors.golden(payload), form)

    def golden_at(self, endpoint: Endpoint, form: Form = Form.JSON) -> Request:
        """The golden event of the first payload that the endpoint takes."""
        return self.golden(next(one for one in self.payloads if one.endpoint is endpoint), form)

    def goldens(self) -> Iterator[Request]:
        """Every payload in every format that is claimed."""
        for payload in self.payloads:
            for form in self.forms(payload.endpoint):
                yield self.golden(payload, form)

    def goldens_at_endpoints(self, form: Form | None = None) -> Iterator[Request]:
        """One golden event for each endpoint: in this format where it is claimed, else in the first one that is."""
        for endpoint in self.endpoints:
            one = form or self.forms(endpoint)[0]
            if one in self.forms(endpoint):
                yield self.golden_at(endpoint, one)

    def goldens_in_each_form(self) -> Iterator[Request]:
        """One golden event for each endpoint and each format that it takes."""
        for endpoint in self.endpoints:
            for form in self.forms(endpoint):
                yield self.golden_at(endpoint, form)

    # Credentials.

    def authorization(self, endpoint: Endpoint, scheme: str) -> str:
        """The value of Authorization that is in force at an endpoint for a scheme (`basic`, `bearer`, `oauth`).

        Raises:
            LookupError: the profile has no such credentials.
        """
        if scheme == "basic" and self.profile.basic is not None:
            return self.basic(*self.basic_pair(self.profile.basic))
        if scheme == "bearer" and self.profile.bearer is not None:
            return self.bearer(self.profile.bearer.token.value())
        if scheme == "oauth" and self.issuer is not None:
            return self.bearer(self.issuer.token(), shown="access token")
        raise LookupError(f"the profile has no credentials for {scheme} at {endpoint}")

    def has(self, endpoint: Endpoint, scheme: str) -> bool:
        """Whether the receiver claims the scheme there and there are credentials for it."""
        have = {"basic": self.profile.basic, "bearer": self.profile.bearer, "oauth": self.issuer}
        return scheme in self.operation(endpoint).schemes and have[scheme] is not None

    def with_scheme(self, request: Request, scheme: str) -> Request:
        """The request with good credentials of another scheme."""
        value = self.authorization(request.endpoint, scheme)
        kept = tuple(pair for pair in request.headers if pair[0] != "Authorization")
        return replace(request, headers=(*kept, ("Authorization", value)), scheme=scheme)

    def basic_pair(self, credential: BasicCredential) -> tuple[str, str]:
        """User name and password; the password is told to the redactor."""
        password = credential.password.value()
        self.redactor.add(password, "password")
        return credential.username, password

    def basic(self, username: str, password: str, *, shown: str = "basic credentials") -> str:
        """A Basic value (RFC 7617) of these two, right or wrong."""
        return self.basic_of(f"{username}:{password}".encode("utf-8", "surrogateescape"), shown=shown)

    def basic_of(self, pair: bytes, *, shown: str = "basic credentials") -> str:
        """A Basic value of any bytes."""
        value = base64.b64encode(pair).decode()
        if b":" in pair:  # without one it is no secret, and may stand in a path too
            self.redactor.add(pair, shown)
        self.redactor.add(value, shown)
        return f"Basic {value}"

    def bearer(self, token: str, *, shown: str = "token") -> str:
        """A Bearer value (RFC 6750)."""
        self.redactor.add(token, shown)
        return f"Bearer {token}"

    def of(self, credential: Credential) -> str:
        """The value of any credential of the profile."""
        if credential.basic is not None:
            return self.basic(*self.basic_pair(credential.basic), shown="other basic credentials")
        if credential.bearer is not None:
            return self.bearer(credential.bearer.token.value(), shown="other token")
        raise LookupError("a credential needs `basic` or `bearer`")
