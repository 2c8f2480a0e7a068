"""The inbox on a PostgreSQL server, written to by several receivers at a time."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from service.inbox.grouped import GroupedInbox
from service.inbox.interface import NewEvent, RefusedBody, Stored
from service.inbox.place import DatabaseServer
from service.inbox.postgresql import (
    indexed,
    is_collision,
    is_mistake,
    is_read_only,
    lock_number,
    notify,
    open_server,
    take_turns,
    unavailable,
    writing_engine,
)
from service.inbox.transaction import Job, QuarantineBudget, body_hash

log = logging.getLogger(__name__)

#: How often a transaction is tried that another one was in the way of.
TRIES = 5


class SharedInbox(GroupedInbox):
    """See `Inbox`."""

    def __init__(
        self, server: DatabaseServer, *, budget: QuarantineBudget, busy_timeout: float, commit_timeout: float
    ) -> None:
        super().__init__(budget=budget, commit_timeout=commit_timeout)
        self._server = server
        self._engine: Engine = writing_engine(server, lock_seconds=busy_timeout, statement_seconds=commit_timeout)

    def open(self) -> None:
        open_server(self._server, self._engine)

    async def accept(self, event: NewEvent) -> Stored:
        return await super().accept(as_indexed(event))

    def _close(self) -> None:
        self._engine.dispose()

    def _commit(self, jobs: Sequence[Job]) -> Sequence[Stored | Exception]:
        locks = {lock for job in jobs for lock in _locks(job)}
        anything_new = any(isinstance(job, NewEvent) for job in jobs)
        tries = 0
        while True:
            tries += 1
            try:
                with self._engine.begin() as connection:
                    take_turns(connection, locks)
                    results = self._store(connection, jobs)
                    if anything_new:
                        notify(connection)
            except DBAPIError as error:
                if is_mistake(error):
                    raise
                if is_collision(error) and tries < TRIES:
                    continue
                if is_read_only(error):
                    self._engine.dispose()  # connect anew: this may be the former primary
                log.error("action=store_failed reason=%s", unavailable(error))
                raise unavailable(error) from error
            return results


def _locks(job: Job) -> Iterator[int]:
    """What two receivers do one after the other: the same message, content or refused body, so that the second one
    finds it; events of the same key, so that their order is the order in which they can be seen."""
    if isinstance(job, NewEvent):
        yield from event_locks(job)
    elif isinstance(job, RefusedBody):
        yield lock_number("body", body_hash(job.delivery))


def as_indexed(event: NewEvent) -> NewEvent:
    """The event with its ids as the database will give them back, so that a repetition is recognised."""
    facts = event.facts
    named = replace(
        facts,
        message_id=None if facts.message_id is None else indexed(facts.message_id),
        subject_id=None if facts.subject_id is None else indexed(facts.subject_id),
        purchase_order_numbers=tuple(dict.fromkeys(map(indexed, facts.purchase_order_numbers))),
    )
    return event if named == facts else replace(event, facts=named)


def event_locks(event: NewEvent) -> Iterator[int]:
    """The locks under which an event becomes one."""
    endpoint = event.delivery.endpoint.value
    if event.facts.message_id:
        yield lock_number("message", endpoint, event.facts.message_id)
    else:
        yield lock_number("content", endpoint, event.content_hash)
    if event.key is not None:
        yield lock_number("seq", event.key)
