"""How a moment stands in the database."""

from __future__ import annotations

from datetime import UTC, datetime


def instant(moment: datetime) -> str:
    """UTC with microseconds, always of the same length, so that texts sort like moments."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
