"""The inbox in a local SQLite file: the default, which needs no server."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError, IntegrityError, ProgrammingError

from service.inbox.group_commit import GroupCommit
from service.inbox.interface import (
    CredentialUse,
    Inbox,
    InboxUnavailableError,
    NewEvent,
    RefusedBody,
    RejectedLogin,
    Stored,
)
from service.inbox.opening import open_database
from service.inbox.sqlite import Checkpointer, DatabaseFile, checkpoint, unavailable
from service.inbox.transaction import Job, QuarantineBudget, Trial, quarantine_usage, store

log = logging.getLogger(__name__)

#: How full the quarantine is when somebody should look.
WARN_FROM = 0.8


class LocalInbox(Inbox):
    """See `Inbox`."""

    def __init__(
        self,
        path: Path,
        *,
        budget: QuarantineBudget,
        wal_max_bytes: int,
        min_free_bytes: int,
        busy_timeout: float,
        commit_timeout: float,
        on_new_event: Callable[[], None] = lambda: None,
    ) -> None:
        self._file = DatabaseFile(path, wal_max_bytes)
        self._min_free_bytes = min_free_bytes
        self._budget = budget
        self._busy_timeout = busy_timeout
        self._on_new_event = on_new_event
        self._quarantine_fill = 0.0
        self._writer = GroupCommit[Job, Stored](self._commit, stuck_after=commit_timeout)
        self._engine: Engine | None = None
        self._checkpointer: Checkpointer | None = None

    def open(self) -> None:
        engine = open_database(self._file, self._busy_timeout)
        self._engine = engine
        self._checkpointer = Checkpointer(self._file)
        self._checkpointer.start()

    async def start(self) -> None:
        self._writer.start()

    async def stop(self) -> None:
        await self._writer.stop()
        await asyncio.to_thread(self._close)

    async def accept(self, event: NewEvent) -> Stored:
        return await self._writer.submit(event, len(event.delivery.body))

    async def quarantine(self, body: RefusedBody) -> Stored:
        return await self._writer.submit(body, len(body.delivery.body))

    async def report_rejected(self, logins: tuple[RejectedLogin, ...]) -> None:
        await asyncio.gather(*(self._writer.submit(login, 0) for login in logins))

    async def report_used(self, uses: tuple[CredentialUse, ...]) -> None:
        await asyncio.gather(*(self._writer.submit(use, 0) for use in uses))

    async def check(self) -> None:
        await self._writer.submit(Trial(), 0)
        # A trial may still fit where an order does not.
        free = self._file.free_bytes()
        if free < self._min_free_bytes:
            raise InboxUnavailableError(f"{free} bytes are free for the inbox, fewer than inbox.min_free_bytes")

    def attention(self) -> list[str]:
        if self._quarantine_fill < WARN_FROM:
            return []
        return [
            f"the quarantine is {self._quarantine_fill:.0%} full; once it is, refused bodies are answered 503 and "
            "come again for ever: release or cancel what is in it (webhooks events list --state quarantined), or "
            "raise inbox.quarantine_max_bodies or inbox.quarantine_max_bytes"
        ]

    def _close(self) -> None:
        if self._engine is not None:
            self._engine.dispose()
        if self._checkpointer is not None:
            self._checkpointer.stop()

    def _commit(self, jobs: Sequence[Job]) -> Sequence[Stored | Exception]:
        """Runs on the writer's thread; returns after the disk has everything."""
        assert self._engine is not None  # noqa: S101 - open() ran
        assert self._checkpointer is not None  # noqa: S101 - open() ran
        if self._file.log_is_lost:
            self._reopen(self._engine, self._checkpointer)
        if self._file.log_is_full:
            self._checkpointer.empty()
        self._file.check()
        try:
            with self._engine.begin() as connection:
                results = store(connection, jobs, self._budget)
                if any(isinstance(job, RefusedBody | Trial) for job in jobs):
                    self._quarantine_fill = self._budget.fill(*quarantine_usage(connection))
        except (IntegrityError, ProgrammingError):
            raise  # our own mistake with one of the jobs, not the disk's
        except DBAPIError as error:
            # Connections that saw a full or failing disk are not trusted with the next transaction. But while the
            # log is lost they are the only ones that can still read it.
            if not self._file.log_is_lost:
                self._engine.dispose()
                self._file.log_closed()
            log.error("action=store_failed reason=%s", error.orig)
            raise unavailable(error) from error
        self._file.log_opened()
        if any(isinstance(job, NewEvent) for job in jobs):
            self._on_new_event()
        self._checkpointer.after_commit()
        return results

    def _reopen(self, engine: Engine, checkpointer: Checkpointer) -> None:
        """Save what is in the log that nobody but our connections can read any more, then go on with a new one.

        Raises:
            InboxUnavailableError: not all of it could be saved now. The connections stay, for the next attempt.
        """
        log.error("action=log_of_inbox_lost path=%s", self._file.path)
        try:
            saved = checkpoint(engine, "TRUNCATE")
        except DBAPIError as error:
            raise unavailable(error) from error
        if not saved:
            raise InboxUnavailableError(
                f"the log of {self._file.path} was removed while in use and cannot be saved yet; "
                "close every other program that has the inbox open, and do not stop this service"
            )
        engine.dispose()
        checkpointer.forget_connections()
        self._file.log_closed()
