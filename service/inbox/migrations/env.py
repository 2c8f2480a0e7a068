"""Run by Alembic for each command; the connection comes from `service/inbox/migrate.py`."""

from alembic import context

from service.inbox.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # SQLite can change hardly anything about a table in place; Alembic then copies it.
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
