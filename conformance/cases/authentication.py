"""AUTH: nobody gets in without the right credentials, and everybody with them does; for OAuth see `tokens`."""

from __future__ import annotations

import base64
from collections.abc import Iterator

from conformance.cases.credentials import (
    OPEN,
    SCHEMES,
    WRONG,
    at,
    basic,
    controls,
    credentials,
    missing,
    no_credentials,
    pair,
    proof,
    utf8_challenge,
    wrong,
)
from conformance.catalogue import case
from conformance.checks import challenge, error_parameter, never_shows
from conformance.oracle import ANY, Consequence
from conformance.requests.changes import both, header, headers, method, target, whole_body
from conformance.requests.request import Request
from conformance.steps import Blocked, Case, Control, NotApplicable, Probe, Twin, answer_of
from conformance.subject import Subject
from conformance.verdict import Check, Expect, Level, accepted, delivered_at_best, not_delivered, refused

_DROPPED = "Tradecloud gets a 4xx for a good event and drops it for good."
_D, _R = Consequence.DELIVERED, Consequence.REFUSED


@case(
    "AUTH-01",
    "Without credentials nothing is delivered",
    level=Level.MUST,
    wave=1,
    requirements=("R-AUT-1", "R-RSP-6"),
    consequence=OPEN,
    fix="Refuse a request without Authorization with 401, before anything else is done with it.",
    hints={
        "dotnet": "Put [Authorize] (or RequireAuthorization()) on the endpoint, and UseAuthentication() before it.",
        "iis": "Switch anonymous authentication off for the application.",
        "nginx": "A location with an `auth_basic` of its own does not inherit the outer one: try the location.",
        "node": "Mount the authentication before the router, not inside one route.",
        "sap": "In SICF the node must not carry a stored user (logon data).",
    },
)
def without_credentials(subject: Subject) -> Case:
    for control in controls(subject, *SCHEMES):
        yield Twin(at(control), control, no_credentials(), refused(401))
    yield from missing(subject, *SCHEMES)


@case(
    "AUTH-02",
    "Every 401 says how to authenticate",
    level=Level.MUST,
    wave=1,
    requirements=("RFC 9110 11.6.1",),
    consequence="Clients cannot tell which credentials are wanted; some give up without trying theirs.",
    fix='Send `WWW-Authenticate: Basic realm="…"` or `Bearer realm="…"` with each 401.',
    hints={
        "dotnet": "Return Challenge() instead of StatusCode(401): it writes the field.",
        "node": "res.set('WWW-Authenticate', 'Basic realm=\"webhooks\"') in the one place that answers 401.",
    },
)
def challenged(subject: Subject) -> Case:
    for control in controls(subject, *SCHEMES):
        expect = Expect(must=ANY - {_D}, checks=(challenge(subject.operation(control.endpoint).schemes),))
        yield Twin(f"{at(control)}: none", control, no_credentials(), expect)
        change = credentials(wrong(subject, control), "wrong credentials")
        yield Twin(f"{at(control)}: wrong", control, change, expect)
        yield Twin(f"{at(control)}: undecodable", control, credentials("Basic %%%=", "undecodable"), expect)
        yield Twin(f"{at(control)}: unknown scheme", control, credentials("Unknown x", "unknown scheme"), expect)
    yield from missing(subject, *SCHEMES)


@case(
    "AUTH-03",
    "The right user with a wrong password is refused",
    level=Level.MUST,
    wave=1,
    requirements=("R-AUT-1",),
    consequence=OPEN,
    fix="Compare the password too; answer 401.",
)
def wrong_password(subject: Subject) -> Case:
    for control in controls(subject, "basic"):
        user, _ = pair(subject)
        for name, password in (("wrong", WRONG), ("empty", "")):
            change = credentials(basic(subject, user, password), f"{name} password")
            yield Twin(f"{at(control)}: {name}", control, change, refused(401))
    yield from missing(subject, "basic")


@case(
    "AUTH-04",
    "A wrong user with the right password is refused",
    level=Level.MUST,
    wave=1,
    requirements=("R-AUT-1",),
    consequence=OPEN,
    fix="Compare the user name too; answer 401.",
)
def wrong_user(subject: Subject) -> Case:
    for control in controls(subject, "basic"):
        user, password = pair(subject)
        for name, other in (("other", f"{user}-tcconf"), ("empty", "")):
            change = credentials(basic(subject, other, password), f"{name} user name")
            yield Twin(f"{at(control)}: {name}", control, change, refused(401))
    yield from missing(subject, "basic")


