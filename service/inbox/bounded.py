"""A connection to PostgreSQL that waits for no answer for ever.

The server bounds its statements, and TCP finds out that a machine is gone. Neither helps where something in between
(a proxy, a pooler) takes what is sent and has lost the server behind it: only the one who waits can give up.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any

import psycopg


class BoundedConnection(psycopg.Connection[Any]):
    """Breaks, as if the server had closed it, when an answer takes too long."""

    longest_wait: float | None = None
    """Seconds; None: no bound."""

    def wait(self, gen: Generator[Any, Any, Any], *arguments: Any, **named: Any) -> Any:
        """See `psycopg.Connection`, which sends the generator "nothing yet" ten times a second.

        Raises:
            OperationalError: there was no answer in time, and the connection is closed. Nobody knows what became of
                the statement.
        """
        bounded = gen if self.longest_wait is None else self._bounded(gen, self.longest_wait)
        return super().wait(bounded, *arguments, **named)

    def _bounded(self, gen: Generator[Any, Any, Any], seconds: float) -> Generator[Any, Any, Any]:
        until = time.monotonic() + seconds
        ready = None
        while True:
            try:
                wanted = gen.send(ready)
            except StopIteration as done:
                return done.value
            if time.monotonic() > until:
                self.pgconn.finish()
                raise psycopg.OperationalError(f"the server did not answer within {seconds:.0f} s")
            ready = yield wanted
