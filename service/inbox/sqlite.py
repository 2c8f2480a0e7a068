"""SQLite as a store that survives a power cut and is shared by the receiver and the command line.

- WAL with `synchronous=FULL`: a commit returns after the log is on disk. `NORMAL` would not wait for it.
- Every write transaction starts with BEGIN IMMEDIATE: it waits for the lock at its beginning, where waiting is
  possible, and not at its first write, where SQLite gives up at once.
- The log is emptied by a thread of its own, because a checkpoint on the writer's thread makes senders wait; it
  is bounded all the same.
"""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool, QueuePool

from service.folders import make_lasting
from service.inbox.interface import InboxUnavailableError

log = logging.getLogger(__name__)

#: FULL is what makes the 202 true; a test sets it to OFF to see the durability test fail.
SYNCHRONOUS = "FULL"

#: Seconds between two looks whether the database can be written to.
LOOK_EVERY = 0.0005
#: From this size on the checkpoint thread copies the log into the database while writing goes on.
WAL_CHECKPOINT_BYTES = 8 * 1024 * 1024
#: From this size on the writer itself waits for the log to be emptied: under constant load the thread never
#: finds a moment in which all of it may be reused.
WAL_RESTART_BYTES = 64 * 1024 * 1024


def writing_engine(path: Path, busy_timeout: float) -> Engine:
    """For the receiver: durable, each transaction immediate."""
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        hide_parameters=True,  # an error's text goes to the log, an event's content does not
        poolclass=QueuePool,
        pool_size=2,
        max_overflow=0,
        connect_args={"timeout": busy_timeout, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # transactions are begun below, not by the driver
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"PRAGMA synchronous={SYNCHRONOUS}")
        connection.execute("PRAGMA wal_autocheckpoint=0")
        connection.execute("PRAGMA foreign_keys=ON")

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        raw = connection.connection.driver_connection
        raw.execute("PRAGMA busy_timeout=0")
        try:
            if not _begun(raw, busy_timeout):
                connection.exec_driver_sql("BEGIN IMMEDIATE")  # raises the library's error, or begins after all
        finally:
            raw.execute(f"PRAGMA busy_timeout={int(busy_timeout * 1000)}")

    return engine


def _begun(connection: sqlite3.Connection, seconds: float) -> bool:
    """Begin a transaction as soon as nobody else writes; False if that is not so in time, or cannot be.

    Receiver and worker write in turns, each for some milliseconds. SQLite itself would look again after 1, 2, 5, 10
    and so on up to 100 milliseconds, so that whoever came second would wait ten times as long as it has to.
    """
    until = time.monotonic() + seconds
    while True:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= until:
                return False
            time.sleep(LOOK_EVERY)
        else:
            return True


def reading_engine(path: Path, busy_timeout: float = 5.0) -> Engine:
    """For the command line: cannot write, and keeps no connection open between two questions."""
    uri = f"{path.absolute().as_uri()}?mode=rw"
    engine = create_engine(
        "sqlite://",
        hide_parameters=True,
        poolclass=NullPool,
        creator=lambda: sqlite3.connect(uri, uri=True, timeout=busy_timeout),
    )

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: object) -> None:
        connection.execute("PRAGMA query_only=ON")

    return engine


def standing_reader(path: Path, connections: int) -> Engine:
    """For the worker's threads: cannot write, and keeps its connections, because it asks all the time."""
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        hide_parameters=True,
        poolclass=QueuePool,
        pool_size=connections,
        max_overflow=0,
        connect_args={"timeout": 5.0, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: object) -> None:
        connection.execute("PRAGMA query_only=ON")

    return engine


def unavailable(error: DBAPIError) -> InboxUnavailableError:
    """The driver's error as ours, in the driver's few words ("database or disk is full")."""
    return InboxUnavailableError(f"the inbox cannot store: {error.orig}")


