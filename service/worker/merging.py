"""From a stored event to what it does: read it again, merge it into the mirror, see who wants it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from handlers.documents.fetching import NO_PLATFORM
from handlers.documents.found import documents_of
from handlers.interface import (
    DOCUMENTS,
    Change,
    DocumentState,
    Endpoint,
    EventFacts,
    JsonObject,
    Merged,
    Role,
    Summary,
)
from handlers.orders import merge_order_event
from handlers.shipments import merge_shipment_event
from service.event_reader import EventReader
from service.inbox.interface import InboxUnavailableError
from service.inbox.look import Look
from service.inbox.packed import unpack
from service.inbox.work_values import AcceptedEvent, Applied
from service.log import place_of, quoted
from service.worker.documents import DocumentTerms, judged

log = logging.getLogger(__name__)

Merge = Callable[..., Merged]

#: Endpoint -> how an event of it is merged into the mirror.
MERGES: Mapping[Endpoint, Merge] = {
    Endpoint.ORDER: merge_order_event,
    Endpoint.SHIPMENT: merge_shipment_event,
}

NO_NEWS = "no news: nothing in it is newer than the mirror"
ONLY_ECHO = "echo: nothing but an open request of our own"
NO_TAKER = "no destination takes this event"


class Taker(Protocol):
    """A destination as far as it chooses its events."""

    @property
    def name(self) -> str:
        """Of the destination."""

    def wants(
        self, facts: EventFacts, endpoint: Endpoint, summary: Summary | None, changes: Sequence[Change]
    ) -> bool:
        """Whether it takes this event."""


class Merging:
    """Merges events, several at a time, without writing anything."""

    def __init__(
        self,
        readers: Mapping[Endpoint, EventReader],
        takers: Sequence[Taker],
        *,
        role: Role,
        deliver_echo: bool,
        documents: DocumentTerms,
    ) -> None:
        self._readers = readers
        self._takers = takers
        self._role = role
        self._deliver_echo = deliver_echo
        self._documents = documents

    def merge(self, look: Look, events: Iterable[AcceptedEvent]) -> list[Applied]:
        """What each event comes to, in order of acceptance; those that have to wait for another one say so."""
        mirrors: dict[tuple[Endpoint, str], JsonObject | None] = {}
        done: set[str] = set()
        batch = []
        for event in sorted(events, key=lambda event: event.seq):
            behind = None if event.directly_behind in done else event.directly_behind
            applied = Applied(event, behind=behind) if behind else self._merge(look, event, mirrors)
            if applied.behind is None and not applied.fault:
                done.add(event.id)
            batch.append(applied)
        return batch

    def _merge(
        self, look: Look, event: AcceptedEvent, mirrors: dict[tuple[Endpoint, str], JsonObject | None]
    ) -> Applied:
        try:
            document, facts = self._readers[event.endpoint].read_again(event.body, event.content_type)
            merged = None
            if event.subject_id is not None and event.payload_kind is not None:
                subject = event.endpoint, event.subject_id
                if subject not in mirrors:
                    mirrors[subject] = None if event.mirror is None else unpack(event.mirror)
                merged = MERGES[event.endpoint](mirrors[subject], document, role=self._role)
                if merged.news:
                    mirrors[subject] = merged.state
            return self._with_documents(self._addressed(look, event, facts, merged), document)
        except (InboxUnavailableError, MemoryError):
            raise
        except Exception as error:
            # A fault of ours: this event is kept for a person, all others go on.
            log.error("action=merge_fault id=%s error=%s at=%s", event.id, type(error).__name__, place_of(error))
            return Applied(event, fault=True, reason=f"merging failed: {type(error).__name__}: {error}")

    def _with_documents(self, applied: Applied, document: JsonObject) -> Applied:
        """The same with the documents that it names, unless it is over; those that have to be fetched go first."""
        if applied.reason in (NO_NEWS, ONLY_ECHO) or not (named := documents_of(document)):
            return applied
        found = tuple(judged(each, self._documents) for each in named)
        to_fetch = any(state is DocumentState.WAITING for _, state, _ in found)
        merged = applied.merged
        left_out = sum(reason == NO_PLATFORM for *_, reason in found)
        if left_out and merged is not None:
            flag = f"Documents that were not fetched: {left_out}, because {NO_PLATFORM}."
            merged = replace(merged, flags=(*merged.flags, flag))
        return replace(
            applied,
            merged=merged,
            documents=found,
            destinations=(DOCUMENTS, *applied.destinations) if to_fetch else applied.destinations,
            documents_first=self._documents.wait,
        )

    def _addressed(self, look: Look, event: AcceptedEvent, facts: EventFacts, merged: Merged | None) -> Applied:
        asked_for = facts.resent or event.replayed
        if merged is not None and not asked_for:
            if not merged.news:
                return Applied(event, merged, reason=NO_NEWS)
            if merged.only_echo and not self._deliver_echo:
                return Applied(event, merged, reason=ONLY_ECHO)
        summary, changes = (None, ()) if merged is None else (merged.summary, merged.changes)
        if event.replayed and not changes:
            changes = look.changes(event.id)  # who wanted it for what it changed wants it once more
        wanted = tuple(taker.name for taker in self._takers if taker.wants(facts, event.endpoint, summary, changes))
        if merged is not None and merged.flags:
            log.warning(
                "action=flagged id=%s event=%s flags=%s", event.id, quoted(event.event_name), len(merged.flags)
            )
        return Applied(event, merged, wanted, reason=None if wanted or not self._takers else NO_TAKER)
