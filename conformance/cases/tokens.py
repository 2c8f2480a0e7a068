"""AUTH-14 to 19 and 21: access tokens (OAuth 2.0, client credentials), signed by the suite's own issuer."""

from __future__ import annotations

from collections.abc import Callable

from conformance.cases.credentials import at, controls, credentials, missing
from conformance.catalogue import case
from conformance.oracle import ANY, Consequence, consequence
from conformance.requests.request import Request
from conformance.runner.issuer import TokenIssuer
from conformance.steps import (
    Act,
    Blocked,
    Case,
    Control,
    Issuer,
    Probe,
    Together,
    Twin,
    answer_of,
    answers_of,
)
from conformance.subject import Subject
from conformance.verdict import Expect, Level, accepted, delivered_at_best, not_delivered, refused, retried

_OPEN = "Somebody with a token that was never meant for this receiver can put events into the ERP."
_D, _T = Consequence.DELIVERED, Consequence.RETRIED
_DOTNET = {
    "dotnet": "AddJwtBearer: TokenValidationParameters with ValidateIssuer, ValidateAudience, ValidateLifetime."
}
_Shapes = tuple[tuple[str, Callable[[TokenIssuer], str]], ...]
_BEST_REFUSED = Expect(must=ANY, should=frozenset({Consequence.REFUSED}), codes=(401,))


def _bad_tokens(subject: Subject, shapes: _Shapes, expect: Expect, incomplete: _Shapes = ()) -> Case:
    """Tokens that must not be accepted; and `incomplete` ones, without a claim that no document promises."""
    judged = [*((shape, expect) for shape in shapes), *((shape, _BEST_REFUSED) for shape in incomplete)]
    for control in controls(subject, "oauth"):
        for (name, make), expected in judged:
            value = subject.bearer(make(_issuer(subject)), shown=f"token: {name}")
            yield Twin(f"{at(control)}: {name}", control, credentials(value, name), expected)
    yield from missing(subject, "oauth")


def _issuer(subject: Subject) -> TokenIssuer:
    if subject.issuer is None:
        raise LookupError("no token issuer")
    return subject.issuer


@case(
    "AUTH-14",
    "A token outside its time is refused",
    level=Level.MUST,
    wave=2,
    needs=("issuer",),
    requirements=("RFC 7519 4.1.4", "RFC 7519 4.1.5"),
    consequence="A token that leaked once opens the door for ever.",
    fix="Check exp and nbf with a tolerance of a few minutes at most, and require exp.",
    hints=_DOTNET,
)
def outside_its_time(subject: Subject) -> Case:
    shapes: _Shapes = (("expired", TokenIssuer.expired), ("not yet valid", TokenIssuer.not_yet))
    endless: _Shapes = (("without an end", TokenIssuer.without_end),)
    yield from _bad_tokens(subject, shapes, refused(401), endless)


@case(
    "AUTH-15",
    "A token for another audience is refused",
    level=Level.MUST,
    wave=2,
    needs=("issuer",),
    requirements=("RFC 7519 4.1.3",),
    consequence=_OPEN,
    fix="Compare aud with this receiver's own identifier.",
    hints=_DOTNET,
)
def other_audience(subject: Subject) -> Case:
    shapes: _Shapes = (("other audience", TokenIssuer.other_audience),)
    for_anybody: _Shapes = (("no audience", TokenIssuer.without_audience),)
    yield from _bad_tokens(subject, shapes, refused(401), for_anybody)


@case(
    "AUTH-16",
    "A token of another issuer or tenant is refused",
    level=Level.MUST,
    wave=2,
    needs=("issuer",),
    requirements=("RFC 7519 4.1.1",),
    consequence="Every customer of the same identity provider can make tokens that open the door.",
    fix="Compare iss with the one tenant that is agreed; the keys are often the same for all tenants.",
    hints={"dotnet": "A tenant's own authority; not `common` or `organizations` with ValidateIssuer = false."},
)
def other_issuer(subject: Subject) -> Case:
    shapes: _Shapes = (("other tenant", TokenIssuer.other_issuer),)
    by_nobody: _Shapes = (("no issuer", lambda issuer: issuer.token(iss=None)),)
    yield from _bad_tokens(subject, shapes, refused(401), by_nobody)


@case(
    "AUTH-17",
    "A forged token is refused",
    level=Level.MUST,
    wave=2,
    needs=("issuer",),
    requirements=("RFC 8725 3.1", "RFC 8725 3.2"),
    consequence="Anybody can write a token.",
    fix="Accept a short list of algorithms (RS256, ES256), never `none` or HMAC, and check the signature.",
    hints={"node": "jwt.verify(token, key, {algorithms: ['RS256']}); jwt.decode checks nothing."},
)
def forged(subject: Subject) -> Case:
    shapes: _Shapes = (
        ("alg: none", TokenIssuer.unsigned),
        ("alg: nOnE", lambda issuer: issuer.unsigned("nOnE")),
        ("HS256 with the public key", TokenIssuer.hs256_with_public_key),
        ("flipped signature", TokenIssuer.flipped_signature),
        ("changed claims", TokenIssuer.changed_claims),
    )
    yield from _bad_tokens(subject, shapes, refused(401))


