"""Fetching content from an address that nobody vouches for, into a file.

Redirects are followed by hand, each checked like the first address; nothing tells the other side who we are; a
server that drips, lies about the length, or sends too much is left.
"""

from __future__ import annotations

import contextlib
import hashlib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO
from urllib.parse import urljoin

import requests
import urllib3

from handlers.documents.addresses import CONNECT_SECONDS, AddressRules, NotAllowedError, as_address
from handlers.documents.names import SNIFFED_BYTES
from handlers.documents.store import StoreError
from handlers.erp.exchange import (
    Deadline,
    TooSlowError,
    UnreachableError,
    Watch,
    causes_of,
    new_session,
    place_of,
    proxies_for,
    reason_of,
)

MAX_REDIRECTS = 5
#: Seconds without a byte.
READ_SECONDS = 30.0
_CHUNK = 64 * 1024
_REDIRECTS = {301, 302, 303, 307, 308}


class AnsweredError(Exception):
    """The other side answered, but not with the content."""

    def __init__(self, status: int, headers: Mapping[str, str], text: str) -> None:
        super().__init__(text)
        self.status = status
        self.headers = headers


class BrokenOffError(Exception):
    """The content did not come to its end."""


class TooLargeError(Exception):
    """There is more of it than the settings allow."""


@dataclass(frozen=True, slots=True)
class Downloaded:
    """What was written."""

    size: int
    sha256: str
    """In hexadecimal."""
    beginning: bytes
    """The first bytes, to see what it is."""
    media_type: str
    """As the server declares it; "" if it does not."""
    url: str
    """Where it came from in the end."""


def download(
    url: str, into: BinaryIO, *, tls: ssl.SSLContext, rules: AddressRules, deadline: Deadline, max_bytes: int
) -> Downloaded:
    """The content of an address, written to a file that is open and empty.

    Raises:
        NotAllowedError: the address, or one it leads on to, may not be asked.
        AnsweredError, BrokenOffError, TooLargeError: see there.
        UnreachableError: no connection.
        TooSlowError: the time was over.
        StoreError: it cannot be written.
    """
    with new_session(tls) as session:
        for _ in range(MAX_REDIRECTS + 1):
            rules.check(url)
            found = _one(session, url, into, rules, deadline, max_bytes)
            if isinstance(found, Downloaded):
                return found
            url = _target(url, found)
    raise AnsweredError(310, {}, f"{place_of(url)}: it redirects more than {MAX_REDIRECTS} times")


def _target(url: str, location: str) -> str:
    """Where a redirect leads to; the library reads headers as Latin-1, and servers write UTF-8.

    Raises:
        NotAllowedError: nowhere.
    """
    with contextlib.suppress(UnicodeError):  # it was Latin-1
        location = location.encode("latin-1").decode("utf-8")
    try:
        return urljoin(url, as_address(location))
    except ValueError:
        raise NotAllowedError(f"{place_of(url)}: it redirects to what is no address") from None


def _one(
    session: requests.Session, url: str, into: BinaryIO, rules: AddressRules, deadline: Deadline, max_bytes: int
) -> Downloaded | str:
    """The content, or where else it is."""
    place = place_of(url)
    if deadline.left <= 0:
        raise TooSlowError(f"{place}: no time was left to ask it")
    connect = partial(rules.connect, deadline=deadline)
    with Watch(deadline.left, connect) as watch:
        try:
            with session.get(
                url,
                stream=True,
                allow_redirects=False,
                timeout=(min(CONNECT_SECONDS, deadline.left), min(READ_SECONDS, deadline.left + 1)),
                proxies=proxies_for(url) if rules.by_proxy else {},
            ) as response:
                location = response.headers.get("Location")
                if response.status_code in _REDIRECTS and location:
                    return location
                if response.status_code != 200:
                    text = f"{place}: it answers {response.status_code}"
                    raise AnsweredError(response.status_code, response.headers, text)
                written = _write(response, into, url, max_bytes)
                if watch.expired:
                    # A body without length seems to end where it was cut.
                    raise TimeoutError
                return written
        except (AnsweredError, TooLargeError, NotAllowedError, StoreError):
            raise
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            causes = list(causes_of(error))
            if watch.expired or any(isinstance(cause, requests.Timeout | TimeoutError) for cause in causes):
                what = "it does not send the whole content in time" if watch.sent else "no connection in time"
                raise TooSlowError(f"{place}: {what}") from None
            if any(isinstance(cause, urllib3.exceptions.ProtocolError) for cause in causes) and watch.sent:
                raise BrokenOffError(f"{place}: the content breaks off") from None
            raise UnreachableError(f"{place}: {reason_of(error)}") from None


def _write(response: requests.Response, into: BinaryIO, url: str, max_bytes: int) -> Downloaded:
    """Counted after unpacking, if the server packed it in spite of being asked not to."""
    declared = response.headers.get("Content-Length", "")
    if declared.isdigit() and int(declared[:20]) > max_bytes:
        raise TooLargeError(f"it has {declared} bytes, more than documents.max_bytes ({max_bytes})")
    digest, size, beginning = hashlib.sha256(), 0, b""
    # The library compares the number of bytes with Content-Length.
    for chunk in response.raw.stream(_CHUNK, decode_content=True):
        size += len(chunk)
        if size > max_bytes:
            raise TooLargeError(f"it has more bytes than documents.max_bytes ({max_bytes})")
        beginning += chunk[: SNIFFED_BYTES - len(beginning)]
        digest.update(chunk)
        try:
            into.write(chunk)
        except OSError as error:
            # Or it would be taken for trouble with the connection.
            raise StoreError(f"cannot write: {error.strerror or type(error).__name__}") from error
    return Downloaded(size, digest.hexdigest(), beginning, response.headers.get("Content-Type", ""), url)
