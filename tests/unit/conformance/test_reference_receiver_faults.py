"""Every fault of the reference receiver is a real one: it starts, and differs on the wire from the clean one."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from conformance.mutants import credentials
from conformance.mutants.credentials import BasicPair
from conformance.mutants.faults import Faults, benign_table, fault_table
from conformance.mutants.receiver import Receiver as ReceiverInside
from tests.unit.conformance.reference_receiver import (
    NONE,
    ROOT,
    XML,
    Answer,
    Receiver,
    basic,
    fresh,
    read_answer,
    request,
    running,
    small,
)

Probe = Callable[[Receiver], object]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder, so that certificates are made once."""
    return tmp_path_factory.mktemp("faults")


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    with running(tmp_path_factory.mktemp("clean")) as receiver:
        yield receiver


def _number() -> str:
    return f"TCCONF-unit-{uuid.uuid4().hex[:12]}"


def _secret_in_other_case(receiver: Receiver) -> object:
    other = credentials.BASIC.password.swapcase()
    return receiver.send(small(), auth=basic(BasicPair("tradecloud", other))).status


def _challenge_of_a_wrong_token(receiver: Receiver) -> object:
    return receiver.send(small(), auth="Bearer wrong").header("www-authenticate")


def _two_requests_of_which_the_first_is_refused(receiver: Receiver) -> object:
    with receiver.connect() as connection:
        connection.sendall(request(small(), auth=None))
        first = read_answer(connection).status
        connection.sendall(request(small()))
        return first, read_answer(connection).status


def _hello_of_ssl_3(receiver: Receiver) -> object:
    body = b"\x03\x00" + bytes(32) + b"\x00" + b"\x00\x02\x00\x35" + b"\x01\x00"
    message = b"\x01" + len(body).to_bytes(3, "big") + body
    with socket.create_connection(("127.0.0.1", receiver.port), timeout=5) as connection:
        connection.sendall(b"\x16\x03\x00" + len(message).to_bytes(2, "big") + message)
        return connection.recv(1)


def _copies_at_once(receiver: Receiver) -> object:
    number = _number()
    text = fresh("order.json", number)
    threads = [threading.Thread(target=receiver.send, args=(text,)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return receiver.effects(number)


def _retry_after_trouble(receiver: Receiver) -> object:
    number = _number()
    text = fresh("order.json", number)
    with receiver.state("erp-down"):
        first = receiver.send(text).status
    return first, receiver.send(text).status, receiver.effects(number)


def _the_same_with_other_white_space(receiver: Receiver) -> object:
    number = _number()
    text = fresh("order.json", number)
    return receiver.send(text).status, receiver.send(text.replace("\n", " ")).status, receiver.effects(number)


def _older_after_newer(receiver: Receiver) -> object:
    number = _number()
    for vector in ("three-lines.json", "one-line.json", "three-lines.json"):
        receiver.send(fresh(vector, number))
    return receiver.control("GET", f"/order?number={number}")["version"]


def _ten_as_10_0(receiver: Receiver) -> object:
    return receiver.send(fresh("order.json").replace("40.00", "10.0")).status


def _request_inside_a_request(receiver: Receiver) -> object:
    chunked = b"0\r\n\r\n" + request(small())
    answers = []
    with receiver.connect() as connection:
        connection.settimeout(3)
        connection.sendall(request(chunked, headers=(("Transfer-Encoding", "chunked"), ("Content-Length", "5"))))
        for _ in range(2):
            try:
                answers.append(read_answer(connection).status)
            except OSError:
                answers.append(NONE.status)
    return answers


def _entity_of_a_file(receiver: Receiver) -> object:
    text = (
        '<!DOCTYPE a [<!ENTITY e SYSTEM "file:///proc/self/comm">]>'
        "<WebhookBody><eventName>A</eventName><orderEvent><orderId>&e;</orderId></orderEvent></WebhookBody>"
    )
    return b"python" in receiver.send(text, content_type=XML).body


def _line_feed_in_a_value(receiver: Receiver) -> object:
    return receiver.send(small(x="a\r\nX-Injected: 1")).header("x-injected")


def _slow_neighbour(receiver: Receiver) -> object:
    with receiver.connect() as neighbour:
        neighbour.sendall(request(b"{", headers=(("Content-Length", "100"),)))
        time.sleep(0.2)
        with receiver.connect() as connection:
            connection.settimeout(1.5)
            connection.sendall(request(small()))
            try:
                return read_answer(connection).status
            except OSError:
                return NONE.status


PROBES: dict[str, tuple[Probe, object, object]] = {
    "MU-30": (_ten_as_10_0, 202, 400),
    "MU-56": (_copies_at_once, 1, 6),
    "MU-73": (_entity_of_a_file, False, True),
    "MU-78": (_slow_neighbour, 202, 0),
    "MU-128": (_two_requests_of_which_the_first_is_refused, (401, 202), (401, 400)),
    "MU-132": (_secret_in_other_case, 401, 202),
    "MU-154": (_hello_of_ssl_3, b"\x15", b"\x16"),
    "MU-196": (_retry_after_trouble, (502, 202, 1), (502, 202, 0)),
    "MU-200": (_the_same_with_other_white_space, (202, 202, 1), (202, 202, 2)),
    "MU-201": (_older_after_newer, 2, 1),
    "MU-237": (_request_inside_a_request, [400, 0], [400, 202]),
    "MU-261": (_line_feed_in_a_value, "", "1"),
}
"""For subtle faults: a probe, what the clean receiver gives, and what the faulty one gives."""


@pytest.mark.parametrize("fault", PROBES)
def test_a_subtle_fault_differs_from_the_clean_receiver(clean: Receiver, folder: Path, fault: str) -> None:
    probe, of_clean, of_faulty = PROBES[fault]
    assert probe(clean) == of_clean
    with running(folder, "--fault", fault) as faulty:
        assert probe(faulty) == of_faulty


def test_every_fault_and_every_variant_can_be_switched_on(folder: Path) -> None:
    for switch in [*(Faults(one) for one in fault_table()), *(Faults(None, one) for one in benign_table())]:
        ReceiverInside(folder, switch, "http://localhost:1").stop()


@pytest.mark.parametrize("variant", benign_table())
def test_a_benign_variant_delivers(folder: Path, variant: str) -> None:
    with running(folder, "--benign", variant) as receiver:
        answer: Answer = receiver.send(small())
        assert answer.status in (200, 202, 204)
        assert receiver.send(json.dumps(small())[:-1]).status in (400, 500)


class TestFaultTable:
    def test_every_fault_is_switched_somewhere_and_every_switch_is_in_the_table(self) -> None:
        sources = "".join(path.read_text("utf-8") for path in (ROOT / "conformance" / "mutants").glob("*.py"))
        switched = set(re.findall(r'"((?:MU|BV)-\d+)"', sources))
        assert switched == set(fault_table()) | set(benign_table())

    def test_an_unknown_fault_does_not_start(self, tmp_path: Path) -> None:
        command = [
            sys.executable,
            "-m",
            "conformance.mutants.receiver",
            "--folder",
            str(tmp_path),
            "--fault",
            "MU-0",
        ]
        assert subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode == 2
