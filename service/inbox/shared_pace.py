"""One pace at the platform for all workers of an inbox: whose turn it is, the server's advisory lock says.

The lock belongs to a transaction: a worker that dies gives it back at once; the transaction of one that hangs is
ended by the server (`idle_in_transaction_session_timeout`).
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator

from psycopg.errors import LockNotAvailable, QueryCanceled
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from handlers.documents.pace import NoTurnError
from handlers.erp.exchange import Deadline
from service.inbox.place import DatabaseServer
from service.inbox.postgresql import is_mistake, lock_number, take_turns, unavailable, wait_at_most, writing_engine

log = logging.getLogger(__name__)

_TURN = lock_number("platform call")
_LIMIT = text("SELECT set_config('lock_timeout', :ms, true), set_config('statement_timeout', :ms, true)")


class SharedPace:
    """See `handlers.documents.pace.Pace`; the pause after a call is part of its turn."""

    def __init__(self, server: DatabaseServer, calls_per_second: float) -> None:
        """Nothing is connected yet."""
        self._pause = 1.0 / calls_per_second
        self._engine: Engine = writing_engine(server, lock_seconds=5.0, statement_seconds=5.0)

    @contextlib.contextmanager
    def turn(self, deadline: Deadline) -> Iterator[None]:
        """Wait for the turn.

        Raises:
            NoTurnError: other workers took the time that was left, or the server does not answer.
        """
        with contextlib.ExitStack() as stack:
            try:
                connection = stack.enter_context(self._engine.connect())
                transaction = connection.begin()
                self._take(connection, deadline)
            except PoolTimeoutError:
                raise NoTurnError("no time was left for a call to the platform: other calls took it") from None
            except DBAPIError as error:
                if isinstance(error.orig, LockNotAvailable | QueryCanceled):
                    raise NoTurnError(
                        "no time was left for a call to the platform: other workers took it"
                    ) from None
                if is_mistake(error):
                    raise
                raise NoTurnError(str(unavailable(error, "say whose turn it is at the platform"))) from error
            try:
                yield
            finally:
                time.sleep(self._pause)
                try:
                    transaction.rollback()
                except DBAPIError as error:
                    log.debug("action=turn_was_lost error=%s", type(error.orig).__name__)

    def close(self) -> None:
        """Let go of the connection."""
        self._engine.dispose()

    def _take(self, connection: Connection, deadline: Deadline) -> None:
        wait_at_most(connection, deadline.left)
        connection.execute(_LIMIT, {"ms": str(max(1, int(deadline.left * 1000)))})
        take_turns(connection, [_TURN])
