"""Brings the database's schema up to date with Alembic; `migrations/versions/` holds the steps."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, inspect, text

from service.inbox.schema import VERSION

_SCRIPTS = Path(__file__).with_name("migrations")

#: Two services that start together on a server do this one after the other. Any number that nobody else uses.
_LOCK = 7_205_759_403_792_793


def upgrade(engine: Engine) -> str | None:
    """Run every step that the database has not seen, in one transaction; the version that it had before, None if
    it was empty.

    Raises:
        CommandError: it is of a newer version.
    """
    before = version(engine)
    if before == VERSION:
        return before
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            for statement in ("SET LOCAL statement_timeout = 0", "SET LOCAL lock_timeout = 0"):
                connection.execute(text(statement))
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return before


def version(engine: Engine) -> str | None:
    """The version that this tool left in the database, or None."""
    with engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        return found
