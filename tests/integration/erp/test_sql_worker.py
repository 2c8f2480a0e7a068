"""Through the real worker into tables: at the end they say what the mirror says."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from decimal import Decimal
from itertools import zip_longest
from pathlib import Path
from typing import Any

import jiter
import pytest
from sqlalchemy import create_engine, select

from handlers.erp.sql.destination import SqlDestination
from handlers.erp.sql.rows import rows_of
from handlers.erp.sql.tables import tables
from handlers.interface import Change, Endpoint, ErpEvent, JsonObject, Outcome, Refused, RenderedBody
from handlers.mirror.current import current
from service.inbox.interface import State
from service.inbox.packed import unpack
from service.inbox.repair_rules import Action
from tests.integration.erp.postgresql_server import PostgresqlServer
from tests.integration.taking import order, quantity
from tests.integration.working import SOON_DEAD, Build, House, eventually
from tests.lifecycle.history import orders

TABLES = ("purchase_order", "order_line", "delivery", "price", "document")


def mirrors(at: House) -> dict[str, JsonObject]:
    """Each order as it stands in the inbox after its last event."""
    return {
        row["subject_id"]: current(Endpoint.ORDER, unpack(row["state"]), None)
        for row in at.rows("SELECT subject_id, state FROM mirror")
    }


def in_tables(url: str) -> dict[str, Counter[str]]:
    """The rows of each table, without the event that wrote them."""
    known = tables("tradecloud_", None)
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            return {
                name: Counter(comparable(dict(row)) for row in connection.execute(select(known[name])).mappings())
                for name in TABLES
            }
    finally:
        engine.dispose()


def of_mirrors(at: House) -> dict[str, Counter[str]]:
    """The rows that the mirrors come to."""
    found: dict[str, Counter[str]] = {name: Counter() for name in TABLES}
    for subject, merged in mirrors(at).items():
        rows = rows_of(Endpoint.ORDER, subject, merged)
        found["purchase_order"][comparable(rows.header)] += 1
        for name, part in rows.parts.items():
            found[name].update(comparable(row) for row in part)
    return found


def comparable(row: dict[str, Any]) -> str:
    cells = {name: cell for name, cell in row.items() if name != "event_id"}
    cells["data"] = jiter.from_json(str(cells["data"]).encode(), float_mode="decimal")
    return json.dumps(
        cells,
        sort_keys=True,
        default=lambda cell: f"{cell.normalize():f}" if isinstance(cell, Decimal) else str(cell),
    )


class Forgetful(SqlDestination):
    """Its first answer gets lost after the commit, as when the worker is killed there."""

    lost = False

    def deliver(
        self, event: ErpEvent, merged: JsonObject | None, changes: Sequence[Change], body: RenderedBody
    ) -> Outcome:
        outcome = super().deliver(event, merged, changes, body)
        if not self.lost:
            self.lost = True
            raise ConnectionAbortedError("lost")
        return outcome


class Picky(SqlDestination):
    """Refuses one state for a while."""

    refused: int | None = None

    def deliver(
        self, event: ErpEvent, merged: JsonObject | None, changes: Sequence[Change], body: RenderedBody
    ) -> Outcome:
        if self.refused is not None and quantity(merged) == self.refused:
            return Refused("not now")
        return super().deliver(event, merged, changes, body)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/erp.db"
    server: PostgresqlServer = request.getfixturevalue("postgresql")
    return server.new_database()


def test_tables_are_equal_to_the_mirrors_after_the_lives_of_many_orders(house: Build, url: str) -> None:
    with closing(SqlDestination(url)) as destination:
        at = house(destinations={"tables": destination})
        lived = orders(3, 12)
        turns = zip_longest(*(order.history for order in lived))
        ids = at.accept(*(told.body for turn in turns for told in turn if told is not None))
        at.start()
        at.wait_for_state(State.DONE, *set(ids), seconds=60)
        at.stop()
        assert len(mirrors(at)) == len(lived)
        told, known = in_tables(url), of_mirrors(at)
        for name in TABLES:
            assert told[name] == known[name], name
            assert told[name], name


def test_outage_of_the_database_loses_nothing_and_ends_by_itself(house: Build, tmp_path: Path) -> None:
    folder = tmp_path / "later"
    url = f"sqlite:///{folder}/erp.db"
    with closing(SqlDestination(url)) as destination:
        at = house(destinations={"tables": destination})
        at.start()
        ids = at.accept(*(order(number, tick) for tick in (1, 2) for number in ("PO1", "PO2")))
        eventually(lambda: at.outcomes(ids[0], "tables")[:1] == ["unavailable"])
        folder.mkdir()
        at.wait_for_state(State.DONE, *ids)
        at.stop()
        assert in_tables(url) == of_mirrors(at)


def test_attempt_whose_end_got_lost_is_recognised_when_it_is_repeated(house: Build, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/erp.db"
    with closing(Forgetful(url)) as destination:
        at = house(destinations={"tables": destination})
        at.start()
        (only,) = at.accept(order())
        at.wait_for_state(State.DONE, only)
        at.stop()
        assert at.outcomes(only, "tables") == ["fault", "accepted"]
        assert [row["reason"] for row in at.rows("SELECT reason FROM attempt ORDER BY id")][
            1
        ] == "it is there already"
        assert in_tables(url) == of_mirrors(at)


def test_replay_of_a_dead_event_after_later_ones_leaves_the_newest_state(house: Build, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/erp.db"
    with closing(Picky(url)) as destination:
        at = house(destinations={"tables": destination}, terms={"tables": SOON_DEAD}, dead_holds=False)
        at.start()
        destination.refused = 1
        first, second = at.accept(order(tick=1), order(tick=2))
        at.wait_for_state(State.DEAD, first)
        at.wait_for_state(State.DONE, second)
        destination.refused = None
        at.treat(Action.REPLAY, first)
        at.wait_for_state(State.DONE, first)
        at.stop()
        assert in_tables(url) == of_mirrors(at)
