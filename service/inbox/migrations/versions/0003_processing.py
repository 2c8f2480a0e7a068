"""From accepted to done: the mirror of orders and shipments, destinations, attempts, and what operators did."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the tables and columns; every event that is stored as received waits to be processed."""
    for name in ("key", "apply_at", "applied_at", "until", "reason"):
        op.add_column("event", sa.Column(name, sa.Text))
    op.execute("UPDATE event SET key = endpoint || ':' || subject_id WHERE subject_id IS NOT NULL")
    op.execute("UPDATE event SET apply_at = received_at WHERE state = 'received'")
    op.create_index("event_to_apply", "event", ["apply_at", "seq"], sqlite_where=sa.text("apply_at IS NOT NULL"))
    op.create_index("event_not_applied", "event", ["key", "seq"], sqlite_where=sa.text("applied_at IS NULL"))
    op.create_table(
        "edited_body",
        sa.Column("event_id", sa.Text, sa.ForeignKey("event.id"), primary_key=True),
        sa.Column("content_type", sa.Text, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "effect",
        sa.Column("event_id", sa.Text, sa.ForeignKey("event.id"), primary_key=True),
        sa.Column("endpoint", sa.Text, nullable=False),
        sa.Column("subject_id", sa.Text, nullable=False),
        sa.Column("news", sa.Boolean, nullable=False),
        sa.Column("changes", sa.JSON, nullable=False),
        sa.Column("stale", sa.JSON, nullable=False),
        sa.Column("flags", sa.JSON, nullable=False),
        sa.Column("echo", sa.JSON, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("effect_by_subject", "effect", ["endpoint", "subject_id"])
    op.create_table(
        "snapshot",
        sa.Column("event_id", sa.Text, sa.ForeignKey("event.id"), primary_key=True),
        sa.Column("current", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "mirror",
        sa.Column("endpoint", sa.Text, primary_key=True),
        sa.Column("subject_id", sa.Text, primary_key=True),
        sa.Column("state", sa.LargeBinary, nullable=False),
        sa.Column("purchase_order_number", sa.Text),
        sa.Column("shipment_number", sa.Text),
        sa.Column("supplier_account_number", sa.Text),
        sa.Column("buyer_account_number", sa.Text),
        sa.Column("process_status", sa.Text),
        sa.Column("logistics_status", sa.Text),
        sa.Column("version", sa.Text),
        sa.Column("last_updated_at", sa.Text),
        sa.Column("lines", sa.Integer, nullable=False),
        sa.Column("events", sa.Integer, nullable=False),
        sa.Column("last_event_id", sa.Text, nullable=False),
        sa.Column("changed_at", sa.Text, nullable=False),
    )
    op.create_index("mirror_by_change", "mirror", ["endpoint", "changed_at"])
    op.create_table(
        "mirror_order",
        sa.Column("purchase_order_number", sa.Text, primary_key=True),
        sa.Column("endpoint", sa.Text, primary_key=True),
        sa.Column("subject_id", sa.Text, primary_key=True),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "handover",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("event_id", sa.Text, sa.ForeignKey("event.id"), nullable=False),
        sa.Column("destination", sa.Text, nullable=False),
        sa.Column("round", sa.Integer, nullable=False),
        sa.Column("key", sa.Text),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("open", sa.Boolean, nullable=False),
        sa.Column("ready", sa.Boolean, nullable=False),
        sa.Column("due_at", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("refused_ms", sa.Integer, nullable=False),
        sa.Column("started_at", sa.Text),
        sa.Column("finished_at", sa.Text),
        sa.Column("outcome", sa.Text),
        sa.Column("reason", sa.Text),
        sqlite_autoincrement=True,
    )
    op.create_index("handover_of_event", "handover", ["event_id", "destination", "round"], unique=True)
    op.create_index("handover_due", "handover", ["destination", "due_at", "id"], sqlite_where=sa.text("ready"))
    op.create_index("handover_open", "handover", ["destination", "key", "id"], sqlite_where=sa.text("open"))
    op.create_index("handover_started", "handover", ["started_at"], sqlite_where=sa.text("started_at IS NOT NULL"))
    op.create_table(
        "attempt",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("handover_id", sa.Integer, sa.ForeignKey("handover.id"), nullable=False),
        sa.Column("started_at", sa.Text, nullable=False),
        sa.Column("ended_at", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
    )
    op.create_index("attempt_of_handover", "attempt", ["handover_id"])
    op.create_table(
        "destination",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("paused_at", sa.Text),
        sa.Column("paused_reason", sa.Text),
        sa.Column("unavailable_since", sa.Text),
        sa.Column("unavailable_reason", sa.Text),
        sa.Column("next_attempt_at", sa.Text),
    )
    op.create_table(
        "audit",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("at", sa.Text, nullable=False),
        sa.Column("user", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("detail", sa.Text),
    )
    op.create_index("audit_of_target", "audit", ["target"])
