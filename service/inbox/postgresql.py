"""PostgreSQL as a store that several receivers and workers share.

- A commit returns after the server's log is on disk, whatever the server's default is (`synchronous_commit`).
- Waiting is bounded everywhere: for a connection, a lock, a statement; a session whose client is gone is ended by
  the server, and with it its locks.
- Advisory locks are numbers; `lock_number` makes them of what they stand for.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from alembic.util import CommandError
from psycopg import errors
from psycopg.types.string import StrDumper, StrDumperUnknown
from sqlalchemy import (
    BigInteger,
    Connection,
    Engine,
    ExceptionContext,
    bindparam,
    create_engine,
    event,
    make_url,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool, QueuePool

from service.inbox import migrate
from service.inbox.bounded import BoundedConnection
from service.inbox.interface import InboxUnavailableError
from service.inbox.place import DatabaseServer
from service.inbox.schema import VERSION

log = logging.getLogger(__name__)

#: Seconds to wait for a connection; libpq takes no shorter time.
CONNECT_SECONDS = 2
#: Seconds by which the client waits longer for an answer than the server works on a statement.
GRACE = 2.0
#: The channel on which workers are told that there may be something to do.
CHANNEL = "webhooks_work"
#: What stands for U+0000, which PostgreSQL cannot keep in a text: its picture. The body keeps what was received.
NUL_PICTURE = "\u2400"

#: Bytes of a text that an index has. A row of one has room for 2704 (a third of a page).
MAX_INDEXED = 1000

#: Why a statement fails that is not the server's trouble (SQLSTATE classes: data, integrity, syntax).
_MISTAKES = ("22", "23", "42")
#: Of those: no rights, no such table or column. Somebody changed the database, so this is trouble, and passes.
_TROUBLE = (
    errors.InsufficientPrivilege.sqlstate,
    errors.UndefinedTable.sqlstate,
    errors.UndefinedColumn.sqlstate,
)
#: Two transactions were in each other's way: the one that was ended is done again at once.
_COLLISIONS = (errors.DeadlockDetected.sqlstate, errors.SerializationFailure.sqlstate)


def writing_engine(server: DatabaseServer, *, lock_seconds: float, statement_seconds: float) -> Engine:
    """For the receiver and for commands: each connection is tried before it is used, so that a restart of the
    server is not noticed. `lock_seconds` and `statement_seconds` bound the waiting."""
    return _engine(
        server,
        {"lock_timeout": lock_seconds, "statement_timeout": statement_seconds},
        poolclass=QueuePool,
        pool_size=2,
        max_overflow=0,
        pool_timeout=lock_seconds,
        pool_pre_ping=True,
    )


def session_engine(server: DatabaseServer, *, lock_seconds: float, statement_seconds: float) -> Engine:
    """For the worker, which keeps one connection, and with it its locks."""
    return _engine(
        server, {"lock_timeout": lock_seconds, "statement_timeout": statement_seconds}, poolclass=NullPool
    )


def reading_engine(server: DatabaseServer, *, connections: int = 0) -> Engine:
    """Cannot write. Without `connections` it keeps none between two questions."""
    settings = {"statement_timeout": 60.0}
    if not connections:
        return _engine(server, settings, read_only=True, poolclass=NullPool)
    return _engine(
        server,
        settings,
        read_only=True,
        poolclass=QueuePool,
        pool_size=connections,
        max_overflow=0,
        pool_pre_ping=True,
    )


def _engine(
    server: DatabaseServer, seconds: Mapping[str, float], *, read_only: bool = False, **pool: Any
) -> Engine:
    url = make_url(server.url)
    engine = create_engine(
        url,
        hide_parameters=True,  # an error's text goes to the log, an event's content does not
        isolation_level="READ COMMITTED",
        connect_args=_connect_args(url.query, seconds),
        **pool,
    )

    @event.listens_for(engine, "do_connect")
    def connect(_dialect: object, _record: object, arguments: Any, named: Any) -> Any:
        connection = BoundedConnection.connect(*arguments, **named)
        if "statement_timeout" in seconds:
            connection.longest_wait = seconds["statement_timeout"] + GRACE
        return connection

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: object) -> None:
        connection.adapters.register_dumper(str, _Text)
        connection.adapters.register_dumper(str, _TextUnknown)
        # Transactions, not the session: `target_session_attrs` may ask for one that takes writes.
        connection.read_only = True if read_only else None

    return engine


def _connect_args(query: Mapping[str, Any], seconds: Mapping[str, float]) -> dict[str, Any]:
    """What the address itself says goes first."""
    session = {
        "synchronous_commit": "on",
        # A client that stopped in the middle holds up others no longer than this.
        "idle_in_transaction_session_timeout": "30s",
        # A machine that is gone, with its locks: the server notices within some ten seconds.
        "tcp_keepalives_idle": "5",
        "tcp_keepalives_interval": "2",
        "tcp_keepalives_count": "3",
        **{name: f"{int(value * 1000)}ms" for name, value in seconds.items()},
    }
    options = " ".join(f"-c {name}={value}" for name, value in session.items())
    arguments = {
        "connect_timeout": CONNECT_SECONDS,
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "tcp_user_timeout": 10_000,
        "application_name": "webhooks",
        "client_encoding": "UTF8",
    }
    if not isinstance(query.get("host", ""), str):
        # Of several servers the one that takes writes: on another one a worker would read what is no more.
        arguments["target_session_attrs"] = "read-write"
    given = query.get("options", "")
    return {name: value for name, value in arguments.items() if name not in query} | {
        "options": f"{options} {given}".strip()
    }


class _Text(StrDumper):
    """A text without what PostgreSQL refuses."""

    def dump(self, obj: str) -> Any:
        return super().dump(_storable(obj))


class _TextUnknown(StrDumperUnknown):
    """The same where the server is to find out the type."""

    def dump(self, obj: str) -> Any:
        return super().dump(_storable(obj))


def _storable(value: str) -> str:
    return value.replace("\x00", NUL_PICTURE) if "\x00" in value else value


def indexed(value: str) -> str:
    """A text as the database gives it back where an index has it: of a very long one the beginning and its SHA-256,
    so that two of them stay two. The body has all of it."""
    text = _storable(value)
    data = text.encode("utf-8", "replace")
    if len(data) <= MAX_INDEXED:
        return text
    return f"{data[: MAX_INDEXED - 100].decode('utf-8', 'ignore')}… sha256 {hashlib.sha256(data).hexdigest()}"


def is_mistake(error: DBAPIError) -> bool:
    """Whether the statement was wrong, and not the server unable."""
    state = getattr(error.orig, "sqlstate", None) or ""
    return state.startswith(_MISTAKES) and state not in _TROUBLE


def is_collision(error: DBAPIError) -> bool:
    """Whether it may succeed when it is done again at once."""
    return getattr(error.orig, "sqlstate", None) in _COLLISIONS


def is_read_only(error: DBAPIError) -> bool:
    """Whether the server, or the session, takes no writes; another server may, at the same address."""
    return getattr(error.orig, "sqlstate", None) == errors.ReadOnlySqlTransaction.sqlstate


def unavailable(error: DBAPIError, what: str = "store") -> InboxUnavailableError:
    """The driver's error as ours, in the first line of the server's words."""
    lines = str(error.orig).strip().splitlines()
    return InboxUnavailableError(f"the inbox cannot {what}: {lines[0] if lines else type(error.orig).__name__}")


def open_server(server: DatabaseServer, engine: Engine) -> str | None:
    """Bring the tables up to date; whoever comes first does it, the others wait. The version before, None if the
    database was empty.

    Raises:
        InboxUnavailableError: the server cannot be reached, its database has another encoding than UTF-8, or its
            tables are of a newer version.
    """
    try:
        with engine.connect() as connection:
            encoding = connection.execute(text("SHOW server_encoding")).scalar()
        if encoding != "UTF8":
            raise InboxUnavailableError(
                f"cannot open {server}: its encoding is {encoding}, which has no room for names in every script; "
                "make the database with ENCODING 'UTF8' TEMPLATE template0"
            )
        before = migrate.version(engine)
        if before != VERSION:
            patient = _engine(server, {}, poolclass=NullPool)  # a step may take long where much is stored
            before = migrate.upgrade(patient)
        with engine.connect() as connection:
            if connection.execute(text("SHOW fsync")).scalar() != "on":
                log.error("action=server_without_fsync reason=a power cut may lose events that were accepted")
        return before
    except DBAPIError as error:
        raise InboxUnavailableError(f"cannot open {server}: {_first_line(error)}") from error
    except CommandError as error:
        raise InboxUnavailableError(
            f"cannot open {server}: it was made by a newer version of this service ({error})"
        ) from error


def open_for_reading(server: DatabaseServer) -> Engine:
    """The inbox on a server, for questions; each of them too may raise InboxUnavailableError.

    Raises:
        InboxUnavailableError: there is none yet, or it cannot be read.
    """
    engine = reading_engine(server)
    try:
        version = migrate.version(engine)
    except DBAPIError as error:
        raise InboxUnavailableError(f"cannot read {server}: {_first_line(error)}") from error
    if version is None:
        raise InboxUnavailableError(f"there is no inbox at {server} yet; `webhooks migrate` or `serve` makes it")
    if version < VERSION:
        raise InboxUnavailableError(
            f"{server} was made by an earlier version of this service; `webhooks migrate` brings it up to date"
        )

    @event.listens_for(engine, "handle_error")
    def translate(context: ExceptionContext) -> None:
        error = context.sqlalchemy_exception
        if isinstance(error, DBAPIError) and not is_mistake(error):
            raise unavailable(error, "be read") from error

    return engine


def _first_line(error: DBAPIError) -> str:
    lines = str(error.orig).strip().splitlines()
    return lines[0] if lines else type(error.orig).__name__


def lock_number(kind: str, *parts: str | bytes) -> int:
    """The number of the lock that stands for this: 64 bits with sign, the same in every process."""
    digest = hashlib.blake2b(digest_size=8)
    for part in (kind, *parts):
        data = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "big") + data)
    return int.from_bytes(digest.digest(), "big", signed=True)


def work_lock(key: str | None, event_id: str) -> int:
    """The lock of all that is done to events of one key; an event without a key has one of its own."""
    return lock_number("work", "event", event_id) if key is None else lock_number("work", "key", key)


_NUMBERS = bindparam("numbers", type_=ARRAY(BigInteger))
_TAKE_TURNS = text("SELECT pg_advisory_xact_lock(number) FROM unnest(:numbers) AS number").bindparams(_NUMBERS)
_TRY = text("SELECT number FROM unnest(:numbers) AS number WHERE pg_try_advisory_lock(number)").bindparams(_NUMBERS)
_TRY_FOR_NOW = text(
    "SELECT number FROM unnest(:numbers) AS number WHERE pg_try_advisory_xact_lock(number)"
).bindparams(_NUMBERS)
_UNLOCK = text("SELECT pg_advisory_unlock(number) FROM unnest(:numbers) AS number").bindparams(_NUMBERS)
_NOTIFY = text(f"NOTIFY {CHANNEL}")
_PRESENT = lock_number("worker")
_SAY_PRESENT = text("SELECT pg_try_advisory_lock_shared(:number)")
#: Looks and takes nothing, or a worker that begins just then could not say that it is there.
_SOMEBODY = text(
    "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    " AND (classid::bigint << 32) | objid::bigint = :number)"
)


def wait_at_most(connection: Connection, seconds: float) -> None:
    """How long this connection waits for an answer from now on, where its session was told another bound than the
    engine's."""
    bounded: Any = connection.connection.driver_connection
    bounded.longest_wait = seconds + GRACE


