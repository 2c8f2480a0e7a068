"""Inboxes full of events that wait, filled without a receiver: what matters comes after."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench.bodies import MESSAGE_ID, ORDER_NUMBER, order
from handlers.interface import Endpoint
from service.body import Label
from service.event_reader import event_readers
from service.inbox.interface import Delivery, NewEvent
from service.inbox.local import LocalInbox
from service.inbox.transaction import QuarantineBudget

#: Events of each order, one after the other: issued first, then changed.
EVENTS_PER_ORDER = 5
#: Waiting for the disk together.
_AT_ONCE = 500

_MOMENT = b"2026-10-05T07:42:10.310Z"
_MEDIA_TYPE = "application/json"


class Backlog:
    """Bodies of many orders, made of one pattern."""

    def __init__(self, events: int, lines: int, events_per_order: int = EVENTS_PER_ORDER) -> None:
        self.events = events
        self._orders = max(events // events_per_order, 1)
        self._pattern = order(lines)

    def body(self, number: int) -> bytes:
        """The event of that number, from 0: every order comes once, then all of them again, changed."""
        version, which = divmod(number, self._orders)
        moment = datetime(2026, 10, 5, tzinfo=UTC) + timedelta(hours=version)
        return (
            self._pattern.replace(ORDER_NUMBER, b"B-%08d" % which)
            .replace(_MOMENT, moment.strftime("%Y-%m-%dT%H:%M:%S.000Z").encode())
            .replace(b'"version":1', b'"version":%d' % (version + 1))
            .replace(b'"quantity":24.50', b'"quantity":%d.50' % (24 + version))
            .replace(MESSAGE_ID, self.message_id(number).encode())
        )

    def message_id(self, number: int) -> str:
        """Of the event of that number."""
        return f"00000000-0000-4000-8000-{number:012}"

    def fill(self, path: Path) -> None:
        """Make an inbox there, with all events received."""
        asyncio.run(self._fill(path))

    async def _fill(self, path: Path) -> None:
        inbox = LocalInbox(
            path,
            budget=QuarantineBudget(1, 1),
            wal_max_bytes=1 << 30,
            min_free_bytes=1 << 20,
            busy_timeout=5.0,
            commit_timeout=60.0,
        )
        inbox.open()
        await inbox.start()
        try:
            for first in range(0, self.events, _AT_ONCE):
                numbers = range(first, min(first + _AT_ONCE, self.events))
                await asyncio.gather(*(inbox.accept(self._event(number)) for number in numbers))
        finally:
            await inbox.stop()

    def _event(self, number: int) -> NewEvent:
        body = self.body(number)
        delivery = Delivery(
            datetime.now(UTC), Endpoint.ORDER, "main", _MEDIA_TYPE, "", body, len(body), "127.0.0.1", False
        )
        return _READER.read(delivery, Label(_MEDIA_TYPE, 1, "", "", None))


_READER = event_readers()[Endpoint.ORDER]
