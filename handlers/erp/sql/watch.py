"""An end to waiting for a database that does not answer.

A time-out of the server's own does not help when the server hangs, or its machine is gone without a word.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sqlite3
import threading
from typing import Any

from sqlalchemy import Connection


class Watch:
    """While it is entered, a connection that is in use after so many seconds is cut: its statement then fails.

    For psycopg and SQLite; with other drivers nothing happens, and their own time-outs hold.
    """

    def __init__(self, connection: Connection, seconds: float) -> None:
        self._raw: Any = connection.connection.driver_connection
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True
        self._over = threading.Lock()
        self.has_cut = False
        """Whether it came to that."""

    def __enter__(self) -> Watch:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._over:  # from here on the connection serves somebody else
            self._timer.cancel()
            self._raw = None

    def _cut(self) -> None:
        with self._over, contextlib.suppress(Exception):
            if isinstance(self._raw, sqlite3.Connection):
                self._raw.interrupt()
                self.has_cut = True
            elif hasattr(self._raw, "pgconn"):
                # What closes the socket under the driver wakes its thread; cancelling would need the server.
                with socket.socket(fileno=os.dup(self._raw.fileno())) as line:
                    line.shutdown(socket.SHUT_RDWR)
                self.has_cut = True