def take_turns(connection: Connection, numbers: Iterable[int]) -> None:
    """Wait for these locks and keep them until the end of the transaction; always in the same order, so that two
    who want some of the same do not wait for each other."""
    if wanted := sorted(set(numbers)):
        connection.execute(_TAKE_TURNS, {"numbers": wanted})


def try_locks(connection: Connection, numbers: Sequence[int], *, transaction: bool = False) -> set[int]:
    """Which of these locks are ours now: until they are given back, or until the end of the `transaction`."""
    if not numbers:
        return set()
    statement = _TRY_FOR_NOW if transaction else _TRY
    return set(connection.execute(statement, {"numbers": list(numbers)}).scalars())


def unlock(connection: Connection, numbers: Iterable[int]) -> None:
    """Give these locks back."""
    connection.execute(_UNLOCK, {"numbers": list(numbers)})


def unlock_all(connection: Connection) -> None:
    """Give back every lock of this connection that is not a transaction's."""
    connection.execute(text("SELECT pg_advisory_unlock_all()"))


def notify(connection: Connection) -> None:
    """Wake the workers as soon as this transaction is committed."""
    connection.execute(_NOTIFY)


def say_present(connection: Connection) -> None:
    """A worker works, as long as this connection lasts."""
    connection.execute(_SAY_PRESENT, {"number": _PRESENT})


def somebody_works(server: DatabaseServer) -> bool:
    """Whether any worker works on this inbox now.

    Raises:
        InboxUnavailableError: nobody can say.
    """
    engine = reading_engine(server)
    try:
        with engine.connect() as connection:
            return bool(connection.execute(_SOMEBODY, {"number": _PRESENT}).scalar())
    except DBAPIError as error:
        raise unavailable(error, "be read") from error
