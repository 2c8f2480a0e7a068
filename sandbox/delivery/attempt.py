"""One attempt: a POST, and whatever comes of it."""

from __future__ import annotations

import http.client
import ssl
import time
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from urllib.parse import urlsplit

import requests


class NoAnswerError(Exception):
    """Nothing was answered; the message says what happened instead."""


class Cut(Enum):
    """When the connection breaks, so that the answer is lost and the platform has to repeat."""

    AFTER_REQUEST = auto()
    """As soon as the request is out: the receiver may not even have read it."""
    AT_ANSWER = auto()
    """With the first byte of the answer: the receiver has decided, and cannot know that nobody heard."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one attempt."""

    status: int | None
    """None if there was no answer."""
    said: str
    """Beginning of the answer's body, or why there is none."""
    seconds: float


class Transport:
    """The connections of one sending thread."""

    def __init__(self, ca_file: Path | None, timeout: float) -> None:
        self._ca_file = ca_file
        self._timeout = timeout
        self._session = requests.Session()
        self._session.trust_env = False  # neither proxies nor a .netrc
        self._session.verify = str(ca_file) if ca_file else True

    def close(self) -> None:
        """All of them."""
        self._session.close()

    def post(self, url: str, content: bytes, headers: dict[str, str], cut: Cut | None = None) -> Outcome:
        """Send it; a redirect is an answer like any other. With `cut` the answer is lost."""
        began = time.monotonic()
        try:
            if cut is not None:
                self._post_and_cut(url, content, headers, cut)
                return Outcome(None, "the connection was cut on purpose", time.monotonic() - began)
            response = self._session.post(
                url, data=content, headers=headers, timeout=self._timeout, allow_redirects=False
            )
        except requests.Timeout:
            return Outcome(None, "timed out", time.monotonic() - began)
        except (requests.RequestException, OSError, http.client.HTTPException) as error:
            return Outcome(None, _cause(error), time.monotonic() - began)
        return Outcome(response.status_code, response.text[:500], time.monotonic() - began)

    def _post_and_cut(self, url: str, content: bytes, headers: dict[str, str], cut: Cut) -> None:
        parts = urlsplit(url)
        connection: http.client.HTTPConnection
        if parts.scheme == "https":
            context = ssl.create_default_context(cafile=str(self._ca_file) if self._ca_file else None)
            connection = http.client.HTTPSConnection(parts.netloc, timeout=self._timeout, context=context)
        else:
            connection = http.client.HTTPConnection(parts.netloc, timeout=self._timeout)
        try:
            query = f"?{parts.query}" if parts.query else ""
            connection.request("POST", (parts.path or "/") + query, content, headers)
            if cut is Cut.AT_ANSWER and connection.sock is not None:
                connection.sock.recv(1)
        finally:
            connection.close()


_IN_WORDS: dict[type[BaseException], str] = {
    ConnectionRefusedError: "nobody listens",
    ConnectionResetError: "the connection was reset",
    BrokenPipeError: "the connection was closed",
    http.client.RemoteDisconnected: "closed without an answer",
}


def _cause(error: BaseException) -> str:
    """The innermost reason, in few words: it is counted."""
    while True:
        inner = (
            error.__cause__ or error.__context__ or next((a for a in error.args if isinstance(a, Exception)), None)
        )
        reason = getattr(error, "reason", None)
        inner = reason if isinstance(reason, BaseException) else inner
        if inner is None:
            break
        error = inner
    if isinstance(error, ssl.SSLError):
        return f"TLS failure: {error.reason or type(error).__name__}"
    return _IN_WORDS.get(type(error), type(error).__name__)
