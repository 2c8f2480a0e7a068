"""What came beyond the contract and since when, the last use of each credential, sender addresses."""

import json
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

from service.inbox import column_types as types

revision = "0002"
down_revision = "0001"

# A migration stays as it was written, so these do not follow `service/inbox/drift_ledger.py` when that changes.
_MAX_ROWS = 10_000
_NOT_TOLD_APART = ("not told apart", "", "")

Key = tuple[str, str, str, str]


def upgrade() -> None:
    """Add the tables and columns, and fill them with what the stored events tell."""
    op.add_column("event", sa.Column("source_address", types.Text))
    op.add_column("event", sa.Column("source_listed", sa.Boolean))
    op.create_table(
        "credential_use",
        sa.Column("credential", types.Text, primary_key=True),
        sa.Column("endpoint", types.Text, primary_key=True),
        sa.Column("last_used_at", types.Text, nullable=False),
        sqlite_with_rowid=False,
    )
    drift = op.create_table(
        "drift",
        sa.Column("endpoint", types.Text, primary_key=True),
        sa.Column("kind", types.Text, primary_key=True),
        sa.Column("place", types.Text, primary_key=True),
        sa.Column("detail", types.Text, primary_key=True),
        sa.Column("first_at", types.Text, nullable=False),
        sa.Column("last_at", types.Text, nullable=False),
        sa.Column("events", types.Integer, nullable=False),
        sa.Column("example_event_id", types.Text, nullable=False),
        sqlite_with_rowid=False,
    )
    connection = op.get_bind()
    connection.exec_driver_sql(
        "INSERT INTO credential_use (credential, endpoint, last_used_at) "
        "SELECT credential, endpoint, max(received_at) FROM event GROUP BY credential, endpoint"
    )
    if rows := list(_drift_of_stored_events(connection)):
        connection.execute(sa.insert(drift), rows)


def _drift_of_stored_events(connection: sa.Connection) -> Iterator[dict[str, Any]]:
    found: dict[Key, dict[str, Any]] = {}
    rows_of: dict[str, int] = {}
    stored = connection.exec_driver_sql(
        "SELECT id, endpoint, received_at, drift, drift_count FROM event WHERE drift_count > 0 ORDER BY seq"
    )
    for event_id, endpoint, received_at, drift, drift_count in stored:
        items = json.loads(drift or "null") or []
        keys: set[Key] = {(endpoint, item["kind"], item["place"], item["detail"]) for item in items}
        room = _MAX_ROWS - rows_of.get(endpoint, 0)
        # Not `keys - found.keys()`, which goes through all that was found.
        known = {key for key in keys if key in found}
        new = sorted(keys - known)[: max(room, 0)]
        rows_of[endpoint] = rows_of.get(endpoint, 0) + len(new)
        counted = {*new, *known}
        if counted != keys or sum(item["count"] for item in items) < drift_count:
            counted.add((endpoint, *_NOT_TOLD_APART))
        for key in counted:
            row = found.setdefault(key, {"first_at": received_at, "events": 0})
            row |= {"last_at": received_at, "events": row["events"] + 1, "example_event_id": event_id}
    for (endpoint, kind, place, detail), row in found.items():
        yield {"endpoint": endpoint, "kind": kind, "place": place, "detail": detail, **row}
