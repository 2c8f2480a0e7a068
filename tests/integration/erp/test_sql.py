"""The destination `sql` over a real file of SQLite and a real PostgreSQL."""

from __future__ import annotations

import itertools
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine, select, text
from sqlalchemy.exc import DBAPIError

from handlers.erp.sql.destination import SqlDestination
from handlers.erp.sql.statements import create_statements
from handlers.erp.sql.tables import tables
from handlers.interface import (
    Accepted,
    DocumentFile,
    DocumentState,
    Endpoint,
    ErpEvent,
    JsonObject,
    Outcome,
    Refused,
    TimedOut,
    Unavailable,
)
from tests.erp_events import BODY, EVENT
from tests.integration.erp.postgresql_server import PASSWORD, PostgresqlServer
from tests.integration.taking import moment, order

_NUMBERS = itertools.count(1)
NUMERIC = Decimal("123456789012345678901234567890.123456789012345678901234567890")


@dataclass
class Database:
    """One database, or a schema of its own in one, and what makes destinations over it."""

    url: str
    schema: str | None = None
    opened: list[SqlDestination] = field(default_factory=list)

    def open(self, **settings: Any) -> SqlDestination:
        settings = {"schema": self.schema, "timeout": 10.0, **settings}
        self.opened.append(SqlDestination(self.url, **settings))
        return self.opened[-1]

    @property
    def is_postgresql(self) -> bool:
        return self.url.startswith("postgresql")

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """Of another program."""
        engine = create_engine(self.url)
        try:
            with engine.connect() as connection:
                yield connection
        finally:
            engine.dispose()

    def rows(self, table: str, *columns: str) -> list[tuple[Any, ...]]:
        """All rows, sorted, as another program reads them through the same columns."""
        wanted = tables("tradecloud_", self.schema)[table]
        with self.connection() as connection:
            found = connection.execute(select(*(wanted.c[column] for column in columns))).all()
        return sorted((tuple(row) for row in found), key=str)

    def do(self, sql: str) -> None:
        """Something an administrator does."""
        with self.connection() as connection, connection.begin():
            if self.schema:
                connection.execute(text(f"SET search_path TO {self.schema}"))
            connection.execute(text(sql))


def schema_of(server: PostgresqlServer) -> Database:
    name = f"erp_{os.getpid()}_{next(_NUMBERS)}"
    Database(server.url).do(f"CREATE SCHEMA {name}")
    return Database(server.url, name)


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    if request.param == "sqlite":
        made = Database(f"sqlite:///{tmp_path}/erp.db")
    else:
        made = schema_of(request.getfixturevalue("postgresql"))
    yield made
    for destination in made.opened:
        destination.close()


@pytest.fixture
def on_postgresql(postgresql: PostgresqlServer) -> Iterator[Database]:
    made = schema_of(postgresql)
    yield made
    for destination in made.opened:
        destination.close()


def event(number: int = 1, subject: str | None = "company-PO1", **facts: Any) -> ErpEvent:
    return replace(
        EVENT, id=f"event-{number}", subject_id=subject, idempotency_key=f"event-{number}.erp.1", **facts
    )


def deliver(destination: SqlDestination, given: ErpEvent, merged: JsonObject | None) -> Outcome:
    return destination.deliver(given, merged, (), BODY)


def accepted(outcome: Outcome) -> str:
    assert isinstance(outcome, Accepted), outcome
    return outcome.note


def order_of(tick: int = 1, *deliveries: JsonObject, number: str = "PO1", **line: Any) -> JsonObject:
    """The order after that tick, with these deliveries."""
    body: Any = order(number, tick)
    if deliveries:
        body["orderEvent"]["lines"][0]["deliverySchedule"] = list(deliveries)
    body["orderEvent"]["lines"][0] |= line
    whole: JsonObject = body
    return whole


