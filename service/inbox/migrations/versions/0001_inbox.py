"""The inbox: events, their bodies, the orders they name, rejected logins."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the first tables."""
    op.create_table(
        "event",
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("id", sa.Text, nullable=False, unique=True),
        sa.Column("received_at", sa.Text, nullable=False),
        sa.Column("endpoint", sa.Text, nullable=False),
        sa.Column("credential", sa.Text, nullable=False),
        sa.Column("content_type", sa.Text, nullable=False),
        sa.Column("content_encoding", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("deliveries", sa.Integer, nullable=False),
        sa.Column("last_delivered_at", sa.Text, nullable=False),
        sa.Column("body_length", sa.Integer),
        sa.Column("kept_length", sa.Integer, nullable=False),
        sa.Column("truncated", sa.Boolean, nullable=False),
        sa.Column("content_hash", sa.LargeBinary),
        sa.Column("body_hash", sa.LargeBinary),
        sa.Column("event_name", sa.Text),
        sa.Column("payload_kind", sa.Text),
        sa.Column("message_id", sa.Text),
        sa.Column("trace_id", sa.Text),
        sa.Column("subject_id", sa.Text),
        sa.Column("purchase_order_number", sa.Text),
        sa.Column("version", sa.Text),
        sa.Column("last_updated_at", sa.Text),
        sa.Column("other_content_as", sa.Text),
        sa.Column("repeat_of", sa.Text),
        sa.Column("drift_count", sa.Integer, nullable=False),
        sa.Column("drift", sa.JSON),
        sa.Column("refusal", sa.JSON),
        sqlite_autoincrement=True,
    )
    op.create_index("event_by_state", "event", ["state", "seq"])
    op.create_index("event_by_subject", "event", ["subject_id", "seq"])
    op.create_index("event_by_message", "event", ["message_id", "endpoint"])
    op.create_index("event_by_content", "event", ["content_hash", "endpoint"])
    op.create_index("event_by_body", "event", ["body_hash"], unique=True)
    op.create_index("event_quarantined", "event", ["kept_length"], sqlite_where=sa.text("state = 'quarantined'"))
    op.create_table(
        "event_body",
        sa.Column("event_id", sa.Text, sa.ForeignKey("event.id"), primary_key=True),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "event_order",
        sa.Column("purchase_order_number", sa.Text, primary_key=True),
        sa.Column("event_id", sa.Text, sa.ForeignKey("event.id"), primary_key=True),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "rejected_login",
        sa.Column("credential", sa.Text, primary_key=True),
        sa.Column("endpoint", sa.Text, primary_key=True),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("last_at", sa.Text, nullable=False),
    )
    op.create_table(
        "trial",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("written_at", sa.Text, nullable=False),
    )
