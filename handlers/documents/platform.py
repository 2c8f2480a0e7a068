"""The platform's API as far as documents need it: log in, and ask for the link to an object.

Source: behaviour.md, section 8. A `Pace` says when a call may be made. User name, password and tokens go to the
configured address only: a redirect is not followed.
"""

from __future__ import annotations

import json
import threading
import time
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

import jwt

from handlers.documents.pace import NoTurnError, Pace
from handlers.erp.exchange import Answer, Deadline, HttpClient, TooSlowError, UnreachableError
from handlers.erp.http import retry_after

#: A token is renewed so many seconds before it ends.
RENEW_BEFORE = 60.0
_TEMPORARY = {401, 408, 425, 429}


class PlatformUnavailableError(Exception):
    """It gives nothing to us now; says nothing about the document."""

    def __init__(self, text: str, seconds: float | None = None) -> None:
        super().__init__(text)
        self.retry_after = seconds


class PlatformRefusesError(Exception):
    """It does not give out this document. That may heal: a virus scan, a right that is granted."""


@dataclass(frozen=True, slots=True)
class Link:
    """Where an object's content is for about a minute, and what the platform says of it."""

    url: str = field(repr=False)
    """Presigned: whoever has it gets the content."""
    filename: str | None
    media_type: str


@dataclass(slots=True)
class _Login:
    access: str
    refresh: str | None
    until: float | None
    """Seconds since the epoch; None where the token does not say."""


class Platform:
    """Asks for links; one object for all threads."""

    def __init__(self, base: str, username: str, password: str, client: HttpClient, pace: Pace) -> None:
        self.base = base.rstrip("/")
        self._basic = "Basic " + b64encode(f"{username}:{password}".encode()).decode()
        self._client = client
        self._pace = pace
        self._lock = threading.Lock()
        self._login: _Login | None = None

    def link(self, object_id: str, deadline: Deadline) -> Link:
        """A new link to the content of an object.

        Raises:
            PlatformUnavailableError, PlatformRefusesError: see there.
        """
        if object_id in (".", ".."):
            raise PlatformRefusesError("its objectId is a step in a path")
        path = f"/object-storage/document/{quote(object_id, safe='', errors='replace')}/metadata"
        if not self._lock.acquire(timeout=deadline.left):
            raise PlatformUnavailableError("no time was left for a call to the platform: other calls took it")
        try:
            answer = self._ask(path, {"Authorization": f"Bearer {self._token(deadline)}"}, deadline)
            if answer.status == 401:
                assert self._login is not None  # noqa: S101 - its token was just used
                self._login.until = 0.0
                answer = self._ask(path, {"Authorization": f"Bearer {self._token(deadline)}"}, deadline)
        finally:
            self._lock.release()
        if answer.status == 200:
            return _read_link(answer)
        self._raise_if_unavailable(answer, "the platform")
        raise PlatformRefusesError(f"the platform answers {answer.status} for its objectId")

    def _token(self, deadline: Deadline) -> str:
        """An access token in force: the one at hand, else by refresh, else by login."""
        login = self._login
        if login is not None and (login.until is None or time.time() < login.until - RENEW_BEFORE):
            return login.access
        if login is not None and login.refresh is not None:
            # It is used up by this, whatever comes of it.
            refresh, login.refresh = login.refresh, None
            answer = self._ask("/authentication/refresh", {"Refresh-Token": refresh}, deadline)
            self._login = _read_login(answer)
            if self._login is not None:
                return self._login.access
        answer = self._ask("/authentication/login", {"Authorization": self._basic}, deadline)
        self._login = _read_login(answer)
        if self._login is not None:
            return self._login.access
        if answer.status == 401:
            raise PlatformUnavailableError(
                "the platform refuses documents.username and its password (401); set the right ones"
            )
        self._raise_if_unavailable(answer, "the platform's login")
        raise PlatformUnavailableError(f"the platform's login answers {answer.status} without a token")

    def _ask(self, path: str, headers: Mapping[str, str], deadline: Deadline) -> Answer:
        try:
            with self._pace.turn(deadline):
                return self._client.send("GET", self.base + path, headers, None, deadline)
        except (NoTurnError, UnreachableError, TooSlowError) as error:
            raise PlatformUnavailableError(str(error)) from None

    def _raise_if_unavailable(self, answer: Answer, who: str) -> None:
        if 300 <= answer.status < 400:
            raise PlatformUnavailableError(f"{who} redirects ({answer.status}): correct documents.url")
        if answer.status >= 500 or answer.status in _TEMPORARY:
            raise PlatformUnavailableError(f"{who} answers {answer.status}", retry_after(answer.headers))


def _read_login(answer: Answer) -> _Login | None:
    if answer.status != 200:
        return None
    access = answer.headers.get("Set-Authorization", "").removeprefix("Bearer ").strip()
    if not access:
        return None
    return _Login(access, answer.headers.get("Set-Refresh-Token", "").strip() or None, _end_of(access))


def _end_of(token: str) -> float | None:
    """`exp` of a JWT. It is not ours to verify: the platform that gave it checks it."""
    try:
        end = jwt.decode(token, options={"verify_signature": False, "verify_exp": False}).get("exp")
    except jwt.InvalidTokenError:
        return None
    return float(end) if isinstance(end, int | float) else None


def _read_link(answer: Answer) -> Link:
    if not answer.complete:
        raise PlatformUnavailableError("the platform's answer for its objectId breaks off")
    try:
        metadata = json.loads(answer.body)
    except (ValueError, RecursionError):
        # A page of whoever is between us and it, or of its maintenance.
        raise PlatformUnavailableError("the platform's answer for its objectId is no JSON") from None
    found = metadata if isinstance(metadata, dict) else {}
    url, filename, media_type = (found.get(name) for name in ("downloadUrl", "filename", "contentType"))
    if not isinstance(url, str) or not url:
        raise PlatformRefusesError("the platform gives no downloadUrl for its objectId")
    return Link(
        url,
        filename if isinstance(filename, str) and filename else None,
        media_type if isinstance(media_type, str) else "",
    )
