"""`GET /health/live` and `/health/ready`."""

from __future__ import annotations

import json
import time

from service.inbox.interface import Inbox, InboxUnavailableError
from service.maintenance import Maintenance
from service.problems import Answer
from service.reception import Admission

#: The result of a trial is good for this long, so that strangers cannot make the disk busy by asking.
TRIAL_GOOD_FOR = 1.0


class Health:
    """Answers the two questions."""

    def __init__(self, inbox: Inbox, admission: Admission, maintenance: Maintenance) -> None:
        self._inbox = inbox
        self._admission = admission
        self._maintenance = maintenance
        self._tried_at = float("-inf")
        self._trouble: str | None = None

    async def live(self) -> Answer:
        """The process answers."""
        return _answer(200, "live")

    async def ready(self) -> Answer:
        """200 if an event that came now would be stored, else 503 with the reason in a few words."""
        if self._admission.draining:
            return _answer(503, "not ready", "shutting down")
        if self._maintenance.on:
            return _answer(503, "not ready", "maintenance")
        if time.monotonic() - self._tried_at >= TRIAL_GOOD_FOR:
            self._tried_at = time.monotonic()
            try:
                await self._inbox.check()
                self._trouble = None
            except InboxUnavailableError:
                # What exactly is wrong stands in the log; paths and the like are not for strangers.
                self._trouble = "the inbox cannot store"
        if self._trouble is not None:
            return _answer(503, "not ready", self._trouble)
        return _answer(200, "ready")


def _answer(status: int, word: str, reason: str | None = None) -> Answer:
    body = {"status": word} | ({"reason": reason} if reason else {})
    return Answer(status, json.dumps(body).encode(), "application/json")
