"""Access tokens by client credentials (RFC 6749, section 4.4): fetched once, kept, renewed before they end."""

from __future__ import annotations

import json
import re
import threading
import time
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import quote_plus, urlencode

from handlers.erp.exchange import Answer, Deadline, HttpClient, TooSlowError, UnreachableError

#: Of a token whose end is not told, in seconds.
_ASSUMED_LIFE = 300.0
#: A token is renewed so long before its end, in seconds: it must not end on the way.
_MARGIN = 60.0


class NoTokenError(Exception):
    """No token can be had now; the text says why."""


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """What a token is got for."""

    token_url: str
    client_id: str
    client_secret: str = field(repr=False)
    extra: tuple[tuple[str, str], ...] = ()
    """Further members of the request: scope, resource, audience."""
    in_header: bool = False
    """Whether id and secret are sent as Basic credentials instead of in the body; servers differ."""


class TokenSource:
    """The token in force, for all threads."""

    def __init__(
        self, credentials: ClientCredentials, client: HttpClient, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._credentials = credentials
        self._client = client
        self._now = now
        self._lock = threading.Lock()
        self._token: str | None = None
        self._renew_at = 0.0

    def token(self, deadline: Deadline) -> str:
        """A token that is good for now.

        Raises:
            NoTokenError: the token server cannot be reached, refuses, or takes too long.
        """
        # One thread asks, the others wait for its answer.
        if not self._lock.acquire(timeout=deadline.left):
            raise NoTokenError("no access token: the token server does not answer in time")
        try:
            if self._token is None or self._now() >= self._renew_at:
                self._token, life = self._fetch(deadline)
                self._renew_at = self._now() + life - min(_MARGIN, life / 4)
            return self._token
        finally:
            self._lock.release()

    def forget(self, token: str) -> None:
        """The token was refused; the next one is a new one, unless another thread has got that already."""
        with self._lock:
            if self._token == token:
                self._token = None

    def _fetch(self, deadline: Deadline) -> tuple[str, float]:
        credentials = self._credentials
        form = [("grant_type", "client_credentials"), *credentials.extra]
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        if credentials.in_header:
            # RFC 6749, section 2.3.1: both are form-encoded first.
            pair = f"{quote_plus(credentials.client_id)}:{quote_plus(credentials.client_secret)}"
            headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
        else:
            form += [("client_id", credentials.client_id), ("client_secret", credentials.client_secret)]
        try:
            answer = self._client.send("POST", credentials.token_url, headers, urlencode(form).encode(), deadline)
        except (UnreachableError, TooSlowError) as error:
            raise NoTokenError(f"no access token: {error}") from None
        return _read(answer)


def _read(answer: Answer) -> tuple[str, float]:
    try:
        document = json.loads(answer.body)
    except ValueError:
        document = None
    members = document if isinstance(document, dict) else {}
    if not 200 <= answer.status < 300:
        # RFC 6749, section 5.2: one word of a small alphabet; anything else may hold what is not for logs.
        word = members.get("error")
        known = f" ({word})" if isinstance(word, str) and re.fullmatch(r"[a-z_]{1,40}", word) else ""
        raise NoTokenError(f"no access token: the token server answers {answer.status}{known}")
    token = members.get("access_token")
    kind = members.get("token_type", "Bearer")
    if not isinstance(token, str) or not re.fullmatch(r"[\x21-\x7e]+", token):
        raise NoTokenError("no access token: the answer of the token server has none")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise NoTokenError("no access token: the token server has no bearer tokens")
    # Some servers write the number as a text.
    told = str(members.get("expires_in", ""))
    life = float(told) if re.fullmatch(r"\d{1,9}(\.\d+)?", told) else _ASSUMED_LIFE
    return token, life
