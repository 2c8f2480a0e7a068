"""`GET /health/live` and `/health/ready`."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from ipaddress import IPv6Address, ip_address

from starlette.types import Scope

from service.inbox.interface import Inbox, InboxUnavailableError
from service.maintenance import Maintenance
from service.problems import Answer
from service.reception import Admission

#: The result of a trial is good for this long, so that strangers cannot make the disk busy by asking.
TRIAL_GOOD_FOR = 1.0


class Health:
    """Answers the two questions; `details` gives further members for whoever asks from this machine, `needs` says
    what else is missing for an answer that Tradecloud takes for a delivery."""

    def __init__(
        self,
        inbox: Inbox,
        admission: Admission,
        maintenance: Maintenance,
        details: Callable[[], Mapping[str, object]],
        needs: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._inbox = inbox
        self._admission = admission
        self._maintenance = maintenance
        self._details = details
        self._needs = needs
        self._tried_at = float("-inf")
        self._trouble: str | None = None

    async def live(self, _scope: Scope) -> Answer:
        """The process answers."""
        return _answer(200, {"status": "live"})

    async def ready(self, scope: Scope) -> Answer:
        """200 if an event that came now would be stored, else 503 with the reason in a few words."""
        reason = await self._reason()
        body = {"status": "ready"} if reason is None else {"status": "not ready", "reason": reason}
        # Paths, keys of settings and the like are not for strangers.
        details = self._details() if _from_this_machine(scope) else {}
        return _answer(200 if reason is None else 503, {**body, **details})

    async def _reason(self) -> str | None:
        if self._admission.draining:
            return "shutting down"
        if self._maintenance.on:
            return "maintenance"
        if missing := self._needs():
            return missing
        if time.monotonic() - self._tried_at >= TRIAL_GOOD_FOR:
            self._tried_at = time.monotonic()
            try:
                await self._inbox.check()
                self._trouble = None
            except InboxUnavailableError:
                # What exactly is wrong stands in the log.
                self._trouble = "the inbox cannot store"
        return self._trouble


def _from_this_machine(scope: Scope) -> bool:
    client, server = scope.get("client"), scope.get("server")
    if client is None:
        return False
    if server is not None and client[0] == server[0]:
        return True  # by the machine's own address in the network
    address = ip_address(client[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped  # how an IPv4 client looks to a socket that listens on ::
    return address.is_loopback


def _answer(status: int, body: Mapping[str, object]) -> Answer:
    return Answer(status, json.dumps(body).encode(), "application/json")