@case(
    "AUTH-05",
    "A secret that is almost right is refused",
    level=Level.MUST,
    wave=1,
    requirements=("R-AUT-1",),
    consequence="The secret is easier to guess than it looks; in the worst case its first letters are enough.",
    fix="Compare the whole secret, byte by byte, in constant time.",
    hints={
        "dotnet": "CryptographicOperations.FixedTimeEquals over the UTF-8 bytes.",
        "node": "crypto.timingSafeEqual over hashes of both; not startsWith, not a comparison in lower case.",
        "sap": "Compare with type STRING: type C pads with blanks and ignores them at the end.",
    },
)
def almost_right(subject: Subject) -> Case:
    for control in controls(subject, "basic", "bearer"):
        user, secret = pair(subject) if control.scheme == "basic" else ("", proof(control))
        for name, near in _near_misses(secret):
            if control.scheme == "basic":
                value = basic(subject, user, near)
            else:
                value = subject.bearer(near, shown="changed token")
            yield Twin(f"{at(control)}: {name}", control, credentials(value, name), refused(401))
    yield from missing(subject, "basic", "bearer")


def _near_misses(secret: str) -> Iterator[tuple[str, str]]:
    middle = len(secret) // 2
    yield "cut by one", secret[:-1]
    yield "longer by one", secret + "x"
    yield "first character differs", _another(secret[0]) + secret[1:]
    yield "middle character differs", secret[:middle] + _another(secret[middle]) + secret[middle + 1 :]
    yield "last character differs", secret[:-1] + _another(secret[-1])
    if secret.swapcase() != secret:
        yield "other case", secret.swapcase()


def _another(character: str) -> str:
    # Neither the same letter nor the same in the other case.
    return "b" if character.lower() != "b" else "c"


@case(
    "AUTH-06",
    "The name of the scheme may be written in any case",
    level=Level.MUST,
    wave=1,
    requirements=("RFC 9110 11.1", "RFC 7617 2"),
    consequence=_DROPPED,
    fix="Compare the scheme without regard to case, and the credentials behind it with regard to it.",
    hints={
        "dotnet": 'header.StartsWith("Basic ", StringComparison.OrdinalIgnoreCase)',
        "node": "/^basic /i.test(header)",
    },
)
def scheme_in_other_case(subject: Subject) -> Case:
    for control in controls(subject, *SCHEMES):
        word, _, secret = control.header("Authorization")[0].partition(" ")
        for other in (word.lower(), word.upper(), word.swapcase()):
            change = credentials(f"{other} {secret}", f"the scheme is written {other}")
            yield Twin(f"{at(control)}: {other}", control, change, accepted())
    yield from missing(subject, *SCHEMES)


@case(
    "AUTH-07",
    "A password with colons is accepted",
    level=Level.MUST,
    wave=1,
    requirements=("RFC 7617 2",),
    consequence=_DROPPED,
    fix="Split user name and password at the first colon only.",
    hints={
        "dotnet": "pair.Split(':', 2)",
        "node": "const at = pair.indexOf(':')",
    },
)
def colon(subject: Subject) -> Case:
    yield from missing(subject, "basic")
    for control in controls(subject, "basic"):
        yield from _password_with(subject, control, ":" in _password(subject), "a colon", accepted())


@case(
    "AUTH-08",
    "A password with letters beyond ASCII is accepted in UTF-8",
    level=Level.SHOULD,
    wave=2,
    requirements=("RFC 7617 2.1",),
    consequence=_DROPPED,
    fix='Decode user name and password as UTF-8, and say so: `WWW-Authenticate: Basic realm="…", charset="UTF-8"`.',
    hints={
        "dotnet": "Encoding.UTF8.GetString(…), not Encoding.ASCII and not Latin-1.",
        "node": "Buffer.from(value, 'base64').toString('utf8')",
    },
)
def beyond_ascii(subject: Subject) -> Case:
    yield from missing(subject, "basic")
    for control in controls(subject, "basic"):
        variant = f"{at(control)}: the challenge names UTF-8"
        answer = yield from answer_of(Probe(variant, no_credentials().apply(control), _NAMES_UTF8))
        if _UTF8.complaint(answer) is None:
            has = not _password(subject).isascii()
            yield from _password_with(subject, control, has, "a letter beyond ASCII", delivered_at_best())
        else:
            yield NotApplicable(at(control), "the receiver does not say that it reads credentials as UTF-8")


#: RFC 7617 leaves the encoding to a receiver that does not name one.
_UTF8 = utf8_challenge()
_NAMES_UTF8 = Expect(checks=(_UTF8,))


def _password(subject: Subject) -> str:
    return "" if subject.profile.basic is None else pair(subject)[1]


def _password_with(subject: Subject, control: Request, has: bool, what: str, expect: Expect) -> Case:
    if not has:
        yield Blocked(at(control), f"the password has not {what}", f"give the receiver a password with {what}")
        return
    # Another scheme, where there is one, shows that the receiver works: then it is the password.
    for scheme in ("bearer", "oauth"):
        if subject.has(control.endpoint, scheme):
            yield Control(subject.with_scheme(control, scheme))
            break
    yield Probe(at(control), control, expect)


