"""From the address of a database to an engine, and how the address may be shown."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

#: What installs the driver of a dialect whose Python package has another name.
_PACKAGES = {"MySQLdb": "mysqlclient", "cx_Oracle": "oracledb", "mysql.connector": "mysql-connector-python"}

_SQLITE = "sqlite:///"


class AddressError(Exception):
    """The database cannot be used from here; one line that says why, without the password."""


def check_address(text: str) -> None:
    """Check that a text is an address of a database.

    Raises:
        ValueError: it is not; the text completes the sentence "<key>: …" and shows nothing of the address.
    """
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise ValueError(
            "must be an address such as postgresql+psycopg://user:password@host/database or sqlite:///erp.db; "
            "signs such as @ : / in a password are written as %40 %3A %2F"
        ) from None
    # Of an `@` in a password the rest would be the host or the database, and be shown as such.
    if url.get_backend_name() != "sqlite" and "@" in f"{url.host}{url.database}":
        raise ValueError("has an @ too many: signs such as @ : / in a password are written as %40 %3A %2F")
    if url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:"):
        raise ValueError("must name a file after sqlite:///, or everything is gone when the service stops")


def located(text: str, folder: Path) -> str:
    """The address with the relative path of an SQLite file, if it has one, seen from a folder."""
    start, path = text[: len(_SQLITE)], text[len(_SQLITE) :]
    if start != _SQLITE or not path or path.startswith(("/", ":", "file:")):
        return text
    return _SQLITE + (folder / path).as_posix()


def shown(url: URL) -> str:
    """Where it is, for people: no user, no password, and none of what may follow the question mark."""
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    place = f"{url.host or 'this machine'}{f':{url.port}' if url.port else ''}"
    return f"{url.get_backend_name()} at {place}" + (f", database {url.database}" if url.database else "")


def secrets_of(url: URL) -> tuple[str, ...]:
    """What must not be told of it: the password, and passwords behind the question mark."""
    behind = [value for name, value in url.query.items() if "pass" in name.lower() or "pwd" in name.lower()]
    found = [str(url.password or ""), *(each for each in behind if isinstance(each, str))]
    return tuple(each for each in found if each)


def open_engine(text: str, *, timeout: float, connections: int) -> Engine:
    """An engine; nothing is connected yet.

    Raises:
        AddressError: nothing here can talk to such a database.
    """
    url = make_url(text)
    if url.drivername in ("postgres", "postgresql"):
        url = url.set(drivername="postgresql+psycopg")  # the driver that comes with this service
    try:
        engine = create_engine(
            url,
            hide_parameters=True,  # an error's text goes to the log, what an event says does not
            pool_size=connections,
            max_overflow=0,
            pool_timeout=timeout,
            connect_args=dict(_connect_args(url, timeout)),
        )
    except NoSuchModuleError:
        raise AddressError(f"SQLAlchemy knows no database {url.drivername}") from None
    except ModuleNotFoundError as error:
        package = _PACKAGES.get(error.name or "", error.name)
        raise AddressError(f"{url.drivername} needs the Python package {package}; install it") from None
    except (ArgumentError, TypeError, ValueError) as error:
        raise AddressError(f"the address cannot be used: {type(error).__name__}") from None
    if engine.dialect.is_async:
        raise AddressError(
            f"{url.drivername} is for programs of another kind (asyncio); name a driver without async, "
            "such as postgresql+psycopg"
        )
    if engine.dialect.name == "sqlite":
        _begin_at_once(engine)
    return engine


def _connect_args(url: URL, timeout: float) -> Mapping[str, Any]:
    match url.get_backend_name(), url.get_driver_name():
        case "sqlite", "pysqlite":
            return {"timeout": timeout, "check_same_thread": False}
        case "postgresql", "psycopg":
            return {
                "connect_timeout": max(2, round(timeout)),
                # Prepared statements are in the way of connection poolers, and of changes to the tables.
                "prepare_threshold": None,
                "application_name": "tradecloud-webhooks",
            }
        case _:
            return {}


def _begin_at_once(engine: Engine) -> None:
    """Take the lock where waiting for it is possible, and not at the first write, where SQLite gives up at once."""

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # transactions are begun below, not by the driver

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
