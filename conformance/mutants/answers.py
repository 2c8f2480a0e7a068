"""What the receiver answers: an HTTP answer as a value, and problem details (RFC 9457) for every error."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, replace
from http import HTTPStatus

PROBLEM = "application/problem+json"

# Why a request was refused; benign variants answer another code per reason.
MALFORMED = "malformed"
INVALID = "invalid"
MEDIA = "media"
SIZE = "size"


#: What belongs to a status by its definition (RFC 9110, sections 12.5.1 and 12.5.3).
_EXPECTED_WITH: dict[int, tuple[tuple[str, str], ...]] = {
    415: (("Accept", "application/json, application/xml"), ("Accept-Encoding", "identity")),
}


@dataclass(frozen=True)
class Answer:
    """One final answer. `close` ends the connection after it, `reason` says why a body was refused."""

    status: int
    body: bytes = b""
    media_type: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    close: bool = False
    reason: str = ""

    def with_header(self, name: str, value: str) -> Answer:
        """The same answer with one header more."""
        return replace(self, headers=(*self.headers, (name, value)))

    def without_header(self, name: str) -> Answer:
        """The same answer without this header."""
        return replace(self, headers=tuple(pair for pair in self.headers if pair[0].lower() != name.lower()))


class CutError(Exception):
    """The connection ends without an answer; only faults do this."""


class RefusedError(Exception):
    """A request that is refused; carries the answer."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


def queued(*, duplicate: bool = False) -> Answer:
    """The event is on disk."""
    body = json.dumps({"status": "queued", "eventId": str(uuid.uuid4()), "duplicate": duplicate}).encode()
    return Answer(202, body, "application/json")


def problem(
    status: int, detail: str, *, headers: tuple[tuple[str, str], ...] = (), reason: str = "", close: bool = False
) -> Answer:
    """An error with problem details whose `status` is the status of the answer."""
    members = {"type": "about:blank", "title": phrase(status), "status": status, "detail": detail}
    return Answer(
        status, json.dumps(members).encode(), PROBLEM, (*headers, *_EXPECTED_WITH.get(status, ())), close, reason
    )


def refused(status: int, detail: str, *, reason: str = "", close: bool = False) -> RefusedError:
    """The same as an exception, for the places that cannot go on."""
    return RefusedError(problem(status, detail, reason=reason, close=close))


def phrase(status: int) -> str:
    """The reason phrase of a status code."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


def head_bytes(answer: Answer, *, close: bool, lower_case: bool = False) -> bytes:
    """Status line and header block. Values are written as they are: whoever reflects a value has the fault."""
    headers = list(answer.headers)
    if answer.media_type is not None:
        headers.append(("Content-Type", answer.media_type))
    if answer.status != 204 and answer.status >= 200:
        headers.append(("Content-Length", str(len(answer.body))))
    if close:
        headers.append(("Connection", "close"))
    lines = [f"HTTP/1.1 {answer.status} {phrase(answer.status)}"]
    lines += [f"{name.lower() if lower_case else name}: {value}" for name, value in headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogatepass")
