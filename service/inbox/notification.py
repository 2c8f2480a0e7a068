"""Waking a worker by the server: it listens on a connection of its own."""

from __future__ import annotations

import contextlib
import logging
import os
import select
import time
from typing import Any

from sqlalchemy import Engine

from service.inbox.place import DatabaseServer
from service.inbox.postgresql import CHANNEL, session_engine

log = logging.getLogger(__name__)

#: Seconds between two attempts to listen, while the server does not answer. The worker looks by itself meanwhile.
RETRY = 2.0


class Notifications:
    """The worker's end; see `WakeUp`, which does the same with a pipe."""

    def __init__(self, server: DatabaseServer) -> None:
        """Nothing is connected yet.

        Raises:
            OSError: there are no more pipes on this machine.
        """
        self._engine: Engine = session_engine(server, lock_seconds=5.0, statement_seconds=5.0)
        self._lent: Any = None
        self._connection: Any = None
        self._try_at = 0.0
        self._ours, self._theirs = os.pipe()
        for descriptor in (self._ours, self._theirs):
            os.set_blocking(descriptor, False)

    def wait(self, seconds: float) -> bool:
        """Wait until somebody wakes, at most so long; whether somebody did."""
        self._listen()
        ready, _, _ = select.select([self._ours, *self._listening()], [], [], max(seconds, 0.0))
        if self._ours in ready:
            with contextlib.suppress(BlockingIOError):
                while len(os.read(self._ours, 65536)) == 65536:
                    pass
        if len(ready) > (self._ours in ready):
            self._read()
        return bool(ready)

    def wake(self) -> None:
        """Wake the one who waits, from another thread."""
        with contextlib.suppress(OSError):  # full: it is about to wake anyway
            os.write(self._theirs, b"!")

    def close(self) -> None:
        """Let go of connection and pipe."""
        self._stop_listening()
        self._engine.dispose()
        os.close(self._ours)
        os.close(self._theirs)

    def _listen(self) -> None:
        if self._connection is not None or time.monotonic() < self._try_at:
            return
        self._try_at = time.monotonic() + RETRY
        try:
            self._lent = self._engine.raw_connection()
            self._connection = self._lent.driver_connection
            self._connection.rollback()
            self._connection.autocommit = True
            self._connection.execute(f"LISTEN {CHANNEL}")
        except Exception as error:
            # Whoever writes there says so; here it only takes a little longer until work is noticed.
            log.debug("action=not_listening error=%s", type(error).__name__)
            self._stop_listening()

    def _listening(self) -> list[int]:
        """What to watch of the connection: nothing, if there is none or it is broken."""
        if self._connection is not None:
            try:
                return [self._connection.fileno()]
            except Exception:
                self._stop_listening()
        return []

    def _read(self) -> None:
        try:
            self._connection.pgconn.consume_input()
            while self._connection.pgconn.notifies() is not None:
                pass
        except Exception:
            self._stop_listening()

    def _stop_listening(self) -> None:
        lent, self._lent, self._connection = self._lent, None, None
        if lent is not None:
            with contextlib.suppress(Exception):
                lent.close()  # the engine keeps none, so this ends it
