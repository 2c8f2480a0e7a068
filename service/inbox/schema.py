"""The tables of the inbox. `migrations/` brings a database to this state; a test holds the two together."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, MetaData, Table, false

from service.inbox.column_types import JSON, Integer, LargeBinary, Text, where

#: The migration that leads to these tables; a test compares.
VERSION = "0004"

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
    Column("key", Text),  # events with the same one are processed in order of acceptance; null: in any order
    Column("apply_at", Text),  # from when on the worker may merge it; null: not now, or it has
    Column("applied_at", Text),  # when it was merged; null: later ones of its key have to wait
    Column("until", Text),  # how long it waits
    Column("reason", Text),  # why it waits, is dead or cancelled, or was done without a delivery
    Index("event_by_state", "state", "seq"),
    Index("event_by_subject", "subject_id", "seq"),
    Index("event_by_message", "message_id", "endpoint"),
    Index("event_by_content", "content_hash", "endpoint"),
    Index("event_by_body", "body_hash", unique=True),
    Index("event_quarantined", "kept_length", **where("state = 'quarantined'")),
    Index("event_to_apply", "apply_at", "seq", **where("apply_at IS NOT NULL")),
    Index("event_not_applied", "key", "seq", **where("applied_at IS NULL")),
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

# What a released body says instead of what was received, which stays in `event_body`.
edited_body = Table(
    "edited_body",
    metadata,
    Column("event_id", Text, ForeignKey("event.id"), primary_key=True),
    Column("content_type", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
)

# What an event did to the mirror of its order or shipment.
effect = Table(
    "effect",
    metadata,
    Column("event_id", Text, ForeignKey("event.id"), primary_key=True),
    Column("endpoint", Text, nullable=False),
    Column("subject_id", Text, nullable=False),
    Column("news", Boolean, nullable=False),
    Column("changes", JSON, nullable=False),  # old and new value of each are JSON texts in it, for their digits
    Column("stale", JSON, nullable=False),
    Column("flags", JSON, nullable=False),
    Column("echo", JSON, nullable=False),
    Index("effect_by_subject", "endpoint", "subject_id"),
    sqlite_with_rowid=False,
)

# The whole order or shipment as it was after the event, compressed, as long as a destination still needs it.
snapshot = Table(
    "snapshot",
    metadata,
    Column("event_id", Text, ForeignKey("event.id"), primary_key=True),
    Column("current", LargeBinary, nullable=False),
)

# The current state of each order and shipment.
mirror = Table(
    "mirror",
    metadata,
    Column("endpoint", Text, primary_key=True),
    Column("subject_id", Text, primary_key=True),
    Column("state", LargeBinary, nullable=False),  # compressed JSON; only merging knows its form
    Column("purchase_order_number", Text),  # the first, to show; `mirror_order` has all of them
    Column("shipment_number", Text),
    Column("supplier_account_number", Text),
    Column("buyer_account_number", Text),
    Column("process_status", Text),
    Column("logistics_status", Text),
    Column("version", Text),
    Column("last_updated_at", Text),
    Column("lines", Integer, nullable=False),
    Column("events", Integer, nullable=False),
    Column("last_event_id", Text, nullable=False),
    Column("changed_at", Text, nullable=False),
    Index("mirror_by_change", "endpoint", "changed_at"),
)

mirror_order = Table(
    "mirror_order",
    metadata,
    Column("purchase_order_number", Text, primary_key=True),
    Column("endpoint", Text, primary_key=True),
    Column("subject_id", Text, primary_key=True),
    sqlite_with_rowid=False,
)

# An event on its way to one destination.
handover = Table(
    "handover",
    metadata,
    # The order in which those of one key reach their destination.
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("event_id", Text, ForeignKey("event.id"), nullable=False),
    Column("destination", Text, nullable=False),
    Column("round", Integer, nullable=False),  # 1; a replay of what was done makes the next
    Column("key", Text),
    Column("state", Text, nullable=False),
    Column("open", Boolean, nullable=False),  # later ones of the same key have to wait for it
    Column("ready", Boolean, nullable=False),  # may be attempted: the first open one of its key
    Column("due_at", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("refused_ms", Integer, nullable=False),  # how long it has been waiting between refusals
    Column("started_at", Text),  # of the attempt that is under way
    Column("finished_at", Text),
    Column("outcome", Text),  # of the last attempt
    Column("reason", Text),
    # While it is open, the other handovers of its event wait: that of the documents.
    Column("holds_event", Boolean, nullable=False, server_default=false()),
    Index("handover_of_event", "event_id", "destination", "round", unique=True),
    Index("handover_due", "destination", "due_at", "id", **where("ready")),
    Index("handover_open", "destination", "key", "id", **where("open")),
    Index("handover_started", "started_at", **where("started_at IS NOT NULL")),
    sqlite_autoincrement=True,
)

attempt = Table(
    "attempt",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("handover_id", Integer, ForeignKey("handover.id"), nullable=False),
    Column("started_at", Text, nullable=False),
    Column("ended_at", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("reason", Text),
    Index("attempt_of_handover", "handover_id"),
)

# What events name, and the file that it became.
document = Table(
    "document",
    metadata,
    Column("event_id", Text, ForeignKey("event.id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),  # 1 for the first of its event
    Column("place", Text, nullable=False),  # the member that holds the list; empty: the order, shipment or line
    Column("line", Text),  # position; null: the header
    Column("code", Text),
    Column("revision", Text),
    Column("name", Text),
    Column("object_id", Text),
    Column("url", Text),
    Column("updated_at", Text),  # as it was sent
    Column("copy_key", Text),  # equal where one copy is enough; null: there is no file
    Column("state", Text, nullable=False),
    Column("path", Text),  # absolute, or a URL; null: not stored
    Column("sha256", Text),
    Column("size", Integer),
    Column("media_type", Text),
    Column("stored_at", Text),
    Column("reason", Text),  # why there is no file
    Index("document_by_copy", "copy_key", **where("state = 'stored'")),
    sqlite_with_rowid=False,
)

# What an operator or the worker says of a destination; one without a row is in order.
destination = Table(
    "destination",
    metadata,
    Column("name", Text, primary_key=True),
    Column("paused_at", Text),  # null: not paused
    Column("paused_reason", Text),
    Column("unavailable_since", Text),  # null: it takes events
    Column("unavailable_reason", Text),
    Column("next_attempt_at", Text),
)

audit = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Text, nullable=False),
    Column("user", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("target", Text, nullable=False),  # id of an event, name of a destination
    Column("reason", Text, nullable=False),
    Column("detail", Text),
    Index("audit_of_target", "target"),
)
