"""The stage before the destinations: the documents of an event become files."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from handlers.documents.fetching import NO_FILE, NO_PLATFORM, Fetched, Fetching, NotTaken, OnlyData, StoredFile
from handlers.documents.found import NamedDocument
from handlers.documents.store import StoreError
from handlers.interface import Accepted, DocumentState, Outcome, Refused, TimedOut, Unavailable
from service.inbox.interface import InboxUnavailableError
from service.inbox.work import WorkerStore
from service.inbox.work_values import NotedDocument, RecordedDocument, StoredCopy
from service.log import place_of, quoted
from service.worker.outcomes import bounded, message_of

log = logging.getLogger(__name__)

DOCUMENTS_OFF = "documents are not fetched by the settings: documents.enabled is false, or documents.url is not set"

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
        attempt = _Attempt(event_id)
        with self._store.facts() as facts:
            documents = facts.documents(event_id)
        # What failed the last time comes last, so that it does not keep the others from being asked for.
        for recorded in sorted(documents, key=lambda one: one.file.reason is not None):
            number = recorded.named.number
            match self._file_of(recorded, attempt):
                case None:
                    continue
                case StoredFile() as file:
                    copy = StoredCopy(file.path, file.sha256, file.size, file.media_type)
                    noted.append(NotedDocument(number, DocumentState.STORED, copy))
                case OnlyData(reason):
                    noted.append(NotedDocument(number, DocumentState.DATA, reason=reason))
                case NotTaken(reason):
                    log.warning(
                        "action=document_not_taken id=%s document=%d reason=%s", event_id, number, quoted(reason)
                    )
                    noted.append(NotedDocument(number, DocumentState.REFUSED, reason=bounded(reason)))
                case Refused() | Unavailable() | TimedOut() as failure:
                    attempt.failures.append(failure)
                    noted.append(NotedDocument(number, DocumentState.WAITING, reason=bounded(failure.reason)))
        if attempt.failures:
            return _worst(attempt.failures), tuple(noted)
        return Accepted(f"{attempt.fetched} fetched, {attempt.at_hand} at hand"), tuple(noted)

    def close(self) -> None:
        """Let go of connections."""
        if self._fetching is not None:
            self._fetching.close()

    def _file_of(self, recorded: RecordedDocument, attempt: _Attempt) -> Fetched | None:
        """What becomes of a document; None where nothing is to be noted of it."""
        named = recorded.named
        try:
            if self._is_settled(recorded):
                return None
            if copy := self._copy(named):
                attempt.at_hand += 1
                return copy
            if again := attempt.found.get(named.copy_key):
                attempt.at_hand += isinstance(again, StoredFile)
                return again
            found = self._fetched(named, attempt)
        except StoreError as error:
            return Unavailable(str(error))
        except (InboxUnavailableError, MemoryError):
            raise
        except Exception as error:
            # A fault of ours, with this one: what became of the others is noted all the same.
            log.warning(
                "action=document_fault id=%s document=%d error=%s at=%s",
                attempt.event_id,
                named.number,
                type(error).__name__,
                place_of(error),
            )
            return Refused(f"{type(error).__name__}: {message_of(error)}")
        attempt.fetched += isinstance(found, StoredFile)
        # A rule that forbids one of them may allow the other, by its name.
        if named.copy_key is not None and found is not None and not isinstance(found, NotTaken):
            attempt.found[named.copy_key] = found
        return found

    def _is_settled(self, recorded: RecordedDocument) -> bool:
        file = recorded.file
        # A refusal by the settings stays until somebody asks for it again, or it may be downloaded each time.
        if file.state in (DocumentState.DATA, DocumentState.REFUSED):
            return True
        if file.state is not DocumentState.STORED or file.path is None:
            return False
        # Somebody may have removed it since.
        stored = StoredFile(file.path, file.sha256 or "", file.size or 0, file.media_type or "")
        return self._fetching is None or self._fetching.has(stored)

    def _copy(self, document: NamedDocument) -> StoredFile | None:
        """The file that the same document of another event became."""
        if self._fetching is None or document.copy_key is None:
            return None
        with self._store.facts() as facts:
            copy = facts.stored_copy(document.copy_key)
        if copy is None:
            return None
        file = StoredFile(copy.path, copy.sha256, copy.size, copy.media_type)
        return file if self._fetching.has(file) else None

    def _fetched(self, document: NamedDocument, attempt: _Attempt) -> Fetched | None:
        if self._fetching is None:
            return OnlyData(DOCUMENTS_OFF)
        # Where the platform gives nothing, or is too slow, it is not asked for the next one.
        if document.object_id is not None and attempt.is_down:
            return None
        return self._fetching.fetch(document)


@dataclass(slots=True)
class _Attempt:
    """What was found in one attempt so far."""

    event_id: str
    found: dict[str | None, Fetched] = field(default_factory=dict)
    """By the key of which one copy is enough."""
    failures: list[Refused | Unavailable | TimedOut] = field(default_factory=list)
    fetched: int = 0
    at_hand: int = 0

    @property
    def is_down(self) -> bool:
        return any(isinstance(failure, Unavailable | TimedOut) for failure in self.failures)


def _worst(failures: list[Refused | Unavailable | TimedOut]) -> Outcome:
    for kind in (Unavailable, TimedOut, Refused):
        if found := [failure for failure in failures if isinstance(failure, kind)]:
            return found[0]
    raise AssertionError("no failure")
