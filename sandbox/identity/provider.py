"""The identity provider: what is behind its HTTP and HTTPS listeners."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any
from urllib.parse import urlsplit

from sandbox.certificates import Authority
from sandbox.control import Control
from sandbox.identity import forms
from sandbox.identity.directory import Directory
from sandbox.identity.forms import Form, Place
from sandbox.identity.keys import KeyRing
from sandbox.identity.outages import Outages
from sandbox.identity.tokens import token_answer
from sandbox.serving import Answer, HttpServer, Request, json_answer

#: As Entra's metadata, which caches may keep for a day; the keys change rarely.
_CACHEABLE = "max-age=86400, private"


class IdentityProvider:
    """One tenant, its keys and tokens, at an address with HTTPS and one with HTTP; a context manager.

    Tokens name the HTTPS address in `iss`, wherever they were fetched. Metadata names the addresses of the listener
    that was asked.
    """

    def __init__(
        self,
        authority: Authority,
        directory: Directory | None = None,
        *,
        host: str = "127.0.0.1",
        https_port: int = 0,
        http_port: int = 0,
        token_seconds: int = 3599,
    ) -> None:
        self.directory = directory or Directory()
        self.keys = KeyRing()
        self.outages = Outages()
        self._token_seconds = token_seconds
        self._lock = threading.Lock()
        self._asked: Counter[str] = Counter()
        context = authority.server_context(*([] if host == "localhost" else [host]))
        self._https = HttpServer(self._answer, host=host, port=https_port, tls=context)
        self._http = HttpServer(self._answer, host=host, port=http_port)

    @property
    def https_url(self) -> str:
        """Base URL of the HTTPS listener, which MSAL asks."""
        return self._https.url

    @property
    def http_url(self) -> str:
        """Base URL of the HTTP listener."""
        return self._http.url

    def authority_url(self, form: Form, *, https: bool = True) -> str:
        """The authentication URL to enter in Tradecloud, or in [auth.oauth.NAME]."""
        base = self.https_url if https else self.http_url
        match form:
            case Form.V1 | Form.V2:
                return f"{base}/{self.directory.tenant}"
            case Form.ADFS:
                return f"{base}/adfs"
            case Form.B2C:
                return f"{base}/tfp/{self.directory.domain}/{self.directory.policy}"

    def register(self, control: Control) -> None:
        """Offer its faults at the control port, under `identity/…`."""
        control.register("identity/state", self.state, looks=True)
        control.register("identity/rotate", self.rotate)
        control.register("identity/outage", self.outages.begin)
        control.register("identity/recover", self.outages.end)
        control.register("identity/token-lifetime", self.set_token_seconds)

    def state(self) -> dict[str, Any]:
        """The keys published now, the lifetime of new tokens, and how often each part was asked for."""
        with self._lock:
            asked, seconds = dict(self._asked), self._token_seconds
        return {"keys": [key["kid"] for key in self.keys.published()], "token_seconds": seconds, "asked": asked}

    def rotate(self, keep_old: bool = True) -> dict[str, str]:
        """Sign with a new key from now on; the old ones stay published, or not."""
        return {"kid": self.keys.rotate(keep_old=keep_old).kid}

    def set_token_seconds(self, seconds: int) -> None:
        """Let tokens be valid for that long from now on; less than nothing for tokens that have expired already."""
        with self._lock:
            self._token_seconds = seconds

    def start(self) -> IdentityProvider:
        """Begin to answer."""
        self._https.start()
        self._http.start()
        return self

    def stop(self) -> None:
        """Stop answering."""
        self.outages.end()
        self._https.stop()
        self._http.stop()

    def __enter__(self) -> IdentityProvider:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _answer(self, request: Request) -> Answer:
        if request.parts == ("common", "discovery", "instance"):
            part, answer = "discovery", self._instance_discovery(request)
        else:
            place = forms.place_of(request.parts, self.directory)
            part = place.what if place else "unknown"
            answer = self._at(place, request)
        with self._lock:
            self._asked[part] += 1
        return self.outages.apply(part, answer)

    def _at(self, place: Place | None, request: Request) -> Answer:
        if place is None:
            text = f"AADSTS90002: There is no tenant or page at {request.path}."
            return json_answer(400, {"error": "invalid_tenant", "error_description": text})
        if place.what == "token":
            if request.method != "POST":
                return _only("POST")
            with self._lock:
                seconds = self._token_seconds
            return token_answer(
                request, place, base=self.https_url, directory=self.directory, keys=self.keys, seconds=seconds
            )
        if request.method not in ("GET", "HEAD"):
            return _only("GET, HEAD")
        if place.what == "keys":
            return json_answer(200, {"keys": self.keys.published()}, Cache_Control=_CACHEABLE)
        document = forms.metadata(place, request.base, self.https_url, self.directory)
        return json_answer(200, document, Cache_Control=_CACHEABLE)

    def _instance_discovery(self, request: Request) -> Answer:
        """Whether an authority is this provider's, and where its metadata is: MSAL asks for unknown hosts."""
        asked = urlsplit(request.query.get("authorization_endpoint", ""))
        authority = request.base.partition("://")[2]
        parts = asked.path.strip("/").split("/")
        tenant = parts[0]
        # MSAL for Python leaves the port out.
        if asked.hostname != urlsplit(request.base).hostname or not self.directory.is_tenant(tenant):
            text = "AADSTS50049: Unknown or invalid instance."
            return json_answer(
                400, {"error": "invalid_instance", "error_description": text, "error_codes": [50049]}
            )
        version = "v2.0/" if "v2.0" in parts else ""
        aliases = {"preferred_network": authority, "preferred_cache": authority, "aliases": [authority]}
        return json_answer(
            200,
            {
                "tenant_discovery_endpoint": f"{request.base}/{tenant}/{version}.well-known/openid-configuration",
                "api-version": "1.1",
                "metadata": [aliases],
            },
        )


def _only(methods: str) -> Answer:
    return json_answer(
        405, {"error": "invalid_request", "error_description": f"Only {methods} here."}, Allow=methods
    )
