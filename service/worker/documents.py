"""The stage before the destinations: the documents of an event become files."""

from __future__ import annotations

import logging
from typing import Protocol, TypeAlias

from handlers.documents.fetching import NO_FILE, NO_PLATFORM, Fetched, Fetching, NotTaken, OnlyData, StoredFile
from handlers.documents.found import NamedDocument
from handlers.documents.store import StoreError
from handlers.interface import Accepted, DocumentState, Outcome, Refused, TimedOut, Unavailable
from service.inbox.work import WorkerStore
from service.inbox.work_values import NotedDocument, RecordedDocument, StoredCopy
from service.log import quoted

log = logging.getLogger(__name__)

DOCUMENTS_OFF = "documents are not fetched: documents.url and documents.enabled are not set"

Named: TypeAlias = tuple[NamedDocument, DocumentState, str | None]


class DocumentTerms(Protocol):
    """What the settings say of documents."""

    @property
    def is_on(self) -> bool:
        """Whether any are fetched."""

    @property
    def has_platform(self) -> bool:
        """Whether any are fetched by objectId."""

    @property
    def wait(self) -> bool:
        """Whether destinations wait for them."""


def judged(document: NamedDocument, terms: DocumentTerms) -> Named:
    """Whether a document is to be fetched, or only recorded, and why."""
    if not document.has_file:
        return document, DocumentState.DATA, NO_FILE
    if not terms.is_on:
        return document, DocumentState.DATA, DOCUMENTS_OFF
    if document.object_id is not None and not terms.has_platform:
        return document, DocumentState.DATA, NO_PLATFORM
    return document, DocumentState.WAITING, None


class DocumentStage:
    """Fetches what an event names; its methods may be called from any thread.

    Without `fetching` documents were turned off since the event came: nothing is fetched, and nothing waits for it.
    """

    def __init__(self, store: WorkerStore, fetching: Fetching | None) -> None:
        self._store = store
        self._fetching = fetching

    def attempt(self, event_id: str) -> tuple[Outcome, tuple[NotedDocument, ...]]:
        """Fetch what has no file yet. The outcome by the worst of them; what was fetched stays so."""
        noted: list[NotedDocument] = []
        failures: list[Refused | Unavailable | TimedOut] = []
        reused = stored = 0
        with self._store.facts() as facts:
            documents = facts.documents(event_id)
        for recorded in documents:
            number = recorded.named.number
            try:
                if self._is_settled(recorded):
                    continue
                if copy := self._copy(recorded.named):
                    noted.append(NotedDocument(number, DocumentState.STORED, copy))
                    reused += 1
                    continue
                found = self._fetch(recorded.named, failures)
            except StoreError as error:
                found = Unavailable(str(error))
            match found:
                case StoredFile():
                    copy = StoredCopy(found.path, found.sha256, found.size, found.media_type)
                    noted.append(NotedDocument(number, DocumentState.STORED, copy))
                    stored += 1
                case OnlyData(reason):
                    noted.append(NotedDocument(number, DocumentState.DATA, reason=reason))
                case NotTaken(reason):
                    log.warning(
                        "action=document_not_taken id=%s document=%d reason=%s", event_id, number, quoted(reason)
                    )
                    noted.append(NotedDocument(number, DocumentState.REFUSED, reason=reason))
                case Refused() | Unavailable() | TimedOut():
                    failures.append(found)
                    noted.append(NotedDocument(number, DocumentState.WAITING, reason=found.reason))
        if failures:
            return _worst(failures), tuple(noted)
        return Accepted(f"{stored} fetched, {reused} at hand"), tuple(noted)

    def close(self) -> None:
        """Let go of connections."""
        if self._fetching is not None:
            self._fetching.close()

    def _is_settled(self, recorded: RecordedDocument) -> bool:
        file = recorded.file
        if file.state is DocumentState.DATA:
            return True
        if file.state is not DocumentState.STORED or file.path is None:
            return False
        # Somebody may have removed it since.
        stored = StoredFile(file.path, file.sha256 or "", file.size or 0, file.media_type or "")
        return self._fetching is None or self._fetching.has(stored)

    def _copy(self, document: NamedDocument) -> StoredCopy | None:
        """The file that the same document of another event became."""
        if self._fetching is None or document.copy_key is None:
            return None
        with self._store.facts() as facts:
            copy = facts.stored_copy(document.copy_key)
        if copy is None or not self._fetching.has(StoredFile(copy.path, copy.sha256, copy.size, copy.media_type)):
            return None
        return copy

    def _fetch(self, document: NamedDocument, failures: list[Refused | Unavailable | TimedOut]) -> Fetched:
        if self._fetching is None:
            return OnlyData(DOCUMENTS_OFF)
        # Where the platform gives nothing, or is too slow, it is not asked for the next one.
        down = next((failure for failure in failures if isinstance(failure, Unavailable | TimedOut)), None)
        if down is not None and document.object_id is not None:
            return down
        return self._fetching.fetch(document)


def _worst(failures: list[Refused | Unavailable | TimedOut]) -> Outcome:
    for kind in (Unavailable, TimedOut, Refused):
        if found := [failure for failure in failures if isinstance(failure, kind)]:
            return found[0]
    raise AssertionError("no failure")
