"""Sentences that an answer keeps beside its status; cases of several areas share them.

Each is a Check with a maker of a good and of a bad answer, so that the flip test can show that it bites.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from email.utils import parsedate_to_datetime
from typing import Any

from lxml import etree

from conformance.redaction import spellings
from conformance.verdict import Check, Level
from conformance.wire.answer import Answer

PROBLEM = "application/problem+json"
#: What the two contracts declare for bodies of answers.
DECLARED = ("application/json", PROBLEM, "application/xml", "application/problem+xml")


def _with_body(answer: Answer, body: bytes, media_type: str | None = None) -> Answer:
    changed = replace(answer, body=body, raw=answer.raw + body)
    return changed if media_type is None else changed.with_header("content-type", media_type)


def _with_status(answer: Answer, status: int) -> Answer:
    return replace(answer, status=status, failure="")


# Authentication.


def challenge(schemes: Iterable[str]) -> Check:
    """A 401 has a WWW-Authenticate with a scheme that is claimed there (`basic`, `bearer`, `oauth`)."""
    wanted = {"Basic" if scheme == "basic" else "Bearer" for scheme in schemes}
    in_words = " or ".join(sorted(wanted))

    def complaint(answer: Answer) -> str | None:
        if answer.status != 401:
            return None
        found = _challenges(answer)
        if not found:
            return "the 401 has no WWW-Authenticate"
        if not {one.lower() for one in wanted} & {one.lower() for one in found}:
            return f"WWW-Authenticate names {', '.join(found)}, and the profile claims {in_words}"
        return None

    return Check(
        f"a 401 challenges with {in_words}",
        Level.MUST,
        complaint,
        lambda answer: answer.with_header("www-authenticate", f'{min(wanted)} realm="webhooks"'),
        lambda answer: _with_status(answer, 401).with_header("www-authenticate", None),
    )


_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
#: RFC 9110, section 11.6.1: a scheme begins the field or follows a comma, and no "=" follows it.
_SCHEME = re.compile(r"(?:^|,)\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)(?=\s+[^=\s]|\s*,|\s*$)")


def _challenges(answer: Answer) -> list[str]:
    fields = (_QUOTED.sub('""', value) for value in answer.values("www-authenticate"))
    return [scheme for field in fields for scheme in _SCHEME.findall(field)]


def error_parameter(code: str) -> Check:
    """The challenge of a 401 says what is wrong with the token (RFC 6750, section 3.1)."""

    def complaint(answer: Answer) -> str | None:
        fields = ", ".join(answer.values("www-authenticate"))
        if answer.status != 401 or re.search(rf'\berror\s*=\s*"?{re.escape(code)}\b', fields):
            return None
        return f'the challenge has no error="{code}"'

    return Check(
        f'a 401 says error="{code}"',
        Level.SHOULD,
        complaint,
        lambda answer: answer.with_header("www-authenticate", f'Bearer realm="webhooks", error="{code}"'),
        lambda answer: _with_status(answer, 401).with_header("www-authenticate", 'Bearer realm="webhooks"'),
    )


# What must not be in an answer.


def never_shows(text: str, what: str, level: Level = Level.MUST) -> Check:
    """A text is nowhere in the answer, in none of the spellings in which it could come back.

    `what` says in a report what it was; the text itself may be a secret.
    """
    data = text.encode("utf-8", "surrogateescape")
    spelt = spellings(data)

    def complaint(answer: Answer) -> str | None:
        shown = b"\r\n".join([answer.raw, answer.body, *(value.encode("latin-1") for _, value in answer.headers)])
        return f"it shows {what}" if any(one in shown for one in spelt) else None

    def good(answer: Answer) -> Answer:
        return replace(answer, headers=(), body=b"", raw=b"") if complaint(answer) else answer

    return Check(
        f"{what} is not shown", level, complaint, good, lambda answer: _with_body(answer, b"you sent " + data)
    )


def no_header(name: str, why: str) -> Check:
    """A header field is not there, in an answer that is broken otherwise neither."""
    line = re.compile(rb"\n" + re.escape(name.encode()) + rb":", re.IGNORECASE)

    def complaint(answer: Answer) -> str | None:
        head = answer.raw.partition(b"\r\n\r\n")[0]
        return f"it has the field {name}: {why}" if answer.values(name) or line.search(head) else None

    return Check(
        f"no field {name}",
        Level.MUST,
        complaint,
        lambda answer: replace(answer, raw=b"").with_header(name, None) if complaint(answer) else answer,
        lambda answer: answer.with_header(name, "1"),
    )


def no_live_markup(markup: str) -> Check:
    """Markup that was sent does not come back where a browser would run it."""

    def complaint(answer: Answer) -> str | None:
        # Without a type a browser guesses; with another type it shows text.
        as_html = answer.media_type in ("text/html", "application/xhtml+xml", "")
        return "markup that was sent comes back as HTML" if as_html and markup.encode() in answer.body else None

    return Check(
        "markup that was sent does not come back as HTML",
        Level.SHOULD,
        complaint,
        lambda answer: replace(answer, body=b"") if complaint(answer) else answer,
        lambda answer: _with_body(answer, b"<p>" + markup.encode(), "text/html"),
    )


_INTERNALS = {
    "a stack trace": re.compile(
        r"Traceback \(most recent call last\)|^\s+at [\w.$<>]+\([^)\n]*\)|\bat [\w.`<>]+\([^)\n]*\) in \S+:line \d+"
        r"|\bFile \"[^\"\n]+\", line \d+|\bat [\w.<> ]+ \(\S+:\d+:\d+\)|goroutine \d+ \["
        r"|(?:Exception|Error): .+\n\s+at ",
        re.MULTILINE,
    ),
    "a path of its files": re.compile(
        r"(?<![\w/.:])/(?:home|usr|var|opt|srv|app|root|etc)/[\w.-]+/[\w./-]+"
        r"|\b[A-Za-z]:\\[\w .\\-]{3,}|\bsite-packages\b"
    ),
    "SQL": re.compile(
        r"\bSELECT\s.{1,200}\sFROM\b|\bINSERT\s+INTO\b|\bUPDATE\s+\w+\s+SET\b|\bDELETE\s+FROM\b|\bORA-\d{5}\b"
        r"|\bSQLSTATE\b|sqlite3\.\w*Error|SqlException",
        re.DOTALL,
    ),
    "the name of an exception": re.compile(
        r"\b(?:[a-z]\w*\.)*[A-Z]\w*Exception\b|\b(?:Type|Value|Key|Index|Attribute|Reference|NotImplemented)Error\b"
    ),
}
_VERSION = re.compile(r"/\d|\b\d+\.\d+")
_VERSION_FIELDS = ("server", "x-powered-by", "x-aspnet-version", "x-aspnetmvc-version", "x-generator", "via")


def no_internals() -> Check:
    """An error tells nothing about the receiver's inside: no traces, paths, SQL, names of exceptions, versions."""

    def complaint(answer: Answer) -> str | None:
        if answer.status is None or answer.status < 400:
            return None
        text = answer.body.decode("utf-8", "replace")
        for what, pattern in _INTERNALS.items():
            if (found := pattern.search(text)) is not None:
                return f"the error shows {what}: {found[0].strip()[:60]!r}"
        for name in _VERSION_FIELDS:
            value = answer.value(name)
            # Via begins with the version of HTTP by its grammar (RFC 9110, section 7.6.3).
            if value is not None and _VERSION.search(value.partition(" ")[2] if name == "via" else value):
                return f"{name} shows a version: {value[:60]!r}"
        return None

    def good(answer: Answer) -> Answer:
        if complaint(answer) is None:
            return answer
        kept = tuple(pair for pair in answer.headers if pair[0] not in _VERSION_FIELDS)
        return replace(answer, headers=kept, body=b"", raw=b"")

    return Check(
        "an error tells nothing about the inside",
        Level.SHOULD,
        complaint,
        good,
        lambda answer: _with_body(
            answer if (answer.status or 0) >= 400 else _with_status(answer, 400),
            b'Traceback (most recent call last):\n  File "/srv/app/hook.py", line 7\n',
        ),
    )


