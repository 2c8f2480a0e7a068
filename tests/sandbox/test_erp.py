"""The small ERP: books each event once, and is in trouble as told."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import requests

from sandbox.control import Control
from sandbox.erp import Erp
from sandbox.serving import HttpServer


@pytest.fixture
def erp() -> Iterator[Erp]:
    with Erp() as running:
        yield running


@pytest.fixture
def control(erp: Erp) -> Iterator[str]:
    """Address of a control port."""
    functions = Control()
    erp.register(functions)
    with HttpServer(functions) as running:
        yield running.url


def send(erp: Erp, key: str | None = "k-1", body: bytes = b"{}", name: str = "OrderIssuedByBuyer") -> int:
    headers = {"Webhooks-Event-Name": name} | ({"Idempotency-Key": key} if key else {})
    return requests.post(erp.url, data=body, headers=headers, timeout=10).status_code


def test_event_is_booked_once_however_often_it_comes(erp: Erp, control: str) -> None:
    assert [send(erp), send(erp), send(erp, "k-2", name="OrderResentByBuyer")] == [201, 200, 201]
    state = requests.get(f"{control}/erp/state", timeout=10).json()
    assert (state["events"], state["repeated"]) == (2, 1)
    assert state["answers"] == {"200": 1, "201": 2}
    assert state["by_name"] == {"OrderIssuedByBuyer": 1, "OrderResentByBuyer": 1}
    listed = requests.get(f"{control}/erp/events", timeout=10).json()
    assert [event["key"] for event in listed] == ["k-1", "k-2"]


def test_other_body_under_a_known_key_is_422_and_a_conflict(erp: Erp, control: str) -> None:
    assert [send(erp), send(erp, body=b"[]")] == [201, 422]
    assert erp.state()["conflicts"] == 1
    body = requests.post(f"{control}/erp/body", json={"key": "k-1"}, timeout=10)
    assert body.json() == {"body": "{}"}
    assert requests.post(f"{control}/erp/body", json={"key": "k-9"}, timeout=10).status_code == 409


def test_event_without_a_key_is_400(erp: Erp) -> None:
    assert send(erp, None) == 400
    assert not erp.events()


@pytest.mark.parametrize(("trouble", "status"), [("503", 503), ("refuse", 422)])
def test_trouble_books_nothing_until_it_is_over(erp: Erp, control: str, trouble: str, status: int) -> None:
    requests.post(f"{control}/erp/down", json={"trouble": trouble}, timeout=10).raise_for_status()
    assert send(erp) == status
    assert not erp.events()
    assert erp.state()["down"] == trouble
    requests.post(f"{control}/erp/up", timeout=10).raise_for_status()
    assert send(erp) == 201


def test_trouble_with_an_end_is_over_by_itself(erp: Erp) -> None:
    erp.go_down(seconds=0.0)
    assert send(erp) == 201
    assert erp.state()["down"] is None


def test_lost_answer_is_booked_all_the_same(erp: Erp) -> None:
    erp.go_down("lost-answer")
    with pytest.raises(requests.ConnectionError):
        send(erp)
    erp.come_up()
    assert send(erp) == 200
    assert erp.state()["answers"] == {"200": 1, "lost": 1}


def test_no_answer_books_nothing_and_ends_with_the_trouble(erp: Erp) -> None:
    erp.go_down("no-answer")
    ended: list[BaseException] = []

    def waits() -> None:
        try:
            send(erp)
        except requests.ConnectionError as error:
            ended.append(error)

    waiting = threading.Thread(target=waits)
    waiting.start()
    waiting.join(0.2)
    assert waiting.is_alive()
    erp.come_up()
    waiting.join(10)
    assert len(ended) == 1
    assert not erp.events()


def test_many_threads_book_each_event_once(erp: Erp) -> None:
    threads = [threading.Thread(target=send, args=(erp, f"k-{number % 5}")) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(erp.events()) == 5
    assert erp.state()["repeated"] == 15