@case(
    "AUTH-09",
    "Credentials that cannot be decoded are refused",
    level=Level.MUST,
    wave=1,
    requirements=("R-RSP-2", "RFC 7617 2"),
    consequence="Anybody can make the receiver crash; after a 503 Tradecloud repeats without end.",
    fix="Catch every failure of the decoding and answer 401.",
    hints={
        "dotnet": "Convert.FromBase64String throws FormatException; Split(':')[1] throws IndexOutOfRangeException.",
        "node": "Buffer.from(…, 'base64') never fails: check the result, and that it has a colon.",
    },
)
def undecodable(subject: Subject) -> Case:
    for control in controls(subject, *SCHEMES):
        shapes = _undecodable_basic(subject) if control.scheme == "basic" else _undecodable_bearer()
        for name, value in shapes:
            yield Twin(f"{at(control)}: {name}", control, credentials(value, name), refused(401))
    yield from missing(subject, *SCHEMES)


def _undecodable_basic(subject: Subject) -> Iterator[tuple[str, str]]:
    user, _ = pair(subject)
    yield "bad alphabet", "Basic %%%="
    yield "bad padding", "Basic dGNjb25mOndyb25n="
    yield "one character", "Basic A"
    yield "invalid UTF-8", "Basic " + base64.b64encode(b"\xff\xfe\xc3\x28:\xc3\x28").decode()
    yield "no colon", subject.basic_of(user.encode(), shown="user name")
    yield "empty", "Basic "


def _undecodable_bearer() -> Iterator[tuple[str, str]]:
    yield "bad alphabet", "Bearer %%%="
    yield "bytes beyond ASCII", "Bearer \udcff\udcfe"
    yield "one character", "Bearer A"
    yield "three parts that are no JSON", "Bearer YQ.YQ.YQ"
    yield "three parts of brackets", "Bearer W10.W10.W10"
    yield "empty", "Bearer "


@case(
    "AUTH-10",
    "Another scheme is refused, even with the right secret",
    level=Level.MUST,
    wave=1,
    requirements=("R-AUT-1",),
    consequence=OPEN,
    fix="Answer 401 to every scheme that is not the agreed one.",
)
def other_scheme(subject: Subject) -> Case:
    for control in controls(subject, *SCHEMES):
        mine = "Basic" if control.scheme == "basic" else "Bearer"
        other = "Bearer" if control.scheme == "basic" else "Basic"
        secret = proof(control)
        shapes = (
            ("the secret under the other scheme", f"{other} {secret}"),
            ("the secret under Negotiate", f"Negotiate {secret}"),
            ("Digest", 'Digest username="tcconf", realm="x", nonce="x", uri="/", response="00"'),
            ("the scheme only", mine),
            ("the other scheme only", other),
            ("the secret only", secret),
            ("an empty field", ""),
        )
        for name, value in shapes:
            yield Twin(f"{at(control)}: {name}", control, credentials(value, name), refused(401))
    yield from missing(subject, *SCHEMES)


@case(
    "AUTH-11",
    "A wrong token is called an invalid token",
    level=Level.SHOULD,
    wave=1,
    requirements=("RFC 6750 3.1",),
    consequence="Whoever looks for the cause cannot tell a wrong token from a missing one.",
    fix='Send `WWW-Authenticate: Bearer realm="…", error="invalid_token"` when a token came and was wrong.',
)
def invalid_token(subject: Subject) -> Case:
    for control in controls(subject, "bearer", "oauth"):
        expect = Expect(
            must=ANY - {_D}, should=frozenset({_R}), codes=(401,), checks=(error_parameter("invalid_token"),)
        )
        change = credentials(wrong(subject, control), "wrong token")
        yield Twin(at(control), control, change, expect)
    yield from missing(subject, "bearer", "oauth")


@case(
    "AUTH-12",
    "A token counts in the Authorization field only",
    level=Level.SHOULD,
    wave=1,
    requirements=("RFC 6750 2.3", "RFC 6750 5.3"),
    consequence="Addresses with the token in them end in logs and histories, and open the door from there.",
    fix="Read the token from Authorization and from nowhere else.",
)
def token_elsewhere(subject: Subject) -> Case:
    expect = Expect(must=ANY, should=ANY - {_D})
    for control in controls(subject, "bearer", "oauth"):
        token = proof(control)
        path = subject.operation(control.endpoint).path
        query = both(
            "the token in the query", no_credentials(), target(f"{path}?access_token={token}", "token in the query")
        )
        yield Twin(f"{at(control)}: query", control, query, expect)
        form = both(
            "the token in a form body",
            both("form", no_credentials(), header("Content-Type", "application/x-www-form-urlencoded")),
            whole_body("form", f"access_token={token}"),
        )
        yield Twin(f"{at(control)}: form", control, form, expect)
    yield from missing(subject, "bearer", "oauth")