# The form of answers.


def allow_post() -> Check:
    """A 405 names POST in Allow (RFC 9110, section 15.5.6)."""

    def complaint(answer: Answer) -> str | None:
        if answer.status != 405:
            return None
        allowed = {name.strip() for value in answer.values("allow") for name in value.split(",")}
        if "POST" in allowed:
            return None
        return (
            f"Allow is {', '.join(sorted(allowed)) or 'empty'}"
            if answer.values("allow")
            else "the 405 has no Allow"
        )

    return Check(
        "a 405 has Allow: POST",
        Level.SHOULD,
        complaint,
        lambda answer: answer.with_header("allow", "POST"),
        lambda answer: _with_status(answer, 405).with_header("allow", None),
    )


def problem_details() -> Check:
    """An error is application/problem+json as RFC 9457 has it, with the status that it was sent with."""

    def complaint(answer: Answer) -> str | None:
        if answer.status is None or answer.status < 400:
            return None
        if answer.media_type != PROBLEM:
            return f"the error is {answer.media_type or 'without a media type'}, not {PROBLEM}"
        try:
            problem: Any = json.loads(answer.body)
        except (ValueError, RecursionError):
            return f"the {PROBLEM} is no JSON"
        return _wrong_member(problem, answer.status)

    def good(answer: Answer) -> Answer:
        if answer.status is None or answer.status < 400 or complaint(answer) is None:
            return answer
        text = json.dumps({"type": "about:blank", "title": "No", "status": answer.status})
        return _with_body(replace(answer, raw=b""), text.encode(), PROBLEM)

    def bad(answer: Answer) -> Answer:
        failed = answer if (answer.status or 0) >= 400 else _with_status(answer, 400)
        return _with_body(failed, b'{"title": "No", "status": 299}', PROBLEM)

    return Check(f"an error is {PROBLEM} with its own status", Level.SHOULD, complaint, good, bad)


