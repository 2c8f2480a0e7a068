"""Documents that events name, and which handover the others of its event wait for."""

import sqlalchemy as sa
from alembic import op

from service.inbox import column_types as types

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the table and the column; events that are there have no documents on record."""
    op.add_column("handover", sa.Column("holds_event", sa.Boolean, nullable=False, server_default=sa.false()))
    op.create_table(
        "document",
        sa.Column("event_id", types.Text, sa.ForeignKey("event.id"), primary_key=True),
        sa.Column("number", types.Integer, primary_key=True, autoincrement=False),
        sa.Column("place", types.Text, nullable=False),
        sa.Column("line", types.Text),
        sa.Column("code", types.Text),
        sa.Column("revision", types.Text),
        sa.Column("name", types.Text),
        sa.Column("object_id", types.Text),
        sa.Column("url", types.Text),
        sa.Column("updated_at", types.Text),
        sa.Column("copy_key", types.Text),
        sa.Column("state", types.Text, nullable=False),
        sa.Column("path", types.Text),
        sa.Column("sha256", types.Text),
        sa.Column("size", types.Integer),
        sa.Column("media_type", types.Text),
        sa.Column("stored_at", types.Text),
        sa.Column("reason", types.Text),
        sqlite_with_rowid=False,
    )
    op.create_index("document_by_copy", "document", ["copy_key"], **types.where("state = 'stored'"))
