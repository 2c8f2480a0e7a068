"""The tables and their columns, the same for every database.

Quantities, prices and versions are exact: NUMERIC without bounds on PostgreSQL, and text of digits everywhere else,
because SQLite's numerics are binary floats and those of other databases cut what is longer than their bounds.

`event_id` of a row is the event that wrote it last. `data` is the whole part of the order or shipment as JSON, with
every member and every digit, also those that have no column of their own; lines and documents of an order stand in
their own rows alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Index,
    Integer,
    MetaData,
    Numeric,
    String,
    Table,
    UnicodeText,
)
from sqlalchemy.dialects import mssql, mysql
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

from handlers.erp.sql.cells import cut
from handlers.erp.sql.rows import (
    DELIVERY,
    DOCUMENT,
    LINE,
    MAX_DOCUMENT_KEY,
    MAX_ID,
    MAX_KEY,
    ORDER,
    PRICE,
    SHIPMENT,
    SHIPMENT_LINE,
)

#: Characters of a name; PostgreSQL has 63 at most.
_MAX_NAME = 60

EVENT = "event"
DOCUMENT_FILE = "document_file"


class Exact(TypeDecorator[Decimal]):
    """A number with every digit."""

    impl = UnicodeText
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """NUMERIC only where it has no bounds."""
        return dialect.type_descriptor(Numeric() if dialect.name == "postgresql" else _long_text())

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Decimal | str | None:
        """As the column takes it."""
        return value if value is None or dialect.name == "postgresql" else f"{value:f}"

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        """What is no number any more, because somebody else wrote it, is None: it will be written again."""
        try:
            return None if value is None else Decimal(value)
        except (InvalidOperation, TypeError, ValueError):
            return None


@dataclass(frozen=True, slots=True)
class Tables:
    """All of them, by their names without the prefix."""

    metadata: MetaData
    named: dict[str, Table]

    def __getitem__(self, name: str) -> Table:
        return self.named[name]


def tables(prefix: str, schema: str | None) -> Tables:
    """The tables under these names; nothing is created."""
    metadata = MetaData(schema=schema)
    made = {
        name: Table(
            f"{prefix}{name}",
            metadata,
            *(
                Column(column, kind, primary_key=True, nullable=False, autoincrement=False)
                for column, kind in keys.items()
            ),
            *(Column(column, kind) for column, kind in columns.items()),
            *(Index(cut(f"{prefix}{name}_{column}", _MAX_NAME), column) for column in _INDEXED.get(name, ())),
        )
        for name, (keys, columns) in _COLUMNS.items()
    }
    return Tables(metadata, made)


def _long_text() -> TypeEngine[str]:
    # MySQL's TEXT ends at 64 KB, and SQL Server's NTEXT is on its way out.
    return (
        UnicodeText().with_variant(mysql.LONGTEXT(), "mysql", "mariadb").with_variant(mssql.NVARCHAR(None), "mssql")
    )


def _key(length: int) -> TypeEngine[str]:
    # Identifiers that differ in case only are two.
    return (
        String(length)
        .with_variant(mysql.VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin"), "mysql", "mariadb")
        .with_variant(mssql.NVARCHAR(length, collation="Latin1_General_BIN2"), "mssql")
    )


def _moment() -> TypeEngine[Any]:
    return DateTime(timezone=True).with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")


def _texts(*names: str) -> dict[str, TypeEngine[Any]]:
    return dict.fromkeys(names, _long_text())


def _numbers(*names: str) -> dict[str, TypeEngine[Any]]:
    return dict.fromkeys(names, Exact())


def _dates(*names: str) -> dict[str, TypeEngine[Any]]:
    return dict.fromkeys(names, Date())


_ID, _KEY, _WORD = _key(MAX_ID), _key(MAX_KEY), _key(20)
#: At the end of each table.
_LAST: dict[str, TypeEngine[Any]] = {"event_id": _key(40), "data": _long_text()}
_ITEM = ("item_number", "item_revision", "item_name", "supplier_item_number", "unit_of_measure")

_COLUMNS: dict[str, tuple[dict[str, TypeEngine[Any]], dict[str, TypeEngine[Any]]]] = {
    ORDER: (
        {"order_id": _ID},
        {
            "purchase_order_number": _ID,
            **_texts("delivery_mode", "order_type"),
            **_texts("buyer_company_id", "supplier_company_id"),
            **_texts("supplier_account_number", "buyer_account_number"),
            **_texts("buyer_description", "supplier_description", "destination_code"),
            **_texts("process_status", "logistics_status", "last_updated_at"),
            **_numbers("version"),
            **_LAST,
        },
    ),
    LINE: (
        {"order_id": _ID, "line_key": _KEY},
        {
            **_texts("position", "original_position", "line_id", "line_type"),
            **_texts(*_ITEM),
            **_texts("buyer_description", "supplier_description"),
            **_texts("sales_order_number", "sales_order_position"),
            **_texts("process_status", "in_progress_status", "logistics_status"),
            **_texts("reason", "last_updated_at"),
            **_LAST,
        },
    ),
    DELIVERY: (
        {"order_id": _ID, "line_key": _KEY, "kind": _WORD, "delivery_key": _KEY},
        {
            **_texts("position"),
            **_dates("delivery_date"),
            **_numbers("quantity"),
            **_texts("status"),
            **_dates("etd", "eta"),
            **_texts("transport_mode"),
            **_LAST,
        },
    ),
    PRICE: (
        {"order_id": _ID, "line_key": _KEY, "kind": _WORD},
        {
            **_numbers("net_price"),
            **_texts("net_currency"),
            **_numbers("gross_price"),
            **_texts("gross_currency"),
            **_numbers("discount_percentage", "net_price_base"),
            **_texts("net_currency_base"),
            **_numbers("gross_price_base"),
            **_texts("gross_currency_base"),
            **_numbers("price_unit_quantity"),
            **_texts("price_unit_of_measure"),
            **_LAST,
        },
    ),
    SHIPMENT: (
        {"shipment_id": _ID},
        {
            "shipment_number": _ID,
            **_texts("buyer_company_id", "supplier_company_id"),
            **_texts("supplier_account_number", "buyer_account_number"),
            **_texts("transport_mode", "bill_of_lading_number", "carrier_shipment_number", "tracking_number"),
            **_dates("etd", "atd", "eta_start", "eta_end", "ata"),
            **_texts("process_status", "process_status_reason", "last_updated_at"),
            **_numbers("version"),
            **_LAST,
        },
    ),
    SHIPMENT_LINE: (
        {"shipment_id": _ID, "line_key": _KEY},
        {
            "purchase_order_number": _ID,
            **_texts("order_line_position", "delivery_position"),
            **_texts("despatch_advice_number", "despatch_advice_line_position"),
            **_numbers("despatch_quantity", "backorder_quantity"),
            **_dates("backorder_date"),
            **_texts(*_ITEM),
            **_texts("container_number", "package_sscc", "last_updated_at"),
            **_LAST,
        },
    ),
    DOCUMENT: (
        {
            "belongs_to": _WORD,
            "subject_id": _ID,
            "line_key": _KEY,
            "party": _WORD,
            "document_key": _key(MAX_DOCUMENT_KEY),
        },
        {
            **_texts("code", "revision", "name", "description", "type", "object_id", "url", "last_updated_at"),
            **_LAST,
        },
    ),
    EVENT: (
        {"idempotency_key": _key(200)},
        {
            "event_id": _key(40),
            **_texts("event_name"),
            "endpoint": _WORD,
            "received_at": _moment(),
            "handed_over_at": _moment(),
            "subject_id": _ID,
            **_texts("purchase_order_numbers", "message_id"),
            "resent": Boolean(),
            "outcome": _WORD,
            **_texts("data"),
        },
    ),
    DOCUMENT_FILE: (
        {"event_id": _key(40), "number": Integer()},
        {
            "endpoint": _WORD,
            "subject_id": _ID,
            **_texts("place", "line", "code", "revision", "name"),
            "state": _WORD,
            **_texts("path", "sha256"),
            "size": BigInteger(),
            **_texts("media_type", "reason"),
        },
    ),
}
_INDEXED = {
    DOCUMENT_FILE: ("subject_id",),
    ORDER: ("purchase_order_number",),
    SHIPMENT: ("shipment_number",),
    SHIPMENT_LINE: ("purchase_order_number",),
    EVENT: ("event_id", "subject_id"),
}
