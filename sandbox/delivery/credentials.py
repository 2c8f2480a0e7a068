"""How the platform shows who it is (contract, behaviour.md section 2)."""

from __future__ import annotations

import base64
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import requests

from sandbox.delivery.attempt import NoAnswerError

#: A token is renewed so long before it ends, or at half its life if that is shorter.
_BEFORE_EXPIRY_SECONDS = 300.0
_TOKEN_TIMEOUT_SECONDS = 30.0


class Credentials(Protocol):
    """Whatever gives the Authorization header of one attempt."""

    def header(self) -> str:
        """Its value.

        Raises:
            NoAnswerError: there is none just now, so nothing can be sent.
        """


@dataclass(frozen=True, slots=True)
class Basic:
    """User name and password (RFC 7617), as UTF-8."""

    username: str
    password: str

    def header(self) -> str:
        """Its value."""
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()


@dataclass(frozen=True, slots=True)
class Bearer:
    """A static token (RFC 6750)."""

    token: str

    def header(self) -> str:
        """Its value."""
        return f"Bearer {self.token}"


@dataclass(slots=True)
class ClientCredentials:
    """OAuth 2.0 client credentials (RFC 6749 section 4.4): the token is kept, and renewed before it ends.

    The order and documents webhooks know it, shipments do not.
    """

    token_url: str
    client_id: str
    client_secret: str
    scope: str
    ca_file: Path | None = None
    _token: str = ""
    _renew_at: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def header(self) -> str:
        """Its value.

        Raises:
            NoAnswerError: the token endpoint gives no token.
        """
        with self._lock:
            if time.monotonic() >= self._renew_at:
                self._fetch()
            return f"Bearer {self._token}"

    def _fetch(self) -> None:
        form = {
            "grant_type": "client_credentials",
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "scope": self.scope,
        }
        try:
            with requests.Session() as session:
                session.trust_env = False
                response = session.post(
                    self.token_url,
                    data=form,
                    timeout=_TOKEN_TIMEOUT_SECONDS,
                    verify=str(self.ca_file) if self.ca_file else True,
                    allow_redirects=False,
                )
            if response.status_code != 200:
                raise NoAnswerError(f"no token: the token endpoint answered {response.status_code}")
            answer = response.json()
            token, lives = str(answer["access_token"]), float(answer.get("expires_in", 3600))
        except requests.RequestException as error:
            raise NoAnswerError(f"no token: {type(error).__name__}") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise NoAnswerError("no token: the token endpoint answered something else") from error
        self._token = token
        self._renew_at = time.monotonic() + max(lives - _BEFORE_EXPIRY_SECONDS, lives / 2)
