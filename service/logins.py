"""Counts rejected logins by credential, notes when each was used last, and hands both to the inbox every few
seconds.

Not at once: a stranger who guesses passwords must not be able to keep the disk busy, and a delivery must not wait
for more than its event.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime

from handlers.interface import Endpoint
from service.inbox.interface import CredentialUse, Inbox, InboxUnavailableError, RejectedLogin

log = logging.getLogger(__name__)

REPORT_EVERY = 5.0

#: Stands for whoever came without credentials, with an unknown user or with a wrong token: after a mistake in
#: the portal's settings this is the only trace of the events that Tradecloud drops.
UNKNOWN = "(unknown)"


class LoginCounter:
    """See the head of this module."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._counts: dict[tuple[str, Endpoint], tuple[int, datetime]] = {}
        self._told: set[tuple[str, Endpoint, str]] = set()
        self._used: dict[tuple[str, Endpoint], datetime] = {}

    def used(self, credential: str, endpoint: Endpoint) -> None:
        """A sender proved by this credential that it may deliver here."""
        self._used[credential, endpoint] = datetime.now(UTC)

    def rejected(self, credential: str, endpoint: Endpoint, reason: str) -> None:
        """A wrong password came for the user of this credential, an access token of this issuer that is not valid,
        or nothing that is in force at all; `reason` is for the log."""
        count, _ = self._counts.get((credential, endpoint), (0, None))
        if (credential, endpoint, reason) not in self._told:
            # Each reason once between two reports: whoever mends the first wants to read the next.
            self._told.add((credential, endpoint, reason))
            log.warning("action=login_rejected endpoint=%s credential=%s reason=%s", endpoint, credential, reason)
        self._counts[credential, endpoint] = (count + 1, datetime.now(UTC))

    def not_allowed(self, credential: str, endpoint: Endpoint, reason: str) -> None:
        """The sender is known, but may not do this; Tradecloud drops the event, so somebody has to read it here."""
        log.warning("action=not_allowed endpoint=%s credential=%s reason=%s", endpoint, credential, reason)

    async def report(self) -> None:
        """Hand over what was counted and noted; what the inbox cannot take is kept for the next time."""
        await self._report_rejected()
        await self._report_used()

    async def _report_rejected(self) -> None:
        counts, self._counts = self._counts, {}
        self._told.clear()
        logins = tuple(RejectedLogin(*key, count, last_at) for key, (count, last_at) in counts.items())
        if not logins:
            return
        try:
            await self._inbox.report_rejected(logins)
        except InboxUnavailableError as error:
            log.warning("action=logins_not_reported reason=%s", error)
            for login in logins:
                newer, last_at = self._counts.get((login.credential, login.endpoint), (0, login.last_at))
                self._counts[login.credential, login.endpoint] = (newer + login.count, last_at)

    async def _report_used(self) -> None:
        used, self._used = self._used, {}
        uses = tuple(CredentialUse(*key, last_at) for key, last_at in used.items())
        if not uses:
            return
        try:
            await self._inbox.report_used(uses)
        except InboxUnavailableError as error:
            log.warning("action=uses_not_reported reason=%s", error)
            self._used = used | self._used

    async def report_regularly(self) -> None:
        """Report for ever; to be cancelled."""
        while True:
            await asyncio.sleep(REPORT_EVERY)
            await self.report()
