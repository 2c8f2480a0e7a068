"""Column types that mean the same in SQLite and in PostgreSQL.

- Texts compare bytewise in both: moments and ids are compared as texts, and the order of a language would sort them
  in another way on each server.
- JSON is a text in both: PostgreSQL's driver would read a `json` column with binary floats, and its server refuses
  the NUL character in one.
"""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Dialect, TypeDecorator
from sqlalchemy.dialects import postgresql

Text = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")

#: SQLite counts rows up only in a column that is called INTEGER; there it has 64 bits anyway.
Integer = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

LargeBinary = sa.LargeBinary()


class _JsonText(TypeDecorator[Any]):
    """JSON in a text, as SQLite has it."""

    impl = postgresql.TEXT(collation="C")
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str:
        return json.dumps(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        return None if value is None else json.loads(value)


JSON = sa.JSON().with_variant(_JsonText(), "postgresql")


def where(condition: str) -> dict[str, Any]:
    """That an index has only the rows that fit, in both databases."""
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}
