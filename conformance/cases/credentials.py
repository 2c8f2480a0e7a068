"""What the cases of authentication are made of: a control for each scheme, and other credentials in its place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from conformance.requests.changes import Change, header
from conformance.requests.request import Request
from conformance.steps import Blocked, Case, NotApplicable
from conformance.subject import Subject
from conformance.verdict import Check, Level
from conformance.wire.answer import Answer

OPEN = "Whoever knows the address can put events into the ERP as if Tradecloud had sent them."
#: A secret that no receiver has.
WRONG = "TCCONF-wrong-8431"
SCHEMES = ("basic", "bearer", "oauth")
_HOOKS = {
    "basic": "basic: {username: …, password: {env: …}}",
    "bearer": "bearer: {token: {env: …}}",
    "oauth": "issuer: {listen: …, url: …}, which the receiver has been told to trust",
}


def missing(subject: Subject, *schemes: str) -> Case:
    """Tells of schemes that cannot be tried: not claimed anywhere, or without credentials."""
    claimed = {scheme for endpoint in subject.endpoints for scheme in subject.operation(endpoint).schemes}
    if not claimed & set(schemes):
        yield NotApplicable(" and ".join(schemes), "the profile does not claim it")
    for endpoint in subject.endpoints:
        for scheme in subject.operation(endpoint).schemes:
            if scheme in schemes and not subject.has(endpoint, scheme):
                yield Blocked(
                    f"{endpoint} {scheme}", f"the profile has no credentials for {scheme}", _HOOKS[scheme]
                )


def controls(subject: Subject, *schemes: str) -> Iterator[Request]:
    """For each endpoint and each of these schemes that it claims, a golden event that authenticates so."""
    for endpoint in subject.endpoints:
        for scheme in subject.operation(endpoint).schemes:
            if scheme in schemes and subject.has(endpoint, scheme):
                golden = subject.golden_at(endpoint, subject.forms(endpoint)[0])
                yield subject.with_scheme(golden, scheme)


def at(control: Request) -> str:
    """Where and how, for the name of a variant."""
    return f"{control.endpoint} {control.scheme}"


def utf8_challenge() -> Check:
    """The challenge for Basic says that user name and password are read as UTF-8 (RFC 7617, section 2.1)."""

    def complaint(answer: Answer) -> str | None:
        found = any(_CHARSET.search(value) for value in answer.values("www-authenticate"))
        return None if found else 'no challenge says charset="UTF-8"'

    return Check(
        "the challenge names UTF-8",
        Level.INFO,
        complaint,
        lambda answer: replace(answer, status=401).with_header(
            "www-authenticate", 'Basic realm="webhooks", charset="UTF-8"'
        ),
        lambda answer: replace(answer, status=401).with_header("www-authenticate", 'Basic realm="webhooks"'),
    )


_CHARSET = re.compile(r'\bbasic\b.*\bcharset\s*=\s*"?utf-8\b', re.IGNORECASE)


def no_credentials() -> Change:
    """The request without Authorization."""
    return header("Authorization", None, "no credentials")


def credentials(value: str, name: str) -> Change:
    """The request with another Authorization."""
    return header("Authorization", value, name)


def proof(control: Request) -> str:
    """The secret part of Authorization."""
    return control.header("Authorization")[0].partition(" ")[2]


def basic(subject: Subject, username: str, password: str) -> str:
    """A Basic value that is not the right one, and is not shown either."""
    subject.redactor.add(password, "changed password")
    return subject.basic(username, password, shown="changed credentials")


def pair(subject: Subject) -> tuple[str, str]:
    """The right user name and password."""
    if subject.profile.basic is None:
        raise LookupError("no basic credentials")
    return subject.basic_pair(subject.profile.basic)


def wrong(subject: Subject, control: Request) -> str:
    """An Authorization of the same scheme that nobody may accept."""
    if control.scheme == "basic":
        return basic(subject, pair(subject)[0], WRONG)
    return subject.bearer(WRONG, shown="wrong token")
