"""The tables of the inbox. `migrations/` brings a database to this state; a test holds the two together."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    text,
)

#: The migration that leads to these tables; a test compares.
VERSION = "0002"

metadata = MetaData()

event = Table(
    "event",
    metadata,
    # Order of acceptance. Ids are ordered by time too, but a clock can be set back; this cannot.
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("id", Text, nullable=False, unique=True),
    Column("received_at", Text, nullable=False),  # UTC, ISO 8601 with microseconds: sorts as text
    Column("endpoint", Text, nullable=False),
    Column("credential", Text, nullable=False),
    Column("source_address", Text),  # of the sender; null where nobody knows
    Column("source_listed", Boolean),  # whether Tradecloud lists it; null where that cannot be said
    Column("content_type", Text, nullable=False),
    Column("content_encoding", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("deliveries", Integer, nullable=False),
    Column("last_delivered_at", Text, nullable=False),
    Column("body_length", Integer),  # of the whole body; null where nobody knows
    Column("kept_length", Integer, nullable=False),
    Column("truncated", Boolean, nullable=False),
    Column("content_hash", LargeBinary),  # of a valid body's content without message identity
    Column("body_hash", LargeBinary),  # of a quarantined body, to recognise it
    Column("event_name", Text),
    Column("payload_kind", Text),
    Column("message_id", Text),
    Column("trace_id", Text),
    Column("subject_id", Text),  # order id or shipment id
    Column("purchase_order_number", Text),  # the first, to show; `event_order` has all of them
    Column("version", Text),  # digits: may be longer than any machine integer
    Column("last_updated_at", Text),
    Column("other_content_as", Text),
    Column("repeat_of", Text),
    Column("drift_count", Integer, nullable=False),
    Column("drift", JSON),
    Column("refusal", JSON),
    Index("event_by_state", "state", "seq"),
    Index("event_by_subject", "subject_id", "seq"),
    Index("event_by_message", "message_id", "endpoint"),
    Index("event_by_content", "content_hash", "endpoint"),
    Index("event_by_body", "body_hash", unique=True),
    Index("event_quarantined", "kept_length", sqlite_where=text("state = 'quarantined'")),
    sqlite_autoincrement=True,
)

# Apart from `event`, so that listing events does not wade through their bodies.
event_body = Table(
    "event_body",
    metadata,
    Column("event_id", Text, ForeignKey("event.id"), primary_key=True),
    Column("body", LargeBinary, nullable=False),
)

event_order = Table(
    "event_order",
    metadata,
    Column("purchase_order_number", Text, primary_key=True),
    Column("event_id", Text, ForeignKey("event.id"), primary_key=True),
    sqlite_with_rowid=False,
)

rejected_login = Table(
    "rejected_login",
    metadata,
    Column("credential", Text, primary_key=True),
    Column("endpoint", Text, primary_key=True),
    Column("count", Integer, nullable=False),
    Column("last_at", Text, nullable=False),
)

credential_use = Table(
    "credential_use",
    metadata,
    Column("credential", Text, primary_key=True),
    Column("endpoint", Text, primary_key=True),
    Column("last_used_at", Text, nullable=False),
    sqlite_with_rowid=False,
)

# Each different thing beyond the contract, over all events; `event.drift` has what a single one brought.
drift = Table(
    "drift",
    metadata,
    Column("endpoint", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("place", Text, primary_key=True),
    Column("detail", Text, primary_key=True),
    Column("first_at", Text, nullable=False),
    Column("last_at", Text, nullable=False),
    Column("events", Integer, nullable=False),  # that brought it, each once
    Column("example_event_id", Text, nullable=False),  # the latest: of all events it is kept longest
    sqlite_with_rowid=False,
)

# One row that the readiness check overwrites: "can store" is proved by storing.
trial = Table(
    "trial",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("written_at", Text, nullable=False),
)
