"""The stand-in for the ERP does what it is told, and its notes tell order violations."""

from __future__ import annotations

import socket

import pytest
import requests

from tests.lifecycle.erp import Arrival, Erp, Fault, Mood, order_violations, seldom


def post(erp: Erp, key: str, order: str = "o", timeout: float = 5) -> requests.Response:
    return requests.post(
        erp.url,
        json={"eventName": "E", "orderEvent": {"orderId": order, "version": 1}},
        headers={"Idempotency-Key": key, "Webhooks-Event-Id": f"event-{key}"},
        timeout=timeout,
    )


def test_dead_erp_refuses_connections_and_keeps_its_port() -> None:
    with Erp() as erp:
        for _ in range(3):
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", erp.port), 5)
            erp.live()
            assert post(erp, "k").status_code == 200
            erp.die()


def test_dying_erp_ends_connections_that_stand() -> None:
    with Erp() as erp, requests.Session() as session:
        erp.live()
        session.post(erp.url, data=b"", timeout=5)
        (pooled,) = [socket.create_connection(("127.0.0.1", erp.port), 5)]
        pooled.sendall(b"POST /orders HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        assert pooled.recv(1000).startswith(b"HTTP/1.1 400")
        erp.die()
        pooled.settimeout(5)
        try:
            assert pooled.recv(1000) == b""
        except ConnectionResetError:
            pass
        finally:
            pooled.close()


def test_faults_come_and_go_and_are_noted() -> None:
    with Erp(lambda number, attempt: Fault.REFUSE if attempt == 1 else None) as erp:
        erp.live()
        assert [post(erp, "a").status_code, post(erp, "a").status_code] == [422, 200]
        erp.mood = Mood.BUSY
        assert post(erp, "a").status_code == 503
        assert [arrival.accepted for arrival in erp.arrivals] == [False, True, False]
        assert erp.accepted() == [erp.arrivals[1]]
        assert erp.trouble == []


def test_hanging_erp_answers_nobody_in_time_but_took_the_event() -> None:
    with Erp(lambda number, attempt: Fault.HANG, hang_seconds=0.5) as erp:
        erp.live()
        with pytest.raises(requests.ReadTimeout):
            post(erp, "a", timeout=0.1)
        assert [arrival.accepted for arrival in erp.arrivals] == [True]


def test_seldom_heals_after_two_attempts() -> None:
    assert {seldom(number, 3) for number in range(1, 1000)} == {None}
    assert {seldom(number, 1) for number in range(1, 1000)} == {None, *Fault}


def arrival(key: str, order: str, *, accepted: bool = True) -> Arrival:
    return Arrival(key, key, order, {}, 0.0, 1, accepted)


@pytest.mark.parametrize(
    ("arrivals", "violations"),
    [
        ([arrival("1", "o"), arrival("2", "o"), arrival("3", "p")], 0),
        ([arrival("2", "o"), arrival("1", "o")], 1),
        ([arrival("2", "o"), arrival("1", "p")], 0),
        ([arrival("1", "o"), arrival("1", "o"), arrival("2", "o")], 0),
        ([arrival("1", "o", accepted=False), arrival("1", "o"), arrival("2", "o")], 0),
        ([arrival("1", "o", accepted=False), arrival("2", "o")], 1),
        ([arrival("1", "o"), arrival("2", "o"), arrival("1", "o")], 1),
    ],
)
def test_order_violations_are_told_apart_from_repetitions(arrivals: list[Arrival], violations: int) -> None:
    assert len(list(order_violations(arrivals, {"1": 1, "2": 2, "3": 3}))) == violations
