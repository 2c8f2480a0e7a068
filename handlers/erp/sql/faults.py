"""What an error of the database means for the event that was on its way.

Trouble of the server, the network, the disk or the tables says nothing about the event: `Unavailable`. Data that a
column, constraint or trigger does not take is a refusal of this event. What is left is a mistake of ours.
"""

from __future__ import annotations

import sqlite3

from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    NotSupportedError,
    SQLAlchemyError,
)
from sqlalchemy.exc import TimeoutError as NoConnectionFreeError

from handlers.interface import Outcome, Refused, TimedOut, Unavailable

#: Of the database's own words in a reason.
_MAX_REASON = 300
#: PostgreSQL's classes of errors (its manual, appendix A) that are about data: data exception, integrity
#: constraint, check option of a view, a limit of the program (a value too long for an index), RAISE in a trigger.
_ABOUT_DATA = ("22", "23", "44", "54", "P0")
_QUERY_CANCELED = "57014"
_SYNTAX_ERROR = "42601"
_NOT_SUPPORTED = "0A"
#: MySQL and MariaDB: max_execution_time and max_statement_time; SIGNAL in a trigger.
_MYSQL_TOO_SLOW = (3024, 1969)
_MYSQL_SIGNAL = 1644


def outcome_of(error: SQLAlchemyError, place: str, secrets: tuple[str, ...] = ()) -> Outcome | None:
    """The outcome; None for a mistake of ours. `place` is the database as people may see it."""
    if isinstance(error, NoConnectionFreeError):
        return Unavailable(f"{place}: no connection became free in time")
    if not isinstance(error, DBAPIError):
        return None
    said = _words(error.orig, secrets)
    state = getattr(error.orig, "sqlstate", None)
    if isinstance(state, str):
        kind = _kind_by_state(state)
    elif isinstance(error.orig, sqlite3.Error):
        kind = _kind_of_sqlite(error.orig)
    else:
        kind = _kind_of_others(error)
    if kind is Refused:
        return Refused(f"the database does not take it: {said}")
    return None if kind is None else kind(f"{place}: {said}")


def _kind_by_state(state: str) -> type[Refused | Unavailable | TimedOut] | None:
    if state == _QUERY_CANCELED:
        return TimedOut
    if state.startswith(_ABOUT_DATA):
        return Refused
    # The rest of class 42 is about tables and rights, which only somebody there can mend.
    return None if state == _SYNTAX_ERROR or state.startswith(_NOT_SUPPORTED) else Unavailable


def _kind_of_sqlite(error: sqlite3.Error) -> type[Refused | Unavailable | TimedOut] | None:
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return None  # the driver's own complaint about what it was given
    match code & 0xFF:
        case sqlite3.SQLITE_INTERRUPT:
            return TimedOut
        case sqlite3.SQLITE_CONSTRAINT | sqlite3.SQLITE_TOOBIG | sqlite3.SQLITE_MISMATCH:
            return Refused
        case sqlite3.SQLITE_ERROR if "syntax error" in str(error):
            return None
        case sqlite3.SQLITE_MISUSE | sqlite3.SQLITE_RANGE:
            return None
        case _:
            return Unavailable


def _kind_of_others(error: DBAPIError) -> type[Refused | Unavailable | TimedOut] | None:
    code = next(iter(getattr(error.orig, "args", ())), None)
    if code in _MYSQL_TOO_SLOW:
        return TimedOut
    if isinstance(error, DataError | IntegrityError) or code == _MYSQL_SIGNAL:
        return Refused
    # Missing tables and rights look like mistakes of ours here: rather tried without end than given up.
    return None if isinstance(error, NotSupportedError) else Unavailable


def _words(error: BaseException | None, secrets: tuple[str, ...]) -> str:
    """The first line of what the database says: the further ones of PostgreSQL quote whole rows."""
    lines = str(error).strip().splitlines()
    line = " ".join("".join(c if c.isprintable() else " " for c in lines[0]).split()) if lines else ""
    for secret in secrets:
        line = line.replace(secret, "********")
    if len(line) > _MAX_REASON:
        line = line[: _MAX_REASON - 1] + "…"
    return line or type(error).__name__
