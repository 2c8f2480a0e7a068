"""The way of a delivery through the house, after its sender proved who it is: body, validation, inbox, answer."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from starlette.types import Receive, Scope, Send

from handlers.interface import Endpoint, JsonValue
from service import problems
from service.body import Body, BodyReader, Label, Memory
from service.contract import Contract
from service.event_reader import EventReader, Handler
from service.inbox.interface import (
    Delivery,
    Inbox,
    InboxUnavailableError,
    NewEvent,
    RefusedBody,
    Stored,
    new_id,
)
from service.inline import Inline
from service.log import quoted
from service.problems import MAX_FINDINGS, Answer, BodyRefusedError, Problem, UnavailableError
from service.senders import Senders

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Admission:
    """Who may come in: bounds what waits inside, and closes the door for the shutdown."""

    memory: Memory
    max_waiting: int
    waiting: int = 0
    draining: bool = False

    def close_the_door(self) -> None:
        """From now on nobody comes in; who is inside is served."""
        self.draining = True

    def __enter__(self) -> None:
        if self.draining:
            raise UnavailableError("The service is shutting down.")
        if self.waiting >= self.max_waiting:
            raise UnavailableError("Too many deliveries at once.", "server.max_waiting is reached")
        self.waiting += 1

    def __exit__(self, *_: object) -> None:
        self.waiting -= 1


class Reception:
    """Receives the deliveries of one endpoint."""

    def __init__(
        self,
        endpoint: Endpoint,
        contract: Contract,
        handler: Handler,
        *,
        inbox: Inbox,
        admission: Admission,
        senders: Senders,
        max_body_bytes: int,
        inline: Inline | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._reader = EventReader(contract, handler)
        self._inbox = inbox
        self._admission = admission
        self._senders = senders
        self._max_body_bytes = max_body_bytes
        self._inline = inline

    async def __call__(self, scope: Scope, receive: Receive, send: Send, credential: str) -> None:
        """Answer one authenticated request.

        Raises:
            SenderGoneError: nobody is left to answer.
            UnavailableError, InboxUnavailableError: nothing is kept, the sender is to come again.
        """
        with self._admission, BodyReader(self._admission.memory, self._max_body_bytes) as reader:
            label = Label.of(scope["headers"])
            received_at = datetime.now(UTC)
            body = await reader.read(scope, receive, label.announced_length)
            sender = self._senders.of(scope)
            delivery = Delivery(
                received_at=received_at,
                endpoint=self._endpoint,
                credential=credential,
                content_type=label.content_type,
                content_encoding=label.content_encoding,
                body=body.data,
                length=body.length,
                source_address=sender.address,
                source_listed=sender.listed,
            )
            answer = await self._answer(delivery, body, label)
        await answer.send(send)

    async def _answer(self, delivery: Delivery, body: Body, label: Label) -> Answer:
        try:
            if body.refusal is not None:
                raise body.refusal
            event = self._reader.read(delivery, label)
            if self._inline is not None:
                event = self._inline.owned_by_sender(event)
            stored = await self._inbox.accept(event)
        except BodyRefusedError as error:
            kept = await self._quarantine(delivery, error)
            return problems.refused(error, kept.id, self._reader.media_types)
        except (UnavailableError, InboxUnavailableError):
            raise
        except MemoryError as error:
            raise UnavailableError("The service has no memory for this body now.", "out of memory") from error
        except Exception as error:
            log.exception("action=fault endpoint=%s credential=%s", delivery.endpoint, delivery.credential)
            kept = await self._quarantine_after_fault(delivery, error)
            return problems.internal_fault(kept.id)
        _log_stored(event, stored)
        if self._inline is not None:
            return await self._inline.answer(stored)
        return problems.queued(stored.id, duplicate=stored.duplicate)

    async def _quarantine(self, delivery: Delivery, error: BodyRefusedError) -> Stored:
        findings = [
            {"pointer": finding.pointer, "reason": finding.reason} for finding in error.findings[:MAX_FINDINGS]
        ]
        return await self._keep(delivery, error.problem, error.detail, findings, len(error.findings))

    async def _quarantine_after_fault(self, delivery: Delivery, error: Exception) -> Stored:
        return await self._keep(delivery, Problem.INTERNAL_FAULT, type(error).__name__, [], 0)

    async def _keep(
        self,
        delivery: Delivery,
        problem: Problem,
        detail: str,
        findings: list[Mapping[str, JsonValue]] | list[dict[str, str]],
        finding_count: int,
    ) -> Stored:
        refused = RefusedBody(
            id=new_id(),
            delivery=delivery,
            status=problem.status,
            problem=problem.slug,
            detail=detail,
            findings=tuple(findings),
            finding_count=finding_count,
        )
        try:
            kept = await self._inbox.quarantine(refused)
        except InboxUnavailableError:
            raise
        except Exception as error:
            # Whatever it was: the body is not kept, so no final answer may be given.
            raise UnavailableError("The service could not keep the body.", repr(error)) from error
        first = f" {findings[0]['pointer'] or 'body'}: {findings[0]['reason']}" if findings else ""
        log.warning(
            "action=quarantined status=%d id=%s endpoint=%s credential=%s bytes=%d again=%s detail=%s%s",
            problem.status,
            kept.id,
            delivery.endpoint,
            delivery.credential,
            len(delivery.body),
            kept.duplicate,
            quoted(detail + first),
            _mark_of_sender(delivery),
        )
        return kept


def _log_stored(event: NewEvent, stored: Stored) -> None:
    log.info(
        "action=%s id=%s endpoint=%s credential=%s event=%s drift=%d%s%s",
        "duplicate" if stored.duplicate else "stored",
        stored.id,
        event.delivery.endpoint,
        event.delivery.credential,
        quoted(event.facts.event_name),
        event.drift_count,
        f" other_content_as={stored.other_content_as}" if stored.other_content_as else "",
        _mark_of_sender(event.delivery),
    )


def _mark_of_sender(delivery: Delivery) -> str:
    """Without the address, which stays out of logs; `webhooks events show` has it."""
    return " sender=unlisted" if delivery.source_listed is False else ""
