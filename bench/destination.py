"""What events are handed over to while processing is measured: takes everything at once."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

from handlers.interface import Accepted, Change, ErpEvent, JsonObject, Outcome, RenderedBody, Unavailable


class Taking:
    """Takes everything; with a file, notes there when each message came."""

    def __init__(self, notes_file: str = "") -> None:
        """`notes_file` is that file."""
        self._notes = os.open(notes_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600) if notes_file else None

    def deliver(
        self, event: ErpEvent, merged: JsonObject | None, changes: Sequence[Change], body: RenderedBody
    ) -> Outcome:
        """Accepted."""
        if self._notes is not None:
            os.write(self._notes, f"{event.message_id} {time.time_ns()}\n".encode())
        return Accepted()

    def close(self) -> None:
        """Close the notes."""
        if self._notes is not None:
            os.close(self._notes)


class Dead:
    """Never there."""

    def deliver(
        self, event: ErpEvent, merged: JsonObject | None, changes: Sequence[Change], body: RenderedBody
    ) -> Outcome:
        """Unavailable."""
        return Unavailable("connection refused")

    def close(self) -> None:
        """Nothing to close."""
