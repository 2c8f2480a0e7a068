"""Asking an issuer for its signing keys over HTTP. Blocking: to be called in a thread."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter

from handlers.oauth.authority import check_url, on_loopback
from handlers.oauth.key_set import KeySet, KeySetError, json_object, read_key_set, union

#: Metadata and keys are a few kilobytes; Entra's keys with their certificates about twenty.
MAX_DOCUMENT_BYTES = 1024 * 1024


class KeyServerError(Exception):
    """The keys could not be had; the text says from where and why, in words of ours."""


@dataclass(frozen=True, slots=True)
class KeySource:
    """Where the keys of an issuer are. Equal sources have equal keys, so these may be shared and carried over."""

    metadata_urls: tuple[str, ...] = ()
    """Documents (OpenID Connect Discovery 1.0, section 3; RFC 8414) that name the addresses of the keys."""
    jwks_url: str | None = None
    given: bytes | None = field(default=None, repr=False)
    """The keys themselves, as a JWKS document; then nothing is fetched."""
    authorities: str | None = field(default=None, repr=False)
    """Certificates in PEM that are trusted besides those that everybody trusts."""

    @property
    def host(self) -> str:
        """Whom to ask, for the log."""
        addresses = [*self.metadata_urls, *([self.jwks_url] if self.jwks_url else [])]
        return urlsplit(addresses[0]).hostname or "" if addresses else ""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a server may take; in seconds."""

    step: float = 5.0
    """Connecting, or sending the next bytes."""
    document: float = 15.0


USUAL = Patience()


@dataclass(frozen=True, slots=True)
class Published:
    """What an issuer says of itself."""

    keys: KeySet
    issuers: frozenset[str] = frozenset()
    """The names that its metadata gives it; empty if there is no metadata."""
    date: float | None = None
    """What time it was there, in seconds of the Unix epoch, if it says so."""


def fetch(source: KeySource, patience: Patience = USUAL) -> Published:
    """What the source publishes now. All of its documents, or nothing.

    Raises:
        KeyServerError: one of them cannot be had or used.
    """
    with _Client(source.authorities, patience) as client:
        issuers: set[str] = set()
        addresses = [] if source.jwks_url is None else [source.jwks_url]
        for url in source.metadata_urls:
            document, _ = client.get(url)
            with _naming(url):
                metadata = json_object(document)
                issuers.update(_issuers(metadata))
                addresses.append(_address_of_keys(metadata))
        sets, date = [], None
        for url in dict.fromkeys(addresses):
            document, date = client.get(url)
            with _naming(url):
                sets.append(read_key_set(document))
    return Published(union(sets), frozenset(issuers), date)


class _Client:
    """GET without redirects, credentials, cookies or caches on the way; the proxy of the environment is used."""

    def __init__(self, authorities: str | None, patience: Patience) -> None:
        self._patience = patience
        self._session = requests.Session()
        self._session.headers = {
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            # A cache on the way could hide a new key for hours (RFC 9111, section 5.2.1.4).
            "Cache-Control": "no-cache",
            "User-Agent": "tradecloud-webhooks",
        }
        # Set, so that the library does not look for a password in a .netrc file.
        self._session.auth = lambda request: request
        if authorities is not None:
            self._session.mount("https://", _TrustingAdapter(authorities))

    def __enter__(self) -> _Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def get(self, url: str) -> tuple[bytes, float | None]:
        """The document at an address, and the time there."""
        # A proxy of the company cannot reach this machine's own ports.
        self._session.trust_env = not on_loopback(urlsplit(url).hostname or "")
        with (
            _naming(url),
            self._session.get(
                url, stream=True, allow_redirects=False, timeout=self._patience.step, verify=True
            ) as response,
        ):
            if response.status_code != 200:
                raise KeySetError(f"it answers {response.status_code}")
            return _body(response, self._patience.document), _date(response)


class _TrustingAdapter(HTTPAdapter):
    """HTTPS that trusts further authorities, given as text: the file may have changed since it was read."""

    def __init__(self, authorities: str) -> None:
        self._context = ssl.create_default_context(cadata=authorities)
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> Any:
        return super().init_poolmanager(*args, ssl_context=self._context, **kwargs)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        return super().proxy_manager_for(*args, ssl_context=self._context, **kwargs)


def _body(response: requests.Response, seconds: float) -> bytes:
    deadline = time.monotonic() + seconds
    received = b""
    # read1 and not the library's own iteration, which waits for a full block however slowly the bytes drip in.
    while chunk := response.raw.read1(65536, decode_content=True):
        received += chunk
        if len(received) > MAX_DOCUMENT_BYTES:
            raise KeySetError(f"it is longer than {MAX_DOCUMENT_BYTES} bytes")
        if time.monotonic() > deadline:
            raise KeySetError("it comes too slowly")
    return received


def _date(response: requests.Response) -> float | None:
    """RFC 9110, section 6.6.1; what a cache on the way added to its age (RFC 9111, section 5.1) is added here."""
    age = response.headers.get("Age", "")
    try:
        # isdigit, because a number may also be infinite, or none at all.
        seconds = int(age) if age.isascii() and age.isdigit() else 0
        return parsedate_to_datetime(response.headers.get("Date", "")).timestamp() + seconds
    except (ValueError, OverflowError):
        return None


def _issuers(metadata: dict[str, object]) -> list[str]:
    """`issuer`, and the one that ADFS puts into access tokens."""
    named = [metadata[name] for name in ("issuer", "access_token_issuer") if name in metadata]
    issuers = [issuer for issuer in named if isinstance(issuer, str) and issuer]
    # Entra's document for all tenants says {tenantid}: an issuer of that name does not exist.
    if not issuers or any("{" in issuer for issuer in issuers):
        raise KeySetError("it does not name one issuer")
    return issuers


def _address_of_keys(metadata: dict[str, object]) -> str:
    url = metadata.get("jwks_uri")
    if not isinstance(url, str):
        raise KeySetError('it has no "jwks_uri"')
    try:
        check_url(url)
    except ValueError as error:
        raise KeySetError(f'its "jwks_uri" {error}') from None
    return url


@contextmanager
def _naming(url: str) -> Iterator[None]:
    """Every failure as one of ours, with host and path; the rest of an address may hold what is not for logs."""
    parts = urlsplit(url)
    try:
        yield
    except KeySetError as error:
        reason = str(error)
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        reason = _reason(error)
    else:
        return
    raise KeyServerError(f"{parts.hostname}{f':{parts.port}' if parts.port else ''}{parts.path}: {reason}")


def _reason(error: Exception) -> str:
    """Why there is no answer. The libraries' own texts hold the whole address, so they are not used."""
    match error:
        case requests.exceptions.SSLError():
            return "its certificate is not trusted, or it speaks no TLS that we do"
        case requests.Timeout() | urllib3.exceptions.TimeoutError() | TimeoutError():
            return "it does not answer in time"
        case requests.exceptions.ProxyError():
            return "the proxy on the way does not let us through"
        case requests.ConnectionError():
            return "no connection"
        case _:
            return f"the answer breaks off ({type(error).__name__})"
