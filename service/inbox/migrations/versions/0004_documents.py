"""Documents that events name, and which handover the others of its event wait for."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the table and the column; events that are there have no documents on record."""
    op.add_column("handover", sa.Column("holds_event", sa.Boolean, nullable=False, server_default=sa.false()))
    op.create_table(
        "document",
        sa.Column("event_id", sa.Text, sa.ForeignKey("event.id"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("place", sa.Text, nullable=False),
        sa.Column("line", sa.Text),
        sa.Column("code", sa.Text),
        sa.Column("revision", sa.Text),
        sa.Column("name", sa.Text),
        sa.Column("object_id", sa.Text),
        sa.Column("url", sa.Text),
        sa.Column("updated_at", sa.Text),
        sa.Column("copy_key", sa.Text),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("path", sa.Text),
        sa.Column("sha256", sa.Text),
        sa.Column("size", sa.BigInteger),
        sa.Column("media_type", sa.Text),
        sa.Column("stored_at", sa.Text),
        sa.Column("reason", sa.Text),
        sqlite_with_rowid=False,
    )
    op.create_index("document_by_copy", "document", ["copy_key"], sqlite_where=sa.text("state = 'stored'"))
