"""The columns, in the words of databases that are not there to be asked."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import String
from sqlalchemy.dialects import mssql, mysql, oracle, postgresql, sqlite
from sqlalchemy.schema import CreateTable

from handlers.erp.sql.judging import KEYS
from handlers.erp.sql.rows import rows_of
from handlers.erp.sql.tables import DOCUMENT_FILE, EVENT, tables
from handlers.interface import Endpoint

NAMED = tables("tradecloud_", None).named


def created(name: str, dialect: Any) -> str:
    return str(CreateTable(NAMED[name]).compile(dialect=dialect))


def dialect_of(database: Any) -> Any:
    return database.dialect()


@pytest.mark.parametrize("name", NAMED)
@pytest.mark.parametrize("dialect", [mssql, mysql, oracle, postgresql, sqlite])
def test_every_table_can_be_written_in_the_words_of_each_database(name: str, dialect: Any) -> None:
    assert f"CREATE TABLE tradecloud_{name}" in created(name, dialect_of(dialect))


def test_numbers_are_text_wherever_numeric_has_bounds_or_is_a_float() -> None:
    expected = {postgresql: "NUMERIC", mysql: "LONGTEXT", sqlite: "TEXT", mssql: "NVARCHAR(max) NULL"}
    for database, kind in expected.items():
        assert f"quantity {kind}," in created("delivery", dialect_of(database))


def test_keys_fit_into_the_narrowest_index() -> None:
    for table in NAMED.values():
        kinds: list[Any] = [column.type for column in table.primary_key.columns]
        characters = sum(kind.length or 0 for kind in kinds if isinstance(kind, String))
        assert characters * 4 <= 3072, table.name


def test_every_column_is_filled_by_some_row_and_every_key_tells_rows_apart() -> None:
    whole: Any = {"lines": [{"deliverySchedule": [{}], "prices": {}}], "buyerOrder": {"documents": [{}]}}
    order = rows_of(Endpoint.ORDER, "s", {"orderEvent": whole})
    shipment = rows_of(Endpoint.SHIPMENT, "s", {"shipment": {"lines": [{}]}})
    found = {"purchase_order": order.header, "shipment": shipment.header}
    found |= {name: rows[0] for name, rows in {**shipment.parts, **order.parts}.items() if rows}
    for name, table in NAMED.items():
        if name not in (EVENT, DOCUMENT_FILE):
            assert {*found[name], "event_id"} == set(table.columns.keys()), name
            assert set(KEYS[name]) <= set(table.primary_key.columns.keys()), name
