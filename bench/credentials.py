"""The one user whom every service under measurement knows."""

from __future__ import annotations

USER = "tradecloud"
PASSWORD = "benchmark"  # noqa: S105 - guards nothing
