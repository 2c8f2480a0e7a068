"""Login, refresh and logout: who may call the API (behaviour.md, section 8)."""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

import jwt

USERNAME = "integration"
#: Of the sandbox only, and in this file for everybody to read: it opens nothing else.
PASSWORD = "sandbox-password"  # noqa: S105


@dataclass(frozen=True, slots=True)
class Pair:
    """What a login or a refresh gives."""

    access: str
    refresh: str


class Logins:
    """Users, and the tokens that are alive; used by several threads."""

    def __init__(
        self, users: Mapping[str, str], *, access_seconds: float = 3600.0, refresh_seconds: float = 86400.0
    ) -> None:
        self.access_seconds = access_seconds
        self._refresh_seconds = refresh_seconds
        self._users = dict(users)
        self._lock = threading.Lock()
        self._secret = secrets.token_bytes(32)
        self._refreshable: dict[str, tuple[str, float]] = {}
        """User and end of life (Unix epoch) of each refresh token."""

    def user_by_basic(self, authorization: str) -> str | None:
        """The user of an Authorization header with user name and password; None if they are wrong."""
        scheme, _, credentials = authorization.partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            name, _, password = base64.b64decode(credentials, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        known = self._users.get(name)
        good = known is not None and hmac.compare_digest(known.encode(), password.encode())
        return name if good else None

    def user_by_token(self, authorization: str) -> str | None:
        """The user of an Authorization header with an access token; None if it is wrong or has expired."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            return None
        with self._lock:
            secret = self._secret
        try:
            name: str = jwt.decode(token, secret, ["HS256"], options={"require": ["exp", "sub"]})["sub"]
        except jwt.PyJWTError:
            return None
        return name

    def log_in(self, user: str) -> Pair:
        """A new pair."""
        now = time.time()
        claims = {"sub": user, "iat": int(now), "exp": int(now + self.access_seconds), "jti": str(uuid.uuid4())}
        refresh = secrets.token_urlsafe(32)
        with self._lock:
            self._refreshable[refresh] = (user, now + self._refresh_seconds)
            return Pair(jwt.encode(claims, self._secret, "HS256"), refresh)

    def refresh(self, token: str) -> Pair | None:
        """A new pair for a refresh token, which dies by it; None if it is dead."""
        with self._lock:
            user, until = self._refreshable.pop(token, ("", 0.0))
        return self.log_in(user) if time.time() < until else None

    def log_out(self, token: str) -> bool:
        """Let a refresh token die; whether it lived. The access token lives on until its end (inferred)."""
        with self._lock:
            return self._refreshable.pop(token, None) is not None

    def end_access(self) -> None:
        """Let all access tokens die now; refresh tokens live."""
        with self._lock:
            self._secret = secrets.token_bytes(32)

    def end_all(self) -> None:
        """Let all tokens die now."""
        self.end_access()
        with self._lock:
            self._refreshable.clear()
