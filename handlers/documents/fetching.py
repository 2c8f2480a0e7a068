"""From a document that an event names to its file, by the rules of the settings."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeAlias
from urllib.parse import unquote, urlsplit

from handlers.documents.addresses import AddressRules, NotAllowedError, as_address
from handlers.documents.download import (
    AnsweredError,
    BrokenOffError,
    Downloaded,
    TooLargeError,
    download,
)
from handlers.documents.found import NamedDocument
from handlers.documents.names import BLOCKED_EXTENSIONS, extension_of, is_blocked, stored_as
from handlers.documents.platform import Platform, PlatformRefusesError, PlatformUnavailableError
from handlers.documents.store import DocumentStore, StoreError
from handlers.erp.exchange import Deadline, TooSlowError, UnreachableError, place_of
from handlers.erp.http import retry_after
from handlers.interface import Refused, TimedOut, Unavailable

#: How object stores say that a presigned link is over.
_EXPIRED = {400, 401, 403, 410}
NO_PLATFORM = "documents.url, username and password are not all set, so nothing is fetched by objectId"
NO_FILE = "the event names neither an objectId nor a url"


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file that is kept."""

    path: str
    """Absolute path, or the URL of the location."""
    sha256: str
    size: int
    media_type: str


@dataclass(frozen=True, slots=True)
class NotTaken:
    """A rule of the settings forbids it: trying again changes nothing."""

    reason: str


@dataclass(frozen=True, slots=True)
class OnlyData:
    """There is nothing to fetch."""

    reason: str


Fetched: TypeAlias = StoredFile | NotTaken | OnlyData | Refused | Unavailable | TimedOut
"""The last three are failures by the worker's rules."""


@dataclass(frozen=True, slots=True)
class FetchRules:
    """What the settings say."""

    timeout: float = 300.0
    """Seconds for one document."""
    max_bytes: int = 256 * 1024 * 1024
    blocked_extensions: frozenset[str] = frozenset(BLOCKED_EXTENSIONS)
    addresses: AddressRules = field(default_factory=AddressRules)


class Fetching:
    """Fetches documents; one object for all threads."""

    def __init__(
        self,
        store: DocumentStore,
        *,
        platform: Platform | None,
        tls: ssl.SSLContext,
        rules: FetchRules,
        close: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._platform = platform
        self._tls = tls
        self._rules = rules
        self._blocked = frozenset(extension.lower().lstrip(".") for extension in rules.blocked_extensions)
        self._link_rules = _link_rules(rules.addresses, platform)
        self._slow: dict[str, float] = {}
        self.close = close
        """Let go of connections."""

    def has(self, file: StoredFile) -> bool:
        """Whether a file that was kept is still there.

        Raises:
            StoreError: nobody can say now.
        """
        return self._store.has(file.path, file.size)

    def fetch(self, document: NamedDocument) -> Fetched:
        """Its file, on the disk; or why there is none."""
        deadline = Deadline(self._rules.timeout)
        try:
            if document.object_id is not None:
                return self._by_object_id(document, document.object_id, deadline)
            if document.url is not None:
                return self._by_url(document, as_address(document.url), deadline)
        except (NotAllowedError, TooLargeError) as error:
            return NotTaken(str(error))
        except StoreError as error:
            return Unavailable(str(error))
        return OnlyData(NO_FILE)

    def _by_object_id(self, document: NamedDocument, object_id: str, deadline: Deadline) -> Fetched:
        if self._platform is None:
            return OnlyData(NO_PLATFORM)
        try:
            for is_last in (False, True):
                link = self._platform.link(object_id, deadline)
                name = link.filename or document.name or object_id
                if problem := self._blocked_name(name):
                    return NotTaken(problem)
                try:
                    return self._kept(document, name, link.url, self._link_rules, deadline, link.media_type)
                except AnsweredError as error:
                    # Late, although it was used at once: a new one, once.
                    if error.status in _EXPIRED and not is_last:
                        continue
                    if error.status >= 500 or error.status in (408, 425, 429):
                        return Unavailable(str(error), retry_after(error.headers))
                    return Refused(f"download link: {error}")
        except PlatformUnavailableError as error:
            return Unavailable(str(error), error.retry_after)
        except PlatformRefusesError as error:
            return Refused(str(error))
        except (BrokenOffError, UnreachableError) as error:
            return Unavailable(str(error))
        except TooSlowError as error:
            return TimedOut(str(error))
        raise AssertionError("the last turn returns")

    def _by_url(self, document: NamedDocument, url: str, deadline: Deadline) -> Fetched:
        self._rules.addresses.check(url)
        last_part = _last_part(url)
        names = [each for each in (document.name, last_part) if each]
        name = next((each for each in names if extension_of(each)), names[0] if names else "document")
        if problem := self._blocked_name(name) or self._blocked_name(last_part):
            return NotTaken(problem)
        place = place_of(url)
        if time.monotonic() < self._slow.get(place, 0.0):
            return Refused(f"{place}: it was too slow a moment ago")
        try:
            return self._kept(document, name, url, self._rules.addresses, deadline, None)
        except (AnsweredError, BrokenOffError, UnreachableError) as error:
            # Of one sender's server: no reason to leave the documents of all others alone for a while.
            return Refused(str(error))
        except TooSlowError as error:
            # For as long as it took: its next documents must not hold all threads from those of others.
            now = time.monotonic()
            self._slow = {host: until for host, until in self._slow.items() if until > now}
            self._slow[place] = now + self._rules.timeout
            return Refused(str(error))

    def _kept(
        self,
        document: NamedDocument,
        name: str,
        url: str,
        rules: AddressRules,
        deadline: Deadline,
        media_type: str | None,
    ) -> Fetched:
        with self._store.incoming() as incoming:
            got: Downloaded = download(
                url,
                incoming.file,
                tls=self._tls,
                rules=rules,
                deadline=deadline,
                max_bytes=self._rules.max_bytes,
            )
            if media_type is None and (problem := self._blocked_name(_last_part(got.url))):
                return NotTaken(problem)
            file_name, shown_type = stored_as(name, media_type or got.media_type, got.beginning)
            path = incoming.keep(document.copy_key or "", file_name)
        return StoredFile(path, got.sha256, got.size, shown_type)

    def _blocked_name(self, name: str) -> str | None:
        if is_blocked(name, self._blocked):
            return f"files with the extension .{extension_of(name)} are not taken (documents.blocked_extensions)"
        return None


def _link_rules(rules: AddressRules, platform: Platform | None) -> AddressRules:
    """The platform says where the content is; its word is good for its own host, whatever the address."""
    if platform is None:
        return rules
    base = urlsplit(platform.base)
    return replace(rules, by_proxy=True, own_host=base.hostname or "", own_http=base.scheme == "http")


def _last_part(url: str) -> str:
    """What the path of an address ends in; mostly the name of a file."""
    return unquote(urlsplit(url).path.rpartition("/")[2])