def test_order_is_readable_as_tables_and_every_digit_is_there(database: Database) -> None:
    merged = order_of(
        1,
        {"position": "1", "date": "2026-12-01", "quantity": NUMERIC},
        prices={"netPrice": {"priceInTransactionCurrency": {"value": Decimal("0.10"), "currencyIso": "EUR"}}},
    )
    assert accepted(deliver(database.open(), event(), merged)) == "4 rows changed"
    assert database.rows("purchase_order", "order_id", "purchase_order_number", "version", "event_id") == [
        ("company-PO1", "PO1", Decimal(1), "event-1")
    ]
    assert database.rows("order_line", "line_key", "position", "item_number", "process_status") == [
        ("10", "10", "A-1", "Issued")
    ]
    (delivery,) = database.rows("delivery", "kind", "delivery_key", "delivery_date", "quantity")
    assert delivery == ("current", "1", date(2026, 12, 1), NUMERIC)
    assert str(delivery[-1]) == str(NUMERIC)
    assert [str(row[0]) for row in database.rows("price", "net_price")] == ["0.10"]
    (noted,) = database.rows("event", "event_id", "event_name", "subject_id", "outcome", "received_at", "data")
    assert noted[:4] == ("event-1", "OrderIssuedByBuyer", "company-PO1", "written")
    assert noted[4].replace(tzinfo=noted[4].tzinfo or UTC) == EVENT.received_at
    assert noted[5] is None


def test_numbers_are_numeric_without_bounds_on_postgresql(on_postgresql: Database) -> None:
    deliver(
        on_postgresql.open(), event(), order_of(1, {"position": "1", "quantity": NUMERIC, "date": "2026-12-01"})
    )
    with on_postgresql.connection() as connection:
        connection.execute(text(f"SET search_path TO {on_postgresql.schema}"))
        (found,) = connection.execute(
            text("SELECT quantity * 10, delivery_date + 1 FROM tradecloud_delivery")
        ).all()
    assert found == (Decimal("1234567890123456789012345678901.23456789012345678901234567890"), date(2026, 12, 2))


def test_same_handover_again_changes_nothing_and_is_accepted(database: Database) -> None:
    destination = database.open()
    deliver(destination, event(1), order_of(1))
    deliver(destination, event(2), order_of(2))
    again = replace(event(1), attempt=2)
    assert accepted(deliver(destination, again, order_of(1))) == "it is there already"
    assert accepted(deliver(database.open(), again, order_of(9))) == "it is there already"
    assert database.rows("delivery", "quantity") == [(Decimal(2),)]
    assert len(database.rows("event", "event_id")) == 2


def test_files_of_documents_are_readable_beside_the_event_that_named_them(database: Database) -> None:
    stored = DocumentFile(
        "buyerLine", "10", "D-1", "A", "draw\0ing.pdf", DocumentState.STORED, "/files/x.pdf", "ab12", 5_000_000_000,
        "application/pdf", None,
    )  # fmt: skip
    missing = replace(stored, state=DocumentState.MISSING, path=None, sha256=None, size=None, reason="404")
    destination = database.open()
    deliver(destination, event(1, documents=(missing, stored)), order_of(1))
    columns = (
        "event_id",
        "number",
        "subject_id",
        "line",
        "code",
        "name",
        "state",
        "path",
        "sha256",
        "size",
        "reason",
    )
    assert database.rows("document_file", *columns) == [
        ("event-1", 1, "company-PO1", "10", "D-1", "draw␀ing.pdf", "missing", None, None, None, "404"),
        (
            "event-1",
            2,
            "company-PO1",
            "10",
            "D-1",
            "draw␀ing.pdf",
            "stored",
            "/files/x.pdf",
            "ab12",
            5_000_000_000,
            None,
        ),
    ]
    replayed = replace(event(1, documents=(stored,)), idempotency_key="event-1-erp-2")
    deliver(destination, replayed, order_of(1))
    assert database.rows("document_file", "number", "state") == [(1, "stored")]


def test_row_that_did_not_change_keeps_the_event_that_wrote_it(database: Database) -> None:
    destination = database.open()
    deliver(destination, event(1), order_of(1, {"position": "1", "quantity": 1}, {"position": "2", "quantity": 1}))
    note = accepted(
        deliver(
            destination, event(2), order_of(2, {"position": "1", "quantity": 1}, {"position": "2", "quantity": 5})
        )
    )
    assert note == "3 rows changed"  # header, line and one delivery
    assert database.rows("delivery", "delivery_key", "quantity", "event_id") == [
        ("1", Decimal(1), "event-1"),
        ("2", Decimal(5), "event-2"),
    ]


def test_delivery_that_was_removed_is_gone(database: Database) -> None:
    destination = database.open()
    deliver(destination, event(1), order_of(1, {"position": "1", "quantity": 1}, {"position": "2", "quantity": 1}))
    deliver(destination, event(2), order_of(2, {"position": "1", "quantity": 2}))
    assert database.rows("delivery", "delivery_key", "quantity") == [("1", Decimal(2))]


