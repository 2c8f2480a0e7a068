"""One attempt to hand an event to its destination, on a thread of its own."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from handlers.interface import (
    DOCUMENTS,
    Destination,
    Endpoint,
    ErpEvent,
    JsonObject,
    Outcome,
    RenderedBody,
)
from service import txml
from service.event_reader import EventReader
from service.inbox.interface import InboxUnavailableError
from service.inbox.packed import packed_json, unpack
from service.inbox.work import WorkerStore
from service.inbox.work_values import Claim, Material, NotedDocument
from service.json_text import exact_json
from service.log import place_of
from service.worker import clock
from service.worker.documents import DocumentStage
from service.worker.outcomes import Attempted, Failed, NotMade, Terms, bounded, checked, message_of

log = logging.getLogger(__name__)


class Attempts:
    """Makes attempts; its methods may be called from any thread."""

    def __init__(
        self,
        store: WorkerStore,
        destinations: Mapping[str, Destination],
        terms: Mapping[str, Terms],
        readers: Mapping[Endpoint, EventReader],
        mappings: Mapping[Endpoint, txml.Mapping],
        documents: DocumentStage | None = None,
    ) -> None:
        self._store = store
        self._destinations = destinations
        self._terms = terms
        self._readers = readers
        self._mappings = mappings
        self._documents = documents

    def attempt(self, claim: Claim) -> Attempted:
        """Hand the event over; never raises."""
        outcome: Outcome | Failed | NotMade
        documents: tuple[NotedDocument, ...] = ()
        try:
            if claim.destination == DOCUMENTS and self._documents is not None:
                outcome, documents = self._documents.attempt(claim.event_id)
                outcome = checked(outcome)
            else:
                outcome = self._deliver(claim)
        except (InboxUnavailableError, MemoryError) as error:
            log.error("action=not_attempted id=%s reason=%s", claim.event_id, error)
            outcome = NotMade(f"not attempted: {error}")
        except BaseException as error:  # code of others may even raise SystemExit
            # Without its message, which may hold what the event says: that goes to the inbox only.
            log.warning(
                "action=fault id=%s destination=%s error=%s at=%s",
                claim.event_id,
                claim.destination,
                type(error).__name__,
                place_of(error),
            )
            outcome = Failed(bounded(f"{type(error).__name__}: {message_of(error)}"))
        return Attempted(claim, clock.now(), outcome, documents)

    def _deliver(self, claim: Claim) -> Outcome:
        with self._store.facts() as facts:
            material = facts.material(claim.event_id)
        merged = None if material.current is None else unpack(material.current)
        event = ErpEvent(
            id=material.id,
            endpoint=material.endpoint,
            event_name=material.event_name,
            received_at=material.received_at,
            subject_id=material.subject_id,
            purchase_order_numbers=material.purchase_order_numbers,
            message_id=material.message_id,
            resent="Resent" in material.event_name,
            idempotency_key=claim.idempotency_key,
            attempt=claim.attempt,
            stale=material.stale,
            flags=material.flags,
            echo=material.echo,
            documents=material.documents,
        )
        body = self._rendered(material, merged, self._terms[claim.destination])
        return checked(self._destinations[claim.destination].deliver(event, merged, material.changes, body))

    def _rendered(self, material: Material, merged: JsonObject | None, terms: Terms) -> RenderedBody:
        as_received = "xml" in material.content_type.partition(";")[0].lower()
        if terms.merged and material.current is not None and not terms.as_xml:
            return RenderedBody("application/json", packed_json(material.current))
        if terms.merged and merged is not None:
            document = merged
        elif as_received == terms.as_xml:
            return RenderedBody(material.content_type, material.body)
        else:
            document, _ = self._readers[material.endpoint].read_again(material.body, material.content_type)
        if terms.as_xml:
            return RenderedBody(
                "application/xml; charset=utf-8", txml.write(document, self._mappings[material.endpoint])
            )
        return RenderedBody("application/json", exact_json(document))
