"""The inbox: events, their bodies, the orders they name, rejected logins."""

import sqlalchemy as sa
from alembic import op

from service.inbox import column_types as types

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the first tables."""
    op.create_table(
        "event",
        sa.Column("seq", types.Integer, primary_key=True, autoincrement=True),
        sa.Column("id", types.Text, nullable=False, unique=True),
        sa.Column("received_at", types.Text, nullable=False),
        sa.Column("endpoint", types.Text, nullable=False),
        sa.Column("credential", types.Text, nullable=False),
        sa.Column("content_type", types.Text, nullable=False),
        sa.Column("content_encoding", types.Text, nullable=False),
        sa.Column("state", types.Text, nullable=False),
        sa.Column("deliveries", types.Integer, nullable=False),
        sa.Column("last_delivered_at", types.Text, nullable=False),
        sa.Column("body_length", types.Integer),
        sa.Column("kept_length", types.Integer, nullable=False),
        sa.Column("truncated", sa.Boolean, nullable=False),
        sa.Column("content_hash", types.LargeBinary),
        sa.Column("body_hash", types.LargeBinary),
        sa.Column("event_name", types.Text),
        sa.Column("payload_kind", types.Text),
        sa.Column("message_id", types.Text),
        sa.Column("trace_id", types.Text),
        sa.Column("subject_id", types.Text),
        sa.Column("purchase_order_number", types.Text),
        sa.Column("version", types.Text),
        sa.Column("last_updated_at", types.Text),
        sa.Column("other_content_as", types.Text),
        sa.Column("repeat_of", types.Text),
        sa.Column("drift_count", types.Integer, nullable=False),
        sa.Column("drift", types.JSON),
        sa.Column("refusal", types.JSON),
        sqlite_autoincrement=True,
    )
    op.create_index("event_by_state", "event", ["state", "seq"])
    op.create_index("event_by_subject", "event", ["subject_id", "seq"])
    op.create_index("event_by_message", "event", ["message_id", "endpoint"])
    op.create_index("event_by_content", "event", ["content_hash", "endpoint"])
    op.create_index("event_by_body", "event", ["body_hash"], unique=True)
    op.create_index("event_quarantined", "event", ["kept_length"], **types.where("state = 'quarantined'"))
    op.create_table(
        "event_body",
        sa.Column("event_id", types.Text, sa.ForeignKey("event.id"), primary_key=True),
        sa.Column("body", types.LargeBinary, nullable=False),
    )
    op.create_table(
        "event_order",
        sa.Column("purchase_order_number", types.Text, primary_key=True),
        sa.Column("event_id", types.Text, sa.ForeignKey("event.id"), primary_key=True),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "rejected_login",
        sa.Column("credential", types.Text, primary_key=True),
        sa.Column("endpoint", types.Text, primary_key=True),
        sa.Column("count", types.Integer, nullable=False),
        sa.Column("last_at", types.Text, nullable=False),
    )
    op.create_table(
        "trial",
        sa.Column("id", types.Integer, primary_key=True),
        sa.Column("written_at", types.Text, nullable=False),
    )
    # Bodies are compressed by their sender or not worth it: a large one is stored as it is, beside its row.
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE event_body ALTER COLUMN body SET STORAGE EXTERNAL")
