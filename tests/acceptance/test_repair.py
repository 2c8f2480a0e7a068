"""What an operator sees and mends from the command line, on a service that runs."""

from __future__ import annotations

import json
import os
import pty
import sqlite3
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.running import COMMAND, ORDER, SHIPMENT, RunningService, body, example
from tests.acceptance.test_trouble import BROKEN_HANDLER, with_fault

NUMBER = "NH-2026-00417"


@pytest.fixture(scope="module")
def folder_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service that writes what it processed into a folder; shared by the tests of this module."""
    folder = tmp_path_factory.mktemp("repair")
    (folder / "drop").mkdir()
    running = RunningService(folder, extra='[destinations.files]\ntype = "folder"\npath = "drop"\n')
    running.start()
    yield running
    running.kill()


def run(service: RunningService, *arguments: str, status: int = 0) -> str:
    """What the command prints, after it ended with this status."""
    result = service.webhooks(*arguments, check=False)
    assert result.returncode == status, (result.stdout.decode(), result.stderr.decode())
    return result.stdout.decode() or result.stderr.decode()


def wait_for_state(service: RunningService, event_id: str, state: str = "done") -> dict[str, Any]:
    """The event, once it is there."""
    deadline = time.monotonic() + 60
    while (row := service.event(event_id))["state"] != state:
        assert time.monotonic() < deadline, row
        time.sleep(0.1)
    return row


def wait_for_rounds(service: RunningService, event_id: str, count: int) -> dict[str, Any]:
    """The event, once it was handed over so many times."""
    deadline = time.monotonic() + 60
    while True:
        row = service.event(event_id)
        if row["state"] == "done" and [one["state"] for one in row["handovers"]] == ["done"] * count:
            return row
        assert time.monotonic() < deadline, row
        time.sleep(0.1)


def an_order(number: str | None = None) -> bytes:
    """An order of its own; its quantities and prices keep their digits."""
    order = example("order-issued").decode()
    fresh = number or f"PO-{uuid.uuid4()}"
    order = order.replace(NUMBER, fresh).replace("f036e937-3e0b-576f-968d-460000a78e71", str(uuid.uuid4()))
    return order.encode()


def files(service: RunningService, event_id: str) -> list[str]:
    """What was written of this event."""
    return [path.name for path in (service.folder / "drop").iterdir() if event_id in path.name]


class TestRelease:
    def test_body_that_a_fault_of_ours_refused_is_processed_after_it_was_mended(self, tmp_path: Path) -> None:
        service = RunningService(tmp_path)
        try:
            service.start(command=with_fault(BROKEN_HANDLER))
            kept = service.post(ORDER, an_order()).json()["quarantineId"]
            out = run(service, "events", "replay", kept, "--reason", "wrong command", status=4)
            assert "webhooks events release" in out
            service.stop()
            service.start()
            assert "is released as OrderIssuedByBuyer" in run(
                service, "events", "release", kept, "--reason", "fault is mended"
            )
            row = wait_for_state(service, kept)
            assert row["refusal"]["problem"] == "internal-fault"
            assert row["effect"]["news"] is True
            (audit,) = row["audit"]
            assert (audit["action"], audit["reason"]) == ("release", "fault is mended")
            assert audit["user"]
        finally:
            service.kill()

    def test_body_that_is_still_wrong_stays_and_the_edited_one_is_processed(
        self, folder_service: RunningService
    ) -> None:
        sent = b'{"eventName": 5, "nonce": "%s"}' % uuid.uuid4().hex.encode()
        kept = folder_service.post(ORDER, sent).json()["quarantineId"]
        before = folder_service.event(kept)
        out = run(folder_service, "events", "release", kept, "--reason", "try", status=6)
        assert "/eventName: expected string, found number" in out
        found = json.loads(run(folder_service, "events", "release", kept, "--reason", "try", "--json", status=6))
        assert found["errors"] == [{"pointer": "/eventName", "reason": "expected string, found number"}]
        assert folder_service.event(kept) == before

        edited = folder_service.folder / "edited.json"
        edited.write_bytes(an_order())
        again = ("events", "release", kept, "--reason", "typed anew", "--body", str(edited))
        assert "Nothing was done" in run(folder_service, *again, "--dry-run", status=5)
        assert folder_service.event(kept) == before
        run(folder_service, *again)
        row = wait_for_state(folder_service, kept)
        assert row["edited"] == {"contentType": "application/json"}
        assert folder_service.raw(kept) == sent
        shown = folder_service.webhooks("events", "show", kept, "--raw", "--edited").stdout
        assert shown == edited.read_bytes()
        (name,) = files(folder_service, kept)
        written = json.loads((folder_service.folder / "drop" / name).read_bytes(), parse_float=Decimal)
        assert written["orderEvent"]["lines"][2]["deliverySchedule"][0]["quantity"] == Decimal(
            "1234567890123456.789012345"
        )
        assert "not in quarantine" in run(folder_service, *again, status=4)

    def test_body_under_a_wrong_name_is_released_under_the_right_one(self, folder_service: RunningService) -> None:
        refused = folder_service.post(ORDER, an_order(), headers={"Content-Type": "text/plain"})
        kept = refused.json()["quarantineId"]
        assert "text/plain" in run(folder_service, "events", "release", kept, "--reason", "try", status=6)
        run(
            folder_service,
            "events",
            "release",
            kept,
            "--reason",
            "it is JSON",
            "--content-type",
            "application/json",
        )
        assert wait_for_state(folder_service, kept)["contentType"] == "text/plain"

    def test_message_that_came_again_and_was_accepted_is_named(self, folder_service: RunningService) -> None:
        sent = an_order()
        kept = folder_service.post(ORDER, sent, headers={"Content-Type": "text/plain"}).json()["quarantineId"]
        accepted = folder_service.post(ORDER, sent).json()["eventId"]
        out = run(
            folder_service,
            *("events", "release", kept, "--reason", "late", "--content-type", "application/json"),
            status=4,
        )
        assert accepted in out
        assert folder_service.event(kept)["state"] == "quarantined"

    def test_body_of_which_only_the_beginning_was_kept_needs_the_whole_one(self, tmp_path: Path) -> None:
        service = RunningService(tmp_path, extra="max_body_bytes = 1048576\nmax_inflight_bytes = 4194304\n")
        try:
            service.start()
            kept = service.post(ORDER, an_order() + b" " * 1_048_576).json()["quarantineId"]
            assert "--body" in run(service, "events", "release", kept, "--reason", "x", status=4)
            whole = tmp_path / "whole.json"
            whole.write_bytes(an_order() + b" " * 1_048_576)
            too_large = ("events", "release", kept, "--reason", "x", "--body", str(whole))
            assert "limit is 1048576 bytes" in run(service, *too_large, status=6)
            whole.write_bytes(an_order())
            run(service, *too_large)
            wait_for_state(service, kept)
        finally:
            service.kill()


class TestReplay:
    def test_replayed_event_is_handed_over_once_more_and_all_of_it_is_on_record(
        self, folder_service: RunningService
    ) -> None:
        number = f"PO-{uuid.uuid4()}"
        event_id = folder_service.post(ORDER, an_order(number)).json()["eventId"]
        first = wait_for_state(folder_service, event_id)
        by_filter = ("events", "replay", "--purchase-order", number, "--reason", "lost a file")
        out = run(folder_service, *by_filter, status=5)
        assert "Would be replayed: 1 event." in out
        assert "files: 1 event" in out
        assert folder_service.event(event_id) == first
        run(folder_service, *by_filter, "--yes")
        row = wait_for_rounds(folder_service, event_id, 2)
        assert row["appliedAt"] > first["appliedAt"]
        assert row["effect"] == first["effect"], "what it changed when it came is still told"
        by_id = ("events", "replay", event_id[:20], "--reason", "again", "--destination", "files")
        assert "Would be replayed: 1 event." in run(folder_service, *by_id, status=5)
        run(folder_service, *by_id, "--yes")
        assert wait_for_rounds(folder_service, event_id, 3)["appliedAt"] == row["appliedAt"]
        shown = run(folder_service, "events", "show", event_id)
        assert "replay: lost a file" in shown
        assert "replay (files): again" in shown

    def test_wrong_command_lines_say_what_is_missing(self, folder_service: RunningService) -> None:
        assert "--reason" in run(folder_service, "events", "replay", "--state", "dead", status=2)
        assert "say why" in run(folder_service, "events", "cancel", "1", "--reason", " ", status=2)
        assert "by filters" in run(folder_service, "events", "replay", "--reason", "x", status=2)
        assert "not both" in run(
            folder_service, "events", "replay", "0", "--state", "dead", "--reason", "x", status=2
        )
        assert "no event has the id" in run(folder_service, "events", "skip", "zzz", "--reason", "x", status=1)
        nothing = ("events", "cancel", "--event", "NoSuchName", "--reason", "x")
        assert run(folder_service, *nothing, status=3) == "No events fit.\n"
        assert "no destination is called erp; there is files" in run(
            folder_service, "destinations", "pause", "erp", "--reason", "x", status=1
        )

    def test_thousands_of_events_are_replayed_while_senders_are_busy_and_none_gets_a_503(
        self, own_service: RunningService
    ) -> None:
        own_service.start()
        own_service.post(ORDER, an_order())
        own_service.stop()
        stock(own_service.database, 6_000)
        own_service.start()
        statuses: list[int] = []
        busy = threading.Event()

        def send() -> None:
            while not busy.is_set():
                statuses.append(own_service.post(ORDER, an_order()).status_code)

        senders = [threading.Thread(target=send) for _ in range(4)]
        for sender in senders:
            sender.start()
        replay = subprocess.run(
            [
                *(str(COMMAND), "events", "replay", "--event", "Stock", "--reason", "a new handler", "--yes"),
                *("--config", str(own_service.config)),
            ],
            cwd=own_service.folder,
            capture_output=True,
            timeout=540,
            check=False,
        )
        busy.set()
        for sender in senders:
            sender.join()
        assert replay.stdout.decode() == "6,000 events replayed.\n", replay.stderr.decode()
        assert len(statuses) > 50
        assert set(statuses) == {202}
        with closing(sqlite3.connect(own_service.database)) as connection:
            (recorded,) = connection.execute("SELECT count(*) FROM audit WHERE action = 'replay'").fetchone()
        assert recorded == 6_000


def stock(database: Path, count: int) -> None:
    """Events that were processed long ago."""
    with closing(sqlite3.connect(database)) as connection, connection:
        names = [row[1] for row in connection.execute("PRAGMA table_info(event)") if row[1] not in ("seq", "id")]
        changed = {
            "event_name": "'Stock'",
            "payload_kind": "NULL",
            "subject_id": "NULL",
            "key": "NULL",
            "message_id": "NULL",
            "content_hash": "randomblob(32)",
            "state": "'done'",
            "apply_at": "NULL",
            "applied_at": "received_at",
        }
        values = ", ".join(changed.get(name, name) for name in names)
        connection.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"  # noqa: S608
            f" INSERT INTO event (id, {', '.join(names)})"
            f" SELECT printf('stock-%06d', i), {values} FROM event, n WHERE event.seq = 1",
            (count,),
        )
        connection.execute(
            "INSERT INTO event_body SELECT id, ? FROM event WHERE event_name = 'Stock'",
            (b'{"eventName": "Stock"}',),
        )


class TestDestinations:
    def test_paused_destination_gets_nothing_until_it_is_resumed(self, folder_service: RunningService) -> None:
        run(folder_service, "destinations", "pause", "files", "--reason", "the disk is moved")
        try:
            event_id = folder_service.post(ORDER, an_order()).json()["eventId"]
            wait_for_state(folder_service, event_id, "processing")
            time.sleep(1)
            assert files(folder_service, event_id) == []
            (listed,) = [row for row in folder_service.events() if row["id"] == event_id]
            assert [(one["destination"], one["how"]) for one in listed["heldUpBy"]] == [("files", "paused")]
            assert "waits for files, paused since" in run(folder_service, "events", "list", "--limit", "1")
            (status,) = json.loads(run(folder_service, "destinations", "status", "--json"))
            assert (status["state"], status["open"], status["pausedReason"]) == ("paused", 1, "the disk is moved")
            assert status["pausedBy"]
            text = run(folder_service, "destinations", "status")
            assert "the disk is moved" in text
            assert "is paused already" in run(
                folder_service, "destinations", "pause", "files", "--reason", "again", status=4
            )
        finally:
            run(folder_service, "destinations", "resume", "files", "--reason", "it is moved")
        wait_for_state(folder_service, event_id)
        assert len(files(folder_service, event_id)) == 1
        (status,) = json.loads(run(folder_service, "destinations", "status", "--json"))
        assert (status["state"], status["open"], status["pausedBy"]) == ("available", 0, None)

    def test_waiting_event_is_cancelled_and_never_handed_over(self, folder_service: RunningService) -> None:
        run(folder_service, "destinations", "pause", "files", "--reason", "the disk is moved")
        try:
            event_id = folder_service.post(ORDER, an_order()).json()["eventId"]
            wait_for_state(folder_service, event_id, "processing")
            assert run(folder_service, "events", "cancel", event_id, "--reason", "wrong order") == (
                f"{event_id} is cancelled.\n"
            )
        finally:
            run(folder_service, "destinations", "resume", "files", "--reason", "it is moved")
        row = folder_service.event(event_id)
        assert (row["state"], row["handovers"][0]["state"]) == ("cancelled", "cancelled")
        later = folder_service.post(ORDER, an_order()).json()["eventId"]
        wait_for_state(folder_service, later)
        assert files(folder_service, event_id) == []


class TestMirror:
    def test_order_is_listed_shown_and_told_with_exact_numbers(self, folder_service: RunningService) -> None:
        number = f"PO-{uuid.uuid4()}"
        issued = folder_service.post(ORDER, an_order(number)).json()["eventId"]
        wait_for_state(folder_service, issued)
        proposed = example("order-proposal").decode().replace(NUMBER, number)
        proposed = proposed.replace("ac708e91-57cc-5123-87dc-6c8d3ed9be8b", str(uuid.uuid4()))
        second = folder_service.post(ORDER, proposed).json()["eventId"]
        wait_for_state(folder_service, second)

        (row,) = json.loads(run(folder_service, "orders", "list", "--purchase-order", number, "--json"))
        assert (row["processStatus"], row["lines"], row["lastEventId"]) == ("InProgress", 3, second)
        for filters in (("--account", "70044"), ("--status", "inprogress"), ("--since", "1h")):
            assert number in run(folder_service, "orders", "list", *filters)
        assert (
            run(folder_service, "orders", "list", "--purchase-order", number, "--until", "1h") == "No orders fit.\n"
        )

        shown = run(folder_service, "orders", "show", number)
        assert "1234567890123456.789012345 KGM" in shown
        assert "OpenSupplierProposal" in shown
        whole = run(folder_service, "orders", "show", number, "--json")
        assert '"quantity": 1234567890123456.789012345' in whole
        assert '"quantity": 40.00' in whole
        current = json.loads(whole, parse_float=Decimal)
        assert current["eventName"] == "OrderChangesProposedBySupplier"
        assert len(current["orderEvent"]["lines"]) == 3

        exported = [
            json.loads(line, parse_float=Decimal)
            for line in run(folder_service, "orders", "export").strip().split("\n")
        ]
        assert [one["body"] for one in exported if one["id"].endswith(number)] == [current]

        told = run(folder_service, "orders", "history", number)
        assert told.index(issued) < told.index("Line 00020 is new.") < told.index(second)
        assert "became InProgress" in told
        events = json.loads(run(folder_service, "orders", "history", number, "--json"))["events"]
        assert [one["id"] for one in events] == [issued, second]
        assert "no order is known as PO-0" in run(folder_service, "orders", "show", "PO-0", status=1)

    def test_shipment_is_found_by_number_and_by_order(self, folder_service: RunningService) -> None:
        sent = body("shipment-issued", meta={"messageId": str(uuid.uuid4())})
        wait_for_state(folder_service, folder_service.post(SHIPMENT, sent).json()["eventId"])
        for name in ("VS-26-1107", "NH-2026-00502"):
            assert "CSQU3054383" in run(folder_service, "shipments", "show", name)
        assert "VS-26-1107" in run(folder_service, "shipments", "list", "--status", "Issued")
        assert "is new" in run(folder_service, "shipments", "history", "VS-26-1107")


@pytest.mark.skipif(sys.platform == "win32", reason="no terminals of this kind")
def test_lists_fit_a_terminal_of_80_columns(folder_service: RunningService) -> None:
    event_id = folder_service.post(ORDER, an_order()).json()["eventId"]
    wait_for_state(folder_service, event_id)
    for arguments in (["events", "list"], ["orders", "list"], ["destinations", "status"]):
        lines = on_terminal(folder_service, *arguments).splitlines()
        assert len(lines) > 1
        assert max(map(len, lines)) <= 80, arguments


def on_terminal(service: RunningService, *arguments: str) -> str:
    """What the command writes to a terminal of 80 columns."""
    terminal, end = pty.openpty()
    environment = {**os.environ, "COLUMNS": "80"}
    process = subprocess.Popen(
        [str(COMMAND), *arguments, "--config", str(service.config)],
        cwd=service.folder,
        env=environment,
        stdout=end,
        stdin=subprocess.DEVNULL,
    )
    os.close(end)
    written = b""
    try:
        while chunk := os.read(terminal, 65536):
            written += chunk
    except OSError:  # what Linux says at the end
        pass
    os.close(terminal)
    assert process.wait(60) == 0
    return written.decode().replace("\r\n", "\n")
