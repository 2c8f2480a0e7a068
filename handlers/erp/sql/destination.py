"""The destination `sql`: each event brings the tables to the state of its order or shipment, in one transaction.

With the rows goes a row for the event under its idempotency key, so an attempt whose end got lost is recognised
when it is repeated, and changes nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from sqlalchemy import Connection, Table, inspect, make_url, text
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError

from handlers.erp.sql.address import open_engine, secrets_of, shown
from handlers.erp.sql.faults import outcome_of
from handlers.erp.sql.rows import SubjectRows, rows_of
from handlers.erp.sql.storing import locked_header, note_documents, note_event, store, was_handed_over
from handlers.erp.sql.tables import tables
from handlers.erp.sql.watch import Watch
from handlers.interface import (
    Accepted,
    Change,
    ErpEvent,
    JsonObject,
    Outcome,
    RenderedBody,
    TimedOut,
    Unavailable,
)

#: Seconds beyond the server's own time-out after which the connection is cut.
_GRACE = 0.5


class _NotReadyError(Exception):
    """The tables are not as they must be; one line that says what is missing."""


class SqlDestination:
    """Writes into the tables; one object for all threads, each with a connection of its own."""

    def __init__(
        self,
        database_url: str,
        *,
        schema: str | None = None,
        table_prefix: str = "tradecloud_",
        create: bool = True,
        timeout: float = 30.0,
        connections: int = 4,
    ) -> None:
        """Nothing is connected yet.

        Raises:
            AddressError: nothing here can talk to such a database.
        """
        url = make_url(database_url)
        self._place = shown(url)
        self._secrets = secrets_of(url)
        self._timeout = timeout
        self._create = create
        self._schema = schema
        self._tables = tables(table_prefix, schema)
        self._engine = open_engine(database_url, timeout=timeout, connections=connections)
        self._ready = False
        self._preparing = threading.Lock()

    def deliver(
        self, event: ErpEvent, merged: JsonObject | None, changes: Sequence[Change], body: RenderedBody
    ) -> Outcome:
        """`Accepted` once the rows are committed; `handlers.erp.sql.faults` says what else may come of it.

        Raises:
            SQLAlchemyError: a mistake of ours.
        """
        subject = None
        if merged is not None and event.subject_id is not None:
            subject = rows_of(event.endpoint, event.subject_id, merged)
        # Where nothing tells what the event is about, the event itself is all that can be kept.
        data = None if subject is not None else body.content.decode("utf-8", "replace")
        until = time.monotonic() + self._timeout
        try:
            return self._hand_over(event, subject, data, until)
        except IntegrityError:
            pass  # somebody else wrote the same for the first time, at the same time
        except DBAPIError as error:
            # A connection of before the server's restart.
            if not error.connection_invalidated or time.monotonic() >= until:
                return self._outcome(error)
        except _NotReadyError as error:
            return Unavailable(f"{self._place}: {error}")
        except SQLAlchemyError as error:
            return self._outcome(error)
        try:
            return self._hand_over(event, subject, data, until)
        except _NotReadyError as error:
            return Unavailable(f"{self._place}: {error}")
        except SQLAlchemyError as error:
            return self._outcome(error)

    def close(self) -> None:
        """End all connections."""
        self._engine.dispose()

    def _outcome(self, error: SQLAlchemyError) -> Outcome:
        self._ready = False  # somebody may have removed a table
        outcome = outcome_of(error, self._place, self._secrets)
        if outcome is None:
            raise error
        return outcome

    def _hand_over(self, event: ErpEvent, subject: SubjectRows | None, data: str | None, until: float) -> Outcome:
        with self._engine.connect() as connection:
            seconds = max(0.1, until - time.monotonic())
            watch = Watch(connection, seconds + _GRACE)
            try:
                with watch:
                    self._prepare(connection, seconds)
                    with connection.begin():
                        self._limit(connection, seconds)
                        return self._write(connection, event, subject, data)
            except DBAPIError:
                if watch.has_cut:
                    return TimedOut(f"{self._place}: no answer within {self._timeout:g} s")
                raise

    def _write(
        self, connection: Connection, event: ErpEvent, subject: SubjectRows | None, data: str | None
    ) -> Accepted:
        header = None if subject is None else locked_header(connection, self._tables, subject)
        if was_handed_over(connection, self._tables, event):
            return Accepted("it is there already")
        note_documents(connection, self._tables, event)
        if subject is None:
            note_event(connection, self._tables, event, "no subject", data)
            return Accepted("nothing tells what it is about; it stands in the table of events")
        writes = store(connection, self._tables, event, subject, header)
        outcome = "older" if writes.older and not len(writes) else "written"
        note_event(connection, self._tables, event, outcome, None)
        note = f"{len(writes)} row{'' if len(writes) == 1 else 's'} changed"
        if writes.older:
            note += f"; older than the tables and left out: {', '.join(writes.older[:10])}"
            note += " …" if len(writes.older) > 10 else ""
        return Accepted(note)

    def _limit(self, connection: Connection, seconds: float) -> None:
        if connection.dialect.name == "postgresql":
            # By a statement, because connection poolers refuse settings on connecting.
            connection.execute(
                text("SELECT set_config('statement_timeout', :ms, true), set_config('lock_timeout', :lock, true)"),
                # The lock first: that somebody holds a row says nothing about the event.
                {"ms": str(int(seconds * 1000)), "lock": str(max(1, int(seconds * 900)))},
            )

    def _prepare(self, connection: Connection, seconds: float) -> None:
        """Create or check the tables, once for all threads."""
        if self._ready:
            return
        with self._preparing:
            if self._ready:
                return
            failure = self._create_missing(connection, seconds)
            with connection.begin():
                # Another service may have created them at the same time.
                if failure is not None and self._missing_tables(connection):
                    raise _NotReadyError(self._cannot_create(failure)) from failure
                self._require_columns(connection)
            self._ready = True

    def _create_missing(self, connection: Connection, seconds: float) -> DBAPIError | None:
        """Create the tables that are not there; what the database said against it.

        Raises:
            _NotReadyError: something is missing, and may not be created.
        """
        try:
            with connection.begin():
                self._limit(connection, seconds)
                missing = self._missing_tables(connection)
                if missing and not self._create:
                    raise _NotReadyError(
                        f"there is no table {missing[0].fullname}; create it, or allow it by create = true"
                    )
                self._tables.metadata.create_all(connection, tables=missing)
        except DBAPIError as error:
            if error.connection_invalidated:
                raise
            return error
        return None

    def _missing_tables(self, connection: Connection) -> list[Table]:
        inspector = inspect(connection)
        return [
            table
            for table in self._tables.named.values()
            if not inspector.has_table(table.name, schema=self._schema)
        ]

    def _require_columns(self, connection: Connection) -> None:
        inspector = inspect(connection)
        for table in self._tables.named.values():
            there = {column["name"].lower() for column in inspector.get_columns(table.name, schema=self._schema)}
            for column in table.columns:
                if column.name not in there:
                    raise _NotReadyError(f"table {table.fullname} has no column {column.name}; add it")

    def _cannot_create(self, error: DBAPIError) -> str:
        outcome = outcome_of(error, "the tables cannot be created", self._secrets)
        if outcome is None or isinstance(outcome, Accepted):
            raise error
        return outcome.reason