class DatabaseFile:
    """The database file and its log, watched for what SQLite itself does not notice."""

    def __init__(self, path: Path, wal_max_bytes: int) -> None:
        self.path = path
        self._wal = path.with_name(path.name + "-wal")
        self._wal_max_bytes = wal_max_bytes
        self._inode: int | None = None
        self._wal_inode: int | None = None

    def create(self) -> None:
        """Make the file, if there is none, and its folder, both for their owner's eyes only.

        SQLite gives its log the mode of the database, so that has to be right before SQLite opens it.

        Raises:
            InboxUnavailableError: it cannot be made.
        """
        try:
            make_lasting(self.path.parent)
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
            os.chmod(self.path, 0o600)
        except OSError as error:
            raise InboxUnavailableError(f"cannot make the inbox {self.path}: {error.strerror}") from error

    def opened(self) -> None:
        """Remember which file was opened."""
        self._inode = _inode(self.path)
        self.log_opened()

    def log_opened(self) -> None:
        """Remember which log is written to; after a commit there is one."""
        if self._wal_inode is None:
            self._wal_inode = _inode(self._wal)

    def log_closed(self) -> None:
        """Our connections are closed; SQLite may have saved the log and removed it."""
        self._wal_inode = None

    def free_bytes(self) -> int:
        """What the disk of the database has left for us."""
        return shutil.disk_usage(self.path.parent).free

    def wal_bytes(self) -> int:
        """Size of the log; 0 if there is none yet."""
        try:
            return self._wal.stat().st_size
        except FileNotFoundError:
            return 0

    @property
    def log_is_lost(self) -> bool:
        """Somebody removed or replaced the log while it is in use: what is written to it, nobody would find."""
        return self._wal_inode is not None and _inode(self._wal) != self._wal_inode

    @property
    def log_is_full(self) -> bool:
        """The log has grown over the limit, because a reader does not let go of an old state."""
        return self.wal_bytes() > self._wal_max_bytes

    def check(self) -> None:
        """To be called before writing.

        Raises:
            InboxUnavailableError: the file was removed or replaced (SQLite would go on writing into a file that
                nobody can see), or its log is full.
        """
        if _inode(self.path) != self._inode:
            raise InboxUnavailableError(f"the inbox file {self.path} was removed or replaced while in use")
        if self.log_is_full:
            raise InboxUnavailableError(
                f"the log of {self.path} is over inbox.wal_max_bytes; a program keeps reading an old state of it"
            )


class Checkpointer:
    """Keeps the log of the database small."""

    def __init__(self, file: DatabaseFile) -> None:
        self._file = file
        self._engine = writing_engine(file.path, busy_timeout=0.2)
        self._wanted = threading.Event()
        self._stopping = False
        self._retry_restart_at = 0.0
        self._one_at_a_time = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="inbox-checkpoint", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread and empty the log for the last time, if nobody is reading."""
        self._stopping = True
        self._wanted.set()
        self._thread.join(5.0)
        self._checkpoint("TRUNCATE")
        self._engine.dispose()

    def after_commit(self) -> None:
        """To be called by the writer between two transactions."""
        size = self._file.wal_bytes()
        if size > WAL_CHECKPOINT_BYTES:
            self._wanted.set()
        if size > WAL_RESTART_BYTES:
            self.empty()

    def empty(self) -> None:
        """Wait, for a moment, until all of the log is in the database, and empty it."""
        if time.monotonic() < self._retry_restart_at:
            return
        self._checkpoint("TRUNCATE")
        if self._file.wal_bytes() > WAL_RESTART_BYTES:
            # With a reader in the way every attempt costs its time-out; one a second is enough.
            self._retry_restart_at = time.monotonic() + 1.0

    def forget_connections(self) -> None:
        """Open new ones from now on; closing the last of the old ones saves what is in its log."""
        with self._one_at_a_time:
            self._engine.dispose()

    def _run(self) -> None:
        while True:
            self._wanted.wait()
            self._wanted.clear()
            if self._stopping:
                return
            self._checkpoint("PASSIVE")

    def _checkpoint(self, mode: str) -> None:
        if not self._one_at_a_time.acquire(timeout=5.0):
            return  # the other one hangs in the disk; so would this one
        try:
            checkpoint(self._engine, mode)
        except Exception as error:
            # The log stays as it is and is tried again after the next commit; nothing is lost.
            log.warning("action=checkpoint_failed mode=%s reason=%s", mode, error)
        finally:
            self._one_at_a_time.release()


def checkpoint(engine: Engine, mode: str) -> bool:
    """Copy the log into the database; whether all of it is there now."""
    with engine.connect() as connection:
        # Not through a transaction of SQLAlchemy's: a checkpoint inside one is refused.
        raw = connection.connection.driver_connection
        assert raw is not None  # noqa: S101 - an open connection has one
        try:
            busy, frames, copied = raw.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
        except sqlite3.Error as error:
            raise DBAPIError("wal_checkpoint", None, error) from error
        return not busy and frames == copied


def schema_version(engine: Engine) -> str | None:
    """The version that the migration tool left in the database, or None."""
    with engine.connect() as connection:
        known = connection.execute(text("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'")).first()
        if known is None:
            return None
        version: str = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
        return version


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return None