def _wrong_member(problem: Any, status: int) -> str | None:
    if not isinstance(problem, dict):
        return f"the {PROBLEM} is no object"
    for name in ("type", "title", "detail", "instance"):
        if name in problem and not isinstance(problem[name], str):
            return f"the problem's {name} is no text"
    if "status" not in problem:
        return "the problem has no status"
    if problem["status"] != status or isinstance(problem["status"], bool):
        return f"the problem says status {problem['status']!r}"
    return None


def declared_media_type(declared: tuple[str, ...] = DECLARED) -> Check:
    """A body is of a declared media type, and really is that."""

    def complaint(answer: Answer) -> str | None:
        if not answer.body or answer.status is None:
            return None
        if answer.media_type not in declared:
            return f"the body is {answer.media_type or 'of no media type'}, which the contract does not declare"
        return None if _parses(answer) else f"the body is no {answer.media_type}"

    def good(answer: Answer) -> Answer:
        return replace(answer, body=b"", raw=b"") if complaint(answer) else answer

    return Check(
        "a body is of a declared media type",
        Level.SHOULD,
        complaint,
        good,
        lambda answer: _with_body(answer, b"<html><h1>Oh no</h1></html>", "text/html"),
    )


def _parses(answer: Answer) -> bool:
    kind = answer.media_type
    try:
        if kind.endswith(("/json", "+json")):
            json.loads(answer.body)
        elif kind.endswith(("/xml", "+xml")):
            etree.fromstring(answer.body, etree.XMLParser(resolve_entities=False, no_network=True))
    except (ValueError, RecursionError, etree.XMLSyntaxError):
        return False
    return True


def retry_after() -> Check:
    """A 503 says when to come again (RFC 9110, section 10.2.3): in seconds or as a date."""

    def complaint(answer: Answer) -> str | None:
        if answer.status != 503:
            return None
        value = answer.value("retry-after")
        if value is None:
            return "the 503 has no Retry-After"
        return None if _is_time(value) else f"Retry-After is {value[:40]!r}"

    return Check(
        "a 503 has Retry-After",
        Level.SHOULD,
        complaint,
        lambda answer: answer.with_header("retry-after", "5"),
        lambda answer: _with_status(answer, 503).with_header("retry-after", None),
    )


def _is_time(value: str) -> bool:
    if re.fullmatch(r"[0-9]+", value.strip()):
        return True
    try:
        parsedate_to_datetime(value)
    except ValueError:
        return False
    return True


#: For whoever wants to try them all.
ALL: tuple[Callable[[], Check], ...] = (
    lambda: challenge(("basic",)),
    lambda: error_parameter("invalid_token"),
    lambda: never_shows("a-secret", "the secret"),
    lambda: no_header("x-tcconf-injected", "a value was taken for a field"),
    lambda: no_live_markup("<b>"),
    no_internals,
    allow_post,
    problem_details,
    declared_media_type,
    retry_after,
)
