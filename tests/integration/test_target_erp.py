"""The stand-in of the ERP behind a target: real HTTP, a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.acceptance.running import ROOT
from tools.target.erp import free_port


class Erp:
    """A stand-in in a folder of its own, and a sender with the header fields of the service."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.port = free_port()
        (path / "erp-port").write_text(str(self.port), encoding="utf-8")
        (path / "secrets.env").touch()  # it is the folder of a target

    def command(self, state: str, switch: str, *, check: bool = True) -> str:
        """Carry out `python -m tools.target erp-down on` and its like; what it said of its failure."""
        words = [sys.executable, "-m", "tools.target", state, switch, "--folder", str(self.path)]
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=60)
        assert not check or done.returncode == 0, done.stderr
        return done.stderr

    def send(self, order: str, key: str = "key-1", timeout: float = 10.0) -> int:
        body = {"orderEvent": {"buyerOrder": {"purchaseOrderNumber": order}}}
        headers = {"Idempotency-Key": key, "Webhooks-Event-Id": f"event of {key}", "Webhooks-Attempt": "1"}
        return requests.post(
            f"http://127.0.0.1:{self.port}/events", json=body, headers=headers, timeout=timeout
        ).status_code

    @property
    def notes(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.path / "erp.ndjson").read_text("utf-8").splitlines()]


@pytest.fixture
def erp(tmp_path: Path) -> Iterator[Erp]:
    started = Erp(tmp_path)
    started.command("erp-down", "off")
    yield started
    started.command("erp-down", "on")


def test_what_is_taken_is_noted_with_its_key_before_it_is_answered(erp: Erp) -> None:
    assert [erp.send("TCCONF-1"), erp.send("TCCONF-1"), erp.send("TCCONF-2", "key-2")] == [200, 200, 200]
    assert [(note["key"], note["event"], note["status"]) for note in erp.notes] == [
        ("key-1", "event of key-1", 200),
        ("key-1", "event of key-1", 200),
        ("key-2", "event of key-2", 200),
    ]


@pytest.mark.parametrize(
    ("order", "status"),
    [("TCCONF-422-1", 422), ("TCCONF-404-1", 404), ("TCCONF-4221", 200), ("x TCCONF-404-1", 200)],
)
def test_order_whose_number_says_so_is_refused(erp: Erp, order: str, status: int) -> None:
    assert erp.send(order) == status
    assert [note["status"] for note in erp.notes] == [status]


def test_connections_are_refused_while_it_is_down_and_taken_at_the_same_port_afterwards(erp: Erp) -> None:
    erp.send("TCCONF-1")
    for _ in range(2):  # turning it on or off again changes nothing
        erp.command("erp-down", "on")
    with pytest.raises(requests.ConnectionError, match="refused"):
        erp.send("TCCONF-1")
    for _ in range(2):
        erp.command("erp-down", "off")
    assert erp.send("TCCONF-1", "key-2") == 200
    assert [note["key"] for note in erp.notes] == ["key-1", "key-2"]


def test_while_it_is_slow_it_has_the_event_at_once_and_answers_when_it_is_over(erp: Erp) -> None:
    erp.command("erp-slow", "on")
    with pytest.raises(requests.ReadTimeout):
        erp.send("TCCONF-1", timeout=0.5)
    assert [(note["key"], note["slow"]) for note in erp.notes] == [("key-1", True)]
    answers: list[int] = []
    waiting = threading.Thread(target=lambda: answers.append(erp.send("TCCONF-1", "key-2", timeout=20)))
    waiting.start()
    time.sleep(0.3)
    assert answers == []
    erp.command("erp-slow", "off")
    waiting.join(10)
    assert answers == [200]
    assert erp.send("TCCONF-1", "key-3") == 200


def test_stand_in_that_cannot_start_says_why(tmp_path: Path, erp: Erp) -> None:
    other = tmp_path / "other"
    other.mkdir()
    second = Erp(other)
    (other / "erp-port").write_text(str(erp.port), encoding="utf-8")
    said = second.command("erp-down", "off", check=False)
    assert said.startswith("target: the ERP did not start")
    assert "in use" in said
    assert said.count("\n") == 1