def test_older_state_that_comes_late_overwrites_nothing(database: Database) -> None:
    destination = database.open()
    deliver(destination, event(2), order_of(2))
    note = accepted(deliver(destination, event(1), order_of(1)))
    assert note == "0 rows changed; older than the tables and left out: header, line 10"
    assert database.rows("delivery", "quantity") == [(Decimal(2),)]
    assert database.rows("event", "event_id", "outcome") == [("event-1", "older"), ("event-2", "written")]


def test_event_that_nothing_tells_the_subject_of_is_kept_itself(database: Database) -> None:
    note = accepted(deliver(database.open(), event(subject=None), None))
    assert note == "nothing tells what it is about; it stands in the table of events"
    assert database.rows("event", "outcome", "data") == [("no subject", BODY.content.decode())]


def test_shipment_is_readable_as_tables(database: Database) -> None:
    merged: JsonObject = {
        "eventName": "ShipmentIssuedBySupplier",
        "shipment": {
            "id": "s-1",
            "supplierShipment": {"shipmentNumber": "SN1", "documents": [{"code": "P", "objectId": "o-1"}]},
            "lines": [
                {
                    "purchaseOrderNumber": "PO1",
                    "purchaseOrderLinePosition": "10",
                    "supplierLine": {
                        "despatchAdviceNumber": "DA1",
                        "despatchAdviceLinePosition": "1",
                        "despatchQuantity": Decimal("0.5"),
                    },
                }
            ],
            "meta": {"lastUpdatedAt": moment(1)},
        },
    }
    deliver(database.open(), event(subject="s-1", endpoint=Endpoint.SHIPMENT), merged)
    assert database.rows("shipment", "shipment_id", "shipment_number") == [("s-1", "SN1")]
    assert database.rows("shipment_line", "line_key", "purchase_order_number", "despatch_quantity") == [
        ("DA1/1", "PO1", Decimal("0.5"))
    ]
    assert database.rows("document", "belongs_to", "subject_id", "party", "code") == [
        ("shipment", "s-1", "supplier", "P")
    ]


def test_texts_of_any_length_and_odd_characters_are_taken(database: Database) -> None:
    long = "ü" * 300_000
    merged = order_of(1, buyerLine={"position": "x" * 10_000, "description": long, "item": {"name": "a\0b\ud800"}})
    accepted(deliver(database.open(), event(event_name="E\0", message_id="\0" * 9), merged))
    ((key, position, description, name),) = database.rows(
        "order_line", "line_key", "position", "buyer_description", "item_name"
    )
    assert (position, description, name) == ("x" * 10_000, long, "a␀b\N{REPLACEMENT CHARACTER}")
    assert len(key) <= 120
    assert database.rows("event", "event_name") == [("E␀",)]


