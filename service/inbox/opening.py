"""Opening the database, whoever comes first: the receiver or the worker."""

from __future__ import annotations

from alembic.util import CommandError
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from service.inbox import migrate
from service.inbox.interface import InboxUnavailableError
from service.inbox.sqlite import DatabaseFile, writing_engine


def open_database(file: DatabaseFile, busy_timeout: float) -> Engine:
    """The database for writing, made if there is none, with the present tables.

    Raises:
        InboxUnavailableError: it cannot be opened.
    """
    file.create()
    engine = writing_engine(file.path, busy_timeout)
    try:
        migrate.upgrade(engine)
    except DBAPIError as error:
        raise InboxUnavailableError(f"cannot open {file.path}: {error.orig}") from error
    except CommandError as error:
        raise InboxUnavailableError(
            f"cannot open {file.path}: it was made by a newer version of this service ({error})"
        ) from error
    file.opened()
    return engine
