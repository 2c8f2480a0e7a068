"""From accepted to done: the mirror of orders and shipments, destinations, attempts, and what operators did."""

import sqlalchemy as sa
from alembic import op

from service.inbox import column_types as types

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the tables and columns; every event that is stored as received waits to be processed."""
    for name in ("key", "apply_at", "applied_at", "until", "reason"):
        op.add_column("event", sa.Column(name, types.Text))
    op.execute("UPDATE event SET key = endpoint || ':' || subject_id WHERE subject_id IS NOT NULL")
    op.execute("UPDATE event SET apply_at = received_at WHERE state = 'received'")
    op.create_index("event_to_apply", "event", ["apply_at", "seq"], **types.where("apply_at IS NOT NULL"))
    op.create_index("event_not_applied", "event", ["key", "seq"], **types.where("applied_at IS NULL"))
    op.create_table(
        "edited_body",
        sa.Column("event_id", types.Text, sa.ForeignKey("event.id"), primary_key=True),
        sa.Column("content_type", types.Text, nullable=False),
        sa.Column("body", types.LargeBinary, nullable=False),
    )
    op.create_table(
        "effect",
        sa.Column("event_id", types.Text, sa.ForeignKey("event.id"), primary_key=True),
        sa.Column("endpoint", types.Text, nullable=False),
        sa.Column("subject_id", types.Text, nullable=False),
        sa.Column("news", sa.Boolean, nullable=False),
        sa.Column("changes", types.JSON, nullable=False),
        sa.Column("stale", types.JSON, nullable=False),
        sa.Column("flags", types.JSON, nullable=False),
        sa.Column("echo", types.JSON, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("effect_by_subject", "effect", ["endpoint", "subject_id"])
    op.create_table(
        "snapshot",
        sa.Column("event_id", types.Text, sa.ForeignKey("event.id"), primary_key=True),
        sa.Column("current", types.LargeBinary, nullable=False),
    )
    op.create_table(
        "mirror",
        sa.Column("endpoint", types.Text, primary_key=True),
        sa.Column("subject_id", types.Text, primary_key=True),
        sa.Column("state", types.LargeBinary, nullable=False),
        sa.Column("purchase_order_number", types.Text),
        sa.Column("shipment_number", types.Text),
        sa.Column("supplier_account_number", types.Text),
        sa.Column("buyer_account_number", types.Text),
        sa.Column("process_status", types.Text),
        sa.Column("logistics_status", types.Text),
        sa.Column("version", types.Text),
        sa.Column("last_updated_at", types.Text),
        sa.Column("lines", types.Integer, nullable=False),
        sa.Column("events", types.Integer, nullable=False),
        sa.Column("last_event_id", types.Text, nullable=False),
        sa.Column("changed_at", types.Text, nullable=False),
    )
    op.create_index("mirror_by_change", "mirror", ["endpoint", "changed_at"])
    op.create_table(
        "mirror_order",
        sa.Column("purchase_order_number", types.Text, primary_key=True),
        sa.Column("endpoint", types.Text, primary_key=True),
        sa.Column("subject_id", types.Text, primary_key=True),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "handover",
        sa.Column("id", types.Integer, primary_key=True, autoincrement=True),
        sa.Column("event_id", types.Text, sa.ForeignKey("event.id"), nullable=False),
        sa.Column("destination", types.Text, nullable=False),
        sa.Column("round", types.Integer, nullable=False),
        sa.Column("key", types.Text),
        sa.Column("state", types.Text, nullable=False),
        sa.Column("open", sa.Boolean, nullable=False),
        sa.Column("ready", sa.Boolean, nullable=False),
        sa.Column("due_at", types.Text, nullable=False),
        sa.Column("attempts", types.Integer, nullable=False),
        sa.Column("refused_ms", types.Integer, nullable=False),
        sa.Column("started_at", types.Text),
        sa.Column("finished_at", types.Text),
        sa.Column("outcome", types.Text),
        sa.Column("reason", types.Text),
        sqlite_autoincrement=True,
    )
    op.create_index("handover_of_event", "handover", ["event_id", "destination", "round"], unique=True)
    op.create_index("handover_due", "handover", ["destination", "due_at", "id"], **types.where("ready"))
    op.create_index("handover_open", "handover", ["destination", "key", "id"], **types.where("open"))
    op.create_index("handover_started", "handover", ["started_at"], **types.where("started_at IS NOT NULL"))
    op.create_table(
        "attempt",
        sa.Column("id", types.Integer, primary_key=True),
        sa.Column("handover_id", types.Integer, sa.ForeignKey("handover.id"), nullable=False),
        sa.Column("started_at", types.Text, nullable=False),
        sa.Column("ended_at", types.Text, nullable=False),
        sa.Column("outcome", types.Text, nullable=False),
        sa.Column("reason", types.Text),
    )
    op.create_index("attempt_of_handover", "attempt", ["handover_id"])
    op.create_table(
        "destination",
        sa.Column("name", types.Text, primary_key=True),
        sa.Column("paused_at", types.Text),
        sa.Column("paused_reason", types.Text),
        sa.Column("unavailable_since", types.Text),
        sa.Column("unavailable_reason", types.Text),
        sa.Column("next_attempt_at", types.Text),
    )
    op.create_table(
        "audit",
        sa.Column("id", types.Integer, primary_key=True),
        sa.Column("at", types.Text, nullable=False),
        sa.Column("user", types.Text, nullable=False),
        sa.Column("action", types.Text, nullable=False),
        sa.Column("target", types.Text, nullable=False),
        sa.Column("reason", types.Text, nullable=False),
        sa.Column("detail", types.Text),
    )
    op.create_index("audit_of_target", "audit", ["target"])
    if op.get_bind().dialect.name == "postgresql":  # compressed by the service already, where it pays
        for table, column in (("edited_body", "body"), ("snapshot", "current"), ("mirror", "state")):
            op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} SET STORAGE EXTERNAL")
