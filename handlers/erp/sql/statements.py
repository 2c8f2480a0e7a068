"""The statements that create the tables, for whoever does not let this service create them."""

from __future__ import annotations

from sqlalchemy.schema import CreateIndex, CreateTable

from handlers.erp.sql.address import open_engine
from handlers.erp.sql.tables import tables


def create_statements(database_url: str, *, schema: str | None, table_prefix: str) -> str:
    """SQL in the words of that database; nothing is connected.

    Raises:
        AddressError: nothing here can talk to such a database.
    """
    dialect = open_engine(database_url, timeout=1.0, connections=1).dialect
    statements = []
    for table in tables(table_prefix, schema).named.values():
        statements.append(CreateTable(table).compile(dialect=dialect))
        # In one order: the tables hold their indexes as a set.
        indexes = sorted(table.indexes, key=lambda index: str(index.name))
        statements += [CreateIndex(index).compile(dialect=dialect) for index in indexes]
    return "".join(f"{_tidy(str(statement))};\n\n" for statement in statements).rstrip("\n") + "\n"


def _tidy(statement: str) -> str:
    return "\n".join(line.rstrip().replace("\t", "    ") for line in statement.strip().splitlines() if line.strip())
