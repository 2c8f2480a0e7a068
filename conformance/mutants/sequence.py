"""The sequence of events of one order: a later one waits until the earlier one is finished.

Kept in memory, which is enough for a stand-in: after a restart Tradecloud repeats what was not finished anyway.
"""

from __future__ import annotations

import threading
from collections import defaultdict

from conformance.mutants.event import Event


class Sequence:
    """For each order the events that were answered so that they come again, in the order in which they came."""

    def __init__(self) -> None:
        self._unfinished: defaultdict[str, list[str]] = defaultdict(list)
        self._lock = threading.Lock()

    def has_to_wait(self, event: Event, key: str | None) -> bool:
        """Whether an earlier event of its order is not finished; then this one is remembered behind it.

        What cannot be recognised when it comes again never waits, and nobody waits for it.
        """
        if key is None or event.order_id is None:
            return False
        with self._lock:
            waiting = self._unfinished.get(event.order_id)
            if not waiting or waiting[0] == key:
                return False
            if key not in waiting:
                waiting.append(key)
            return True

    def is_unfinished(self, event: Event, key: str | None) -> bool:
        """Whether the event was answered so before."""
        with self._lock:
            return key in self._unfinished.get(event.order_id or "", [])

    def comes_again(self, event: Event, key: str | None) -> None:
        """The event was answered so that Tradecloud repeats it."""
        if key is not None and event.order_id is not None:
            with self._lock:
                waiting = self._unfinished[event.order_id]
                if key not in waiting:
                    waiting.append(key)

    def finished(self, event: Event, key: str | None) -> None:
        """The event was delivered, or refused for good."""
        if event.order_id is not None:
            with self._lock:
                waiting = self._unfinished.get(event.order_id, [])
                if key in waiting:
                    waiting.remove(key)
                if not waiting:
                    self._unfinished.pop(event.order_id, None)