@case(
    "AUTH-18",
    "A genuine token that does not allow to deliver is not enough",
    level=Level.MUST,
    wave=2,
    needs=("issuer",),
    requirements=("RFC 6750 3.1",),
    consequence="Every application of the same tenant can put events into the ERP.",
    fix="Require the role or scope that was made for Tradecloud, and answer 403 without it.",
    hints={"dotnet": '[Authorize(Roles = "…")] or a policy; [Authorize] alone is content with any token.'},
)
def without_role(subject: Subject) -> Case:
    shapes: _Shapes = (("no role", TokenIssuer.without_role), ("another role", TokenIssuer.other_role))
    yield from _bad_tokens(subject, shapes, not_delivered(403))


@case(
    "AUTH-19",
    "A token signed with a newly published key is accepted",
    level=Level.SHOULD,
    wave=2,
    needs=("issuer",),
    requirements=("RFC 7517",),
    consequence="When the identity provider changes its keys, good events are answered 401 and dropped.",
    fix="Ask for the keys again when a token names an unknown one, but only every few seconds.",
    hints={"dotnet": "RefreshOnIssuerKeyNotFound (the default), and a small RefreshInterval."},
)
def new_key(subject: Subject) -> Case:
    found = list(controls(subject, "oauth"))
    for control in found:
        yield Control(control)
    if found:
        yield Issuer("rotate")
    for control in found:
        renewed = subject.with_scheme(control, "oauth")
        yield from _wait_if_told_to(f"{at(control)}: at once", renewed, _NOT_LOST_AT_BEST)
        yield Probe(at(control), renewed, delivered_at_best())
    yield from missing(subject, "oauth")


#: A receiver that asks its issuer for keys only so often says when to come again; nobody waits longer than this.
_PATIENCE_SECONDS = 60


#: The keys may have to be asked for first.
_NOT_LOST = Expect(must=frozenset({_D, _T}))
_NOT_LOST_AT_BEST = Expect(must=ANY, should=frozenset({_D, _T}))


def _wait_if_told_to(variant: str, request: Request, expect: Expect) -> Case:
    """Sends the request; if it is to come again later, waits as long as the receiver said."""
    answer = yield from answer_of(Probe(variant, request, expect))
    if consequence(answer.status) is not _T:
        return
    said = answer.value("retry-after") or ""
    seconds = min(int(said) if said.isdecimal() else 5, _PATIENCE_SECONDS)
    # The second of two requests that start so far apart: the first one is only there to wait.
    yield from answers_of(Together((request, request), spread=seconds + 1.0))


@case(
    "AUTH-21",
    "While the identity provider cannot be reached, Tradecloud is asked to come again",
    level=Level.MUST,
    wave=2,
    needs=("issuer",),
    requirements=("R-RSP-4", "R-RSP-7"),
    consequence="Good events are dropped for good because of somebody else's short outage.",
    fix="Answer 503 when the keys that a token needs cannot be had; 401 only for what was checked and found wrong.",
    hints={
        "dotnet": "JwtBearerEvents.OnAuthenticationFailed: tell SecurityTokenSignatureKeyNotFound from the rest."
    },
)
def provider_unreachable(subject: Subject) -> Case:
    yield from missing(subject, "oauth")
    found = list(controls(subject, "oauth"))
    if not found:
        return
    for control in found:
        yield Control(control)
    yield Issuer("down")
    # Known keys may still serve; then the event is delivered, which is right as well.
    for control in found:
        yield Probe(f"{at(control)}: a key seen before", control, _NOT_LOST)
    for control in found:
        unseen = subject.bearer(_issuer(subject).unpublished_key(), shown="token: a key never seen")
        request = credentials(unseen, "a key never seen").apply(control)
        yield Probe(f"{at(control)}: a key never seen", request, retried(503))
    if "restart" in subject.profile.actions:
        yield Act("restart")
        for control in found:
            yield Probe(f"{at(control)}: after a start", control, retried(503))
        yield Issuer("up")
        # The next case begins with a receiver that has its keys.
        yield Act("restart")
    else:
        yield Blocked("after a start", "the receiver cannot be started again", "actions: {restart: {run: …}}")
        yield Issuer("up")
    for control in found:
        yield from _wait_if_told_to(f"{at(control)}: as soon as it is back", control, _NOT_LOST)
        yield Probe(f"{at(control)}: afterwards", control, accepted())
