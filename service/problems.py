"""The one table from what went wrong to what the sender is told.

Tradecloud marks an event as delivered after a 2xx, drops it for good after any 4xx and after 500, and repeats it
without end after 501 to 599. So a final answer is given only to the sender's own mistake, or when the body is
kept; every trouble of ours is a 503. The README shows this table; a test compares the two.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus

from starlette.types import Send

#: At most this many findings go into an answer and into the quarantine; the rest is counted.
MAX_FINDINGS = 1000


class Problem(Enum):
    """Every answer that is not 2xx: status, last part of its type URI, title."""

    MALFORMED_HTTP = (HTTPStatus.BAD_REQUEST, "malformed-http", "This is not HTTP/1.1")
    BODY_REFUSED = (HTTPStatus.BAD_REQUEST, "body-refused", "The body does not fit the contract")
    NOT_AUTHENTICATED = (
        HTTPStatus.UNAUTHORIZED,
        "not-authenticated",
        "Credentials are missing or not in force",
    )
    NOT_ALLOWED = (HTTPStatus.FORBIDDEN, "not-allowed", "These credentials are not allowed here")
    NOT_FOUND = (HTTPStatus.NOT_FOUND, "not-found", "No such path")
    WRONG_METHOD = (HTTPStatus.METHOD_NOT_ALLOWED, "wrong-method", "This path does not know that method")
    TOO_LARGE = (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too-large", "The body is too large")
    UNSUPPORTED_MEDIA_TYPE = (
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        "unsupported-media-type",
        "The media type, charset or content coding is not supported",
    )
    INTERNAL_FAULT = (HTTPStatus.INTERNAL_SERVER_ERROR, "internal-fault", "The service failed on this body")
    UNAVAILABLE = (HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", "The service cannot take events now")
    # Of inline processing, where the sender waits for the destination.
    EVENT_REFUSED = (HTTPStatus.BAD_REQUEST, "event-refused", "The destination refuses this event")
    ORDER_UNKNOWN = (HTTPStatus.NOT_FOUND, "order-unknown", "The destination does not know this order")
    HANDLER_FAULT = (HTTPStatus.INTERNAL_SERVER_ERROR, "handler-fault", "Processing this event failed")
    DESTINATION_UNAVAILABLE = (
        HTTPStatus.BAD_GATEWAY,
        "destination-unavailable",
        "The destination cannot be reached now",
    )
    DESTINATION_TIMED_OUT = (
        HTTPStatus.GATEWAY_TIMEOUT,
        "destination-timed-out",
        "The destination did not answer in time",
    )

    def __init__(self, status: HTTPStatus, slug: str, title: str) -> None:
        self.status = int(status)
        self.slug = slug
        self.title = title

    @property
    def type(self) -> str:
        """The problem's type (RFC 9457, section 3.1.1)."""
        return f"urn:tradecloud-webhooks:problem:{self.slug}"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with a body."""

    pointer: str
    """JSON pointer to the value; empty for the body as a whole."""
    reason: str


class BodyRefusedError(Exception):
    """The sender's mistake in an authenticated body: answered finally, and kept in quarantine."""

    problem = Problem.BODY_REFUSED

    def __init__(
        self, detail: str, findings: Sequence[Finding] = (), *, problem: Problem = Problem.BODY_REFUSED
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.findings = tuple(findings)
        self.problem = problem


class UnavailableError(Exception):
    """Trouble of our own that passes; nothing is kept, because the sender comes again.

    `public` may be told to the sender; `reason` is for the log.
    """

    def __init__(self, public: str, reason: str | None = None) -> None:
        super().__init__(reason or public)
        self.public = public


Headers = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back to the sender."""

    status: int
    body: bytes
    media_type: str = "application/problem+json"
    headers: Headers = ()

    def header_fields(self) -> list[tuple[bytes, bytes]]:
        """All header fields, in lower case."""
        return [
            (b"content-type", self.media_type.encode()),
            (b"content-length", str(len(self.body)).encode()),
            (b"cache-control", b"no-store"),
            *self.headers,
        ]

    async def send(self, send: Send) -> None:
        """Send it."""
        headers = self.header_fields()
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})


def queued(event_id: str, *, duplicate: bool) -> Answer:
    """202: the event is on disk."""
    body = {"status": "queued", "eventId": event_id, "duplicate": duplicate}
    return Answer(int(HTTPStatus.ACCEPTED), json.dumps(body).encode(), "application/json")


def processed(event_id: str, *, duplicate: bool) -> Answer:
    """200: the destination has taken the event."""
    body = {"status": "processed", "eventId": event_id, "duplicate": duplicate}
    return Answer(int(HTTPStatus.OK), json.dumps(body).encode(), "application/json")


def not_processed(problem: Problem, event_id: str, detail: str | None, retry_after: int) -> Answer:
    """400, 404, 500, 502 or 504: what the destination said of an event that is on disk. After the last two the
    sender comes again."""
    again = problem in (Problem.DESTINATION_UNAVAILABLE, Problem.DESTINATION_TIMED_OUT)
    headers: Headers = ((b"retry-after", str(retry_after).encode()),) if again else ()
    members: dict[str, object] = {"eventId": event_id}
    if detail:
        members["detail"] = detail
    return _answer(problem, headers, **members)


def refused(error: BodyRefusedError, quarantine_id: str, media_types: Iterable[str]) -> Answer:
    """400, 413 or 415: the body is in quarantine under this id."""
    members: dict[str, object] = {"detail": error.detail, "quarantineId": quarantine_id}
    if error.findings:
        shown = error.findings[:MAX_FINDINGS]
        members["errors"] = [{"pointer": found.pointer, "reason": found.reason} for found in shown]
        if len(error.findings) > len(shown):
            members["furtherErrors"] = len(error.findings) - len(shown)
    headers: Headers = ()
    if error.problem is Problem.UNSUPPORTED_MEDIA_TYPE:
        headers = ((b"accept", ", ".join(media_types).encode()), (b"accept-encoding", b"identity"))
    return _answer(error.problem, headers, **members)


def malformed_http() -> Answer:
    """400: the bytes are no request, so nobody knows who sent them or what to keep."""
    return _answer(Problem.MALFORMED_HTTP)


def internal_fault(quarantine_id: str) -> Answer:
    """500: our fault, but the body is in quarantine under this id."""
    detail = "The body is kept in quarantine; it can be released when the fault is mended."
    return _answer(Problem.INTERNAL_FAULT, detail=detail, quarantineId=quarantine_id)


def not_authenticated(challenges: Iterable[str]) -> Answer:
    """401, with a challenge for each scheme in force."""
    return _answer(Problem.NOT_AUTHENTICATED, _challenging(challenges))


def not_allowed(challenges: Iterable[str] = ()) -> Answer:
    """403, with a challenge where the scheme has one for it."""
    return _answer(Problem.NOT_ALLOWED, _challenging(challenges))


def not_found() -> Answer:
    """404."""
    return _answer(Problem.NOT_FOUND)


def wrong_method(allow: str) -> Answer:
    """405, with the methods that the path knows."""
    return _answer(Problem.WRONG_METHOD, ((b"allow", allow.encode()),))


def unavailable(public: str, retry_after: int) -> Answer:
    """503, with the seconds after which trying again makes sense."""
    return _answer(Problem.UNAVAILABLE, ((b"retry-after", str(retry_after).encode()),), detail=public)


def _challenging(challenges: Iterable[str]) -> Headers:
    return tuple((b"www-authenticate", challenge.encode()) for challenge in challenges)


def _answer(problem: Problem, headers: Headers = (), **members: object) -> Answer:
    body = {"type": problem.type, "title": problem.title, "status": problem.status, **members}
    return Answer(problem.status, json.dumps(body, ensure_ascii=False).encode("utf-8", "replace"), headers=headers)
