"""An inbox that moves from its file to a PostgreSQL server."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url
from typer.testing import CliRunner

from handlers.interface import Endpoint
from service.cli import app
from service.commands.inbox import TARGET_VARIABLE
from service.inbox.copying import copy
from service.inbox.interface import InboxUnavailableError, State, Stored
from service.inbox.mirror_reader import MirrorFilter, MirrorReader
from service.inbox.place import DatabaseServer
from service.inbox.reader import EventFilter, InboxReader
from service.inbox.upgrading import upgrade
from tests.integration.taking import Erp, order
from tests.integration.test_inbox import accept_all, event, inbox_at, inbox_in, use
from tests.integration.working import House
from tests.postgresql import rows


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """An inbox that has seen work: events that are done and one that waits, a body in quarantine."""
    path = tmp_path / "inbox.db"
    house = House(tmp_path, path, {"erp": Erp()}, watched=False)
    house.quarantine(b"nonsense \x00 \xff")
    house.start()
    ids = house.accept(*(order(f"PO{number}", tick) for number in range(5) for tick in (1, 2)))
    house.wait_for_state(State.DONE, *ids)
    house.stop()
    house.accept(order("PO1", 3))
    house.close()
    return path


def test_everything_is_at_the_server_as_it_was_and_the_work_goes_on_there(
    source: Path, server: DatabaseServer, tmp_path: Path
) -> None:
    with closing(sqlite3.connect(source)) as connection, connection:
        digits = '[{"count": 1234567890.123456789012345}]'
        connection.execute("UPDATE event SET drift = ?, reason = ? WHERE seq = 2", (digits, "a\0b"))
    copied = {one.table: one.rows for one in copy(source, server)}
    assert copied["event"] == copied["event_body"] == 12
    assert copied["handover"] == copied["attempt"] == 10
    before, after = InboxReader(source), InboxReader(server)
    everything = EventFilter(limit=None)
    assert [row["id"] for row in after.events(everything)] == [row["id"] for row in before.events(everything)]
    for row in before.events(everything):
        assert after.body(row["id"]) == before.body(row["id"])
    assert rows(server, "SELECT drift, reason FROM event WHERE seq = 2") == [
        {"drift": digits, "reason": "a\u2400b"}
    ]
    orders = MirrorReader(server, Endpoint.ORDER).subjects(MirrorFilter())
    assert orders == MirrorReader(source, Endpoint.ORDER).subjects(MirrorFilter())
    house = House(tmp_path, server, {"erp": Erp()}, watched=False)
    try:
        (waiting,) = [row["id"] for row in before.events(EventFilter(state=State.RECEIVED))]
        house.start()
        (new,) = house.accept(order("PO1", 4))
        house.wait_for_state(State.DONE, waiting, new)
        assert house.event(new)["seq"] == 13
    finally:
        house.close()


def test_duplicates_of_what_was_copied_are_recognised(tmp_path: Path, server: DatabaseServer) -> None:
    path = tmp_path / "inbox.db"
    first, again = event("m1"), event("m1")
    accept_all(path, first)
    copy(path, server)
    assert accept_all(server, again) == [Stored(first.id, duplicate=True)]


def test_inbox_that_somebody_uses_is_not_copied(tmp_path: Path, server: DatabaseServer) -> None:
    path = tmp_path / "inbox.db"

    async def while_it_runs(inbox: object) -> None:
        with pytest.raises(InboxUnavailableError, match="stop `webhooks serve`"):
            copy(path, server)

    use(inbox_at(path), while_it_runs)


def test_target_that_holds_something_is_refused_and_stays_as_it_is(source: Path, server: DatabaseServer) -> None:
    (stored,) = accept_all(server, event("m1"))
    with pytest.raises(InboxUnavailableError, match="is in use: its table event holds"):
        copy(source, server)
    assert [row["id"] for row in InboxReader(server).events(EventFilter())] == [stored.id]


def test_interrupted_copy_leaves_the_target_empty_and_can_be_done_again(
    source: Path, server: DatabaseServer
) -> None:
    def interrupt(table: str) -> None:
        if table == "handover":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copy(source, server, interrupt)
    assert rows(server, "SELECT count(*) AS n FROM event") == [{"n": 0}]
    assert {one.table: one.rows for one in copy(source, server)}["event"] == 12


def test_receiver_that_is_on_the_target_already_stores_nothing_before_the_copy_is_there(
    source: Path, server: DatabaseServer
) -> None:
    receiver = inbox_in(server, busy_timeout=0.2)
    answers: list[BaseException | None] = []

    async def send(inbox: Any) -> None:
        with pytest.raises(InboxUnavailableError) as raised:
            await inbox.accept(event("m1"))
        answers.append(raised.value)

    def meanwhile(table: str) -> None:
        if table == "event":
            use(receiver, send)

    upgrade(server)
    copied = {one.table: one.rows for one in copy(source, server, meanwhile)}
    assert len(answers) == 1
    assert copied["event"] == 12
    (new,) = accept_all(server, event("m1"))
    assert [row["seq"] for row in rows(server, "SELECT seq FROM event WHERE id = ?", new.id)] == [13]


def test_upgrade_says_from_where_to_where(tmp_path: Path, server: DatabaseServer) -> None:
    for place in (tmp_path / "inbox.db", server):
        before, after = upgrade(place)
        assert before is None
        assert upgrade(place) == (after, after)


def test_commands_say_what_they_did_and_never_show_the_password(
    tmp_path: Path, server: DatabaseServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    accept_all(tmp_path / "inbox.db", event("m1"))
    config = tmp_path / "webhooks.toml"
    config.write_text('[inbox]\nurl = "sqlite:///inbox.db"\n')
    monkeypatch.setenv(TARGET_VARIABLE, server.url)

    def run(*arguments: str) -> str:
        result = CliRunner().invoke(app, [*arguments, "--config", str(config)])
        assert make_url(server.url).password not in (None, "")
        for secret in (str(make_url(server.url).password), server.url):
            assert secret not in result.output + str(result.exception)
        assert result.exit_code == 0, result.output
        return result.output

    assert f"{server}, compared with {tmp_path / 'inbox.db'}" in run("inbox", "copy", "--to", "-")
    config.write_text(f'[inbox]\nurl = "{server.url}"\n')
    assert "is up to date (version" in run("migrate")
    assert "m1" in run("events", "list", "--json")
    assert "No worker works on this inbox" in run("destinations", "status")
