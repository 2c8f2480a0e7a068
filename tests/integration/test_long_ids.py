"""Ids that are longer than an index of PostgreSQL has room for; a sender may make them so, and is not refused."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from handlers.interface import JsonObject
from service.inbox.copying import copy
from service.inbox.interface import State, Stored
from service.inbox.place import Place
from tests.integration.taking import Erp, order
from tests.integration.test_inbox import accept_all, event
from tests.integration.working import Build, House
from tests.postgresql import Databases


def long(seed: str) -> str:
    """10,000 characters that cannot be compressed to a few."""
    return "".join(hashlib.sha256(f"{seed}{i}".encode()).hexdigest() for i in range(157))[:10_000]


def long_order(seed: str, tick: int = 1) -> JsonObject:
    body: Any = order(long(seed), tick)
    body["meta"]["messageId"] = f"{long(seed)}{tick}"
    return body  # type: ignore[no-any-return]


def test_long_message_id_is_stored_and_its_repetition_recognised(place: Place) -> None:
    first, again, other = event(long("m") + "1"), event(long("m") + "1"), event(long("m") + "2")
    assert accept_all(place, first, again, other) == [
        Stored(first.id),
        Stored(first.id, duplicate=True),
        Stored(other.id),
    ]


def test_events_of_orders_with_long_numbers_are_merged_and_handed_over_in_order(house: Build) -> None:
    erp = Erp()
    at = house(destinations={"erp": erp})
    at.start()
    ids = at.accept(*(long_order(seed, tick) for tick in (1, 2, 3) for seed in ("a", "b")), order("PO1", 1))
    at.wait_for_state(State.DONE, *ids)
    assert [event_id for event_id in erp.ids() if event_id in ids[:6:2]] == ids[:6:2]
    assert [row["events"] for row in at.rows("SELECT events FROM mirror ORDER BY events")] == [1, 3, 3]


def test_inbox_with_long_ids_can_be_copied_and_the_order_goes_on(tmp_path: Path, servers: Databases) -> None:
    before = House(tmp_path, tmp_path / "inbox.db", {"erp": Erp()}, watched=False)
    before.start()
    before.wait_for_state(State.DONE, *before.accept(long_order("a", 1)))
    before.stop()
    (waiting,) = before.accept(long_order("a", 2))
    before.close()
    server = servers.new()
    copy(tmp_path / "inbox.db", server)
    erp = Erp()
    after = House(tmp_path, server, {"erp": erp}, watched=False)
    try:
        (new,) = after.accept(long_order("a", 3))
        (again,) = after.accept_all([long_order("a", 2)])
        assert again == Stored(waiting, duplicate=True)
        after.start()
        after.wait_for_state(State.DONE, waiting, new)
        assert erp.ids() == [waiting, new]
        assert after.rows("SELECT events FROM mirror") == [{"events": 3}]
    finally:
        after.close()
        servers.drop(server)