def test_two_orders_in_parallel_threads_do_not_disturb_each_other(database: Database) -> None:
    destination = database.open(connections=4)
    outcomes: list[Outcome] = []

    def work(name: int) -> None:
        for tick in range(1, 11):
            merged = order_of(tick, number=f"PO{name}")
            outcomes.append(deliver(destination, event(name * 100 + tick, f"company-PO{name}"), merged))

    threads = [threading.Thread(target=work, args=(name,)) for name in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [outcome for outcome in outcomes if not isinstance(outcome, Accepted)] == []
    assert database.rows("delivery", "order_id", "quantity") == [
        (f"company-PO{name}", Decimal(10)) for name in range(1, 5)
    ]
    assert len(database.rows("event", "event_id")) == 40


def test_same_order_for_the_first_time_from_two_services_at_once_becomes_one(database: Database) -> None:
    barrier = threading.Barrier(4)
    outcomes: list[Outcome] = []

    def work(tick: int) -> None:
        destination = database.open()
        barrier.wait()
        outcomes.append(deliver(destination, event(tick), order_of(tick)))

    accepted(deliver(database.open(), event(99, "company-PO9"), order_of(1, number="PO9")))
    threads = [threading.Thread(target=work, args=(tick,)) for tick in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [type(outcome) for outcome in outcomes] == [Accepted] * 4, outcomes
    assert len(database.rows("event", "event_id")) == 5
    # Whoever came last, the newest state stays.
    assert database.rows("delivery", "order_id", "quantity") == [
        ("company-PO1", Decimal(4)),
        ("company-PO9", Decimal(1)),
    ]


def test_same_event_from_two_services_at_once_is_written_once(database: Database) -> None:
    deliver(database.open(), event(99), order_of(1))
    barrier = threading.Barrier(4)
    outcomes: list[Outcome] = []

    def work() -> None:
        destination = database.open()
        barrier.wait()
        outcomes.append(deliver(destination, event(2), order_of(2)))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(map(accepted, outcomes)) == ["3 rows changed", *["it is there already"] * 3]
    assert database.rows("delivery", "quantity") == [(Decimal(2),)]


def test_rows_that_somebody_made_by_hand_are_taken_over(database: Database) -> None:
    destination = database.open()
    deliver(destination, event(9, "company-PO9"), order_of(1, number="PO9"))
    database.do("INSERT INTO tradecloud_order_line (order_id, line_key) VALUES ('company-PO1', '10')")
    database.do(
        "INSERT INTO tradecloud_delivery (order_id, line_key, kind, delivery_key)"
        " VALUES ('company-PO1', '10', 'current', '1')"
    )
    accepted(deliver(destination, event(1), order_of(1)))
    database.do("DELETE FROM tradecloud_purchase_order WHERE order_id = 'company-PO1'")
    accepted(deliver(destination, event(2), order_of(2)))
    assert database.rows("order_line", "order_id", "item_number") == [
        ("company-PO1", "A-1"),
        ("company-PO9", "A-1"),
    ]
    assert ("company-PO1", Decimal(2)) in database.rows("delivery", "order_id", "quantity")


def split(tick: int, position: str | None) -> JsonObject:
    """An order with a line that was split off, which has that position."""
    line: Any = {
        "id": "l-11",
        "buyerLine": {"position": position, "originalPosition": "10"},
        "statusLine": {"scheduledDelivery": {"date": "2026-12-01", "quantity": 1}, "prices": {}},
        "supplierLine": {"documents": [{"code": "A"}]},
        "lastUpdatedAt": moment(tick),
    }
    body: Any = {"singleDeliveryOrderEvent": {"orderId": "company-PO1", "lines": [line], "version": tick}}
    whole: JsonObject = body
    return whole


def test_foreign_keys_of_the_reader_are_no_trouble(on_postgresql: Database) -> None:
    destination = on_postgresql.open()
    deliver(destination, event(9, "company-PO9"), order_of(1, number="PO9"))
    on_postgresql.do(
        "ALTER TABLE tradecloud_order_line ADD FOREIGN KEY (order_id) REFERENCES tradecloud_purchase_order"
    )
    for table in ("delivery", "price"):
        on_postgresql.do(
            f"ALTER TABLE tradecloud_{table} ADD FOREIGN KEY (order_id, line_key) REFERENCES tradecloud_order_line"
        )
    accepted(deliver(destination, event(1), split(1, None)))
    accepted(deliver(destination, event(2), split(2, "11")))
    assert on_postgresql.rows("order_line", "order_id", "line_key") == [
        ("company-PO1", "11"),
        ("company-PO9", "10"),
    ]


# Tables


def test_tables_are_not_created_where_that_is_not_allowed(database: Database) -> None:
    outcome = deliver(database.open(create=False), event(), order_of())
    assert isinstance(outcome, Unavailable)
    assert "tradecloud_purchase_order; create it, or allow it by create = true" in outcome.reason
    deliver(database.open(), event(2), order_of())
    accepted(deliver(database.open(create=False), event(), order_of()))


def test_tables_that_two_services_create_at_once_cost_no_attempt(database: Database) -> None:
    barrier = threading.Barrier(4)
    outcomes: list[Outcome] = []

    def work(number: int) -> None:
        destination = database.open()
        barrier.wait()
        outcomes.append(deliver(destination, event(number, f"company-PO{number}"), order_of(number=f"PO{number}")))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [accepted(outcome) for outcome in outcomes] == ["3 rows changed"] * 4


def test_table_that_was_removed_is_created_again(database: Database) -> None:
    destination = database.open()
    deliver(destination, event(1), order_of(1))
    database.do("DROP TABLE tradecloud_price")
    assert isinstance(deliver(destination, event(2), order_of(2)), Unavailable)
    accepted(deliver(destination, event(2), order_of(2)))


def test_table_without_a_column_of_ours_is_told(database: Database) -> None:
    deliver(database.open(), event(1), order_of(1))
    database.do("ALTER TABLE tradecloud_price DROP COLUMN gross_price")
    outcome = deliver(database.open(), event(2), order_of(2))
    assert isinstance(outcome, Unavailable)
    assert outcome.reason.endswith("tradecloud_price has no column gross_price; add it")


def test_prefix_and_further_columns_of_the_reader_are_no_trouble(database: Database) -> None:
    destination = database.open(table_prefix="")
    accepted(deliver(destination, event(1), order_of(1)))
    database.do("ALTER TABLE purchase_order ADD COLUMN seen_by_erp INTEGER DEFAULT 7")
    accepted(deliver(database.open(table_prefix=""), event(2), order_of(2)))


def test_longest_prefix_of_the_settings_and_odd_names_are_taken(database: Database) -> None:
    destination = database.open(table_prefix="x" * 30)
    number = "PO'1\"; DROP TABLE x -- %s :a ü😀"
    accepted(deliver(destination, event(1, f"company-{number}"), order_of(1, number=number)))
    assert accepted(deliver(destination, event(2, f"company-{number}"), order_of(2, number=number)))
    with database.connection() as connection:
        at = f"{database.schema}." if database.schema else ""
        (found,) = connection.execute(text(f"SELECT order_id FROM {at}{'x' * 30}purchase_order"))  # noqa: S608
    assert found == (f"company-{number}",)


def test_statements_that_are_printed_create_tables_that_suffice(database: Database) -> None:
    statements = create_statements(database.url, schema=None, table_prefix="tradecloud_")
    for statement in statements.split(";\n"):
        if statement.strip():
            database.do(statement)
    accepted(deliver(database.open(create=False), event(), order_of()))


# Trouble


def test_data_that_a_constraint_of_the_reader_does_not_take_is_refused_in_words(database: Database) -> None:
    destination = database.open()
    deliver(destination, event(1), order_of(1))
    database.do("CREATE UNIQUE INDEX only_one ON tradecloud_delivery (quantity)")
    outcome = deliver(destination, event(2, "company-PO2"), order_of(1, number="PO2"))
    assert isinstance(outcome, Refused)
    assert outcome.reason.startswith("the database does not take it: ")
    assert "unique" in outcome.reason.lower()
    assert database.rows("purchase_order", "order_id") == [("company-PO1",)]
    accepted(deliver(destination, event(3), order_of(3)))


def test_locked_tables_are_unavailable_until_they_are_free(database: Database) -> None:
    destination = database.open(timeout=1.0)
    deliver(destination, event(1), order_of(1))
    with database.connection() as other:
        if database.is_postgresql:
            other.execute(text(f"LOCK TABLE {database.schema}.tradecloud_purchase_order IN EXCLUSIVE MODE"))
        else:
            other.exec_driver_sql("BEGIN IMMEDIATE")
        outcome = deliver(destination, event(2), order_of(2))
        other.rollback()
    assert isinstance(outcome, Unavailable)
    accepted(deliver(destination, event(2), order_of(2)))
    assert database.rows("delivery", "quantity") == [(Decimal(2),)]


def test_file_that_cannot_be_written_is_unavailable(tmp_path: Path) -> None:
    outcome = deliver(Database(f"sqlite:///{tmp_path}/none/erp.db").open(), event(), order_of())
    assert outcome == Unavailable(f"{tmp_path}/none/erp.db: unable to open database file")
    (tmp_path / "text.db").write_text("this is no database at all, just some text" * 100)
    outcome = deliver(Database(f"sqlite:///{tmp_path}/text.db").open(), event(), order_of())
    assert outcome == Unavailable(f"{tmp_path}/text.db: file is not a database")


def test_full_disk_is_unavailable(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/erp.db")
    destination = database.open()
    accepted(deliver(destination, event(1), order_of(1)))
    with destination._engine.connect() as connection:
        connection.connection.cursor().execute("PRAGMA max_page_count=1")  # not below what there is
    outcome = deliver(
        destination, event(2), order_of(2, buyerLine={"position": "10", "description": "x" * 100_000})
    )
    assert outcome == Unavailable(f"{tmp_path}/erp.db: database or disk is full")
    assert database.rows("event", "event_id") == [("event-1",)]
    destination.close()


def test_wrong_password_is_unavailable_and_not_told(on_postgresql: Database) -> None:
    on_postgresql.url = on_postgresql.url.replace(PASSWORD, "falsch-55aa")
    outcome = deliver(on_postgresql.open(), event(), order_of())
    assert isinstance(outcome, Unavailable)
    assert "password authentication failed" in outcome.reason
    assert "falsch-55aa" not in outcome.reason
    assert "\n" not in outcome.reason


def test_read_only_database_is_unavailable(on_postgresql: Database) -> None:
    destination = on_postgresql.open()
    deliver(destination, event(1), order_of(1))
    on_postgresql.url += "?options=-c%20default_transaction_read_only%3Don"
    outcome = deliver(on_postgresql.open(), event(2), order_of(2))
    assert isinstance(outcome, Unavailable)
    assert "read-only transaction" in outcome.reason


def test_missing_rights_are_unavailable(on_postgresql: Database) -> None:
    deliver(on_postgresql.open(), event(1), order_of(1))
    role = f"reader_{on_postgresql.schema}"
    on_postgresql.do(f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'")
    on_postgresql.do(f"GRANT USAGE ON SCHEMA {on_postgresql.schema} TO {role}")
    on_postgresql.url = on_postgresql.url.replace("//webhooks:", f"//{role}:")
    outcome = deliver(on_postgresql.open(), event(2), order_of(2))
    assert isinstance(outcome, Unavailable)
    assert "permission denied" in outcome.reason


def test_slow_statement_is_timed_out(on_postgresql: Database) -> None:
    destination = on_postgresql.open(timeout=1.0)
    deliver(destination, event(1), order_of(1))
    on_postgresql.do(
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM pg_sleep(20); RETURN NEW; END$$"
    )
    on_postgresql.do(
        f"CREATE TRIGGER slow BEFORE UPDATE ON tradecloud_delivery EXECUTE FUNCTION {on_postgresql.schema}.slow()"
    )
    assert isinstance(deliver(destination, event(2), order_of(2)), TimedOut)
    on_postgresql.do("DROP TRIGGER slow ON tradecloud_delivery")
    accepted(deliver(destination, event(2), order_of(2)))


def test_trigger_of_the_reader_that_objects_is_a_refusal_with_its_words(on_postgresql: Database) -> None:
    destination = on_postgresql.open()
    deliver(destination, event(1), order_of(1))
    on_postgresql.do(
        "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'the period is closed'; END$$"
    )
    on_postgresql.do(
        f"CREATE TRIGGER no BEFORE UPDATE ON tradecloud_delivery EXECUTE FUNCTION {on_postgresql.schema}.no()"
    )
    assert deliver(destination, event(2), order_of(2)) == Refused(
        "the database does not take it: the period is closed"
    )


def test_server_that_is_down_is_unavailable_and_comes_back_without_a_restart_of_ours(
    postgresql: PostgresqlServer, on_postgresql: Database
) -> None:
    destination = on_postgresql.open()
    deliver(destination, event(1), order_of(1))
    postgresql.stop()
    try:
        began = time.monotonic()
        outcome = deliver(destination, event(2), order_of(2))
        assert isinstance(outcome, Unavailable)
        assert "onnection refused" in outcome.reason
        assert time.monotonic() - began < 8  # at once, and not after the time-out
    finally:
        postgresql.start()
    accepted(deliver(destination, event(2), order_of(2)))
    assert on_postgresql.rows("delivery", "quantity") == [(Decimal(2),)]


def test_connection_of_before_a_restart_of_the_server_costs_no_attempt(
    postgresql: PostgresqlServer, on_postgresql: Database
) -> None:
    destination = on_postgresql.open()
    deliver(destination, event(1), order_of(1))
    postgresql.stop()
    postgresql.start()
    accepted(deliver(destination, event(2), order_of(2)))


def test_server_that_hangs_is_timed_out_and_used_again_afterwards(
    postgresql: PostgresqlServer, on_postgresql: Database
) -> None:
    destination = on_postgresql.open(timeout=0.5)
    deliver(destination, event(1), order_of(1))
    postgresql.signal_all(signal.SIGSTOP)
    try:
        assert deliver(destination, event(2), order_of(2)) == TimedOut(
            f"postgresql at 127.0.0.1:{postgresql.port}, database postgres: no answer within 0.5 s"
        )
        # Now without a connection that was open before.
        assert isinstance(deliver(destination, event(2), order_of(2)), Unavailable)
    finally:
        postgresql.signal_all(signal.SIGCONT)
    accepted(deliver(destination, event(2), order_of(2)))
    assert on_postgresql.rows("delivery", "quantity") == [(Decimal(2),)]


def test_mistake_of_ours_is_raised(on_postgresql: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    destination = on_postgresql.open()
    deliver(destination, event(1), order_of(1))

    def wrong(connection: Any, *_: object) -> None:
        connection.execute(text("SELEKT 1"))

    monkeypatch.setattr("handlers.erp.sql.destination.store", wrong)
    with pytest.raises(DBAPIError):
        deliver(destination, event(2), order_of(2))
