"""What every inbox does alike: calls wait in a group commit, and the quarantine is looked after."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Sequence

from sqlalchemy import Connection

from service.inbox.group_commit import GroupCommit
from service.inbox.interface import CredentialUse, Inbox, NewEvent, RefusedBody, RejectedLogin, Stored
from service.inbox.transaction import Job, QuarantineBudget, Trial, quarantine_usage, store

#: How full the quarantine is when somebody should look.
WARN_FROM = 0.8


class GroupedInbox(Inbox):
    """See `Inbox`."""

    def __init__(self, *, budget: QuarantineBudget, commit_timeout: float) -> None:
        self._budget = budget
        self._quarantine_fill = 0.0
        self._writer = GroupCommit[Job, Stored](self._commit, stuck_after=commit_timeout)

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

    def attention(self) -> list[str]:
        if self._quarantine_fill < WARN_FROM:
            return []
        return [
            f"the quarantine is {self._quarantine_fill:.0%} full; once it is, refused bodies are answered 503 and "
            "come again for ever: release or cancel what is in it (webhooks events list --state quarantined), or "
            "raise inbox.quarantine_max_bodies or inbox.quarantine_max_bytes"
        ]

    def _store(self, connection: Connection, jobs: Sequence[Job]) -> Sequence[Stored | Exception]:
        """One transaction, not committed yet."""
        results = store(connection, jobs, self._budget)
        if any(isinstance(job, RefusedBody | Trial) for job in jobs):
            self._quarantine_fill = self._budget.fill(*quarantine_usage(connection))
        return results

    @abstractmethod
    def _commit(self, jobs: Sequence[Job]) -> Sequence[Stored | Exception]:
        """Runs on the writer's thread; returns after the disk has everything."""

    @abstractmethod
    def _close(self) -> None:
        """Let go of the database."""
