"""The inbox in a local SQLite file: the default, which needs no server."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError, IntegrityError, ProgrammingError

from service.inbox.grouped import GroupedInbox
from service.inbox.interface import InboxUnavailableError, NewEvent, Stored
from service.inbox.opening import open_database
from service.inbox.sqlite import Checkpointer, DatabaseFile, checkpoint, unavailable
from service.inbox.transaction import Job, QuarantineBudget

log = logging.getLogger(__name__)


class LocalInbox(GroupedInbox):
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
        super().__init__(budget=budget, commit_timeout=commit_timeout)
        self._file = DatabaseFile(path, wal_max_bytes)
        self._min_free_bytes = min_free_bytes
        self._busy_timeout = busy_timeout
        self._on_new_event = on_new_event
        self._engine: Engine | None = None
        self._checkpointer: Checkpointer | None = None

    def open(self) -> None:
        engine = open_database(self._file, self._busy_timeout)
        self._engine = engine
        self._checkpointer = Checkpointer(self._file)
        self._checkpointer.start()

    async def check(self) -> None:
        await super().check()
        # A trial may still fit where an order does not.
        free = self._file.free_bytes()
        if free < self._min_free_bytes:
            raise InboxUnavailableError(f"{free} bytes are free for the inbox, fewer than inbox.min_free_bytes")

    def _close(self) -> None:
        if self._engine is not None:
            self._engine.dispose()
        if self._checkpointer is not None:
            self._checkpointer.stop()

    def _commit(self, jobs: Sequence[Job]) -> Sequence[Stored | Exception]:
        assert self._engine is not None  # noqa: S101 - open() ran
        assert self._checkpointer is not None  # noqa: S101 - open() ran
        if self._file.log_is_lost:
            self._reopen(self._engine, self._checkpointer)
        if self._file.log_is_full:
            self._checkpointer.empty()
        self._file.check()
        try:
            with self._engine.begin() as connection:
                results = self._store(connection, jobs)
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
