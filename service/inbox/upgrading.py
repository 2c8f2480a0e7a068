"""Bringing a store up to date without starting anything."""

from __future__ import annotations

from service.inbox import migrate
from service.inbox.opening import open_database
from service.inbox.place import DatabaseServer, Place
from service.inbox.postgresql import open_server, session_engine
from service.inbox.schema import VERSION
from service.inbox.sqlite import DatabaseFile, reading_engine


def upgrade(place: Place) -> tuple[str | None, str]:
    """The version before, None if there was nothing, and now.

    Raises:
        InboxUnavailableError: it cannot be opened, or is of a newer version.
    """
    if isinstance(place, DatabaseServer):
        engine = session_engine(place, lock_seconds=60.0, statement_seconds=60.0)
        try:
            return open_server(place, engine), VERSION
        finally:
            engine.dispose()
    before = None
    if place.is_file():
        before = migrate.version(reading_engine(place))
    open_database(DatabaseFile(place, 0), 60.0).dispose()
    return before, VERSION
