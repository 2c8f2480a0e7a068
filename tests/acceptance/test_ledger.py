"""What an operator learns from all deliveries together: drift, the last use of credentials, where senders are."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from handlers.interface import JsonValue
from tests.acceptance.running import ORDER, SHIPMENT, TOKEN, RunningService, body, example
from tests.integration.test_inbox import accept_all, event
from tests.integration.test_ledger import with_drift

LISTED = "35.204.36.162"
STRANGER = "203.0.113.9"


@pytest.fixture
def behind_proxy(tmp_path: Path) -> Iterator[RunningService]:
    """A service behind a proxy on its machine, not yet started."""
    running = RunningService(tmp_path, https=False)
    yield running
    running.kill()


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """The same, running, for the tests of this module."""
    running = RunningService(tmp_path_factory.mktemp("proxied"), https=False)
    running.start()
    yield running
    running.kill()


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def an_order(**members: Any) -> bytes:
    """An order like no other, with further members in its payload."""
    order = json.loads(example("order-issued"))
    order["meta"]["messageId"] = order["orderEvent"]["meta"]["messageId"] = str(uuid.uuid4())
    order["orderEvent"] |= members
    return json.dumps(order).encode()


def drift(service: RunningService, *options: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(service.webhooks("drift", "--json", *options).stdout)
    return rows


def text(service: RunningService, *arguments: str) -> str:
    return service.webhooks(*arguments).stdout.decode()


class TestDrift:
    def test_news_of_several_deliveries_are_listed_once_also_after_a_restart(
        self, own_service: RunningService
    ) -> None:
        own_service.start()
        first = own_service.post(ORDER, an_order(co2=1)).json()["eventId"]
        sent = an_order(co2=2, gate="7")
        again = own_service.post(ORDER, sent).json()["eventId"]
        assert own_service.post(ORDER, sent).json()["duplicate"]
        own_service.post(SHIPMENT, body("shipment-issued", eventName="ShipmentEaten"))
        assert own_service.stop() == 0
        own_service.start()
        last = own_service.post(ORDER, an_order(co2=3)).json()["eventId"]
        found = {(row["endpoint"], row["kind"], row["place"], row["detail"]): row for row in drift(own_service)}
        assert found.keys() == {
            ("order", "unknown member", "/orderEvent", "co2"),
            ("order", "unknown member", "/orderEvent", "gate"),
            ("shipment", "event name", "/eventName", "ShipmentEaten"),
        }
        co2 = found["order", "unknown member", "/orderEvent", "co2"]
        assert (co2["events"], co2["exampleEventId"]) == (3, last)
        assert co2["firstAt"] == own_service.event(first)["receivedAt"]
        assert co2["lastAt"] == own_service.event(last)["receivedAt"]
        gate = found["order", "unknown member", "/orderEvent", "gate"]
        assert (gate["events"], gate["exampleEventId"]) == (1, again)
        assert [row["detail"] for row in drift(own_service, "--endpoint", "shipment")] == ["ShipmentEaten"]
        assert len(drift(own_service, "--since", "1h")) == 3
        assert drift(own_service, "--since", "2099-01-01") == []

    def test_table_shows_each_thing_below_its_place_with_an_example_that_can_be_shown(
        self, own_service: RunningService
    ) -> None:
        own_service.start()
        evil = "x\x1b[2J\u202e"
        event_id = own_service.post(ORDER, an_order(**{evil: 1, "n" * 70: 1})).json()["eventId"]
        for i in range(13):
            own_service.post(ORDER, an_order(lastUpdatedAt=f"yesterday {i:02}"))
        lines = text(own_service, "drift").splitlines()
        assert lines[0].split()[:4] == ["NAME", "OR", "VALUE", "EVENTS"]
        form = lines.index("order: unexpected form at /orderEvent/lastUpdatedAt")
        member = lines.index("order: unknown member at /orderEvent")
        assert lines[form + 1].startswith("  yesterday 00 is no timestamp ")
        assert lines[form + 11] == "  and 3 more; --json shows them"
        assert member == form + 12
        assert {line.split()[0] for line in lines[member + 1 :]} == {"n" * 33 + "…", r"x\x1b[2J\u202e"}
        assert all(line.split()[1] == "1" and line.endswith(event_id) for line in lines[member + 1 :])
        assert max(len(line) for line in lines) <= 120
        assert "unknown member" in text(own_service, "events", "show", lines[-1].split()[-1])

    def test_nothing_beyond_the_contract_is_said_in_a_sentence(self, own_service: RunningService) -> None:
        own_service.start()
        own_service.post(ORDER, example("order-issued"))
        assert text(own_service, "drift") == "Nothing beyond the contract was received.\n"
        assert drift(own_service) == []

    def test_what_the_contract_knows_by_now_is_left_out_unless_asked_for(self, own_service: RunningService) -> None:
        own_service.start()
        assert own_service.stop() == 0
        # As a version with an older contract would have stored it.
        accept_all(own_service.database, with_drift("m1", "orderId", "stillNew"))
        assert [row["detail"] for row in drift(own_service)] == ["stillNew"]
        shown = text(own_service, "drift")
        assert "stillNew" in shown
        assert "orderId" not in shown
        assert shown.endswith("\n\n1 thing is left out, because the contract knows it by now; --all shows it.\n")
        assert {row["detail"]: row["knownNow"] for row in drift(own_service, "--all")} == {
            "orderId": True,
            "stillNew": False,
        }
        lines = text(own_service, "drift", "--all").splitlines()
        known = lines.index("order: unknown member at /orderEvent, known now")
        assert lines[known + 1].split()[0] == "orderId"
        assert not lines[-1].startswith("1 thing")

    def test_full_ledger_says_so(self, own_service: RunningService) -> None:
        own_service.start()
        event_id = own_service.post(ORDER, an_order(**{f"new{i}": 1 for i in range(150)})).json()["eventId"]
        lines = text(own_service, "drift").splitlines()
        place = lines.index("order: not told apart, over 10000 different things here or 100 in one event")
        assert lines[place + 1].split()[:3] == ["everything", "else", "1"]
        assert lines[place + 1].endswith(event_id)

    def test_kind_of_another_version_is_shown_as_it_is(self, own_service: RunningService) -> None:
        own_service.start()
        assert own_service.stop() == 0
        item: dict[str, JsonValue] = {"kind": "unknown\nattribute", "place": "/a\x1b", "detail": "b", "count": 1}
        accept_all(own_service.database, replace(event("m1"), drift=(item,), drift_count=1))
        assert r"order: unknown\nattribute at /a\x1b" in text(own_service, "drift").splitlines()


class TestCredentials:
    def rows(self, service: RunningService) -> dict[tuple[str, str], list[str]]:
        """(name, endpoint) -> the cells of its line, an empty one left out."""
        lines = text(service, "credentials").splitlines()[1:]
        cells = [line.split() for line in lines]
        return {(row[0], row[2]): row for row in cells}

    def test_removed_credential_shows_when_it_was_used_last(self, own_service: RunningService) -> None:
        own_service.start()
        bearer = {"Authorization": f"Bearer {TOKEN}"}
        own_service.post(ORDER, an_order(), auth=None, headers=bearer)
        own_service.post(SHIPMENT, example("shipment-issued"))
        assert own_service.stop() == 0
        before = self.rows(own_service)
        assert before["robot", "order"][1:4] == ["bearer", "order", "0"]
        last_use = before["robot", "order"][-1]
        assert before["robot", "shipment"][-1] == before["main", "order"][-1] == "never"
        assert before["main", "shipment"][-1] > last_use
        settings = own_service.config.read_text(encoding="utf-8")
        new = {"Authorization": "Bearer the-new-token-of-the-robot"}
        settings = settings.replace("[auth.bearer.robot]", "[auth.bearer.next]").replace(
            TOKEN, new["Authorization"][7:]
        )
        own_service.config.write_text(settings, encoding="utf-8")
        own_service.start()
        own_service.post(ORDER, an_order(), auth=None, headers=new)
        assert own_service.post(ORDER, an_order(), auth=None, headers=bearer).status_code == 401
        assert own_service.stop() == 0
        after = self.rows(own_service)
        assert after["robot", "order"] == ["robot", "removed", "order", "0", last_use]
        assert after["next", "order"][-1] > last_use
        assert ("robot", "shipment") not in after

    def test_use_is_written_while_the_service_runs(self, own_service: RunningService) -> None:
        own_service.start()
        own_service.post(ORDER, an_order())
        wait_for(lambda: self.rows(own_service)["main", "order"][-1] != "never")

    def test_wrong_password_and_wrong_endpoint_are_no_use(self, own_service: RunningService) -> None:
        own_service.start()
        assert own_service.post(ORDER, an_order(), auth=("tradecloud", "wrong")).status_code == 401
        other = ("orders-only", "another secret")
        assert own_service.post(SHIPMENT, example("shipment-issued"), auth=other).status_code == 403
        assert own_service.stop() == 0
        rows = self.rows(own_service)
        assert rows["main", "order"][-1] == rows["orders", "order"][-1] == "never"
        assert ("orders", "shipment") not in rows


class TestSenders:
    @pytest.mark.parametrize(
        ("forwarded", "address", "listed"),
        [
            (LISTED, LISTED, True),
            (STRANGER, STRANGER, False),
            (f"{LISTED}, {STRANGER}:4711", STRANGER, False),
            (f"{STRANGER}, {LISTED}", LISTED, True),
            (None, None, None),
            ("unknown", None, None),
        ],
    )
    def test_sender_is_the_one_that_the_proxy_on_this_machine_names(
        self, proxied: RunningService, forwarded: str | None, address: str | None, listed: bool | None
    ) -> None:
        response = proxied.post(ORDER, an_order(), headers={"X-Forwarded-For": forwarded})
        assert response.status_code == 202
        event = proxied.event(response.json()["eventId"])
        assert (event["sourceAddress"], event["sourceListed"]) == (address, listed)

    def test_sender_behind_two_named_proxies_is_found(self, tmp_path: Path) -> None:
        service = RunningService(tmp_path, https=False, extra='trusted_proxies = ["127.0.0.1", "10.0.0.0/8"]')
        try:
            service.start()
            headers = {"X-Forwarded-For": f"{LISTED}, {STRANGER}, 10.1.2.3"}
            event = service.event(service.post(ORDER, an_order(), headers=headers).json()["eventId"])
        finally:
            service.kill()
        assert (event["sourceAddress"], event["sourceListed"]) == (STRANGER, False)

    @pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP"])
    def test_without_a_proxy_no_header_is_believed_and_this_machine_is_not_marked(
        self, service: RunningService, header: str
    ) -> None:
        response = service.post(ORDER, an_order(), headers={header: f"for={STRANGER}, {STRANGER}"})
        event = service.event(response.json()["eventId"])
        assert (event["sourceAddress"], event["sourceListed"]) == ("127.0.0.1", None)
        assert "sender=unlisted" not in service.log.read_text()

    def test_unlisted_sender_is_shown_listed_and_logged_without_its_address(
        self, behind_proxy: RunningService
    ) -> None:
        behind_proxy.start()
        headers = {"X-Forwarded-For": STRANGER}
        sent = an_order()
        stored = behind_proxy.post(ORDER, sent, headers=headers).json()["eventId"]
        assert behind_proxy.post(ORDER, sent, headers=headers).json()["duplicate"]
        refused = behind_proxy.post(ORDER, b"nonsense", headers=headers)
        assert refused.status_code == 400
        listed = behind_proxy.post(ORDER, an_order(), headers={"X-Forwarded-For": LISTED}).json()["eventId"]
        shown = text(behind_proxy, "events", "show", stored)
        assert f"sender address     {STRANGER}, not listed by Tradecloud (list of 2026-07-14)\n" in shown
        assert f"{LISTED}, listed by Tradecloud\n" in text(behind_proxy, "events", "show", listed)
        notes = {line.split()[0]: line for line in text(behind_proxy, "events", "list").splitlines()}
        assert notes[stored].endswith("sender not listed; delivered 2 times")
        quarantined = refused.json()["quarantineId"]
        assert notes[quarantined].endswith("sender not listed; refused 400 body-refused")
        assert "sender not listed" not in notes[listed]
        assert behind_proxy.event(quarantined)["sourceAddress"] == STRANGER
        log = behind_proxy.log.read_text()
        marked = [line for line in log.splitlines() if line.endswith(" sender=unlisted")]
        assert [line.split("action=")[1].split()[0] for line in marked] == ["stored", "duplicate", "quarantined"]
        assert STRANGER not in log
        assert LISTED not in log

    def test_address_that_was_listed_only_later_is_said_to_be_so(self, own_service: RunningService) -> None:
        own_service.start()
        assert own_service.stop() == 0
        new = event("m1")
        delivery = replace(new.delivery, source_address=LISTED, source_listed=False)
        accept_all(own_service.database, replace(new, delivery=delivery))
        assert "not listed by Tradecloud when it came" in text(own_service, "events", "show", new.id)