@case(
    "AUTH-13",
    "Two Authorization fields do not get in",
    level=Level.MUST,
    wave=1,
    requirements=("RFC 9110 5.3",),
    consequence="A proxy in front may have looked at the other of the two: what it let through was not checked.",
    fix="Refuse a request with more than one Authorization field.",
    hints={"dotnet": "Request.Headers.Authorization.Count must be 1.", "node": "Count them in req.rawHeaders."},
)
def two_fields(subject: Subject) -> Case:
    for control in controls(subject, *SCHEMES):
        good, bad = control.header("Authorization")[0], wrong(subject, control)
        for name, values in (("good, then bad", (good, bad)), ("bad, then good", (bad, good))):
            change = headers("Authorization", values, name)
            yield Twin(f"{at(control)}: {name}", control, change, not_delivered(401, 400))
    yield from missing(subject, *SCHEMES)


@case(
    "AUTH-20",
    "Who is calling is decided before the body is looked at",
    level=Level.SHOULD,
    wave=1,
    requirements=("P-1",),
    consequence="Strangers can occupy the parser, and learn from its answers how the receiver works.",
    fix="Authenticate from the head alone, and answer 401 before reading the body.",
    hints={
        "dotnet": "Authentication middleware before model binding; [ApiController] alone validates first.",
        "node": "The authentication before express.json().",
        "iis": "The limit of the request filter answers 404.13 before anybody authenticates; leave it above yours.",
    },
)
def authentication_first(subject: Subject) -> Case:
    expect = Expect(must=ANY - {_D}, should=frozenset({_R}), codes=(401,))
    limit = subject.profile.max_body_bytes
    size = min(limit + 1, _HUGE) if limit is not None else _HUGE
    bodies = (
        ("malformed body", whole_body("malformed", b'{"eventName": ')),
        ("huge body", whole_body(f"{size} bytes", b'{"x":"' + b"a" * (size - 8) + b'"}')),
        ("body of a wrong type", whole_body("a number", b"17")),
        ("unknown media type", header("Content-Type", "image/png")),
        ("empty body", whole_body("empty", b"")),
    )
    for control in controls(subject, *SCHEMES):
        for name, change in bodies:
            shown = f"no credentials and {name}"
            yield Twin(f"{at(control)}: {name}", control, both(shown, no_credentials(), change), expect)
    yield from missing(subject, *SCHEMES)


#: More than most receivers take, and sent only as far as the receiver reads.
_HUGE = 20_000_000


@case(
    "AUTH-22",
    "Credentials are never shown in an answer",
    level=Level.MUST,
    wave=1,
    requirements=("RFC 9110 17.16.1",),
    consequence="The secret ends in Tradecloud's logs, in support tickets and on screens.",
    fix="Never put Authorization, or what was decoded from it, into an answer.",
    hints={"dotnet": "No UseDeveloperExceptionPage() outside development.", "nginx": "Refuse TRACE."},
)
def never_shown(subject: Subject) -> Case:
    for control in controls(subject, *SCHEMES):
        mine = _shown_nowhere(subject, control)
        yield Probe(f"{at(control)}: accepted", control, Expect(checks=mine))
        bad = wrong(subject, control)
        theirs = (never_shows(WRONG, "the wrong secret"), never_shows(bad.partition(" ")[2], "the credentials"))
        yield Twin(f"{at(control)}: wrong", control, credentials(bad, "wrong credentials"), Expect(checks=theirs))
        mark = "tcconf%mark-5512"
        odd = f"Basic {mark}" if control.scheme == "basic" else f"Bearer {mark}"
        marked = Expect(checks=(never_shows(mark, "the credentials"),))
        yield Twin(f"{at(control)}: undecodable", control, credentials(odd, "undecodable credentials"), marked)
        path = subject.operation(control.endpoint).path
        errors = (
            ("malformed body", whole_body("a body that is broken", b'{"eventName": ')),
            ("another path", target(f"{path}/tcconf-nowhere")),
            ("GET", method("GET")),
            ("TRACE", method("TRACE")),
        )
        for name, change in errors:
            yield Twin(f"{at(control)}: {name}", control, change, Expect(checks=mine))
    yield from missing(subject, *SCHEMES)


def _shown_nowhere(subject: Subject, control: Request) -> tuple[Check, ...]:
    found = [never_shows(proof(control), "the credentials")]
    if control.scheme == "basic":
        found.append(never_shows(pair(subject)[1], "the password"))
    return tuple(found)
